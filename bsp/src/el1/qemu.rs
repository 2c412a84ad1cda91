// SPDX-License-Identifier: MIT OR Apache-2.0
//! What QEMU gives beyond a machine, by semihosting (Arm, Semihosting for AArch32 and AArch64, version 3.0): a console
//! for messages, and an exit with a status.
//!
//! A shutdown leaves one line on the semihosting console, the *record*, by which whoever started QEMU knows how the
//! guest ended: `paravirt: shutdown REASON CODE`. Then QEMU ends with the code as its status.
//!
//! Where nobody listens, the instruction is undefined, and the vectors make it an answer of -1.

use core::arch::asm;
use core::fmt::{self, Write};

use super::vectors::__paravirt_semihosting;

/// `SYS_WRITE0`: writes a text up to its NUL.
const WRITE0: u32 = 0x04;
/// `SYS_ERRNO`, which changes nothing.
const ERRNO: u32 = 0x13;
/// `SYS_EXIT`.
const EXIT: u32 = 0x18;
/// `ADP_Stopped_ApplicationExit`.
const APPLICATION_EXIT: u64 = 0x2_0026;

/// Asks; -1 if nobody listens.
fn call(operation: u32, argument: usize) -> isize {
    let result;
    // SAFETY: nothing but `x0` changes, and what an operation below does to memory: nothing. The vectors know the
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

/// Returns whether somebody listens.
pub fn is_here() -> bool {
    call(ERRNO, 0) != -1
}

/// The semihosting console. Only where [`is_here`].
pub(crate) struct DebugConsole;

impl Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const PIECE: usize = 127;
        for piece in text.as_bytes().chunks(PIECE) {
            let mut buffer = [0_u8; PIECE + 1];
            for (to, &from) in buffer.iter_mut().zip(piece) {
                *to = from;
            }
            call(WRITE0, buffer.as_ptr().expose_provenance());
        }
        Ok(())
    }
}

/// Leaves the record and ends QEMU; does nothing where nobody listens.
pub fn exit(reason: &str, code: i32) {
    if is_here() {
        // That console has no errors.
        let _ = writeln!(DebugConsole, "paravirt: shutdown {reason} {code}");
        let block = [APPLICATION_EXIT, (code & 0x7f) as u64];
        call(EXIT, block.as_ptr().expose_provenance());
    }
}
