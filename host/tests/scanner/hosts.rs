// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `provides` says of a host is what the host does.

use paravirt_abi::{interface, sections};
use pvhost::image::{Image, Machine};
use pvhost::process::Vm;
use pvhost::provides::{Fit, Host};

use crate::guest::Guest;

#[test]
fn the_process_host_binds_what_it_is_said_to_provide() {
    let host = Host::find("linux-process").expect("known");
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
        let provides = host.provides(machine);
        let missing: Vec<_> = image
            .externals()
            .iter()
            .filter(|external| provides.fit(external) != Fit::Fits)
            .map(|external| external.name.clone())
            .collect();
        // The prototypes agree, or it would refuse to build.
        let vm = Vm::builder(image).build().expect("loadable");
        let unbound: Vec<_> = vm.unbound().map(String::from).collect();
        assert_eq!(unbound, missing, "{machine}");
    }
}
