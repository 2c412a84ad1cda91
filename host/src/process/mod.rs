// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linux process host: runs a guest for x86-64, i386 or AArch64 inside this process, without root and without KVM.
//!
//! The guest's image is mapped where it was linked, below 4 GiB, and its code runs directly, in user mode. Its external
//! functions lead through gates to host functions, which are Rust closures ([`Builder::provide`]). Interrupts are
//! signals that a handler turns into upcalls. The guest is checked, and on request its thread's system calls are
//! confined ([`Builder::sandbox`]): bad pointers, instructions and system calls are caught and reported. The process's
//! memory is open to it, as to a plug-in.
//!
//! ```no_run
//! use pvhost::image::Image;
//! use pvhost::process::{Call, Vm};
//!
//! let image = Image::open("guest".as_ref())?;
//! let finished = Vm::builder(image)
//!     .provide("my_sum", |_: &mut Call, a: u32, b: u32| a + b)
//!     .build()?
//!     .run()?;
//! println!("status {}", finished.exit.status());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conditions;
mod console;
mod core;
mod debugger;
mod dispositions;
mod functions;
pub(crate) mod late;
mod lines;
pub(crate) mod offspring;
mod pauses;
mod platform;
mod port;
mod recorder;
mod run;
mod runner;
mod sampler;
mod sandbox;
mod schedule;
mod signals;
mod step;
#[cfg_attr(target_arch = "aarch64", path = "thread_pointer/aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "thread_pointer/x86_64.rs")]
mod thread_pointer;
mod time;
mod vm;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use conditions::{Condition, Feature};
pub use console::{Console, ConsoleError};
pub use debugger::{Debugger, DebuggerError};
pub use dispositions::{ENDS, FAULTS};
pub use functions::{
    Arguments, Call, GuestArgument, GuestConstPtr, GuestIsize, GuestPtr, GuestResult, GuestUsize, HostFunction,
    Stopped, Value,
};
pub use late::LateFile;
pub use lines::LineHandle;
pub use paravirt_host_core::fault::{Fault, Location};
pub use paravirt_host_core::guest::GuestError;
pub use paravirt_host_core::layout::LayoutError;
pub use paravirt_host_core::memory::GuestMemory;
pub use port::{PortError, Reach};
pub use run::{Ended, Exit, Finished, Realtime, Stats};
pub use runner::{Progress, RunError, Runner};
pub use sandbox::{Confinement, SandboxError, SandboxPolicy};
pub use schedule::{LONGEST_COMPUTATION, Repeatable};
pub use step::Step;
pub use time::{Ratio, Slowdown, Steps, Time, TimeError};
pub use vm::{Builder, DEFAULT_MEMORY, Vm, VmError};

/// Locks what is sound whenever it is unlocked, even by a thread that panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
