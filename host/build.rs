// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets `cfg(process_host)` where this crate runs guests: on Linux for x86-64 and AArch64. Elsewhere it looks at them
//! only. Has the program's addresses written in few bytes where its start understands that.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(process_host)");
    let target = |what| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && ["x86_64", "aarch64"].contains(&&*target("ARCH")) {
        println!("cargo::rustc-cfg=process_host");
    }
    if env::var("TARGET") == env::var("HOST") && has_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Returns whether this system's C library reads addresses that the linker has packed (`DT_RELR`), also at the start of
/// a program that brings it along: glibc 2.36. Thousands of addresses are to be set at each start, and unpacked, each
/// is 24 bytes of the file.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn has_packed_relocations() -> bool {
    unsafe extern "C" {
        safe fn gnu_get_libc_version() -> *const std::ffi::c_char;
    }
    // SAFETY: the C library's text, for good (gnu_get_libc_version(3)).
    let version = unsafe { std::ffi::CStr::from_ptr(gnu_get_libc_version()) };
    let version = version.to_str().unwrap_or_default();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(36))
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn has_packed_relocations() -> bool {
    false
}
