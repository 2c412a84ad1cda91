// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest stands on.

use alloc::sync::Arc;

use paravirt_abi::error::Error;
use paravirt_abi::signature::Signature;
use paravirt_abi::start::Features;

use super::{Frame, Guest};
use crate::lines::Lines;

/// What a host gives to its guest. All of it is called on the vCPU's thread. Times are in ns, sizes in bytes.
///
/// Between [`enter_host`](Self::enter_host) and [`leave_host`](Self::leave_host) host code runs on the host's stack.
pub trait Platform: Sized {
    /// A host function.
    type Function;

    /// Code selector of 32-bit user code, where a 64-bit host can run guests for i386.
    const CODE_32: Option<u16> = None;
    /// Whether an event needs a stack wherever it comes; then a guest begins with the host's. Otherwise its stack
    /// pointer is 0.
    const STACK_FOR_EVENTS: bool = true;

    /// Calls a host function of that prototype with the arguments in the frame, and leaves its result there. Of the
    /// arguments on the guest's stack, behind the return address, `stack_bytes` can be read. Between entering and
    /// leaving the host.
    fn call(guest: &Guest<Self>, function: &Self::Function, prototype: Signature, frame: &mut Frame, stack_bytes: u64);

    /// The lines, which other threads may latch as well. Called once.
    fn lines(&self) -> Arc<Lines> {
        Arc::default()
    }

    /// What the guest is offered beside what this crate has to offer.
    fn features(&self) -> Features {
        Features::empty()
    }

    /// Monotonic time since any moment; at any instruction.
    fn now(&self) -> u64;

    /// The time of [`now`](Self::now) at which guest time is 0. Called once.
    fn start(&self) -> u64 {
        self.now()
    }

    /// Unix time; between entering and leaving the host.
    fn wall(&self) -> u64;

    /// Sets the one alarm to that time of [`now`](Self::now), in place of what it was set to before. Then the host
    /// calls [`Guest::alarm`] and [`Guest::deliver`]. A time that has passed means at once,
    /// [`NEVER`](crate::timers::NEVER) no more. Between entering and leaving the host, and by `Guest::alarm`.
    fn set_alarm(&self, deadline: u64);

    /// A timer has expired that many times, the first of which was due at `due`, in guest time: its line has been
    /// raised. At any instruction.
    fn expired(_: &Guest<Self>, _timer: u32, _due: u64, _expirations: u64) {}

    /// Sleeps until something has been latched, the alarm has come or the guest is to be stopped. What came since the
    /// last return ends it at once; it may return for no reason. Between entering and leaving the host.
    fn wait(&self);

    /// Calls `idle`, in which the guest idles, see [`wait`](Self::wait). A platform may count and measure. Between
    /// entering and leaving the host.
    fn count_idle(&self, idle: impl FnOnce()) {
        idle();
    }

    /// Writes to the console; the number of bytes taken. Between entering and leaving the host.
    ///
    /// # Errors
    /// What the guest is to be told.
    fn console_write(&self, bytes: &[u8]) -> Result<usize, Error>;

    /// The guest attaches the console's line, and will want input. Between entering and leaving the host.
    ///
    /// # Errors
    /// What the guest is to be told.
    fn console_attach(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Takes input without waiting; the number of bytes and whether more is there. Between entering and leaving the
    /// host.
    ///
    /// # Errors
    /// [`Error::EndOfInput`] after the last, or what else the guest is to be told.
    fn console_read(&self, buffer: &mut [u8]) -> Result<(usize, bool), Error>;

    /// Sets the base of the guest's thread-local storage, from the next time that the host is left. Between entering
    /// and leaving the host.
    ///
    /// # Errors
    /// What the guest is to be told.
    fn set_tls(&self, base: u64) -> Result<(), Error>;

    /// Signals that are blocked on the vCPU's thread while the guest runs, in Linux' form, where there is Linux below.
    /// The frames of upcalls have them. Called when the guest is about to be entered.
    #[cfg(target_arch = "aarch64")]
    fn signal_mask(&self) -> u64 {
        0
    }

    /// From guest to host, before every host function and when the guest has been left. The thread pointer may still be
    /// the guest's: no thread-local storage is used in it.
    fn enter_host(&self);

    /// From host to guest, before the guest is entered and after every host function.
    fn leave_host(&self);
}
