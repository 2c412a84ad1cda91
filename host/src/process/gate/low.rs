// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's code in low memory: stubs, landings and tails.
//!
//! It runs with the guest's stack and counts as guest code. First comes a copy of a template that knows no address but those
//! in its first words, then one stub per function:
//!
//! | guest | stub |
//! |---|---|
//! | x86-64 | `mov $index, %r11d; jmp *gate(%rip)` |
//! | i386 | `mov $index, %eax; ljmp $0x33, $landing` |

use std::arch::global_asm;

use paravirt_abi::signature::{Signature, Type, Width};
use paravirt_abi::vcpu::{HOST_MASKED, INTERRUPTS_ENABLED, PENDING};

use super::super::state::{CODE_64, DATA};

/// Offset of the upcall entry in the vCPU page.
const UPCALL_ENTRY: usize = std::mem::offset_of!(paravirt_abi::vcpu::VcpuPage, upcall_entry);

/// Bytes per stub.
const STUB: usize = 16;

unsafe extern "sysv64" {
    static pv_low_start: u8;
    static pv_low_end: u8;
    static pv_low_landing: u8;
    static pv_low_landing_floats: u8;
    static pv_low_landing_resolver: u8;
    static pv_low_tail_64: u8;
    static pv_low_tail_32: u8;
    static pv_low_tail_32_upcalls: u8;
    fn pv_gate_x86_64();
    fn pv_gate_x86_64_floats();
    fn pv_resolve_x86_64();
    fn pv_gate_i386();
    fn pv_gate_i386_floats();
    fn pv_resolve_i386();
}

global_asm!(
    ".pushsection .rodata.pv_low, \"a\", @progbits",
    ".balign 16",
    ".globl pv_low_start, pv_low_end, pv_low_landing, pv_low_landing_floats, pv_low_landing_resolver",
    ".globl pv_low_tail_64, pv_low_tail_32, pv_low_tail_32_upcalls",
    "pv_low_start:",
    "0: .quad 0",                              // address of the gate
    "1: .quad 0",                              // of the gate for functions with floats
    "2: .quad 0",                              // of the resolver's gate
    "pv_low_landing:",                         // where far jumps arrive, in 64-bit code
    "jmpq *0b(%rip)",
    "pv_low_landing_floats:",
    "jmpq *1b(%rip)",
    "pv_low_landing_resolver:",
    "jmpq *2b(%rip)",

    // End of a call on x86-64. rsp: the return address; rcx: the vCPU page; rsi: the counter of upcalls. Whatever it changes
    // beside the results, the caller expects changed.
    ".balign 16",
    "pv_low_tail_64:",
    "6:",
    "testl ${lines}, {pending}(%rcx)",         // did a line become pending during the call?
    "jne 4f",
    "3: retq",
    "4: cmpl $0, {enabled}(%rcx)",             // yes: are interrupts on?
    "je 3b",
    "incl (%rsi)",
    "movq %rsp, %rdi",                         // build the frame that an interrupt here would push
    "andq $-16, %rsp",
    "pushq ${data}",                           // ss
    "pushq %rdi",                              // rsp
    "pushfq",
    "pushq ${code_64}",                        // cs
    "callq 5f",                                // rip: the next instruction
    "jmp 6b",                    // the upcall restored every register: look again
    "5: movl $0, {enabled}(%rcx)",             // as when a signal delivers
    "jmpq *{upcall}(%rcx)",

    // The same on i386. ecx: the vCPU page; eax and edx: the result.
    ".code32",
    ".balign 16",
    "pv_low_tail_32:",
    "6:",
    "testl ${lines}, {pending}(%ecx)",         // did a line become pending during the call?
    "jne 4f",
    "3: retl",
    "4: cmpl $0, {enabled}(%ecx)",             // yes: are interrupts on?
    "je 3b",
    ".byte 0xff, 0x05",                        // incl with an absolute address, that of the counter
    "pv_low_tail_32_upcalls: .long 0",
    "pushfl",                                  // the frame that an interrupt here would push
    "pushl %cs",
    "calll 5f",                                // eip: the next instruction
    "jmp 6b",                    // the upcall restored every register: look again
    "5: movl $0, {enabled}(%ecx)",             // as when a signal delivers
    "jmpl *{upcall}(%ecx)",
    ".code64",
    ".balign 16",
    "pv_low_end:",
    ".popsection",
    lines = const !HOST_MASKED,
    pending = const PENDING,
    enabled = const INTERRUPTS_ENABLED,
    upcall = const UPCALL_ENTRY,
    code_64 = const CODE_64,
    data = const DATA,
    options(att_syntax),
);

/// Where the parts are once the code has been written.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) struct Low {
    /// Address of the first stub.
    stubs: u64,
    /// The tail for the guest's width.
    pub(in crate::process) tail: u64,
    /// The resolver of lazy binding.
    pub(in crate::process) resolver: u64,
}

impl Low {
    /// Address of the stub of the function of that index.
    pub(in crate::process) const fn stub(self, index: usize) -> u64 {
        self.stubs + (index * STUB) as u64
    }
}

/// Size in bytes of the code for `count` functions.
pub(in crate::process) fn size(count: usize) -> usize {
    template().len() + (count + 1) * STUB
}

/// Writes the code for functions of these prototypes into `code`, which the guest will find at `address`. `upcalls` is the
/// address of the counter of upcalls, in low memory. All addresses are below 4 GiB.
pub(in crate::process) fn write(
    code: &mut [u8],
    address: u64,
    width: Width,
    prototypes: impl ExactSizeIterator<Item = Signature>,
    upcalls: u64,
) -> Low {
    let template = template();
    let (head, stubs) = code.split_at_mut(template.len());
    head.copy_from_slice(template);
    let gates: [unsafe extern "sysv64" fn(); 3] = match width {
        Width::Bits64 => [pv_gate_x86_64, pv_gate_x86_64_floats, pv_resolve_x86_64],
        Width::Bits32 => [pv_gate_i386, pv_gate_i386_floats, pv_resolve_i386],
    };
    for (word, gate) in head.chunks_exact_mut(8).zip(gates) {
        word.copy_from_slice(&(gate as usize as u64).to_le_bytes());
    }
    let counter = offset(&raw const pv_low_tail_32_upcalls);
    head[counter..counter + 4].copy_from_slice(&low_half(upcalls));

    let landings = [
        &raw const pv_low_landing,
        &raw const pv_low_landing_floats,
        &raw const pv_low_landing_resolver,
    ]
    .map(|landing| address + offset(landing) as u64);
    let first = address + template.len() as u64;
    let count = prototypes.len();
    for (index, prototype) in prototypes.enumerate() {
        let start = index * STUB;
        let (stub, at) = (&mut stubs[start..start + STUB], first + start as u64);
        let gate = usize::from(needs_floats(prototype, width));
        match width {
            Width::Bits64 => stub_64(stub, at, index, address + 8 * gate as u64),
            Width::Bits32 => stub_32(stub, index, landings[gate]),
        }
    }
    let resolver = count * STUB;
    let (stub, at) = (
        &mut stubs[resolver..resolver + STUB],
        first + resolver as u64,
    );
    match width {
        Width::Bits64 => stub_64(stub, at, 0, address + 8 * 2),
        // The caller's arguments may be in eax.
        Width::Bits32 => far_jump(stub, landings[2]),
    }
    let tail = match width {
        Width::Bits64 => &raw const pv_low_tail_64,
        Width::Bits32 => &raw const pv_low_tail_32,
    };
    Low {
        stubs: first,
        tail: address + offset(tail) as u64,
        resolver: first + resolver as u64,
    }
}

/// `mov $index, %r11d; jmp *gate(%rip)`
fn stub_64(stub: &mut [u8], at: u64, index: usize, gate: u64) {
    stub[..2].copy_from_slice(&[0x41, 0xbb]);
    stub[2..6].copy_from_slice(&(index as u32).to_le_bytes());
    stub[6..8].copy_from_slice(&[0xff, 0x25]);
    stub[8..12].copy_from_slice(&low_half(gate.wrapping_sub(at + 12)));
    stub[12..].fill(INT3);
}

/// `mov $index, %eax; ljmp $0x33, $landing`
fn stub_32(stub: &mut [u8], index: usize, landing: u64) {
    stub[0] = 0xb8;
    stub[1..5].copy_from_slice(&(index as u32).to_le_bytes());
    far_jump(&mut stub[5..], landing);
}

/// `ljmp $0x33, $landing`
fn far_jump(code: &mut [u8], landing: u64) {
    code[0] = 0xea;
    code[1..5].copy_from_slice(&low_half(landing));
    code[5..7].copy_from_slice(&CODE_64.to_le_bytes());
    code[7..].fill(INT3);
}

const INT3: u8 = 0xcc;

fn low_half(value: u64) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

/// Whether the gate must save float arguments or return a float. An i386 guest passes its arguments on the stack.
fn needs_floats(prototype: Signature, width: Width) -> bool {
    let float = |ty| matches!(ty, Type::F32 | Type::F64);
    float(prototype.result()) || width == Width::Bits64 && prototype.arguments().any(float)
}

fn template() -> &'static [u8] {
    let start = &raw const pv_low_start;
    // SAFETY: the template is the read-only memory between its two labels.
    unsafe { std::slice::from_raw_parts(start, offset(&raw const pv_low_end)) }
}

fn offset(label: *const u8) -> usize {
    label as usize - &raw const pv_low_start as usize
}
