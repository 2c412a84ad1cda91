// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much work debug information may make: a file can say to read the same bytes again and again.

use std::cell::Cell;

/// Steps that are left. A step is about a byte, an attribute or a row of what is read.
#[derive(Debug)]
pub(super) struct Budget {
    left: Cell<usize>,
}

/// There are no steps left.
#[derive(Debug)]
pub(super) struct Exhausted;

impl Budget {
    /// Steps for a file of that many bytes of debug information. What compilers write needs a fraction of them.
    pub(super) const fn for_bytes(bytes: usize) -> Self {
        const AT_LEAST: usize = 1 << 16;
        Self {
            left: Cell::new(bytes.saturating_mul(2).saturating_add(AT_LEAST)),
        }
    }

    /// Takes that many.
    pub(super) fn spend(&self, steps: usize) -> Result<(), Exhausted> {
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Exhausted)
            }
        }
    }
}
