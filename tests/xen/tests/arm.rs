// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as the domain that controls the machine, on AArch64.

use paravirt_xen_tests::arm::Domain;

const INPUT: &[u8] = include_bytes!("../../../examples/conformance/input.bin");

#[test]
fn a_guest_runs_wherever_xen_puts_it() {
    for gic in [2, 3] {
        let (printed, end) = Domain::new("hello", gic).run();
        assert_eq!(printed, "Hello from a paravirtualized guest\n");
        assert_eq!(end, "halted");
    }
}

#[test]
fn the_conformance_guest_finds_nothing_amiss() {
    for gic in [2, 3] {
        let (printed, end) = Domain::new("conformance", gic)
            .command_line("all --late-ms 200")
            .typed("console: from a handler ... ok", INPUT)
            .run();
        assert!(
            printed.contains("conformance: 38 ok, 2 not offered, 0 failed\n"),
            "{printed}"
        );
        assert!(
            printed.contains("1,000 ticks at 1 kHz, counted by the clock ... ok\n"),
            "{printed}"
        );
        assert_eq!(end, "halted");
    }
}

/// Where the image is, where its addresses would be, and where Xen put its device tree.
#[test]
fn all_memory_can_be_used() {
    let (printed, end) = Domain::new("xen-domain", 3).command_line("memory").run();
    let pages = printed.strip_suffix(" pages, 0 of them bad\n");
    let pages: u32 = pages.and_then(|pages| pages.parse().ok()).expect(&printed);
    // 64 MiB, less the image.
    assert!((16_200..16_384).contains(&pages), "{printed}");
    assert_eq!(end, "halted");
}

#[test]
fn an_event_that_nobody_has_bound_is_reported_once_and_masked() {
    for gic in [2, 3] {
        let (printed, end) = Domain::new("xen-domain", gic).command_line("stray").run();
        let lines: Vec<&str> = printed.lines().collect();
        let [report, one, still_one] = lines[..] else {
            panic!("{printed}");
        };
        assert!(
            report.starts_with("paravirt: event on channel ") && report.ends_with(", which nobody has bound; masked")
        );
        assert_eq!([one, still_one], ["spurious: 1"; 2]);
        assert_eq!(end, "halted");
    }
}

#[test]
fn a_guest_that_gives_up_crashes_its_domain() {
    let (printed, end) = Domain::new("conformance", 3).command_line("fatal").run();
    assert_eq!((printed.as_str(), end.as_str()), ("fatal: conformance\n", "crashed"));
}

#[test]
fn an_image_that_cannot_be_moved_says_so() {
    // What is mapped by 2 MiB cannot be moved by less.
    let (printed, end) = Domain::new("hello", 3).asking_for(0x20_0000).run();
    assert!(
        printed.starts_with("paravirt: this image was loaded beside its addresses, "),
        "{printed}"
    );
    assert_eq!(end, "crashed");
}
