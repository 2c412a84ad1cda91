// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host qemu|xen-pv|xen-pvh|xen-domu`: real guests in real machines.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use paravirt_build::emulators;
use test_support::{has_in_order, qemu, qemu_arm, ring0_guest, workspace, xen, xen_arm};

use super::guests::{Arch, Running, guest, pvhost, text, wait_for};
use super::terminal::Session;
use super::time::{follows_the_time, shows_the_time};

/// Each host with each guest of that name that can run there.
///
/// # Panics
/// If QEMU, Xen or a guest is not there, or the guest cannot run in ring 0.
fn pairs(name: &str) -> Vec<(&'static str, Arch, PathBuf)> {
    let _ = (qemu(), xen());
    let mut pairs = Vec::new();
    for host in ["qemu", "xen-pv", "xen-pvh"] {
        for arch in Arch::ALL {
            if (host, arch) != ("xen-pv", Arch::I386) {
                pairs.push((host, arch, ring0_guest(arch, name)));
            }
        }
    }
    pairs
}

/// Each host with one guest of that name: what is tried does not depend on the architecture, and Xen takes seconds to
/// start.
fn one_each(name: &str) -> Vec<(&'static str, Arch, PathBuf)> {
    let mut pairs = pairs(name);
    pairs.dedup_by_key(|(host, ..)| *host);
    pairs
}

/// The command that runs a guest there, without input.
fn command(host: &str, guest: &Path, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = pvhost(guest, &[&["--host", host], options].concat(), arguments);
    emulators::environment(&mut command, &workspace());
    command
}

/// Runs a guest there, without input.
fn run(host: &str, guest: &Path, options: &[&str], arguments: &[&str]) -> Output {
    let mut command = command(host, guest, options, arguments);
    command.output().expect("pvhost starts")
}

#[test]
fn hello_says_hello_and_the_machine_says_nothing() {
    for (host, arch, guest) in pairs("hello") {
        let output = run(host, &guest, &[], &[]);
        assert_eq!(
            text(&output.stdout),
            "Hello from a paravirtualized guest\n",
            "{host} {arch}"
        );
        assert_eq!(text(&output.stderr), "", "{host} {arch}");
        assert_eq!(output.status.code(), Some(0), "{host} {arch}");
    }
}

#[test]
fn the_exit_status_tells_how_the_guest_ended() {
    for (host, arch, guest) in one_each("fault") {
        for (arguments, status) in [
            (&["exit", "263"][..], 7),
            (&["fatal"], 3),
            (&["reset"], 4),
            (&["undefined"], 5),
        ] {
            let output = run(host, &guest, &[], arguments);
            let stderr = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(status),
                "{host} {arch} {arguments:?}: {stderr}"
            );
            assert!(!stderr.contains("(XEN)"), "{host} {arch}: {stderr}");
        }
    }
}

#[test]
fn who_called_whom_is_told_of_a_fault_and_of_a_panic() {
    for (host, arch, guest) in pairs("fault") {
        for (end, parts) in [
            (
                "handler",
                &[
                    "guest fault:",
                    " fault::faults+0x",
                    "fault.rs:",
                    "irq::dispatch",
                    "paravirt_main",
                ][..],
            ),
            (
                "panic",
                &[
                    "guest gave up, with code 101",
                    "panic_fmt",
                    "fault.rs:",
                    "(main, inlined)",
                ],
            ),
        ] {
            let stderr = text(&run(host, &guest, &[], &[end]).stderr);
            let mut rest = stderr.as_str();
            for part in parts {
                let found = rest.split_once(part);
                (_, rest) = found.unwrap_or_else(|| panic!("{host} {arch} {end}: no {part:?} in {stderr}"));
            }
            assert!(!stderr.contains("guest: paravirt: "), "{host} {arch}: {stderr}");
        }
    }
}

#[test]
fn a_stack_that_overflows_meets_a_page_that_is_not_there() {
    for (host, arch, guest) in one_each("fault") {
        let output = run(host, &guest, &[], &["overflow"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{host} {arch}: {stderr}");
        if host == "xen-pv" {
            // Without a stack the guest cannot say a word; Xen walks the page tables to the one that has no entry.
            let entry = stderr.lines().find(|line| line.contains("L1["));
            assert!(
                entry.is_some_and(|line| line.contains("] = 0000000000000000 ")),
                "{host} {arch}: {stderr}"
            );
            continue;
        }
        let stdout = text(&output.stdout);
        for part in ["where no memory is mapped", "hint: a stack overflow"] {
            assert!(stdout.contains(part), "{host} {arch}: {stdout}");
        }
    }
}

#[test]
fn arguments_reach_the_guest_as_they_are() {
    for (host, arch, guest) in one_each("fault") {
        for argument in ["a,b=c,,d", "-x", "'\"`$%\\", "dom0_mem=1M"] {
            let output = run(host, &guest, &[], &[argument]);
            assert_eq!(
                text(&output.stdout),
                format!("no such end: {argument}\n"),
                "{host} {arch}"
            );
        }
    }
}

#[test]
fn the_guests_file_may_have_any_name() {
    let folder = tempfile::Builder::new()
        .prefix("file,=names with spaces")
        .tempdir()
        .expect("a folder for temporary files");
    for (host, arch, guest) in one_each("hello") {
        let odd = folder.path().join("a,b,,c d'\"=e:f");
        fs::copy(&guest, &odd).expect("a copy");
        let output = run(host, &odd, &[], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{host} {arch}: {stderr}");
    }
}

/// Starts a guest and gives it that input, which goes on as long as the second lives.
fn typing(host: &str, guest: &Path, input: &str) -> (Child, ChildStdin) {
    let mut child = command(host, guest, &[], &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pvhost starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it listens");
    (child, stdin)
}

/// Runs a guest that is given that input, and its end.
fn typed(host: &str, guest: &Path, input: &str) -> Output {
    let (child, stdin) = typing(host, guest, input);
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_guest_hears_what_is_typed_and_the_end_of_it() {
    for (host, arch, guest) in one_each("echo") {
        // More than any queue on the way holds. Of Xen's queue nobody knows how full it is, so there not so much more
        // that it overflows on a busy machine.
        let lines = if host == "qemu" { 500 } else { 20 };
        let input: String = (0..lines).map(|number| format!("line {number}\n")).collect();
        let output = typed(host, &guest, &input);
        let length = input.len();
        assert_eq!(
            text(&output.stdout),
            format!("echo: type, Ctrl-D ends\n{input}echo: {length} bytes\n"),
            "{host} {arch}"
        );
    }
}

/// A read brings what is there: more than the line that a task waits for, or the end without it.
#[test]
fn a_task_that_waits_for_a_line_ends_whatever_comes_with_it() {
    let mut hosts = one_each("embassy");
    hosts.push(("process", Arch::I386, guest(Arch::I386, "embassy")));
    for (host, arch, guest) in hosts {
        let ended = |what, output: Output| {
            assert_eq!(
                text(&output.stdout),
                "tick 1\ntick 2\ntick 3\nboth have ended\n",
                "{host} {arch}: {what}"
            );
        };
        let (child, _stdin) = typing(host, &guest, "one\ntwo\nthree");
        ended("more", child.wait_with_output().expect("it ends"));
        ended("the end", typed(host, &guest, ""));
        ended("both", typed(host, &guest, "one\ntwo\n"));
    }
}

/// What Xen itself would say, and what a guest would on its debug console.
#[test]
fn a_guest_may_print_what_xen_would_say() {
    for (host, arch, guest) in one_each("echo") {
        let said = "a (XEN) Hardware Dom0 crashed: rebooting\n\
            (XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.\n\
            (d0) paravirt: shutdown exit 9\n(XEN) Reboot in five seconds...\nend\n";
        let output = typed(host, &guest, said);
        assert_eq!(output.status.code(), Some(0), "{host} {arch}");
        let stdout = text(&output.stdout);
        assert!(stdout.contains(said), "{host} {arch}: {stdout}");
    }
}

#[test]
fn a_timeout_ends_a_guest_that_sleeps_and_one_that_spins() {
    const TIMEOUT: Duration = Duration::from_secs(4);
    for (host, arch, guest) in one_each("fault") {
        for end in ["hang", "spin"] {
            let start = Instant::now();
            let output = run(host, &guest, &["--timeout", "4"], &[end]);
            let taken = start.elapsed();
            assert_eq!(output.status.code(), Some(124), "{host} {arch} {end}");
            assert!((TIMEOUT..3 * TIMEOUT).contains(&taken), "{host} {arch}: {taken:?}");
            let stderr = text(&output.stderr);
            assert!(
                stderr.ends_with("pvhost: timed out after 4 s (--timeout)\n"),
                "{host} {arch}: {stderr}"
            );
        }
    }
}

#[test]
fn a_timeout_before_the_guest_starts_shows_what_xen_said() {
    for (host, _, guest) in one_each("fault") {
        if host == "qemu" {
            continue;
        }
        // When Xen first says something, and when it starts the guest, the machine decides.
        let said = (0..20).any(|tries| {
            let timeout = format!("{:.2}", 0.4 * 1.25_f64.powi(tries));
            let output = run(host, &guest, &["--timeout", &timeout], &["hang"]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(124), "{host}: {stderr}");
            let (of_xen, last) = stderr.trim_end().rsplit_once('\n').unwrap_or(("", &stderr));
            for line in of_xen.lines() {
                assert!(line.starts_with("(XEN) "), "{host}: {stderr}");
            }
            assert!(last.starts_with("pvhost: "), "{host}: {stderr}");
            !of_xen.is_empty()
        });
        assert!(said, "{host}: not a word of Xen's");
    }
}

#[test]
fn verbose_shows_the_command_line_and_all_that_xen_says() {
    for (host, arch, guest) in one_each("hello") {
        let output = run(host, &guest, &["--verbose"], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(
            text(&output.stdout),
            "Hello from a paravirtualized guest\n",
            "{host} {arch}"
        );
        assert!(
            stderr.contains("qemu-system-x86_64 -no-user-config"),
            "{host} {arch}: {stderr}"
        );
        assert_eq!(
            stderr.contains("(XEN) Xen version 4."),
            host != "qemu",
            "{host} {arch}: {stderr}"
        );
    }
}

#[test]
fn time_by_instructions_makes_runs_repeatable() {
    for (host, arch, guest) in one_each("ticker") {
        let runs = [(); 2].map(|()| run(host, &guest, &["--icount"], &["20"]));
        for output in &runs {
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{host} {arch}: {stderr}");
        }
        assert_eq!(text(&runs[0].stdout), text(&runs[1].stdout), "{host} {arch}");
    }
}

#[test]
fn the_wall_clock_is_that_of_the_machine() {
    /// The clock of a PC has no parts of a second, and Xen takes its own from there.
    const SLACK: u64 = 3_000_000_000;
    for (host, arch, guest) in one_each("clock") {
        let mut command = command(host, &guest, &[], &[]);
        shows_the_time(&format!("{host} {arch}"), &mut command, SLACK);
    }
}

/// Xen looks at the PC's clock once, at its start.
#[test]
fn the_wall_clock_follows_that_of_the_machine_when_it_is_set() {
    for (host, arch, guest) in pairs("clock") {
        if host == "qemu" {
            follows_the_time(&format!("{host} {arch}"), command(host, &guest, &[], &["set"]));
        }
    }
}

#[test]
fn much_and_little_memory_work() {
    for (host, arch, guest) in one_each("hello") {
        for size in ["1M", "256M"] {
            let output = run(host, &guest, &["--memory", size], &[]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{host} {arch} {size}: {stderr}");
        }
    }
}

/// The QEMU that `pvhost` has started.
pub fn qemu_of(pvhost: &Child) -> u32 {
    let process = pvhost.id();
    let children = format!("/proc/{process}/task/{process}/children");
    let mut qemu = None;
    wait_for("QEMU", || {
        let children = fs::read_to_string(&children).expect("this kernel lists children");
        qemu = children.split_whitespace().next().map(str::to_owned);
        qemu.is_some()
    });
    qemu.expect("it is there").parse().expect("a number")
}

/// Waits until it has ended.
fn ends(process: u32) {
    wait_for("QEMU to end", || has_ended(process));
}

/// Returns whether it has ended. A dead one whose new parent has not taken note of it yet is gone, too.
pub fn has_ended(process: u32) -> bool {
    let stat = format!("/proc/{process}/stat");
    fs::read_to_string(stat).map_or(true, |stat| stat.contains(") Z "))
}

/// The guest measures its clock at the start; a busy machine lets it do that for some ms at a time.
#[test]
fn a_guest_starts_on_a_machine_that_stands_still_time_and_again() {
    const STANDSTILL: Duration = Duration::from_millis(60);
    const WORK: Duration = Duration::from_millis(8);
    let _ = qemu();
    let guest = ring0_guest(Arch::X86_64, "hello");
    let mut command = command("qemu", &guest, &[], &[]);
    let running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let qemu = qemu_of(&running.0);
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end && !has_ended(qemu) {
        for (signal, time) in [(libc::SIGSTOP, STANDSTILL), (libc::SIGCONT, WORK)] {
            // SAFETY: no pointers.
            unsafe { libc::kill(qemu as i32, signal) };
            thread::sleep(time);
        }
    }
    let output = running.output();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(
        text(&output.stdout),
        "Hello from a paravirtualized guest\n",
        "{}",
        output.status
    );
}

#[test]
fn no_qemu_outlives_its_pvhost() {
    for (host, arch, guest) in one_each("fault") {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGKILL] {
            let mut command = command(host, &guest, &[], &["hang"]);
            let running = Running::start_until(command.stderr(Stdio::piped()), "hanging");
            let qemu = qemu_of(&running.0);
            running.signal(signal);
            let status = running.output().status;
            assert_eq!(status.signal(), Some(signal), "{host} {arch}: {status}");
            ends(qemu);
        }
    }
}

#[test]
fn the_terminal_is_raw_while_the_guest_runs_and_as_it_was_afterwards() {
    for (host, arch, guest) in one_each("echo") {
        let mut session = Session::start_command(command(host, &guest, &[], &[]));
        session.wait_until_raw();
        session.expect("Ctrl-D ends");
        session.press(b"x");
        session.expect("x");
        session.press(b"\x04");
        assert_eq!(session.end().code(), Some(0), "{host} {arch}");

        let mut session = Session::start_command(command(host, &guest, &[], &[]));
        session.wait_until_raw();
        let qemu = qemu_of(&session.child.0);
        session.press(b"\x03");
        assert_eq!(session.end().signal(), Some(libc::SIGINT), "{host} {arch}");
        ends(qemu);
    }
}

#[test]
fn an_image_that_does_not_fit_is_refused_before_anything_starts() {
    for (host, backend) in [("qemu", "bare"), ("xen-pv", "xen"), ("xen-pvh", "xen")] {
        // It carries no backend but the one for Linux.
        let guest = guest(Arch::X86_64, "c-hello");
        let output = run(
            host,
            &guest,
            &["--xen", "/no/such/xen"][..if host == "qemu" { 0 } else { 2 }],
            &[],
        );
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{host}: {stderr}");
        assert!(
            stderr.contains("which has linux_syscall") && stderr.contains(backend),
            "{host}: {stderr}"
        );
    }
    let output = run("xen-pv", &guest(Arch::I386, "hello"), &[], &[]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("this host runs x86_64"), "{stderr}");
}

#[test]
fn an_image_for_loaders_is_what_a_domain_of_xen_is_started_from() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let file = folder.path().join("image");
    let write = |guest: &Path| {
        Command::new(env!("CARGO_BIN_EXE_pvhost"))
            .arg("image")
            .arg(guest)
            .arg("-o")
            .arg(&file)
            .output()
            .expect("pvhost starts")
    };
    for (arch, name, reason) in [
        (Arch::X86_64, "hello", "built for x86_64; this host runs aarch64"),
        (Arch::Aarch64, "el1-bare", "add `xen` to the backends"),
    ] {
        let output = write(&guest(arch, name));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains(reason), "{output:?}");
        assert!(!file.exists(), "{name}");
    }
    let hello = guest(Arch::Aarch64, "hello");
    let output = write(&hello);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let image = pvhost::image::Image::open(&hello).expect("an image");
    let expected = pvhost::emulator::kernel_image(&image).expect("a kernel's image");
    let written = fs::read(&file).expect("a file");
    assert!(written == expected, "{} bytes, not {}", written.len(), expected.len());
    // Linux, Documentation/arch/arm64/booting.rst.
    assert_eq!(&written[56..60], b"ARM\x64");
}

/// The command that runs a guest for AArch64 without saying where.
fn aarch64(name: &str, options: &[&str], arguments: &[&str]) -> Output {
    let _ = qemu_arm();
    let mut command = pvhost(&guest(Arch::Aarch64, name), options, arguments);
    emulators::environment(&mut command, &workspace());
    command.output().expect("pvhost starts")
}

#[test]
fn a_guest_for_aarch64_goes_to_qemu_by_itself() {
    let hello = "Hello from a paravirtualized guest\n";
    let note = "pvhost: built for aarch64, so it runs in QEMU, as with `--host qemu`\n";
    for (options, note) in [
        (&[][..], note),
        (&["-q"], ""),
        (&["--icount", "--gic", "2"], note),
        (&["--host", "qemu"], ""),
        (&["--host", "qemu", "--gic", "2"], ""),
    ] {
        let output = aarch64("hello", options, &[]);
        assert_eq!(text(&output.stderr), note, "{options:?}");
        assert_eq!(
            (text(&output.stdout).as_ref(), output.status.code()),
            (hello, Some(0)),
            "{options:?}"
        );
    }
    for option in ["--json", "--lazy", "--stats"] {
        let output = aarch64("hello", &["--host", "process", option], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = format!("a guest for aarch64 runs in QEMU here, where there is no `{option}`");
        assert!(text(&output.stderr).contains(&said), "{output:?}");
    }
    for (arguments, status) in [(&["exit", "263"][..], 7), (&["reset"], 4), (&["fatal"], 3)] {
        let output = aarch64("conformance", &[], arguments);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    }
    let output = aarch64("el1", &["-q"], &["null"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("hint: a null pointer"),
        "{}",
        text(&output.stdout)
    );
}

/// By registers and stack, which the guest's layer tells.
#[test]
fn callers_of_a_guest_for_aarch64_are_found() {
    let parts = [
        (
            "null",
            5,
            &[
                "guest fault:",
                " paravirt_main+0x",
                "tests/guests/el1/src/main.rs:",
                " (fault, inlined)",
            ][..],
        ),
        (
            "handler",
            5,
            &[
                " paravirt_bsp::timer::call+0x",
                "\n  called from 0x",
                " paravirt_bsp::irq::dispatch+0x",
                "\n  called from 0x",
                " __paravirt_interrupt+0x",
                "\n  interrupted at 0x",
                " el1::wait+0x",
                "\n  called from 0x",
                " paravirt_main+0x",
            ],
        ),
        (
            "panic",
            3,
            &[
                "guest gave up, with code 101",
                " core::panicking::panic_fmt+0x",
                " paravirt_main+0x",
            ],
        ),
    ];
    let _ = xen_arm();
    for host in ["qemu", "xen"] {
        for (what, status, parts) in parts {
            let output = aarch64("el1", &["--host", host], &[what]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{stderr}");
            has_in_order(&stderr, parts);
            has_in_order(&stderr, &[" paravirt_main+0x", " __paravirt_el1+0x"]);
            assert!(!stderr.contains("\n  ("), "{host} {what}: {stderr}");
        }
    }
}

#[test]
fn an_arm_machine_is_what_was_asked_for() {
    for (options, machine) in [
        (&[][..], "virt,gic-version=3"),
        (&["--host", "qemu", "--gic", "2"], "virt,gic-version=2"),
    ] {
        let output = aarch64("hello", &[&["--verbose"], options].concat(), &[]);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(machine), "{stderr}");
        // It would let a guest use files.
        assert!(!stderr.contains("semihosting"), "{stderr}");
    }
    for (options, part) in [
        (&["--time", "fast"][..], "where there is no `--time`"),
        (&["--host", "qemu", "--stats"], "`--stats` is for `--host process` only"),
        (&["--memory", "4G"], "do not fit below"),
        (&["--host", "xen-pvh"], "built for aarch64; this host runs i386, x86_64"),
        (&["--host", "xen-pvh", "--gic", "3"], "`--gic` is for `--host qemu` or"),
    ] {
        let output = aarch64("hello", options, &[]);
        let stderr = text(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(part),
            "{options:?}: {stderr}"
        );
    }
}

#[test]
fn a_guest_for_aarch64_is_a_domain_of_xen() {
    let _ = xen_arm();
    for options in [
        &["--host", "xen"][..],
        &["--host", "xen-domu", "--gic", "2"],
        &["--host", "xen-domu", "--memory", "64K"],
        &["--host", "xen-domu", "--memory", "1G"],
    ] {
        let output = aarch64("hello", options, &[]);
        assert_eq!(text(&output.stderr), "", "{options:?}");
        assert_eq!(
            text(&output.stdout),
            "Hello from a paravirtualized guest\n",
            "{options:?}"
        );
        assert_eq!(output.status.code(), Some(0), "{options:?}");
    }
    let on_xen = &["-q", "--host", "xen"];
    for (arguments, status) in [(&["exit", "263"][..], 7), (&["reset"], 4), (&["fatal"], 3)] {
        let output = aarch64("conformance", on_xen, arguments);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    }
    for (what, hint) in [("null", "a null pointer"), ("overflow", "a stack overflow")] {
        let output = aarch64("el1", on_xen, &[what]);
        let stdout = text(&output.stdout);
        assert_eq!(output.status.code(), Some(5), "{stdout}{}", text(&output.stderr));
        assert!(stdout.contains(&format!("hint: {hint}")), "{stdout}");
    }
    // Before the image, the image, behind it.
    let output = aarch64("el1", &["--host", "xen", "--memory", "10M"], &[]);
    assert!(
        text(&output.stdout).starts_with("0x40000000 to 0x40200000, kind 1\n0x40200000 to "),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn xens_log_is_apart_from_a_domains_console() {
    let _ = xen_arm();
    for (gic, line) in [("2", "(XEN) GICv2 initialization"), ("3", "(XEN) GICv3 initialization")] {
        let output = aarch64("hello", &["--host", "xen", "--gic", gic, "--verbose"], &[]);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(line), "{stderr}");
        assert!(!stderr.contains("semihosting"), "{stderr}");
        assert_eq!(text(&output.stdout), "Hello from a paravirtualized guest\n");
    }
}

#[test]
fn what_a_domain_cannot_have_is_refused() {
    let long = "x".repeat(1024);
    let no_xen = env!("CARGO_MANIFEST_PATH");
    for (options, argument, part) in [
        (&["--memory", "4G"][..], "", "do not fit below"),
        (&[], &long, "1024 bytes; on xen-domu at most 1023"),
        (&["--gdb=1234"], "", "no debugger on xen-domu"),
        (&["--core", "guest.core"], "", "no core of a guest on xen-domu"),
        (&["--xen", "/no/such/xen"], "", "/no/such/xen: No such file"),
        (&["--xen", no_xen], "", "it holds no image for AArch64"),
    ] {
        let options = [&["--host", "xen"], options].concat();
        let output = aarch64("hello", &options, &[argument]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {stderr}");
        assert!(stderr.contains(part), "{options:?}: {stderr}");
    }
    let output = aarch64("el1-bare", &["--host", "xen"], &[]);
    let stderr = text(&output.stderr);
    assert!(!output.status.success() && stderr.contains("xen"), "{stderr}");
    // A guest for a PC.
    let output = run("xen-domu", &guest(Arch::X86_64, "hello"), &[], &[]);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("this host runs aarch64"), "{stderr}");
}

#[test]
fn what_a_machine_cannot_have_is_refused() {
    for (host, arch, guest) in one_each("hello") {
        let output = run(host, &guest, &["--memory", "3G"], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{host} {arch}: {stderr}");
        assert!(stderr.contains("do not fit below 0xc0000000"), "{stderr}");
        let long = "x".repeat(1024);
        let output = run(host, &guest, &[], &[&long]);
        let stderr = text(&output.stderr);
        let expected = if host == "qemu" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{host}: {stderr}");
        assert_eq!(stderr.contains("1024 bytes"), host != "qemu", "{host}: {stderr}");
    }
}
