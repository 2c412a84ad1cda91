// SPDX-License-Identifier: MIT OR Apache-2.0
//! The architectures, and where their thunks go.

/// An architecture for which external functions can be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// i386.
    I386,
    /// AArch64.
    Aarch64,
    /// ARMv7, ARM or Thumb-2 code.
    Armv7,
    /// RISC-V, 64 bits.
    Riscv64,
}

/// Where the instructions of a thunk lead.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolver {
    /// Address pushed first, at one word above the stack pointer.
    pub slot: u64,
    /// Address pushed last, at the stack pointer.
    pub symbol: u64,
    /// Address of the pointer to which it jumps.
    pub resolver: u64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::X86_64, Self::I386, Self::Aarch64, Self::Armv7, Self::Riscv64];

    /// Debian's GCC for it.
    #[must_use]
    pub const fn gcc(self) -> &'static str {
        match self {
            Self::X86_64 => "gcc",
            Self::I386 => "i686-linux-gnu-gcc",
            Self::Aarch64 => "aarch64-linux-gnu-gcc",
            Self::Armv7 => "arm-linux-gnueabihf-gcc",
            Self::Riscv64 => "riscv64-linux-gnu-gcc",
        }
    }

    /// Its GNU linker.
    #[must_use]
    pub const fn gnu_ld(self) -> &'static str {
        match self {
            Self::X86_64 => "ld",
            Self::I386 => "i686-linux-gnu-ld",
            Self::Aarch64 => "aarch64-linux-gnu-ld",
            Self::Armv7 => "arm-linux-gnueabihf-ld",
            Self::Riscv64 => "riscv64-linux-gnu-ld",
        }
    }

    /// What clang calls it.
    #[must_use]
    pub const fn clang_target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-gnu",
            Self::I386 => "i686-linux-gnu",
            Self::Aarch64 => "aarch64-none-elf",
            Self::Armv7 => "armv7a-none-eabi",
            Self::Riscv64 => "riscv64-none-elf",
        }
    }

    /// Rust's target for guests.
    #[must_use]
    pub const fn rust_target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::I386 => "i586-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-none",
            Self::Armv7 => "armv7a-none-eabihf",
            Self::Riscv64 => "riscv64gc-unknown-none-elf",
        }
    }

    /// Where the public thunk at `address` finds its target: the slot's address. `thumb`: the code is Thumb-2.
    ///
    /// # Panics
    /// If the code is not what a thunk consists of.
    #[must_use]
    pub fn slot_of_thunk(self, code: &[u8], address: u64, thumb: bool) -> u64 {
        match self {
            Self::X86_64 | Self::I386 => self.x86_jump(code, address),
            Self::Aarch64 => {
                // adrp x16; ldr x16, [x16, #lo]; br x16
                let (page, register) = adrp(word(code, 0), address);
                let load = word(code, 4);
                assert_eq!(load & 0xffc0_03ff, 0xf940_0210, "ldr x16, [x16, #imm]");
                assert_eq!((register, word(code, 8)), (16, 0xd61f_0200), "br x16");
                page + (u64::from(load) >> 10 & 0xfff) * 8
            }
            Self::Armv7 => {
                let slot = move_to_ip(code, thumb);
                assert_eq!(&code[8..12], load_pc(thumb), "ldr pc, [ip]");
                slot
            }
            Self::Riscv64 => {
                // auipc t3; ld t3, lo(t3); jr t3
                let (slot, register) = auipc_pair(code, address, 0x3003);
                assert_eq!((register, half(code, 8)), (28, 0x8e02), "c.jr t3");
                slot
            }
        }
    }

    /// Where the resolver thunk at `address` leads.
    ///
    /// # Panics
    /// If the code is not what a resolver thunk consists of.
    #[must_use]
    pub fn resolver_thunk(self, code: &[u8], address: u64, thumb: bool) -> Resolver {
        match self {
            Self::X86_64 => {
                // lea slot(%rip), %r11; push %r11; lea symbol(%rip), %r11; push %r11; jmp *resolver(%rip)
                let lea_push = |at: usize| {
                    assert_eq!(code[at..at + 3], [0x4c, 0x8d, 0x1d], "lea rel(%rip), %r11");
                    assert_eq!(code[at + 7..at + 9], [0x41, 0x53], "push %r11");
                    relative(address + at as u64 + 7, word(code, at + 3))
                };
                Resolver {
                    slot: lea_push(0),
                    symbol: lea_push(9),
                    resolver: self.x86_jump(&code[18..], address + 18),
                }
            }
            Self::I386 => {
                // push $slot; push $symbol; jmp *resolver
                assert_eq!((code[0], code[5]), (0x68, 0x68), "push imm32");
                Resolver {
                    slot: word(code, 1).into(),
                    symbol: word(code, 6).into(),
                    resolver: self.x86_jump(&code[10..], address + 10),
                }
            }
            Self::Aarch64 => {
                // adrp and add, or what linkers make of them where the distance is small: nop and adr
                let adrp_add = |at: usize, expected: u32, add: u32| {
                    let here = address + at as u64;
                    let (first, second) = (word(code, at), word(code, at + 4));
                    if first == NOP {
                        assert_eq!(second & 0x9f00_001f, 0x1000_0000 | expected, "adr");
                        return (here + 4).wrapping_add_signed(adr_immediate(second));
                    }
                    let (page, register) = adrp(first, here);
                    assert_eq!((register, second & 0xffc0_03ff), (expected, add));
                    page + (u64::from(second) >> 10 & 0xfff)
                };
                let slot = adrp_add(0, 16, 0x9100_0210);
                let symbol = adrp_add(8, 17, 0x9100_0231);
                assert_eq!(word(code, 16), 0xa9bf_43f1, "stp x17, x16, [sp, #-16]!");
                Resolver {
                    slot,
                    symbol,
                    resolver: self.slot_of_thunk(&code[20..], address + 20, thumb),
                }
            }
            Self::Armv7 => {
                let push: [u8; 4] = if thumb {
                    [0x4d, 0xf8, 0x04, 0xcd]
                } else {
                    [0x04, 0xc0, 0x2d, 0xe5]
                };
                assert_eq!(code[8..12], push, "str ip, [sp, #-4]!");
                assert_eq!(code[20..24], push, "str ip, [sp, #-4]!");
                Resolver {
                    slot: move_to_ip(code, thumb),
                    symbol: move_to_ip(&code[12..], thumb),
                    resolver: self.slot_of_thunk(&code[24..], address + 24, thumb),
                }
            }
            Self::Riscv64 => {
                let (slot, first) = auipc_pair(code, address, 0x13);
                let (symbol, second) = auipc_pair(&code[8..], address + 8, 0x13);
                assert_eq!((first, second), (6, 7), "t1, t2");
                assert_eq!(half(code, 16), 0x1141, "addi sp, sp, -16");
                assert_eq!(half(code, 18), 0xe41a, "sd t1, 8(sp)");
                assert_eq!(half(code, 20), 0xe01e, "sd t2, 0(sp)");
                Resolver {
                    slot,
                    symbol,
                    resolver: self.slot_of_thunk(&code[22..], address + 22, thumb),
                }
            }
        }
    }

    /// The operand of `jmp *address`.
    fn x86_jump(self, code: &[u8], address: u64) -> u64 {
        assert_eq!(code[..2], [0xff, 0x25], "jmp *memory");
        match self {
            Self::X86_64 => relative(address + 6, word(code, 2)),
            _ => word(code, 2).into(),
        }
    }
}

fn word(code: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(code[at..at + 4].try_into().expect("four bytes"))
}

fn half(code: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(code[at..at + 2].try_into().expect("two bytes"))
}

/// An address relative to the end of an x86-64 instruction.
fn relative(end: u64, displacement: u32) -> u64 {
    end.wrapping_add_signed(i64::from(displacement.cast_signed()))
}

/// AArch64's `nop`.
const NOP: u32 = 0xd503_201f;

/// The immediate of `adr` and `adrp`.
fn adr_immediate(instruction: u32) -> i64 {
    let immediate = (instruction >> 5 & 0x7_ffff) << 2 | instruction >> 29 & 3;
    i64::from((immediate << 11).cast_signed() >> 11)
}

/// Page and register of `adrp`.
fn adrp(instruction: u32, address: u64) -> (u64, u32) {
    assert_eq!(instruction & 0x9f00_0000, 0x9000_0000, "adrp");
    let page = (address & !0xfff).wrapping_add_signed(adr_immediate(instruction) << 12);
    (page, instruction & 31)
}

/// The constant that `movw ip` and `movt ip` make.
fn move_to_ip(code: &[u8], thumb: bool) -> u64 {
    let (low, high) = if thumb {
        let immediate = |at: usize, opcode: u16| {
            let (first, second) = (u32::from(half(code, at)), u32::from(half(code, at + 2)));
            assert_eq!(first & 0xfbf0, u32::from(opcode), "movw or movt");
            assert_eq!(second >> 8 & 15, 12, "ip");
            (first & 15) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xff
        };
        (immediate(0, 0xf240), immediate(4, 0xf2c0))
    } else {
        let immediate = |at: usize, opcode: u32| {
            let instruction = word(code, at);
            assert_eq!(instruction & 0xfff0_f000, opcode, "movw ip or movt ip");
            instruction >> 4 & 0xf000 | instruction & 0xfff
        };
        (immediate(0, 0xe300_c000), immediate(4, 0xe340_c000))
    };
    (high << 16 | low).into()
}

/// `ldr pc, [ip]`.
fn load_pc(thumb: bool) -> [u8; 4] {
    if thumb {
        [0xdc, 0xf8, 0x00, 0xf0]
    } else {
        [0x00, 0xf0, 0x9c, 0xe5]
    }
}

/// Address and register that `auipc` and a second instruction, with the bits `opcode`, make.
fn auipc_pair(code: &[u8], address: u64, opcode: u32) -> (u64, u32) {
    let (first, second) = (word(code, 0), word(code, 4));
    assert_eq!(first & 0x7f, 0x17, "auipc");
    let register = first >> 7 & 31;
    assert_eq!(
        second & 0xf_ffff,
        opcode | register << 7 | register << 15,
        "the second instruction adds to the first one's register"
    );
    let offset = i64::from((first & 0xffff_f000).cast_signed()) + i64::from(second.cast_signed() >> 20);
    (address.wrapping_add_signed(offset), register)
}
