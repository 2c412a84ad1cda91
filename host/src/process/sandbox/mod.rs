// SPDX-License-Identifier: MIT OR Apache-2.0
//! What keeps guest code from calling Linux: a seccomp filter, or a guard that is weaker but can be taken off again.
//!
//! The filter ([`filter`]) is made from one table ([`table`]) and stays on the thread, and on all that this starts, for
//! good. What it stops arrives as SIGSYS ([`handle`]): calls of the guest end it with a report, those of the host fail
//! and are reported.

mod filter;
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;
mod table;

use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, io};

use paravirt_host_core::fault::CallSite;
use paravirt_host_core::layout::GUEST_END;

use super::dispositions::{Action, swap_action};
use super::platform::Guest;
use super::signals::{Interrupted, SignalInfo, report};

/// What is told that the system refuses.
type Told = Box<dyn FnOnce(&SandboxError) + Send>;

/// What a guest's thread may ask of Linux, see [`Builder::sandbox`](super::Builder::sandbox): what the host itself
/// needs for console, timers, signals and memory, and what is [allowed](SandboxPolicy::allow) beside that.
#[derive(Default)]
pub struct SandboxPolicy {
    allowed: Vec<u32>,
    refused: Option<Told>,
}

impl SandboxPolicy {
    /// Only what the host itself needs. Where the system refuses the sandbox, the guest is not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a system call, by its number (`libc::SYS_openat`), with any arguments: for host functions that
    /// make it.
    #[must_use]
    pub fn allow(mut self, call: u32) -> Self {
        self.allowed.push(call);
        self
    }

    /// Runs the guest even where the system refuses the sandbox. `told` gets the reason before the guest's first
    /// instruction.
    #[must_use]
    pub fn or_without(mut self, told: impl FnOnce(&SandboxError) + Send + 'static) -> Self {
        self.refused = Some(Box::new(told));
        self
    }
}

impl fmt::Debug for SandboxPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxPolicy")
            .field("allowed", &self.allowed)
            .field("required", &self.refused.is_none())
            .finish()
    }
}

/// What kept a guest's code from calling Linux while it ran. [`fmt::Display`] is one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// `filter`: a seccomp filter, on all code of the guest's thread and of the threads that it has started.
    Filter,
    /// `guard`: the instructions `syscall` and `int 0x80` in the guest's own code are stopped. Other ways are open:
    /// `sysenter`, on AMD's processors `syscall` in 32-bit code, the vsyscall page, and jumps into the host's code. On
    /// x86-64 only.
    Guard,
    /// `none`: nothing.
    Nothing,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Filter => "filter",
            Self::Guard => "guard",
            Self::Nothing => "none",
        })
    }
}

/// The system refuses the sandbox.
#[derive(Debug, thiserror::Error)]
#[error("the system refuses a seccomp filter ({call}: {source}); {}", because(.source))]
pub struct SandboxError {
    /// The system call that failed.
    call: &'static str,
    /// The system's reason.
    source: io::Error,
}

/// What may be behind the system's reason.
fn because(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "a seccomp profile of whoever started this program forbids it (of a container, a service, another sandbox)"
        }
        Some(libc::ENOSYS | libc::EINVAL) => {
            "this kernel has none (CONFIG_SECCOMP_FILTER), or it is another program that acts as Linux"
        }
        _ => "see seccomp(2)",
    }
}

/// What is in force on this thread.
pub(super) struct Sandbox(Confinement);

impl Sandbox {
    /// Confines this thread: to be called last before the guest is entered. `more` are calls that the policy does not
    /// know of.
    ///
    /// # Errors
    /// If the policy asks for a filter, the system refuses it, and the policy does not go without.
    pub(super) fn install(
        policy: Option<SandboxPolicy>,
        more: impl IntoIterator<Item = u32>,
    ) -> Result<Self, SandboxError> {
        if let Some(mut policy) = policy {
            policy.allowed.extend(more);
            match filter::install(&policy.allowed) {
                Ok(()) => return Ok(Self(Confinement::Filter)),
                Err(error) => match policy.refused {
                    Some(told) => told(&error),
                    None => return Err(error),
                },
            }
        }
        Ok(Self(if machine::guard(true) {
            Confinement::Guard
        } else {
            Confinement::Nothing
        }))
    }

    /// To be called when the guest has been left; what there was.
    pub(super) fn leave(self) -> Confinement {
        if self.0 == Confinement::Guard {
            machine::guard(false);
        }
        self.0
    }
}

/// What the kernel says of a system call with SIGSYS.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Stopped {
    /// Behind the instruction that made it, or where the kernel would have gone on.
    pub(super) address: u64,
    pub(super) number: u32,
    /// Whose numbers these are, as in linux/audit.h.
    pub(super) architecture: u32,
}

/// Handles a call that was stopped; `guest` is there on its thread while it runs.
pub(super) fn handle(call: Stopped, interrupted: &mut Interrupted<'_>, guest: Option<&Guest>) {
    let Some(guest) = guest else {
        return refuse(call, interrupted);
    };
    let (number, table) = machine::number(call);
    let mut frame = interrupted.frame();
    let address = call.address;
    let site = if guest.in_host() {
        CallSite::Function(address)
    } else if address < GUEST_END {
        CallSite::Guest(address)
    } else {
        machine::site_outside(address, &frame)
    };
    if guest.system_call(&mut frame, interrupted.guest_registers(), number, table, site) {
        interrupted.resume(&frame);
    } else {
        interrupted.set_result(-i64::from(libc::ENOSYS));
    }
}

/// Lets a call of host code outside of a guest's run fail. The first one is told, since the host has forgotten a row of
/// its table.
fn refuse(call: Stopped, interrupted: &mut Interrupted<'_>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::SeqCst) {
        let Stopped { number, address, .. } = call;
        report(format_args!(
            "the sandbox does not permit system call {number} at {address:#x}, of the host's own code; it fails, and \
             the host goes on without (`--no-sandbox` permits it)"
        ));
    }
    interrupted.set_result(-i64::from(libc::ENOSYS));
}

/// Stays in charge of calls that the filter stops on this thread when the guest has ended, unless somebody else is.
pub(super) fn stay() {
    if swap_action(libc::SIGSYS, None).is_default() {
        let refuse = Action::of(pv_refuse as *const () as usize, 0, 0);
        swap_action(libc::SIGSYS, Some(&refuse));
    }
}

/// # Safety
/// For the kernel.
unsafe extern "C" fn pv_refuse(_: i32, info: *const SignalInfo, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel passes both, and both live until the handler returns.
    let (call, mut interrupted) = unsafe { ((*info).call, Interrupted(&mut *context)) };
    refuse(call, &mut interrupted);
}
