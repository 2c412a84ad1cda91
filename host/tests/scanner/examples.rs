// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scanner on the finished example guests.

use pvhost::audit::{Allowlist, audit};
use pvhost::image::{External, Image, Machine, check_loadable};
use pvhost::provides::{Fit, Host};
use test_support::{Arch, guest};

/// An example guest for that architecture.
fn open(machine: Machine, name: &str) -> Image {
    let arch = match machine {
        Machine::I386 => Arch::I386,
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
    for machine in [Machine::I386, Machine::X86_64] {
        // It asks for every function of the interface.
        let image = open(machine, "conformance");
        for (host, backend) in [("qemu", "bare"), ("xen-pv", "xen"), ("xen-pvh", "xen")] {
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
    for machine in [Machine::I386, Machine::X86_64] {
        let left = |name: &str| {
            let image = open(machine, name);
            let layer = Allowlist::of_layer(&image);
            let mut left = audit(&image).expect("x86").findings;
            left.retain(|finding| layer.rule_for(finding).is_none());
            left
        };
        for name in ["hello", "ticker", "echo", "irq", "c-hello"] {
            assert_eq!(left(name), [], "{machine} {name}");
        }
        let names: Vec<_> = left("fault").into_iter().map(|f| f.instruction).collect();
        for expected in ["cli", "hlt", "out"] {
            assert!(names.iter().any(|name| name == expected), "{machine}: {names:?}");
        }
    }
}
