// SPDX-License-Identifier: MIT OR Apache-2.0
//! Links the package's programs as guests.

fn main() {
    paravirt_linkcmds::link!();
}
