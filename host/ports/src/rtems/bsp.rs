// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our BSPs: one for each processor, of the family `paravirt`.

use clap::ValueEnum;

use paravirt_build::arch::Arch;

/// A BSP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Bsp {
    /// For 32-bit x86.
    #[default]
    #[value(name = "i386/paravirt")]
    I386,
    /// For 64-bit Arm, with pointers of 64 bits (LP64).
    #[value(name = "aarch64/paravirt")]
    Aarch64,
}

impl Bsp {
    /// All.
    pub const ALL: [Self; 2] = [Self::I386, Self::Aarch64];
    /// The name behind the architecture's.
    pub const FAMILY: &str = "paravirt";

    /// The architecture of its guests. RTEMS has the same names.
    pub const fn arch(self) -> Arch {
        match self {
            Self::I386 => Arch::I386,
            Self::Aarch64 => Arch::Aarch64,
        }
    }

    /// As RTEMS' configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I386 => "i386/paravirt",
            Self::Aarch64 => "aarch64/paravirt",
        }
    }

    /// The compiler's options that choose the processor: the `ABI_FLAGS` of the BSP's build items.
    pub const fn abi_flags(self) -> &'static [&'static str] {
        match self {
            Self::I386 => &["-mtune=pentiumpro", "-march=pentium"],
            Self::Aarch64 => &[
                "-mcpu=cortex-a53",
                "-mfix-cortex-a53-835769",
                "-mfix-cortex-a53-843419",
                "-mno-outline-atomics",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_architecture_and_family() {
        for bsp in Bsp::ALL {
            assert_eq!(bsp.name(), format!("{}/{}", bsp.arch(), Bsp::FAMILY));
            let value = bsp.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), bsp.name());
        }
    }

    #[test]
    fn applications_are_compiled_with_the_flags_of_the_build_items() {
        let root = paravirt_build::workspace::Workspace::find().expect("a checkout");
        for bsp in Bsp::ALL {
            let item = root.root().join("ffi/rtems/spec/bsps").join(bsp.name()).join("abi.yml");
            let item = std::fs::read_to_string(&item).expect("a build item");
            let flags: Vec<&str> = item.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
            assert_eq!(flags, bsp.abi_flags(), "{}", bsp.name());
        }
    }
}
