// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which Xen this is.

use super::{hypercall, power};

/// The oldest Xen whose interfaces are used here: the first whose PVH domains are as they are here.
const OLDEST: (u16, u16) = (4, 11);

/// Ends the domain where Xen is too old.
pub(super) fn check() {
    let (major, minor) = hypercall::version();
    if (major, minor) < OLDEST {
        power::refuse(format_args!(
            "this is Xen {major}.{minor}; needed is {}.{} or later",
            OLDEST.0, OLDEST.1
        ));
    }
}
