// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is declared as safe has a safe body.
use paravirt_bsp::external::Functions;

/// # Safety
/// It asks something of its caller.
unsafe extern "C" fn stop(_timer: u32) -> i32 {
    0
}

static FUNCTIONS: Functions<1> = paravirt_bsp::in_guest_functions! { pv_timer_stop = stop };

fn main() {}
