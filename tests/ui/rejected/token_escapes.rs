// SPDX-License-Identifier: MIT OR Apache-2.0
//! With interrupts on again, the token would be a lie.
use paravirt_bsp::cpu;

fn main() {
    let _section = cpu::without_interrupts(|section| section);
}
