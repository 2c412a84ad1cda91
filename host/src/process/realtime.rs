// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real-time scheduling, so that nothing else on the machine delays a guest's interrupts.

use std::io;

/// Real-time priority for this thread as long as this lives; the threads that it starts meanwhile have it, too.
///
/// The policy is SCHED_FIFO. A thread with it that never waits takes a processor from everything else on the machine, but for
/// what the kernel keeps back (5 % by default, `sched_rt_runtime_us`).
#[derive(Debug)]
pub struct Realtime {
    policy: i32,
    before: libc::sched_param,
}

impl Realtime {
    /// Gives this thread `priority`, from 1 to 99; 99 is the highest.
    ///
    /// # Errors
    /// The system's: the priority is out of range, or the process lacks CAP_SYS_NICE and its limit (`ulimit -r`) is lower.
    pub fn enter(priority: u8) -> io::Result<Self> {
        let mut before = libc::sched_param { sched_priority: 0 };
        // SAFETY: no pointers; 0 is this thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        // SAFETY: a live variable; 0 is this thread.
        if policy < 0 || unsafe { libc::sched_getparam(0, &mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let wanted = libc::sched_param {
            sched_priority: priority.into(),
        };
        // SAFETY: a live variable; 0 is this thread.
        match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &wanted) } {
            0 => Ok(Self { policy, before }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        // SAFETY: a live variable; 0 is this thread. Going back is always permitted.
        unsafe { libc::sched_setscheduler(0, self.policy, &self.before) };
    }
}
