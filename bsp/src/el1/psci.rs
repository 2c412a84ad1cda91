// SPDX-License-Identifier: MIT OR Apache-2.0
//! Power of the machine, by whoever is above EL1 (Arm, Power State Coordination Interface, version 1.1).

use core::arch::asm;

use super::device_tree::Node;
use crate::local::Local;

/// How whoever is above is called.
#[derive(Clone, Copy)]
enum Conduit {
    /// A hypervisor, by `hvc`.
    Hypervisor,
    /// Firmware, by `smc`.
    Firmware,
}

/// `None` where nobody is.
static CONDUIT: Local<Option<Conduit>> = Local::new(None);

const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

/// Finds out by a node of the device tree who is above. For the entry.
pub(super) fn find(node: &Node<'_>) {
    if node.is_any(&[b"arm,psci-1.0", b"arm,psci-0.2"]) {
        CONDUIT.set(match node.text(b"method") {
            Some(b"hvc") => Some(Conduit::Hypervisor),
            Some(b"smc") => Some(Conduit::Firmware),
            _ => None,
        });
    }
}

/// Switches the machine off. Returns where nobody does that.
pub fn switch_off() {
    call(SYSTEM_OFF);
}

/// Resets the machine. Returns where nobody does that.
pub fn reset() {
    call(SYSTEM_RESET);
}

fn call(function: u64) {
    // SAFETY: the device tree says that this call is answered; where it returns, it may change `x0` to `x17`.
    unsafe {
        match CONDUIT.get() {
            Some(Conduit::Hypervisor) => asm!("hvc #0", inout("x0") function => _, clobber_abi("C"), options(nostack)),
            Some(Conduit::Firmware) => asm!("smc #0", inout("x0") function => _, clobber_abi("C"), options(nostack)),
            None => {}
        }
    }
}
