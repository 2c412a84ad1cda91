// SPDX-License-Identifier: MIT OR Apache-2.0
//! What QEMU gives beyond a machine: a console for messages, and an end with a status.
//!
//! A shutdown leaves one line on the debug console, the *record*, by which whoever started QEMU knows how the guest
//! ended: `paravirt: shutdown REASON CODE`. Of an end other than `exit` and `reset`, registers and stack come before it
//! (`last_state`). Then QEMU ends: by semihosting with the code as its status, else because
//! the machine is switched off.
//!
//! | what | by |
//! |---|---|
//! | debug console | a virtio console, through its register for emergencies, which needs no queues (Virtual I/O Device Version 1.2, 4.2.2 and 5.3.4); else semihosting's |
//! | end | semihosting (Arm, Semihosting for AArch32 and AArch64, version 3.0) |
//!
//! Semihosting lets a guest use files of whoever runs QEMU, so it is for guests that are trusted. Where nobody listens,
//! its instruction is undefined, and the vectors make it an answer of -1.

use core::arch::asm;
use core::fmt::{self, Write};
use core::ptr::{read_volatile, with_exposed_provenance_mut, write_volatile};

use super::device_tree::Node;
use super::paging::{self, Kind};
use super::psci;
use super::vectors::__paravirt_semihosting;
use crate::last_state;
use crate::local::Local;

/// `SYS_WRITE0`: writes a text up to its NUL.
const WRITE0: u32 = 0x04;
/// `SYS_ERRNO`, which changes nothing.
const ERRNO: u32 = 0x13;
/// `SYS_EXIT`.
const EXIT: u32 = 0x18;
/// `ADP_Stopped_ApplicationExit`.
const APPLICATION_EXIT: u64 = 0x2_0026;

/// Registers of a virtio device, by their offsets, and what those of a console hold.
const MAGIC: usize = 0x000;
const IS_VIRTIO: u32 = 0x7472_6976;
const DEVICE: usize = 0x008;
const IS_CONSOLE: u32 = 3;
const FEATURES: usize = 0x010;
const FEATURES_PART: usize = 0x014;
/// `VIRTIO_CONSOLE_F_EMERG_WRITE`.
const EMERGENCY_WRITE: u32 = 1 << 2;
/// `emerg_wr` in the device's configuration: a byte that is written there is printed.
const EMERGENCY: usize = 0x108;

/// Address of the virtio console's registers; 0: there is none.
static CONSOLE: Local<usize> = Local::new(0);

/// Finds out whether a node of the device tree is the debug console. For the entry.
pub(super) fn find(node: &Node<'_>) {
    if CONSOLE.get() != 0 || !node.is_any(&[b"virtio,mmio"]) {
        return;
    }
    let Some((start, end)) = node.ranges(1).next() else {
        return;
    };
    if end - start <= EMERGENCY as u64 || paging::map(start, end, Kind::Device).is_err() {
        return;
    }
    let base = start as usize;
    if read(base + MAGIC) != IS_VIRTIO || read(base + DEVICE) != IS_CONSOLE {
        return;
    }
    write(base + FEATURES_PART, 0);
    if read(base + FEATURES) & EMERGENCY_WRITE != 0 {
        CONSOLE.set(base);
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: a register of a virtio device that the tree names, and that was mapped; reading changes nothing.
    unsafe { read_volatile(with_exposed_provenance_mut(register)) }
}

fn write(register: usize, value: u32) {
    // SAFETY: as above; nobody else uses the device, which has no queues, and touches no memory.
    unsafe { write_volatile(with_exposed_provenance_mut(register), value) };
}

/// Asks by semihosting; -1 if nobody listens.
fn call(operation: u32, argument: usize) -> isize {
    let result;
    // SAFETY: nothing but `x0` changes; the operations of this module read memory, and write none. The vectors know the
    // instruction by its address.
    unsafe {
        asm!(
            "bl {semihosting}",
            semihosting = sym __paravirt_semihosting,
            inlateout("x0") operation as usize => result,
            in("x1") argument,
            out("x30") _,
            options(nostack),
        );
    }
    result
}

/// Returns whether semihosting is there.
fn is_semihosted() -> bool {
    call(ERRNO, 0) != -1
}

/// Returns whether there is a debug console.
pub fn is_here() -> bool {
    CONSOLE.get() != 0 || is_semihosted()
}

/// The debug console. Only where [`is_here`].
pub(crate) struct DebugConsole;

impl Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const PIECE: usize = 127;
        if CONSOLE.get() != 0 {
            for byte in text.bytes() {
                write(CONSOLE.get() + EMERGENCY, byte.into());
            }
            return Ok(());
        }
        for piece in text.as_bytes().chunks(PIECE) {
            let mut buffer = [0_u8; PIECE + 1];
            buffer[..piece.len()].copy_from_slice(piece);
            call(WRITE0, buffer.as_ptr().expose_provenance());
        }
        Ok(())
    }
}

/// Leaves the record and ends QEMU; does nothing where there is no debug console.
pub fn exit(reason: &str, code: i32) {
    if is_here() {
        record(reason, code);
        psci::switch_off();
    }
}

/// Leaves the record, and ends QEMU where semihosting does.
pub fn record(reason: &str, code: i32) {
    if !is_here() {
        return;
    }
    // That console has no errors.
    if !matches!(reason, "exit" | "reset") {
        let _ = last_state::tell(&mut DebugConsole);
    }
    let _ = writeln!(DebugConsole, "paravirt: shutdown {reason} {code}");
    let block = [APPLICATION_EXIT, (code & 0x7f) as u64];
    call(EXIT, block.as_ptr().expose_provenance());
}
