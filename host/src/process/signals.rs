// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals: one real-time signal per purpose, the faults, and what asks the host to end. Those of the program around
//! the host are handed on to its own handlers.
//!
//! The kernel enters a handler with whatever fs base the interrupted code had, on the vCPU's thread perhaps the
//! guest's. So the handler is assembly, which loads the host's before any Rust runs. Handlers allocate nothing and take
//! no lock.

use std::arch::{asm, global_asm};
use std::ffi::c_void;
use std::fmt;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use libc::{
    REG_CSGSFS, REG_EFL, REG_ERR, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX,
    REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP, REG_TRAPNO,
};
use paravirt_host_core::fault::{AccessKind, Exception};
use paravirt_host_core::layout::GUEST_END;
use paravirt_host_core::text::Line;
use paravirt_host_core::upcall;

use super::debugger::TRAP_PERF;
use super::dispositions::{self, Action, ENDS, Event, FAULTS};
use super::platform::Guest;
use super::run::TIMED_OUT;
use super::sandbox;
use super::thread_pointer;
use crate::debug::registers::{FXSAVE, General, Registers, Segments};
use crate::terminal;

/// What the handler, which begins as assembly, finds on any thread without a guest. One guest runs at a time in a
/// process: images are linked at fixed addresses, and handlers belong to the whole process anyway.
#[repr(C)]
pub(super) struct State {
    /// The host's fs base on the vCPU's thread.
    pub(super) host_fs: AtomicU64,
    /// Whether user mode may read and write fs and gs base.
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
    host_fs: AtomicU64::new(0),
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

/// Trap flag of RFLAGS.
const TRAP_FLAG: u64 = 1 << 8;

/// Flags that user mode may change: carry, parity, auxiliary, zero, sign, direction, overflow, alignment check and
/// identification (Intel SDM volume 1, 3.4.3).
const CHANGEABLE: u64 = 0x24_0cd5;
/// Where mxcsr is in the area of `fxsave`, behind it a mask of its bits (Intel SDM volume 1, 10.5.1).
const MXCSR: usize = 24;
/// Bytes of that area which the processor uses; behind it are the kernel's.
const USED: usize = 416;

/// The general registers, in the order in which they are reported.
const GENERAL: [i32; 16] = [
    REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
    REG_R13, REG_R14, REG_R15,
];

/// What a signal interrupted; changes take effect when its handler returns.
pub(super) struct Interrupted<'a>(pub(super) &'a mut libc::ucontext_t);

impl Interrupted<'_> {
    fn register(&self, register: i32) -> u64 {
        self.0.uc_mcontext.gregs[register as usize] as u64
    }

    fn set_register(&mut self, register: i32, value: u64) {
        self.0.uc_mcontext.gregs[register as usize] = value as i64;
    }

    pub(super) fn instruction(&self) -> u64 {
        self.register(REG_RIP)
    }

    /// For a report.
    pub(super) fn general(&self) -> [u64; 16] {
        GENERAL.map(|register| self.register(register))
    }

    /// For an interrupt frame.
    pub(super) fn frame(&self) -> upcall::Interrupted {
        let selectors = self.register(REG_CSGSFS);
        upcall::Interrupted {
            instruction: self.instruction(),
            stack: self.register(REG_RSP),
            flags: self.register(REG_EFL),
            code_selector: selectors & 0xffff,
            stack_selector: selectors >> 48,
        }
    }

    /// Gives the interrupted system call that result.
    pub(super) fn set_result(&mut self, result: i64) {
        self.set_register(REG_RAX, result as u64);
    }

    /// Continues there.
    pub(super) fn resume(&mut self, frame: &upcall::Interrupted) {
        self.resume_at(frame.instruction);
        self.set_register(REG_RSP, frame.stack);
        self.set_register(REG_EFL, frame.flags);
        let others = self.register(REG_CSGSFS) & 0x0000_ffff_ffff_0000;
        let selectors = others | frame.stack_selector << 48 | frame.code_selector;
        self.set_register(REG_CSGSFS, selectors);
    }

    /// Continues at that instruction.
    pub(super) fn resume_at(&mut self, instruction: u64) {
        self.set_register(REG_RIP, instruction);
    }

    /// All registers.
    pub(super) fn registers(&self) -> Registers {
        let selectors = self.register(REG_CSGSFS);
        let (ds, es): (u16, u16);
        // SAFETY: reads registers, which handlers leave as they were.
        unsafe {
            asm!("mov {0:x}, ds", "mov {1:x}, es", out(reg) ds, out(reg) es, options(nomem, nostack, preserves_flags));
        }
        Registers {
            general: General {
                general: self.general(),
                instruction: self.instruction(),
                flags: self.register(REG_EFL) & !TRAP_FLAG,
            },
            segments: Some(Segments {
                cs: selectors as u16,
                gs: (selectors >> 16) as u16,
                fs: (selectors >> 32) as u16,
                ss: (selectors >> 48) as u16,
                ds,
                es,
            }),
            // SAFETY: if it is there, the kernel has put it on this stack.
            fxsave: unsafe { self.0.uc_mcontext.fpregs.cast::<[u8; FXSAVE]>().as_ref() }.copied(),
        }
    }

    /// Continues with these, which were others when it was interrupted; segments stay as they are.
    pub(super) fn set_registers(&mut self, registers: &Registers, before: &Registers) {
        for (register, value) in GENERAL.into_iter().zip(registers.general.general) {
            self.set_register(register, value);
        }
        self.resume_at(registers.general.instruction);
        let flags = self.register(REG_EFL) & !CHANGEABLE | registers.general.flags & CHANGEABLE;
        self.set_register(REG_EFL, flags);
        // SAFETY: as above; nobody else refers to it.
        let area = unsafe { self.0.uc_mcontext.fpregs.cast::<[u8; FXSAVE]>().as_mut() };
        if registers.fxsave != before.fxsave
            && let (Some(area), Some(fxsave)) = (area, &registers.fxsave)
        {
            area[..USED].copy_from_slice(&fxsave[..USED]);
            // What the processor does not know is refused when the handler returns.
            let (mxcsr, mask) = (MXCSR, MXCSR + 4);
            for i in 0..4 {
                area[mxcsr + i] &= before.fxsave.map_or(0, |before| before[mask + i]);
            }
        }
    }

    pub(super) fn step(&mut self) {
        let flags = self.register(REG_EFL) | TRAP_FLAG;
        self.set_register(REG_EFL, flags);
    }

    pub(super) fn stop_stepping(&mut self) {
        let flags = self.register(REG_EFL) & !TRAP_FLAG;
        self.set_register(REG_EFL, flags);
    }
}

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
    stack = const offset_of!(State, signal_stack),
    stack_end = const offset_of!(State, signal_stack_end),
    no_flags = const NO_FLAGS,
    fsgsbase = const offset_of!(State, fsgsbase),
    host_fs = const offset_of!(State, host_fs),
    options(att_syntax),
);

/// How many handlers run on the vCPU's thread: all but the first have interrupted another.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// Every signal ends here.
///
/// # Safety
/// For the kernel, by way of `pv_signal`.
unsafe extern "sysv64" fn handle(signal: i32, info: *const SignalInfo, context: *mut libc::ucontext_t) {
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
    interrupted.instruction() >= GUEST_END && stack.contains(&interrupted.register(REG_RSP))
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
    let exception = exception(signal, info, interrupted);
    let mut frame = interrupted.frame();
    let is_of_guest = guest.fault(&mut frame, interrupted.general(), exception);
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

/// `si_code` of a SIGSEGV for which the processor gave no address (Linux, asm-generic/siginfo.h): general protection,
/// and these.
const SI_KERNEL: i32 = 0x80;
/// The exception of `into` (Intel SDM volume 3, 6.3.1).
const OVERFLOW: u64 = 4;
/// The exception of `bound`.
const OUT_OF_BOUNDS: u64 = 5;

/// What the processor refused, by the signal that Linux makes of it.
fn exception(signal: i32, info: &SignalInfo, interrupted: &Interrupted<'_>) -> Exception {
    let code = info.code;
    match signal {
        libc::SIGBUS if code == libc::BUS_ADRALN => Exception::AlignmentCheck,
        libc::SIGBUS if code == SI_KERNEL => Exception::StackFault,
        libc::SIGSEGV if code == SI_KERNEL => match interrupted.register(REG_TRAPNO) {
            OVERFLOW => Exception::Overflow,
            OUT_OF_BOUNDS => Exception::OutOfBounds,
            _ => Exception::GeneralProtection,
        },
        libc::SIGSEGV | libc::SIGBUS => Exception::BadAccess {
            address: info.call.address,
            access: AccessKind::from_error_code(interrupted.register(REG_ERR)),
        },
        libc::SIGILL => Exception::IllegalInstruction,
        libc::SIGFPE => Exception::Arithmetic,
        libc::SIGTRAP => Exception::Breakpoint,
        _ => Exception::SystemCall,
    }
}

/// Says that the host itself is at fault. From a signal handler: no allocation.
pub(super) fn report(what: fmt::Arguments<'_>) {
    let line = Line::new(format_args!("pvhost: internal error: {what}\n"));
    let text = line.text();
    // SAFETY: writes from a live buffer.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
