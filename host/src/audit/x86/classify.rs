// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which instructions user mode may not execute, or does not get from them what ring 0 gets (Intel SDM volume 3, 5.9;
//! the sensitive ones after Robin and Irvine, "Analysis of the Intel Pentium's Ability to Support a Secure Virtual
//! Machine Monitor", 2000).

use iced_x86::{
    FormatMnemonicOptions, Formatter, Instruction, InstructionInfoFactory, IntelFormatter, Mnemonic, OpAccess, Register,
};

use crate::audit::{Class, Classified};

/// Tells instructions of interest from others.
pub(super) struct Classifier {
    info: InstructionInfoFactory,
    /// For names: Intel's notation has a mnemonic of its own for each width.
    formatter: IntelFormatter,
}

impl Classifier {
    pub(super) fn new() -> Self {
        Self {
            info: InstructionInfoFactory::new(),
            formatter: IntelFormatter::new(),
        }
    }

    /// `None` for what any program may do.
    pub(super) fn classify(&mut self, instruction: &Instruction) -> Option<Classified> {
        let classified = |name, class, why| Some(Classified { name, class, why });
        if is_far(instruction) {
            let mnemonic = self.mnemonic(instruction);
            let why = "loads a code selector of the host's tables";
            return classified(format!("far {mnemonic}"), Class::Sensitive, why);
        }
        if let Some((class, why)) = by_mnemonic(instruction.mnemonic()) {
            let name = match instruction.mnemonic() {
                Mnemonic::Int => format!("int {:#x}", instruction.immediate8()),
                _ => self.mnemonic(instruction),
            };
            return classified(name, class, why);
        }
        if instruction.is_privileged() {
            let mnemonic = self.mnemonic(instruction);
            let name = match special_register(instruction) {
                Some(register) => format!("{mnemonic} with {}", self.formatter.format_register(register)),
                None => mnemonic,
            };
            return classified(name, Class::Privileged, "faults in user mode");
        }
        let loaded = self
            .info
            .info(instruction)
            .used_registers()
            .iter()
            .find(|used| used.register().is_segment_register() && is_write(used.access()))?;
        let register = loaded.register();
        let mnemonic = self.mnemonic(instruction);
        let name = format!("{mnemonic} to {}", self.formatter.format_register(register));
        let why = "loads a selector of the host's tables, or faults";
        classified(name, Class::Sensitive, why)
    }

    fn mnemonic(&mut self, instruction: &Instruction) -> String {
        let mut name = String::new();
        self.formatter
            .format_mnemonic_options(instruction, &mut name, FormatMnemonicOptions::NO_PREFIXES);
        // `ret far`: that it is far, its caller says.
        name.truncate(name.find(' ').unwrap_or(name.len()));
        name
    }
}

fn by_mnemonic(mnemonic: Mnemonic) -> Option<(Class, &'static str)> {
    Some(match mnemonic {
        Mnemonic::Cli | Mnemonic::Sti => (
            Class::Privileged,
            "faults in user mode; the guest's interrupt flag is in the vCPU page",
        ),
        Mnemonic::Hlt => (Class::Privileged, "faults in user mode; idle is pv_cpu_idle"),
        Mnemonic::In
        | Mnemonic::Insb
        | Mnemonic::Insw
        | Mnemonic::Insd
        | Mnemonic::Out
        | Mnemonic::Outsb
        | Mnemonic::Outsw
        | Mnemonic::Outsd => (
            Class::Privileged,
            "faults in user mode; ports are pv_port_in and pv_port_out",
        ),
        Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq => (
            Class::Sensitive,
            "shows the processor's interrupt flag, not the guest's",
        ),
        Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq => (
            Class::Sensitive,
            "leaves the interrupt flag as it is in user mode, without a fault",
        ),
        Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq => (
            Class::Sensitive,
            "leaves the interrupt flag as it is in user mode, without a fault",
        ),
        Mnemonic::Sgdt | Mnemonic::Sidt | Mnemonic::Sldt | Mnemonic::Smsw | Mnemonic::Str => (
            Class::Sensitive,
            "shows the host's tables and control register, or faults (UMIP)",
        ),
        Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Verr | Mnemonic::Verw => {
            (Class::Sensitive, "shows the host's segment descriptors")
        }
        Mnemonic::Int | Mnemonic::Syscall | Mnemonic::Sysenter => {
            (Class::Escape, "enters the kernel below, past the jump table")
        }
        Mnemonic::Vmcall | Mnemonic::Vmmcall => (Class::Escape, "enters the hypervisor below, past the jump table"),
        _ => return None,
    })
}

fn is_far(instruction: &Instruction) -> bool {
    instruction.is_call_far()
        || instruction.is_call_far_indirect()
        || instruction.is_jmp_far()
        || instruction.is_jmp_far_indirect()
        || instruction.mnemonic() == Mnemonic::Retf
}

/// The control, debug or test register that it names.
fn special_register(instruction: &Instruction) -> Option<Register> {
    (0..instruction.op_count())
        .map(|operand| instruction.op_register(operand))
        .find(|register| register.is_cr() || register.is_dr() || register.is_tr())
}

const fn is_write(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions};

    fn classify(bits: u32, code: &[u8]) -> Vec<(String, Class)> {
        let mut classifier = Classifier::new();
        Decoder::with_ip(bits, code, 0, DecoderOptions::NONE)
            .iter()
            .inspect(|instruction| assert!(!instruction.is_invalid()))
            .filter_map(|instruction| classifier.classify(&instruction))
            .map(|classified| (classified.name, classified.class))
            .collect()
    }

    #[test]
    fn what_user_mode_may_not_do_is_found() {
        use Class::{Escape, Privileged, Sensitive};
        let code: [(&[u8], &str, Class); 32] = [
            (&[0xfa], "cli", Privileged),
            (&[0xfb], "sti", Privileged),
            (&[0xf4], "hlt", Privileged),
            (&[0x0f, 0x20, 0xd0], "mov with cr2", Privileged),
            (&[0x0f, 0x23, 0xf8], "mov with dr7", Privileged),
            (&[0x0f, 0x01, 0x10], "lgdt", Privileged),
            (&[0x0f, 0x01, 0x18], "lidt", Privileged),
            (&[0x0f, 0x00, 0xd0], "lldt", Privileged),
            (&[0x0f, 0x00, 0xd8], "ltr", Privileged),
            (&[0x0f, 0x30], "wrmsr", Privileged),
            (&[0x0f, 0x32], "rdmsr", Privileged),
            (&[0x0f, 0x01, 0x38], "invlpg", Privileged),
            (&[0x0f, 0x09], "wbinvd", Privileged),
            (&[0x0f, 0x06], "clts", Privileged),
            (&[0xee], "out", Privileged),
            (&[0xec], "in", Privileged),
            (&[0x6c], "insb", Privileged),
            (&[0x9c], "pushfd", Sensitive),
            (&[0x9d], "popfd", Sensitive),
            (&[0xcf], "iretd", Sensitive),
            (&[0x0f, 0x01, 0x00], "sgdt", Sensitive),
            (&[0x0f, 0x01, 0xe0], "smsw", Sensitive),
            (&[0x0f, 0x00, 0xc8], "str", Sensitive),
            (&[0x0f, 0x02, 0xc0], "lar", Sensitive),
            (&[0x0f, 0x00, 0xe0], "verr", Sensitive),
            (&[0x8e, 0xea], "mov to gs", Sensitive),
            (&[0x07], "pop to es", Sensitive),
            (&[0xcb], "far ret", Sensitive),
            (&[0xea, 0, 0, 0, 0, 8, 0], "far jmp", Sensitive),
            (&[0x9a, 0, 0, 0, 0, 8, 0], "far call", Sensitive),
            (&[0xcd, 0x80], "int 0x80", Escape),
            (&[0x0f, 0x01, 0xd9], "vmmcall", Escape),
        ];
        for (bytes, name, class) in code {
            assert_eq!(classify(32, bytes), [(name.to_owned(), class)]);
        }
    }

    #[test]
    fn what_64_bit_code_may_not_do_is_found() {
        let code: [(&[u8], &str); 6] = [
            (&[0x9c], "pushfq"),
            (&[0x48, 0xcf], "iretq"),
            (&[0x0f, 0x05], "syscall"),
            (&[0x0f, 0x01, 0xf8], "swapgs"),
            (&[0x8e, 0xd8], "mov to ds"),
            (&[0x44, 0x0f, 0x20, 0xc0], "mov with cr8"),
        ];
        for (bytes, name) in code {
            let names: Vec<_> = classify(64, bytes).into_iter().map(|c| c.0).collect();
            assert_eq!(names, [name]);
        }
    }

    #[test]
    fn ordinary_instructions_are_not() {
        // push ebp; mov ebp, esp; mov eax, gs:[0]; call; rdtsc; cpuid; pause; int3; ud2; mov eax, ds; leave; ret
        let code = [
            0x55, 0x89, 0xe5, 0x65, 0xa1, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x0f, 0x31, 0x0f, 0xa2, 0xf3, 0x90, 0xcc, 0x0f,
            0x0b, 0x8c, 0xd8, 0xc9, 0xc3,
        ];
        assert_eq!(classify(32, &code), []);
    }
}
