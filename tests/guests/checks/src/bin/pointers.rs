// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes pointers that are none.
//!
//! | arguments | what it does |
//! |---|---|
//! | `table ADDRESS` | passes each bad pointer to each function that takes one; ADDRESS is memory of the host |
//! | `stack FUNCTION WORD` | calls that function of the interface with that word for stack pointer and in all registers of arguments |
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use guest_checks::number;
use paravirt_bsp::abi::error::Error;
use paravirt_bsp::abi::start::MemoryKind;
use paravirt_bsp::external::Table;
use paravirt_bsp::interface::*;
use paravirt_bsp::{cpu, l4_external_func, println, start};

paravirt_bsp::image! { main: main }

l4_external_func! {
    unsafe extern "C" {
        /// Reads that many bytes.
        fn check_read(from: *const u8, size: usize) -> i32;
        /// Writes that many bytes.
        fn check_write(to: *mut u8, size: usize) -> i32;
    }
}

/// A function with a pointer and the size of what is there.
type WithPointer = fn(usize, usize) -> i64;

const READERS: &[(&str, WithPointer)] = &[
    ("pv_console_write", |from, size| {
        // SAFETY: the host checks the pointer; that is what is tested.
        unsafe { pv_console_write(from as *const u8, size) as i64 }
    }),
    ("check_read", |from, size| {
        // SAFETY: the host checks the pointer; that is what is tested.
        unsafe { check_read(from as *const u8, size).into() }
    }),
];
const WRITERS: &[(&str, WithPointer)] = &[
    ("pv_console_read", |to, size| {
        // SAFETY: the host checks the pointer; that is what is tested.
        unsafe { pv_console_read(to as *mut u8, size) as i64 }
    }),
    ("check_write", |to, size| {
        // SAFETY: the host checks the pointer; that is what is tested.
        unsafe { check_write(to as *mut u8, size).into() }
    }),
];

fn main() -> i32 {
    cpu::disable_interrupts();
    let mut arguments = start::arguments();
    match arguments.next().unwrap_or_default() {
        "table" => try_all(number(1, 0) as usize),
        "stack" => {
            let name = arguments.next().unwrap_or_default();
            lose_the_stack(name, number(2, 0) as usize)
        }
        _ => 1,
    }
}

fn try_all(of_host: usize) -> i32 {
    let memory = start::memory();
    let ram = memory
        .iter()
        .find(|range| range.kind == MemoryKind::Ram as u32 && range.start != 0);
    let end = ram.map_or(0, |range| range.start + range.size) as usize;
    let good = black_box(&mut [0_u8; 16]).as_mut_ptr() as usize;
    let bad: &[(&str, usize, usize)] = &[
        ("null", 0, 1),
        ("beside null", 1, 16),
        ("a low page", 0xfff0, 16),
        ("the last byte", usize::MAX, 1),
        ("around the end of all", usize::MAX - 7, 16),
        ("behind the memory", end, 1),
        ("across its end", end - 1, 2),
        ("much of it", good, usize::MAX),
        ("half of it", good, isize::MAX as usize),
        ("memory of the host", of_host, 1),
        ("no address", usize::MAX / 2 + 1, 1),
    ];
    let constant: &[(&str, usize, usize)] = &[
        ("code", try_all as *const () as usize, 1),
        ("a constant", c"constant".as_ptr() as usize, 1),
    ];
    let mut failed = 0;
    let mut check = |function: &(&str, WithPointer), bad: &(&str, usize, usize)| {
        let (pointer, address, size) = *bad;
        let found = function.1(address, size);
        // A host that has an address for it may not have it on i386, where it is cut.
        if found != i64::from(Error::BadAddress.number()) {
            println!("{} of {pointer} ({address:#x}, {size:#x}): {found}", function.0);
            failed += 1;
        }
    };
    for function in READERS {
        bad.iter().for_each(|bad| check(function, bad));
    }
    for function in WRITERS {
        bad.iter().chain(constant).for_each(|bad| check(function, bad));
    }
    for function in READERS.iter().chain(WRITERS) {
        let nothing = function.1(0, 0);
        // At the end of the input there is nothing to read.
        if nothing != 0 && nothing != i64::from(Error::EndOfInput.number()) {
            println!("{} of nothing: {nothing}", function.0);
            failed += 1;
        }
    }
    failed
}

macro_rules! addresses {
    ($($_class:ident { $(
        $(#[$_attribute:meta])*
        pub $(safe $($_never:lifetime)?)? fn $name:ident $_arguments:tt $(-> $_result:ty)?;
    )* })*) => {
        [$($($name as *const ()),*),*]
    };
}

fn lose_the_stack(name: &str, word: usize) -> i32 {
    // They are in the table if somebody uses them.
    black_box(paravirt_bsp::abi::interface_functions!(addresses));
    let Some(function) = Table::of_image().find(name) else {
        println!("no such function: {name}");
        return 1;
    };
    // So that there is nothing to wait for.
    pv_irq_attach(9);
    pv_irq_raise(9);
    // SAFETY: the host ends the guest; that is what is tested.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "mov rsp, rdi", "mov rsi, rdi", "mov rdx, rdi", "mov rcx, rdi", "mov r8, rdi", "mov r9, rdi", "jmp rax",
            in("rax") function.target(), in("rdi") word, options(noreturn),
        );
        #[cfg(target_arch = "x86")]
        asm!("mov esp, ecx", "jmp eax", in("eax") function.target(), in("ecx") word, options(noreturn));
    }
}
