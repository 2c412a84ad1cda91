// SPDX-License-Identifier: MIT OR Apache-2.0
//! The architectures that guests are built for.

use serde::Deserialize;

/// An architecture of a guest, by the name that its linker script and its folder below `target/guests` carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub enum Arch {
    /// 64-bit x86; the compiler's stock `core` serves.
    #[serde(rename = "x86_64")]
    #[value(name = "x86_64")]
    X86_64,
    /// 32-bit x86 without SSE, as RTEMS builds for it.
    #[serde(rename = "i386")]
    #[value(name = "i386")]
    I386,
}

impl Arch {
    /// Every architecture, the one that needs nothing installed first.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::I386];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
        }
    }

    /// The Rust target that guests of it are built for.
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::I386 => "i586-unknown-linux-gnu",
        }
    }
}

/// Targets that no guest runs on yet, but whose sections and thunks the tests inspect.
pub const INSPECTED_TARGETS: [&str; 3] = [
    "aarch64-unknown-none",
    "armv7a-none-eabihf",
    "riscv64gc-unknown-none-elf",
];
