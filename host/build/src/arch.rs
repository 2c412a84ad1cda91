// SPDX-License-Identifier: MIT OR Apache-2.0
//! The architectures that guests are built for.

use serde::Deserialize;

/// An architecture of a guest, by the name that its linker script and its folder below `target/guests` carry.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Arch {
    /// 64-bit x86, with code that has no red zone where a `core` without one can be built.
    X86_64,
    /// 32-bit x86 without SSE, as RTEMS builds for it.
    I386,
    /// 64-bit Arm.
    Aarch64,
}

impl Arch {
    /// The architectures that every guest is built for unless its manifest says otherwise, and that the process host
    /// runs; the one that needs nothing installed first.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::I386];
    /// Every architecture, those that only some guests are built for behind the others.
    pub const KNOWN: [Self; 3] = [Self::X86_64, Self::I386, Self::Aarch64];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The Rust target that guests of it are built for, if its library can be had.
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-none",
            Self::I386 => "i586-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-none",
        }
    }

    /// The target whose library comes with compilers. On x86-64 that library uses the red zone, so these guests run on
    /// the process host and as Linux programs, but not in ring 0.
    pub const fn stock_target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::I386 => "i586-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-none",
        }
    }

    /// The compiler's arguments that [`Self::target`] needs beyond its library.
    pub const fn target_flags(self) -> &'static [&'static str] {
        match self {
            // An interrupt frame is pushed where the red zone would be. The identity note says that there is none.
            Self::X86_64 => &[
                "-Cno-redzone",
                "--cfg=paravirt_no_redzone",
                // As for the other targets, in place of an lld that may not be there.
                "-Clinker=cc",
                "-Clinker-flavor=gcc",
            ],
            Self::I386 => &[],
            // The linker that belongs to the C compiler, in place of an lld that may not be there.
            Self::Aarch64 => &["-Clinker=aarch64-linux-gnu-ld", "-Clinker-flavor=ld"],
        }
    }
}

/// Targets that no guest runs on yet, but whose sections and thunks the tests inspect.
pub const INSPECTED_TARGETS: [&str; 3] = [
    "aarch64-unknown-none",
    "armv7a-none-eabihf",
    "riscv64gc-unknown-none-elf",
];
