// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals: one real-time signal per purpose, the faults, and what asks the host to end.
//!
//! The kernel enters a handler with whatever fs base the interrupted code had, on the vCPU's thread perhaps the guest's. So the
//! handler is assembly, which loads the host's before any Rust runs. Handlers allocate nothing and take no lock.

use std::arch::global_asm;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::Ordering;

use super::context::Interrupted;
use super::exit::TIMED_OUT;
use super::fault;
use super::host::Guest;
use super::state::{self, STATE};
use super::thread;
use crate::terminal;

/// Signals by which the processor reports a fault, and SIGSYS for a system call that guest code makes.
const FAULTS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Signals that ask the host to end.
const ENDS: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// `si_code` of a single step (Linux, asm-generic/siginfo.h).
const TRAP_TRACE: i32 = 2;

/// Signal of the guest's timers.
pub(super) fn timer() -> i32 {
    libc::SIGRTMIN()
}

/// Signal by which another thread asks the vCPU's to look at its lines.
fn kick_signal() -> i32 {
    libc::SIGRTMIN() + 1
}

/// Signal of the timer that ends the guest's time.
pub(super) fn deadline() -> i32 {
    libc::SIGRTMIN() + 2
}

/// Signal of the timer that anchors the page's clock.
pub(super) fn clock() -> i32 {
    libc::SIGRTMIN() + 3
}

/// Those of our signals that may come at any instruction.
fn asynchronous() -> [i32; 9] {
    let [interrupt, terminate, hangup, quit] = ENDS;
    [
        timer(),
        kick_signal(),
        deadline(),
        clock(),
        interrupt,
        terminate,
        hangup,
        quit,
        libc::SIGTSTP,
    ]
}

/// The beginning of `siginfo_t` as Linux fills it in on 64-bit machines.
#[repr(C)]
struct SignalInfo {
    signal: i32,
    error: i32,
    code: i32,
    padding: i32,
    /// Where a fault is about an address, that; else whatever the kernel has put there.
    address: u64,
}

/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
const NO_FLAGS: u32 = 1 << 1;

unsafe extern "sysv64" {
    fn pv_signal(signal: i32, info: *mut c_void, context: *mut c_void);
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

/// Every signal of ours ends here.
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
    let (info, mut interrupted) = unsafe { (&*info, Interrupted(&mut *context)) };
    if FAULTS.contains(&signal) {
        handle_fault(signal, info, &mut interrupted);
    } else if ENDS.contains(&signal) {
        handle_end(signal, &mut interrupted);
    } else if signal == libc::SIGTSTP {
        handle_suspend();
    } else if let Some(guest) = guest() {
        handle_event(signal, guest, &mut interrupted);
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// The running guest if this is its thread, which is known by its signal stack.
fn guest<'a>() -> Option<&'a Guest> {
    let here = 0_u8;
    let stack =
        STATE.signal_stack.load(Ordering::SeqCst)..STATE.signal_stack_end.load(Ordering::SeqCst);
    if !stack.contains(&(&raw const here as u64)) {
        return None;
    }
    // SAFETY: all guests of this process are this host's; it is set and cleared by this thread, which cannot clear it while a handler
    // runs.
    unsafe { Guest::current() }
}

/// Timers and kicks. A signal that was under way when its guest ended finds none.
fn handle_event(signal: i32, guest: &Guest, interrupted: &mut Interrupted<'_>) {
    if signal == timer() {
        guest.alarm();
    } else if signal == deadline() {
        guest.stop(TIMED_OUT);
    } else if signal == clock() {
        guest.platform().clock.anchor(guest.page());
        return;
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

/// The first request ends the guest in good order, a second one the process at once.
fn handle_end(signal: i32, interrupted: &mut Interrupted<'_>) {
    let Some(guest) = guest() else {
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
    deliver(guest, interrupted);
}

/// Ctrl-Z: the shell gets its terminal back, and gives it back.
fn handle_suspend() {
    terminal::restore();
    let old = set_default(libc::SIGTSTP);
    // SAFETY: the set is filled in by the calls; the signal that is raised takes effect when it is unblocked.
    unsafe {
        let mut set = empty_set();
        libc::sigaddset(&mut set, libc::SIGTSTP);
        libc::raise(libc::SIGTSTP);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
        libc::sigaction(libc::SIGTSTP, &old, ptr::null_mut());
    }
    terminal::resume();
}

fn handle_fault(signal: i32, info: &SignalInfo, interrupted: &mut Interrupted<'_>) {
    // For these signals the kernel fills in the address; for others it is a number that is only shown.
    let address = info.address;
    if let Some(guest) = guest() {
        let stepping = &guest.platform().stepping;
        if signal == libc::SIGTRAP && info.code == TRAP_TRACE && stepping.is_on() {
            if stepping.step(guest, interrupted) {
                deliver(guest, interrupted);
            }
            return;
        }
        if let Some(instruction) = thread::after_fault(interrupted.instruction()) {
            interrupted.resume_at(instruction);
            return;
        }
        let exception = fault::exception(signal, info.code, address, interrupted);
        let mut frame = interrupted.frame();
        if guest.fault(&mut frame, interrupted.general(), exception) {
            interrupted.resume(&frame);
            return;
        }
    }
    terminal::restore();
    fault::report_host_fault(signal, address, interrupted.instruction());
    die_by(signal);
}

/// Lets the process die by that signal as soon as the handler, during which it is blocked, returns.
fn die_by(signal: i32) {
    set_default(signal);
    // SAFETY: no pointers.
    unsafe { libc::raise(signal) };
}

fn set_default(signal: i32) -> libc::sigaction {
    let mut action = empty_action();
    action.sa_sigaction = libc::SIG_DFL;
    swap_action(signal, &action)
}

fn swap_action(signal: i32, action: &libc::sigaction) -> libc::sigaction {
    let mut old = empty_action();
    // SAFETY: both point to live variables.
    unsafe { libc::sigaction(signal, action, &mut old) };
    old
}

fn empty_action() -> libc::sigaction {
    // SAFETY: all zeros is a valid value of this C struct.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: all zeros is a valid value of this C struct, and the empty set on Linux.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = empty_set();
    for &signal in signals {
        // SAFETY: a live variable and a valid signal number.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    set
}

/// Which signals are handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Whether requests to end the process are handled, and the terminal on Ctrl-Z.
    pub(super) ends: bool,
}

/// Handlers that are taken back when the guest has ended.
pub(super) struct Handlers {
    old: Vec<(i32, libc::sigaction)>,
}

/// Installs the handlers.
///
/// Those of the real-time signals stay for good: one that was under way when its guest ended must not kill the process.
pub(super) fn install(options: Options) -> Handlers {
    static EVENTS: Once = Once::new();
    EVENTS.call_once(|| {
        for signal in [timer(), kick_signal(), clock()] {
            swap_action(signal, &action(libc::SA_RESTART));
        }
        swap_action(deadline(), &action(0));
    });
    let mut old = Vec::new();
    for signal in FAULTS {
        old.push((signal, swap_action(signal, &action(0))));
    }
    if options.ends {
        for signal in ENDS.into_iter().chain([libc::SIGTSTP]) {
            let before = swap_action(signal, &action(0));
            if before.sa_sigaction == libc::SIG_IGN {
                // Whoever started us wants it ignored, as nohup does.
                swap_action(signal, &before);
            } else {
                old.push((signal, before));
            }
        }
    }
    Handlers { old }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, action) in &self.old {
            swap_action(*signal, action);
        }
    }
}

/// Our handler. Asynchronous signals wait for each other; a fault in a handler is still reported.
fn action(flags: i32) -> libc::sigaction {
    let mut action = empty_action();
    action.sa_sigaction = pv_signal as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
    action.sa_mask = set_of(&asynchronous());
    action
}

/// Interrupts a thread.
pub(super) fn kick(thread: libc::pid_t) {
    send(thread, kick_signal());
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

/// Runs `body` with our asynchronous signals blocked; threads that it starts keep them blocked. The function that it is given
/// waits with the signals let in, until one has been handled.
pub(super) fn with_blocked<R>(body: impl FnOnce(&dyn Fn()) -> R) -> R {
    let mut before = empty_set();
    // SAFETY: live variables.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set_of(&asynchronous()), &mut before) };
    // SAFETY: a live variable.
    let result = body(&|| unsafe {
        libc::sigsuspend(&before);
    });
    // SAFETY: a live variable.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    result
}
