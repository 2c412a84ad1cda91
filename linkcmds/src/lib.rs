// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linker scripts of paravirtualized guests. Whatever depends on this package, as all guests do by `paravirt-bsp`,
//! has its folder among those in which the linker looks for scripts; what they are, `README.md` there says.
#![no_std]

/// The arguments by which programs are linked as guests, for `main` of their package's `build.rs`:
/// `paravirt_linkcmds::link!();`.
///
/// The script is `guest.ld`, on AArch64 `aarch64.ld`, or the one that the environment variable `PARAVIRT_LINKCMDS`
/// names, such as `pok.ld`.
#[macro_export]
macro_rules! link {
    () => {
        println!("cargo::rerun-if-env-changed=PARAVIRT_LINKCMDS");
        let script = std::env::var("PARAVIRT_LINKCMDS").unwrap_or_else(|_| {
            // Machines of that kind have no memory where the others have theirs.
            let is_aarch64 = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "aarch64");
            let script = if is_aarch64 { "aarch64.ld" } else { "guest.ld" };
            script.to_owned()
        });
        for argument in $crate::ARGUMENTS {
            println!("cargo::rustc-link-arg={argument}");
        }
        println!("cargo::rustc-link-arg=-T{script}");
    };
}

/// What goes with a script: nothing of a C library's start-up, and a program at a fixed address. Compilers and linkers
/// both take them.
#[doc(hidden)]
pub const ARGUMENTS: [&str; 3] = ["-nostdlib", "-static", "-no-pie"];
