// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain that Xen builds itself when it starts, without one that controls the machine (*dom0less*), on QEMU's Arm
//! machine: what Xen is told of machine and domain, and the guest in the form that Xen loads.
//!
//! The domain is given devices of the machine: the serial port and the clock, which are then its own, and a virtio
//! console for its last words, as on the machine without Xen. Xen has a console of its own for its log, so that nobody
//! needs to tell them apart: a second virtio console, through its register for emergencies, see [`tree`].

mod flat;
mod tree;

pub(super) use flat::flat;
pub(super) use tree::{Domain, GUEST_BUS, LOG_BUS, machine, passthrough};

const MIB: u64 = 1 << 20;

/// Where QEMU's machine has its memory, and Xen a domain's.
pub(super) const MEMORY: u64 = 1 << 30;
/// Memory of the machine for Xen, in bytes, from the beginning: Xen itself, from 128 MiB on the device tree, where QEMU
/// puts it, and what is loaded for the domain; and Xen's heap.
pub(super) const XEN_MEMORY: u64 = 256 * MIB;
/// Where the tree of the domain's devices is loaded, and the guest.
pub(super) const PASSTHROUGH: u64 = MEMORY + 144 * MIB;
pub(super) const GUEST: u64 = MEMORY + 160 * MIB;
/// Memory of the domain for its device tree, which Xen puts at the end, in steps of 2 MiB, in bytes.
pub(super) const TREE_MEMORY: u64 = 6 * MIB;
/// Xen's options: a domain that prints by hypercall is heard, and memory is not cleared that QEMU gives as zeros.
pub(super) const XEN_OPTIONS: &str = "guest_loglvl=all bootscrub=off";
/// Bytes of a command line that Xen hands on (`BOOTMOD_MAX_CMDLINE`, with the NUL).
pub(super) const COMMAND_LINE: usize = 1023;
