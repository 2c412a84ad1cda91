// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a processor out of reset to Rust: down to EL1, floating point, memory management, vectors.
//!
//! Nothing here but the last call is compiled: with the memory management unit off, memory is as a device's, where
//! accesses must be aligned, which compilers do not know. Until then the image also runs wherever it was loaded, as Xen
//! does with the domain that controls the machine; from then on it is at its addresses, in whatever memory.

use core::ffi::c_void;

use super::paging::{self, BLOCK, HERE, IMAGE, PAGE, STACK, TABLE, TABLES, TREE, TREE_SIZE};
use super::vectors::{FAULT_STACK, FAULT_STACK_SIZE};
use super::{device_tree, message, psci, qemu, serial, stop};
use crate::start::{self, Entry, EntryPoint};

/// `SCR_EL3` for a world in which nothing is left to EL3: EL2 and EL1 are 64-bit and not secure, `hvc` works.
const SCR_EL3: u32 = 1 << 10 | 1 << 8 | 3 << 4 | 1;
/// `CPTR_EL2`: nothing is trapped.
const CPTR_EL2: u32 = 0x33ff;
/// `SPSR` of EL1 on `SP_EL1`, with everything kept away.
const TO_EL1: u32 = 0x3c5;
/// `SCTLR_EL1`, memory management off: the bits that are always 1; little-endian.
const SCTLR_OFF: u32 = 0x30d0_0800;
/// And on, with caches, and misaligned stack pointers a fault.
const SCTLR_ON: u32 = SCTLR_OFF | 1 << 12 | 1 << 3 | 1 << 2 | 1;
/// `MAIR_EL1`: 0: devices, 1: memory, write-back.
const MAIR: u32 = 0xff04;
/// `TCR_EL1` but for the size of physical addresses: 39 bits of virtual ones, pages of 4 KiB, tables in cached shared
/// memory, nothing in the upper half.
const TCR: u32 = 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25;

asm_function! {
    "__paravirt_el1", align: 4; // x0: address of a device tree, or 0
    "    .cfi_startproc",
    "    .cfi_undefined x30",                // nobody called it
    "    mov x20, x0",
    "    mrs x21, currentel",
    "    lsr x21, x21, #2",
    "    adr x22, 3f",
    "    mov x23, #{to_el1}",
    "    movz w24, #{sctlr_off_low}",
    "    movk w24, #{sctlr_off_high}, lsl #16",
    "    msr sctlr_el1, x24",
    "    cmp x21, #2",
    "    b.lo 3f",
    "    b.eq 1f",
    "    mov x9, #{scr_el3}",                // EL3
    "    msr scr_el3, x9",
    "    msr cptr_el3, xzr",
    "    isb",
    "    mrs x9, id_aa64pfr0_el1",
    "    ubfx x9, x9, #8, #4",               // is there an EL2?
    "    cbz x9, 2f",
    "1:  mov x9, #(1 << 31)",                // EL2: EL1 is 64-bit, and nothing of it is trapped
    "    msr hcr_el2, x9",
    "    mov x9, #{cptr_el2}",
    "    msr cptr_el2, x9",
    "    mov x9, #3",                        // EL1 may use counter and timer
    "    msr cnthctl_el2, x9",
    "    msr cntvoff_el2, xzr",
    "2:  cmp x21, #2",
    "    b.ne 4f",
    "    msr spsr_el2, x23",
    "    msr elr_el2, x22",
    "    eret",
    "4:  msr spsr_el3, x23",
    "    msr elr_el3, x22",
    "    eret",
    "3:  mov x9, #(3 << 20)",                // floating point
    "    msr cpacr_el1, x9",
    "    adrp x12, __image_start",
    "    add x12, x12, #:lo12:__image_start",
    "    adrp x13, __image_end",
    "    add x13, x13, #:lo12:__image_end",
    "    movz x25, #:abs_g2:__image_start",  // how far from its addresses the image was loaded
    "    movk x25, #:abs_g1_nc:__image_start",
    "    movk x25, #:abs_g0_nc:__image_start",
    "    sub x25, x12, x25",
    "    adrp x9, {tables}",                 // they are zero, and a page each
    "    add x10, x9, #{image}",
    "    mov x17, #{block}",
    "    sub x14, x12, x25",                 // the image, by 2 MiB
    "    lsr x14, x14, #30",
    "    orr x15, x10, #{table}",
    "    str x15, [x9, x14, lsl #3]",
    "    and x14, x12, #~0x1fffff",
    "5:  sub x15, x14, x25",
    "    ubfx x15, x15, #21, #9",
    "    orr x16, x14, x17",
    "    str x16, [x10, x15, lsl #3]",
    "    add x14, x14, #0x200000",
    "    cmp x14, x13",
    "    b.lo 5b",
    "    adrp x14, __stack_start",           // but for the page below the stack
    "    sub x14, x14, #0x1000",
    "    add x11, x9, #{stack}",
    "    sub x15, x14, x25",
    "    ubfx x15, x15, #21, #9",
    "    orr x16, x11, #{table}",
    "    str x16, [x10, x15, lsl #3]",
    "    and x15, x14, #~0x1fffff",
    "    mov x18, #{page}",
    "    mov x16, xzr",
    "6:  orr x0, x15, x18",
    "    str x0, [x11, x16, lsl #3]",
    "    add x15, x15, #0x1000",
    "    add x16, x16, #1",
    "    cmp x16, #512",
    "    b.lo 6b",
    "    ubfx x15, x14, #12, #9",
    "    str xzr, [x11, x15, lsl #3]",
    "    cbz x25, 15f",
    "    tst x25, #0x1fffff",
    "    b.ne 17f",
    "    adr x1, 14f",                       // what turns the unit on is where it was loaded, too
    "    lsr x14, x1, #39",
    "    cbnz x14, 17f",
    "    lsr x14, x1, #30",
    "    ldr x16, [x9, x14, lsl #3]",
    "    and x15, x16, #~0xfff",
    "    cbnz x16, 16f",
    "    add x15, x9, #{here}",
    "    orr x16, x15, #{table}",
    "    str x16, [x9, x14, lsl #3]",
    "16: ubfx x16, x1, #21, #9",
    "    ldr x0, [x15, x16, lsl #3]",
    "    cbnz x0, 17f",                      // the image's addresses are there
    "    and x0, x1, #~0x1fffff",
    "    orr x0, x0, x17",
    "    str x0, [x15, x16, lsl #3]",
    "15: cbnz x20, 7f",                      // the device tree: with an ELF file, QEMU has it where memory begins,
    "    and x20, x12, #~0x3fffffff",        // and does not say so
    "7:  lsr x14, x20, #39",
    "    cbnz x14, 11f",                     // out of reach
    "    mov x1, x20",
    "    movz x2, #({tree_size} >> 16), lsl #16",
    "    add x2, x2, x20",                   // its greatest size may reach over three times 2 MiB, in two tables
    "8:  lsr x14, x1, #30",
    "    cmp x14, #512",
    "    b.hs 11f",
    "    ldr x16, [x9, x14, lsl #3]",
    "    and x15, x16, #~0xfff",
    "    cbnz x16, 9f",
    "    lsr x0, x20, #30",                  // one of its own, or the next one
    "    sub x0, x14, x0",
    "    add x15, x9, #{tree}",
    "    add x15, x15, x0, lsl #12",
    "    orr x16, x15, #{table}",
    "    str x16, [x9, x14, lsl #3]",
    "9:  ubfx x16, x1, #21, #9",
    "    ldr x0, [x15, x16, lsl #3]",
    "    cbz x0, 23f",
    "    cbz x25, 10f",                      // the image is there
    "    and x0, x0, #0xffffffe00000",       // of an image that was loaded elsewhere, only its addresses are, unless it
    "    and x16, x1, #~0x1fffff",           // is what turns the unit on
    "    cmp x0, x16",
    "    b.ne 17f",
    "    b 10f",
    "23: and x0, x1, #~0x1fffff",
    "    orr x0, x0, x17",
    "    str x0, [x15, x16, lsl #3]",
    "10: and x1, x1, #~0x1fffff",
    "    add x1, x1, #0x200000",
    "    cmp x1, x2",
    "    b.lo 8b",
    "11: mrs x0, ctr_el0",                   // nothing of the tables is in a cache, where it would be older
    "    ubfx x0, x0, #16, #4",
    "    mov x1, #4",
    "    lsl x1, x1, x0",
    "    mov x0, x9",
    "    add x2, x9, #({tables_size} >> 12), lsl #12",
    "    dsb sy",
    "12: dc ivac, x0",
    "    add x0, x0, x1",
    "    cmp x0, x2",
    "    b.lo 12b",
    "    dsb sy",
    "    mov x0, #{mair}",
    "    msr mair_el1, x0",
    "    movz w0, #{tcr_low}",
    "    movk w0, #{tcr_high}, lsl #16",
    "    mrs x1, id_aa64mmfr0_el1",
    "    and x1, x1, #15",
    "    cmp x1, #5",                        // 48 bits
    "    b.ls 13f",
    "    mov x1, #5",
    "13: bfi x0, x1, #32, #3",
    "    msr tcr_el1, x0",
    "    msr ttbr0_el1, x9",
    "    isb",
    "    tlbi vmalle1",
    "    ic iallu",
    "    dsb sy",
    "    isb",
    "    movz w0, #{sctlr_on_low}",
    "    movk w0, #{sctlr_on_high}, lsl #16",
    "    adr x1, 18f",
    "    sub x1, x1, x25",
    "    .balign 16",                        // in one block
    "14: msr sctlr_el1, x0",
    "    isb",
    "    br x1",                             // to the image's addresses
    "18: msr spsel, #1",                     // the stack of faults
    "    adrp x9, {fault_stack}",
    "    add x9, x9, #:lo12:{fault_stack}",
    "    add x9, x9, #({fault_stack_size} >> 12), lsl #12",
    "    mov sp, x9",
    "    msr spsel, #0",                     // and the image's own
    "    adrp x9, __stack_end",
    "    add x9, x9, #:lo12:__stack_end",
    "    mov sp, x9",
    "    adrp x9, __paravirt_vectors",
    "    add x9, x9, #:lo12:__paravirt_vectors",
    "    msr vbar_el1, x9",
    "    isb",
    "    msr daifclr, #4",                   // errors of the system are told of
    "    mov x0, x20",
    "    mov x1, x21",
    "    mov x2, x25",
    "    mov x29, xzr",                      // end of the chain of frames
    "    mov x30, xzr",
    "    bl {entered}",                      // does not return
    "    udf #0",
    "17: adr x2, 19f",                       // only a loader of Xen's is known to do so: to Xen's console
    "    mov x1, #(21f - 19f)",
    "    mov x0, #0",
    "    mov x16, #18",
    "    hvc #0xea1",
    "    adr x1, 20f",                       // and a crash
    "    mov x0, #2",
    "    mov x16, #29",
    "    hvc #0xea1",
    "22: wfi",                               // nobody is there to be told
    "    b 22b",
    "    .cfi_endproc",
    "19: .ascii \"paravirt: this image was loaded beside its addresses, by what is no multiple of 2 MiB or less than its \"",
    "    .ascii \"size, or beyond 512 GiB, or its device tree at these addresses; have the loader keep to the header that \"",
    "    .ascii \"`pvhost image` writes\\n\"",
    "21: .balign 4",
    "20: .word 3";
    scr_el3 = const SCR_EL3,
    cptr_el2 = const CPTR_EL2,
    to_el1 = const TO_EL1,
    sctlr_off_low = const SCTLR_OFF & 0xffff,
    sctlr_off_high = const SCTLR_OFF >> 16,
    sctlr_on_low = const SCTLR_ON & 0xffff,
    sctlr_on_high = const SCTLR_ON >> 16,
    mair = const MAIR,
    tcr_low = const TCR & 0xffff,
    tcr_high = const TCR >> 16,
    fault_stack = sym FAULT_STACK,
    fault_stack_size = const FAULT_STACK_SIZE,
    tables = sym TABLES,
    tables_size = const size_of_val(&TABLES),
    image = const IMAGE << 12,
    stack = const STACK << 12,
    tree = const TREE << 12,
    here = const HERE << 12,
    tree_size = const TREE_SIZE,
    table = const TABLE,
    block = const BLOCK,
    page = const PAGE,
    entered = sym entered,
}

/// Where the entry above ends.
///
/// # Safety
/// Once, by that entry: `tree` is where a device tree may be, and mapped; `level` the exception level at the entry;
/// `moved` by how much the image's memory is beyond its addresses.
unsafe extern "C" fn entered(tree: usize, level: usize, moved: u64) -> ! {
    paging::set_moved(moved);
    // SAFETY: as above.
    match unsafe { device_tree::set(tree) } {
        Ok(tree) => {
            let mut port = Ok(());
            // A tree that was looked through before. From here on, messages have a channel.
            let _ = tree.for_each(|node| {
                psci::find(node);
                qemu::find(node);
                port = port.and(serial::find(node));
            });
            if let Err(problem) = port
                && !serial::is_here()
            {
                message::say(format_args!("{problem}"));
            }
        }
        Err(problem) => {
            message::say(format_args!("{problem}"));
            stop("fault", 1);
        }
    }
    if level != 1 {
        message::say(format_args!(
            "this image was entered at EL{level}, and runs at EL1; start it there (QEMU: a machine without \
            `virtualization=on` and `secure=on`; a loader: as a guest of a hypervisor, or after going down to EL1)"
        ));
        stop("fault", 1);
    }
    let entry = Entry {
        point: EntryPoint::Reset,
        magic: 0,
        argument: tree,
        stack: core::ptr::null_mut::<c_void>(),
    };
    // SAFETY: called once, on the image's stack, with what the entry left.
    unsafe { start::enter_by(&entry) }
}
