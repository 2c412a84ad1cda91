// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest's memory, for those who only look: of a guest in this process, or as its image has it before the start.

use paravirt_abi::signature::Width;

use crate::image::Image;
#[cfg(process_host)]
use crate::process::GuestMemory;

/// Memory of a guest that stands still, or what is known of it.
pub trait ReadMemory {
    /// Reads from `address` on, as many bytes as there are without a gap, and no more than `buffer` holds. Returns how
    /// many; what is behind them in `buffer` stays as it was.
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize;
}

/// The `N` bytes at `address`; `None` if not all of them are there.
#[must_use]
pub fn bytes<const N: usize>(memory: &(impl ReadMemory + ?Sized), address: u64) -> Option<[u8; N]> {
    let mut buffer = [0; N];
    (memory.read(address, &mut buffer) == N).then_some(buffer)
}

/// The guest's 32-bit number at `address`, as x86 keeps it.
#[must_use]
pub fn word(memory: &(impl ReadMemory + ?Sized), address: u64) -> Option<u32> {
    bytes(memory, address).map(u32::from_le_bytes)
}

/// The guest's pointer, or other number of that width, at `address`.
#[must_use]
pub fn pointer(memory: &(impl ReadMemory + ?Sized), address: u64, width: Width) -> Option<u64> {
    match width {
        Width::Bits32 => word(memory, address).map(u64::from),
        Width::Bits64 => bytes(memory, address).map(u64::from_le_bytes),
    }
}

#[cfg(process_host)]
impl ReadMemory for GuestMemory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.read_some(address, buffer)
    }
}

/// As the guest finds it when it starts.
impl ReadMemory for Image {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        // Sorted by address, so one pass finds what follows without a gap.
        for segment in self.segments() {
            let Some(at) = address.checked_add(done as u64) else {
                break;
            };
            if done == buffer.len() || !segment.contains(at, 1) {
                continue;
            }
            let offset = at - segment.address;
            let rest = &mut buffer[done..];
            let size = (segment.size - offset).min(rest.len() as u64) as usize;
            // What the file does not have is zero.
            let data = segment.data().get(offset as usize..).unwrap_or_default();
            let from_file = data.len().min(size);
            rest[..from_file].copy_from_slice(&data[..from_file]);
            rest[from_file..size].fill(0);
            done += size;
        }
        done
    }
}
