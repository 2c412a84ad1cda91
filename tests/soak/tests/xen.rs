// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as ordinary domains of Xen.

use paravirt_xen_tests::unprivileged::{self, Finished};

/// What is typed into `echo`; the last byte is Ctrl-D.
const TYPED: &[u8] = b"one\ntwo\n\x04";
const INPUT: &[u8] = include_bytes!("../../../examples/conformance/input.bin");

fn check(domains: &[Finished]) {
    for domain in domains {
        println!("{}: {}\n{}", domain.name, domain.state, domain.printed);
        let (expected, state) = match domain.name.rsplit('-').next() {
            Some("hello") => ("Hello from a paravirtualized guest\n", "s"),
            Some("echo") => ("one\ntwo\necho: 8 bytes\n", "s"),
            Some("conformance") => (", 0 failed\n", "s"),
            Some("wall") => (", as it is\n", "s"),
            _ => ("", "sc"),
        };
        assert!(domain.printed.contains(expected) && domain.state == state, "{domain:?}");
    }
}

#[test]
fn guests_run_in_domains_that_xen_s_tools_start() {
    let domains = unprivileged::run(TYPED, INPUT);
    check(&domains);
    // PV and PVH on x86-64, PVH on i386; five in each.
    assert_eq!(domains.len(), 15);
}

#[test]
fn so_they_do_on_aarch64() {
    for gic in [2, 3] {
        let domains = unprivileged::run_on_arm(gic, INPUT);
        check(&domains);
        assert_eq!(domains.len(), 4);
        // All eight bits go through the ring, and no tick is lost.
        let [_, conformance, ..] = &domains[..] else {
            unreachable!()
        };
        for line in [
            "console: input, all eight bits ... ok\n",
            "timer: 1,000 ticks at 1 kHz, counted by the clock ... ok\n",
        ] {
            assert!(conformance.printed.contains(line), "{conformance:?}");
        }
    }
}
