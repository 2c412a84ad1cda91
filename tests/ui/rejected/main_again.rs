// SPDX-License-Identifier: MIT OR Apache-2.0
//! Only start-up calls `main`: it turns interrupts on before, which would end a critical section.
paravirt_bsp::image! { main: run }

fn run() {
    paravirt_main();
}

fn main() {}
