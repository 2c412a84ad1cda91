// SPDX-License-Identifier: MIT OR Apache-2.0
//! Holds tests, each of which ends in its own way, for tests of `pvhost test`: without an argument it prints their
//! names, with one it is that test.
#![no_std]
#![no_main]

use core::ptr;

use paravirt_bsp::{cpu, power, print, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

/// As `image!` has it for a program that `cargo test` builds.
#[used]
#[unsafe(link_section = ".paravirt.tests")]
static TESTS: [u8; 1] = [0];

/// Many at once: a test should not wait for it.
const FOR_EVER: &str = concat!(
    "*** BEGIN OF TEST FOR EVER ***\n",
    "*** BEGIN OF TEST FOR EVER ***\n",
    "*** BEGIN OF TEST FOR EVER ***\n",
    "*** BEGIN OF TEST FOR EVER ***\n",
);

/// What a test does; what it returns is the guest's status.
type Body = fn() -> i32;

/// The names, and which test each is.
const ALL: [(&str, Body); 11] = [
    ("passes", || 0),
    ("fails", || {
        println!("before\nit failed");
        7
    }),
    ("fatal", || power::fatal(format_args!("asked for"), 1)),
    ("faults", || {
        // SAFETY: it faults; that is its purpose.
        unsafe { ptr::without_provenance::<u32>(16).read_volatile() };
        0
    }),
    ("hangs", || {
        println!("hanging");
        cpu::idle_until(|_| false);
        0
    }),
    ("floods", || {
        loop {
            print!("{FOR_EVER}{FOR_EVER}{FOR_EVER}{FOR_EVER}");
        }
    }),
    ("banner-complete", || {
        banner("EXPECTED_PASS", true);
        3
    }),
    ("banner-cut", || {
        banner("EXPECTED_PASS", false);
        0
    }),
    ("banner-expected-fail", || {
        banner("EXPECTED_FAIL", false);
        0
    }),
    ("banner-unexpected-pass", || {
        banner("EXPECTED_FAIL", true);
        0
    }),
    ("controls-terminal", || {
        print!("\x1b[2J\x07]]>&<\u{202e}\0\u{ffff}\r\nan end");
        1
    }),
];

fn main() -> i32 {
    match start::arguments().next() {
        None => {
            for (name, _) in ALL {
                println!("test: {name}");
            }
            0
        }
        Some(wanted) => match ALL.iter().find(|(name, _)| *name == wanted) {
            Some((_, test)) => test(),
            None => 2,
        },
    }
}

/// What RTEMS' test programs print.
fn banner(state: &str, is_complete: bool) {
    println!("*** BEGIN OF TEST OUTCOMES ***\n*** TEST STATE: {state}");
    if is_complete {
        println!("*** END OF TEST OUTCOMES ***");
    }
}
