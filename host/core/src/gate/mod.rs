// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gates: the only way from a guest to a host in the same flat address space, and back.
//!
//! A slot leads to a stub of its own in the guest's memory, which names the function by its index and jumps to the
//! gate. The gate leaves the guest's stack, saves what the C ABI does not preserve, loads the control words of the C
//! ABI, turns the guest's alignment check and direction flag off, and calls [`host_call`](crate::guest). On the way
//! back it jumps to a tail in the guest's memory. Stubs and tail are guest code, the gate is the host's: what becomes
//! pending before the tail, the tail finds; what comes from its first instruction on interrupts it like any guest code.
//! So no line is lost, and no flag has to say where the processor is: its instruction pointer does.
//!
//! There is a gate for each pair of widths: a 64-bit host has one for 32-bit guests as well, which it enters and leaves
//! by far jumps. The stubs of such a guest jump to a landing, 64-bit code in the guest's memory, because a far jump
//! from there reaches no more.
//!
//! The control words are those of SSE and of the x87 unit; with the latter goes an exception that waits there. On i386
//! the x87 unit is emptied as well, because floats are returned there; on x86-64, where only C's `long double` is
//! computed in it, that it is empty is left to the guest, who owes it (the ABI, Calls). When the guest is left, the
//! host gets back what it had.

#[cfg(target_arch = "x86_64")]
pub(crate) mod left;
#[cfg_attr(target_arch = "x86", path = "i386.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;
mod state;

use alloc::vec::Vec;
use core::arch::asm;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use paravirt_abi::signature::{Signature, Type, Width};

pub use machine::Frame;
pub(crate) use machine::ResolverFrame;
pub(crate) use state::STATE;

use crate::image::Machine;
use crate::prototype;

/// The machine of guests of the host's own width.
#[cfg(target_arch = "x86")]
pub(crate) const MACHINE: Machine = Machine::I386;
/// The machine of guests of the host's own width.
#[cfg(target_arch = "x86_64")]
pub(crate) const MACHINE: Machine = Machine::X86_64;

/// Bytes per stub.
const STUB: usize = 16;
/// Alignment check, a flag that user mode may set: then every access of host code would have to be aligned.
const ALIGNMENT_CHECK: u32 = 1 << 18;
/// Direction flag, which host code expects to be clear.
#[cfg(target_arch = "x86_64")]
const DIRECTION: u32 = 1 << 10;
/// SSE control word of host code (System V ABI, 3.2.1).
static DEFAULT_MXCSR: u32 = 0x1f80;
/// Exceptions in the x87 unit's status word, whose masks the control word has in the same place (Intel SDM volume 1,
/// 8.1.3 and 8.1.5).
const X87_FLAGS: u16 = 0x3f;
/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
const NO_FLAGS: u32 = 1 << 1;
/// The breakpoint instruction, where no code is.
const INT3: u8 = 0xcc;

/// Calls the host function of that index. Returns where the gate sees whether the guest is to be left: the word is then
/// not 0, nor is its upper half.
pub(crate) type HostCall = unsafe extern "C" fn(index: u32, frame: *mut Frame) -> *const u64;
/// Fills a slot and leaves where it leads as the result. Returns as [`HostCall`].
pub(crate) type Resolve = unsafe extern "C" fn(frame: *mut ResolverFrame) -> *const u64;

unsafe extern "C" {
    fn pvh_gates_enter(entry: usize, start_info: usize, end: *const u64, stack_mask: usize, far: usize);
    fn pvh_gates_leave();
    fn pvh_gates_function(function: usize, frame: *mut Frame, words: usize);
    static pvh_gates_start: u8;
    static pvh_gates_end: u8;
}

/// The gates for guests of one width, and the code in their memory that is the same for all: a copy of a template,
/// which knows no address but that of the counter of upcalls and those in its first words.
#[derive(Debug)]
struct Gates {
    /// For functions of integers, for others, and the resolver's: the words.
    words: [usize; 3],
    /// Start and end of the template, in it the tail, and there the operand that is the counter's address, if it has
    /// one.
    template: [*const u8; 2],
    tail: *const u8,
    counter: Option<*const u8>,
    /// Where stubs jump to: in words or landings.
    ways: [*const u8; 3],
}

impl Gates {
    fn template(&self) -> &'static [u8] {
        let [start, end] = self.template;
        // SAFETY: the template is the read-only memory between its two labels.
        unsafe { slice::from_raw_parts(start, end as usize - start as usize) }
    }

    fn offset(&self, label: *const u8) -> usize {
        label as usize - self.template[0] as usize
    }
}

/// Where the parts of the code in the guest's memory are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    /// First address.
    #[cfg(target_arch = "x86_64")]
    start: u64,
    stubs: u64,
    tail: u64,
    /// The resolver of lazy binding.
    pub(crate) resolver: u64,
}

impl Code {
    /// Size in bytes of the code for `count` functions.
    pub(crate) fn size(width: Width, count: usize) -> usize {
        machine::gates(width).template().len() + (count + 1) * STUB
    }

    /// The code for functions of these prototypes, for the address `at`: the template, the stubs, the resolver's.
    /// `upcalls` is the address of the counter of upcalls.
    pub(crate) fn write(
        at: u64,
        width: Width,
        prototypes: impl ExactSizeIterator<Item = Signature>,
        upcalls: u64,
    ) -> (Self, Vec<u8>) {
        let gates = machine::gates(width);
        let mut bytes = gates.template().to_vec();
        for (word, gate) in bytes.chunks_exact_mut(8).zip(gates.words) {
            word.copy_from_slice(&(gate as u64).to_le_bytes());
        }
        if let Some(counter) = gates.counter.map(|label| gates.offset(label)) {
            bytes[counter..counter + 4].copy_from_slice(&(upcalls as u32).to_le_bytes());
        }
        let stubs = at + bytes.len() as u64;
        let code = Self {
            #[cfg(target_arch = "x86_64")]
            start: at,
            stubs,
            tail: at + gates.offset(gates.tail) as u64,
            resolver: stubs + (prototypes.len() * STUB) as u64,
        };
        let ways = gates.ways.map(|way| at + gates.offset(way) as u64);
        for (index, prototype) in prototypes.enumerate() {
            let way = ways[usize::from(needs_floats(prototype, width))];
            bytes.extend(stub(width, code.stub(index), Some(index as u32), way));
        }
        bytes.extend(stub(width, code.resolver, None, ways[2]));
        (code, bytes)
    }

    /// Address of the stub of the function of that index.
    pub(crate) const fn stub(self, index: usize) -> u64 {
        self.stubs + (index * STUB) as u64
    }

    /// Returns whether an address is in it, and of which function the stub there is.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn holds(self, address: u64) -> (bool, Option<u32>) {
        let stubs = self.stubs..self.resolver;
        let index = stubs
            .contains(&address)
            .then(|| (address - self.stubs) as u32 / STUB as u32);
        let holds = (self.start..self.resolver + STUB as u64).contains(&address);
        (holds, index)
    }

    /// Tells the gates about the guest that is to run.
    pub(crate) fn publish(self, page: u64, upcalls: u64, host_call: HostCall, resolve: Resolve) {
        STATE.tail.store(self.tail as usize, Ordering::SeqCst);
        let tail = self.tail as u32;
        STATE.far_tail.offset.store(tail, Ordering::SeqCst);
        STATE.page.store(page as usize, Ordering::SeqCst);
        STATE.upcalls.store(upcalls as usize, Ordering::SeqCst);
        STATE.host_call.store(host_call as usize, Ordering::SeqCst);
        STATE.resolve.store(resolve as usize, Ordering::SeqCst);
    }
}

/// Returns whether the gate must save float arguments or return a float. An i386 guest passes its arguments on the
/// stack.
fn needs_floats(prototype: Signature, width: Width) -> bool {
    let float = |ty| matches!(ty, Type::F32 | Type::F64);
    float(prototype.result()) || width == Width::Bits64 && prototype.arguments().any(float)
}

/// The stub at the address `at`: `mov $index, register`, unless it is the resolver's, which may change no register;
/// then a jump through the word at `way`, or a far one to it.
fn stub(width: Width, at: u64, index: Option<u32>, way: u64) -> [u8; STUB] {
    let load: &[u8] = match width {
        Width::Bits64 => &[0x41, 0xbb], // r11d, which thunks may change
        Width::Bits32 => &[0xb8],       // eax
    };
    let mut code = Vec::with_capacity(STUB);
    if let Some(index) = index {
        code.extend(load);
        code.extend(index.to_le_bytes());
    }
    match (width, MACHINE.width()) {
        (Width::Bits64, _) => {
            code.extend([0xff, 0x25]); // jmp *distance(%rip)
            let next = at + code.len() as u64 + 4;
            code.extend((way.wrapping_sub(next) as u32).to_le_bytes());
        }
        (Width::Bits32, Width::Bits32) => {
            code.extend([0xff, 0x25]); // jmp *way
            code.extend((way as u32).to_le_bytes());
        }
        (Width::Bits32, Width::Bits64) => {
            code.push(0xea); // ljmp $cs, $way
            code.extend((way as u32).to_le_bytes());
            code.extend(selectors().code.to_le_bytes());
        }
    }
    let mut stub = [INT3; STUB];
    stub[..code.len()].copy_from_slice(&code);
    stub
}

/// How a guest is entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Address of its first instruction.
    pub(crate) point: u64,
    /// Address of the start info, or of the shared variables of L4RTEMS.
    pub(crate) info: u64,
    /// Whether it begins with the host's stack, or with 0 for a stack pointer.
    pub(crate) on_host_stack: bool,
    /// Its code selector if it is of another width than the host.
    pub(crate) far: Option<u16>,
}

/// Enters the guest; returns when it is left, or at once if `end` is not 0.
///
/// # Safety
/// `STATE` tells of this guest, which is mapped and bound.
pub(crate) unsafe fn enter(start: &Start, end: &AtomicU64) {
    if let Some(selector) = start.far {
        for pointer in [&STATE.far_tail, &STATE.target] {
            pointer.selector.store(selector.into(), Ordering::SeqCst);
        }
    }
    #[cfg(target_arch = "x86_64")]
    left::forget();
    let mask = usize::from(start.on_host_stack).wrapping_neg();
    let (point, info) = (start.point as usize, start.info as usize);
    // SAFETY: the caller's; the assembly keeps what the ABI preserves.
    unsafe { pvh_gates_enter(point, info, end.as_ptr(), mask, start.far.is_some().into()) }
}

/// Selectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selectors {
    pub(crate) code: u16,
    pub(crate) stack: u16,
    pub(crate) data: u16,
    pub(crate) fs: u16,
}

/// The host's selectors, the guest's as well if that is of the same width.
pub(crate) fn selectors() -> Selectors {
    let (code, stack, data, fs): (u16, u16, u16, u16);
    // SAFETY: reads registers.
    unsafe {
        asm!(
            "mov {0:x}, cs",
            "mov {1:x}, ss",
            "mov {2:x}, ds",
            "mov {3:x}, fs",
            out(reg) code,
            out(reg) stack,
            out(reg) data,
            out(reg) fs,
            options(nomem, nostack, preserves_flags),
        );
    }
    Selectors { code, stack, data, fs }
}

/// Address at which a handler continues to leave the guest.
pub(crate) fn leave_address() -> u64 {
    pvh_gates_leave as *const () as u64
}

/// Returns whether the guest has been entered and is not being left, so that a handler may send the thread to
/// [`leave_address`].
pub(crate) fn can_leave() -> bool {
    STATE.host_stack.load(Ordering::SeqCst) != 0
}

/// Returns whether host code runs that ends soon, or asks itself whether the guest is to be left: between gate and host
/// function it has the host's stack. A gate's own code holds nothing that leaving does not restore. All of that is
/// before the guest was entered, too.
pub(crate) fn is_hosts(instruction: u64, stack: u64) -> bool {
    /// Much more than is used there.
    const ROOM: usize = 64 * 1024;
    let top = STATE.host_stack.load(Ordering::SeqCst);
    let on_stack = (top.saturating_sub(ROOM) as u64..=top as u64).contains(&stack);
    top == 0 || on_stack && !is_gate(instruction)
}

/// Returns whether the instruction is one of the gates'.
fn is_gate(instruction: u64) -> bool {
    let (start, end) = (&raw const pvh_gates_start, &raw const pvh_gates_end);
    (start as u64..end as u64).contains(&instruction)
}

/// Calls a host function with the guest's arguments and leaves its result in the frame.
///
/// # Safety
/// The function has that prototype and the C ABI; the frame is a gate's for a guest of the host's width, and the
/// guest's arguments on the stack are readable.
pub unsafe fn call_c(function: usize, frame: &mut Frame, signature: Signature) {
    #[cfg(target_arch = "x86")]
    {
        frame.returns_float = needs_floats(signature, Width::Bits32).into();
    }
    let words = prototype::stack_bytes(signature, MACHINE.width()) as usize / size_of::<usize>();
    // SAFETY: the caller's.
    unsafe { pvh_gates_function(function, frame, words) };
}

/// The 32-bit tail, which is copied into the guest's memory: it knows no address but the counter's. esp: the return
/// address; ecx: the vCPU page; eax, edx and st0: the result.
macro_rules! tail_32 {
    () => {
        "pvh_tail_32:
        6: testl ${lines}, {pending}(%ecx)      # did a line become pending during the call?
        jne 4f
        3: retl
        4: cmpl $0, {enabled}(%ecx)             # yes: are interrupts on?
        je 3b
        .byte 0xff, 0x05                        # incl of the counter
        pvh_tail_32_upcalls: .long 0
        pushfl                                  # the frame that an interrupt here would push
        pushl %cs
        calll 5f                                # eip: the next instruction
        jmp 6b                                  # the upcall restored every register: look again
        5: movl $0, {enabled}(%ecx)             # as when a handler delivers
        jmpl *{upcall}(%ecx)
        pvh_tail_32_end:"
    };
}
use tail_32;
