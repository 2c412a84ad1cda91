// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of L4RTEMS functions.

use super::Header;

pub(super) fn format(header: &Header<'_>) -> String {
    header
        .functions
        .iter()
        .map(|function| format!("EF({})\n", function.name))
        .collect()
}
