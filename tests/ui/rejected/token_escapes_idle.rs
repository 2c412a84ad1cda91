// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between two looks, interrupts are on.
use paravirt_bsp::cpu;

fn main() {
    let mut escaped = None;
    cpu::idle_until(|section| {
        escaped = Some(section);
        true
    });
    let _section = escaped;
}
