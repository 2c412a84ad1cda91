// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes values of every type to the host, and checks what comes back.
#![no_std]
#![no_main]

use core::arch::asm;

use paravirt_bsp::abi::error::Error;
use paravirt_bsp::{cpu, l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// 1 if the host found what the guest passed; more than registers hold.
        fn check_integers(a: u8, b: i16, c: u32, d: i64, e: u64, f: *const u8, g: usize, h: i32, i: u64) -> u64;
        /// 0.1 if the host found what the guest passed; more than registers hold.
        safe fn check_floats(
            a: f32, b: f64, c: u32, d: f64, e: f64, f: f64, g: f64, h: f64, i: f64, j: f64, k: f32,
        ) -> f64;
        /// The sum.
        safe fn check_narrow(a: i8, b: u16) -> i32;
        /// Half of it.
        safe fn check_single(a: f32) -> f32;
        /// -5.
        safe fn check_byte() -> i8;
        /// All bytes different.
        safe fn check_wide() -> u64;
        /// The negative.
        safe fn check_negative(a: isize) -> isize;
        /// The sum of the bytes.
        fn check_read(from: *const u8, size: usize) -> i32;
        /// Fills memory with `y`.
        fn check_write(to: *mut u8, size: usize) -> i32;
        /// Ends the guest.
        safe fn check_done(code: i32) -> !;
    }
}

static TEXT: [u8; 3] = [1, 2, 3];

fn main() -> i32 {
    let mut failed = 0;
    let mut check = |name: &str, passed: bool| {
        if !passed {
            println!("{name}: wrong");
            failed += 1;
        }
    };
    let address = 0x1234 as *const u8;
    // SAFETY: the host does not use the address.
    let integers = unsafe { check_integers(200, -300, 4_000_000_000, -5, 6 << 40, address, 7, -8, 9 << 50) };
    check("integers", integers == 1);
    let floats = check_floats(0.5, 1.5, 2, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5);
    check("floats", floats == 0.1);
    check("narrow", check_narrow(-100, 50_000) == 49_900);
    check("single", check_single(-3.0) == -1.5);
    check("byte", check_byte() == -5);
    check("wide", check_wide() == 0x0123_4567_89ab_cdef);
    check("negative", check_negative(7) == -7);
    check("positive", check_negative(-7) == 7);
    let bad = Error::BadAddress.number();
    // SAFETY: the host checks what it is given; that is the purpose.
    unsafe {
        check("read", check_read(TEXT.as_ptr(), 3) == 6);
        check("read null", check_read(core::ptr::null(), 1) == bad);
        check("read too much", check_read(TEXT.as_ptr(), usize::MAX / 2) == bad);
        check("read around", check_read(TEXT.as_ptr(), usize::MAX) == bad);
        let mut bytes = [0; 5];
        check("write", check_write(bytes.as_mut_ptr(), 5) == 0 && bytes == *b"yyyyy");
        check("write constant", check_write(TEXT.as_ptr().cast_mut(), 1) == bad);
        check("write code", check_write(main as *const () as *mut u8, 1) == bad);
    }
    check("thread-local storage", thread_local_storage());
    check_done(failed)
}

/// A word at the base that was set, read through the segment register, before and after a host call.
fn thread_local_storage() -> bool {
    let block = [0x1111_usize, 0x2222];
    // SAFETY: nothing in this guest uses thread-local storage.
    if unsafe { cpu::set_tls(block.as_ptr() as usize) }.is_err() {
        return false;
    }
    let first = word_of_tls();
    let call = check_byte();
    first == 0x2222 && call == -5 && word_of_tls() == 0x2222
}

fn word_of_tls() -> usize {
    let word: usize;
    // SAFETY: reads the second word of the block that was set.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, fs:[8]", out(reg) word, options(nostack, readonly));
        #[cfg(target_arch = "x86")]
        asm!("mov {}, gs:[4]", out(reg) word, options(nostack, readonly));
    }
    word
}
