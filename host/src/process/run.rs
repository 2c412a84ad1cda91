// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU's thread: what it needs set up around the guest.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use paravirt_host_core::guest::End;
use paravirt_host_core::timers::NEVER;
use rustix::mm::{MapFlags, ProtFlags};

use super::clock::monotonic;
use super::dispositions::{Event, Session};
use super::error::VmError;
use super::platform::Guest;
use super::sandbox::{self, Confinement, Sandbox, SandboxPolicy};
use super::signals::STATE;
use super::time::PosixTimer;

/// Size of the signal stack: room for the largest register state, and for a stepper.
const SIGNAL_STACK: usize = 256 * 1024;

/// Linux, linux/signal.h, from 4.7 on.
const SS_AUTODISARM: i32 = 1 << 31;

/// How a guest is run.
pub(super) struct Run {
    pub(super) timeout: Option<Duration>,
    pub(super) handle_signals: bool,
}

/// Runs the guest to its end; what it was kept from.
pub(super) fn run(
    guest: &Guest,
    run: &Run,
    policy: Option<SandboxPolicy>,
) -> Result<(End, Confinement), VmError> {
    // From the signal stack on, handlers need it: a request to end may be waiting for its signal to be let in.
    guest.platform().thread_pointer.begin();
    let stack = SignalStack::new(guest).map_err(refused)?;
    let session = Session::begin(run.handle_signals);
    let alarm = PosixTimer::new(Event::Alarm.signal()).map_err(no_timer)?;
    let ender = PosixTimer::new(Event::End.signal()).map_err(no_timer)?;
    let limit = run.timeout.map_or(NEVER, |timeout| {
        let ns = u64::try_from(timeout.as_nanos()).unwrap_or(NEVER);
        monotonic().saturating_add(ns)
    });
    guest.platform().begin(&alarm, &ender, limit);

    let confined = Sandbox::install(policy).map(|sandbox| {
        // SAFETY: the prototypes of closures come from their types; everything the guest and the handlers need is set up for this thread
        // and outlives the call.
        let end = unsafe { guest.enter() };
        (end, sandbox.leave())
    });

    guest.platform().end();
    drop((alarm, ender));
    drop(session);
    drop(stack);
    let (end, confinement) = confined?;
    if confinement == Confinement::Filter {
        sandbox::stay();
    }
    let end = end.map_err(|error| refused(io::Error::other(error)))?;
    Ok((end, confinement))
}

fn refused(source: io::Error) -> VmError {
    VmError::System {
        what: "cannot run the guest",
        source,
    }
}

/// Linux counts each timer as a signal that waits.
fn no_timer(source: io::Error) -> VmError {
    if source.raw_os_error() != Some(libc::EAGAIN) {
        return refused(source);
    }
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a live variable.
    unsafe { libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut limit) };
    VmError::PendingSignals {
        limit: limit.rlim_cur,
    }
}

/// The stack on which this thread's signals are handled.
struct SignalStack {
    start: u64,
    before: libc::stack_t,
}

impl SignalStack {
    /// This thread becomes that guest's.
    fn new(guest: &Guest) -> io::Result<Self> {
        // SAFETY: a new mapping anywhere.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                SIGNAL_STACK,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let mut before = MaybeUninit::uninit();
        // While a handler runs, it is off: a guest that has set its own stack to somewhere in it is not taken for a handler. Kernels
        // before 4.7, and some that act as Linux, do not have that.
        let set = [SS_AUTODISARM, 0].into_iter().any(|ss_flags| {
            let stack = libc::stack_t {
                ss_sp: start,
                ss_flags,
                ss_size: SIGNAL_STACK,
            };
            // SAFETY: the memory stays mapped until the old stack is back.
            unsafe { libc::sigaltstack(&stack, before.as_mut_ptr()) == 0 }
        });
        if !set {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: filled in by the call that succeeded.
        let before = unsafe { before.assume_init() };
        let start = start as u64;
        let guest = ptr::from_ref(guest).cast_mut();
        STATE.guest.store(guest, Ordering::SeqCst);
        STATE.signal_stack.store(start, Ordering::SeqCst);
        let end = start + SIGNAL_STACK as u64;
        STATE.signal_stack_end.store(end, Ordering::SeqCst);
        Ok(Self { start, before })
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        STATE.signal_stack.store(0, Ordering::SeqCst);
        STATE.signal_stack_end.store(0, Ordering::SeqCst);
        STATE.guest.store(ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: the old stack is this thread's; ours is not in use, since no handler runs.
        unsafe {
            libc::sigaltstack(&self.before, ptr::null_mut());
            let _ = rustix::mm::munmap(self.start as *mut _, SIGNAL_STACK);
        }
    }
}
