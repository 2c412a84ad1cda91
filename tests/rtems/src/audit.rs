// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions that user mode may not execute, or that do something else there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use serde::Deserialize;

/// An instruction in a function, by its mnemonic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The function.
    pub function: String,
    /// The instruction, as `mov to gs` or `cli`.
    pub instruction: String,
}

/// A finding that is known, and why it does no harm.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The function; with `*` at the end, all that begin so.
    pub function: String,
    /// The instructions.
    pub instructions: Vec<String>,
    /// Why it is never executed in ring 3, or does there what it should.
    pub why: String,
}

impl Allowed {
    /// Whether it is about that function.
    #[must_use]
    pub fn is_about(&self, function: &str) -> bool {
        match self.function.strip_suffix('*') {
            Some(start) => function.starts_with(start),
            None => self.function == function,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowlist {
    allowed: Vec<Allowed>,
}

/// The table `allowlist.toml`.
///
/// # Panics
/// If it is not understood.
#[must_use]
pub fn allowlist() -> Vec<Allowed> {
    crate::contract::read::<Allowlist>("allowlist.toml").allowed
}

/// Finds them in a 32-bit x86 program.
///
/// # Panics
/// If the program is not an ELF file with symbols.
#[must_use]
pub fn find(program: &Path) -> BTreeSet<Finding> {
    let bytes = fs::read(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    let mut functions: Vec<(u64, &str)> = elf
        .symbols()
        .filter(|symbol| {
            matches!(
                symbol.kind(),
                SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label
            )
        })
        .filter(|symbol| symbol.is_definition() || symbol.section_index().is_some())
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)))
        .filter(|(_, name)| !name.is_empty())
        .collect();
    functions.sort_unstable();
    let mut findings = BTreeSet::new();
    for section in elf
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let code = section.data().expect("its content");
        scan(code, section.address(), |instruction, name| {
            let index = functions.partition_point(|(address, _)| *address <= instruction.ip());
            let function = index
                .checked_sub(1)
                .map_or("(before every symbol)", |index| functions[index].1);
            findings.insert(Finding {
                // Without the hash behind the name of a Rust function.
                function: format!("{:#}", rustc_demangle::demangle(function)),
                instruction: name,
            });
        });
    }
    findings
}

/// Decodes `code` and reports what is privileged or sensitive.
fn scan(code: &[u8], address: u64, mut report: impl FnMut(&Instruction, String)) {
    let mut decoder = Decoder::with_ip(32, code, address, DecoderOptions::NONE);
    let mut info = InstructionInfoFactory::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if let Some(name) = sensitive(&instruction, &mut info) {
            report(&instruction, name);
        }
    }
}

fn sensitive(instruction: &Instruction, info: &mut InstructionInfoFactory) -> Option<String> {
    let mnemonic = instruction.mnemonic();
    let name = format!("{mnemonic:?}").to_lowercase();
    for used in info.info(instruction).used_registers() {
        let register = used.register();
        let writes = matches!(
            used.access(),
            OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
        );
        if register.is_cr() || register.is_dr() || register.is_tr() {
            return Some(format!(
                "{name} with {}",
                format!("{register:?}").to_lowercase()
            ));
        }
        if writes && register.is_segment_register() {
            return Some(format!(
                "{name} to {}",
                format!("{register:?}").to_lowercase()
            ));
        }
    }
    let listed = instruction.is_privileged()
        || matches!(
            mnemonic,
            // Privileged where the I/O privilege level says so.
            Mnemonic::Cli | Mnemonic::Sti | Mnemonic::In | Mnemonic::Out | Mnemonic::Insb | Mnemonic::Insw
                | Mnemonic::Insd | Mnemonic::Outsb | Mnemonic::Outsw | Mnemonic::Outsd
            // Say or change something else in user mode, without a fault.
                | Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Sgdt
                | Mnemonic::Sidt | Mnemonic::Sldt | Mnemonic::Smsw | Mnemonic::Str
            // Leave the code for good.
                | Mnemonic::Int | Mnemonic::Iretd | Mnemonic::Iret | Mnemonic::Sysenter | Mnemonic::Syscall
        );
    let far = instruction.is_call_far()
        || instruction.is_call_far_indirect()
        || instruction.is_jmp_far()
        || instruction.is_jmp_far_indirect();
    if far {
        return Some(format!("far {name}"));
    }
    if mnemonic == Mnemonic::Int {
        return Some(format!("int {:#x}", instruction.immediate8()));
    }
    listed.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(code: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        scan(code, 0, |_, name| names.push(name));
        names
    }

    #[test]
    fn what_user_mode_may_not_do_is_found() {
        let code = [
            0xfa, // cli
            0xfb, // sti
            0xf4, // hlt
            0x0f, 0x20, 0xd0, // mov eax, cr2
            0x8e, 0xea, // mov gs, edx
            0x9c, // pushf
            0x9d, // popf
            0xcf, // iret
            0xee, // out dx, al
            0xcd, 0x80, // int 0x80
            0x0f, 0x01, 0x10, // lgdt [eax]
        ];
        assert_eq!(
            names(&code),
            [
                "cli",
                "sti",
                "hlt",
                "mov with cr2",
                "mov to gs",
                "pushfd",
                "popfd",
                "iretd",
                "out",
                "int 0x80",
                "lgdt"
            ]
        );
    }

    #[test]
    fn ordinary_instructions_are_not() {
        // push ebp; mov ebp, esp; mov eax, gs:[0]; call; rdtsc; leave; ret
        let code = [
            0x55, 0x89, 0xe5, 0x65, 0xa1, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x0f, 0x31, 0xc9, 0xc3,
        ];
        assert_eq!(names(&code), Vec::<String>::new());
    }
}
