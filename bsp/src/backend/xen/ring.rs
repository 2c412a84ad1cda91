// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console ring of a domain that does not control the machine (`struct xencons_interface` in Xen's public headers,
//! version 4.17: `xen/include/public/io/console.h`).
//!
//! Each side only advances its own indices, which run freely and are taken modulo the size. What the server writes is
//! checked: a distance beyond the size would have this side read or overwrite what it must not.

use core::cell::UnsafeCell;
use core::fmt;
#[cfg(target_arch = "x86_64")]
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering, fence};

/// Sizes in bytes.
const INPUT: u32 = 1024;
const OUTPUT: u32 = 2048;

/// The page of the ring.
#[repr(C, align(4096))]
pub(super) struct Ring {
    input: UnsafeCell<[u8; INPUT as usize]>,
    output: UnsafeCell<[u8; OUTPUT as usize]>,
    input_consumer: AtomicU32,
    input_producer: AtomicU32,
    output_consumer: AtomicU32,
    output_producer: AtomicU32,
}

// SAFETY: the indices say which bytes belong to whom; only this vCPU uses this side, with interrupts off.
unsafe impl Sync for Ring {}

/// The server's indices cannot be: more bytes in use than the ring has.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfRange {
    direction: &'static str,
    used: u32,
    size: u32,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, used, size } = self;
        write!(
            f,
            "the console server's index of {direction} is out of range: {used} of {size} bytes in use"
        )
    }
}

impl Ring {
    /// A page in whose place the server's is mapped.
    #[cfg(target_arch = "x86_64")]
    pub(super) const fn new() -> Self {
        // SAFETY: integers all, of which 0 is one.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// Puts as much of `bytes` in as there is room for; the number of bytes. The server is to be told.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, OutOfRange> {
        let producer = self.output_producer.load(Ordering::Relaxed);
        let used = producer.wrapping_sub(self.output_consumer.load(Ordering::Acquire));
        if used > OUTPUT {
            return Err(OutOfRange {
                direction: "consumed output",
                used,
                size: OUTPUT,
            });
        }
        let taken = bytes.len().min((OUTPUT - used) as usize);
        for (index, &byte) in (0u32..).zip(&bytes[..taken]) {
            let at = producer.wrapping_add(index) % OUTPUT;
            // SAFETY: the index lies inside; the bytes from producer to consumer are this side's.
            unsafe {
                self.output.get().cast::<u8>().add(at as usize).write_volatile(byte);
            }
        }
        // The bytes before the index that gives them away.
        self.output_producer
            .store(producer.wrapping_add(taken as u32), Ordering::Release);
        Ok(taken)
    }

    /// Takes at most `length` bytes out; the number of bytes. If there were any, the server is to be told.
    ///
    /// # Safety
    /// `buffer` must be valid for writes of `length` bytes.
    pub(super) unsafe fn read(&self, buffer: *mut u8, length: usize) -> Result<usize, OutOfRange> {
        let consumer = self.input_consumer.load(Ordering::Relaxed);
        let taken = length.min(self.available()? as usize);
        for index in 0..taken {
            let at = consumer.wrapping_add(index as u32) % INPUT;
            // SAFETY: the index lies inside; the bytes from consumer to producer are this side's. The caller answers
            // for the buffer.
            unsafe {
                let byte = self.input.get().cast::<u8>().add(at as usize).read_volatile();
                buffer.add(index).write(byte);
            }
        }
        // The bytes are out before the index that gives their places back.
        fence(Ordering::SeqCst);
        self.input_consumer
            .store(consumer.wrapping_add(taken as u32), Ordering::Release);
        Ok(taken)
    }

    /// How many bytes of input there are.
    pub(super) fn available(&self) -> Result<u32, OutOfRange> {
        let used = self
            .input_producer
            .load(Ordering::Acquire)
            .wrapping_sub(self.input_consumer.load(Ordering::Relaxed));
        if used > INPUT {
            return Err(OutOfRange {
                direction: "produced input",
                used,
                size: INPUT,
            });
        }
        Ok(used)
    }
}
