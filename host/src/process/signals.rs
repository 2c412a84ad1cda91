// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals: one real-time signal per purpose, the faults, and what asks the host to end. Those of the program around the host are
//! handed on to its own handlers.
//!
//! The kernel enters a handler with whatever fs base the interrupted code had, on the vCPU's thread perhaps the guest's. So the
//! handler is assembly, which loads the host's before any Rust runs. Handlers allocate nothing and take no lock.

use std::arch::global_asm;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use super::context::Interrupted;
use super::dispositions::{self, Action};
use super::exit::TIMED_OUT;
use super::fault;
use super::platform::Guest;
use super::sandbox;
use super::state::{self, STATE};
use super::thread_pointer;
use crate::terminal;

/// What our own signals are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The guest is to be left: its time is over, or somebody has asked for its end. It interrupts system calls.
    End,
    /// Another thread asks the vCPU's to look at its lines.
    Kick,
    /// The [alarm](super::time::Alarm).
    Alarm,
}

impl Event {
    pub(super) const ALL: [Self; 3] = [Self::End, Self::Kick, Self::Alarm];
}

/// Signals by which the processor reports a fault, and SIGSYS for a system call that guest code makes.
pub(super) const FAULTS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Signals that ask the host to end.
pub(super) const ENDS: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// `si_code` of a single step (Linux, asm-generic/siginfo.h).
const TRAP_TRACE: i32 = 2;

/// The beginning of `siginfo_t` as Linux fills it in on 64-bit machines.
#[repr(C)]
struct SignalInfo {
    signal: i32,
    error: i32,
    code: i32,
    padding: i32,
    /// Where a fault is about an address, that; else whatever the kernel has put there.
    address: u64,
    /// Of a system call that was stopped; else the same.
    number: u32,
    architecture: u32,
}

/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
const NO_FLAGS: u32 = 1 << 1;

unsafe extern "sysv64" {
    /// The handler of every signal that is handled.
    pub(super) fn pv_signal(signal: i32, info: *mut c_void, context: *mut c_void);
}

global_asm!(
    ".pushsection .text.pv_signal, \"ax\", @progbits",
    ".globl pv_signal",
    ".type pv_signal, @function",
    "pv_signal:",
    "pushq ${no_flags}",                       // what was interrupted may be the guest, with its alignment check
    "popfq",
    "cmpq {state}+{stack}(%rip), %rsp",        // on the vCPU thread's signal stack?
    "jb 2f",
    "cmpq {state}+{stack_end}(%rip), %rsp",
    "jae 2f",
    "pushq %rbx",
    "testl $1, {state}+{fsgsbase}(%rip)",      // may user mode change fs base?
    "jz 3f",
    "rdfsbase %rbx",                           // that of what was interrupted
    "movq {state}+{host_fs}(%rip), %rax",
    "wrfsbase %rax",
    "callq {handle}",
    "wrfsbase %rbx",
    "popq %rbx",
    "retq",
    "2: jmp {handle}",                         // another thread never runs guest code
    "3: movl %fs, %ebx",                       // its selector, which the system call clears
    "subq $32, %rsp",                          // room for fs base and the arguments
    "movq %rdi, 8(%rsp)",
    "movq %rsi, 16(%rsp)",
    "movq %rdx, 24(%rsp)",
    "movl $158, %eax",                         // arch_prctl
    "movl $0x1003, %edi",                      // ARCH_GET_FS
    "movq %rsp, %rsi",
    "syscall",
    "movl $158, %eax",
    "movl $0x1002, %edi",                      // ARCH_SET_FS
    "movq {state}+{host_fs}(%rip), %rsi",
    "syscall",
    "movq 8(%rsp), %rdi",
    "movq 16(%rsp), %rsi",
    "movq 24(%rsp), %rdx",
    "callq {handle}",
    "testl %ebx, %ebx",
    "jz 4f",
    "movl %ebx, %fs",                          // with the base of its descriptor
    "jmp 5f",
    "4: movl $158, %eax",
    "movl $0x1002, %edi",
    "movq (%rsp), %rsi",
    "syscall",
    "5: addq $32, %rsp",
    "popq %rbx",
    "retq",
    ".size pv_signal, . - pv_signal",
    ".popsection",
    state = sym STATE,
    handle = sym handle,
    stack = const state::SIGNAL_STACK,
    stack_end = const state::SIGNAL_STACK_END,
    no_flags = const NO_FLAGS,
    fsgsbase = const state::FSGSBASE,
    host_fs = const state::HOST_FS,
    options(att_syntax),
);

/// How many handlers run on the vCPU's thread: all but the first have interrupted another.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Every signal ends here.
///
/// # Safety
/// For the kernel, by way of `pv_signal`.
unsafe extern "sysv64" fn handle(
    signal: i32,
    info: *const SignalInfo,
    context: *mut libc::ucontext_t,
) {
    // SAFETY: the thread's own errno; what was interrupted may be about to read it.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    // SAFETY: the kernel passes both, and both live until the handler returns.
    let (details, mut interrupted) = unsafe { (&*info, Interrupted(&mut *context)) };
    let guest = guest();
    let nested = guest.is_some() && RUNNING.fetch_add(1, Ordering::SeqCst) != 0;
    let is_done = if let Some(event) = Event::of(signal) {
        // One that was under way when its guest ended finds none.
        if let Some(guest) = guest {
            handle_event(event, guest, &mut interrupted);
        }
        true
    } else if signal == libc::SIGSYS
        // Anybody may send the signal; only the kernel gives it a positive code.
        && details.code > 0
        && (guest.is_some() || !dispositions::has_previous(signal))
    {
        let call = sandbox::Stopped {
            address: details.address,
            number: details.number,
            architecture: details.architecture,
        };
        let is_in_run = |_: &&Guest| !nested && is_entered();
        sandbox::handle(call, &mut interrupted, guest.filter(is_in_run));
        true
    } else if FAULTS.contains(&signal) {
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
        if FAULTS.contains(&signal) && (guest.is_some() || !dispositions::has_previous(signal)) {
            terminal::restore();
            fault::report_host_fault(signal, details.address, interrupted.instruction());
        }
        if dispositions::has_previous(signal) {
            // SAFETY: the kernel's arguments, on the thread's signal stack and with the host's thread pointer.
            unsafe { dispositions::call_previous(signal, info.cast_mut().cast(), context.cast()) };
        } else {
            die_by(signal);
        }
    }
    if guest.is_some() {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// The guest if this is its thread, which is known by its signal stack. It may not have been entered yet, or been left already.
fn guest() -> Option<&'static Guest> {
    let here = 0_u8;
    let stack =
        STATE.signal_stack.load(Ordering::SeqCst)..STATE.signal_stack_end.load(Ordering::SeqCst);
    if !stack.contains(&(&raw const here as u64)) {
        return None;
    }
    STATE.guest()
}

/// Whether the guest has been entered and not been left.
fn is_entered() -> bool {
    // SAFETY: all guests of this process are this host's, and the reference is not used.
    unsafe { Guest::current() }.is_some()
}

fn handle_event(event: Event, guest: &Guest, interrupted: &mut Interrupted<'_>) {
    let platform = guest.platform();
    match event {
        Event::End if platform.ender.is_over() => guest.stop(TIMED_OUT),
        Event::End | Event::Kick => {}
        Event::Alarm => platform.alarm.handle(|due| {
            if due.sample {
                platform.sample_clock(guest.page());
            }
            // The clock may have stepped.
            if due.sample || due.timers {
                guest.alarm();
            }
        }),
    }
    deliver(guest, interrupted);
}

/// Has the guest interrupted, or left.
fn deliver(guest: &Guest, interrupted: &mut Interrupted<'_>) {
    guest.platform().wake();
    let mut frame = interrupted.frame();
    if guest.deliver(&mut frame) {
        interrupted.resume(&frame);
    }
}

/// The first request ends the guest in good order, or keeps it from its start; a second one, or one that comes behind the guest's own
/// end, the process at once. `nested`: in another handler.
fn handle_end(signal: i32, guest: Option<&Guest>, nested: bool, interrupted: &mut Interrupted<'_>) {
    let Some(guest) = guest else {
        // Another thread's: the guest's is to take it, or, if there is none any more, nobody.
        forward(signal);
        return;
    };
    if guest.is_stopping() {
        terminal::restore();
        die_by(signal);
        return;
    }
    guest.stop(signal);
    // What is amid a handler, or about to make a system call, is interrupted again.
    guest.platform().ender.hurry();
    if !nested {
        deliver(guest, interrupted);
    }
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

/// Whether the fault was the guest's, or is otherwise seen to.
fn handle_fault(
    signal: i32,
    info: &SignalInfo,
    guest: &Guest,
    interrupted: &mut Interrupted<'_>,
) -> bool {
    let stepping = &guest.platform().stepping;
    if signal == libc::SIGTRAP && info.code == TRAP_TRACE && stepping.is_on() {
        if stepping.step(guest, interrupted) {
            deliver(guest, interrupted);
        }
        return true;
    }
    if let Some(instruction) = thread_pointer::after_fault(interrupted.instruction()) {
        interrupted.resume_at(instruction);
        return true;
    }
    // For these signals the kernel fills in the address; for others it is a number that is only shown.
    let exception = fault::exception(signal, info.code, info.address, interrupted);
    let mut frame = interrupted.frame();
    let is_of_guest = guest.fault(&mut frame, interrupted.general(), exception);
    if is_of_guest {
        interrupted.resume(&frame);
    }
    is_of_guest
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

/// This thread's number.
pub(super) fn this_thread() -> libc::pid_t {
    // SAFETY: no pointers.
    unsafe { libc::gettid() }
}

/// Runs `body` with asynchronous signals blocked; threads that it starts keep them blocked. The function that it is given
/// waits with the signals let in, until one has been handled.
pub(super) fn with_blocked<R>(body: impl FnOnce(&dyn Fn()) -> R) -> R {
    let before = dispositions::mask(libc::SIG_BLOCK, dispositions::asynchronous());
    let result = body(&|| dispositions::wait(before));
    dispositions::mask(libc::SIG_SETMASK, before);
    result
}
