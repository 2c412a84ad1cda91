// SPDX-License-Identifier: MIT OR Apache-2.0
//! What reads files of others, a function for each command, to be fed with anything. See the README for how.
//!
//! Each takes the bytes of a guest; `check`, `bind` and `audit` take those of their lists as well, if they are no ELF
//! file. Beside a crash, what it promises is checked.

pub mod limits;
mod machine;

pub use machine::gdb;

use paravirt_abi::signature::Width;
use paravirt_abi::{interface, l4rtems};
use pvhost::audit::{Allowlist, check_state};
use pvhost::debug::information::Information;
use pvhost::debug::unwind::{MAX_FRAMES, Unwinder};
use pvhost::fault::{Aarch64Registers, AnyRegisters, Registers};
use pvhost::header::Header;
use pvhost::image::{Image, Machine, Segment, check_loadable};
use pvhost::provides::{self, Fit, HOSTS, Nearest, Provides};

/// The guest, if it is sound. What is wrong with it can be said in any case.
fn parse(bytes: &[u8]) -> Option<Image> {
    Image::parse("guest", bytes).map_err(|error| error.to_string()).ok()
}

/// `pvhost list`: all that an image says.
///
/// # Panics
/// If it promises too much.
pub fn scan(bytes: &[u8]) {
    let Some(image) = parse(bytes) else {
        return;
    };
    let symbols = image.symbols();
    for segment in image.segments() {
        assert!(segment.data().len() as u64 <= segment.size);
        assert!(segment.contains(segment.address, segment.size));
        for address in [segment.address, segment.end()] {
            let _ = symbols.function_at(address).map(|found| found.to_string());
        }
    }
    for pair in image.segments().windows(2) {
        assert!(pair[0].end() <= pair[1].address);
    }
    let pointer = image.machine().pointer_size();
    for external in image.externals() {
        let segment = image.segment_at(external.slot, pointer).expect("a segment");
        assert!(segment.access.write);
        assert!(pvhost::prototype::is_identifier(&external.name));
    }
    for backend in image.backends() {
        assert!(image.backend_names().contains(&backend.name));
        assert!(backend.functions.is_sorted());
    }
    assert!(image.sections().iter().all(|section| section.size > 0));
    for name in ["__stack_start", "__l4_external_resolver"] {
        let _ = symbols.address_of(name);
    }
}

/// `pvhost check`: each host that is known, a list of functions, and the state that the code uses.
pub fn check(bytes: &[u8]) {
    let Some(image) = parse(bytes) else {
        if let Ok(text) = str::from_utf8(bytes) {
            for width in [Width::Bits32, Width::Bits64] {
                let read = provides::parse("list", text, width);
                let _ = read.map_err(|error| error.to_string());
            }
        }
        return;
    };
    let width = image.machine().width();
    for host in &HOSTS {
        let refused = check_loadable(&image, &host.policy());
        let _ = refused.map_err(|error| error.to_string());
        let provides = host.provides(image.machine());
        let mut nearest = Nearest::new(&provides);
        for external in image.externals() {
            if provides.fit(external, width) == Fit::Missing {
                let _ = nearest.to(&external.name);
            }
        }
    }
    let _ = check_state(&image).map_err(|error| error.to_string());
}

/// Reports of faults: whatever the registers, and what lies on the stack, of what the file says of debug information.
///
/// # Panics
/// If a walk has no end.
pub fn debug(bytes: &[u8]) {
    /// Places in each segment of code.
    const PLACES: u64 = 8;
    let Some(image) = parse(bytes) else {
        return;
    };
    let registers = |general, instruction| -> AnyRegisters {
        match image.machine() {
            Machine::I386 | Machine::X86_64 => Registers {
                general: [general; 16],
                instruction,
                flags: 0,
            }
            .into(),
            _ => Aarch64Registers {
                general: [general; 31],
                stack: general,
                instruction,
                flags: 0,
            }
            .into(),
        }
    };
    if !matches!(image.machine(), Machine::I386 | Machine::X86_64 | Machine::Aarch64) {
        return;
    }
    let of_code = |segment: &&Segment| segment.access.execute;
    let code = image.segments().iter().filter(of_code);
    // The image itself is the memory, with return addresses where it has some.
    let stack = image.segments().last().map_or(0, |segment| segment.address);
    let unwinder = Unwinder::new(&image);
    let mut places = vec![image.entry()];
    places.extend(code.flat_map(|segment| (0..PLACES).map(|place| segment.address + segment.size / PLACES * place)));
    for &instruction in &places {
        let walk = unwinder.walk(&registers(stack, instruction), true, &image);
        assert!((1..=MAX_FRAMES).contains(&walk.frames.len()));
        let walk = unwinder.walk(&registers(instruction, instruction), false, &image);
        let _ = walk.end.to_string();
    }
    if let Some(information) = Information::new(&image) {
        let sources = information.sources(&places);
        assert_eq!(sources.len(), places.len());
        for source in sources.iter().flatten() {
            assert!(!source.to_string().contains('\x1b'));
        }
    }
}

/// `pvhost bind`: to a host that has all functions of the ABI.
///
/// # Panics
/// If anything but a slot differs.
pub fn bind(bytes: &[u8]) {
    const ADDRESS: u64 = 0x4000_1000;
    let Some(image) = parse(bytes) else {
        return;
    };
    let mut list = String::new();
    for function in interface::FUNCTIONS.iter().chain(&l4rtems::FUNCTIONS) {
        list += &format!("{} @ {ADDRESS:#x}\n", function.name);
    }
    let provides = Provides::parse("list", &list, image.machine().width()).expect("a sound list");
    for partial in [false, true] {
        let Ok(bound) = pvhost::bind::bind(&image, &provides, partial) else {
            continue;
        };
        let pointer = image.machine().pointer_size() as usize;
        let mut changed = bytes.to_vec();
        for slot in bound.slots.iter().filter(|slot| slot.address.is_some()) {
            let start = image.file_offset(slot.slot, pointer).expect("in the file");
            changed[start..start + pointer].copy_from_slice(&ADDRESS.to_le_bytes()[..pointer]);
        }
        assert!(bound.file == changed);
    }
}

/// `pvhost audit`: what is found, and what the lists of the layer allow; or a list of what is allowed.
///
/// # Panics
/// If more is decoded than there is.
pub fn audit(bytes: &[u8]) {
    let Some(image) = parse(bytes) else {
        if let Ok(text) = str::from_utf8(bytes) {
            let _ = Allowlist::parse("list", text).map_err(|error| error.to_string());
        }
        return;
    };
    let audit = match pvhost::audit::audit(&image) {
        Ok(audit) => audit,
        Err(error) => return drop(error.to_string()),
    };
    let missed: u64 = audit.gaps.iter().map(|gap| gap.size).sum();
    assert!(audit.decoded + missed <= bytes.len() as u64);
    assert!(audit.findings.is_sorted_by_key(|finding| finding.address));
    assert!(audit.gaps.is_sorted_by_key(|gap| gap.address));
    let layer = Allowlist::of_layer(&image);
    for finding in &audit.findings {
        let _ = layer.rule_for(finding);
    }
    let _ = layer.unused(&audit.findings).count();
}

/// `pvhost header`: in every format.
///
/// # Panics
/// If the guest would not fit a host that has what the header says.
pub fn header(bytes: &[u8]) {
    let Some(image) = parse(bytes) else {
        return;
    };
    let header = Header::new(&image, "guest");
    for text in [header.c(), header.rust()] {
        assert!(text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
    }
    let width = image.machine().width();
    let json = header.json().expect("plain texts");
    for list in [header.func_list(), json] {
        let provides = provides::parse("list", &list, width).expect("a list that is read back");
        // What an image says of the L4RTEMS names need not be true.
        let fits = |fit| matches!(fit, Fit::Fits | Fit::Unchecked | Fit::Mismatch { .. });
        for external in image.externals() {
            assert!(fits(provides.fit(external, width)), "{}", external.name);
        }
    }
}
