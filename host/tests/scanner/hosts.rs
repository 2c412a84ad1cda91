// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `provides` says of a host is what the host does.

use std::sync::Mutex;

use paravirt_abi::{interface, l4rtems, sections};
use pvhost::emulator::{self, EmulatorError, VirtualMachine};
use pvhost::image::{Image, Machine};
use pvhost::process::{Builder, Vm};
use pvhost::provides::{Fit, Host};

use crate::guest::{Guest, note};

/// Names of the functions that the host is not said to provide, and of those that it does not bind.
fn missing_and_unbound(host: &str, image: Image, builder: fn(Image) -> Builder) -> (Vec<String>, Vec<String>) {
    let provides = Host::find(host).expect("known").provides(image.machine());
    let width = image.machine().width();
    let missing = image
        .externals()
        .iter()
        .filter(|external| provides.fit(external, width) == Fit::Missing)
        .map(|external| external.name.clone())
        .collect();
    // The prototypes agree, or it would refuse to build.
    let vm = builder(image).build().expect("loadable");
    let unbound = vm.unbound().map(String::from).collect();
    (missing, unbound)
}

/// One guest at a time fits into a process.
static PLACE: Mutex<()> = Mutex::new(());

#[test]
fn the_process_host_binds_what_it_is_said_to_provide() {
    let _place = PLACE.lock();
    for machine in [Machine::I386, Machine::X86_64] {
        let entries: Vec<_> = interface::FUNCTIONS
            .iter()
            .map(|function| {
                let word = function.signature(machine.width()).word();
                (function.name, Some(word))
            })
            .collect();
        let guest = Guest::with(machine, sections::PREFIX, &entries);
        let image = Image::parse("guest", guest.build()).expect("sound");
        let (missing, unbound) = missing_and_unbound("process", image, Vm::builder);
        assert_eq!(unbound, missing, "{machine}");
        assert_eq!(missing, ["pv_port_in", "pv_port_out"], "{machine}");
    }
}

#[test]
fn the_process_host_binds_what_it_is_said_to_provide_to_l4rtems_images() {
    let _place = PLACE.lock();
    let names: Vec<_> = l4rtems::FUNCTIONS.iter().map(|function| function.name).collect();
    // With prototypes, which are compared, and without, as in L4RTEMS: then an image for i386 may do without a note as
    // well.
    for (machine, with_prototypes, with_note) in [
        (Machine::I386, true, true),
        (Machine::I386, false, false),
        (Machine::X86_64, true, true),
        (Machine::X86_64, false, true),
    ] {
        let entries: Vec<_> = l4rtems::FUNCTIONS
            .iter()
            .map(|function| {
                let word = function.signature(machine.width()).word();
                (function.name, with_prototypes.then_some(word))
            })
            .collect();
        let mut guest = Guest::with(machine, sections::L4RTEMS_PREFIX, &entries);
        if !with_note {
            guest.notes.clear();
        }
        let image = Image::parse("guest", guest.build()).expect("sound");
        assert_eq!(image.is_l4rtems(), !with_note);
        let builder = |image| Vm::builder(image).l4rtems();
        let (missing, unbound) = missing_and_unbound("process-l4rtems", image.clone(), builder);
        assert_eq!(unbound, missing, "{machine}");
        assert_eq!(missing, ["l4rtems_inport", "l4rtems_outport"], "{machine}");
        if with_note {
            let (missing, unbound) = missing_and_unbound("process", image, Vm::builder);
            assert_eq!(
                (missing, unbound.len()),
                (names.iter().map(ToString::to_string).collect(), 9),
                "{machine}"
            );
        }
    }
}

#[test]
fn an_image_for_aarch64_must_lie_where_the_machine_has_memory() {
    let mut guest = Guest::new(Machine::Aarch64);
    guest.notes.extend(note("paravirt", 2, b"bare\0\0\0\0"));
    let image = Image::parse("guest", guest.build()).expect("sound");
    let error = emulator::check(&image, VirtualMachine::Bare, 1 << 20).expect_err("below it");
    assert!(
        matches!(
            error,
            EmulatorError::Low {
                lowest: 0x4020_0000,
                ..
            }
        ),
        "{error}"
    );
}
