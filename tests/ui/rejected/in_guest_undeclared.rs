// SPDX-License-Identifier: MIT OR Apache-2.0
//! A body needs a declaration.
use paravirt_bsp::external::Functions;

unsafe extern "C" fn now() -> u64 {
    0
}

static FUNCTIONS: Functions<1> = paravirt_bsp::in_guest_functions! { board_now = now };

fn main() {}
