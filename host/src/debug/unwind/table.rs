// SPDX-License-Identifier: MIT OR Apache-2.0
//! One section of unwind tables, and which of its entries is for which code.

use std::collections::HashMap;
use std::fmt::Debug;
use std::ops::Range;

use gimli::{BaseAddresses, CieOrFde, UnwindContext, UnwindOffset, UnwindSection};

use super::machine::Machine;
use super::{Bytes, WalkEnd};

/// A section with a list of its entries.
#[derive(Debug)]
pub(super) struct Table<'a, S> {
    section: S,
    bases: BaseAddresses,
    size: usize,
    /// Sorted by the code's start.
    entries: Vec<Entry>,
    bytes: std::marker::PhantomData<&'a [u8]>,
}

/// An entry (an FDE).
#[derive(Clone, Debug)]
struct Entry {
    code: Range<u64>,
    offset: usize,
}

impl<'a, S: UnwindSection<Bytes<'a>> + Debug> Table<'a, S> {
    /// Of a section of `size` bytes at `address`. It is read as far as it can be.
    pub(super) fn new(section: S, address: u64, size: usize) -> Self {
        // Values are relative to where they stand, or to sections that these images do not have.
        let bases = BaseAddresses::default().set_eh_frame(address).set_text(0).set_got(0);
        let mut entries = Vec::new();
        // What many entries have in common is read once.
        let mut common = HashMap::new();
        let mut all = section.entries(&bases);
        while let Ok(Some(entry)) = all.next() {
            let CieOrFde::Fde(partial) = entry else {
                continue;
            };
            let parsed = partial.parse(|section, bases, offset| {
                let place = UnwindOffset::into(offset);
                if let Some(known) = common.get(&place) {
                    return Result::clone(known);
                }
                let cie = section.cie_from_offset(bases, offset);
                common.insert(place, cie.clone());
                cie
            });
            let Ok(fde) = parsed else {
                continue;
            };
            // The linker leaves 0 for code that it has dropped.
            if fde.initial_address() != 0 && fde.len() > 0 {
                entries.push(Entry {
                    code: fde.initial_address()..fde.end_address(),
                    offset: fde.offset(),
                });
            }
        }
        entries.sort_by_key(|entry| entry.code.start);
        Self {
            section,
            bases,
            size,
            entries,
            bytes: std::marker::PhantomData,
        }
    }

    /// Size of the section in bytes.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Applies the entry for the code at `place`: the registers become the caller's. Returns whether the caller was
    /// interrupted; `None`: there is no such entry.
    pub(super) fn step(&self, place: u64, machine: &mut Machine<'_>) -> Option<Result<bool, WalkEnd>> {
        let after = self.entries.partition_point(|entry| entry.code.start <= place);
        let entry = self.entries.get(after.checked_sub(1)?)?;
        if !entry.code.contains(&place) {
            return None;
        }
        Some(self.apply(entry.offset, place, machine))
    }

    fn apply(&self, offset: usize, place: u64, machine: &mut Machine<'_>) -> Result<bool, WalkEnd> {
        let bad = WalkEnd::BadTable(place);
        let fde = self
            .section
            .fde_from_offset(&self.bases, S::Offset::from(offset), S::cie_from_offset)
            .map_err(|_| bad)?;
        let cie = fde.cie();
        machine
            .budget
            .spend(fde.entry_len().saturating_add(cie.entry_len()))
            .map_err(|_| bad)?;
        let mut context = UnwindContext::new();
        let row = fde
            .unwind_info_for_address(&self.section, &self.bases, &mut context, place)
            .map_err(|_| bad)?;
        machine.apply(row, cie.return_address_register(), &self.section, cie.encoding())?;
        Ok(fde.is_signal_trampoline())
    }
}
