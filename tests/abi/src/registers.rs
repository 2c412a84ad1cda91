// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which registers the guest's code at the border reads and writes, by decoding it.

use std::collections::BTreeSet;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register,
};
use paravirt_abi::signature::Width;

use crate::listing::Listing;
use crate::machine::Machine;
use crate::objects::{Code, SAMPLE, Sections};

/// Lists what the sample's thunks do: which registers they change, what the resolver thunk pushes, where both lead. Of
/// x86, whose code is decoded.
pub fn add_thunks(sections: &Sections<'_, '_>, machine: Machine, listing: &mut Listing) {
    if machine == Machine::Aarch64 {
        return;
    }
    let thunk = sections.code(SAMPLE);
    let use_of_thunk = Use::of(&thunk, machine, FlowControl::IndirectBranch);
    listing.add(format!(
        "thunk writes {} jumps through {}",
        use_of_thunk.written(),
        operand(&thunk, 0)
    ));
    let resolve = sections.code(&format!("{SAMPLE}.resolve"));
    let use_of_resolve = Use::of(&resolve, machine, FlowControl::IndirectBranch);
    listing.add(format!(
        "resolver-thunk writes {} pushes {} then {} jumps through {}",
        use_of_resolve.written(),
        operand(&resolve, 0),
        operand(&resolve, 1),
        operand(&resolve, 2)
    ));
    assert_eq!(use_of_resolve.pushes, 2, "words that the resolver removes");
}

/// Lists which registers the entry point of the image reads as the host left them. Of x86 as well.
pub fn add_entry(sections: &Sections<'_, '_>, machine: Machine, listing: &mut Listing) {
    if machine == Machine::Aarch64 {
        return;
    }
    let code = sections.code("paravirt_start");
    let registers = Use::of(&code, machine, FlowControl::Call);
    listing.add(format!("entry reads {}", join(&registers.read_first)));
}

/// What the address at that place of the code, counted from 0, is: the section without the sample's name.
fn operand(code: &Code, place: usize) -> String {
    let (_, target) = code.addresses.get(place).expect("an address");
    let (_, target) = target.split_once(' ').expect("width and target");
    target.replace(&format!(".{SAMPLE}"), "")
}

/// What straight code does with registers.
#[derive(Default)]
struct Use {
    /// Read before they are written.
    read_first: BTreeSet<String>,
    written: BTreeSet<String>,
    pushes: usize,
}

impl Use {
    /// Up to the first instruction that ends in `end`.
    fn of(code: &Code, machine: Machine, end: FlowControl) -> Self {
        let bits = match machine.width() {
            Width::Bits32 => 32,
            Width::Bits64 => 64,
        };
        let mut found = Self::default();
        let mut factory = InstructionInfoFactory::new();
        for instruction in Decoder::new(bits, &code.bytes, DecoderOptions::NONE) {
            assert!(!instruction.is_invalid(), "not code");
            for register in factory.info(&instruction).used_registers() {
                found.note(register.register(), register.access(), machine);
            }
            found.pushes += usize::from(is_push(&instruction));
            if instruction.flow_control() == end {
                return found;
            }
        }
        panic!("the code does not end as expected");
    }

    fn note(&mut self, register: Register, access: OpAccess, machine: Machine) {
        if !register.is_gpr() {
            return;
        }
        let full = match machine.width() {
            Width::Bits32 => register.full_register32(),
            Width::Bits64 => register.full_register(),
        };
        let name = format!("{full:?}").to_lowercase();
        let (reads, writes) = match access {
            OpAccess::Read | OpAccess::CondRead => (true, false),
            OpAccess::Write | OpAccess::CondWrite => (false, true),
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => (true, true),
            _ => (false, false),
        };
        if reads && !self.written.contains(&name) {
            self.read_first.insert(name.clone());
        }
        if writes {
            self.written.insert(name);
        }
    }

    fn written(&self) -> String {
        join(&self.written)
    }
}

fn is_push(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Push)
}

fn join(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return String::from("nothing");
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(" ")
}
