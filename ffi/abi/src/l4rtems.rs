// SPDX-License-Identifier: MIT OR Apache-2.0
//! What L4RTEMS images (2013) have in place of this ABI: function names that hosts answer to as well, another state at
//! entry.
//!
//! Names, prototypes and layouts are those of L4RTEMS (github.com/phipse/L4RTEMS, `l4rtems_wrapper.h`,
//! `l4rtems_timer_IPC.h`, `wrapper_1.cc`, `start.S`). It existed for i386 only. Its images carry no identity note and
//! no prototypes.
//!
//! # Calls
//!
//! All functions are `regparm(3)`: the first three words of arguments are in `eax`, `edx` and `ecx`, a 64-bit argument
//! in two of them, low half first; an argument that finds too few left, and all behind it, are on the stack. The caller
//! removes those. The resolver's convention is this ABI's.
//!
//! # Entry
//!
//! | register | holds |
//! |---|---|
//! | `eax` | [`MULTIBOOT_MAGIC`] |
//! | `ebx` | address of [`Multiboot`] |
//! | `edx` | address of [`SharedVariables`] |
//! | `esp` | the end of the memory behind the image |
//!
//! The guest uses the memory behind its image, without a gap, for stack and heap. It copies the resolver's address from
//! the shared variables to `__l4_external_resolver` itself.

use crate::interface::{InterfaceFunction, functions};
use crate::signature::{Argument, ResultOf};

/// The list of the functions of L4RTEMS, as [`interface_functions!`](crate::interface_functions) is that of today's.
/// Times are in microseconds. In its last published sources five of them are
/// external, those for the timer and for interrupts; the others are part of the image and call L4 themselves.
#[macro_export]
macro_rules! l4rtems_functions {
    ($with:ident $(, $($word:tt)+)?) => {
        $with! {
            $($($word)+)?
            console {
                /// Writes a character to the console; NUL ends the line.
                pub fn l4rtems_outch(character: i8);
                /// Reads the next byte from the console; negative if there is none.
                pub fn l4rtems_inch() -> i32;
            }
            irq {
                /// Claims an interrupt; 1 if that worked, 0 if not (a C `bool`).
                pub fn l4rtems_requestIrq(number: u32) -> u8;
                /// Gives up an interrupt; of number 0, the timer's, also stops the timer.
                pub fn l4rtems_detachIrq(number: u32);
            }
            timer {
                /// Starts the timer: period, then the first expiration from now (0: after one period).
                pub fn l4rtems_timer_start(period: u64, first: u64);
                /// Stops the timer.
                pub fn l4rtems_timer_stop();
                /// Time since some moment, its low 32 bits.
                pub fn l4rtems_timer_read() -> u32;
            }
            port {
                /// Reads an x86 port; size 0 is a byte, 1 two, 2 four.
                pub fn l4rtems_inport(port: u32, size: u32) -> u32;
                /// Writes an x86 port; the size as of `l4rtems_inport`.
                pub fn l4rtems_outport(port: u32, value: u32, size: u32);
            }
        }
    };
}

l4rtems_functions!(functions);

/// Words of arguments that are passed in registers: `eax`, `edx`, `ecx`.
pub const REGISTER_WORDS: usize = 3;

/// The function of that name, if L4RTEMS had it.
#[must_use]
pub fn find(name: &str) -> Option<&'static InterfaceFunction> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Value of `eax` at entry: that of a Multiboot loader (Multiboot specification 0.6.96, 3.2).
pub const MULTIBOOT_MAGIC: u32 = 0x2bad_b002;

/// The beginning of the Multiboot information (Multiboot specification 0.6.96, 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Multiboot {
    /// Bit 0: the two sizes are valid; bit 2: the command line is.
    pub flags: u32,
    /// KiB of memory below 1 MiB.
    pub lower: u32,
    /// KiB of memory from 1 MiB on.
    pub upper: u32,
    /// The disk that the image came from; not valid here.
    pub boot_device: u32,
    /// Address of the command line, NUL-terminated.
    pub command_line: u32,
}

/// What host and guest shared in L4RTEMS (`sharedvars_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SharedVariables {
    /// Address of L4's vCPU state.
    pub vcpu: u32,
    /// L4 capability of the console.
    pub log: u32,
    /// The host's selector in `fs`.
    pub fs: u32,
    /// The host's selector in `ds`.
    pub ds: u32,
    /// Address of L4Re's environment.
    pub environment: u32,
    /// Address of the host's resolver.
    pub resolver: u32,
}

const _: () = assert!(size_of::<Multiboot>() == 20 && size_of::<SharedVariables>() == 24);
