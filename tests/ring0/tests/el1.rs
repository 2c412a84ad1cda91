// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests at EL1 of an AArch64 machine that QEMU emulates: faults, and loaders and machines that will not do.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use object::{Object, ObjectSymbol};
use paravirt_ring0_tests::Arch;
use vm_fdt::FdtWriter;

/// The machine; semihosting is on, so that what is said before there is a device tree is heard.
struct Machine {
    qemu: Command,
}

/// Where a tree of the test's own lies, the code that enters the image with it, and its stack.
const TREE: u64 = 0x4110_0000;
const TRAMPOLINE: u64 = 0x4100_0000;
const STACK: u64 = 0x4101_0000;

impl Machine {
    fn new(machine: &str) -> Self {
        let mut qemu = Command::new("timeout");
        qemu.args(["--kill-after=5", "60"])
            .arg(test_support::qemu_arm())
            .args(["-M", machine, "-cpu", "cortex-a57", "-m", "32", "-nodefaults"])
            .args(["-display", "none", "-no-reboot", "-serial", "stdio"])
            .args(["-semihosting-config", "enable=on,target=native"]);
        Self { qemu }
    }

    /// Enters the guest as QEMU does.
    fn run(mut self, guest: &str, arguments: &str) -> Output {
        let guest = test_support::guest(Arch::Aarch64, guest);
        self.qemu.arg("-kernel").arg(guest).args(["-append", arguments]);
        self.qemu.output().expect("QEMU starts")
    }

    /// Enters the guest as boot loaders do, with that device tree's address, and a stack of their own.
    fn run_with(self, guest: &str, tree: &[u8], folder: &Path) -> Output {
        self.run_behind(&[], guest, tree, folder)
    }

    /// The same behind that code, an even number of instructions.
    fn run_behind(mut self, code: &[u32], guest: &str, tree: &[u8], folder: &Path) -> Output {
        let guest = test_support::guest(Arch::Aarch64, guest);
        let image = fs::read(&guest).expect("a readable guest");
        let image = object::File::parse(&*image).expect("an ELF file");
        let entry = image.symbols().find(|symbol| symbol.name() == Ok("paravirt_start"));
        // ldr x9, STACK; mov sp, x9; ldr x0, TREE; ldr x9, entry; br x9; nop
        let enter = [
            0x5800_00c9,
            0x9100_013f,
            0x5800_00c0,
            0x5800_00e9,
            0xd61f_0120,
            0xd503_201f,
        ];
        let mut bytes: Vec<u8> = code.iter().chain(&enter).flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(STACK.to_le_bytes());
        bytes.extend(TREE.to_le_bytes());
        bytes.extend(entry.expect("an entry point").address().to_le_bytes());
        let (trampoline, file) = (folder.join("trampoline"), folder.join("tree"));
        fs::write(&trampoline, bytes).expect("a file");
        fs::write(&file, tree).expect("a file");
        let load = |file: &Path, address| {
            let file = file.display();
            format!("loader,file={file},addr={address:#x},force-raw=on")
        };
        self.qemu
            .arg("-device")
            .arg(format!("loader,file={}", guest.display()))
            .args(["-device", &load(&trampoline, TRAMPOLINE), "-device", &load(&file, TREE)])
            .args(["-device", &format!("loader,addr={TRAMPOLINE:#x},cpu-num=0")]);
        self.qemu.output().expect("QEMU starts")
    }
}

/// Sees that the guest has ended with that status, and said so.
#[track_caller]
fn expect(output: &Output, status: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// The machine's own device tree, cut to what it holds.
fn tree(folder: &Path, machine: &str) -> Vec<u8> {
    let file = folder.join("dump");
    let status = Command::new(test_support::qemu_arm())
        .args(["-M", &format!("{machine},dumpdtb={}", file.display())])
        .args(["-cpu", "cortex-a57", "-m", "32", "-display", "none"])
        .output()
        .expect("QEMU starts");
    assert!(status.status.success(), "{status:?}");
    let mut tree = fs::read(file).expect("a tree");
    let word = |at: usize| u32::from_be_bytes(tree[at..at + 4].try_into().expect("four bytes")) as usize;
    let end = (word(8) + word(36)).max(word(12) + word(32));
    tree.truncate(end);
    tree[4..8].copy_from_slice(&(end as u32).to_be_bytes());
    tree
}

/// The tree with other letters in the place of some.
fn replaced(tree: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut tree = tree.to_owned();
    let mut count = 0;
    for at in 0..=tree.len() - old.len() {
        if tree[at..].starts_with(old) {
            tree[at..at + new.len()].copy_from_slice(new);
            count += 1;
        }
    }
    assert!(count > 0, "it is not there");
    tree
}

#[test]
fn each_fault_is_told_of_with_registers() {
    for (what, class, parts) in [
        (
            "null",
            0x25,
            &["data abort", "address 0x8, written", "hint: a null pointer"][..],
        ),
        ("far", 0x25, &["data abort", "address 0x2000000000, read"]),
        ("undefined", 0x00, &["undefined instruction", "hint: an abort"]),
        ("register", 0x00, &["undefined instruction"]),
        ("jump", 0x21, &["instruction abort", "at 0x10, "]),
        (
            "exclusive",
            0x25,
            &["data abort", "which is misaligned", "hint: an exclusive access"],
        ),
        ("overflow", 0x25, &["data abort", "hint: a stack overflow"]),
    ] {
        let output = Machine::new("virt").run("el1", what);
        expect(&output, class, parts);
        expect(
            &output,
            class,
            &[&format!("paravirt: shutdown fault {class}"), "paravirt: x28 "],
        );
        if !["exclusive", "overflow"].contains(&what) {
            expect(&output, class, &["123456789abcdef0"]);
        }
    }
}

#[test]
fn an_entry_at_another_level_is_refused() {
    for gic in [2, 3] {
        for (option, level) in [("virtualization", "EL2"), ("secure", "EL3")] {
            let output = Machine::new(&format!("virt,gic-version={gic},{option}=on")).run("hello", "");
            expect(
                &output,
                1,
                &[&format!("this image was entered at {level}, and runs at EL1")],
            );
        }
    }
}

#[test]
fn a_loader_may_pass_the_device_tree() {
    let folder = tempfile::tempdir().expect("a folder");
    for gic in [2, 3] {
        let machine = format!("virt,gic-version={gic}");
        let tree = tree(folder.path(), &machine);
        let output = Machine::new(&machine).run_with("hello", &tree, folder.path());
        expect(&output, 0, &["Hello from a paravirtualized guest"]);
    }
}

/// What a loader leaves that has used the alarm of the wall clock: its interrupt comes and stays.
#[test]
fn an_interrupt_that_a_loader_has_let_through_is_kept_away() {
    let folder = tempfile::tempdir().expect("a folder");
    // The groups that are on; which processors the interrupt goes to, or nothing.
    for (gic, groups, route) in [(2, 0x5280_0022, 0x3920_8822), (3, 0x5280_0242, 0xd503_201f)] {
        let code = [
            0xd2a1_0001, // mov x1, #0x8000000: the distributor
            0xb900_003f, // str wzr, [x1]
            groups,      // mov w2, #..
            0xb900_0022, // str w2, [x1]
            0x5280_0022, // mov w2, #1
            route,       // strb w2, [x1, #0x822]
            0x5280_1402, // mov w2, #0xa0
            0x3910_8822, // strb w2, [x1, #0x422]: the priority
            0x5280_0082, // mov w2, #1 << 2
            0xb900_8422, // str w2, [x1, #0x84]: group 1
            0xb901_0422, // str w2, [x1, #0x104]: let through
            0xd2a1_2024, // mov x4, #0x9010000: the clock
            0x5280_0025, // mov w5, #1
            0xb900_1085, // str w5, [x4, #0x10]: interrupts
            0xb940_0086, // ldr w6, [x4]
            0xb900_0486, // str w6, [x4, #4]: now
        ];
        let machine = format!("virt,gic-version={gic}");
        let tree = tree(folder.path(), &machine);
        let output = Machine::new(&machine).run_behind(&code, "hello", &tree, folder.path());
        expect(&output, 0, &["Hello from a paravirtualized guest"]);
    }
}

#[test]
fn errors_of_the_system_are_let_through_with_interrupts() {
    let output = Machine::new("virt").run("el1", "errors");
    expect(&output, 0, &["handler: true, idle: true"]);
}

/// What a tree says of the machine `virt` with version 3 of the controller.
#[derive(Clone, Copy)]
struct Virt {
    /// The serial port.
    serial: u64,
    /// How a bus translates its address; empty: it is on none.
    bus: &'static [u32],
    /// The controller's distributor and redistributors, addresses and sizes.
    gic: &'static [[u64; 2]],
    /// Words of an interrupt.
    words: u32,
    /// The property with the timer's interrupts, and what comes before each.
    interrupts: (&'static str, &'static [u32]),
    /// Their names and numbers.
    timers: (&'static [&'static str], &'static [u32]),
    /// Memory that may not be mapped.
    hole: Option<[u64; 2]>,
    /// The guest's.
    arguments: &'static str,
}

const SERIAL: u64 = 0x0900_0000;
const CONTROLLER: u32 = 7;
const DISTRIBUTOR: [u64; 2] = [0x0800_0000, 0x1_0000];
const REDISTRIBUTORS: [u64; 2] = [0x080a_0000, 0xf6_0000];

impl Virt {
    fn new() -> Self {
        Self {
            serial: SERIAL,
            bus: &[],
            gic: &[DISTRIBUTOR, REDISTRIBUTORS],
            words: 3,
            interrupts: ("interrupts", &[]),
            timers: (&[], &[13, 14, 11, 10]),
            hole: None,
            arguments: "",
        }
    }

    fn tree(&self) -> Result<Vec<u8>, vm_fdt::Error> {
        let mut tree = FdtWriter::new()?;
        let root = tree.begin_node("")?;
        tree.property_u32("#address-cells", 2)?;
        tree.property_u32("#size-cells", 2)?;
        let memory = tree.begin_node("memory@40000000")?;
        tree.property_string("device_type", "memory")?;
        tree.property_array_u64("reg", &[0x4000_0000, 0x200_0000])?;
        tree.end_node(memory)?;
        if let Some(hole) = self.hole {
            let reserved = tree.begin_node("reserved-memory")?;
            tree.property_u32("#address-cells", 2)?;
            tree.property_u32("#size-cells", 2)?;
            tree.property_null("ranges")?;
            let node = tree.begin_node("firmware")?;
            tree.property_array_u64("reg", &hole)?;
            tree.property_null("no-map")?;
            tree.end_node(node)?;
            tree.end_node(reserved)?;
        }
        let chosen = tree.begin_node("chosen")?;
        tree.property_string("bootargs", self.arguments)?;
        tree.end_node(chosen)?;
        let gic = tree.begin_node("interrupt-controller@8000000")?;
        tree.property_string("compatible", "arm,gic-v3")?;
        tree.property_null("interrupt-controller")?;
        tree.property_u32("#interrupt-cells", self.words)?;
        tree.property_phandle(CONTROLLER)?;
        tree.property_u32("#redistributor-regions", self.gic.len() as u32 - 1)?;
        tree.property_array_u64("reg", self.gic.as_flattened())?;
        tree.end_node(gic)?;
        let timer = tree.begin_node("timer")?;
        tree.property_string("compatible", "arm,armv8-timer")?;
        let (names, numbers) = self.timers;
        let (property, front) = self.interrupts;
        let interrupts = numbers
            .iter()
            .flat_map(|&number| [front, &self.interrupt([1, number, 4])].concat());
        tree.property_array_u32(property, &interrupts.collect::<Vec<u32>>())?;
        if !names.is_empty() {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            tree.property_string_list("interrupt-names", names)?;
        }
        tree.end_node(timer)?;
        let bus = tree.begin_node("bus")?;
        tree.property_string("compatible", "simple-bus")?;
        tree.property_u32("#address-cells", 1)?;
        tree.property_u32("#size-cells", 1)?;
        tree.property_array_u32("ranges", self.bus)?;
        let serial = tree.begin_node("serial")?;
        tree.property_string("compatible", "arm,pl011")?;
        tree.property_array_u32("reg", &[self.serial as u32, 0x1000])?;
        tree.property_array_u32("interrupts", &self.interrupt([0, 1, 4]))?;
        tree.end_node(serial)?;
        tree.end_node(bus)?;
        tree.end_node(root)?;
        tree.finish()
    }

    /// An interrupt in as many words as it has.
    fn interrupt(&self, words: [u32; 3]) -> Vec<u32> {
        let mut words = words.to_vec();
        words.resize(self.words as usize, 0);
        words
    }

    /// Enters the guest with that tree.
    fn run(&self, guest: &str) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = self.tree().expect("a tree");
        let mut machine = Machine::new("virt,gic-version=3");
        machine.qemu.args(["-smp", "4"]);
        machine.run_with(guest, &tree, folder.path())
    }
}

#[test]
fn a_serial_port_that_does_not_answer_ends_the_guest() {
    let virt = Virt {
        serial: 0x5000_0000,
        ..Virt::new()
    };
    expect(
        &virt.run("hello"),
        0x25,
        &[
            "another fault while one was being reported: data abort at 0x4",
            "address 0x50000018",
            "paravirt: shutdown fault 37",
        ],
    );
}

#[test]
fn a_bus_translates_addresses() {
    let virt = |bus: &'static [u32]| Virt {
        serial: 0x7e00_0000,
        bus,
        ..Virt::new()
    };
    let output = virt(&[
        0x1000_0000,
        0,
        0x0a00_0000,
        0x1000,
        0x7d00_0000,
        0,
        0x0800_0000,
        0x200_0000,
    ])
    .run("hello");
    expect(&output, 0, &["Hello from a paravirtualized guest"]);
    let output = virt(&[0x1000_0000, 0, 0x0a00_0000, 0x1000]).run("hello");
    expect(
        &output,
        0,
        &["the serial port is not used: the device tree gives it no address"],
    );
}

#[test]
fn interrupts_are_found_in_all_their_forms() {
    let takes_interrupts = Virt {
        arguments: "errors",
        ..Virt::new()
    };
    let virt = [
        Virt {
            timers: (&["phys", "virt", "hyp-phys"], &[14, 11, 10]),
            ..takes_interrupts
        },
        Virt {
            interrupts: ("interrupts-extended", &[CONTROLLER]),
            ..takes_interrupts
        },
        Virt {
            words: 4,
            ..takes_interrupts
        },
        // The processor's own redistributor is in the second region.
        Virt {
            gic: &[DISTRIBUTOR, [0x080c_0000, 0x6_0000], [0x080a_0000, 0x2_0000]],
            ..takes_interrupts
        },
    ];
    for (index, virt) in virt.iter().enumerate() {
        println!("{index}");
        expect(&virt.run("el1"), 0, &["handler: true, idle: true"]);
    }
    let virt = Virt {
        timers: (&["phys", "hyp-phys", "other"], &[14, 10, 11]),
        ..Virt::new()
    };
    expect(
        &virt.run("hello"),
        1,
        &["names no interrupt of the processor's virtual timer"],
    );
}

#[test]
fn memory_that_may_not_be_mapped_is_not() {
    let virt = |arguments| Virt {
        hole: Some([0x4170_0000, 0x1000]),
        arguments,
        ..Virt::new()
    };
    expect(
        &virt("").run("el1"),
        0,
        &["to 0x41600000, kind", "0x41800000 to 0x42000000, kind"],
    );
    expect(
        &virt("hole").run("el1"),
        0x25,
        &["address 0x41701000, read or executed, where nothing is mapped"],
    );
}

#[test]
fn a_device_where_the_image_is_is_not_used() {
    let virt = Virt {
        serial: 0x4021_0000,
        ..Virt::new()
    };
    expect(
        &virt.run("hello"),
        0,
        &["the serial port at 0x40210000 is not used, since it cannot be mapped: memory is within the same 2 MiB"],
    );
    let virt = Virt {
        gic: &[[0x4020_0000, 0x1_0000], REDISTRIBUTORS],
        ..Virt::new()
    };
    expect(
        &virt.run("hello"),
        1,
        &["names a device at 0x40200000, which cannot be mapped: memory is within the same 2 MiB"],
    );
}

#[test]
fn a_device_tree_that_is_damaged_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = tree(folder.path(), "virt");
    let word = |at: usize| u32::from_be_bytes(sound[at..at + 4].try_into().expect("four bytes")) as usize;
    let structure = word(8);
    let with = |at: usize, value: u32| {
        let mut tree = sound.clone();
        tree[at..at + 4].copy_from_slice(&value.to_be_bytes());
        tree
    };
    let header = "the device tree is damaged: its header";
    let nodes = "the device tree is damaged: its nodes and properties";
    for (what, tree, part) in [
        (
            "magic",
            with(0, 0xd00d_feee),
            "there is no device tree at 0x41100000: it begins with 0xd00dfeee",
        ),
        ("size", with(4, u32::MAX), header),
        ("no size", with(4, 0), header),
        ("structure", with(8, 0x7fff_fff0), header),
        ("strings", with(12, u32::MAX), header),
        ("version", with(24, 3), header),
        ("token", with(structure + 8, 7), nodes),
        ("nothing", with(structure, 9), "names no interrupt controller"),
        ("length", with(structure + 12, u32::MAX - 1), nodes),
        ("name", with(structure + 16, u32::MAX), nodes),
        (
            "cut",
            {
                let mut tree = with(4, structure as u32 + 64);
                tree.truncate(structure + 64);
                tree
            },
            header,
        ),
    ] {
        let output = Machine::new("virt").run_with("hello", &tree, folder.path());
        println!("{what}");
        expect(&output, 1, &[part, "paravirt: shutdown fault 1"]);
    }
}

#[test]
fn a_machine_that_lacks_something_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = tree(folder.path(), "virt");
    for (old, new, part) in [
        (
            "arm,cortex-a15-gic",
            "arm,cortex-x99-gic",
            "interrupt controller is `arm,cortex-x99-gic`, which this layer does not know",
        ),
        (
            "interrupt-controller",
            "interrupt-controlled",
            "names no interrupt controller",
        ),
        (
            "arm,armv8-timer",
            "arm,armv9-timex",
            "names no interrupt of the processor's virtual timer",
        ),
        ("device_type", "device_tape", "where the device tree has no memory"),
    ] {
        let tree = replaced(&sound, old.as_bytes(), new.as_bytes());
        let output = Machine::new("virt").run_with("hello", &tree, folder.path());
        expect(&output, 1, &[part, "paravirt: shutdown fault 1"]);
    }
    // Output is lost, and nothing else.
    let tree = replaced(&sound, b"arm,pl011", b"arm,pl099");
    let output = Machine::new("virt").run_with("hello", &tree, folder.path());
    expect(&output, 0, &["paravirt: shutdown exit 0"]);
}
