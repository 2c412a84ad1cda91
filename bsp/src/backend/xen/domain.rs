// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which kind of domain this is.

use crate::local::Local;

/// Whether it is PV; PVH otherwise.
#[cfg(target_arch = "x86_64")]
static PV: Local<bool> = Local::new(false);
/// Whether its ports can be touched: a PVH domain's always, a PV domain's if Xen has granted them.
static PORTS: Local<bool> = Local::new(true);

/// Says that this is a PV domain, and whether it was granted ports.
#[cfg(target_arch = "x86_64")]
pub(super) fn set_pv(ports: bool) {
    PV.set(true);
    PORTS.set(ports);
}

/// Returns whether this is a PV domain.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_pv() -> bool {
    PV.get()
}

/// Returns whether ports can be touched.
pub(super) fn has_ports() -> bool {
    PORTS.get()
}
