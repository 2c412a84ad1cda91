// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals: one real-time signal per purpose, the faults, and what asks the host to end. Those of the program around
//! the host are handed on to its own handlers.
//!
//! The kernel enters a handler with whatever thread pointer the interrupted code had, on the vCPU's thread perhaps the
//! guest's. So the handler is assembly, which loads the host's before any Rust runs. Handlers allocate nothing and take
//! no lock.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use paravirt_host_core::layout::GUEST_END;
use paravirt_host_core::text::Line;

pub(super) use machine::{pv_return_from_signal, pv_signal, step_from_here};

use super::debugger::TRAP_PERF;
use super::dispositions::{self, Action, ENDS, Event, FAULTS};
use super::platform::Guest;
use super::run::TIMED_OUT;
use super::sandbox;
use super::thread_pointer;
use crate::terminal;

/// What the handler, which begins as assembly, finds on any thread without a guest. One guest runs at a time in a
/// process: images are linked at fixed addresses, and handlers belong to the whole process anyway.
#[repr(C)]
pub(super) struct State {
    /// The host's thread pointer on the vCPU's thread.
    pub(super) host_thread_pointer: AtomicU64,
    /// Whether user mode may read and write fs and gs base.
    #[cfg(target_arch = "x86_64")]
    pub(super) fsgsbase: AtomicU32,
    /// First address of the vCPU thread's signal stack.
    pub(super) signal_stack: AtomicU64,
    /// First address behind it.
    pub(super) signal_stack_end: AtomicU64,
    /// The vCPU's thread, 0 if no guest runs.
    pub(super) thread: AtomicI32,
    /// The guest of that thread, from before it is entered until after it was left; null if there is none.
    pub(super) guest: AtomicPtr<Guest>,
}

/// The one instance.
pub(super) static STATE: State = State {
    host_thread_pointer: AtomicU64::new(0),
    #[cfg(target_arch = "x86_64")]
    fsgsbase: AtomicU32::new(0),
    signal_stack: AtomicU64::new(0),
    signal_stack_end: AtomicU64::new(0),
    thread: AtomicI32::new(0),
    guest: AtomicPtr::new(ptr::null_mut()),
};

impl State {
    /// Returns whether the guest is to be left. On the vCPU's thread.
    pub(super) fn stopping(&self) -> bool {
        self.guest().is_some_and(Guest::is_stopping)
    }

    /// Asks for the guest to be left, as by that signal. On the vCPU's thread.
    pub(super) fn stop(&self, signal: i32) {
        if let Some(guest) = self.guest() {
            guest.stop(signal);
        }
    }

    /// The guest. On the vCPU's thread.
    pub(super) fn guest(&self) -> Option<&Guest> {
        // SAFETY: a guest that outlives its run; it is set and cleared by this thread, which is not at the end of that
        // meanwhile.
        unsafe { self.guest.load(Ordering::SeqCst).as_ref() }
    }
}

/// What a signal interrupted; changes take effect when its handler returns.
pub(super) struct Interrupted<'a>(pub(super) &'a mut libc::ucontext_t);

/// `si_code` of a single step (Linux, asm-generic/siginfo.h).
const TRAP_TRACE: i32 = 2;

/// The beginning of `siginfo_t` as Linux fills it in on 64-bit machines.
#[repr(C)]
pub(super) struct SignalInfo {
    signal: i32,
    error: i32,
    code: i32,
    padding: i32,
    /// Where a fault is about an address, there is that in it; where a system call was stopped, all is known; else it
    /// is whatever the kernel has put there.
    pub(super) call: sandbox::Stopped,
}

impl SignalInfo {
    /// Of a performance event, what it was given to be told by.
    const fn perf_data(&self) -> u64 {
        self.call.number as u64 | (self.call.architecture as u64) << 32
    }
}

/// How many handlers run on the vCPU's thread: all but the first have interrupted another.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Every signal ends here.
///
/// # Safety
/// For the kernel, by way of `pv_signal`.
unsafe extern "C" fn handle(signal: i32, info: *const SignalInfo, context: *mut libc::ucontext_t) {
    // SAFETY: the thread's own errno; what was interrupted may be about to read it.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    // SAFETY: the kernel passes both, and both live until the handler returns.
    let (details, mut interrupted) = unsafe { (&*info, Interrupted(&mut *context)) };
    let guest = guest();
    let nested = guest.is_some() && RUNNING.fetch_add(1, Ordering::SeqCst) != 0;
    let is_fault = FAULTS.contains(&signal);
    // Anybody may send these signals; only the kernel gives them a positive code.
    let is_sent = is_fault && details.code <= 0;
    let is_done = if let Some(event) = Event::of(signal) {
        // One that was under way when its guest ended finds none.
        if let Some(guest) = guest {
            handle_event(event, guest, &mut interrupted);
        }
        true
    } else if is_sent {
        dispositions::was_ignored(signal)
    } else if signal == libc::SIGSYS && (guest.is_some() || !dispositions::has_previous(signal)) {
        let is_in_run = |_: &&Guest| !nested && is_entered();
        sandbox::handle(details.call, &mut interrupted, guest.filter(is_in_run));
        true
    } else if signal == libc::SIGTRAP && details.code == TRAP_PERF {
        // Behind the guest, it is nothing to anybody.
        guest.is_none_or(|guest| handle_access(details, guest, nested, &mut interrupted))
    } else if is_fault {
        // In a handler it is the host's.
        guest.is_some_and(|guest| !nested && handle_fault(signal, details, guest, &mut interrupted))
    } else if dispositions::handles_ends() && ENDS.contains(&signal) {
        handle_end(signal, guest, nested, &mut interrupted);
        true
    } else if dispositions::handles_ends() && signal == libc::SIGTSTP {
        handle_suspend();
        true
    } else {
        false
    };
    if !is_done {
        // Of another thread, it may be the way in which the program around us works.
        let has_previous = dispositions::has_previous(signal);
        if is_fault && !is_sent && (guest.is_some() || !has_previous) {
            terminal::restore();
            let (address, instruction) = (details.call.address, interrupted.instruction());
            report(format_args!(
                "signal {signal} at {instruction:#x} in the host's own code (address {address:#x}); this is a bug in \
                 the host or in a host function, not in the guest"
            ));
        }
        if has_previous {
            // A fault that the program's handler has not seen to comes again, and is then to end the program.
            let call = if is_sent {
                dispositions::call_previous_and_stay
            } else {
                dispositions::call_previous
            };
            // SAFETY: the kernel's arguments, on the thread's signal stack and with the host's thread pointer.
            unsafe { call(signal, info.cast_mut().cast(), context.cast()) };
        } else {
            terminal::suspend();
            die_by(signal);
        }
    }
    if guest.is_some() {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// The guest if this is its thread, which is known by its signal stack. It may not have been entered yet, or been left
/// already.
fn guest() -> Option<&'static Guest> {
    let here = 0_u8;
    let stack = STATE.signal_stack.load(Ordering::SeqCst)..STATE.signal_stack_end.load(Ordering::SeqCst);
    if !stack.contains(&(&raw const here as u64)) {
        return None;
    }
    STATE.guest()
}

/// Returns whether the guest has been entered and not been left.
fn is_entered() -> bool {
    // SAFETY: all guests of this process are this host's, and the reference is not used.
    unsafe { Guest::current() }.is_some()
}

fn handle_event(event: Event, guest: &Guest, interrupted: &mut Interrupted<'_>) {
    let platform = guest.platform();
    if let Some(vcpu) = &platform.debugged {
        vcpu.on_event(guest, interrupted);
    }
    match event {
        Event::End if platform.ender.is_over() => guest.stop(TIMED_OUT),
        Event::End | Event::Kick => {}
        Event::Alarm => platform.schedule.on_alarm(guest),
        Event::Sample => {
            if let Some(sampler) = &platform.sampler {
                sampler.sample(guest, interrupted);
            }
            return;
        }
    }
    if platform.schedule.interrupts_anywhere() || guest.is_stopping() {
        deliver(guest, interrupted);
    } else {
        platform.wake();
    }
}

/// Has the guest interrupted, or left.
fn deliver(guest: &Guest, interrupted: &mut Interrupted<'_>) {
    guest.platform().wake();
    let mut frame = interrupted.frame();
    if guest.deliver(&mut frame) {
        if let Some(recorder) = &guest.platform().recorder {
            recorder.interrupted(guest);
        }
        interrupted.resume(&frame);
        if let Some(vcpu) = &guest.platform().debugged {
            vcpu.on_upcall(guest, interrupted);
        }
    }
}

/// The first request ends the guest in good order, or keeps it from its start; a second one, or one that comes behind
/// the guest's own end, the process at once. `nested`: in another handler.
fn handle_end(signal: i32, guest: Option<&Guest>, nested: bool, interrupted: &mut Interrupted<'_>) {
    let Some(guest) = guest else {
        // Another thread's: the guest's is to take it, or, if there is none any more, nobody.
        forward(signal);
        return;
    };
    if guest.is_stopping() {
        if guest.platform().console.give_up(signal) {
            guest.platform().ender.hurry();
            return;
        }
        terminal::suspend();
        die_by(signal);
        return;
    }
    guest.stop(signal);
    // What is amid a handler, or about to make a system call, is interrupted again.
    guest.platform().ender.hurry();
    if !nested && !begins_handler(interrupted) {
        deliver(guest, interrupted);
    }
}

/// Returns whether a handler was interrupted that had not counted itself yet: the system may send two signals at once,
/// and then the second comes before the first instruction of the first one's handler.
fn begins_handler(interrupted: &Interrupted<'_>) -> bool {
    let stack = STATE.signal_stack.load(Ordering::SeqCst)..STATE.signal_stack_end.load(Ordering::SeqCst);
    interrupted.instruction() >= GUEST_END && stack.contains(&interrupted.stack())
}

/// Ctrl-Z: the shell gets its terminal back, and gives it back.
fn handle_suspend() {
    terminal::suspend();
    let old = dispositions::swap_action(libc::SIGTSTP, Some(&Action::DEFAULT));
    // SAFETY: no pointers. The signal takes effect when it is unblocked.
    unsafe { libc::raise(libc::SIGTSTP) };
    let suspend = dispositions::set_of([libc::SIGTSTP]);
    dispositions::mask(libc::SIG_UNBLOCK, suspend);
    dispositions::mask(libc::SIG_BLOCK, suspend);
    dispositions::swap_action(libc::SIGTSTP, Some(&old));
    terminal::resume();
}

/// Returns whether what a debugger watches was accessed.
fn handle_access(info: &SignalInfo, guest: &Guest, nested: bool, interrupted: &mut Interrupted<'_>) -> bool {
    let Some(vcpu) = &guest.platform().debugged else {
        return false;
    };
    if nested {
        vcpu.on_access_in_handler(info.perf_data());
    } else {
        vcpu.on_access(guest, interrupted, info.perf_data());
        leave_if_stopping(guest, interrupted);
    }
    true
}

/// Returns whether the fault was the guest's, or is otherwise seen to.
fn handle_fault(signal: i32, info: &SignalInfo, guest: &Guest, interrupted: &mut Interrupted<'_>) -> bool {
    let stepping = &guest.platform().stepping;
    if signal == libc::SIGTRAP && info.code == TRAP_TRACE && stepping.traps() {
        if stepping.step(guest, interrupted) {
            deliver(guest, interrupted);
        }
        if let Some(vcpu) = &guest.platform().debugged {
            vcpu.on_step(guest, interrupted);
            leave_if_stopping(guest, interrupted);
        }
        return true;
    }
    if let Some(instruction) = thread_pointer::after_fault(interrupted.instruction()) {
        interrupted.resume_at(instruction);
        return true;
    }
    if let Some(vcpu) = &guest.platform().debugged
        && vcpu.on_fault(guest, interrupted, signal)
    {
        leave_if_stopping(guest, interrupted);
        return true;
    }
    // For these signals the kernel fills in the address; for others it is a number that is only shown.
    let exception = interrupted.exception(signal, info);
    let mut frame = interrupted.frame();
    let is_of_guest = guest.fault(&mut frame, interrupted.guest_registers(), exception);
    if is_of_guest {
        interrupted.resume(&frame);
    }
    is_of_guest
}

/// While the guest stood, somebody may have asked for its end.
fn leave_if_stopping(guest: &Guest, interrupted: &mut Interrupted<'_>) {
    if guest.is_stopping() {
        deliver(guest, interrupted);
    }
}

/// Lets the process die by that signal as soon as the handler, during which it is blocked, returns.
fn die_by(signal: i32) {
    dispositions::swap_action(signal, Some(&Action::DEFAULT));
    // SAFETY: no pointers.
    unsafe { libc::raise(signal) };
}

/// Interrupts a thread, so that it looks at its lines.
pub(super) fn kick(thread: libc::pid_t) {
    send(thread, Event::Kick.signal());
}

/// Sends a signal to the vCPU's thread, if there is one.
fn forward(signal: i32) {
    match STATE.thread.load(Ordering::SeqCst) {
        0 => {}
        thread => send(thread, signal),
    }
}

fn send(thread: libc::pid_t, signal: i32) {
    // SAFETY: no pointers; a thread that is gone is an error that does not matter.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
}

/// Says that the host itself is at fault. From a signal handler: no allocation.
pub(super) fn report(what: fmt::Arguments<'_>) {
    let line = Line::new(format_args!("pvhost: internal error: {what}\n"));
    let text = line.text();
    // SAFETY: writes from a live buffer.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
