// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hosts that this program knows, and lists of functions for others.
//!
//! A [`Provides`] comes from one of the [`HOSTS`] or from a file ([`parse`]): lines, as [`Provides::parse`] reads them,
//! or the JSON of `pvhost header --format json`; there an address is the member `address`, a text such as
//! `"0x40001000"`.

use paravirt_abi::signature::Width;
use paravirt_abi::{interface, l4rtems};
use paravirt_host_core::l4rtems::is_offered;
pub use paravirt_host_core::provides::{Fit, Listed, Missing, Nearest, Provides, ProvidesError, successor};
use serde::Deserialize;

use crate::image::{EntryPoint, External, Image, Machine, Policy};
use crate::text::Escaped;

/// Why a list of provided functions cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A function in it is not understood.
    #[error(transparent)]
    Function(#[from] ProvidesError),
    /// Not the expected JSON.
    #[error("{file}: {1}; make it with `pvhost header GUEST --format json`", file = Escaped(.0))]
    Json(String, serde_json::Error),
}

/// What of the JSON matters here; other members may be there.
#[derive(Deserialize)]
struct JsonList {
    functions: Vec<JsonFunction>,
}

#[derive(Deserialize)]
struct JsonFunction {
    name: String,
    prototype: Option<String>,
    address: Option<String>,
}

/// Reads a list of functions, lines or JSON. `file` is for messages, `width` the guest's.
///
/// # Errors
/// Names the file, the line and what is expected there.
pub fn parse(file: &str, text: &str, width: Width) -> Result<Provides, ListError> {
    if !text.trim_start().starts_with('{') {
        return Ok(Provides::parse(file, text, width)?);
    }
    let list: JsonList = serde_json::from_str(text).map_err(|reason| ListError::Json(file.to_owned(), reason))?;
    let mut provides = Provides::default();
    for (index, function) in list.functions.iter().enumerate() {
        let listed = Listed {
            name: &function.name,
            prototype: function.prototype.as_deref(),
            address: function.address.as_deref(),
        };
        provides.add(file, index + 1, &listed, width)?;
    }
    Ok(provides)
}

/// A host that this program knows.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name in JSON, which the command line takes, too.
    pub id: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Whether it offers the interface functions for ports, to guests of processors that have any.
    has_ports: bool,
    /// Whether it is for L4RTEMS images, and offers the functions that these call.
    l4rtems: bool,
    /// What it refuses to load.
    policy: fn() -> Policy,
}

/// The hosts known, sorted by name. Those in QEMU provide what the backend for them does, which is in the image.
pub const HOSTS: [Host; 6] = [
    host(
        "process",
        "linux-process",
        "`pvhost run`: a Linux process, without root or KVM",
        || in_process(Policy::default()),
    ),
    Host {
        l4rtems: true,
        ..host(
            "process-l4rtems",
            "linux-process-2013",
            "`pvhost run --compat l4rtems`: the same for L4RTEMS images",
            || in_process(Policy::l4rtems()),
        )
    },
    Host {
        has_ports: true,
        ..host(
            "qemu",
            "qemu",
            "`pvhost run --host qemu`: a machine without a hypervisor, backend `bare`",
            || Policy {
                machines: vec![Machine::I386, Machine::X86_64, Machine::Aarch64],
                ..in_machine("bare", EntryPoint::Machine)
            },
        )
    },
    host(
        "xen-domu",
        "xen-domu",
        "`pvhost run --host xen-domu`: a domain that Xen for AArch64 builds itself, backend `xen`",
        || Policy {
            machines: vec![Machine::Aarch64],
            ..in_machine("xen", EntryPoint::Machine)
        },
    ),
    host(
        "xen-pv",
        "xen-pv",
        "`pvhost run --host xen-pv`: a paravirtualized domain of Xen, backend `xen`",
        || Policy {
            // Xen for 32-bit domains of this kind is not built any more.
            machines: vec![Machine::X86_64],
            ..in_machine("xen", EntryPoint::XenPv)
        },
    ),
    host(
        "xen-pvh",
        "xen-pvh",
        "`pvhost run --host xen-pvh`: a domain of Xen in a hardware container, backend `xen`",
        || in_machine("xen", EntryPoint::Pvh),
    ),
];

/// A host without ports: user mode has none to grant, and Xen grants none.
const fn host(name: &'static str, id: &'static str, summary: &'static str, policy: fn() -> Policy) -> Host {
    Host {
        name,
        id,
        summary,
        has_ports: false,
        l4rtems: false,
        policy,
    }
}

/// The policy of a host whose processor the guest shares: it runs the guests for that.
fn in_process(policy: Policy) -> Policy {
    let machines = if cfg!(target_arch = "aarch64") {
        vec![Machine::Aarch64]
    } else {
        policy.machines
    };
    Policy { machines, ..policy }
}

/// The policy of a host that gives a guest a machine of its own: what is mapped how is the guest's business, and
/// interrupt frames are the processor's.
fn in_machine(backend: &'static str, entry: EntryPoint) -> Policy {
    Policy {
        // Below is what firmware and loader use.
        lowest: 0x10_0000,
        page: 1,
        writable_code: true,
        pushes_into_red_zone: true,
        entry,
        backend: Some(backend),
        ..Policy::default()
    }
}

impl Host {
    /// The host of that name, by whichever of the two.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        HOSTS.iter().find(|host| [host.name, host.id].contains(&name))
    }

    /// What it refuses to load.
    #[must_use]
    pub fn policy(&self) -> Policy {
        (self.policy)()
    }

    /// Returns whether it is for L4RTEMS images.
    #[must_use]
    pub const fn is_for_l4rtems(&self) -> bool {
        self.l4rtems
    }

    /// Returns whether its functions are in the image, in a backend.
    #[must_use]
    pub fn needs_backend(&self) -> bool {
        self.policy().backend.is_some()
    }

    /// The functions it provides to guests of that architecture; none if it cannot run them.
    #[must_use]
    pub fn provides(&self, machine: Machine) -> Provides {
        if !self.policy().machines.contains(&machine) {
            return Provides::default();
        }
        let has_ports = self.has_ports && matches!(machine, Machine::I386 | Machine::X86_64);
        interface::FUNCTIONS
            .iter()
            .filter(|function| has_ports || !function.is_for_ports())
            .chain(
                l4rtems::FUNCTIONS
                    .iter()
                    .filter(|function| self.l4rtems && is_offered(function.name)),
            )
            .map(|function| {
                let signature = function.signature(machine.width());
                (function.name.to_owned(), Some(signature))
            })
            .collect()
    }
}

impl Host {
    /// The functions that this image finds there: those of the host, or those of the backend for it, which is in the
    /// image and may have others than this version's. Where symbols do not tell which those are, they are taken to be
    /// this version's.
    #[must_use]
    pub fn provides_to(&self, image: &Image) -> Provides {
        let provides = self.provides(image.machine());
        let policy = self.policy();
        let mut named: Vec<_> = (image.backends().into_iter())
            .filter(|backend| policy.accepts_backend(&backend.name))
            .flat_map(|backend| backend.functions)
            .collect();
        if named.is_empty() {
            return provides;
        }
        named.sort_unstable();
        let in_backend = |external: &&External| named.binary_search(&external.name).is_ok();
        // A backend is linked with the guest, which declares a function with the same prototype.
        let of_backend =
            (image.externals().iter().filter(in_backend)).map(|external| (external.name.clone(), external.signature));
        of_backend.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prototype;

    fn external(name: &str, prototype: Option<&str>) -> External {
        External {
            name: name.to_owned(),
            slot: 0x10_0000,
            symbol: 0x10_1000,
            signature: prototype.map(|text| prototype::parse(text, Width::Bits64).unwrap()),
        }
    }

    #[test]
    fn a_host_offers_nothing_to_a_machine_it_cannot_run() {
        let host = Host::find("process").unwrap();
        assert_eq!(host.provides(Machine::Riscv64), Provides::default());
        let write = external("pv_console_write", Some("fn(*const u8, usize) -> isize"));
        assert_eq!(host.provides(Machine::X86_64).fit(&write, Width::Bits64), Fit::Fits);
        assert!(matches!(
            host.provides(Machine::I386).fit(&write, Width::Bits32),
            Fit::Mismatch { .. }
        ));
    }

    #[test]
    fn json_is_read_as_well() {
        let json = r#"{"functions": [{"name": "first", "address": "0x1000"}, {"name": "third"}]}"#;
        let provides = parse("list", json, Width::Bits32).unwrap();
        assert_eq!(provides.address("first"), Some(0x1000));
        assert_eq!(provides.address("third"), None);
        let error = parse("list", "{\"functions\": 1}", Width::Bits32).unwrap_err();
        assert!(error.to_string().starts_with("list: invalid type"));
    }

    #[test]
    fn a_misspelt_or_old_name_finds_what_was_meant() {
        let provides = Host::find("process").unwrap().provides(Machine::X86_64);
        let nearest = |name| {
            let fit = provides.fit(&external(name, None), Width::Bits64);
            assert_eq!(fit, Fit::Missing);
            Nearest::new(&provides).to(name)
        };
        assert_eq!(nearest("pv_console_wirte"), ["pv_console_write"]);
        assert_eq!(nearest("pv_timer_top"), ["pv_timer_stop"]);
        assert_eq!(nearest("l4rtems_outch"), ["pv_console_write"]);
        assert_eq!(nearest("l4rtems_timer_start"), ["pv_timer_start"]);
        assert_eq!(nearest("my_sensor"), Vec::<String>::new());
    }
}
