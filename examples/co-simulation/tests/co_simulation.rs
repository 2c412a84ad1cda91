// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each run prints the same, and whatever ends a guest or the program ends all. What it prints is compared with
//! `expected.txt` of the controller by the tests `runs`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::hint;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Arch, guest};

/// Time for what takes a moment.
const SOON: Duration = Duration::from_secs(60);

fn program(guest: &Path, way: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(env!("CARGO_BIN_EXE_co-simulation"))
        .args(["--time", way])
        .arg(guest)
        .stdin(Stdio::null());
    command
}

fn run(guest: &Path, way: &str) -> Output {
    program(guest, way).output().expect("coreutils are there")
}

fn printed(guest: &Path, way: &str) -> String {
    let output = run(guest, way);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {}: {said}",
        guest.display(),
        output.status
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn each_run_prints_the_same_also_on_a_loaded_machine() {
    let ended = AtomicBool::new(false);
    let runs: Vec<String> = thread::scope(|scope| {
        let quiet = Arch::ALL.map(|arch| [(); 2].map(|()| printed(&guest(arch, "controller"), "steps")));
        let threads = 2 * thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..threads {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        // In place of what a panic would skip.
        let loaded = thread::spawn(|| Arch::ALL.map(|arch| printed(&guest(arch, "controller"), "steps"))).join();
        ended.store(true, Ordering::Relaxed);
        let loaded = loaded.expect("runs on a loaded machine");
        quiet.into_iter().flatten().chain(loaded).collect()
    });
    assert!(runs[0].lines().count() > 60, "{}", runs[0]);
    for run in &runs[1..] {
        assert_eq!(*run, runs[0]);
    }
    // Other steps are another course of events, but the samples are taken in the same milliseconds.
    let other = printed(&guest(Arch::X86_64, "controller"), "steps=777");
    assert_eq!(other, runs[0]);
}

#[test]
fn as_fast_as_the_guests_can_it_comes_to_the_same_end() {
    for arch in Arch::ALL {
        let printed = printed(&guest(arch, "controller"), "fast");
        let (_, said) = printed.rsplit_once("inlet: 2000 ms, level ").expect("the last sample");
        assert!(said.starts_with("599") || said.starts_with("600"), "{arch}: {said}");
    }
}

#[test]
fn a_guest_that_ends_early_is_named_and_so_is_why_there_is_none() {
    for arch in Arch::ALL {
        for (name, said) in [
            ("hello", "co-simulation: inlet ended with status 0 in millisecond 1\n"),
            (
                "own-function",
                "co-simulation: inlet ended with status 3 in millisecond 1\n",
            ),
        ] {
            let output = run(&guest(arch, name), "steps");
            assert_eq!(String::from_utf8_lossy(&output.stderr), said, "{arch}");
            assert_eq!(output.status.code(), Some(1));
        }
    }
    let output = run(Path::new("/nowhere"), "steps");
    let said = String::from_utf8_lossy(&output.stderr);
    // Of both; whose end is noticed first is a race.
    let is_named = ["inlet", "outlet"].map(|name| said.contains(&format!("the process of {name} has ended: ")));
    assert!(said.contains("/nowhere") && is_named != [false; 2], "{said}");
    assert_eq!(output.status.code(), Some(1));
    let output = run(&guest(Arch::X86_64, "controller"), "slow");
    assert_eq!(output.status.code(), Some(2));
}

/// The program with its children, in a process group of its own, when it has printed its first row.
struct Group {
    program: Child,
}

impl Group {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_co-simulation"));
        command
            .args(["--time", "0.5"])
            .arg(guest(Arch::X86_64, "controller"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        // Tests that a shell has started in the background ignore it.
        let heed_interrupts = || {
            // SAFETY: no pointers.
            unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
            Ok(())
        };
        // SAFETY: it makes one system call.
        unsafe { command.pre_exec(heed_interrupts) };
        let mut program = command.spawn().expect("it starts");
        let mut output = BufReader::new(program.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.starts_with("   100 | ") {
            line.clear();
            assert_ne!(output.read_line(&mut line).expect("a line"), 0, "it has ended");
        }
        // Nobody reads on, but the pipe has room, and stays open.
        program.stdout = Some(output.into_inner());
        Self { program }
    }

    fn number(&self) -> i32 {
        self.program.id().try_into().expect("a process")
    }

    /// Processes that the program has started.
    fn children(&self) -> Vec<i32> {
        let number = self.number();
        let text = fs::read_to_string(format!("/proc/{number}/task/{number}/children")).expect("a list");
        text.split_whitespace()
            .map(|child| child.parse().expect("a number"))
            .collect()
    }

    /// Its status, when no process of the group is left.
    fn ends(mut self) -> (ExitStatus, String) {
        let group = self.number();
        let error = self.program.stderr.take().expect("a pipe");
        let status = self.program.wait().expect("it ends");
        let start = Instant::now();
        while runs(group) {
            assert!(start.elapsed() < SOON, "a child is left");
            thread::sleep(Duration::from_millis(5));
        }
        let said = std::io::read_to_string(error).expect("text");
        (status, said)
    }
}

/// Returns whether a process of that group runs. One that has ended may stay for long, where nobody waits for orphans.
fn runs(group: i32) -> bool {
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    // Linux, proc_pid_stat(5): the name, in parentheses, the state, the parent, the group.
    stats.into_iter().any(|stat| {
        let mut words = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let state = words.next();
        !matches!(state, Some("Z" | "X")) && words.nth(1).is_some_and(|word| word == group.to_string())
    })
}

fn signal(process: i32, signal: i32) {
    // SAFETY: no pointers; a process or a group of this test's own.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

#[test]
fn nothing_is_left_when_the_program_is_interrupted_killed_or_loses_a_child() {
    use std::os::unix::process::ExitStatusExt;

    let group = Group::start();
    signal(-group.number(), libc::SIGINT);
    assert_eq!(group.ends().0.signal(), Some(libc::SIGINT));

    let group = Group::start();
    signal(group.number(), libc::SIGKILL);
    assert_eq!(group.ends().0.signal(), Some(libc::SIGKILL));

    let group = Group::start();
    let children = group.children();
    assert_eq!(children.len(), 2);
    signal(children[1], libc::SIGKILL);
    let (status, said) = group.ends();
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("co-simulation: the process of outlet has ended: signal: 9"),
        "{said}"
    );
}
