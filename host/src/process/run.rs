// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU's thread: what it needs set up around the guest.

use std::io;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use paravirt_abi::signature::Width;
use rustix::mm::{MapFlags, ProtFlags};

use super::exit::{Stop, StopKind};
use super::gate;
use super::signals::{self, Options};
use super::state::{GUEST_END, STATE, STEP};
use super::timers::PosixTimer;
use super::vcpu::Vcpu;

/// Size of the signal stack: room for the largest register state, and for a stepper.
const SIGNAL_STACK: usize = 256 * 1024;

/// How a guest is run.
pub(super) struct Run {
    pub(super) entry: u64,
    /// Address of the start info.
    pub(super) start_info: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) handle_signals: bool,
    pub(super) fsgsbase: bool,
    /// Whether the page's clock is kept.
    pub(super) clock: bool,
}

/// Runs the guest to its end; why it stopped.
pub(super) fn run(vcpu: &Vcpu, run: &Run) -> io::Result<Stop> {
    let stack = SignalStack::new()?;
    publish(vcpu, run, &stack)?;
    let handlers = signals::install(Options {
        ends: run.handle_signals,
    });
    let deadline = run.timeout.map(start_deadline).transpose()?;
    if run.clock {
        vcpu.clock.keep();
    }
    vcpu.shared_lines.set_thread(Some(signals::this_thread()));
    let dispatch = SyscallDispatch::on();

    // SAFETY: everything the guest and the handlers need is set up for this thread and outlives the call.
    unsafe { gate::enter(run.entry, run.start_info, vcpu.width) };

    drop(dispatch);
    vcpu.shared_lines.set_thread(None);
    vcpu.timers.clear();
    vcpu.clock.release();
    drop(deadline);
    vcpu.console.finish();
    STATE.vcpu.store(ptr::null_mut(), Ordering::SeqCst);
    STATE.thread.store(0, Ordering::SeqCst);
    drop(handlers);
    STATE.signal_stack.store(0, Ordering::SeqCst);
    STATE.signal_stack_end.store(0, Ordering::SeqCst);
    drop(stack);
    let stop = Stop::from_word(STATE.stop.load(Ordering::SeqCst));
    Ok(stop.unwrap_or(Stop::new(StopKind::Fatal, 0)))
}

/// Tells gates and signal handlers about this guest.
fn publish(vcpu: &Vcpu, run: &Run, stack: &SignalStack) -> io::Result<()> {
    let fsgsbase = run.fsgsbase && user_mode_may_write_fs();
    STATE.host_fs.store(fs_base()?, Ordering::SeqCst);
    STATE.fsgsbase.store(fsgsbase.into(), Ordering::SeqCst);
    STATE.page.store(vcpu.page.address(), Ordering::SeqCst);
    STATE.upcalls.store(vcpu.upcalls, Ordering::SeqCst);
    match vcpu.width {
        Width::Bits64 => STATE.tail_64.store(vcpu.low.tail, Ordering::SeqCst),
        Width::Bits32 => {
            let tail = vcpu.low.tail as u32;
            STATE.tail_32.offset.store(tail, Ordering::SeqCst);
        }
    }
    let step = if vcpu.stepper.borrow().is_some() {
        STEP
    } else {
        0
    };
    STATE.action.store(step, Ordering::SeqCst);
    STATE.returning.store(0, Ordering::SeqCst);
    STATE.stop.store(0, Ordering::SeqCst);
    STATE.signal_stack.store(stack.start, Ordering::SeqCst);
    let end = stack.start + SIGNAL_STACK as u64;
    STATE.signal_stack_end.store(end, Ordering::SeqCst);
    let thread = signals::this_thread();
    STATE.thread.store(thread, Ordering::SeqCst);
    STATE
        .vcpu
        .store(ptr::from_ref(vcpu).cast_mut(), Ordering::SeqCst);
    Ok(())
}

fn start_deadline(timeout: Duration) -> io::Result<PosixTimer> {
    let timer = PosixTimer::new(signals::deadline()).ok_or_else(io::Error::last_os_error)?;
    let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    if timer.start(ns, 0) {
        Ok(timer)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether the kernel lets user mode write the bases of fs and gs (Linux, x86/x86_64/fsgs.rst).
fn user_mode_may_write_fs() -> bool {
    const HWCAP2_FSGSBASE: u64 = 1 << 1;
    // SAFETY: no pointers.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
}

/// This thread's fs base.
fn fs_base() -> io::Result<u64> {
    /// Linux, asm/prctl.h.
    const ARCH_GET_FS: i32 = 0x1003;
    let mut base = 0_u64;
    // SAFETY: writes a word to a live variable.
    match unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_FS, &raw mut base) } {
        0 => Ok(base),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The stack on which this thread's signals are handled.
struct SignalStack {
    start: u64,
    before: libc::stack_t,
}

impl SignalStack {
    fn new() -> io::Result<Self> {
        // SAFETY: a new mapping anywhere.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                SIGNAL_STACK,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let stack = libc::stack_t {
            ss_sp: start,
            ss_flags: 0,
            ss_size: SIGNAL_STACK,
        };
        let mut before = stack;
        // SAFETY: the memory stays mapped until the old stack is back.
        if unsafe { libc::sigaltstack(&stack, &mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start as u64,
            before,
        })
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: the old stack is this thread's; ours is not in use, since no handler runs.
        unsafe {
            libc::sigaltstack(&self.before, ptr::null_mut());
            let _ = rustix::mm::munmap(self.start as *mut _, SIGNAL_STACK);
        }
    }
}

/// Makes every system call from the guest's address space a SIGSYS, so that the gates are the only way to the host.
/// Kernels before 5.11 do not have that; there a guest that wants to can call Linux.
struct SyscallDispatch(bool);

impl SyscallDispatch {
    fn on() -> Self {
        Self(Self::set(true))
    }

    fn set(on: bool) -> bool {
        /// Linux, prctl.h.
        const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
        /// What is above the guest may make system calls.
        const HOST: u64 = (1 << 47) - GUEST_END;
        let (start, size) = if on { (GUEST_END, HOST) } else { (0, 0) };
        // SAFETY: no pointers; without a selector the range alone decides.
        let result = unsafe {
            libc::prctl(
                PR_SET_SYSCALL_USER_DISPATCH,
                u64::from(on),
                start,
                size,
                0_u64,
            )
        };
        result == 0
    }
}

impl Drop for SyscallDispatch {
    fn drop(&mut self) {
        if self.0 {
            Self::set(false);
        }
    }
}
