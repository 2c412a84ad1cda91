// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the parser reads from sound images.

use object::elf;
use paravirt_abi::note::{EXECUTABLE_MEMORY_TYPE, Flags, OWNER};
use pvhost::image::{Access, Backend, Entries, Image, Machine, Mark, Policy, check_loadable};

use crate::guest::{CODE, DATA, Guest, Load, Section, Symbol, TABLES, VCPU_PAGE, identity, note};

fn parse(guest: &Guest) -> Image {
    Image::parse("guest", guest.build()).expect("sound")
}

#[test]
fn a_segment_may_end_with_the_file() {
    for machine in Machine::ALL {
        let mut guest = Guest::new(machine);
        let size = guest.loads[0].data.len();
        let file = guest.build();
        guest.loads[0].file_offset = Some((file.len() - size) as u64);
        let image = parse(&guest);
        assert_eq!(image.segments()[0].data(), &file[file.len() - size..]);
    }
}

#[test]
fn a_segment_may_end_with_the_address_space() {
    for (machine, address) in [(Machine::I386, 0xffff_f000_u64), (Machine::X86_64, u64::MAX - 0x1000)] {
        let mut guest = Guest::new(machine);
        guest.loads.push(Load::new(address, vec![1; 0x1000], elf::PF_R));
        let last = parse(&guest).segments()[2].clone();
        assert_eq!((last.address, last.size), (address, 0x1000));
    }
}

/// Several notes say what one says, whatever is in them.
#[test]
fn a_note_asks_for_executable_memory() {
    let mut guest = Guest::new(Machine::I386);
    assert!(!parse(&guest).asks_for_executable_memory());
    for descriptor in [&[][..], b"later"] {
        let kind = EXECUTABLE_MEMORY_TYPE;
        guest.notes.extend(note(OWNER, kind, descriptor));
        assert!(parse(&guest).asks_for_executable_memory());
    }
    let mut of_another = Guest::new(Machine::I386);
    of_another.notes.extend(note("others", EXECUTABLE_MEMORY_TYPE, &[]));
    assert!(!parse(&of_another).asks_for_executable_memory());
}

#[test]
fn there_may_be_64_segments_beside_empty_ones() {
    let mut guest = Guest::new(Machine::X86_64);
    for number in 0..61 {
        let address = 0x20_0000 + number * 0x1000;
        guest.loads.push(Load::new(address, vec![1], elf::PF_R));
    }
    guest.loads.push(Load::new(0, Vec::new(), elf::PF_R));
    let image = parse(&guest);
    assert_eq!(image.segments().len(), 63);
    assert_eq!(image.segments()[0].address, CODE);
}

#[test]
fn access_is_what_the_segment_says() {
    let mut guest = Guest::new(Machine::X86_64);
    guest.loads.push(Load::new(0x20_0000, vec![1], elf::PF_X));
    let access = parse(&guest).segments()[2].access;
    assert_eq!(access.to_string(), "--x");
}

#[test]
fn an_image_of_every_architecture_is_read() {
    for machine in Machine::ALL {
        let image = parse(&Guest::new(machine));
        assert_eq!(image.machine(), machine);
        assert_eq!(image.entry(), CODE + 0x10);
        let identity = image.identity().expect("a note");
        assert_eq!(identity.flags, Flags::NO_RED_ZONE);
        assert_eq!(image.vcpu_page(), Some(VCPU_PAGE));
        assert_eq!(image.resolver(), Some(DATA + 0x2ff8));

        let [code, data] = image.segments() else {
            panic!("two segments");
        };
        assert_eq!((code.address, code.size), (CODE, 0x40));
        assert_eq!(code.data(), [0x90; 0x40]);
        let executable = Access {
            read: true,
            write: false,
            execute: true,
        };
        assert_eq!(code.access, executable);
        assert_eq!((data.data().len(), data.size), (0x3000, 0x4000));
        assert_eq!(data.end(), DATA + 0x4000);

        let pointer = machine.pointer_size();
        let found: Vec<_> = image.externals().iter().map(|e| (&*e.name, e.slot)).collect();
        let slots = TABLES + 0x800;
        assert_eq!(
            found,
            [
                ("pv_console_write", slots),
                ("pv_port_in", slots + pointer),
                ("pv_shutdown", slots + 2 * pointer)
            ]
        );
        let shutdown = &image.externals()[2];
        assert_eq!(shutdown.symbol, TABLES + 0x400 + 2 * pointer);
        let prototype = shutdown.signature.expect("a prototype").to_string();
        assert_eq!(prototype, "fn(u32, i32) -> !");
    }
}

#[test]
fn the_default_image_is_loadable_on_x86() {
    for machine in [Machine::I386, Machine::X86_64] {
        check_loadable(&parse(&Guest::new(machine)), &Policy::default()).expect("loadable");
    }
}

#[test]
fn a_host_may_have_no_more_than_the_image_needs() {
    let policy = Policy {
        lowest: CODE,
        highest: DATA + 0x4000,
        memory: 0x4040,
        ..Policy::default()
    };
    check_loadable(&parse(&Guest::new(Machine::X86_64)), &policy).expect("loadable");
}

#[test]
fn a_red_zone_matters_only_where_there_is_one_and_the_host_writes_there() {
    for (machine, flags, pushes_into_red_zone) in [
        (Machine::X86_64, 1, true),
        (Machine::X86_64, 0, false),
        (Machine::I386, 0, true),
    ] {
        let mut guest = Guest::new(machine);
        let mut descriptor = identity(machine);
        descriptor[8] = flags;
        guest.identify(&descriptor);
        let policy = Policy {
            pushes_into_red_zone,
            ..Policy::default()
        };
        check_loadable(&parse(&guest), &policy).expect("loadable");
    }
}

#[test]
fn segments_may_touch_where_a_page_ends() {
    let mut guest = Guest::new(Machine::X86_64);
    guest.loads[0].size = DATA - CODE;
    check_loadable(&parse(&guest), &Policy::default()).expect("loadable");
}

#[test]
fn segments_of_the_same_access_may_share_a_page() {
    let mut guest = Guest::new(Machine::X86_64);
    let flags = guest.loads[0].flags;
    guest.loads.push(Load::new(CODE + 0x40, vec![0; 8], flags));
    check_loadable(&parse(&guest), &Policy::default()).expect("loadable");
}

#[test]
fn a_section_that_is_not_loaded_is_no_table() {
    let mut guest = Guest::new(Machine::X86_64);
    let mut copy = guest.section("jmptbl").clone();
    copy.allocated = false;
    guest.sections.push(copy);
    assert_eq!(parse(&guest).externals().len(), 3);
}

/// As a linker leaves them where nothing was collected.
#[test]
fn empty_sections_are_left_out_and_are_no_tables() {
    let mut guest = Guest::l4rtems();
    guest.sections.push(Section {
        name: ".data.l4externals.jmptbl".to_owned(),
        address: 0,
        size: 0,
        allocated: true,
        executable: false,
    });
    let image = parse(&guest);
    assert_eq!(image.externals().len(), 3);
    let sizes: Vec<_> = image.sections().iter().map(|s| s.size).collect();
    assert_eq!(sizes.len(), 3);
    assert!(!sizes.contains(&0), "{sizes:?}");
}

#[test]
fn as_many_external_functions_as_the_limit_are_read() {
    const COUNT: usize = 1 << 16;
    const SYMBOLS: u64 = 0x20_0000;
    let mut guest = Guest::l4rtems();
    let table = (TABLES as u32).to_le_bytes().repeat(2 * COUNT);
    let size = table.len() as u64 / 2;
    guest.loads.push(Load::new(SYMBOLS, table, elf::PF_R | elf::PF_W));
    for (part, address) in [("symtab", SYMBOLS), ("jmptbl", SYMBOLS + size)] {
        let section = guest.section(part);
        (section.address, section.size) = (address, size);
    }
    let image = parse(&guest);
    assert_eq!(image.externals().len(), COUNT);
    let last = &image.externals()[COUNT - 1];
    assert_eq!(last.slot, SYMBOLS + 2 * size - 4);
}

/// A name of 255 bytes, with the NUL behind it as the last byte of its table.
#[test]
fn the_longest_name_is_read() {
    let name = "n".repeat(255);
    let guest = Guest::with(Machine::X86_64, ".data.l4externals.", &[(&name, None)]);
    assert_eq!(parse(&guest).externals()[0].name, name);
}

#[test]
fn l4rtems_tables_lie_anywhere_and_their_segments_allow_anything() {
    let mut guest = Guest::l4rtems();
    guest.loads[0].flags |= elf::PF_W;
    for part in ["symtab", "jmptbl"] {
        let section = guest.section(part);
        section.address += 1;
        let (address, size) = (section.address, section.size as usize);
        let start = (address - 1 - DATA) as usize;
        let table = guest.loads[1].data[start..start + size].to_vec();
        guest.poke(address, &table);
    }
    let image = parse(&guest);
    let slots: Vec<_> = image.externals().iter().map(|e| e.slot).collect();
    assert_eq!(slots, [TABLES + 0x801, TABLES + 0x805, TABLES + 0x809]);
    assert_eq!(image.externals()[1].name, "l4rtems_timer_start");
    check_loadable(&image, &Policy::l4rtems()).expect("loadable");
}

#[test]
fn an_l4rtems_image_is_read_with_every_slot() {
    let image = parse(&Guest::l4rtems());
    assert_eq!(image.identity(), None);
    let names: Vec<_> = image.externals().iter().map(|e| &*e.name).collect();
    assert_eq!(names, ["l4rtems_outch", "l4rtems_timer_start", "l4rtems_outch"]);
    assert!(image.externals().iter().all(|e| e.signature.is_none()));
    assert_ne!(image.externals()[0].slot, image.externals()[2].slot);
    check_loadable(&image, &Policy::l4rtems()).expect("loadable");
}

#[test]
fn both_spellings_in_one_image_are_read() {
    let mut guest = Guest::new(Machine::I386);
    let entries = [("l4rtems_inch", None)];
    let old = Guest::with(Machine::I386, ".data.l4external.", &entries);
    // The old tables move behind the new ones, in the bytes that the new ones leave free.
    for section in &old.sections {
        let mut moved = section.clone();
        moved.address += 0x200;
        let start = (section.address - DATA) as usize;
        let mut bytes = old.loads[1].data[start..][..section.size as usize].to_vec();
        if moved.name.ends_with("symtab") {
            bytes[1] += 2;
        }
        guest.poke(moved.address, &bytes);
        guest.sections.push(moved);
    }
    let image = parse(&guest);
    assert_eq!(image.externals().len(), 4);
    assert_eq!(image.externals()[3].name, "l4rtems_inch");
}

#[test]
fn an_image_without_external_functions_or_symbols_is_sound() {
    let mut guest = Guest::with(Machine::X86_64, ".data.l4externals.", &[]);
    guest.symbols.clear();
    let image = parse(&guest);
    assert!(image.externals().is_empty() && image.symbols().is_empty());
    assert_eq!(image.resolver(), None);
}

#[test]
fn notes_of_others_are_passed_over() {
    let mut guest = Guest::new(Machine::X86_64);
    let foreign = note("GNU", 3, b"build id");
    let later = note("paravirt", 3, b"");
    guest.notes = [foreign, guest.notes, later].concat();
    assert_eq!(parse(&guest).vcpu_page(), Some(VCPU_PAGE));
}

#[test]
fn an_address_leads_to_the_function_around_it() {
    let mut guest = Guest::new(Machine::X86_64);
    guest.symbols = vec![
        Symbol::new("outer", CODE, 0x20, elf::STT_FUNC),
        Symbol::new("local_label", CODE + 4, 0, elf::STT_NOTYPE),
        Symbol::new("inner", CODE + 8, 4, elf::STT_FUNC),
        Symbol::new("label", CODE + 0x28, 0, elf::STT_NOTYPE),
        Symbol::new("end_of_table", CODE + 0x2a, 0, elf::STT_OBJECT),
        Symbol::new("table", CODE + 0x2c, 4, elf::STT_OBJECT),
        Symbol::new("_ZN4core3fmt5write17h0123456789abcdefE", CODE + 0x30, 8, elf::STT_FUNC),
        Symbol::new("\x1b[31m", CODE + 0x38, 8, elf::STT_FUNC),
    ];
    let image = parse(&guest);
    let at = |offset| {
        let location = image.symbols().function_at(CODE + offset);
        location.map(|location| location.to_string())
    };
    assert_eq!(at(6).as_deref(), Some("outer+0x6"));
    assert_eq!(at(9).as_deref(), Some("inner+0x1"));
    assert_eq!(at(12).as_deref(), Some("outer+0xc"));
    // Behind the functions whose sizes are known.
    assert_eq!(at(0x24).as_deref(), Some("local_label+0x20"));
    assert_eq!(at(0x2d).as_deref(), Some("label+0x5"));
    assert_eq!(at(0x30).as_deref(), Some("core::fmt::write+0x0"));
    assert_eq!(at(0x38).as_deref(), Some("\\u{1b}[31m+0x0"));
    assert_eq!(image.symbols().function_at(CODE - 1), None);
    assert_eq!(image.symbols().address_of("inner"), Some(CODE + 8));
    assert_eq!(image.symbols().address_of("none"), None);
}

#[test]
fn symbols_of_code_are_those_in_the_range_without_variables_and_marks() {
    let mut guest = Guest::new(Machine::Aarch64);
    guest.symbols = vec![
        Symbol::new("before", CODE, 4, elf::STT_FUNC),
        Symbol::new("label", CODE + 4, 0, elf::STT_NOTYPE),
        Symbol::new("first", CODE + 4, 8, elf::STT_FUNC),
        Symbol::new("$x", CODE + 4, 0, elf::STT_NOTYPE),
        Symbol::new("", CODE + 8, 0, elf::STT_NOTYPE),
        Symbol::new("variable", CODE + 8, 4, elf::STT_OBJECT),
        Symbol::new("last", CODE + 0x1f, 1, elf::STT_FUNC),
        Symbol::new("behind", CODE + 0x20, 4, elf::STT_FUNC),
    ];
    let image = parse(&guest);
    assert_eq!(image.symbols().len(), 6);
    assert!(!image.symbols().is_empty());
    let code: Vec<_> = image
        .symbols()
        .code(CODE + 4..CODE + 0x20)
        .into_iter()
        .map(|symbol| (symbol.name(), symbol.address - CODE, symbol.size))
        .collect();
    let expected = [("first", 4, 8), ("label", 4, 0), ("last", 0x1f, 1)];
    assert_eq!(code, expected.map(|(name, at, size)| (name.to_owned(), at, size)));
    let marks: Vec<_> = image.symbols().marks();
    let address = CODE + 4;
    assert_eq!(marks, [Mark { address, is_code: true }]);
}

#[test]
fn marks_say_where_code_is_and_data() {
    let mut guest = Guest::new(Machine::Aarch64);
    let mark = |name, offset| Symbol::new(name, CODE + offset, 0, elf::STT_NOTYPE);
    guest.symbols = vec![
        mark("$x.late", 0x20),
        mark("$x", 0),
        mark("$d", 0),
        mark("$d.5", 8),
        mark("$data", 0x10),
        mark("$", 0x10),
        mark("$xrv64i", 0x10),
        mark("$t", 0x10),
    ];
    let image = parse(&guest);
    let marks = image.symbols().marks();
    let marks: Vec<_> = marks.iter().map(|mark| (mark.address - CODE, mark.is_code)).collect();
    assert_eq!(marks, [(0, false), (0, true), (8, false), (0x20, true)]);
    assert!(image.symbols().is_empty());
}

#[test]
fn the_thumb_bit_is_no_part_of_an_address() {
    let mut guest = Guest::new(Machine::Arm);
    guest.entry = CODE + 0x3f;
    guest.symbols[0] = Symbol::new("thumb", CODE + 0x11, 4, elf::STT_FUNC);
    let image = parse(&guest);
    assert_eq!(image.entry(), CODE + 0x3f);
    let location = image.symbols().function_at(CODE + 0x10).expect("a function");
    assert_eq!(location.to_string(), "thumb+0x0");
}

#[test]
fn backends_are_named_by_their_notes_and_described_by_their_variables() {
    let mut guest = Guest::new(Machine::X86_64);
    let names = [&b"xen\0"[..], b"linux_syscall\0\0\0", b"bare\0\0\0\0"];
    for name in names {
        guest.notes.extend(note("paravirt", 2, name));
    }
    let (slice, functions) = (TABLES + 0xe00, TABLES + 0xd00);
    let (linux, xen, other) = (TABLES + 0xe40, TABLES + 0xe80, TABLES + 0xec0);
    let texts = TABLES + 0xf00;
    let variables = [
        ("__start_linkme_BACKENDS", slice, 0),
        ("__stop_linkme_BACKENDS", slice + 24, 0),
        // Whatever they are called.
        ("_ZN4acme5mycpu17h0123456789abcdefE", linux, 0x28),
        ("_ZN4acme5table17h0123456789abcdefE", functions, 0x30),
        ("_ZN5mycpu3xen7BACKEND17h0123456789abcdefE", xen, 0x28),
        ("_ZN5mycpu5other17h0123456789abcdefE", other, 0x28),
    ];
    guest
        .symbols
        .extend(variables.map(|(name, address, size)| Symbol::new(name, address, size, elf::STT_OBJECT)));
    guest.poke(texts, b"xenlinux_syscall");
    guest.poke(slice, &[xen, linux, other].map(u64::to_le_bytes).concat());
    // A function, a name's address and length, those of the table. What one of them refers to as its table is code.
    let backends = [
        (linux, texts + 3, 13, functions),
        (xen, texts, 3, CODE + 8),
        (other, texts, 2, functions),
    ];
    for (address, name, length, table) in backends {
        let words = [CODE, name, length, table, 2];
        guest.poke(address, &words.map(u64::to_le_bytes).concat());
    }
    // Two elements: a word of something else, a name's address and length. The second length is too short.
    let names = [(TABLES, 16), (TABLES + 17, 9)];
    for (index, (name, length)) in names.into_iter().enumerate() {
        let element = [0x1234, name, length].map(u64::to_le_bytes).concat();
        guest.poke(functions + 24 * index as u64, &element);
    }
    let backend = |name: &str, functions: &[&str]| Backend {
        name: name.to_owned(),
        functions: functions.iter().map(|&name| name.to_owned()).collect(),
    };
    assert_eq!(
        parse(&guest).backends(),
        [
            backend("bare", &[]),
            backend("linux_syscall", &["pv_console_write"]),
            backend("xen", &[])
        ]
    );
    assert_eq!(parse(&guest).backend_names(), ["bare", "linux_syscall", "xen"]);
    assert!(parse(&Guest::new(Machine::X86_64)).backends().is_empty());
}

#[test]
fn as_many_backends_as_the_limit_and_the_longest_names_are_read() {
    let mut guest = Guest::new(Machine::I386);
    let names: Vec<_> = (0..8).map(|index| format!("{index:b>31}")).collect();
    for name in &names {
        let descriptor = format!("{name}\0");
        guest.notes.extend(note("paravirt", 2, descriptor.as_bytes()));
    }
    assert_eq!(parse(&guest).backend_names(), names);
}

#[test]
fn further_entry_points_are_told_by_notes() {
    let mut guest = Guest::new(Machine::X86_64);
    let entries = |guest: &Guest| parse(guest).entries();
    assert_eq!(entries(&guest), Entries::default());
    let pvh = CODE + 4;
    guest.notes.extend(note("Xen", 18, &(pvh as u32).to_le_bytes()));
    guest.notes.extend(note("Xen", 5, b"xen-3.0\0"));
    let expected = Entries {
        pvh: Some(pvh),
        xen_pv: None,
    };
    assert_eq!(entries(&guest), expected);
    guest.notes.extend(note("Xen", 1, &(CODE + 8).to_le_bytes()));
    let expected = Entries {
        xen_pv: Some(CODE + 8),
        ..expected
    };
    assert_eq!(entries(&guest), expected);
}
