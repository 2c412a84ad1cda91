// SPDX-License-Identifier: MIT OR Apache-2.0
//! `alloc` in a guest: an allocator on the largest piece of memory that the host gives. Prints its arguments, sorted.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use embedded_alloc::LlffHeap;
use paravirt_bsp::abi::start::MemoryKind;
use paravirt_bsp::{println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// Keeps its state in a critical section, so handlers may allocate too.
#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Gives the allocator its memory. Returns whether there is some.
fn start_heap() -> bool {
    let ram = start::memory()
        .iter()
        .filter(|range| range.kind == MemoryKind::Ram as u32)
        .max_by_key(|range| range.size);
    let Some(range) = ram else { return false };
    // SAFETY: once, before anything is allocated; the host gives this memory to the guest, and nobody else here uses
    // it.
    unsafe { HEAP.init(range.start as usize, range.size as usize) };
    true
}

fn main() -> i32 {
    if !start_heap() {
        println!("no memory beside the image");
        return 1;
    }
    let mut words: Vec<String> = start::arguments().map(String::from).collect();
    words.sort();
    println!("{}", words.join(" "));
    0
}
