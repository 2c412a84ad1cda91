// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arbitrary files: whatever the bytes, the parser answers and does not panic.

use proptest::prelude::*;
use pvhost::audit::{audit, check_state};
use pvhost::bind::bind;
use pvhost::image::{Image, Machine, Policy, check_loadable};
use pvhost::provides::Provides;

use crate::guest::{CODE, Guest};

/// Uses everything that an image offers, so that an unchecked value shows.
fn exercise(bytes: Vec<u8>) {
    let Ok(image) = Image::parse("guest", bytes) else {
        return;
    };
    let _ = check_loadable(&image, &Policy::default());
    let _ = image.backends();
    let _ = audit(&image);
    let _ = check_state(&image);
    let _ = bind(&image, &Provides::default(), true);
    for segment in image.segments() {
        assert!(segment.data().len() as u64 <= segment.size);
        assert!(segment.contains(segment.address, segment.size));
        assert!(!segment.contains(segment.address, segment.size + 1));
        let _ = image.symbols().function_at(segment.end());
    }
    let pointer = image.machine().pointer_size();
    for external in image.externals() {
        let segment = image.segment_at(external.slot, pointer).expect("a segment");
        assert!(segment.access.write);
        // The L4RTEMS tables lie anywhere.
        let l4rtems = image.machine() == Machine::I386 && external.signature.is_none();
        assert!(l4rtems || external.slot % pointer == 0);
        assert!(pvhost::prototype::is_identifier(&external.name));
    }
    if let Some(location) = image.symbols().function_at(image.entry()) {
        assert!(!location.to_string().contains('\x1b'));
    }
}

#[test]
fn every_truncation_is_an_error() {
    for machine in [Machine::I386, Machine::X86_64] {
        let bytes = Guest::new(machine).build();
        for length in 0..bytes.len() {
            let error = Image::parse("guest", &bytes[..length]);
            assert!(error.is_err(), "{machine}, {length} of {}", bytes.len());
        }
        assert!(Image::parse("guest", bytes).is_ok());
    }
}

#[test]
fn every_byte_of_the_headers_may_be_any_extreme() {
    for machine in [Machine::I386, Machine::X86_64] {
        let mut guest = Guest::new(machine);
        guest.section_of_code(".text", CODE, 0x40);
        let bytes = guest.build();
        let structure = structure(&bytes);
        for &position in &structure {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] = value;
                exercise(changed);
            }
        }
    }
}

/// Positions outside the zeros that make up most of the data segment.
fn structure(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len())
        .filter(|&position| {
            let around = position.saturating_sub(16)..bytes.len().min(position + 16);
            bytes[around].iter().any(|&byte| byte != 0)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn several_bytes_may_be_anything(
        i386 in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
    ) {
        let machine = if i386 { Machine::I386 } else { Machine::X86_64 };
        let mut guest = Guest::new(machine);
        guest.section_of_code(".text", CODE, 0x40);
        let mut bytes = guest.build();
        let positions = structure(&bytes);
        for (index, value) in changes {
            bytes[*index.get(&positions)] = value;
        }
        exercise(bytes);
    }

    #[test]
    fn the_whole_file_may_be_anything(mut bytes in prop::collection::vec(any::<u8>(), 0..512), elf in any::<bool>()) {
        if elf {
            for (byte, magic) in bytes.iter_mut().zip(*b"\x7fELF\x02\x01\x01") {
                *byte = magic;
            }
        }
        exercise(bytes);
    }
}
