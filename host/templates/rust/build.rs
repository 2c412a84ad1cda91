// SPDX-License-Identifier: MIT OR Apache-2.0
//! Links the program as a guest.

fn main() {
    paravirt_linkcmds::link!();
}
