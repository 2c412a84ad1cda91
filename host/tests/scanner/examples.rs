// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scanner on the finished example guests.

use pvhost::audit::{Allowlist, audit};
use pvhost::image::{External, Image, Machine, check_loadable};
use pvhost::provides::{Fit, Host};
use test_support::{Arch, guest};

use crate::program::{Folder, text};

/// An example guest for that architecture.
fn open(machine: Machine, name: &str) -> Image {
    let arch = match machine {
        Machine::I386 => Arch::I386,
        Machine::Aarch64 => Arch::Aarch64,
        _ => Arch::X86_64,
    };
    Image::open(&guest(arch, name)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_process_host_fits_every_example() {
    let host = Host::find("process").expect("known");
    for machine in [Machine::I386, Machine::X86_64] {
        for name in ["hello", "ticker", "echo", "irq"] {
            let image = open(machine, name);
            assert_eq!(image.machine(), machine);
            check_loadable(&image, &host.policy()).unwrap_or_else(|error| panic!("{error}"));
            assert!(image.resolver().is_some(), "{name}: no resolver variable");
            assert!(!image.externals().is_empty());
            let names: Vec<_> = image.externals().iter().map(|e| &e.name).collect();
            assert!(names.is_sorted(), "{name}: {names:?}");
            for external in image.externals() {
                assert_eq!(
                    host.provides(machine).fit(external, machine.width()),
                    Fit::Fits,
                    "{name}: {}",
                    external.name
                );
            }
            let backends = image.backends();
            let backend = backends
                .iter()
                .find(|backend| backend.name == "linux_syscall")
                .unwrap_or_else(|| panic!("{name}: {backends:?}"));
            assert_eq!(backend.functions.len(), names.len(), "{name}: {backend:?}");
            let entry = image.symbols().function_at(image.entry()).expect("a symbol");
            assert_eq!(entry.offset, 0, "{name}: entry at {entry}");
        }
    }
}

#[test]
fn the_hosts_in_qemu_provide_what_the_backends_do() {
    for machine in [Machine::I386, Machine::X86_64, Machine::Aarch64] {
        // It asks for every function of the interface.
        let image = open(machine, "conformance");
        for (host, backend) in [
            ("qemu", "bare"),
            ("xen-pv", "xen"),
            ("xen-pvh", "xen"),
            ("xen-domu", "xen"),
        ] {
            let host = Host::find(host).expect("known");
            if !host.policy().machines.contains(&machine) {
                continue;
            }
            let provides = host.provides(machine);
            let fits = |external: &&External| provides.fit(external, machine.width()) == Fit::Fits;
            let fitting = image.externals().iter().filter(fits);
            let names: Vec<_> = fitting.map(|external| external.name.clone()).collect();
            let backends = image.backends();
            let backend = backends.iter().find(|found| found.name == backend);
            assert_eq!(backend.map(|backend| &backend.functions), Some(&names), "{machine}");
        }
    }
}

/// What is left in a guest is the guest layer's; but a guest made to misbehave is found out.
#[test]
fn only_a_guest_that_misbehaves_has_instructions_that_are_not_allowed() {
    let x86: [&[&str]; 3] = [
        &["hello", "ticker", "echo", "irq", "c-hello"],
        &["fault"],
        &["cli", "hlt", "out"],
    ];
    let aarch64: [&[&str]; 3] = [
        &["hello", "conformance", "el1-bare", "own-function"],
        &["el1"],
        &["msr to sctlr_el3", "svc 0x0"],
    ];
    for (machine, [good, bad, expected]) in [
        (Machine::I386, x86),
        (Machine::X86_64, x86),
        (Machine::Aarch64, aarch64),
    ] {
        let left = |name: &str| {
            let image = open(machine, name);
            let layer = Allowlist::of_layer(&image);
            let mut left = audit(&image).expect("code").findings;
            left.retain(|finding| layer.rule_for(finding).is_none());
            left
        };
        for name in good {
            assert_eq!(left(name), [], "{machine} {name}");
        }
        let names: Vec<_> = left(bad[0]).into_iter().map(|f| f.instruction).collect();
        for expected in expected {
            assert!(names.iter().any(|name| name == *expected), "{machine}: {names:?}");
        }
    }
}

/// Every command that looks at a guest does so at one for AArch64, on whatever machine.
#[test]
fn the_program_looks_at_a_guest_for_aarch64() {
    let folder = Folder::new();
    std::fs::copy(guest(Arch::Aarch64, "hello"), folder.path().join("hello")).expect("a copy");
    folder.write(
        "host.txt",
        "pv_console_write fn(*const c_void, usize) -> isize @ 0x40001000\npv_shutdown @ 0x40001010\n",
    );
    for (arguments, expected) in [
        ("list hello", "hello: aarch64, entry 0x402"),
        ("list hello", "backends: bare, linux_syscall, xen"),
        (
            "check hello --host qemu",
            "qemu fits hello (aarch64): 2 of 2 functions provided",
        ),
        (
            "check hello --host xen",
            "xen-domu fits hello (aarch64): 2 of 2 functions provided",
        ),
        ("check hello --provides host.txt", "host.txt fits hello (aarch64)"),
        ("audit hello", "hello (aarch64): 0 not allowed, 0 allowed, "),
        ("header hello --format func-list", "EF(pv_shutdown)"),
        (
            "bind hello --provides host.txt -o bound",
            "bound: 2 of 2 slots bound (aarch64)",
        ),
        ("list bound", "bound: aarch64, entry 0x402"),
    ] {
        let output = folder.run(arguments);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(
            output.status.success() && said.contains(expected),
            "{arguments}: {said}"
        );
    }
    // Nothing but the slots differs.
    let [hello, bound] = ["hello", "bound"].map(|name| std::fs::read(folder.path().join(name)).expect("a file"));
    let differ = hello.iter().zip(&bound).filter(|(one, other)| one != other).count();
    assert!(
        hello.len() == bound.len() && (1..=16).contains(&differ),
        "{differ} bytes"
    );
}
