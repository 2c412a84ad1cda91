// SPDX-License-Identifier: MIT OR Apache-2.0
//! What keeps a guest from calling Linux.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;

use pvhost::process::{Call, Confinement, Exit, Finished, GuestConstPtr, GuestIsize, GuestUsize, SandboxPolicy};

use super::calls::provide_all;
use super::guests::{Arch, Running, each, ends_well, guest, output, place, pvhost, read_back, run, text, vm, wait_for};

/// Runs the guest that escapes in that way, in a folder of its own; what it said, and whether the folder is still
/// empty.
fn escape(arch: Arch, options: &[&str], way: &str) -> (Output, bool) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let output = pvhost(&guest(arch, "escape"), options, &[way])
        .current_dir(folder.path())
        .output()
        .expect("pvhost starts");
    let empty = fs::read_dir(folder.path()).expect("our folder").next().is_none();
    (output, empty)
}

/// Of the fast system calls of 32-bit code, `syscall` is AMD's and `sysenter` Intel's; where a processor does not have
/// one, it is an illegal instruction. The page of old system calls is a matter of how the kernel was started.
#[test]
fn no_way_leads_past_the_host() {
    let both = &[Arch::X86_64, Arch::I386][..];
    let here = |number, table| format!("system call {number} ({table}) by guest code\n  at 0x");
    let lost =
        "system call 5 (i386) by guest code, of which the kernel does not keep the address; the stack pointer was 0x";
    let none = "illegal instruction\n  at 0x";
    let page =
        "system call 96 (x86-64) by guest code, through the vsyscall page at 0xffffffffff600000\n  return address 0x";
    let no_page = "bad execution at address 0xffffffffff600000";
    let cases: &[(&[Arch], &str, &[&str])] = &[
        (&[Arch::X86_64], "syscall", &[&here(2, "x86-64")]),
        (&[Arch::I386], "syscall", &[lost, none]),
        (both, "int80", &[&here(5, "i386")]),
        (both, "sysenter", &[lost, none]),
        (&[Arch::X86_64], "far-syscall", &[lost, none]),
        (&[Arch::I386], "far-syscall", &[&here(2, "x86-64")]),
        (both, "far-int80", &[&here(5, "i386")]),
        (both, "far-sysenter", &[lost, none]),
        (&[Arch::X86_64], "x32", &[&here(2, "x32")]),
        (&[Arch::X86_64], "vsyscall", &[page, no_page]),
        (&[Arch::I386], "far-vsyscall", &[page, no_page]),
    ];
    for &(arches, way, reports) in cases {
        for &arch in arches {
            let (output, empty) = escape(arch, &[], way);
            let stderr = text(&output.stderr);
            assert_eq!(text(&output.stdout), "escaping\n", "{arch} {way}");
            assert_eq!(output.status.code(), Some(5), "{arch} {way}: {stderr}");
            assert!(empty, "{arch} {way}: {stderr}");
            let report = stderr.strip_prefix("pvhost: guest fault: ");
            assert!(
                reports
                    .iter()
                    .any(|start| report.is_some_and(|report| report.starts_with(start))),
                "{arch} {way}: {stderr}"
            );
            if stderr.contains(lost) {
                let last = "the last external call was `pv_console_write`";
                assert!(stderr.contains(last), "{arch} {way}: {stderr}");
            }
        }
    }
}

/// Without the filter, a weaker guard stops what a guest does that was built for Linux.
#[test]
fn a_run_without_sandbox_says_so_and_has_a_guard() {
    for arch in [Arch::X86_64, Arch::I386] {
        let way = if arch == Arch::X86_64 { "syscall" } else { "int80" };
        let (output, empty) = escape(arch, &["--no-sandbox", "--json"], way);
        let stderr = text(&output.stderr);
        assert!(
            stderr.starts_with("pvhost: warning: no sandbox (--no-sandbox): "),
            "{arch}: {stderr}"
        );
        assert!(
            stderr.contains(r#","sandbox":"guard","sandbox_refused":null,"#),
            "{arch}: {stderr}"
        );
        assert!(stderr.contains("guest fault: system call "), "{arch}: {stderr}");
        assert_eq!(output.status.code(), Some(5), "{arch}: {stderr}");
        assert!(empty, "{arch}: {stderr}");

        let output = run(&guest(arch, "hello"), &["--stats", "--json"], &[]);
        let stderr = text(&output.stderr);
        let row = stderr.lines().find(|line| line.starts_with("sandbox "));
        assert!(row.is_some_and(|row| row.ends_with(" filter")), "{arch}: {stderr}");
        assert!(
            stderr.contains(r#","sandbox":"filter","sandbox_refused":null,"#),
            "{arch}: {stderr}"
        );
    }
}

/// A number that the kernel tells of a thread.
fn of_thread(task: &Path, name: &str) -> Option<u32> {
    let status = fs::read_to_string(task.join("status")).ok()?;
    let line = status.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// So nobody in the process can be talked into what the guest may not: its memory is open to the guest.
#[test]
fn every_thread_of_the_program_is_confined() {
    const FILTERS: &str = "Seccomp_filters";
    let ours = of_thread(Path::new("/proc/thread-self"), FILTERS);
    for (arch, guest) in each("echo") {
        for (options, more) in [(&[][..], 1), (&["--no-sandbox"][..], 0)] {
            let mut command = pvhost(&guest, options, &[]);
            let command = command.stdin(Stdio::piped()).stderr(Stdio::null());
            let mut running = Running::start_until(command, "Ctrl-D ends\n");
            let mut tasks = Vec::new();
            wait_for("a thread that reads", || {
                let folder = format!("/proc/{}/task", running.0.id());
                tasks = (fs::read_dir(folder).expect("our child"))
                    .map(|task| task.expect("our child").path())
                    .collect();
                tasks.len() > 1
            });
            for task in &tasks {
                // Linux 5.9; before, only whether there is one.
                match ours {
                    Some(ours) => {
                        let filters = of_thread(task, FILTERS);
                        assert_eq!(filters, Some(ours + more), "{arch} {options:?}");
                    }
                    None if more == 1 => {
                        assert_eq!(of_thread(task, "Seccomp"), Some(2), "{arch}");
                    }
                    None => {}
                }
                if more == 1 {
                    assert_eq!(of_thread(task, "NoNewPrivs"), Some(1), "{arch}");
                }
            }
            drop(running.0.stdin.take());
            assert_eq!(running.ends().code(), Some(0), "{arch}");
        }
    }
}

/// Runs the guest under that policy, with `pv_console_write` such that it makes a file, on a thread that keeps the
/// filter. How it ended, and whether that thread can open a file afterwards.
fn run_confined(guest: &Path, arguments: &str, policy: SandboxPolicy, file: Option<&Path>) -> (Finished, bool) {
    let run = move || {
        let (console, _) = output();
        let mut builder = vm(guest, console).command_line(arguments).sandbox(policy);
        if let Some(file) = file.map(Path::to_owned) {
            builder = builder.provide(
                "pv_console_write",
                move |_: &mut Call, _: GuestConstPtr<u8>, size: GuestUsize| {
                    // Whether it can is asked later.
                    let _ = File::create(&file);
                    GuestIsize(size.0 as i64)
                },
            );
        }
        let finished = builder.build().expect("a guest for this host").run();
        let after = File::open("/dev/null").is_ok();
        (finished.expect("the guest runs"), after)
    };
    thread::scope(|scope| scope.spawn(run).join().expect("no panic"))
}

#[test]
fn host_functions_have_the_calls_that_the_policy_allows() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let file = folder.path().join("made");
        let (finished, after) = run_confined(&guest, "", SandboxPolicy::new(), Some(&file));
        let Exit::Fault(fault) = &finished.exit else {
            panic!("{arch}: {:?}", finished.exit);
        };
        let fault = fault.to_string();
        assert!(fault.starts_with("system call 257 (x86-64) at 0x"), "{arch}: {fault}");
        let who = "by the host function `pv_console_write`, which the sandbox does not permit";
        assert!(fault.contains(who), "{arch}: {fault}");
        assert!(fault.contains("`SandboxPolicy::allow`"), "{arch}: {fault}");
        assert!(!file.exists(), "{arch}");
        assert!(!after, "{arch}: the filter stays");

        let policy = SandboxPolicy::new().allow(libc::SYS_openat as u32);
        let (finished, after) = run_confined(&guest, "", policy, Some(&file));
        assert!(matches!(finished.exit, Exit::Exit(0)), "{arch}: {:?}", finished.exit);
        assert_eq!(finished.stats.confinement, Confinement::Filter, "{arch}");
        assert!(file.exists() && after, "{arch}");
    }
    File::open("/dev/null").expect("this thread has no filter");
}

/// What a guest could ask of Linux that has taken over the whole thread, by what the kernel answers: whatever the
/// filter stops is unknown to it.
#[test]
fn calls_are_permitted_only_with_the_arguments_that_the_host_needs() {
    /// Linux, asm-generic/ioctls.h: types for the user.
    const TIOCSTI: i64 = 0x5412;
    let _place = place();
    let guest = guest(Arch::X86_64, "hello");
    let file = File::open("/proc/self/exe").expect("this program");
    let fd = i64::from(file.as_raw_fd());
    let (process, nobody) = (i64::from(std::process::id()), i64::from(u32::MAX >> 1));
    let (private, read) = (i64::from(libc::MAP_PRIVATE), i64::from(libc::PROT_READ));
    let anonymous = private | i64::from(libc::MAP_ANONYMOUS);
    let mut word = [0_u64; 16];
    let address = word.as_mut_ptr() as i64;
    let cases: &[(i64, [i64; 6], bool)] = &[
        (libc::SYS_getpid, [0; 6], true),
        (libc::SYS_getppid, [0; 6], false),
        (libc::SYS_socket, [1, 1, 0, 0, 0, 0], false),
        (libc::SYS_kill, [process, 0, 0, 0, 0, 0], false),
        (libc::SYS_tgkill, [process, nobody, 0, 0, 0, 0], true),
        (libc::SYS_tgkill, [1, 1, 0, 0, 0, 0], false),
        (libc::SYS_mmap, [0, 4096, read, anonymous, -1, 0], true),
        (libc::SYS_mmap, [0, 4096, read, private, fd, 0], false),
        (libc::SYS_ioctl, [fd, libc::TCGETS as i64, address, 0, 0, 0], true),
        (libc::SYS_ioctl, [fd, TIOCSTI, address, 0, 0, 0], false),
        // Of a console that listens only.
        (libc::SYS_accept4, [fd, 0, 0, 0, 0, 0], false),
        (libc::SYS_fcntl, [fd, i64::from(libc::F_GETFD), 0, 0, 0, 0], true),
        (
            libc::SYS_fcntl,
            [fd, i64::from(libc::F_SETOWN), process, 0, 0, 0],
            false,
        ),
        (libc::SYS_sendto, [fd, address, 0, 0, 0, 0], true),
        (libc::SYS_sendto, [fd, address, 0, 0, address, 8], false),
        (libc::SYS_sendto, [fd, address, 0, 0, 1 << 32, 8], false),
        (libc::SYS_clone, [i64::from(libc::CLONE_VM), 0, 0, 0, 0, 0], false),
        (libc::SYS_clone3, [0; 6], false),
        (
            libc::SYS_prctl,
            [i64::from(libc::PR_GET_DUMPABLE), 0, 0, 0, 0, 0],
            false,
        ),
        (libc::SYS_execve, [0; 6], false),
        (libc::SYS_modify_ldt, [0, address, 128, 0, 0, 0], false),
    ];
    let ask = |&(call, [a, b, c, d, e, f], _): &(i64, [i64; 6], bool)| {
        // SAFETY: those that are permitted only ask, or map a page of their own; their pointers are live.
        let result = unsafe { libc::syscall(call, a, b, c, d, e, f) };
        result != -1 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
    };
    let run = || {
        let (console, _) = output();
        let vm = vm(&guest, console).sandbox(SandboxPolicy::new()).build();
        vm.expect("a guest for this host").run().expect("it runs");
        cases.iter().map(ask).collect::<Vec<_>>()
    };
    let permitted = thread::scope(|scope| scope.spawn(run).join().expect("no panic"));
    for ((call, arguments, expected), found) in cases.iter().zip(permitted) {
        assert_eq!(found, *expected, "system call {call} with {arguments:?}");
    }
}

/// Without FSGSBASE it takes a call that no other guest is permitted.
#[test]
fn a_guest_for_i386_has_thread_local_storage_in_the_sandbox() {
    let _place = place();
    let guest = guest(Arch::I386, "calls");
    for fsgsbase in [true, false] {
        let run = || {
            let (console, written) = output();
            let mut builder = vm(&guest, console).sandbox(SandboxPolicy::new());
            if !fsgsbase {
                builder = builder.without_fsgsbase();
            }
            let vm = provide_all(builder).expect("a guest for this host");
            let finished = vm.run();
            (finished.expect("it runs").exit, written)
        };
        let (exit, written) = thread::scope(|scope| scope.spawn(run).join().expect("no panic"));
        let written = read_back(written);
        assert!(matches!(exit, Exit::Exit(0)), "{fsgsbase}: {exit:?} {written}");
    }
}

/// The C library's own code is above the guest, where it may call Linux; what it asks for counts.
#[test]
fn a_jump_into_the_hosts_code_leads_nowhere() {
    let _place = place();
    let guest = guest(Arch::X86_64, "escape");
    let arguments = format!("host {}", libc::syscall as *const () as usize);
    let (finished, _) = run_confined(&guest, &arguments, SandboxPolicy::new(), None);
    let Exit::Fault(fault) = &finished.exit else {
        panic!("{:?}", finished.exit);
    };
    let fault = fault.to_string();
    assert!(fault.starts_with("system call 2 (x86-64) at 0x"), "{fault}");
    assert!(fault.contains("in host code that the guest has jumped to"), "{fault}");
    assert!(!Path::new("escaped").exists(), "{fault}");
}

#[test]
fn without_a_policy_a_program_keeps_its_calls() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let (console, written) = output();
        let vm = vm(&guest, console).build().expect("a guest for this host");
        let (finished, written) = ends_well(vm, written, arch);
        assert_eq!(finished.stats.confinement, Confinement::Guard, "{arch}");
        assert!(written.starts_with("Hello"), "{arch}");
        File::open("/dev/null").expect("nothing has changed");
    }
}
