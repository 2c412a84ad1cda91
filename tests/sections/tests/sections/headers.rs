// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C headers say what the Rust crates say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::mem::{offset_of, size_of};

use object::{Object, ObjectSection};
use paravirt_abi::error::Error;
use paravirt_abi::interface::FUNCTIONS;
use paravirt_abi::line;
use paravirt_abi::note::{self, IdentityNote};
use paravirt_abi::shutdown::Reason;
use paravirt_abi::signature::{Signature, Width};
use paravirt_abi::start::{self, Features, MemoryKind, MemoryRange, StartInfo};
use paravirt_abi::upcall::{FrameI386, FrameX86_64};
use paravirt_abi::vcpu::{self, Clock, ClockFlags, VcpuPage};
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::external::External;
use paravirt_section_tests::interface;
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::succeed;
use paravirt_section_tests::{fixture, require, scratch, table, workspace};

/// Every number of `abi.h` and its value in Rust.
fn numbers() -> Vec<(&'static str, i64)> {
    vec![
        ("PV_ABI_VERSION", paravirt_abi::VERSION.into()),
        ("PV_ERROR_NOT_OFFERED", Error::NotOffered.number().into()),
        ("PV_ERROR_INVALID_ARGUMENT", Error::InvalidArgument.number().into()),
        ("PV_ERROR_BAD_ADDRESS", Error::BadAddress.number().into()),
        ("PV_ERROR_NO_SUCH_DEVICE", Error::NoSuchDevice.number().into()),
        ("PV_ERROR_BUSY", Error::Busy.number().into()),
        ("PV_ERROR_NOT_ATTACHED", Error::NotAttached.number().into()),
        ("PV_ERROR_END_OF_INPUT", Error::EndOfInput.number().into()),
        ("PV_ERROR_NOT_PERMITTED", Error::NotPermitted.number().into()),
        ("PV_ERROR_DEVICE", Error::Device.number().into()),
        ("PV_LINES", line::LINES.into()),
        ("PV_LINE_TIMER", line::TIMER.into()),
        ("PV_LINE_CONSOLE", line::CONSOLE.into()),
        ("PV_LINE_FIRST_FREE", line::FIRST_FREE.into()),
        ("PV_TIMERS", line::TIMERS.into()),
        ("PV_TIMER_TICK", line::TICK.into()),
        ("PV_SHUTDOWN_EXIT", Reason::Exit as i64),
        ("PV_SHUTDOWN_RESET", Reason::Reset as i64),
        ("PV_SHUTDOWN_FATAL", Reason::Fatal as i64),
        ("PV_NOTE_TYPE", note::TYPE.into()),
        ("PV_NOTE_BACKEND_TYPE", note::BACKEND_TYPE.into()),
        ("PV_NOTE_EXECUTABLE_MEMORY_TYPE", note::EXECUTABLE_MEMORY_TYPE.into()),
        ("PV_NOTE_NO_RED_ZONE", note::Flags::NO_RED_ZONE.bits().into()),
        ("PV_START_MAGIC", start::MAGIC.into()),
        ("PV_START_CLOCK_TSC", Features::CLOCK_TSC.bits().into()),
        ("PV_START_LAZY", Features::LAZY.bits().into()),
        ("PV_MEMORY_RAM", MemoryKind::Ram as i64),
        ("PV_MEMORY_IMAGE", MemoryKind::Image as i64),
        ("PV_VCPU_SIZE", vcpu::SIZE as i64),
        ("PV_VCPU_VERSION", vcpu::VERSION.into()),
        ("PV_VCPU_RED_ZONE", vcpu::RED_ZONE as i64),
        ("PV_VCPU_HOST_MASKED", vcpu::HOST_MASKED.into()),
        ("PV_CLOCK_VALID", ClockFlags::VALID.bits().into()),
    ]
}

/// Every text of `abi.h`.
const TEXTS: [(&str, &str); 2] = [("PV_NOTE_SECTION", note::SECTION), ("PV_NOTE_OWNER", note::OWNER)];

macro_rules! layout {
    ($c:literal, $rust:ty, [$($field:ident),*]) => {
        ($c, size_of::<$rust>(), vec![$((stringify!($field), offset_of!($rust, $field))),*])
    };
}

/// Name, size, and the fields with their offsets.
type Layout = (&'static str, usize, Vec<(&'static str, usize)>);

/// Every structure of `abi.h`: its size and the offsets of its fields. The vCPU page's size is that of its used part.
fn layouts() -> Vec<Layout> {
    let mut layouts = vec![
        layout!(
            "pv_identity_note",
            IdentityNote,
            [version, machine, flags, reserved, vcpu_page]
        ),
        layout!(
            "pv_start_info",
            StartInfo,
            [
                magic,
                size,
                version,
                features,
                resolver,
                memory,
                memory_count,
                command_line_length,
                command_line,
                wall_clock,
                reserved
            ]
        ),
        layout!("pv_memory_range", MemoryRange, [start, size, kind, reserved]),
        layout!("pv_upcall_frame_i386", FrameI386, [eip, cs, eflags]),
        layout!("pv_upcall_frame_x86_64", FrameX86_64, [rip, cs, rflags, rsp, ss]),
        layout!(
            "pv_clock",
            Clock,
            [sequence, flags, multiplier, shift, base_tsc, base_ns]
        ),
        layout!(
            "pv_vcpu_page",
            VcpuPage,
            [
                version,
                interrupts_enabled,
                pending,
                spurious,
                upcall_entry,
                clock,
                reserved,
                timer_expirations
            ]
        ),
    ];
    let page = layouts.last_mut().expect("just written");
    page.1 = offset_of!(VcpuPage, timer_expirations) + 8 * line::TIMERS as usize;
    layouts
}

#[test]
fn abi_h_has_the_numbers_and_layouts_of_the_rust_crate() {
    let mut source = String::from("#include <stddef.h>\n#include <paravirt/abi.h>\n");
    source.push_str("#ifndef __cplusplus\n#define static_assert _Static_assert\n#endif\n");
    let mut line = |condition: String| {
        writeln!(
            source,
            "static_assert({condition}, \"{}\");",
            condition.replace('"', "'")
        )
        .expect("a string takes everything");
    };
    for (name, value) in numbers() {
        line(format!("{name} == {value}"));
    }
    for (name, text) in TEXTS {
        line(format!("sizeof({name}) == {}", text.len() + 1));
    }
    for (structure, size, fields) in layouts() {
        line(format!("sizeof(struct {structure}) == {size}"));
        for (field, offset) in fields {
            line(format!("offsetof(struct {structure}, {field}) == {offset}"));
        }
    }
    let folder = scratch();
    let path = folder.path().join("abi.c");
    fs::write(&path, source).expect("a file in the scratch folder");
    for compiler in [
        Compiler::Gcc(Arch::X86_64),
        Compiler::Gcc(Arch::I386),
        Compiler::Clang(Arch::X86_64),
        Compiler::Clang(Arch::Armv7),
    ] {
        require!(compiler.program());
        succeed(compiler.compile(Language::C, &path, folder.path(), &[]));
    }
    succeed(Compiler::Gcc(Arch::X86_64).compile(Language::Cpp, &path, folder.path(), &[]));
}

/// The note by which C asks for executable memory is that of the ABI, on every architecture; several of them link.
#[test]
fn start_h_asks_for_executable_memory_by_the_note() {
    let mut note = Vec::new();
    for word in [note::OWNER.len() as u32 + 1, 0, note::EXECUTABLE_MEMORY_TYPE] {
        note.extend(word.to_le_bytes());
    }
    note.extend(note::OWNER.bytes().chain([0]));
    note.resize(note.len().next_multiple_of(4), 0);
    let source = "#include <paravirt/start.h>\nPARAVIRT_EXECUTABLE_MEMORY;\n";
    let folder = scratch();
    let path = folder.path().join("asks.c");
    fs::write(&path, source).expect("a file in the scratch folder");
    for (compiler, language) in [
        (Compiler::Gcc(Arch::X86_64), Language::C),
        (Compiler::Gcc(Arch::X86_64), Language::Cpp),
        (Compiler::Gcc(Arch::I386), Language::C),
        (Compiler::Clang(Arch::X86_64), Language::C),
        (Compiler::Clang(Arch::Armv7), Language::C),
    ] {
        require!(compiler.program());
        let object = succeed(compiler.compile(language, &path, folder.path(), &[]));
        let bytes = fs::read(object).expect("just compiled");
        let file = object::File::parse(&*bytes).expect("an ELF file");
        let section = file.section_by_name(note::SECTION).expect("the section of notes");
        assert_eq!(section.data().expect("content"), note, "{compiler:?}");
    }
}

/// A new name in the header must come with a check above.
#[test]
fn every_name_of_abi_h_is_checked() {
    let header = workspace().join("ffi/include/paravirt/abi.h");
    let header = fs::read_to_string(header).expect("the header");
    let checked: BTreeSet<&str> = numbers()
        .iter()
        .map(|(name, _)| *name)
        .chain(TEXTS.map(|(name, _)| name))
        .chain(layouts().iter().map(|(name, ..)| *name))
        .collect();
    let mut found = BTreeSet::new();
    for line in header.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#define", name, _, ..] => found.insert(name),
            ["struct", name, "{"] => found.insert(name),
            _ => continue,
        };
    }
    assert_eq!(found, checked);
    for (_, text) in TEXTS {
        assert!(header.contains(&format!("\"{text}\"")), "{text}");
    }
}

/// The interface as a table, on a guest of that width.
pub fn interface(width: Width) -> table::Functions {
    let mut functions: table::Functions = FUNCTIONS
        .iter()
        .map(|function| (function.name.to_owned(), function.signature(width)))
        .collect();
    // As the linker script puts them.
    functions.sort_by(|one, other| one.0.cmp(&other.0));
    functions
}

#[test]
fn interface_h_declares_the_interface() {
    for (arch, width) in [
        (Arch::X86_64, Width::Bits64),
        (Arch::I386, Width::Bits32),
        (Arch::Armv7, Width::Bits32),
        (Arch::Riscv64, Width::Bits64),
    ] {
        for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
            require!(compiler.program(), "ld.lld");
            let folder = scratch();
            let source = folder.path().join("all.c");
            let text = "#include <paravirt/interface.h>\nvoid _start(void);\nvoid _start(void) {}\n";
            fs::write(&source, text).expect("a file in the scratch folder");
            let object = succeed(compiler.compile(Language::C, &source, folder.path(), &[]));
            let resolver = succeed(compiler.compile(Language::C, &fixture("resolver.c"), folder.path(), &[]));
            let image = succeed(Linker::Lld.link(arch, &[object, resolver], folder.path(), &[]));
            assert_eq!(table::read(&image), interface(width), "{compiler:?}");
        }
    }
}

macro_rules! declared_in_rust {
    ($($_class:ident { $(
        $(#[$_attribute:meta])*
        pub $(safe $($_never:lifetime)?)? fn $name:ident $_arguments:tt $(-> $_result:ty)?;
    )* })*) => {
        [$($((interface::$name::NAME, interface::$name::SIGNATURE)),*),*]
    };
}

/// By the types' own codes on this machine.
#[test]
fn the_rust_module_declares_the_interface() {
    let declared: Vec<(&str, Signature)> = paravirt_abi::interface_functions!(declared_in_rust).to_vec();
    let expected: Vec<_> = FUNCTIONS
        .iter()
        .map(|function| (function.name, function.signature(Width::Bits64)))
        .collect();
    assert_eq!(declared, expected);
}
