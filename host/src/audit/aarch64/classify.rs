// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which instructions may not be executed at EL0, or do not give there what EL1 gets (Arm ARM, D19: the registers'
//! accessibility; C5.3: caches, tables and address translation; D1.3: `PSTATE`).
//!
//! Encodings say at which level an instruction is meant to be used, in the field `op1`: 3 is EL0. What a kernel may
//! allow beyond that, or take away, is taken as Linux has it.

use disarm64::registers::{get_sys_reg_name, sys_reg_number};
use disarm64::{InsnOpcode as _, decoder_exception, decoder_system};

use super::Instruction;
use crate::audit::{Class, Classified};

/// `op1` of what EL0 may use.
const EL0: u8 = 3;

/// Registers that EL0 may read, and whether it may write them.
const OF_EL0: [(&str, bool); 14] = [
    ("cntfrq_el0", false),
    ("cntvct_el0", false),
    ("cntvctss_el0", false),
    ("ctr_el0", false),
    ("dczid_el0", false),
    ("dit", true),
    ("fpcr", true),
    ("fpsr", true),
    ("nzcv", true),
    ("rndr", false),
    ("rndrrs", false),
    ("ssbs", true),
    ("tpidr_el0", true),
    ("tpidrro_el0", false),
];

const INTERRUPTS: &str = "faults at EL0; the guest's interrupt flag is in the vCPU page";
const FAULTS: &str = "faults at EL0";
const KERNELS: &str = "faults at EL0 unless the kernel below lets it, and is then the host's";
const WAITS: &str = "waits for the host's interrupts and events, not the guest's; idle is pv_cpu_idle";

/// `None` for what any program may do.
pub(super) fn classify(instruction: &Instruction) -> Option<Classified> {
    match instruction {
        Instruction::System(opcode) => system(opcode),
        Instruction::Exception(opcode) => exception(opcode),
        Instruction::Other(word) => {
            let name = branch(*word)?;
            found(name, Class::Privileged, FAULTS)
        }
    }
}

/// The name of a privileged branch: those return from an exception.
pub(super) const fn branch(word: u32) -> Option<&'static str> {
    match word {
        0xd69f_03e0 => Some("eret"),
        0xd69f_0bff => Some("eretaa"),
        0xd69f_0fff => Some("eretab"),
        0xd6bf_03e0 => Some("drps"),
        _ => None,
    }
}

fn found(name: impl Into<String>, class: Class, why: &'static str) -> Option<Classified> {
    let name = name.into();
    Some(Classified { name, class, why })
}

fn exception(opcode: &decoder_exception::Opcode) -> Option<Classified> {
    let mnemonic = opcode.definition().mnemonic;
    let (class, why) = match mnemonic {
        "svc" => (Class::Escape, "enters the kernel below, past the jump table"),
        "hvc" | "smc" => (Class::Escape, "enters the hypervisor below, past the jump table"),
        "hlt" => (
            Class::Escape,
            "enters the debugger or emulator below, past the jump table",
        ),
        "dcps1" | "dcps2" | "dcps3" => return found(mnemonic, Class::Privileged, FAULTS),
        _ => return None,
    };
    let number = opcode.bits() >> 5 & 0xffff;
    found(format!("{mnemonic} {number:#x}"), class, why)
}

/// The fields of a system instruction.
#[derive(Clone, Copy)]
struct Fields {
    op0: u8,
    op1: u8,
    crn: u8,
    crm: u8,
    op2: u8,
}

impl Fields {
    const fn of(word: u32) -> Self {
        Self {
            op0: (word >> 19 & 0b11) as u8,
            op1: (word >> 16 & 0b111) as u8,
            crn: (word >> 12 & 0b1111) as u8,
            crm: (word >> 8 & 0b1111) as u8,
            op2: (word >> 5 & 0b111) as u8,
        }
    }

    /// The system register's name; where it has none, its numbers.
    fn register(self) -> String {
        let Self {
            op0,
            op1,
            crn,
            crm,
            op2,
        } = self;
        match get_sys_reg_name(sys_reg_number(op0, op1, crn, crm, op2)) {
            Some(register) => register.1.to_owned(),
            None => format!("s{op0}_{op1}_c{crn}_c{crm}_{op2}"),
        }
    }

    /// The assembler's name of an operation on caches or tables.
    const fn operation(self) -> &'static str {
        match (self.crn, self.crm) {
            (8 | 9, _) => "tlbi",
            (7, 8 | 9) => "at",
            (7, 1 | 5) => "ic",
            (7, _) => "dc",
            _ => "sys",
        }
    }
}

fn system(opcode: &decoder_system::Opcode) -> Option<Classified> {
    let fields = Fields::of(opcode.bits());
    let mnemonic = opcode.definition().mnemonic;
    match mnemonic {
        "mrs" | "mrrs" => read(fields),
        "msr" if fields.op0 == 0 => field(fields),
        "msr" | "msrr" => written(fields),
        "sys" | "sysl" | "sysp" if fields.op1 != EL0 => found(fields.operation(), Class::Privileged, FAULTS),
        "wfet" | "wfit" => found(mnemonic, Class::Sensitive, WAITS),
        "hint" => match (fields.crm, fields.op2) {
            (0, 2) => found("wfe", Class::Sensitive, WAITS),
            (0, 3) => found("wfi", Class::Sensitive, WAITS),
            _ => None,
        },
        _ => None,
    }
}

fn read(fields: Fields) -> Option<Classified> {
    let register = fields.register();
    let name = format!("mrs of {register}");
    match fields {
        _ if OF_EL0.iter().any(|&(known, _)| known == register) => None,
        _ if register == "daif" => found(name, Class::Privileged, INTERRUPTS),
        Fields {
            op0: 3, op1: 0, crn: 0, ..
        } => {
            let why = "shows at EL0 what the kernel below wants to show, or faults";
            found(name, Class::Sensitive, why)
        }
        Fields { op1: EL0, .. } => found(name, Class::Privileged, KERNELS),
        _ => found(name, Class::Privileged, FAULTS),
    }
}

fn written(fields: Fields) -> Option<Classified> {
    let register = fields.register();
    let name = format!("msr to {register}");
    match fields {
        _ if OF_EL0.contains(&(register.as_str(), true)) => None,
        _ if register == "daif" => found(name, Class::Privileged, INTERRUPTS),
        Fields { op1: EL0, .. } => found(name, Class::Privileged, KERNELS),
        _ => found(name, Class::Privileged, FAULTS),
    }
}

/// A write of an immediate value to a field of `PSTATE`.
fn field(fields: Fields) -> Option<Classified> {
    let (name, why) = match (fields.op1, fields.op2) {
        // `cfinv`, `xaflag` and `axflag` are about flags of computations.
        (0, 0..=2) => return None,
        (0, 3) => ("uao", FAULTS),
        (0, 4) => ("pan", FAULTS),
        (0, 5) => ("spsel", FAULTS),
        (EL0, 6) => ("daifset", INTERRUPTS),
        (EL0, 7) => ("daifclr", INTERRUPTS),
        // `dit`, `ssbs`, `tco` and others
        (EL0, _) => return None,
        _ => ("pstate", FAULTS),
    };
    found(format!("msr to {name}"), Class::Privileged, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(word: u32) -> Option<(String, Class)> {
        let instruction = Instruction::decode(word).unwrap_or_else(|| panic!("{word:#x} is an instruction"));
        classify(&instruction).map(|classified| (classified.name, classified.class))
    }

    #[test]
    fn what_may_not_be_done_at_el0_is_found() {
        use Class::{Escape, Privileged, Sensitive};
        let code = [
            (0xd503_42df, "msr to daifset", Privileged),
            (0xd503_42ff, "msr to daifclr", Privileged),
            (0xd51b_4220, "msr to daif", Privileged),
            (0xd53b_4220, "mrs of daif", Privileged),
            (0xd538_4240, "mrs of currentel", Privileged),
            (0xd500_41bf, "msr to spsel", Privileged),
            (0xd500_419f, "msr to pan", Privileged),
            (0xd501_411f, "msr to pstate", Privileged),
            (0xd518_c000, "msr to vbar_el1", Privileged),
            (0xd538_2040, "mrs of tcr_el1", Privileged),
            (0xd51b_e320, "msr to cntv_ctl_el0", Privileged),
            (0xd53b_9c00, "mrs of pmcr_el0", Privileged),
            (0xd53b_e020, "mrs of cntpct_el0", Privileged),
            (0xd51b_d060, "msr to tpidrro_el0", Privileged),
            (0xd538_cc00, "mrs of icc_iar1_el1", Privileged),
            (0xd530_0240, "mrs of mdscr_el1", Privileged),
            (0xd538_f000, "mrs of s3_0_c15_c0_0", Privileged),
            (0xd508_871f, "tlbi", Privileged),
            (0xd508_7800, "at", Privileged),
            (0xd508_7620, "dc", Privileged),
            (0xd508_7640, "dc", Privileged),
            (0xd508_751f, "ic", Privileged),
            (0xd69f_03e0, "eret", Privileged),
            (0xd69f_0bff, "eretaa", Privileged),
            (0xd6bf_03e0, "drps", Privileged),
            (0xd4a0_0001, "dcps1", Privileged),
            (0xd538_0000, "mrs of midr_el1", Sensitive),
            (0xd538_00a0, "mrs of mpidr_el1", Sensitive),
            (0xd503_205f, "wfe", Sensitive),
            (0xd503_207f, "wfi", Sensitive),
            (0xd503_1000, "wfet", Sensitive),
            (0xd503_1020, "wfit", Sensitive),
            (0xd400_0001, "svc 0x0", Escape),
            (0xd41d_5c22, "hvc 0xeae1", Escape),
            (0xd400_0003, "smc 0x0", Escape),
            (0xd45e_0000, "hlt 0xf000", Escape),
        ];
        for (word, name, class) in code {
            assert_eq!(classified(word), Some((name.to_owned(), class)), "{word:#x}");
        }
    }

    #[test]
    fn ordinary_instructions_are_not() {
        for (word, text) in [
            (0xd503_201f, "nop"),
            (0xd503_203f, "yield"),
            (0xd503_209f, "sev"),
            (0xd503_245f, "bti c"),
            (0xd503_233f, "paciasp"),
            (0xd503_3fdf, "isb"),
            (0xd503_3f9f, "dsb sy"),
            (0xd503_305f, "clrex"),
            (0xd53b_e040, "mrs x0, cntvct_el0"),
            (0xd53b_e000, "mrs x0, cntfrq_el0"),
            (0xd53b_d040, "mrs x0, tpidr_el0"),
            (0xd51b_d040, "msr tpidr_el0, x0"),
            (0xd53b_d060, "mrs x0, tpidrro_el0"),
            (0xd51b_4400, "msr fpcr, x0"),
            (0xd53b_4200, "mrs x0, nzcv"),
            (0xd53b_0020, "mrs x0, ctr_el0"),
            (0xd50b_7420, "dc zva, x0"),
            (0xd50b_7b20, "dc cvau, x0"),
            (0xd50b_7520, "ic ivau, x0"),
            (0xd500_401f, "cfinv"),
            (0xd503_415f, "msr dit, #1"),
            (0xd420_0000, "brk #0"),
            (0x0000_0000, "udf #0"),
            (0xd65f_03c0, "ret"),
            (0xd65f_0bff, "retaa"),
            (0xb8bf_c020, "ldapr w0, [x1]"),
        ] {
            assert_eq!(classified(word), None, "{text}");
        }
    }

    /// The names are the decoder's; one that it does not know would never be allowed.
    #[test]
    fn the_decoder_has_the_names_of_registers() {
        for (name, _) in OF_EL0 {
            let known = disarm64::registers::SYS_REGS.iter().any(|register| register.1 == name);
            assert!(known, "{name}");
        }
    }
}
