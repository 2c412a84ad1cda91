// SPDX-License-Identifier: MIT OR Apache-2.0
//! Policies of whoever starts the program, under which the system refuses what a guest or its host needs.

use std::io;
use std::mem;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

use pvhost::image::Image;
use pvhost::process::{Condition, FAULTS, Vm, VmError};

use super::guests::{Arch, each, guest, place, pvhost, text};

/// Linux, prctl.h.
const PR_SET_SYSCALL_USER_DISPATCH: u32 = 59;
const PR_SET_MDWE: i32 = 65;
const PR_GET_MDWE: i32 = 66;
const PR_MDWE_REFUSE_EXEC_GAIN: u64 = 1;

/// A system call that a profile refuses.
#[derive(Clone, Copy)]
enum Refuse {
    All(i64),
    /// If the argument of that index is that.
    If(i64, u32, u32),
    /// If the argument of that index has that bit.
    Bit(i64, u32, u32),
}

/// Starts the command under a seccomp profile that refuses these calls with that error, as containers have them.
fn under_profile<'a>(command: &'a mut Command, calls: &[Refuse], error: i32) -> &'a mut Command {
    let statement = |code: u32, k: u32| sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let jump = |code: u32, k: u32, or: u8| sock_filter {
        code: (BPF_JMP | code | BPF_K) as u16,
        jt: 0,
        jf: or,
        k,
    };
    let load = |offset: u32| statement(BPF_LD | BPF_W | BPF_ABS, offset);
    let refuse = statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | error as u32);
    let argument = |index: u32| load(16 + 8 * index);
    let mut program = Vec::new();
    for call in calls {
        program.push(load(0));
        match *call {
            Refuse::All(number) => program.extend([jump(BPF_JEQ, number as u32, 1), refuse]),
            Refuse::If(number, index, value) => program.extend([
                jump(BPF_JEQ, number as u32, 3),
                argument(index),
                jump(BPF_JEQ, value, 1),
                refuse,
            ]),
            Refuse::Bit(number, index, bit) => program.extend([
                jump(BPF_JEQ, number as u32, 3),
                argument(index),
                jump(BPF_JSET, bit, 1),
                refuse,
            ]),
        }
    }
    program.push(statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW));
    let install = move || {
        let filter = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut(),
        };
        // SAFETY: system calls that a forked child may make; the program is live.
        let result = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter)
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: see there.
    unsafe { command.pre_exec(install) }
}

/// Starts the command with that `prctl` in force.
fn under_prctl(command: &mut Command, option: i32, value: u64) -> &mut Command {
    let set = move || {
        // SAFETY: a system call without pointers, which a forked child may make.
        match unsafe { libc::prctl(option, value, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: see there.
    unsafe { command.pre_exec(set) }
}

fn output(command: &mut Command) -> (Output, String) {
    let output = command.output().expect("pvhost starts");
    let stderr = text(&output.stderr);
    (output, stderr)
}

/// What the report of a run says of the sandbox.
fn sandbox(stderr: &str) -> (String, Option<String>) {
    let line = stderr.lines().last().expect("a report");
    let report: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let member = |name: &str| report[name].as_str().map(str::to_owned);
    (member("sandbox").expect("a text"), member("sandbox_refused"))
}

#[test]
fn a_profile_that_refuses_the_sandbox_is_named_and_the_guest_runs() {
    let guard = Refuse::If(libc::SYS_prctl, 0, PR_SET_SYSCALL_USER_DISPATCH);
    let privileges = Refuse::If(libc::SYS_prctl, 0, libc::PR_SET_NO_NEW_PRIVS as u32);
    let filter = Refuse::All(libc::SYS_seccomp);
    let cases: &[(&[Refuse], &str, &str)] = &[
        (&[filter], "seccomp: ", "guard"),
        (&[privileges], "prctl PR_SET_NO_NEW_PRIVS: ", "guard"),
        (&[filter, guard], "seccomp: ", "none"),
    ];
    for (arch, guest) in each("hello") {
        for (calls, call, confinement) in cases {
            let mut command = pvhost(&guest, &["--json"], &[]);
            let (output, stderr) = output(under_profile(&mut command, calls, libc::EPERM));
            assert_eq!(output.status.code(), Some(0), "{arch} {call}: {stderr}");
            assert!(text(&output.stdout).starts_with("Hello"), "{arch} {call}: {stderr}");
            let reason = format!(
                "the system refuses a seccomp filter ({call}Operation not permitted (os error 1)); a seccomp profile"
            );
            assert!(
                stderr.starts_with(&format!("pvhost: warning: no sandbox: {reason}")),
                "{arch} {call}: {stderr}"
            );
            let (in_force, refused) = sandbox(&stderr);
            assert_eq!(in_force, *confinement, "{arch} {call}");
            assert!(refused.is_some_and(|text| text.starts_with(&reason)), "{arch} {call}");
            let nothing = stderr.contains("nothing has kept the guest's code from calling Linux");
            assert_eq!(nothing, *confinement == "none", "{arch} {call}: {stderr}");
        }
    }
}

/// The guard is for runs without filter.
#[test]
fn a_profile_that_refuses_the_guard_is_seen_where_it_matters() {
    let guard = [Refuse::If(libc::SYS_prctl, 0, PR_SET_SYSCALL_USER_DISPATCH)];
    for (arch, guest) in each("hello") {
        let mut command = pvhost(&guest, &[], &[]);
        let (output, stderr) = self::output(under_profile(&mut command, &guard, libc::EPERM));
        assert_eq!(output.status.code(), Some(0), "{arch}: {stderr}");
        assert_eq!(stderr, "", "{arch}");

        let mut command = pvhost(&guest, &["--no-sandbox", "--json"], &[]);
        let (output, stderr) = self::output(under_profile(&mut command, &guard, libc::EPERM));
        assert_eq!(output.status.code(), Some(0), "{arch}: {stderr}");
        assert!(
            stderr.contains("nothing has kept the guest's code from calling Linux"),
            "{arch}: {stderr}"
        );
        assert_eq!(sandbox(&stderr), ("none".to_owned(), None), "{arch}");
    }
}

#[test]
fn a_policy_against_written_code_is_named() {
    // SAFETY: no pointers.
    let kernel_has_it = unsafe { libc::prctl(PR_GET_MDWE, 0, 0, 0, 0) } >= 0;
    for (arch, guest) in each("hello") {
        let mut command = pvhost(&guest, &[], &[]);
        let mut cases = vec![(
            {
                let executable = Refuse::Bit(libc::SYS_mprotect, 2, libc::PROT_EXEC as u32);
                let mut command = pvhost(&guest, &[], &[]);
                // The dynamic linker maps code from files, and protects none.
                self::output(under_profile(&mut command, &[executable], libc::EACCES))
            },
            "SELinux's execmem",
        )];
        // Linux 6.3.
        if kernel_has_it {
            let denied = under_prctl(&mut command, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN);
            cases.push((self::output(denied), "PR_SET_MDWE"));
        }
        for ((output, stderr), policy) in cases {
            assert_eq!(output.status.code(), Some(1), "{arch} {policy}: {stderr}");
            assert!(stderr.starts_with("pvhost: error: "), "{arch} {policy}: {stderr}");
            for part in ["Permission denied", policy] {
                assert!(stderr.contains(part), "{arch}: no {part:?} in {stderr}");
            }
        }
    }
}

#[test]
fn check_tells_of_a_policy_that_run_would_meet() {
    let executable = [Refuse::Bit(libc::SYS_mprotect, 2, libc::PROT_EXEC as u32)];
    for (arch, guest) in each("hello") {
        let mut command = pvhost(&guest, &[], &[]);
        let (_, refusal) = output(under_profile(&mut command, &executable, libc::EACCES));
        let (_, reason) = refusal.split_once("pvhost: error: ").expect("it is refused");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
        command.arg("check").arg(&guest).args(["--host", "process"]);
        let (checked, _) = output(under_profile(&mut command, &executable, libc::EACCES));
        let verdict = text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1), "{arch}: {verdict}");
        assert!(
            verdict.starts_with(&format!("refused: {reason}")),
            "{arch}: {verdict} but {refusal}"
        );
    }
}

/// A thread's own setting. (The dynamic linker of glibc reads the counter, too: under such a policy it starts no
/// program at all.)
#[test]
fn a_counter_that_may_not_be_read_is_named() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let build = || {
            let builder = Vm::builder(Image::open(&guest).expect("a sound image"));
            let set = |access: libc::c_int| {
                // SAFETY: no pointers.
                let result = unsafe { libc::prctl(libc::PR_SET_TSC, access, 0, 0, 0) };
                assert_eq!(result, 0, "{arch}: this kernel knows it");
            };
            set(libc::PR_TSC_SIGSEGV);
            let refused = builder.build().map(drop);
            set(libc::PR_TSC_ENABLE);
            refused
        };
        let refused = thread::scope(|scope| scope.spawn(build).join().expect("no panic"));
        assert!(
            matches!(refused, Err(VmError::Condition(Condition::Counter))),
            "{arch}: {refused:?}"
        );
    }
}

/// Runs the command, in which faults look as if somebody had sent their signals. Its status.
fn without_codes_of_faults(command: &mut Command) -> ExitStatus {
    let nothing = 0_usize;
    // SAFETY: a system call that a forked child may make.
    unsafe {
        command.pre_exec(move || match libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let process = command.spawn().expect("pvhost starts").id() as libc::pid_t;
    let mut starts = true;
    loop {
        let mut status = 0;
        // SAFETY: a live variable; our child.
        assert_eq!(unsafe { libc::waitpid(process, &mut status, libc::__WALL) }, process);
        if !libc::WIFSTOPPED(status) {
            return ExitStatus::from_raw(status);
        }
        let mut signal = libc::WSTOPSIG(status);
        // SAFETY: live variables, of a child that is stopped; all zeros is a valid value.
        unsafe {
            let mut info: libc::siginfo_t = mem::zeroed();
            libc::ptrace(libc::PTRACE_GETSIGINFO, process, nothing, &raw mut info);
            if mem::take(&mut starts) {
                signal = 0;
            } else if FAULTS.contains(&signal) {
                info.si_code = libc::SI_USER;
                libc::ptrace(libc::PTRACE_SETSIGINFO, process, nothing, &raw mut info);
            }
            libc::ptrace(libc::PTRACE_CONT, process, nothing, signal as usize);
        }
    }
}

/// On another system than Linux, which does not say what is a fault.
#[test]
fn where_faults_are_not_told_from_what_is_sent_the_attempt_at_32_bit_code_ends() {
    let guest = guest(Arch::I386, "hello");
    let status = without_codes_of_faults(pvhost(&guest, &[], &[]).stdout(Stdio::null()));
    assert_eq!(status.code(), Some(0), "{status}");
}

/// The guest is told of an error, and whoever runs it is told which.
#[test]
fn a_console_that_cannot_be_read_is_explained() {
    let guest = guest(Arch::X86_64, "echo");
    let cases: &[(&[Refuse], &str)] = &[
        (&[Refuse::All(libc::SYS_eventfd2)], "eventfd"),
        (
            &[Refuse::All(libc::SYS_clone), Refuse::All(libc::SYS_clone3)],
            "a thread",
        ),
    ];
    for (calls, what) in cases {
        let mut command = pvhost(&guest, &["--json"], &[]);
        let (output, stderr) = output(under_profile(&mut command, calls, libc::EPERM));
        assert_ne!(output.status.code(), Some(0), "{what}: {stderr}");
        let message = format!("pvhost: warning: the guest's input cannot be read: {what}: Operation not permitted");
        assert!(stderr.contains(&message), "{what}: {stderr}");
        let member = format!(r#""input_refused":"{what}: Operation not permitted"#);
        assert!(stderr.contains(&member), "{what}: {stderr}");
    }
}
