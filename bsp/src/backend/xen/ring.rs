// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console ring of a domain that does not control the machine (`struct xencons_interface` in Xen's public headers,
//! version 4.17: `xen/include/public/io/console.h`).
//!
//! Each side only advances its own indices, which run freely and are taken modulo the size. What the server writes is
//! checked: a distance beyond the size would have this side read or overwrite what it must not.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use super::{hypercall, stop};
use crate::local::Local;

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

// SAFETY: the indices say which bytes belong to whom; only this vCPU uses this side, see `write` and `read`.
unsafe impl Sync for Ring {}

/// The event channel to the server.
static PORT: Local<u32> = Local::new(0);

pub(super) fn set_port(port: u32) {
    PORT.set(port);
}

impl Ring {
    /// A page in whose place the server's is mapped.
    pub(super) const fn new() -> Self {
        Self {
            input: UnsafeCell::new([0; INPUT as usize]),
            output: UnsafeCell::new([0; OUTPUT as usize]),
            input_consumer: AtomicU32::new(0),
            input_producer: AtomicU32::new(0),
            output_consumer: AtomicU32::new(0),
            output_producer: AtomicU32::new(0),
        }
    }

    /// Puts as much of `bytes` in as there is room for and tells the server; the number of bytes.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        let producer = self.output_producer.load(Ordering::Relaxed);
        let used = producer.wrapping_sub(self.output_consumer.load(Ordering::Acquire));
        if used > OUTPUT {
            stop::refuse(format_args!(
                "the console server's index of consumed output is out of range: {used} of {OUTPUT} bytes in use"
            ));
        }
        let taken = bytes.len().min((OUTPUT - used) as usize);
        for (index, &byte) in (0u32..).zip(&bytes[..taken]) {
            let at = producer.wrapping_add(index) % OUTPUT;
            // SAFETY: the index lies inside; the bytes from producer to consumer are this side's.
            unsafe {
                self.output
                    .get()
                    .cast::<u8>()
                    .add(at as usize)
                    .write_volatile(byte)
            };
        }
        // The bytes before the index that gives them away.
        self.output_producer
            .store(producer.wrapping_add(taken as u32), Ordering::Release);
        hypercall::send(PORT.get());
        taken
    }

    /// Takes at most `length` bytes out and tells the server; the number of bytes.
    ///
    /// # Safety
    /// `buffer` must be valid for writes of `length` bytes.
    pub(super) unsafe fn read(&self, buffer: *mut u8, length: usize) -> usize {
        let consumer = self.input_consumer.load(Ordering::Relaxed);
        let available = self.available(consumer);
        let taken = length.min(available as usize);
        for index in 0..taken {
            let at = consumer.wrapping_add(index as u32) % INPUT;
            // SAFETY: the index lies inside; the bytes from consumer to producer are this side's. The caller answers for the
            // buffer.
            unsafe {
                let byte = self
                    .input
                    .get()
                    .cast::<u8>()
                    .add(at as usize)
                    .read_volatile();
                buffer.add(index).write(byte);
            }
        }
        if taken > 0 {
            // The bytes are out before the index that gives their places back.
            fence(Ordering::SeqCst);
            self.input_consumer
                .store(consumer.wrapping_add(taken as u32), Ordering::Release);
            hypercall::send(PORT.get());
        }
        taken
    }

    /// Whether there is input.
    pub(super) fn has_input(&self) -> bool {
        self.available(self.input_consumer.load(Ordering::Relaxed)) > 0
    }

    fn available(&self, consumer: u32) -> u32 {
        let available = self
            .input_producer
            .load(Ordering::Acquire)
            .wrapping_sub(consumer);
        if available > INPUT {
            stop::refuse(format_args!(
                "the console server's index of produced input is out of range: {available} of {INPUT} bytes in use"
            ));
        }
        available
    }
}
