// SPDX-License-Identifier: MIT OR Apache-2.0
//! A body has the declared type.
use paravirt_bsp::external::Functions;

extern "C" fn now() -> u32 {
    0
}

static FUNCTIONS: Functions<1> = paravirt_bsp::in_guest_functions! { pv_clock_now = now };

fn main() {}
