// SPDX-License-Identifier: MIT OR Apache-2.0
//! What handlers share is reached with interrupts off.
use std::cell::Cell;

use critical_section::Mutex;

static TOTAL: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

fn main() {
    TOTAL.borrow().set(1);
}
