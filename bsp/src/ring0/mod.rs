// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest needs that runs in ring 0 of an x86 processor, real or virtual: for backends whose host enters the
//! image by its PVH note. How to hear of faults and interrupts, and the few devices that every PC has.
//!
//! The feature `ring0` brings it, which every backend that uses it asks for. Elsewhere than in ring 0, most of what it
//! does is a fault.
//!
//! The order at entry: `pvh` makes a stack and (on x86-64) page tables, `descriptor` loads the tables by which a fault
//! is reported from then on, [`pvh_start_info`] checks what the loader left, and [`crate::start::enter_by`] asks the
//! backends.

pub mod cpuid;
mod descriptor;
pub mod fault;
pub mod interrupt;
#[cfg(target_arch = "x86_64")]
mod paging;
pub mod port;
pub mod processor;
mod pvh;
pub mod pvh_start_info;
pub mod qemu;
pub mod serial;
pub mod tsc;

pub use crate::message;
pub use crate::stop::{set_stop, stop};
pub use descriptor::set_tls;

/// Stops the guest if its code keeps data where the processor, or Xen in its place, pushes interrupt frames.
pub(crate) fn refuse_red_zone() {
    if crate::vcpu::HAS_RED_ZONE {
        message::say(format_args!(
            "this image's code uses the red zone, where a processor in ring 0, or Xen, pushes interrupt frames; build \
            all of it with `-C no-redzone --cfg paravirt_no_redzone`, with a `core` built so, and C code with \
            `-mno-red-zone`"
        ));
        stop("fault", 1);
    }
}
