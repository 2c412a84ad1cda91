// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code in the guest's memory for the calling convention and the entry of L4RTEMS. It runs with the guest's stack and
//! counts as guest code.
//!
//! A shim turns a `regparm(3)` call into one of the C ABI and calls the function's stub. For `timer_start(u64, u64)`:
//!
//! ```text
//! push 8(%esp)       the second argument, from the caller's stack: its high half,
//! push 8(%esp)       its low half
//! push %edx          the first argument
//! push %eax
//! call stub
//! add $16, %esp
//! ret                the caller removes what it has pushed
//! ```

use alloc::vec::Vec;

use paravirt_abi::l4rtems::{self, MULTIBOOT_MAGIC, REGISTER_WORDS};
use paravirt_abi::signature::{Signature, Type, Width};

/// Bytes for each shim and for the start.
const UNIT: usize = 32;

/// `push %eax`, `push %edx`, `push %ecx`.
const PUSH_REGISTER: [u8; REGISTER_WORDS] = [0x50, 0x52, 0x51];

/// What the start code loads.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Address of the Multiboot information.
    pub multiboot: u64,
    /// End of the guest's memory, 16-byte aligned.
    pub stack: u64,
    /// The image's entry point.
    pub entry: u64,
}

/// Code that grows at a fixed address, below 4 GiB as all that it refers to.
#[derive(Clone, Debug)]
pub struct Code {
    address: u64,
    /// The code so far.
    pub bytes: Vec<u8>,
}

impl Code {
    /// Size in bytes for that many shims and a start.
    #[must_use]
    pub const fn size(shims: usize) -> usize {
        (shims + 1) * UNIT
    }

    /// No code yet, to lie at `address`.
    #[must_use]
    pub const fn new(address: u64) -> Self {
        Self {
            address,
            bytes: Vec::new(),
        }
    }

    /// Where the slot of the function of that name leads, of which the C ABI's stub is given: there, or for an L4RTEMS
    /// function on i386 to a shim, which is added. Elsewhere `regparm` does not exist.
    pub fn entry(&mut self, name: &str, width: Width, stub: u64) -> u64 {
        match (l4rtems::find(name), width) {
            (Some(function), Width::Bits32) => self.shim(function.signature(width), stub),
            _ => stub,
        }
    }

    fn shim(&mut self, prototype: Signature, stub: u64) -> u64 {
        let start = self.bytes.len();
        let words = words(prototype);
        for (pushed, word) in words.iter().rev().enumerate() {
            match *word {
                Word::Register(number) => self.bytes.push(PUSH_REGISTER[number]),
                // push offset(%esp): behind the return address and what has been pushed
                Word::Stack(number) => {
                    let offset = 4 * (1 + number + pushed) as u8;
                    self.bytes.extend([0xff, 0x74, 0x24, offset]);
                }
            }
        }
        self.bytes.push(0xe8); // call
        self.distance_to(stub);
        self.bytes.extend([0x83, 0xc4, 4 * words.len() as u8]); // add $.., %esp
        self.bytes.push(0xc3); // ret
        self.finish(start)
    }

    /// Adds the code that enters the image; its address. The shared variables' address is in `edx` already.
    pub fn start(&mut self, start: &Start) -> u64 {
        let begin = self.bytes.len();
        for (opcode, value) in [
            (0xb8, MULTIBOOT_MAGIC),        // mov .., %eax
            (0xbb, start.multiboot as u32), // mov .., %ebx
            (0xbc, start.stack as u32),     // mov .., %esp
        ] {
            self.bytes.push(opcode);
            self.bytes.extend(value.to_le_bytes());
        }
        self.bytes.push(0xe9); // jmp
        self.distance_to(start.entry);
        self.finish(begin)
    }

    /// The operand of a near call or jump.
    fn distance_to(&mut self, target: u64) {
        let next = self.address + self.bytes.len() as u64 + 4;
        let distance = target.wrapping_sub(next) as u32;
        self.bytes.extend(distance.to_le_bytes());
    }

    fn finish(&mut self, start: usize) -> u64 {
        debug_assert!(self.bytes.len() <= start + UNIT, "the L4RTEMS functions are known");
        self.bytes.resize(start + UNIT, 0xcc);
        self.address + start as u64
    }
}

/// Where a word of the arguments is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Number of the register, in the order of the convention.
    Register(usize),
    /// Number of the word on the stack.
    Stack(usize),
}

/// The words of the arguments, in order. An argument that finds too few registers leaves none for those behind it.
fn words(prototype: Signature) -> Vec<Word> {
    let (mut register, mut stack) = (0, 0);
    let mut words = Vec::new();
    for argument in prototype.arguments() {
        let count = match argument {
            Type::I64 | Type::U64 => 2,
            _ => 1,
        };
        if register + count <= REGISTER_WORDS {
            words.extend((register..register + count).map(Word::Register));
            register += count;
        } else {
            words.extend((stack..stack + count).map(Word::Stack));
            stack += count;
            register = REGISTER_WORDS;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_where_the_convention_has_them() {
        use Word::{Register, Stack};
        let words_of = |arguments: &[Type]| words(Signature::new(Type::Unit, arguments));
        assert_eq!(words_of(&[]), []);
        assert_eq!(words_of(&[Type::I8]), [Register(0)]);
        assert_eq!(
            words_of(&[Type::U64, Type::U64]),
            [Register(0), Register(1), Stack(0), Stack(1)]
        );
        assert_eq!(
            words_of(&[Type::U64, Type::U64, Type::U32]),
            [Register(0), Register(1), Stack(0), Stack(1), Stack(2)]
        );
        assert_eq!(
            words_of(&[Type::U32, Type::U64, Type::U32]),
            [Register(0), Register(1), Register(2), Stack(0)]
        );
    }

    #[test]
    fn every_l4rtems_function_has_room_for_its_shim() {
        let mut code = Code::new(0x10_0000);
        for function in &l4rtems::FUNCTIONS {
            assert_ne!(code.entry(function.name, Width::Bits32, 0x20_0000), 0x20_0000);
        }
        assert_eq!(code.bytes.len(), Code::size(l4rtems::FUNCTIONS.len() - 1));
    }

    #[test]
    fn only_l4rtems_functions_and_only_on_i386_have_shims() {
        let mut code = Code::new(0x10_0000);
        for (name, width) in [
            ("l4rtems_outch", Width::Bits64),
            ("pv_timer_start", Width::Bits32),
            ("own", Width::Bits32),
        ] {
            assert_eq!(code.entry(name, width, 0x20_0000), 0x20_0000, "{name}");
        }
        assert_eq!(code.bytes, []);
    }
}
