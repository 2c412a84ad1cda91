// SPDX-License-Identifier: MIT OR Apache-2.0
//! What files of others may cost: time and memory grow with the size of the file and no faster, or it is refused by
//! name.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use object::{LittleEndian, elf};
use pvhost::image::{Image, Machine};

use crate::guest::{self, CODE, DATA, Guest, Load, Section, Symbol, TABLES};
use crate::program::Folder;

/// Seconds of processor time, for a program that is not optimized. What these files asked for once took minutes of an
/// optimized one.
const SECONDS: u32 = 20;
/// KiB of memory, with the program's own.
const MEMORY: u32 = 200 << 10;

/// Runs the program within the limits. Its status must be that one, and what it says on standard error must hold that,
/// and little else.
#[track_caller]
fn runs(folder: &Folder, command: &str, status: i32, said: &str) -> Output {
    let limits = format!("ulimit -t {SECONDS} && ulimit -v {MEMORY} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &limits, env!("CARGO_BIN_EXE_pvhost")])
        .args(command.split_whitespace())
        .output()
        .expect("a shell");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{command}: {message}");
    assert!(message.contains(said), "{command}: {message}");
    assert!(message.len() < 10_000, "{command}: {}", message.len());
    output
}

/// What looks at a guest in different ways, and its status if nothing is wrong: this host has no ports.
const READERS: [(&str, i32); 4] = [
    ("list", 0),
    ("header", 0),
    ("check --host linux-process", 1),
    ("audit", 0),
];

/// The file of that name is refused by whatever reads it.
#[track_caller]
fn is_refused(folder: &Folder, name: &str, said: &str) {
    for command in [
        "list",
        "header",
        "audit",
        "check --host linux-process",
        "bind --provides some -o copy",
        "run",
    ] {
        runs(folder, &format!("{command} {name}"), 1, said);
    }
}

#[test]
fn what_is_said_to_be_there_many_times_is_not_read_many_times() {
    let folder = Folder::new();
    folder.write("some", "pv_shutdown @ 0x1000\n");

    let mut notes = Guest::new(Machine::X86_64);
    notes.notes.extend(guest::note("Xen", 99, &[]).repeat(1000));
    notes.other_headers = vec![elf::PT_NOTE; 16_000];
    folder.write("notes", notes.build());
    is_refused(&folder, "notes", "hold the same notes several times");

    let mut segments = Guest::new(Machine::X86_64);
    segments.loads[0].data = vec![0x90; 1 << 20];
    (segments.loads[0].address, segments.loads[0].size) = (0x100_0000, 1 << 20);
    segments.entry = 0x100_0000;
    for index in 1..60 {
        let mut again = Load::new(0x100_0000 * (index + 1), Vec::new(), elf::PF_R | elf::PF_X);
        (again.file_offset, again.file_size, again.size) = (Some(0), Some(1 << 20), 1 << 20);
        segments.section_of_code(".text", again.address, 1 << 20);
        segments.loads.push(again);
    }
    folder.write("segments", segments.build());
    is_refused(&folder, "segments", "hold the same bytes several times");

    let mut backends = Guest::new(Machine::X86_64);
    for index in 0..20_000 {
        let name = format!("b{index}\0");
        backends.notes.extend(guest::note("paravirt", 2, name.as_bytes()));
    }
    folder.write("backends", backends.build());
    is_refused(&folder, "backends", "20000 notes of backends are more than 8");

    let mut sections = Guest::new(Machine::X86_64);
    sections.section_of_code(".text", CODE, 0x40);
    let few = sections.sections.len();
    let section = Section {
        name: "s".repeat(2000),
        address: DATA,
        size: 1,
        allocated: true,
        executable: false,
    };
    sections.sections.resize(20_000, section.clone());
    folder.write("sections", sections.build());
    for (command, status) in READERS {
        runs(&folder, &format!("{command} sections"), status, "");
    }
    // All with short names, so that they have room here.
    sections.sections.truncate(few);
    let section = Section {
        name: "s".to_owned(),
        ..section
    };
    sections.sections.resize((1 << 16) + 1, section);
    folder.write("sections", sections.build());
    is_refused(&folder, "sections", "more than 65536 sections");
}

/// A report looks for twenty sections and more by their names.
#[test]
fn a_name_without_end_is_not_read_to_its_end_for_each_section_that_has_it() {
    const HEADER: usize = size_of::<elf::SectionHeader64<LittleEndian>>();
    let mut guest = Guest::new(Machine::X86_64);
    let section = |name| Section {
        name,
        address: 0,
        size: 0,
        allocated: false,
        executable: false,
    };
    let before = guest.sections.len();
    guest.sections.push(section("s".repeat(2_000_000)));
    guest.sections.resize(60_000, section("s".to_owned()));
    let mut file = guest.build();
    // All have the name of that one. Number 0 is no section, and of the file's header byte 40 says where they are.
    let table = usize::from_le_bytes(file[40..48].try_into().expect("eight bytes"));
    let headers = &mut file[table..][..60_000 * HEADER];
    let name: [u8; 4] = headers[(1 + before) * HEADER..][..4].try_into().expect("four bytes");
    for header in headers.chunks_exact_mut(HEADER).skip(2 + before) {
        header[..4].copy_from_slice(&name);
    }
    let image = Image::parse("guest", file).expect("a guest");
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(image.section_content(".debug_info"), None);
    }
    // Once it took a hundred times as long of an optimized program.
    let time = start.elapsed();
    assert!(time < Duration::from_secs(5), "{time:?}");
}

/// An L4RTEMS guest with so many functions of these names, one after the other.
pub fn functions(names: &[String], count: usize) -> Guest {
    const STRINGS: u64 = 0x100_0000;
    let mut guest = Guest::l4rtems();
    let (mut strings, mut pointers) = (Vec::new(), Vec::new());
    for name in names {
        pointers.push(STRINGS as u32 + strings.len() as u32);
        strings.extend(name.bytes().chain([0]));
    }
    let symbols = STRINGS + strings.len() as u64;
    let tables = [
        ("str", STRINGS, strings.len() as u64),
        ("symtab", symbols, 4 * count as u64),
        ("jmptbl", symbols + 4 * count as u64, 4 * count as u64),
    ];
    for pointer in pointers.iter().cycle().take(2 * count) {
        strings.extend(pointer.to_le_bytes());
    }
    for (part, address, size) in tables {
        let section = guest.section(part);
        (section.address, section.size) = (address, size);
    }
    guest.loads.push(Load::new(STRINGS, strings, elf::PF_R | elf::PF_W));
    guest
}

#[test]
fn many_functions_cost_no_more_than_their_number() {
    const COUNT: usize = 1 << 12;
    let folder = Folder::new();
    folder.write("some", "pv_shutdown @ 0x1000\n");
    let misspelt: Vec<_> = (0..COUNT).map(|i| format!("pv_console_wri{i:05}")).collect();
    let long = ["l".repeat(255)];
    let known = ["l4rtems_outch".to_owned()];
    for (name, names, fits) in [
        ("misspelt", &misspelt[..], false),
        ("long", &long, false),
        ("known", &known, true),
    ] {
        folder.write(name, functions(names, COUNT).build());
        for command in ["list", "list --json", "header --format c", "header --format rust"] {
            runs(&folder, &format!("{command} {name}"), 0, "");
        }
        let status = i32::from(!fits);
        let check = format!("check --host linux-process-2013 {name}");
        runs(&folder, &check, status, "");
        runs(&folder, &format!("{check} --json"), status, "");
        let bind = format!("bind --provides some {name} -o copy");
        runs(&folder, &bind, 1, "not provided: ");
        runs(&folder, &format!("{bind} --partial"), 0, "");
    }
    // An L4RTEMS guest runs into its code of `nop` and beyond, which is a fault; before that, not all that is missing
    // is said.
    let run = "run --compat l4rtems misspelt";
    runs(&folder, run, 5, "missing: 4046 more; `pvhost check` names them");
    let message = runs(&folder, "bind --provides some misspelt -o copy", 1, "").stderr;
    let message = String::from_utf8_lossy(&message);
    assert!(message.contains("pv_console_wri00019 and 4076 more;"), "{message}");
    // In both prefixes together there may be no more.
    let mut both = functions(&known, (1 << 15) + 1);
    for index in 0..3 {
        let mut twin = both.sections[index].clone();
        twin.name = twin.name.replace(".l4external.", ".l4externals.");
        both.sections.push(twin);
    }
    folder.write("both", both.build());
    is_refused(&folder, "both", "there are 65538 external functions, more than 65536");
}

/// A list with a host's functions that all could be what was meant.
#[test]
fn many_names_that_could_be_meant_are_not_all_compared() {
    let folder = Folder::new();
    let name = |index: usize| format!("my_sensor_with_a_long_name_{index:05}");
    let names: Vec<_> = (0..20_000).map(|index| name(index) + "x").collect();
    folder.write("guest", functions(&names, names.len()).build());
    let list: Vec<_> = (0..20_000).map(name).collect();
    folder.write("list", list.join("\n"));
    let found = runs(&folder, "check --provides list guest", 1, "").stdout;
    let found = String::from_utf8_lossy(&found);
    assert!(
        found.contains("did you mean my_sensor_with_a_long_name_00000"),
        "{found:.200}"
    );
}

#[test]
fn many_symbols_on_one_name_and_at_one_address_cost_no_more_than_their_number() {
    let folder = Folder::new();
    let mut symbols = Guest::new(Machine::X86_64);
    symbols.section_of_code(".text", CODE, 0x40);
    for name in [&b"one\0"[..], b"two\0", b"six\0", b"ten\0"] {
        symbols.notes.extend(guest::note("paravirt", 2, name));
    }
    // All but the last byte of what a host looks for.
    let long = "__start_linkme_BACKENDX".to_owned() + &"n".repeat(1 << 20);
    for kind in [elf::STT_OBJECT, elf::STT_FUNC, elf::STT_NOTYPE] {
        let symbol = |size| Symbol::new(&long, CODE + 0x20, size, kind);
        symbols.symbols.extend((0..2).map(symbol));
    }
    let bytes = symbols.build();
    let table = bytes.windows(8).position(|w| w == (CODE + 0x20).to_le_bytes());
    assert!(table.is_some(), "the symbols are there");
    symbols.symbols.truncate(2);
    let short = |index: u64| Symbol::new("n", CODE + 0x20, index % 7, elf::STT_FUNC);
    symbols.symbols.extend((0..100_000).map(short));
    for (name, bytes) in [("long", bytes), ("many", symbols.build())] {
        folder.write(name, bytes);
        for (command, status) in READERS {
            runs(&folder, &format!("{command} {name}"), status, "");
        }
    }
}

#[test]
fn lists_have_limits_and_what_is_wrong_with_one_is_not_repeated_without_end() {
    let folder = Folder::new();
    let functions: Vec<_> = (0..(1 << 16) + 1).map(|index| format!("f{index}")).collect();
    folder.write("many", functions.join("\n"));
    folder.write("long", "f".repeat(256));
    folder.write("endless", "no name ".repeat(100_000));
    folder.write("prototype", format!("f fn({})", "wrong".repeat(100_000)));
    let rules = "f: hlt  # why\n".repeat(1001);
    folder.write("rules", rules);
    folder.write("rule", "f ".repeat(100_000));
    for (command, said) in [
        ("check --provides many", "many:65537: more than 65536 functions"),
        (
            "check --provides long",
            "long:1: a name of 256 bytes; a guest's have 255 at most",
        ),
        ("check --provides endless", "endless:1: "),
        ("check --provides prototype", "prototype:1: prototype of f: "),
        ("audit --allow rules", "rules:1001: more than 1000 rules"),
        ("audit --allow rule", "rule:1: no reason in \"f f "),
    ] {
        runs(&folder, &format!("{command} guest"), 1, said);
    }
}

/// A fault is explained whatever the image says of its stack.
#[test]
fn the_symbol_of_the_stack_may_be_any_address() {
    let folder = Folder::new();
    for address in [u64::MAX, u64::MAX - 0xff, 0, TABLES] {
        let mut guest = Guest::new(Machine::X86_64);
        // mov $TABLES, %rsp; mov %eax, 0
        let mut code = vec![0x48, 0xc7, 0xc4];
        code.extend((TABLES as u32).to_le_bytes());
        code.extend([0x89, 0x04, 0x25, 0, 0, 0, 0]);
        guest.poke(guest.entry, &code);
        let stack = Symbol::new("__stack_start", address, 0, elf::STT_NOTYPE);
        guest.symbols.push(stack);
        folder.write("guest", guest.build());
        let output = folder.run("run guest");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{address:#x}: {said}");
        assert!(said.contains("bad write to address 0x0"), "{address:#x}: {said}");
        let overflowed = address >= TABLES;
        assert_eq!(
            said.contains("the stack overflowed"),
            overflowed,
            "{address:#x}: {said}"
        );
    }
}
