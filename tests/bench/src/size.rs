// SPDX-License-Identifier: MIT OR Apache-2.0
//! Size of the guest layer in `hello` with one backend.

use anyhow::{Context, Result};
use object::elf::SHF_WRITE;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};
use test_support::Arch;

use crate::guest;
use crate::table::Quantity::Bytes;
use crate::table::{Limit, Row};

/// Writable sections that are not the layer's data: the vCPU page, and the stack, which is the application's.
const NOT_COUNTED: [&str; 2] = [".data.paravirt_vcpu", ".stack"];

/// Bytes in a guest.
struct Sizes {
    /// Code of `core`.
    core: u64,
    /// All other code. What the compiler inlined, alignment, and the dozen bytes of `main` count as the layer's.
    layer: u64,
    /// Data of the layer.
    data: u64,
}

/// The rows for `arch`; code for AArch64 beside that for x86-64, too.
///
/// # Errors
/// The guest was not built.
pub fn rows(arch: Arch) -> Result<Vec<Row>> {
    let sizes = sizes(arch)?;
    let row = |what: &str, bytes: u64, limit| Row::new(format!("{what}, {arch}"), Bytes(bytes as f64), limit);
    let mut layer = row("code of the layer in hello", sizes.layer, Limit::AtMost(Bytes(8192.0)));
    if arch == Arch::Aarch64 {
        let other = Arch::X86_64;
        layer = layer.against(other.name(), Bytes(self::sizes(other)?.layer as f64));
    }
    Ok(vec![
        layer,
        row("code of core in hello", sizes.core, Limit::None),
        row(
            "data and bss of the layer in hello",
            sizes.data,
            Limit::AtMost(Bytes(1024.0)),
        ),
    ])
}

fn sizes(arch: Arch) -> Result<Sizes> {
    let content = std::fs::read(guest::path(arch, "one-backend")?)?;
    let file = object::File::parse(content.as_slice())?;
    let text = file.section_by_name(".text").context("the guest has code")?;
    let core: u64 = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.section_index() == Some(text.index()))
        .filter(|symbol| symbol.name().is_ok_and(is_core))
        .map(|symbol| symbol.size())
        .sum();
    let data = file
        .sections()
        .filter(|section| match section.flags() {
            SectionFlags::Elf { sh_flags, .. } => sh_flags.contains(SHF_WRITE),
            _ => false,
        })
        .filter(|section| section.name().is_ok_and(|name| !NOT_COUNTED.contains(&name)))
        .map(|section| section.size())
        .sum();
    Ok(Sizes {
        core,
        layer: text.size() - core,
        data,
    })
}

/// Returns whether a symbol is code of `core`, not made for a type of the layer.
fn is_core(symbol: &str) -> bool {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    if name.contains("paravirt") {
        return false;
    }
    let path = name.trim_start_matches(['<', '&']);
    name.contains(" as core::") || path.starts_with("core::") || path.starts_with("compiler_builtins::")
}
