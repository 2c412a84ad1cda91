// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to end: by whom they are heard, and when.

use std::cell::Cell;
use std::env;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Stdio;
use std::ptr;
use std::rc::Rc;

use paravirt_abi::error::Error;
use pvhost::process::{Call, ENDS, Exit, FAULTS, GuestConstPtr, GuestUsize};

use super::guests::{Running, again, each, output, place, pvhost, text, vm};
use super::program::report;

#[test]
fn a_request_to_end_is_honoured_by_a_guest_that_sleeps_and_one_that_spins() {
    for (arch, guest) in each("fault") {
        for (end, line) in [("hang", "hanging\n"), ("spin", "spinning\n")] {
            for signal in ENDS {
                let mut command = pvhost(&guest, &["--stats"], &[end]);
                let running = Running::start_until(command.stderr(Stdio::piped()), line);
                running.signal(signal);
                let output = running.output();
                let (status, stderr) = (output.status, text(&output.stderr));
                assert_eq!(status.signal(), Some(signal), "{arch} {end}: {status}");
                assert!(
                    stderr.contains("upcalls"),
                    "{arch} {end}: it ends in good order, with statistics: {stderr}"
                );
            }
        }
    }
}

/// From before the guest's first instruction on: the handler may find the way in half done, with nothing to leave.
#[test]
fn a_request_to_end_is_honoured_at_every_instruction_of_the_start() {
    /// Instructions of the guest with which that is tried as well.
    const OF_GUEST: usize = 20;
    let _place = place();
    for (arch, guest) in each("hello") {
        let first_of_guest = Rc::new(Cell::new(usize::MAX));
        let mut at = 0;
        while at < first_of_guest.get().saturating_add(OF_GUEST) {
            let (console, _) = output();
            let (mut step, first) = (0, Rc::clone(&first_of_guest));
            let vm = vm(&guest, console).handle_signals(true).on_step(move |next| {
                if u32::try_from(next.instruction()).is_ok() && first.get() == usize::MAX {
                    first.set(step);
                }
                if step == at {
                    // SAFETY: no pointers; it comes when the stepper is done, at the instruction that is next.
                    unsafe { libc::raise(libc::SIGTERM) };
                }
                step += 1;
            });
            let finished = vm.build().expect("a guest for this host").run();
            let exit = finished.expect("the guest runs").exit;
            assert!(matches!(exit, Exit::Signal(libc::SIGTERM)), "{arch} {at}: {exit:?}");
            at += 1;
        }
        assert!(
            at > OF_GUEST + 20,
            "{arch}: the way in has that many instructions at least, not {at}"
        );
    }
}

/// Blocked by whoever started it, a request waits until the host lets it in, which is before the guest's start.
#[test]
fn a_request_that_was_waiting_keeps_the_guest_from_its_start() {
    for (arch, guest) in each("hello") {
        for option in ["--stats", "--no-sandbox"] {
            let mut command = pvhost(&guest, &["--json", option], &[]);
            // SAFETY: system calls that a forked child may make, with a live variable.
            unsafe {
                command.pre_exec(|| {
                    let mut waiting = MaybeUninit::uninit();
                    libc::sigemptyset(waiting.as_mut_ptr());
                    libc::sigaddset(waiting.as_mut_ptr(), libc::SIGTERM);
                    libc::sigprocmask(libc::SIG_BLOCK, waiting.as_ptr(), ptr::null_mut());
                    libc::raise(libc::SIGTERM);
                    Ok(())
                });
            }
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut running = Running::start(&mut command);
            running.ends();
            let output = running.output();
            let status = output.status;
            assert_eq!(status.signal(), Some(libc::SIGTERM), "{arch}: {status}");
            assert!(output.stdout.is_empty(), "{arch}: no guest has run");
            assert_eq!(report(&output)["end"], "signal", "{arch}");
        }
    }
}

/// As by others that nobody handles: whoever sent it knows that it was no fault.
#[test]
fn a_fault_s_signal_that_somebody_sends_is_no_fault_of_anybody_s() {
    for (arch, guest) in each("fault") {
        for (end, line) in [("hang", "hanging\n"), ("spin", "spinning\n")] {
            for signal in FAULTS {
                let mut command = pvhost(&guest, &[], &[end]);
                let running = Running::start_until(command.stderr(Stdio::piped()), line);
                running.signal(signal);
                let output = running.output();
                let (status, stderr) = (output.status, text(&output.stderr));
                assert_eq!(status.signal(), Some(signal), "{arch} {end}: {status}");
                assert_eq!(stderr, "", "{arch} {end} {signal}");
            }
        }
    }
}

/// All timers with the shortest period, which leave hardly a moment between two signals.
#[test]
fn a_storm_of_timers_keeps_neither_a_request_to_end_nor_the_time_limit_away() {
    for (arch, guest) in each("timers") {
        for how in ["spin", "off"] {
            for signal in [libc::SIGINT, libc::SIGTERM] {
                let mut command = pvhost(&guest, &[], &[how]);
                let mut running = Running::start_until(&mut command, "spinning\n");
                running.signal(signal);
                let status = running.ends();
                assert_eq!(status.signal(), Some(signal), "{arch} {how}: {status}");
            }
            let mut command = pvhost(&guest, &["--timeout", "0.3"], &[how]);
            let status = Running::start(command.stdout(Stdio::null())).ends();
            assert_eq!(status.code(), Some(124), "{arch} {how}: {status}");
        }
    }
}

/// As under nohup and in the background of a script.
#[test]
fn what_whoever_started_it_ignores_stays_ignored() {
    for (arch, guest) in each("fault") {
        for ignored in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGSEGV, libc::SIGSYS] {
            let mut command = pvhost(&guest, &["--stats"], &["hang"]);
            command.stderr(Stdio::piped());
            // SAFETY: one system call, which a forked child may make.
            unsafe {
                command.pre_exec(move || {
                    libc::signal(ignored, libc::SIG_IGN);
                    Ok(())
                });
            }
            let running = Running::start_until(&mut command, "hanging\n");
            running.signal(ignored);
            // Had that been heard, this would be a second request, and there would be no statistics.
            running.signal(libc::SIGTERM);
            let output = running.output();
            let (status, stderr) = (output.status, text(&output.stderr));
            assert_eq!(status.signal(), Some(libc::SIGTERM), "{arch}: {status}");
            assert!(stderr.contains("upcalls"), "{arch}: {stderr}");
        }
    }
}

/// Names the guest in the program that the next test starts: this one, once more.
const LAST: &str = "PVHOST_TEST_LAST";

#[test]
fn requests_do_what_they_did_when_the_last_guest_has_ended() {
    if let Some(guest) = env::var_os(LAST) {
        // SAFETY: nobody waits for that signal.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        let (console, _) = output();
        let vm = vm(guest.as_ref(), console).handle_signals(true).build();
        let vm = vm.expect("a guest for this host");
        // SAFETY: the handlers of this process, a child that does nothing else, are the host's.
        let finished = unsafe { vm.run_last() };
        finished.expect("the guest runs");
        for signal in ENDS.into_iter().chain([libc::SIGTSTP]) {
            // SAFETY: as before the guest's start.
            let now = unsafe { libc::signal(signal, libc::SIG_DFL) };
            let before = match signal {
                libc::SIGHUP => libc::SIG_IGN,
                _ => libc::SIG_DFL,
            };
            assert_eq!(now, before, "signal {signal}");
        }
        return;
    }
    for (arch, guest) in each("hello") {
        let name = "signals::requests_do_what_they_did_when_the_last_guest_has_ended";
        let ended = again(name).env(LAST, &guest).status();
        let status = ended.expect("this program starts");
        assert!(status.success(), "{arch}: {status}");
    }
}

/// Names the guest in the program that the next test starts: this one, once more.
const STUCK: &str = "PVHOST_TEST_STUCK";

#[test]
fn a_second_request_ends_a_host_function_that_does_not() {
    if let Some(guest) = env::var_os(STUCK) {
        stuck(guest.as_ref());
    }
    for (arch, guest) in each("hello") {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let name = "signals::a_second_request_ends_a_host_function_that_does_not";
            let running = Running::start_until(again(name).env(STUCK, &guest), "the host is stuck\n");
            running.signal(signal);
            let mut running = running.until("the host has been asked to end\n");
            running.signal(signal);
            let status = running.ends();
            assert_eq!(status.signal(), Some(signal), "{arch}: {status}");
        }
    }
}

/// Runs a guest with a host function that never returns.
fn stuck(guest: &Path) -> ! {
    let say = |text: &str| {
        let mut stdout = std::io::stdout();
        let said = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        said.expect("somebody listens");
    };
    let (console, _) = output();
    let finished = vm(guest, console)
        .handle_signals(true)
        .provide(
            "pv_console_write",
            move |_: &mut Call, _: GuestConstPtr<u8>, _: GuestUsize| -> Result<usize, Error> {
                // SAFETY: live variables. A request is let in only where it ends the wait, and nothing else is, such as
                // the clock's timer.
                unsafe {
                    let (mut all, mut none) = (std::mem::zeroed(), std::mem::zeroed());
                    libc::sigfillset(&mut all);
                    libc::sigemptyset(&mut none);
                    let mut others = all;
                    libc::sigdelset(&mut others, libc::SIGINT);
                    libc::sigdelset(&mut others, libc::SIGTERM);
                    libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
                    say("the host is stuck");
                    libc::sigsuspend(&others);
                    say("the host has been asked to end");
                    libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
                }
                loop {
                    std::thread::park();
                }
            },
        )
        .build()
        .expect("a guest for this host")
        .run();
    panic!("the guest has ended: {finished:?}");
}
