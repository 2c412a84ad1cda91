// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hosts by their names on the command line.

use clap::ValueEnum;
use pvhost::image::{Image, Machine};
use pvhost::provides::Host;

/// Where a guest runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum HostName {
    /// A Linux process
    #[default]
    #[value(alias = "linux-process")]
    Process,
    /// The same for L4RTEMS images
    #[value(name = "process-l4rtems", aliases = ["process-2013", "linux-process-2013"])]
    ProcessL4rtems,
    /// QEMU, a machine without a hypervisor
    Qemu,
    /// Xen in QEMU, paravirtualized if the guest can be; for AArch64 as xen-domu
    Xen,
    /// Xen for AArch64 in QEMU, a domain that Xen builds itself
    XenDomu,
    /// Xen in QEMU, paravirtualized (x86-64)
    XenPv,
    /// Xen in QEMU, in a hardware container (PVH)
    XenPvh,
}

impl HostName {
    /// The name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::ProcessL4rtems => "process-l4rtems",
            Self::Qemu => "qemu",
            Self::Xen => "xen",
            Self::XenDomu => "xen-domu",
            Self::XenPv => "xen-pv",
            Self::XenPvh => "xen-pvh",
        }
    }

    /// The host of that name for that image.
    pub(super) fn host(self, image: &Image) -> &'static Host {
        let name = match self {
            Self::Xen if image.machine() == Machine::Aarch64 => Self::XenDomu.name(),
            Self::Xen if image.entries().xen_pv.is_some() => Self::XenPv.name(),
            Self::Xen => Self::XenPvh.name(),
            _ => self.name(),
        };
        Host::find(name).expect("a test finds every host")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvhost::provides::HOSTS;

    #[test]
    fn the_names_are_those_of_the_hosts() {
        let mut names = vec!["xen"];
        names.extend(HOSTS.iter().flat_map(|host| [host.name, host.id]));
        // What it was called before.
        names.push("process-2013");
        names.dedup();
        let mut taken = Vec::new();
        for variant in HostName::value_variants() {
            let value = variant.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), variant.name());
            taken.extend(value.get_name_and_aliases().map(str::to_owned));
        }
        names.sort_unstable();
        taken.sort_unstable();
        assert_eq!(taken, names);
    }
}
