// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions that a guest should not have.

use object::elf;
use pvhost::audit::{AuditError, GapReason, StateProblem, audit, check_state};
use pvhost::image::{Image, Machine};

use crate::guest::{CODE, Guest, Section, Symbol};
use crate::program::Folder;

/// A guest with code: `nop` but for a few instructions in a function, behind it, and behind a label.
pub fn guest(machine: Machine) -> Guest {
    let mut guest = Guest::new(machine);
    for (offset, bytes) in [
        (0x02, &[0xf4][..]),         // hlt before every symbol
        (0x12, &[0xfa]),             // cli in the function
        (0x18, &[0xee]),             // out in the function within
        (0x22, &[0xcd, 0x80]),       // int $0x80 behind the function
        (0x2a, &[0x0f, 0x20, 0xd0]), // mov %cr2, %eax behind the label
        (0x30, &[0xff, 0xff]),       // no instruction
    ] {
        guest.poke(CODE + offset, bytes);
    }
    guest.section_of_code(".text", CODE, 0x38);
    guest.sections.push(Section {
        name: ".rodata".to_owned(),
        address: CODE + 0x38,
        size: 4,
        allocated: true,
        executable: false,
    });
    guest.symbols.push(Symbol::new("inner", CODE + 0x18, 2, elf::STT_FUNC));
    guest.symbols.push(Symbol::new("late", CODE + 0x28, 0, elf::STT_NOTYPE));
    // A label in the function names nothing: neither there nor behind it.
    guest
        .symbols
        .push(Symbol::new("inside", CODE + 0x11, 0, elf::STT_NOTYPE));
    guest
}

/// The same for AArch64: what looks like these instructions is data as well, where marks say so.
pub fn guest_for_aarch64() -> Guest {
    const DAIFSET: u32 = 0xd503_42df;
    let mut guest = Guest::new(Machine::Aarch64);
    for (offset, word) in [
        (0x00, 0xd503_207f),     // wfi before every symbol
        (0x10, DAIFSET),         // msr daifset, #2 in the function
        (0x14, DAIFSET),         // data in the function
        (0x18, 0xd400_0001_u32), // svc #0 in the function within
        (0x1c, 0xd508_871f),     // tlbi vmalle1 in the function
        (0x20, DAIFSET),         // data behind the function
        (0x24, DAIFSET),         // and further
        (0x28, 0xd538_2040),     // mrs x0, tcr_el1 behind the label
        (0x30, 0x0001_0000),     // no instruction
        (0x34, 0xd69f_03e0),     // eret
    ] {
        guest.poke(CODE + offset, &word.to_le_bytes());
    }
    guest.section_of_code(".text", CODE, 0x38);
    guest.symbols.push(Symbol::new("inner", CODE + 0x18, 4, elf::STT_FUNC));
    guest.symbols.push(Symbol::new("late", CODE + 0x28, 0, elf::STT_NOTYPE));
    for (offset, mark) in [
        (0x00, "$x"),
        (0x14, "$d"),
        (0x18, "$x.1"),
        (0x20, "$d.literals"),
        (0x28, "$d"),
        (0x28, "$x"),
    ] {
        guest.symbols.push(Symbol::new(mark, CODE + offset, 0, elf::STT_NOTYPE));
    }
    guest
}

fn parse(guest: &Guest) -> Image {
    Image::parse("guest", guest.build()).expect("a sound guest")
}

#[test]
fn findings_are_named_by_function() {
    let audit = audit(&parse(&guest(Machine::I386))).expect("code");
    let found: Vec<_> = audit
        .findings
        .iter()
        .map(|f| (&*f.function, &*f.instruction, f.address - CODE))
        .collect();
    let expected = [
        ("0x100000-0x100038", "hlt", 0x02),
        ("_start", "cli", 0x12),
        ("inner", "out", 0x18),
        ("0x100000-0x100038", "int 0x80", 0x22),
        ("late", "mov with cr2", 0x2a),
    ];
    assert_eq!(found, expected);
}

#[test]
fn findings_for_aarch64_are_named_by_function_and_not_among_data() {
    let audit = audit(&parse(&guest_for_aarch64())).expect("code");
    let found: Vec<_> = audit
        .findings
        .iter()
        .map(|f| (&*f.function, &*f.instruction, &*f.disassembly, f.address - CODE))
        .collect();
    let expected = [
        ("0x100000-0x100038", "wfi", "wfi", 0x00),
        ("_start", "msr to daifset", "msr daifset, #0x2", 0x10),
        ("inner", "svc 0x0", "svc #0x0", 0x18),
        ("_start", "tlbi", "sys #0, c8, c7, #0, xzr", 0x1c),
        ("late", "mrs of tcr_el1", "mrs x0, tcr_el1", 0x28),
        ("late", "eret", "eret", 0x34),
    ];
    assert_eq!(found, expected);
    let gaps: Vec<_> = audit
        .gaps
        .iter()
        .map(|gap| (gap.address - CODE, gap.size, gap.reason.to_string()))
        .collect();
    let expected = [
        (0x14, 4, "marked as data, in _start"),
        (0x20, 8, "marked as data, in 0x100000-0x100038"),
        (0x30, 4, "no instruction, in late"),
        (0x38, 8, "in no section"),
    ];
    assert_eq!(gaps, expected.map(|(at, size, reason)| (at, size, reason.to_owned())));
    assert_eq!(audit.decoded, 0x38 - 16);
}

#[test]
fn a_symbol_within_an_instruction_hides_nothing_silently() {
    let mut guest = Guest::new(Machine::Aarch64);
    guest.section_of_code(".text", CODE, 0x40);
    guest.poke(CODE + 0x20, &0xd503_42df_u32.to_le_bytes());
    guest.symbols.push(Symbol::new("within", CODE + 0x22, 2, elf::STT_FUNC));
    let audit = audit(&parse(&guest)).expect("code");
    let gaps: Vec<_> = audit.gaps.iter().map(|gap| (gap.address - CODE, gap.size)).collect();
    assert_eq!((audit.findings, gaps), (vec![], vec![(0x20, 2), (0x22, 2)]));
}

/// Nor do they keep this.
#[test]
fn code_for_sve_does_not_fit() {
    let folder = Folder::new();
    let mut guest = guest_for_aarch64();
    assert_eq!(wide(&guest), None);
    // add z0.s, z0.s, z0.s: data, and then code
    let word = 0x04a0_0000_u32.to_le_bytes();
    guest.poke(CODE + 0x14, &word);
    assert_eq!(wide(&guest), None);
    guest.poke(CODE + 0x1c, &word);
    assert_eq!(wide(&guest), Some(("_start".to_owned(), CODE + 0x1c)));
    guest.notes.extend(crate::guest::note("paravirt", 2, b"bare\0\0\0\0"));
    folder.write("wide", guest.build());
    let output = folder.run("check wide --host qemu");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.starts_with("refused: _start uses SVE or SME state at 0x10001c (`.inst 0x04a00000`)"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// Upcalls do not keep what such code computes with.
#[test]
fn code_for_avx_512_does_not_fit() {
    let folder = Folder::new();
    for (machine, name) in [(Machine::I386, "wide32"), (Machine::X86_64, "wide64")] {
        let mut guest = guest(machine);
        // vpxord %ymm0, %ymm0, %ymm0: of AVX-512, but with registers that are kept
        guest.poke(CODE + 0x12, &[0x62, 0xf1, 0x7d, 0x28, 0xef, 0xc0]);
        assert_eq!(check_state(&parse(&guest)), Ok(()), "{machine}");
        // vpxord %zmm0, %zmm0, %zmm0
        guest.poke(CODE + 0x12, &[0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0]);
        assert_eq!(wide(&guest), Some(("_start".to_owned(), CODE + 0x12)));
        folder.write(name, guest.build());
        let output = folder.run(&format!("check {name} --host process"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.starts_with("refused: _start uses AVX-512 or AMX state at 0x100012 (`vpxord"),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(1), "{machine}");
    }
}

/// The first function that uses state which upcalls do not keep, and where.
fn wide(guest: &Guest) -> Option<(String, u64)> {
    match check_state(&parse(guest)) {
        Ok(()) => None,
        Err(StateProblem::Wide { function, address, .. }) => Some((function, address)),
        Err(StateProblem::Unknown(..)) => panic!("there is a function to judge"),
    }
}

/// What decodes as `vandps` with `ymm19`.
const TEXT: &[u8] = b"bad T..";

#[test]
fn data_among_the_code_is_not_taken_for_wide_code() {
    let mut guest = Guest::new(Machine::X86_64);
    guest.section_of_code(".text", CODE, 0x40);
    let start = CODE + 0x10;
    guest.poke(start, TEXT);
    assert_eq!(wide(&guest), Some(("_start".to_owned(), start)));
    // No function: text before every symbol, behind a label, in what has a size but is no function, in a function
    // without a size.
    guest.poke(start, &[0x90; 7]);
    for (address, symbol) in [
        (CODE, None),
        (CODE + 0x20, Some((0, elf::STT_NOTYPE))),
        (CODE + 0x28, Some((8, elf::STT_NOTYPE))),
        (CODE + 0x30, Some((0, elf::STT_FUNC))),
    ] {
        guest.poke(address, TEXT);
        if let Some((size, kind)) = symbol {
            guest.symbols.push(Symbol::new("text", address, size, kind));
        }
        assert_eq!(wide(&guest), None, "{address:#x}, {symbol:?}");
    }
}

#[test]
fn a_function_with_data_is_not_judged_up_to_its_next_symbol() {
    for (offset, why) in [(0x10, "before"), (0x17, "right behind")] {
        let mut guest = Guest::new(Machine::X86_64);
        guest.section_of_code(".text", CODE, 0x40);
        // No instruction in 64-bit code; then what looks like one of AVX-512, or the other way round.
        guest.poke(CODE + 0x16, &[0x06]);
        guest.poke(CODE + offset, &TEXT[..6]);
        let sound = Symbol::new("sound", CODE + 0x30, 8, elf::STT_FUNC);
        guest.symbols.push(sound);
        assert_eq!(wide(&guest), None, "{why}");
        let next = Symbol::new("next", CODE + 0x20, 8, elf::STT_FUNC);
        guest.symbols.push(next);
        guest.poke(CODE + 0x20, TEXT);
        assert_eq!(wide(&guest), Some(("next".to_owned(), CODE + 0x20)), "{why}");
    }
}

#[test]
fn what_could_not_be_judged_is_said() {
    let folder = Folder::new();
    let mut stripped = guest(Machine::X86_64);
    stripped.symbols.clear();
    // The one function of this guest is not in a section of code.
    let mut unmarked = Guest::new(Machine::X86_64);
    unmarked.section_of_code(".text", CODE, 8);
    let mut data = Guest::new(Machine::X86_64);
    data.section_of_code(".text", CODE, 0x40);
    data.poke(CODE + 0x10, &[0x06]);
    let judged = guest(Machine::X86_64);
    for (name, guest, is_judged) in [
        ("none", Guest::new(Machine::X86_64), false),
        ("stripped", stripped, false),
        ("unmarked", unmarked, false),
        ("data", data, false),
        ("judged", judged, true),
        ("aarch64", Guest::new(Machine::Aarch64), false),
        ("judged-aarch64", guest_for_aarch64(), true),
        // There is no such state elsewhere.
        ("riscv64", Guest::new(Machine::Riscv64), true),
    ] {
        folder.write(name, guest.build());
        folder.run(&format!("header {name} --format json -o functions"));
        for (option, mark) in [("", "not judged: "), ("--json", "\"not_judged\": \"")] {
            let output = folder.run(&format!("check {name} --provides functions {option}"));
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.contains(mark), !is_judged, "{name}: {said}");
            assert!(output.status.success(), "{name}: {said}");
        }
    }
}

/// A mangled name of some hundred bytes that stands for far more than a million: each tuple in it is the one before,
/// five times.
fn endless_name() -> String {
    let mut name = "_RIC1aThhE".to_owned();
    let mut tuple = name.len() - 4;
    for _ in 0..12 {
        let next = name.len();
        // Positions count from behind `_R`, in base 62; `_` alone is 0.
        let position = tuple - 2 - 1;
        let digit =
            |value: usize| char::from_digit(value as u32, 36).unwrap_or_else(|| (b'A' + (value - 36) as u8).into());
        let high = (position >= 62).then(|| digit(position / 62));
        let back: String = ['B']
            .into_iter()
            .chain(high)
            .chain([digit(position % 62), '_'])
            .collect();
        name += &format!("T{}E", back.repeat(5));
        tuple = next;
    }
    name + "E"
}

/// A guest whose every byte of code, so many, is a function of that name, with a finding or a gap in each.
fn endless_names(size: u64) -> Guest {
    const CODE: u64 = 0x20_0000;
    let mut guest = Guest::new(Machine::X86_64);
    // hlt, and no instruction
    let code = [0xf4, 0x06].repeat(size as usize / 2);
    guest.loads[0] = crate::guest::Load::new(CODE, code, elf::PF_R | elf::PF_X);
    guest.entry = CODE;
    guest.section_of_code(".text", CODE, size);
    let name = endless_name();
    guest
        .symbols
        .extend((CODE..CODE + size).map(|address| Symbol::new(&name, address, 1, elf::STT_FUNC)));
    guest
}

#[test]
fn endless_names_end() {
    let image = parse(&endless_names(2_000));
    let audit = audit(&image).expect("code");
    assert_eq!((audit.findings.len(), audit.gaps.len()), (1_000, 1_000));
    for finding in &audit.findings {
        let function = &finding.function;
        assert!(function.starts_with("a::<(u8, u8), ("), "{function}");
        assert!(function.ends_with("...") && function.len() < 1100, "{}", function.len());
    }
    let location = image.symbols().function_at(image.entry()).expect("a symbol");
    assert!(location.to_string().len() < 1100);
    // One that makes less than it has back references.
    let mut guest = guest(Machine::X86_64);
    let chain = format!("_RIC1a{}E", "B_".repeat(65));
    guest.symbols.push(Symbol::new(&chain, CODE + 0x12, 1, elf::STT_FUNC));
    let found = pvhost::audit::audit(&parse(&guest)).expect("code").findings;
    assert_eq!(found[1].function, chain);
    // Each is short, but all together are not.
    let many = pvhost::audit::audit(&parse(&endless_names(4_000)));
    assert!(matches!(many, Err(AuditError::NamesTooLong { .. })));
}

/// What all those names would be has no room in this much memory.
#[cfg(target_os = "linux")]
#[test]
fn endless_names_cost_no_memory() {
    use std::process::Command;

    let folder = Folder::new();
    folder.write("endless", endless_names(2_000).build());
    let mut sections = Guest::new(Machine::X86_64);
    for _ in 0..200 {
        sections.section_of_code(&"s".repeat(1 << 20), CODE, 1);
    }
    folder.write("sections", sections.build());
    for (command, status) in [
        ("check endless --host process", 1),
        ("audit endless", 1),
        ("check sections --host process", 1),
        ("audit sections", 0),
    ] {
        let output = Command::new("sh")
            .current_dir(folder.path())
            .args([
                "-c",
                "ulimit -v 102400 && exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_pvhost"),
            ])
            .args(command.split_whitespace())
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{command}: {said}");
        assert!(said.is_empty(), "{command}: {said}");
    }
}

#[test]
fn what_is_not_decoded_is_said() {
    let audit = audit(&parse(&guest(Machine::I386))).expect("code");
    let gaps: Vec<_> = audit
        .gaps
        .iter()
        .map(|gap| (gap.address - CODE, gap.size, gap.reason.clone()))
        .collect();
    let (function, section) = ("late".to_owned(), ".rodata".to_owned());
    let expected = [
        (0x30, 2, GapReason::Undecodable(function)),
        (0x38, 4, GapReason::Data(section)),
        (0x3c, 4, GapReason::NoSection),
    ];
    assert_eq!(gaps, expected);
    assert_eq!(audit.decoded, 0x36);
}

#[test]
fn a_stripped_image_is_named_by_its_ranges() {
    let mut guest = guest(Machine::X86_64);
    guest.symbols.clear();
    let audit = audit(&parse(&guest)).expect("code");
    assert_eq!(audit.findings.len(), 5);
    for finding in audit.findings {
        assert_eq!(finding.function, "0x100000-0x100038");
    }
}

#[test]
fn what_cannot_be_audited_is_refused() {
    let other = parse(&guest(Machine::Riscv64));
    assert!(matches!(audit(&other), Err(AuditError::Machine { .. })));
    let none = parse(&Guest::new(Machine::I386));
    assert!(matches!(audit(&none), Err(AuditError::NoCode(..))));
    let mut full = Guest::new(Machine::I386);
    let code = vec![0xfa; 0x2_0000];
    full.loads[0] = crate::guest::Load::new(0x20_0000, code, elf::PF_R | elf::PF_X);
    full.entry = 0x20_0000;
    full.section_of_code(".text", 0x20_0000, 0x2_0000);
    assert!(matches!(audit(&parse(&full)), Err(AuditError::TooMany { .. })));
    // As many places without an instruction, with one between them.
    let mut gaps = Guest::new(Machine::X86_64);
    let code = [0x06, 0x90, 0x90].repeat(0x1_1000);
    gaps.section_of_code(".text", 0x20_0000, code.len() as u64);
    gaps.loads[0] = crate::guest::Load::new(0x20_0000, code, elf::PF_R | elf::PF_X);
    gaps.entry = 0x20_0000;
    assert!(matches!(audit(&parse(&gaps)), Err(AuditError::TooMany { .. })));
}

#[test]
fn the_program_reports_and_allows() {
    let folder = Folder::new();
    folder.write("leftovers", guest(Machine::I386).build());
    folder.write("arm", guest_for_aarch64().build());
    folder.write("riscv", Guest::new(Machine::Riscv64).build());
    folder.write(
        "arm.allow",
        "_start: *  # a\n0x100000-0x100038: wfi # b\nlate: mrs of tcr_el1 # c\n",
    );
    folder.write(
        "some.allow",
        "# known\n_start: cli  # not reached\ninner: *  # not reached\nlate: mov with cr2  # not reached\n",
    );
    let all =
        "0x100000-0x100038: hlt # a\n0x100000-0x100038: int 0x80 # b\n_start: cli # c\ninner: out # d\nlate: * # e\n";
    folder.write("all.allow", all);
    folder.write("unused.allow", format!("{all}main: sti  # gone\n"));
    folder.write("bad.allow", "_start: cli\n");
    let text: Vec<_> = [
        "audit leftovers",
        "audit leftovers --allow some.allow",
        "audit leftovers --allow all.allow",
        "audit leftovers --allow unused.allow",
        "audit leftovers --allow bad.allow",
        "audit leftovers --allow absent.allow",
        "audit guest",
        "audit leftovers --allow some.allow --json",
        "audit arm",
        "audit arm --allow arm.allow --verbose",
        "audit riscv",
    ]
    .map(|arguments| folder.transcript(arguments))
    .into();
    insta::assert_snapshot!(text.join("\n"));
}
