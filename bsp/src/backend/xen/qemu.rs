// SPDX-License-Identifier: MIT OR Apache-2.0
//! Temporary: until ring0 has it.
use core::arch::asm;
use core::fmt::Write;

pub(super) fn present() -> bool {
    if !super::pv::grant_ports() {
        return false;
    }
    let mut text = [0u8; 4];
    // SAFETY: fw_cfg
    unsafe {
        asm!("out dx, ax", in("dx") 0x510u16, in("ax") 0u16);
        for byte in &mut text {
            asm!("in al, dx", in("dx") 0x511u16, out("al") *byte);
        }
    }
    &text == b"QEMU"
}

pub(super) fn debug_write(text: &[u8]) {
    if present() {
        Port.write_str(core::str::from_utf8(text).unwrap_or("?"))
            .ok();
    }
}

struct Port;
impl Write for Port {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for &byte in text.as_bytes() {
            // SAFETY: debug console
            unsafe { asm!("out 0xe9, al", in("al") byte) };
        }
        Ok(())
    }
}

pub(super) fn exit(reason: &str, code: i32) {
    if present() {
        let _ = writeln!(Port, "paravirt: shutdown {reason} {code}");
        // SAFETY: isa-debug-exit
        unsafe { asm!("out dx, eax", in("dx") 0xf4u16, in("eax") (code & 0x7f) as u32) };
    }
}
