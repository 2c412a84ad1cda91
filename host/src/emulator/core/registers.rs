// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor's registers, from what QEMU's monitor prints (QEMU, target/i386/cpu-dump.c).

use paravirt_abi::signature::Width;
use paravirt_host_core::fault::Registers;

/// The registers of a processor that executes code of that width; `None` if it does not, or that is not what this
/// prints.
pub(super) fn parse(text: &str, width: Width) -> Option<Registers> {
    let (instruction, flags) = match width {
        Width::Bits64 => ("RIP", "RFL"),
        Width::Bits32 => ("EIP", "EFL"),
    };
    // Short names stand in columns as wide as the others'.
    let value = |name: &str| {
        let mut places = text
            .match_indices(name)
            .map(|(at, _)| (&text[..at], &text[at + name.len()..]));
        places.find_map(|(before, rest)| {
            let is_whole = before.is_empty() || before.ends_with([' ', '\n', '\r']);
            let digits = rest.trim_start_matches(' ').strip_prefix('=').filter(|_| is_whole)?;
            let end = digits
                .find(|digit: char| !digit.is_ascii_hexdigit())
                .unwrap_or(digits.len());
            u64::from_str_radix(&digits[..end], 16).ok()
        })
    };
    let mut general = [0; 16];
    for (register, name) in general.iter_mut().zip(Registers::names(width)) {
        *register = value(&name.to_uppercase())?;
    }
    Some(Registers {
        general,
        instruction: value(instruction)?,
        flags: value(flags)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_found_by_their_names() {
        let text_64 = "\r\nCPU#0\r\nRAX=0000000000000001 RBX=2 RCX=3 RDX=4\r\nRSI=5 RDI=6 RBP=7 RSP=8\r\n\
            R8 =9 R9 =a R10=b R11=c\r\nR12=d R13=e R14=f R15=10\r\nRIP=00000000001037ce RFL=00000246 [---Z-P-]\r\n\
            FCW=037f DR8=77";
        let registers = parse(text_64, Width::Bits64).expect("it is all there");
        assert_eq!(registers.general.to_vec(), (1..=16).collect::<Vec<u64>>());
        assert_eq!((registers.instruction, registers.flags), (0x1037ce, 0x246));
        assert_eq!(parse(text_64, Width::Bits32), None, "code of the other width");

        let text_32 = "EAX=1 EBX=2 ECX=3 EDX=4\nESI=5 EDI=6 EBP=7 ESP=8\nEIP=0010683e EFL=00000293 [--S-A-C] CPL=0";
        let registers = parse(text_32, Width::Bits32).expect("it is all there");
        assert_eq!(registers.general[..9], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
        assert_eq!((registers.instruction, registers.flags), (0x10683e, 0x293));

        for text in ["", "EAX", "EAX=", "EAX=x", &text_32[..40], "RAX=123456789012345678901"] {
            assert_eq!(parse(text, Width::Bits32), None, "{text}");
            assert_eq!(parse(text, Width::Bits64), None, "{text}");
        }
    }
}
