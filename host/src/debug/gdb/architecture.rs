// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers as gdb wants them, and how it is told: its features `org.gnu.gdb.i386.core` and `.sse`.

use std::fmt::Write;

use gdbstub::arch::{self, Arch};
use paravirt_abi::signature::Width;

use crate::debug::registers::{FXSAVE, General, Registers, Segments, abridged_tags, tag_word};
use crate::image::pointer_size;

/// x86 of both widths: what a session is about is known only when it runs.
#[derive(Debug)]
pub(super) enum X86 {}

impl Arch for X86 {
    type Usize = u64;
    type Registers = Shown;
    type BreakpointKind = usize;
    type RegId = ();
}

/// Registers in gdb's order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) width: Width,
    pub(super) registers: Registers,
    /// Bits of general registers, numbered as there, that nobody has saved.
    pub(super) unknown: u16,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            width: Width::Bits64,
            registers: Registers::default(),
            unknown: 0,
        }
    }
}

/// The general registers in gdb's order, which differs for i386: their numbers in [`General`], and their names.
fn general(width: Width) -> impl ExactSizeIterator<Item = (usize, &'static str)> {
    const ORDER_32: [usize; 8] = [0, 2, 3, 1, 7, 6, 4, 5];
    let names = General::names(width);
    (0..names.len()).map(move |i| {
        let number = if width == Width::Bits32 { ORDER_32[i] } else { i };
        (number, names[number])
    })
}

/// Registers of SSE.
const fn vectors(width: Width) -> usize {
    match width {
        Width::Bits32 => 8,
        Width::Bits64 => 16,
    }
}

/// Where in the area of `fxsave` things are (Intel SDM volume 1, 10.5.1).
mod area {
    pub(super) const CONTROL: usize = 0;
    pub(super) const STATUS: usize = 2;
    pub(super) const TAGS: usize = 4;
    pub(super) const OPERATION: usize = 6;
    pub(super) const INSTRUCTION: usize = 8;
    pub(super) const INSTRUCTION_SELECTOR: usize = 12;
    pub(super) const DATA: usize = 16;
    pub(super) const DATA_SELECTOR: usize = 20;
    pub(super) const MXCSR: usize = 24;
    pub(super) const STACK: usize = 32;
    pub(super) const VECTORS: usize = 160;
}

/// What goes over the line of the area of `fxsave`: the part of it, and its size there; bytes beyond the part are zero.
fn parts(width: Width) -> impl Iterator<Item = (usize, usize, usize)> {
    let stack = (0..8).map(|i| (area::STACK + 16 * i, 10, 10));
    let control = [
        (area::CONTROL, 2, 4),
        (area::STATUS, 2, 4),
        (area::TAGS, 1, 4),
        (area::INSTRUCTION_SELECTOR, 2, 4),
        (area::INSTRUCTION, 4, 4),
        (area::DATA_SELECTOR, 2, 4),
        (area::DATA, 4, 4),
        (area::OPERATION, 2, 4),
    ];
    let vectors = (0..vectors(width)).map(|i| (area::VECTORS + 16 * i, 16, 16));
    stack.chain(control).chain(vectors).chain([(area::MXCSR, 4, 4)])
}

/// Bytes of all registers on the line.
fn size(width: Width) -> usize {
    let integers = (general(width).len() + 1) * pointer_size(width) as usize + (1 + 6) * 4;
    integers + parts(width).map(|(_, _, size)| size).sum::<usize>()
}

impl arch::Registers for Shown {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.registers.general.instruction
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        let Registers {
            general: integers,
            segments,
            fxsave,
        } = &self.registers;
        let mut write = |bytes: Option<&[u8]>, size: usize| {
            for i in 0..size {
                write_byte(bytes.map(|bytes| bytes.get(i).copied().unwrap_or(0)));
            }
        };
        let size = pointer_size(self.width) as usize;
        for (number, _) in general(self.width) {
            let value = integers.general[number].to_le_bytes();
            let is_known = self.unknown >> number & 1 == 0;
            write(is_known.then_some(&value[..]), size);
        }
        write(Some(&integers.instruction.to_le_bytes()), size);
        write(Some(&(integers.flags as u32).to_le_bytes()), 4);
        let selectors = segments.map(|Segments { cs, ss, ds, es, fs, gs }| [cs, ss, ds, es, fs, gs]);
        for i in 0..6 {
            let selector = selectors.map(|selectors| selectors[i].to_le_bytes());
            write(selector.as_ref().map(|selector| &selector[..]), 4);
        }
        for (at, part, size) in parts(self.width) {
            let tags = fxsave.map(|fxsave| tag_word(&fxsave).to_le_bytes());
            let bytes = match at {
                area::TAGS => tags.as_ref().map(|tags| &tags[..]),
                _ => fxsave.as_ref().map(|fxsave| &fxsave[at..at + part]),
            };
            write(bytes, size);
        }
    }

    /// What cannot be had is as if it had been given as zero; who writes registers has read them before.
    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let widths = [Width::Bits32, Width::Bits64];
        let width = widths.into_iter().find(|&width| size(width) == bytes.len()).ok_or(())?;
        let mut rest = bytes;
        let mut take = |size: usize| {
            let (taken, behind) = rest.split_at(size);
            rest = behind;
            taken
        };
        let number = |bytes: &[u8]| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(number)
        };
        let pointer = pointer_size(width) as usize;
        let mut integers = General::default();
        for (register, _) in general(width) {
            integers.general[register] = number(take(pointer));
        }
        integers.instruction = number(take(pointer));
        integers.flags = number(take(4));
        let [cs, ss, ds, es, fs, gs] = [(); 6].map(|()| number(take(4)) as u16);
        let mut fxsave = [0; FXSAVE];
        for (at, part, size) in parts(width) {
            let bytes = take(size);
            if at == area::TAGS {
                fxsave[at] = abridged_tags(number(bytes) as u16);
            } else {
                fxsave[at..at + part].copy_from_slice(&bytes[..part]);
            }
        }
        *self = Self {
            width,
            registers: Registers {
                general: integers,
                segments: Some(Segments { cs, ss, ds, es, fs, gs }),
                fxsave: Some(fxsave),
            },
            unknown: 0,
        };
        Ok(())
    }
}

/// The description of the registers (gdb's manual, Target Descriptions).
pub(super) fn description(width: Width) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_description(&mut text, width);
    text
}

fn write_description(text: &mut String, width: Width) -> std::fmt::Result {
    let (machine, bits) = match width {
        Width::Bits32 => ("i386", 32),
        Width::Bits64 => ("i386:x86-64", 64),
    };
    // Not Linux's: no signal frames of its kind, no dynamic linker.
    write!(
        text,
        "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">\
         <architecture>{machine}</architecture><osabi>none</osabi><feature name=\"org.gnu.gdb.i386.core\">"
    )?;
    write_flags(text, "i386_eflags", &EFLAGS)?;
    let mut register = |name: &str, bits: usize, kind: &str, group: &str| {
        write!(text, "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\"{group}/>")
    };
    for (_, name) in general(width) {
        let kind = match name {
            "esp" | "ebp" | "rsp" | "rbp" => "data_ptr",
            _ => "int",
        };
        let kind = match (kind, width) {
            ("int", Width::Bits64) => "int64",
            ("int", Width::Bits32) => "int32",
            (kind, _) => kind,
        };
        register(name, bits, kind, "")?;
    }
    let instruction = if width == Width::Bits32 { "eip" } else { "rip" };
    register(instruction, bits, "code_ptr", "")?;
    register("eflags", 32, "i386_eflags", "")?;
    for name in ["cs", "ss", "ds", "es", "fs", "gs"] {
        register(name, 32, "int32", "")?;
    }
    for i in 0..8 {
        register(&format!("st{i}"), 80, "i387_ext", "")?;
    }
    for name in ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"] {
        register(name, 32, "int", " group=\"float\"")?;
    }
    text.push_str("</feature><feature name=\"org.gnu.gdb.i386.sse\">");
    for (id, _, kind, count) in LANES {
        write!(text, "<vector id=\"{id}\" type=\"{kind}\" count=\"{count}\"/>")?;
    }
    text.push_str("<union id=\"vec128\">");
    for (id, name, _, _) in LANES {
        write!(text, "<field name=\"{name}\" type=\"{id}\"/>")?;
    }
    text.push_str("<field name=\"uint128\" type=\"uint128\"/></union>");
    write_flags(text, "i386_mxcsr", &MXCSR)?;
    for i in 0..vectors(width) {
        write!(text, "<reg name=\"xmm{i}\" bitsize=\"128\" type=\"vec128\"/>")?;
    }
    text.push_str("<reg name=\"mxcsr\" bitsize=\"32\" type=\"i386_mxcsr\" group=\"vector\"/></feature></target>");
    Ok(())
}

/// As what gdb shows a register of SSE: type, name, of which and how many.
const LANES: [(&str, &str, &str, usize); 6] = [
    ("v4f", "v4_float", "ieee_single", 4),
    ("v2d", "v2_double", "ieee_double", 2),
    ("v16i8", "v16_int8", "int8", 16),
    ("v8i16", "v8_int16", "int16", 8),
    ("v4i32", "v4_int32", "int32", 4),
    ("v2i64", "v2_int64", "int64", 2),
];

/// Flags with their bits (Intel SDM volume 1, 3.4.3).
const EFLAGS: [(&str, u32); 16] = [
    ("CF", 0),
    ("", 1),
    ("PF", 2),
    ("AF", 4),
    ("ZF", 6),
    ("SF", 7),
    ("TF", 8),
    ("IF", 9),
    ("DF", 10),
    ("OF", 11),
    ("NT", 14),
    ("RF", 16),
    ("VM", 17),
    ("AC", 18),
    ("VIF", 19),
    ("ID", 21),
];

/// As above (Intel SDM volume 1, 10.2.3).
const MXCSR: [(&str, u32); 14] = [
    ("IE", 0),
    ("DE", 1),
    ("ZE", 2),
    ("OE", 3),
    ("UE", 4),
    ("PE", 5),
    ("DAZ", 6),
    ("IM", 7),
    ("DM", 8),
    ("ZM", 9),
    ("OM", 10),
    ("UM", 11),
    ("PM", 12),
    ("FZ", 15),
];

fn write_flags(text: &mut String, id: &str, flags: &[(&str, u32)]) -> std::fmt::Result {
    write!(text, "<flags id=\"{id}\" size=\"4\">")?;
    for (name, bit) in flags {
        write!(text, "<field name=\"{name}\" start=\"{bit}\" end=\"{bit}\"/>")?;
    }
    text.push_str("</flags>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use gdbstub::arch::Registers as _;

    use super::*;

    #[test]
    fn registers_come_back_as_they_went() {
        for width in [Width::Bits32, Width::Bits64] {
            let mut registers = Registers::default();
            for (number, _) in general(width) {
                registers.general.general[number] = 0x1000 + number as u64;
            }
            registers.general.instruction = 0x1234;
            registers.general.flags = 0x246;
            registers.segments = Some(Segments {
                cs: 0x33,
                ss: 0x2b,
                ..Segments::default()
            });
            let mut fxsave = [0; FXSAVE];
            for (at, part, _) in parts(width) {
                for (i, byte) in fxsave[at..at + part].iter_mut().enumerate() {
                    *byte = (at + i) as u8 | 1;
                }
            }
            registers.fxsave = Some(fxsave);
            let shown = Shown {
                width,
                registers,
                unknown: 0,
            };
            let mut line = Vec::new();
            shown.gdb_serialize(|byte| line.push(byte.expect("all are known")));
            assert_eq!(line.len(), size(width));
            let mut back = Shown::default();
            assert_eq!(back.gdb_deserialize(&line), Ok(()));
            assert_eq!(back, shown);
            assert_eq!(back.gdb_deserialize(&line[1..]), Err(()), "too short");
        }
        assert_eq!(size(Width::Bits32), 308);
        assert_eq!(size(Width::Bits64), 536);
    }

    #[test]
    fn what_nobody_saved_is_not_known() {
        let shown = Shown {
            width: Width::Bits32,
            registers: Registers::default(),
            unknown: 1 << 2,
        };
        let mut line = Vec::new();
        shown.gdb_serialize(|byte| line.push(byte));
        assert_eq!(
            line[..12],
            [
                Some(0),
                Some(0),
                Some(0),
                Some(0),
                None,
                None,
                None,
                None,
                Some(0),
                Some(0),
                Some(0),
                Some(0)
            ]
        );
        assert!(line[40..].iter().all(Option::is_none), "neither segments nor units");
    }
}
