// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as domains of Xen.

use paravirt_xen_tests::{Domain, Kind};

/// Numbers of hypercalls.
const MEMORY_OP: u8 = 12;
const XEN_VERSION: u8 = 17;
const EVENT_CHANNEL_OP: u8 = 32;
const HVM_OP: u8 = 34;

/// Runs `test` on each kind of domain.
fn on_each(guest: &str, kinds: &[Kind], test: impl Fn(Kind, Domain)) {
    for &kind in kinds {
        test(kind, Domain::new(kind, guest));
    }
}

const PVH: [Kind; 2] = [Kind::Pvh, Kind::Pvh32];

#[test]
fn the_command_line_arrives() {
    on_each("xen-domain", &Kind::ALL, |_, domain| {
        let outcome = domain.command_line("one  two").run();
        outcome.expect("exit 0", "command line: one two\n");
    });
}

#[test]
fn all_memory_can_be_used() {
    on_each("xen-domain", &Kind::ALL, |_, domain| {
        let outcome = domain.command_line("memory").run();
        outcome.expect("exit 0", " pages, 0 of them bad\n");
        let pages: u32 = outcome
            .printed
            .split_once(" pages")
            .and_then(|(number, _)| number.parse().ok())
            .expect("a number");
        // 48 MiB, less what image, page tables and firmware take.
        assert!((11_500..=12_288).contains(&pages), "{pages} pages");
    });
}

#[test]
fn the_clock_goes_on_and_never_steps_back() {
    on_each("xen-domain", &Kind::ALL, |_, domain| {
        domain
            .command_line("time")
            .run()
            .expect("exit 0", "the clock goes on\n");
    });
}

/// A processor with AVX: Xen lets the domain have it, and the guest's handlers use it.
#[test]
fn registers_survive_interrupts() {
    on_each("numeric", &Kind::ALL, |kind, domain| {
        let processor = match kind {
            // QEMU 7.2 takes `iretq` in user mode for an access of the kernel's, which this would forbid.
            Kind::Pv => "max,-smap",
            Kind::Pvh | Kind::Pvh32 => "max,+svm,+npt",
        };
        let domain = domain.processor(processor).command_line("300 300 0");
        let text = "0 of them with wrong registers; AVX: true\n";
        domain.run().expect("exit 0", text);
    });
}

#[test]
fn an_event_on_a_channel_never_bound_is_reported_once() {
    on_each("xen-domain", &Kind::ALL, |kind, domain| {
        let outcome = domain.command_line(&format!("stray {}", kind.name())).run();
        outcome.expect("exit 0", "spurious: 1\nspurious: 1\n");
        let reports = outcome.printed.matches("which nobody has bound; masked\n").count();
        assert_eq!(reports, 1, "{outcome:?}");
    });
}

#[test]
fn the_console_ring_keeps_its_order_and_its_limits() {
    on_each("xen-ring", &[Kind::Pv], |_, domain| {
        domain.entered_at("entry_ring").run().expect("exit 0", "ring: ok\n");
    });
}

#[test]
fn an_index_of_the_console_ring_out_of_range_is_refused() {
    for (what, text) in [
        (
            "output",
            "the console server's index of consumed output is out of range: 4294967295 of 2048 bytes in use\n",
        ),
        (
            "input",
            "the console server's index of produced input is out of range: 1025 of 1024 bytes in use\n",
        ),
    ] {
        on_each("xen-ring", &[Kind::Pv], |_, domain| {
            let outcome = domain.entered_at("entry_ring").command_line(what).run();
            outcome.expect("fault 1", text);
        });
    }
}

#[test]
fn an_older_xen_is_refused() {
    on_each("xen-domain", &Kind::ALL, |_, domain| {
        let outcome = domain.answering(XEN_VERSION, None, 4 << 16 | 10).run();
        outcome.expect("fault 1", "paravirt: this is Xen 4.10; needed is 4.11 or later\n");
    });
}

#[test]
fn a_missing_feature_is_named() {
    const GET_FEATURES: u8 = 6;
    on_each("xen-domain", &PVH, |_, domain| {
        let outcome = domain.answering(XEN_VERSION, Some(GET_FEATURES), 0).run();
        outcome.expect("fault 1", "it lacks the feature hvm_callback_vector\n");
    });
}

#[test]
fn what_xen_refuses_is_named() {
    on_each("xen-domain", &Kind::ALL, |_, domain| {
        let outcome = domain.answering(EVENT_CHANNEL_OP, None, -28).run();
        outcome.expect("fault 1", "Xen gives no event channel for the timer: error -28\n");
    });
    on_each("xen-domain", &PVH, |_, domain| {
        let outcome = domain.answering(HVM_OP, None, -22).run();
        outcome.expect("fault 1", "Xen does not set the vector of events: error -22\n");
    });
    on_each("xen-domain", &PVH, |_, domain| {
        let outcome = domain.answering(MEMORY_OP, None, -12).run();
        outcome.expect("fault 1", "Xen does not map the shared page: error -12\n");
    });
}

#[test]
fn a_start_info_with_a_wrong_magic_is_refused() {
    on_each("xen-domain", &[Kind::Pv], |_, domain| {
        let outcome = domain.entered_at("entry_wrong_magic").run();
        outcome.expect("fault 1", "does not begin with \"xen-3.\"");
    });
}

#[test]
fn a_fault_before_the_first_output_is_reported() {
    on_each("xen-domain", &[Kind::Pv], |_, domain| {
        let outcome = domain.entered_at("entry_early_fault").run();
        outcome.expect("fault 14", "paravirt: fault: page fault (vector 14");
    });
}

#[test]
fn an_image_without_a_backend_says_what_it_has() {
    on_each("xen-alone", &Kind::ALL, |kind, domain| {
        let outcome = domain.run();
        let text = match kind {
            Kind::Pv => "paravirt: no backend for Xen in this image\n",
            Kind::Pvh | Kind::Pvh32 => "no backend for hypervisor `XenVMMXenVMM` in this image\n",
        };
        outcome.expect("fault 1", text);
        outcome.expect("fault 1", "it has: bare;");
    });
}
