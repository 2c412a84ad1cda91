// SPDX-License-Identifier: MIT OR Apache-2.0
//! Breakpoints: instructions that are written over the guest's, which nobody sees who reads memory through here.

use std::collections::BTreeMap;

use super::Machine;

/// The breakpoint instruction, which traps behind itself.
const INT3: u8 = 0xcc;

/// More are refused: each is an entry here.
const MOST: usize = 4096;

/// Addresses, and what is under each.
#[derive(Debug, Default)]
pub(super) struct Breakpoints(BTreeMap<u64, u8>);

impl Breakpoints {
    /// Returns whether there is one at `address`.
    pub(super) fn has(&self, address: u64) -> bool {
        self.0.contains_key(&address)
    }

    /// Sets one. Returns whether it could be: only the guest's own code can have one.
    pub(super) fn add(&mut self, machine: &mut impl Machine, address: u64) -> bool {
        if self.has(address) {
            return true;
        }
        let mut byte = [0];
        if self.0.len() >= MOST || !machine.is_code(address) || machine.read(address, &mut byte) != 1 {
            return false;
        }
        let is_set = machine.write(address, &[INT3]);
        if is_set {
            self.0.insert(address, byte[0]);
        }
        is_set
    }

    /// Removes one. Returns whether there was one.
    pub(super) fn remove(&mut self, machine: &mut impl Machine, address: u64) -> bool {
        match self.0.remove(&address) {
            Some(byte) => machine.write(address, &[byte]),
            None => false,
        }
    }

    /// Removes all.
    pub(super) fn clear(&mut self, machine: &mut impl Machine) {
        for (address, byte) in std::mem::take(&mut self.0) {
            machine.write(address, &[byte]);
        }
    }

    /// Puts what is under breakpoints into bytes that were read at `address`.
    pub(super) fn hide(&self, address: u64, bytes: &mut [u8]) {
        let end = address.saturating_add(bytes.len() as u64);
        for (at, byte) in self.0.range(address..end) {
            bytes[(at - address) as usize] = *byte;
        }
    }

    /// Writes memory under the breakpoints. Returns whether it could.
    pub(super) fn write(&mut self, machine: &mut impl Machine, address: u64, bytes: &[u8]) -> bool {
        let end = address.saturating_add(bytes.len() as u64);
        let mut written = bytes.to_vec();
        for (at, _) in self.0.range(address..end) {
            written[(at - address) as usize] = INT3;
        }
        if !machine.write(address, &written) {
            return false;
        }
        for (at, byte) in self.0.range_mut(address..end) {
            *byte = bytes[(at - address) as usize];
        }
        true
    }
}
