// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plays both ends of a console ring: the domain that prints and reads, and the server.
//!
//! A PV domain. Its entry point, which a test makes the note point to, tells the backend that it does not control the
//! machine, and that the console's page is one of this image. So the backend uses the ring, and `main` sees the
//! server's side of it.
#![no_std]
#![no_main]

paravirt_bsp::image! { main: main, backends: [xen] }

#[cfg(not(target_arch = "x86_64"))]
fn main() {}

#[cfg(target_arch = "x86_64")]
fn main() {
    ring::check();
}

#[cfg(target_arch = "x86_64")]
mod ring {
    use core::arch::global_asm;
    use core::hint::black_box;
    use core::ptr::{read_volatile, write_volatile};

    use guest_xen::say;
    use paravirt_bsp::interface::pv_console_write;
    use paravirt_bsp::{console, print, start};

    const INPUT: usize = 1024;
    const OUTPUT: usize = 2048;

    global_asm!(
        ".pushsection .text.entries, \"ax\", @progbits",
        ".globl entry_ring",
        "entry_ring:",
        "    andl $~2, 48(%rsi)",                    // start_info.flags: does not control the machine
        "    movq 104(%rsi), %rax",                  // start_info.mfn_list
        "    leaq {server}(%rip), %rcx",
        "    shrq $12, %rcx",
        "    movq (%rax, %rcx, 8), %rax",            // machine page number of the server's page
        "    movq %rax, 72(%rsi)",                   // start_info.console.domU.mfn
        "    movl $0, 80(%rsi)",                     // start_info.console.domU.evtchn: none
        "    jmp __paravirt_xen_pv_start",
        ".popsection",
        server = sym SERVER,
        options(att_syntax),
    );

    unsafe extern "C" {
        static entry_ring: u8;
    }

    /// `struct xencons_interface`, as the server sees it.
    #[repr(C, align(4096))]
    struct Page {
        input: [u8; INPUT],
        output: [u8; OUTPUT],
        input_consumer: u32,
        input_producer: u32,
        output_consumer: u32,
        output_producer: u32,
        rest: [u8; 4096 - INPUT - OUTPUT - 16],
    }

    static mut SERVER: Page = Page {
        input: [0; INPUT],
        output: [0; OUTPUT],
        input_consumer: 0,
        input_producer: 0,
        output_consumer: 0,
        output_producer: 0,
        rest: [0; 4096 - INPUT - OUTPUT - 16],
    };

    macro_rules! get {
        ($($field:tt)*) => {
            // SAFETY: inside the page; the backend changes it at another address, hence volatile.
            unsafe { read_volatile(&raw const SERVER.$($field)*) }
        };
    }
    macro_rules! set {
        ($field:ident $([$index:expr])?, $value:expr) => {
            let value = $value;
            // SAFETY: as above.
            unsafe { write_volatile(&raw mut SERVER.$field $([$index])?, value) }
        };
    }

    /// Runs the checks; where one fails, it says so on Xen's own console and panics.
    pub fn check() {
        // Referred to, so that the linker keeps it.
        black_box(&raw const entry_ring);
        match start::arguments().next() {
            Some("output") => {
                set!(output_consumer, get!(output_producer).wrapping_add(1));
                print!("never seen\n");
            }
            Some("input") => {
                set!(input_producer, get!(input_consumer).wrapping_add(INPUT as u32 + 1));
                let _ = console::read_available(&mut [0; 8]);
            }
            _ => {
                output_with_backpressure();
                input_around_the_end();
                say(true, "ring: ok\n");
            }
        }
    }

    fn ensure(condition: bool, what: &str) {
        if !condition {
            say(true, "ring: ");
            say(true, what);
            say(true, "\n");
            panic!("{what}");
        }
    }

    /// The byte that is written as number `index`.
    fn pattern(index: usize) -> u8 {
        (index % 251) as u8
    }

    fn write(from: usize, length: usize) -> usize {
        let mut bytes = [0; 4096];
        for (offset, byte) in bytes[..length].iter_mut().enumerate() {
            *byte = pattern(from + offset);
        }
        // SAFETY: a buffer and its length.
        unsafe { pv_console_write(bytes.as_ptr(), length) as usize }
    }

    /// A ring takes what fits, then nothing, then as much as the server has taken out.
    fn output_with_backpressure() {
        ensure(write(0, 4096) == OUTPUT, "an empty ring takes its size");
        ensure(write(OUTPUT, 10) == 0, "a full ring takes nothing");
        ensure(get!(output_producer) == OUTPUT as u32, "the index tells the server");
        for index in 0..OUTPUT {
            ensure(get!(output[index]) == pattern(index), "output arrives in order");
        }
        set!(output_consumer, 100);
        ensure(write(OUTPUT, 300) == 100, "as much as there is room");
        for index in 0..100 {
            ensure(
                get!(output[index]) == pattern(OUTPUT + index),
                "output goes around the end",
            );
        }
        set!(output_consumer, get!(output_producer));
    }

    /// Input of a ring's size that begins in its middle.
    fn input_around_the_end() {
        for begin in [0, 700] {
            set!(input_consumer, begin);
            set!(input_producer, begin);
            ensure(
                console::read_available(&mut [0; 8]) == Ok(0),
                "an empty ring has nothing",
            );
            for index in 0..INPUT {
                set!(input[(begin as usize + index) % INPUT], pattern(index));
            }
            set!(input_producer, begin + INPUT as u32);
            let mut read = 0;
            while read < INPUT {
                let mut piece = [0; 100];
                let length = console::read_available(&mut piece).expect("input");
                ensure(length > 0, "a ring with input has something");
                for &byte in &piece[..length] {
                    ensure(byte == pattern(read), "input arrives in order");
                    read += 1;
                }
            }
            ensure(
                get!(input_consumer) == begin + INPUT as u32,
                "the index tells the server",
            );
        }
    }
}
