// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turning interrupts on might end the critical section of somebody else.
use paravirt_bsp::cpu;

fn main() {
    cpu::without_interrupts(|_| {
        cpu::enable_interrupts();
        cpu::restore_interrupts(true);
    });
}
