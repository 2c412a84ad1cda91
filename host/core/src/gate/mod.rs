// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gates: the only way from a guest to a host in the same flat address space, and back.
//!
//! A slot leads to a stub of its own in the guest's memory, which names the function by its index and jumps to the
//! gate. The gate leaves the guest's stack, saves what the C ABI does not preserve, loads the control words of the C
//! ABI, on x86 turns the guest's alignment check and direction flag off, and calls [`host_call`](crate::guest). On the
//! way back it jumps to a tail in the guest's memory. Stubs and tail are guest code, the gate is the host's: what
//! becomes pending before the tail, the tail finds; what comes from its first instruction on interrupts it like any
//! guest code. So no line is lost, and no flag has to say where the processor is: its instruction pointer does.
//!
//! On x86 there is a gate for each pair of widths: a 64-bit host has one for 32-bit guests as well, which it enters and
//! leaves by far jumps. The stubs of such a guest jump to a landing, 64-bit code in the guest's memory, because a far
//! jump from there reaches no more.
//!
//! On x86 the control words are those of SSE and of the x87 unit; with the latter goes an exception that waits there.
//! On i386 the x87 unit is emptied as well, because floats are returned there; on x86-64, where only C's `long double`
//! is computed in it, that it is empty is left to the guest, who owes it (the ABI, Calls). When the guest is left, the
//! host gets back what it had.

#[cfg(not(target_arch = "x86"))]
#[cfg_attr(target_arch = "aarch64", path = "left/aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "left/x86_64.rs")]
pub(crate) mod left;
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86", path = "i386.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;
mod state;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86;

use alloc::vec::Vec;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use paravirt_abi::signature::{Signature, Type, Width};

pub use machine::Frame;
pub(crate) use machine::{MACHINE, ResolverFrame};
pub(crate) use state::STATE;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub use x86::call_c;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(crate) use x86::{Selectors, selectors};

/// Begins a function in assembly.
#[cfg(not(target_arch = "x86"))]
macro_rules! function {
    ($name:literal) => {
        concat!(
            ".balign 64\n.globl ",
            $name,
            "\n.type ",
            $name,
            ", @function\n",
            $name,
            ":"
        )
    };
}

/// Ends one.
#[cfg(not(target_arch = "x86"))]
macro_rules! end {
    ($name:literal) => {
        concat!(".size ", $name, ", . - ", $name)
    };
}

/// Repeats a line of assembly for each number of a list, which the line calls `\r`.
#[cfg(not(target_arch = "x86"))]
macro_rules! each {
    ($numbers:literal, $line:literal) => {
        concat!(".irp r, ", $numbers, "\n", $line, "\n.endr")
    };
}

#[cfg(not(target_arch = "x86"))]
use {each, end, function};

/// Bytes per stub.
const STUB: usize = 16;
/// Where the signals that are blocked while the guest runs are, behind the counter of upcalls, for tails whose frame
/// has them.
#[cfg(target_arch = "aarch64")]
pub(crate) const MASK: usize = 8;

/// Calls the host function of that index. Returns where the gate sees whether the guest is to be left: the word is then
/// not 0, nor is its upper half.
pub(crate) type HostCall = unsafe extern "C" fn(index: usize, frame: *mut Frame) -> *const u64;
/// Fills a slot and leaves where it leads as the result. Returns as [`HostCall`].
pub(crate) type Resolve = unsafe extern "C" fn(frame: *mut ResolverFrame) -> *const u64;

unsafe extern "C" {
    fn pvh_gates_enter(entry: usize, start_info: usize, end: *const u64, stack_mask: usize, far: usize);
    fn pvh_gates_leave();
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
            bytes.extend(machine::stub(width, code.stub(index), Some(index as u32), way));
        }
        bytes.extend(machine::stub(width, code.resolver, None, ways[2]));
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
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        STATE.far_tail.offset.store(self.tail as u32, Ordering::SeqCst);
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
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    x86::prepare_far_jumps(start);
    #[cfg(not(target_arch = "x86"))]
    left::forget();
    let mask = usize::from(start.on_host_stack).wrapping_neg();
    let (point, info) = (start.point as usize, start.info as usize);
    // SAFETY: the caller's; the assembly keeps what the ABI preserves.
    unsafe { pvh_gates_enter(point, info, end.as_ptr(), mask, start.far.is_some().into()) }
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
