// SPDX-License-Identifier: MIT OR Apache-2.0
//! Enters itself once more, as a host of another ABI version would that binds on the first call. Nothing else of such a
//! host's block may be used: its resolver ends the guest in a fault.
#![no_std]
#![no_main]

use core::arch::naked_asm;
use core::ptr::null_mut;

use paravirt_bsp::abi::VERSION;
use paravirt_bsp::abi::start::{Features, MAGIC, StartInfo};
use paravirt_bsp::start;

paravirt_bsp::image! { main: main }

fn main() {
    let block = StartInfo {
        magic: MAGIC,
        size: size_of::<StartInfo>() as u32,
        version: VERSION + 1,
        features: Features::LAZY.bits(),
        resolver: resolver as *const () as usize as u64,
        memory: 0,
        memory_count: 0,
        command_line_length: 0,
        command_line: 0,
        wall_clock: 0,
        reserved: 0,
    };
    // SAFETY: this function's stack is the image's own and is not used again; the block stays as it is, because nobody
    // returns.
    unsafe { start::enter(MAGIC as usize, &raw const block as usize, null_mut()) }
}

#[unsafe(naked)]
extern "C" fn resolver() -> ! {
    naked_asm!("ud2")
}
