// SPDX-License-Identifier: MIT OR Apache-2.0
//! What hosts in C run, and what they refuse.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use paravirt_c_host_tests::{Arch, Ran, argument, c_host, compile, guest, run, scratch, workspace};

/// For each function named: two tests, which call it with an architecture each.
macro_rules! on_each_architecture {
    ($($test:ident),* $(,)?) => {
        mod x86_64 {
            $(#[test]
            fn $test() {
                super::$test(super::Arch::X86_64);
            })*
        }
        mod i386 {
            $(#[test]
            fn $test() {
                super::$test(super::Arch::I386);
            })*
        }
    };
}

on_each_architecture!(
    every_type_crosses_the_gate_both_ways,
    host_code_runs_in_a_state_of_its_own,
    an_alignment_check_is_the_guests_alone,
    mistakes_of_a_host_are_told_by_name,
    memory_that_runs_out_is_the_end_with_a_message,
    a_line_is_lost_at_no_instruction,
    arguments_may_end_with_the_guests_memory_but_not_behind_it,
    the_resolver_takes_nothing_but_a_slot,
    the_direction_flag_is_clear_in_the_host_and_behind_each_call,
    the_wall_clock_is_that_of_the_machine,
    faults_are_explained,
    a_faults_signal_that_somebody_sends_is_no_fault,
    a_fault_in_code_of_the_other_width_ends_the_guest,
    the_name_of_a_file_is_escaped_in_messages,
    signals_that_whoever_started_it_blocks_come_all_the_same,
    a_storm_of_timers_is_counted_exactly_while_the_guest_goes_on,
    guests_that_do_not_fit_are_refused,
    a_host_in_the_guests_place_is_told_so,
);

/// The example's code for Linux.
const LINUX: &str = "examples/c-host/c-host.c";

fn every_type_crosses_the_gate_both_ways(arch: Arch) {
    let folder = scratch();
    let sources = [LINUX, "tests/c-host/hosts/calls.c"];
    let (guest, host) = (guest(arch, "calls"), compile(arch, &sources, folder.path()));
    for options in [&[][..], &["--lazy"]] {
        let ran = run(&host, &[options, &[argument(&guest)]].concat());
        // The guest prints what is wrong, and has the host stop it.
        assert_eq!((ran.output.as_str(), ran.messages.as_str()), ("", ""));
        assert_eq!(ran.status, Some(1), "{options:?}");
    }
}

fn host_code_runs_in_a_state_of_its_own(arch: Arch) {
    let folder = scratch();
    let sources = ["tests/c-host/hosts/state.c"];
    let (guest, host) = (guest(arch, "state"), compile(arch, &sources, folder.path()));
    for options in [&[][..], &["--lazy"]] {
        let ran = run(&host, &[options, &[argument(&guest)]].concat());
        assert_eq!(ran.output, "", "{options:?}");
        // A host that does what it must not is told so.
        let message = "c-host: pvh_guest_release: the guest runs; release it when pvh_guest_enter() has returned\n";
        assert_eq!((ran.messages.as_str(), ran.status), (message, Some(1)));
    }
}

fn an_alignment_check_is_the_guests_alone(arch: Arch) {
    let folder = scratch();
    let sources = ["tests/c-host/hosts/state.c"];
    let (guest, host) = (guest(arch, "alignment"), compile(arch, &sources, folder.path()));
    let ran = run(&host, &[argument(&guest)]);
    assert_eq!((ran.messages.as_str(), ran.status), ("", Some(0)), "{}", ran.output);
}

fn mistakes_of_a_host_are_told_by_name(arch: Arch) {
    let folder = scratch();
    let sources = ["tests/c-host/hosts/refusals.c"];
    let (guest, host) = (guest(arch, "hello"), compile(arch, &sources, folder.path()));
    let Ran { output, status, .. } = run(&host, &[argument(&guest)]);
    assert_eq!(status, Some(0), "{output}");
    let file = workspace().join("tests/c-host/tests/refusals.txt");
    let expected = fs::read_to_string(file).expect("the expected output");
    let width = if arch == Arch::I386 { "32" } else { "64" };
    let expected = expected.replace("{width}", width);
    let output: Vec<String> = output.lines().map(without_size).collect();
    assert_eq!(output.join("\n"), expected.trim_end());
}

/// The line without sizes of the guest, which depend on the compiler.
fn without_size(line: &str) -> String {
    let mut line = line.to_owned();
    for before in ["cannot map ", "which ends at "] {
        if let Some(start) = line.find(before).map(|at| at + before.len()) {
            let is_digit = |c: char| c == 'x' || c.is_ascii_hexdigit();
            let end = line[start..].find(|c| !is_digit(c)).unwrap_or(0);
            line.replace_range(start..start + end, "SIZE");
        }
    }
    line
}

fn memory_that_runs_out_is_the_end_with_a_message(arch: Arch) {
    let folder = scratch();
    let sources = [
        LINUX,
        "examples/c-host/functions.c",
        "tests/c-host/hosts/memory.c",
        "-Wl,--wrap=posix_memalign",
    ];
    let (guest, host) = (guest(arch, "hello"), compile(arch, &sources, folder.path()));
    let runs_with = |allocations: usize| {
        let output = Command::new(&host)
            .arg(&guest)
            .env("MEMORY", allocations.to_string())
            .output()
            .expect("the host starts");
        if output.status.success() {
            return true;
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{allocations}: {messages}");
        assert!(
            messages.contains("out of memory: `allocate` of the environment had no "),
            "{allocations}: {messages}"
        );
        false
    };
    let enough = (0..).find(|&allocations| runs_with(allocations));
    assert!(enough > Some(20), "{enough:?}");
}

fn a_line_is_lost_at_no_instruction(arch: Arch) {
    let folder = scratch();
    let sources = ["tests/c-host/hosts/walk.c"];
    let (guest, host) = (guest(arch, "walk"), compile(arch, &sources, folder.path()));
    let ran = run(&host, &[argument(&guest)]);
    println!("{}", ran.output);
    assert_eq!(ran.status, Some(0), "{}{}", ran.output, ran.messages);
}

/// By the library, in a fault report, in a refusal and where functions are missing.
fn the_name_of_a_file_is_escaped_in_messages(arch: Arch) {
    const EVIL: &str = "x\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\nevil: all is well";
    let (folder, host) = (scratch(), c_host(arch, "c-host"));
    let file = folder.path().join(EVIL);
    for (name, arguments) in [
        (Some("fault"), &["--", "null"][..]),
        (Some("conformance"), &[]),
        (None, &[]),
    ] {
        match name {
            Some(name) => fs::copy(guest(arch, name), &file).map(drop),
            None => fs::write(&file, "no ELF"),
        }
        .expect("a file");
        let Ran { messages, .. } = run(&host, &[&[argument(&file)], arguments].concat());
        assert!(messages.contains("x\\u{1b}[31m\\u{9b}2J"), "{messages}");
        for line in messages.lines() {
            let is_shown = |c: char| c == '\t' || (!c.is_control() && !"\u{202e}\u{2028}".contains(c));
            assert!(line.chars().all(is_shown), "{name:?}: {line:?}");
            assert!(!line.starts_with("evil"), "{name:?}: {messages}");
        }
    }
}

/// As many starters do.
fn signals_that_whoever_started_it_blocks_come_all_the_same(arch: Arch) {
    let host = c_host(arch, "c-host");
    for (name, argument_of_guest, status) in [("timers", "count", 0), ("fault", "null", 5)] {
        let guest = guest(arch, name);
        let arguments = [argument(&host), argument(&guest), "--", argument_of_guest];
        let ran = run("env".as_ref(), &[&["--block-signal"], &arguments[..]].concat());
        assert_eq!(ran.status, Some(status), "{name}: {ran:?}");
    }
}

/// All timers with the shortest period.
fn a_storm_of_timers_is_counted_exactly_while_the_guest_goes_on(arch: Arch) {
    let (host, guest) = (c_host(arch, "c-host"), guest(arch, "timers"));
    let ran = run(&host, &[argument(&guest), "--", "count"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

/// Runs the guest `misuse` on a host of its own.
fn misuse(arch: Arch) -> impl Fn(bool, &[&str]) -> Ran {
    let folder = scratch();
    let sources = ["tests/c-host/hosts/misuse.c"];
    let host = compile(arch, &sources, folder.path());
    let guest = guest(arch, "misuse");
    move |lazy, how: &[&str]| {
        let _keep = &folder;
        let options: &[&str] = if lazy { &["--lazy"] } else { &[] };
        run(&host, &[options, &[argument(&guest), "--"], how].concat())
    }
}

fn arguments_may_end_with_the_guests_memory_but_not_behind_it(arch: Arch) {
    let misuse = misuse(arch);
    for lazy in [false, true] {
        for function in ["integers", "floats"] {
            let ran = misuse(lazy, &[function, "0"]);
            assert_eq!(ran.status, Some(0), "{function} lazy {lazy}: {ran:?}");
            for missing in ["1", "4", "15"] {
                let ran = misuse(lazy, &[function, missing]);
                assert_eq!(ran.status, Some(5), "{function} {missing}: {ran:?}");
                let expected = format!("call of `check_{function}` with arguments outside of memory");
                assert!(ran.messages.contains(&expected), "{missing}: {ran:?}");
            }
        }
    }
}

fn the_resolver_takes_nothing_but_a_slot(arch: Arch) {
    let misuse = misuse(arch);
    for slot in ["before", "inside", "behind", "null", "last", "no-stack"] {
        let ran = misuse(true, &["resolver", slot]);
        assert_eq!(ran.status, Some(5), "{slot}: {ran:?}");
        let expected = "call of the resolver that does not come from a function's thunk";
        assert!(ran.messages.contains(expected), "{slot}: {ran:?}");
    }
    let ran = misuse(false, &["stub"]);
    assert_eq!(ran.status, Some(5), "{ran:?}");
    let expected = "jump into the middle of the host's gates";
    assert!(ran.messages.contains(expected), "{ran:?}");
}

fn the_direction_flag_is_clear_in_the_host_and_behind_each_call(arch: Arch) {
    let misuse = misuse(arch);
    for lazy in [false, true] {
        let ran = misuse(lazy, &["direction"]);
        let expected = "0 times in or after a host function, 0 times in between\n";
        assert_eq!((ran.output.as_str(), ran.status), (expected, Some(0)), "{ran:?}");
    }
}

fn the_wall_clock_is_that_of_the_machine(arch: Arch) {
    let (guest, host) = (guest(arch, "clock"), c_host(arch, "c-host"));
    // Somebody may be setting the clock of this machine, but hardly by more.
    let step = Duration::from_secs(2);
    let wall = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is later than 1970")
    };
    let before = wall() - step;
    let ran = run(&host, &["--partial", argument(&guest)]);
    let after = wall() + step;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for label in ["at start: ", "wall: "] {
        let time = ran.output.lines().find_map(|line| line.strip_prefix(label));
        let time = time.and_then(|time| time.parse().ok()).map(Duration::from_nanos);
        let is_now = time.is_some_and(|time| (before..=after).contains(&time));
        assert!(is_now, "{label} between {before:?} and {after:?}: {ran:?}");
    }
}

/// A far jump leads there; who left it in that mode would meet a fault after the other.
fn a_fault_in_code_of_the_other_width_ends_the_guest(arch: Arch) {
    let (guest, host) = (guest(arch, "escape"), c_host(arch, "c-host"));
    let ran = run(&host, &[argument(&guest), "--", "far-hlt"]);
    assert_eq!(ran.output, "escaping\n", "{}", ran.messages);
    assert!(ran.messages.contains("general protection fault"), "{}", ran.messages);
    assert_eq!(ran.status, Some(5), "{}", ran.messages);
}

fn faults_are_explained(arch: Arch) {
    let (guest, host) = (guest(arch, "fault"), c_host(arch, "c-host"));
    // What these instructions find; x86-64 does not have them.
    let of_i386 = [
        ("into", &["overflow", "instruction: into"][..]),
        ("bound", &["index out of bounds", "instruction: bound"]),
    ];
    let of_arch = if arch == Arch::I386 { &of_i386[..] } else { &[] };
    let of_both = [
        (
            "null",
            &["bad read from address 0x10,", "fault::read_null+0x", "null pointer"][..],
        ),
        ("text", &["bad write to address 0x", "which is r-x"]),
        (
            "jump",
            &[
                "bad execution at address 0x50,",
                "return address",
                "fault::jump_nowhere+0x",
            ],
        ),
        (
            "written",
            &["bad execution at address 0x", "which is rw-", "`--executable-memory`"],
        ),
        ("cli", &["general protection fault", "`cli` is privileged"]),
        ("undefined", &["illegal instruction", "instruction: ud2"]),
        ("divide", &["division by zero", "instruction: div"]),
        ("breakpoint", &["breakpoint", "instruction: int3"]),
        (
            "overflow",
            &[
                "bad write to address",
                "where nothing is mapped",
                "the stack overflowed",
            ],
        ),
        ("lost", &["bad execution at address 0x50,", "there is no stack"]),
    ];
    for &(end, parts) in of_both.iter().chain(of_arch) {
        let Ran { messages, status, .. } = run(&host, &[argument(&guest), "--", end]);
        assert_eq!(status, Some(5), "{end}: {messages}");
        for part in parts {
            assert!(messages.contains(part), "{end}: no {part:?} in {messages}");
        }
    }
    for (end, expected) in [("exit", 0), ("fatal", 3), ("reset", 4)] {
        let ran = run(&host, &[argument(&guest), "--", end]);
        assert_eq!(ran.status, Some(expected), "{end}: {}", ran.messages);
    }
}

fn a_faults_signal_that_somebody_sends_is_no_fault(arch: Arch) {
    let (guest, host) = (guest(arch, "fault"), c_host(arch, "c-host"));
    for end in ["hang", "spin"] {
        for signal in [libc::SIGSEGV, libc::SIGFPE, libc::SIGTRAP] {
            let mut child = Command::new(&host)
                .arg(&guest)
                .args(["--", end])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the host starts");
            let mut line = [0; 8];
            let stdout = child.stdout.as_mut().expect("it is piped");
            stdout.read_exact(&mut line).expect("the guest says a word");
            // SAFETY: no pointers; the child has not been waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
            let output = child.wait_with_output().expect("our child");
            let messages = String::from_utf8_lossy(&output.stderr);
            let (status, is_silent) = (output.status, messages.is_empty());
            assert!(is_silent, "{end} {signal}: {messages}");
            assert_eq!(status.signal(), Some(signal), "{end}: {status}");
        }
    }
}

fn guests_that_do_not_fit_are_refused(arch: Arch) {
    let (host, walk, hello) = (c_host(arch, "c-host"), guest(arch, "walk"), guest(arch, "hello"));
    let refused = |guest: &str, parts: &[&str]| {
        let ran = run(&host, &[guest]);
        assert_eq!((ran.status, ran.output.as_str()), (Some(1), ""), "{guest}");
        for part in parts {
            let messages = &ran.messages;
            assert!(messages.contains(part), "no {part:?} in {messages}");
        }
    };
    refused(
        argument(&walk),
        &["missing: walk_begin", "missing: walk_end", "missing: walk_report"],
    );
    let folder = scratch();
    let bytes = fs::read(&hello).expect("the guest");
    for (name, length, part) in [
        ("empty", 0, "not an ELF file"),
        ("header", 30, "truncated: 30 bytes do not hold an ELF header"),
        ("half", bytes.len() / 2, "copy or link it again"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, &bytes[..length]).expect("the scratch folder");
        refused(argument(&file), &[name, part]);
    }
    for other in Arch::ALL.into_iter().filter(|&other| other != arch) {
        let other = guest(other, "hello");
        refused(argument(&other), &["hello: ", arch.name()]);
    }
}

fn a_host_in_the_guests_place_is_told_so(arch: Arch) {
    let folder = scratch();
    // The last of two options counts.
    let sources = [LINUX, "examples/c-host/functions.c", "-Wl,-Ttext-segment=0x100000"];
    let (guest, host) = (guest(arch, "hello"), compile(arch, &sources, folder.path()));
    let ran = run(&host, &[argument(&guest)]);
    assert_eq!(ran.status, Some(1), "{}", ran.messages);
    let part = "bytes at 0x100000 for the guest: `map` of the host's platform returned -17";
    assert!(ran.messages.contains(part), "{}", ran.messages);
}
