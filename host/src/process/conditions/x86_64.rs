// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is asked on x86-64: the counter, shadow stacks, and 32-bit code.

use std::arch::{asm, global_asm};
use std::ffi::c_void;
use std::hint;
use std::ptr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use paravirt_abi::signature::Width;
use paravirt_host_core::guest::Platform;
use paravirt_host_core::memory::PAGE;
use paravirt_host_core::upcall;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::super::dispositions::{self, Action};
use super::super::platform::Host;
use super::super::signals::Interrupted;
use super::{Condition, Feature};

/// Whether the host has that: it has everything.
pub(super) const fn check_feature(_: Feature) -> Result<(), Condition> {
    Ok(())
}

/// Asks what can be asked before the guest is laid out. For one guest at a time.
pub(in crate::process) fn check(width: Width) -> Result<(), Condition> {
    if counter_is_forbidden() {
        return Err(Condition::Counter);
    }
    if shadow_stack() != 0 {
        return Err(Condition::ShadowStack);
    }
    match width {
        Width::Bits32 => probe_code_32().map_err(Condition::Code32),
        Width::Bits64 => Ok(()),
    }
}

/// Returns whether reading the counter is a fault (Linux, prctl.h). Emulations of Linux that do not know the question
/// do not forbid it.
fn counter_is_forbidden() -> bool {
    let mut access = 0_i32;
    // SAFETY: writes to a live variable.
    let asked = unsafe { libc::prctl(libc::PR_GET_TSC, &raw mut access) };
    asked == 0 && access == libc::PR_TSC_SIGSEGV
}

/// The pointer of this thread's shadow stack, 0 if it has none (Linux, x86/shstk.rst).
fn shadow_stack() -> u64 {
    let pointer;
    // SAFETY: `rdsspq %rax`; without a shadow stack, and on processors that do not have it, it does nothing.
    unsafe {
        asm!(
            ".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8",
            inout("rax") 0_u64 => pointer,
            options(nomem, nostack, preserves_flags)
        );
    }
    pointer
}

/// The signals of an attempt that fails. One that succeeds has none, at which a debugger would stop.
const SIGNALS: [i32; 4] = [libc::SIGILL, libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP];
/// `eax` before it; one more after it.
const BEFORE: u32 = 0x1234;
/// Linux's 64-bit code.
const HOST_CODE: u16 = 0x33;
/// Size of the stack for its signal.
const STACK: usize = 256 * 1024;

/// The thread that tries.
static THREAD: AtomicI32 = AtomicI32::new(0);
/// Its stack pointer before, and the far pointer it goes by.
static PROBE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// What a signal has shown: its number, 0 for none, and the instruction pointer.
static SEEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// A signal that somebody has sent meanwhile; 0: none.
static SENT: AtomicI32 = AtomicI32::new(0);
/// How often one may still seem to be sent before it is taken for the attempt's own: not every system tells.
static DOUBTS: AtomicU32 = AtomicU32::new(0);
/// More than anybody sends during a few instructions.
const MANY: u32 = 1000;

/// The attempt: a page fault, after which gVisor goes on as in 64-bit code, and one instruction that is a prefix there.
/// As 64-bit code it ends in one that is undefined.
fn code(untouched: u32, back: u32) -> [u8; CODE_SIZE] {
    let mut code = [0; CODE_SIZE];
    let mut place = 0;
    let mut put = |bytes: &[u8]| {
        code[place..place + bytes.len()].copy_from_slice(bytes);
        place += bytes.len();
    };
    put(&[0x2e, 0x8a, 0x0d]); // movb %cs:untouched, %cl: Linux leaves no data segment there
    put(&untouched.to_le_bytes());
    put(&[0x40]); // incl %eax
    put(&[0xea]); // ljmp HOST_CODE:back
    put(&back.to_le_bytes());
    put(&HOST_CODE.to_le_bytes());
    // From here on 64-bit code.
    put(&[0xff, 0x25, 0, 0, 0, 0]); // jmpq *(next)
    put(&(pv_probe_end as *const () as u64).to_le_bytes());
    code
}

/// Bytes of it, and of those before it is 64-bit code.
const CODE_SIZE: usize = 29;
const CODE_32_SIZE: u32 = 15;

unsafe extern "C" {
    /// Goes to 32-bit code by the far pointer, with eax as given; returns with eax as that code, or the handler, has
    /// gone to `pv_probe_end`.
    fn pv_probe(eax: u32) -> u32;
    fn pv_probe_end();
}

global_asm!(
    ".pushsection .text.pv_probe, \"ax\", @progbits",
    ".globl pv_probe, pv_probe_end",
    ".type pv_probe, @function",
    "pv_probe:",
    "pushq %rbp",                              // in 32-bit code no register has an upper half to keep
    "pushq %rbx",
    "pushq %r12",
    "pushq %r13",
    "pushq %r14",
    "pushq %r15",
    "movq %rsp, {probe}(%rip)",
    "movl %edi, %eax",
    "ljmpl *{probe}+8(%rip)",
    "pv_probe_end:",
    "movq {probe}(%rip), %rsp",
    "popq %r15",
    "popq %r14",
    "popq %r13",
    "popq %r12",
    "popq %rbx",
    "popq %rbp",
    "retq",
    ".size pv_probe, . - pv_probe",
    ".popsection",
    probe = sym PROBE,
    options(att_syntax),
);

/// Runs a little 32-bit code; how that failed.
fn probe_code_32() -> Result<(), String> {
    // Handlers and the words above are the process's.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(selector) = Host::CODE_32 else {
        return Ok(());
    };
    let Some(low) = LowMemory::new() else {
        // What refuses this refuses the guest's own memory, and is named there.
        return Ok(());
    };
    PROBE[1].store(low.start as u64 | u64::from(selector) << 32, Ordering::SeqCst);
    SEEN[0].store(0, Ordering::SeqCst);
    DOUBTS.store(MANY, Ordering::SeqCst);
    THREAD.store(dispositions::this_thread(), Ordering::SeqCst);
    let handlers = Handlers::install(low.stack());
    // SAFETY: the code is mapped, and a fault of it is handled on a stack of its own, from where the thread goes on at
    // the end.
    let after = unsafe { pv_probe(BEFORE) };
    drop(handlers);
    THREAD.store(0, Ordering::SeqCst);
    match SEEN.each_ref().map(|word| word.load(Ordering::SeqCst)) {
        [0, _] if after == BEFORE + 1 => Ok(()),
        [0, _] => Err("it runs as other code".to_owned()),
        [signal, instruction] => Err(format!("an attempt is signal {signal} at {instruction:#x}")),
    }
}

/// Where 32-bit code can be (Linux, mmap(2): MAP_32BIT).
const BELOW_2G: MapFlags = MapFlags::from_bits_retain(libc::MAP_32BIT as u32);

/// Memory below 2 GiB: a page with the code, one that nobody has touched, then a stack.
struct LowMemory {
    start: *mut c_void,
}

impl LowMemory {
    const STACK_AT: usize = 2 * PAGE as usize;
    const SIZE: usize = Self::STACK_AT + STACK;

    fn new() -> Option<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | BELOW_2G;
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping where the kernel finds room.
        let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), Self::SIZE, rights, flags) }.ok()?;
        let memory = Self { start };
        let low = start as u32;
        let code = code(low + PAGE as u32, low + CODE_32_SIZE);
        let rights = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the first page of the mapping, which nothing else refers to.
        unsafe {
            start.cast::<[u8; CODE_SIZE]>().write(code);
            rustix::mm::mprotect(start, PAGE as usize, rights).ok()?;
        }
        Some(memory)
    }

    fn stack(&self) -> libc::stack_t {
        libc::stack_t {
            ss_sp: self.start.wrapping_byte_add(Self::STACK_AT),
            ss_flags: 0,
            ss_size: STACK,
        }
    }
}

impl Drop for LowMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no longer used.
        let _ = unsafe { rustix::mm::munmap(self.start, Self::SIZE) };
    }
}

/// The handlers and the signal stack of the attempt.
struct Handlers {
    stack: libc::stack_t,
    actions: [Action; SIGNALS.len()],
    mask: u64,
}

impl Handlers {
    /// All other signals are blocked meanwhile: handlers of the program around us may come on the thread's own stack,
    /// of whose address 32-bit code keeps half.
    fn install(stack: libc::stack_t) -> Self {
        let mask = dispositions::mask(libc::SIG_SETMASK, !dispositions::set_of(SIGNALS));
        let mut before = stack;
        // SAFETY: live variables; the stack stays until the attempt has ended.
        unsafe { libc::sigaltstack(&stack, &mut before) };
        let ours = Action::of(observe as *const () as usize, 0, u64::MAX);
        Self {
            stack: before,
            actions: SIGNALS.map(|signal| dispositions::swap_action(signal, Some(&ours))),
            mask,
        }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, action) in SIGNALS.into_iter().zip(&self.actions) {
            dispositions::swap_action(signal, Some(action));
        }
        // SAFETY: the stack that was there before, on this thread.
        unsafe { libc::sigaltstack(&self.stack, ptr::null_mut()) };
        dispositions::mask(libc::SIG_SETMASK, self.mask);
        match SENT.swap(0, Ordering::SeqCst) {
            0 => {}
            // SAFETY: no pointers.
            signal => drop(unsafe { libc::raise(signal) }),
        }
    }
}

/// Notes what has come, and ends the attempt.
///
/// # Safety
/// For the kernel.
unsafe extern "C" fn observe(signal: i32, info: *const libc::siginfo_t, context: *mut libc::ucontext_t) {
    let is_ours = THREAD.load(Ordering::SeqCst) == dispositions::this_thread();
    // SAFETY: the kernel's, until the handler returns. Linux gives a positive code to faults only.
    if unsafe { (*info).si_code } <= 0 {
        if !is_ours || DOUBTS.fetch_sub(1, Ordering::SeqCst) > 0 {
            SENT.store(signal, Ordering::SeqCst);
            return;
        }
        SENT.store(0, Ordering::SeqCst);
    } else if !is_ours {
        // A fault of another thread comes again when this is over, and its handler is then there again.
        while THREAD.load(Ordering::SeqCst) != 0 {
            hint::spin_loop();
        }
        return;
    }
    // SAFETY: the kernel's, until the handler returns.
    let mut interrupted = Interrupted(unsafe { &mut *context });
    let frame = interrupted.frame();
    SEEN[1].store(frame.instruction, Ordering::SeqCst);
    SEEN[0].store(signal as u64, Ordering::SeqCst);
    interrupted.resume(&upcall::Interrupted {
        instruction: pv_probe_end as *const () as u64,
        code_selector: HOST_CODE.into(),
        ..frame
    });
}

#[cfg(test)]
mod tests {
    use std::{io, mem};

    use super::*;

    /// Dispositions are the whole process's, and so are the attempts.
    static ONE: Mutex<()> = Mutex::new(());

    #[test]
    fn this_system_runs_guests_of_both_widths() {
        let _one = ONE.lock();
        assert_eq!(check(Width::Bits64), Ok(()));
        assert_eq!(check(Width::Bits32), Ok(()));
    }

    extern "C" fn nothing(_: i32) {}

    /// Runs the attempt often, amid signals of a timer, whose handler does nothing.
    fn check_amid(tick: i32) -> Option<Condition> {
        let _one = ONE.lock();
        let often = libc::timespec {
            tv_sec: 0,
            tv_nsec: 50_000,
        };
        let setting = libc::itimerspec {
            it_interval: often,
            it_value: often,
        };
        // SAFETY: all zeros is a valid value; live variables; the handler has the type that its flags say, and uses
        // nothing.
        let (timer, before) = unsafe {
            let (mut action, mut before): (libc::sigaction, libc::sigaction) = (mem::zeroed(), mem::zeroed());
            action.sa_sigaction = nothing as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(tick, &action, &mut before), 0);
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = tick;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = ptr::null_mut();
            let made = libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer);
            assert_eq!(made, 0, "{}", io::Error::last_os_error());
            assert_eq!(libc::timer_settime(timer, 0, &setting, ptr::null_mut()), 0);
            (timer, before)
        };
        let failed = (0..2_000).find_map(|_| check(Width::Bits32).err());
        // SAFETY: the timer exists; the disposition is what there was. A signal that has come is handled by then.
        unsafe {
            assert_eq!(libc::timer_delete(timer), 0);
            assert_eq!(libc::sigaction(tick, &before, ptr::null_mut()), 0);
        }
        failed
    }

    /// Its handlers come on the thread's own stack, of which 32-bit code keeps half the address.
    #[test]
    fn signals_of_the_program_do_not_come_amid_the_attempt() {
        assert_eq!(check_amid(libc::SIGRTMIN() + 3), None);
    }

    #[test]
    fn a_signal_that_somebody_sends_is_no_fault_of_the_attempt() {
        assert_eq!(check_amid(libc::SIGSEGV), None);
    }
}
