// SPDX-License-Identifier: MIT OR Apache-2.0
//! One case at least for each way an image can be unsound, with the message its user sees.

use std::fmt::Write;
use std::fs;
use std::mem::offset_of;
use std::path::Path;

use object::elf;
use paravirt_abi::vcpu::VcpuPage;
use paravirt_abi::{note, sections};
use pvhost::image::{EntryPoint, Image, ImageError, Machine, Policy, Problem, check_loadable};

use crate::guest::{self, CODE, DATA, Guest, Load, TABLES, VCPU_PAGE};

/// A name for the case, and the file.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// For what only a loader refuses.
    policy: Option<Policy>,
}

/// A bent default guest.
fn bent(name: &'static str, bend: impl FnOnce(&mut Guest)) -> Case {
    bent_for(Machine::X86_64, name, bend)
}

fn bent_for(machine: Machine, name: &'static str, bend: impl FnOnce(&mut Guest)) -> Case {
    let mut guest = Guest::new(machine);
    bend(&mut guest);
    Case {
        name,
        bytes: guest.build(),
        policy: None,
    }
}

/// The default guest's file with changed bytes.
fn patched(name: &'static str, patch: impl FnOnce(&mut Vec<u8>)) -> Case {
    let mut bytes = Guest::new(Machine::X86_64).build();
    patch(&mut bytes);
    Case {
        name,
        bytes,
        policy: None,
    }
}

/// A sound image that the policy forbids.
fn forbidden(name: &'static str, bend: impl FnOnce(&mut Guest), restrict: impl FnOnce(&mut Policy)) -> Case {
    let mut policy = Policy::default();
    restrict(&mut policy);
    Case {
        policy: Some(policy),
        ..bent(name, bend)
    }
}

const PH_OFFSET: usize = 0x20;
const SH_OFFSET: usize = 0x28;

fn file_cases() -> Vec<Case> {
    vec![
        patched("NotElf", |b| b[1] = b'e'),
        patched("NotElf", Vec::clear),
        // As big as may be, so that its contents are looked at.
        patched("NotElf", |b| *b = vec![0; 1 << 28]),
        patched("FileTooBig", |b| *b = vec![0; (1 << 28) + 1]),
        patched("HeaderTruncated", |b| b.truncate(5)),
        patched("HeaderTruncated", |b| b.truncate(0x3f)),
        patched("Class", |b| b[4] = 3),
        patched("ByteOrder", |b| b[5] = 2),
        bent("UnknownMachine", |g| g.e_machine = elf::EM_PPC64),
        bent_for(Machine::I386, "MachineClass", |g| g.e_machine = elf::EM_X86_64),
        bent("NotExecutable", |g| g.e_type = elf::ET_REL),
        bent("PositionIndependent", |g| g.e_type = elf::ET_DYN),
        patched("ProgramHeaders", |b| b[PH_OFFSET + 4] = 0xff),
        patched("SectionHeaders", |b| b[SH_OFFSET + 4] = 0xff),
        patched("SectionHeaders", |b| b.truncate(b.len() - 1)),
        patched("NoSections", |b| b[SH_OFFSET..SH_OFFSET + 8].fill(0)),
        // The name of section 1 out of the name table.
        patched("SectionHeaders", |b| {
            let table = u64::from_le_bytes(b[SH_OFFSET..SH_OFFSET + 8].try_into().unwrap());
            b[table as usize + 64 + 3] = 0x7f;
        }),
        bent("TooManySections", |g| {
            let sections = g.sections.len();
            let code = g.section("str").clone();
            g.sections.resize(
                sections.max((1 << 16) + 1),
                guest::Section {
                    name: "s".into(),
                    ..code
                },
            );
        }),
        // The last section but one, the string table, out of the file.
        patched("SymbolTable", |b| {
            let header = b.len() - 2 * 64;
            b[header + 0x18 + 4] = 0xff;
        }),
        // The first symbol's name out of the string table.
        bent("SymbolName", |g| g.symbols[0].name = "marked".into()).then(|b| {
            let symbol = find(b, &(CODE + 0x10).to_le_bytes(), 1) - 8;
            b[symbol + 3] = 0x7f;
        }),
    ]
}

impl Case {
    fn then(mut self, patch: impl FnOnce(&mut Vec<u8>)) -> Self {
        patch(&mut self.bytes);
        self
    }
}

/// Position of the nth occurrence.
fn find(bytes: &[u8], pattern: &[u8], nth: usize) -> usize {
    bytes
        .windows(pattern.len())
        .enumerate()
        .filter(|(_, window)| *window == pattern)
        .map(|(position, _)| position)
        .nth(nth)
        .expect("the pattern")
}

fn segment_cases() -> Vec<Case> {
    let extra = |address, size| {
        move |guest: &mut Guest| {
            let mut load = Load::new(address, vec![0; 0x10], elf::PF_R);
            load.size = size;
            guest.loads.push(load);
        }
    };
    vec![
        bent("TooManySegments", |g| {
            for index in 0..64 {
                extra(0x20_0000 + index * 0x1000, 0x10)(g);
            }
        }),
        bent("NoSegments", |g| g.loads.clear()),
        bent("SegmentTruncated", |g| g.loads[0].file_offset = Some(u64::MAX - 8)),
        bent("SegmentTruncated", |g| g.loads[0].file_offset = Some(0x1_0000)),
        // The last byte alone lies behind the file, or the first.
        bent("SegmentTruncated", |g| {
            let size = g.loads[0].data.len() as u64;
            g.loads[0].file_offset = Some(g.build().len() as u64 - size + 1);
        }),
        bent("SegmentTruncated", |g| {
            let length = g.build().len() as u64;
            g.loads[0].file_offset = Some(length);
        }),
        bent("SegmentLargerInFile", |g| g.loads[1].size = 0x2fff),
        // Each once, and a byte of one twice.
        bent("SegmentsShareFile", |g| {
            let mut again = Load::new(0x20_0000, Vec::new(), elf::PF_R);
            again.file_offset = Some(0);
            let length = g.build().len() as u64 + 0x38;
            let sizes = g.loads.iter().map(|load| load.data.len() as u64);
            again.size = length - sizes.sum::<u64>() + 1;
            again.file_size = Some(again.size);
            g.loads.push(again);
        }),
        bent("SegmentWraps", extra(u64::MAX - 0xf, 0x20)),
        bent("SegmentWraps", extra(0x20_0000, u64::MAX)),
        bent_for(Machine::I386, "SegmentWraps", extra(0xffff_f000, 0x1001)),
        bent("SegmentsOverlap", extra(DATA - 8, 0x10)),
        bent("SegmentsOverlap", extra(CODE, 0x10)),
        bent("EntryNotExecutable", |g| g.entry = DATA),
        bent("EntryNotExecutable", |g| g.entry = CODE + 0x40),
    ]
}

fn table_cases() -> Vec<Case> {
    vec![
        bent("DuplicateSection", |g| {
            let twin = g.section("jmptbl").clone();
            g.sections.push(twin);
        }),
        bent("NotCollected", |g| g.section("jmptbl").name += ".pv_shutdown"),
        bent("TableMissing", |g| g.section("symtab").name = ".data".into()),
        bent("TableMissing", |g| g.section("jmptbl").name = ".data".into()),
        bent("TableMissing", |g| g.section("str").name = ".data".into()),
        bent("OddTable", |g| g.section("symtab").size -= 1),
        bent("OddTable", |g| g.section("sig").size += 4),
        bent("Unpaired", |g| g.section("symtab").size -= 8),
        bent("Unpaired", |g| g.section("sig").size += 8),
        // The whole table counts, whatever the file holds.
        bent("TooManyExternals", |g| {
            let size = 8 * 65_537;
            g.loads.push(Load::new(0x20_0000, vec![0; size], elf::PF_R | elf::PF_W));
            g.section("jmptbl").address = 0x20_0000;
            g.section("jmptbl").size = size as u64;
        }),
        bent("TableMisaligned", |g| g.section("jmptbl").address += 4),
        bent("TableNotLoaded", |g| g.section("jmptbl").address = 0x50_0000),
        // In .bss, past the bytes of the file, or half so.
        bent("TableNotLoaded", |g| g.section("jmptbl").address = DATA + 0x3800),
        bent("TableNotLoaded", |g| g.section("jmptbl").address = DATA + 0x3000 - 8),
        bent("TableNotLoaded", |g| g.section("str").size = u64::MAX),
        bent("SlotsNotWritable", |g| g.section("jmptbl").address = CODE),
    ]
}

fn entry_cases() -> Vec<Case> {
    let symbol = TABLES + 0x400;
    let name = TABLES;
    let long = "n".repeat(256);
    let words = |words: [u64; 2]| {
        let entries = [("twice", Some(words[0])), ("twice", Some(words[1]))];
        let guest = Guest::with(Machine::X86_64, sections::PREFIX, &entries);
        Case {
            name: "",
            bytes: guest.build(),
            policy: None,
        }
    };
    vec![
        bent("NameOutside", |g| g.poke(symbol, &[0; 8])),
        bent("NameOutside", |g| g.poke(symbol + 8, &(name - 1).to_le_bytes())),
        bent("NameOutside", |g| {
            let end = name + g.section("str").size;
            g.poke(symbol, &end.to_le_bytes());
        }),
        bent("NameWithoutNul", |g| g.section("str").size -= 1),
        bent("NameEmpty", |g| g.poke(name, &[0])),
        Case {
            name: "NameTooLong",
            bytes: Guest::with(Machine::X86_64, sections::PREFIX, &[(&long, None)]).build(),
            policy: None,
        },
        bent("NameTooLong", |g| {
            g.section("str").size = 0x1000;
            g.poke(name, &[b'n'; 256]);
        }),
        bent("NameWithoutNul", |g| {
            g.section("str").size = 255;
            g.poke(name, &[b'n'; 256]);
        }),
        bent("NameNotUtf8", |g| g.poke(name + 2, &[0xff])),
        bent("NameNotIdentifier", |g| g.poke(name + 2, b"\x1b[2J;")),
        bent("NameNotIdentifier", |g| g.poke(name, b"1")),
        bent("Signature", |g| g.poke(TABLES + 0xc00, &[0; 8])),
        bent("Signature", |g| g.poke(TABLES + 0xc00, &[0xff])),
        Case {
            name: "TwoPrototypes",
            ..words([0x1000_0000_0000_0001, 0x1000_0000_0000_0002])
        },
        bent("ResolverNotWritable", |g| g.symbols[1].address = CODE),
        bent("ResolverNotWritable", |g| g.symbols[1].address -= 4),
    ]
}

fn note_cases() -> Vec<Case> {
    let descriptor = |offset: usize, value: u32| {
        move |guest: &mut Guest| {
            let mut descriptor = guest::identity(guest.machine);
            descriptor[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
            guest.identify(&descriptor);
        }
    };
    vec![
        bent("Notes", |g| g.notes.truncate(13)),
        bent("Notes", |g| g.notes[4] = 0xff),
        bent("NotesOverlap", |g| {
            g.notes = g.notes.repeat(100);
            g.other_headers = vec![elf::PT_NOTE; 8];
        }),
        bent("DuplicateNote", |g| g.notes = g.notes.repeat(2)),
        bent("NoteSize", |g| g.identify(&[1, 0])),
        bent("NoteSize", |g| g.identify(&guest::identity(g.machine)[..20])),
        bent("NoteSize", |g| {
            g.identify(&[guest::identity(g.machine), vec![0; 4]].concat());
        }),
        bent("AbiVersion", descriptor(0, 2)),
        bent("NoteMachine", descriptor(4, 3)),
        bent("NoteFlags", descriptor(8, 0x8000_0001)),
        bent("NoteReserved", descriptor(12, 1)),
        bent("VcpuPageMisaligned", descriptor(16, VCPU_PAGE as u32 + 8)),
        bent("VcpuPageNotWritable", |g| {
            g.loads[0].size = 0x1000;
            descriptor(16, CODE as u32)(g);
        }),
        bent("VcpuPageNotWritable", descriptor(16, DATA as u32 + 0x4000)),
        bent("VcpuPageNotWritable", descriptor(20, 0xffff_ffff)),
        bent("VcpuPageNotWritable", |g| {
            g.loads[1].size = 0x3800;
            descriptor(16, DATA as u32 + 0x3000)(g);
        }),
        bent("BackendNote", backends(&[b""])),
        bent("BackendNote", backends(&[b"bare"])),
        bent("BackendNote", backends(&[b"\0\0\0\0"])),
        bent("BackendNote", backends(&[b"bare\0xen"])),
        bent("BackendNote", backends(&[b"b\xffre\0"])),
        bent("BackendNote", backends(&[b"\x1b[2J\0"])),
        bent("BackendNote", backends(&[&[&[b'b'; 32][..], &[0]].concat()])),
        bent("TooManyBackends", |g| {
            let names: Vec<_> = (b'a'..b'a' + 9).map(|name| [name, 0]).collect();
            for name in &names {
                backends(&[name])(g);
            }
        }),
        bent("DuplicateBackend", backends(&[b"xen\0", b"bare\0", b"xen\0\0\0\0\0"])),
        bent("EntryNoteSize", entry(18, &[0; 5])),
        bent("EntryNoteSize", entry(1, &[])),
        bent("DuplicateEntryNote", |g| {
            let code = CODE.to_le_bytes();
            entry(18, &code)(g);
            entry(18, &code)(g);
        }),
        bent("EntryNoteNotExecutable", entry(18, &DATA.to_le_bytes())),
        bent("EntryNoteNotExecutable", entry(1, &[0xff; 8])),
    ]
}

/// Adds notes of backends.
fn backends(names: &[&[u8]]) -> impl Fn(&mut Guest) {
    move |guest| {
        for name in names {
            guest.notes.extend(guest::note(note::OWNER, note::BACKEND_TYPE, name));
        }
    }
}

/// Adds a note of Xen's.
fn entry(kind: u32, descriptor: &[u8]) -> impl Fn(&mut Guest) {
    move |guest| guest.notes.extend(guest::note("Xen", kind, descriptor))
}

fn loader_cases() -> Vec<Case> {
    let sound = |_: &mut Guest| {};
    let usual = |_: &mut Policy| {};
    let low = |address| {
        move |guest: &mut Guest| {
            guest.loads.push(Load::new(address, vec![0; 0x10], elf::PF_R));
        }
    };
    let upcall_entry = |entry: u64| {
        move |guest: &mut Guest| {
            let field = VCPU_PAGE + offset_of!(VcpuPage, upcall_entry) as u64;
            guest.poke(field, &entry.to_le_bytes());
        }
    };
    vec![
        forbidden("MachineNotSupported", sound, |p| p.machines = vec![Machine::I386]),
        forbidden("Dynamic", |g| g.other_headers.push(elf::PT_INTERP), usual),
        forbidden("Dynamic", |g| g.other_headers.push(elf::PT_DYNAMIC), usual),
        forbidden("SegmentTooLow", low(0), usual),
        forbidden("SegmentTooLow", low(0xfff8), usual),
        forbidden("SegmentTooHigh", sound, |p| p.highest = DATA + 0x3fff),
        forbidden("SegmentTooHigh", low(0x7fff_ffff_f000), usual),
        forbidden("TooMuchMemory", sound, |p| p.memory = 0x4000),
        forbidden("TooMuchMemory", |g| g.loads[1].size = 1 << 30, usual),
        forbidden("WritableCode", |g| g.loads[0].flags |= elf::PF_W, usual),
        forbidden("SharedPage", low(CODE + 0x40), usual),
        forbidden("NoIdentity", |g| g.notes.clear(), usual),
        forbidden("L4rtems", |g| *g = Guest::l4rtems(), usual),
        // An L4RTEMS image has no note on i386 only.
        forbidden(
            "NoIdentity",
            |g| {
                let entries = [("l4rtems_outch", None)];
                *g = Guest::with(Machine::X86_64, sections::L4RTEMS_PREFIX, &entries);
                g.notes.clear();
            },
            |p| *p = Policy::l4rtems(),
        ),
        forbidden("NoBackend", sound, |p| p.backend = Some("bare")),
        forbidden("NoBackend", backends(&[b"xen\0", b"pok\0"]), |p| {
            p.backend = Some("bare");
        }),
        forbidden("NoEntryPoint", backends(&[b"xen\0"]), |p| {
            (p.backend, p.entry) = (Some("xen"), EntryPoint::Pvh);
        }),
        // Whom this backend is for only its author knows.
        forbidden("NoEntryPoint", backends(&[b"mine\0"]), |p| {
            (p.backend, p.entry) = (Some("xen"), EntryPoint::XenPv);
        }),
        forbidden(
            "RedZone",
            |g| {
                let mut descriptor = guest::identity(g.machine);
                descriptor[8] = 0;
                g.identify(&descriptor);
            },
            |p| p.pushes_into_red_zone = true,
        ),
        forbidden("VcpuVersion", |g| g.poke(VCPU_PAGE, &[7]), usual),
        // A page that the file does not fill is zero.
        forbidden(
            "VcpuVersion",
            |g| {
                g.loads[1].size = 0x6000;
                let mut descriptor = guest::identity(g.machine);
                descriptor[16..24].copy_from_slice(&(DATA + 0x5000).to_le_bytes());
                g.identify(&descriptor);
            },
            usual,
        ),
        forbidden("UpcallEntry", upcall_entry(0), usual),
        forbidden("UpcallEntry", upcall_entry(DATA), usual),
        forbidden("UpcallEntry", upcall_entry(u64::MAX), usual),
    ]
}

fn cases() -> Vec<Case> {
    [
        file_cases(),
        segment_cases(),
        table_cases(),
        entry_cases(),
        note_cases(),
        loader_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What each case is called, and refused with.
fn refusals() -> impl Iterator<Item = (&'static str, ImageError)> {
    cases().into_iter().enumerate().map(|(number, case)| {
        let parsed = Image::parse("bad.elf", case.bytes);
        let refused = match (parsed, &case.policy) {
            (Ok(image), Some(policy)) => check_loadable(&image, policy).err(),
            (Ok(_), None) => None,
            (Err(error), None) => Some(error),
            (Err(error), Some(_)) => panic!("case {number}, {}: not sound: {error}", case.name),
        };
        let error = refused.unwrap_or_else(|| panic!("case {number}, {}: accepted", case.name));
        assert_eq!(
            matches!(error.problem, Problem::Refused(_)),
            case.policy.is_some(),
            "case {number}: {error}"
        );
        (case.name, error)
    })
}

#[test]
fn every_case_is_refused_for_its_own_reason() {
    let mut messages = String::new();
    for (name, error) in refusals() {
        writeln!(messages, "{name}:\n  {error}").expect("a string");
    }
    insta::assert_snapshot!(messages);
}

/// A file is read no further than it takes to refuse it.
#[test]
fn a_file_that_is_too_big_is_refused_as_such() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), b"\x7fELF").expect("a file");
    file.as_file().set_len((1 << 28) + 2).expect("a file full of holes");
    let error = Image::open(file.path()).expect_err("too big");
    let text = error.to_string();
    assert!(text.contains(": 268435457 bytes are more"), "{text}");
}

/// What is no ELF file says so at its beginning, and may have no end.
#[cfg(unix)]
#[test]
fn an_endless_file_is_not_read() {
    let error = Image::open(Path::new("/dev/zero")).expect_err("no guest");
    assert!(error.to_string().contains("not an ELF file"), "{error}");
}

/// What stands between quotes in a source and says what to do, which a message does behind a semicolon: in parts, from
/// which placeholders are left out.
fn messages_in(source: &str) -> Vec<Vec<String>> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = source.lines().filter(is_code).collect();
    let code = code.join("\n").replace("\\\"", "'");
    let quoted = code.split('"').skip(1).step_by(2).map(|text| {
        let lines = text.split("\\\n").map(str::trim_start);
        lines.collect::<String>()
    });
    let is_message = |text: &String| text.contains("; ");
    let parts = |text: String| text.split(['{', '}']).step_by(2).map(str::to_owned).collect();
    quoted.filter(is_message).map(parts).collect()
}

#[test]
fn no_message_is_without_a_case() {
    let sources = [
        include_str!("../../core/src/image/elf.rs"),
        include_str!("../../core/src/image/externals.rs"),
        include_str!("../../core/src/image/loadable.rs"),
        include_str!("../../core/src/image/mod.rs"),
        include_str!("../../core/src/image/note.rs"),
        include_str!("../../core/src/image/segments.rs"),
        include_str!("../../core/src/image/symbols.rs"),
    ];
    let messages: Vec<_> = sources.into_iter().flat_map(messages_in).collect();
    assert!(messages.len() > 60, "{messages:?}");
    let said: Vec<String> = refusals().map(|(_, error)| error.to_string()).collect();
    let is_said = |parts: &Vec<String>| {
        said.iter().any(|text| {
            let mut rest = text.as_str();
            parts.iter().all(|part| {
                let found = rest.find(part.as_str());
                rest = found.map_or("", |at| &rest[at + part.len()..]);
                found.is_some()
            })
        })
    };
    let unsaid: Vec<_> = messages.iter().filter(|parts| !is_said(parts)).collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}

#[test]
fn the_note_says_what_the_abi_crate_says() {
    assert_eq!(guest::identity(Machine::I386).len(), size_of::<note::IdentityNote>());
}
