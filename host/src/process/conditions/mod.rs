// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a system must let this process do for a guest to run in it: asked before the start, since a guest that finds
//! out by a fault would be blamed for it.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;

use std::fmt;

pub(super) use machine::check;

/// What a run may ask for that the host does not have on every processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A debugger.
    Debugger,
    /// A core.
    Core,
    /// A trace.
    Trace,
    /// Samples of where processor time goes.
    Profile,
    /// Steps of single instructions.
    Steps,
    /// Interrupts some instructions later than they could be.
    Seed,
}

impl Feature {
    /// Asks whether the host has it on this processor, as [`Builder::build`](super::Builder::build) does.
    ///
    /// # Errors
    /// [`Condition::Feature`] if not.
    pub const fn check(self) -> Result<(), Condition> {
        machine::check_feature(self)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debugger => "a debugger (`--gdb`)",
            Self::Core => "a core (`--core`, `--core-dir`)",
            Self::Trace => "a trace (`--trace`)",
            Self::Profile => "a profile (`--profile`)",
            Self::Steps => "single steps (`Builder::on_step`)",
            Self::Seed => "a seed for `--time steps` (`--seed`)",
        })
    }
}

/// What this system does not let the process do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Condition {
    /// Read the processor's counter.
    #[error(
        "this process may not read the time-stamp counter (prctl PR_SET_TSC, by whoever started it), by which Linux's \
         clock is read, too; start it without"
    )]
    Counter,
    /// Change stacks as a guest does.
    #[error(
        "this process has a shadow stack, which does not follow a guest to its own stacks; start it without \
         (`GLIBC_TUNABLES=glibc.cpu.x86_shstk=off`)"
    )]
    ShadowStack,
    /// Run 32-bit code.
    #[error(
        "this system does not run 32-bit code in a 64-bit process, as a guest for i386 needs ({0}); an emulator or a \
         sandbox in Linux's place? Run the guest in QEMU (`--host qemu`), or on Linux itself, or build it for x86-64"
    )]
    Code32(String),
    /// Map memory by the pages that guests have.
    #[error(
        "this kernel has pages of {0} bytes, and a guest has pages of 4096: it needs a kernel with those, or runs \
         in QEMU (`--host qemu`)"
    )]
    PageSize(u64),
    /// Have what was asked for, on this processor.
    #[error("{0} is not there yet for guests in a process on AArch64; leave it out")]
    Feature(Feature),
}
