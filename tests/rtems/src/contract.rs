// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables `contract.toml` and `crossing.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use paravirt_ports::rtems::bsp::Bsp;

use crate::own;

/// Who defines a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The Rust library.
    Rust,
    /// The C part of the BSP.
    Bsp,
}

/// A symbol that RTEMS leaves to its BSP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its declaration in C.
    pub prototype: String,
    /// The header of RTEMS that declares it.
    pub header: String,
    /// Who defines it.
    pub provider: Provider,
    /// Whether a file of RTEMS that BSPs share does, which our build items name.
    #[serde(default)]
    pub shared: bool,
    /// The BSP that owes it, by its architecture; without, all do.
    #[serde(default)]
    pub arch: Option<String>,
}

/// Everything that RTEMS leaves to its BSP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The symbols.
    #[serde(rename = "symbol")]
    pub symbols: Vec<Symbol>,
}

/// Other symbols that cross between the compilers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crossing {
    /// Those that the Rust library defines, and what for.
    pub defined: BTreeMap<String, String>,
    /// Those that it refers to, and who defines them.
    pub undefined: BTreeMap<String, String>,
}

impl Contract {
    /// What of the table that BSP owes.
    ///
    /// # Panics
    /// If it is not understood, or names another architecture than those of BSPs.
    #[must_use]
    pub fn read(bsp: Bsp) -> Self {
        let mut contract: Self = read("contract.toml");
        contract.symbols.retain(|symbol| {
            let Some(arch) = &symbol.arch else { return true };
            let owner = Bsp::ALL.into_iter().find(|owner| owner.arch().name() == arch);
            owner.unwrap_or_else(|| panic!("{}: no BSP for {arch}", symbol.name)) == bsp
        });
        contract
    }

    /// A C source that includes the headers and declares every symbol once more, so that a compiler compares the two.
    #[must_use]
    pub fn source(&self) -> String {
        let headers: BTreeSet<&str> = self.symbols.iter().map(|symbol| symbol.header.as_str()).collect();
        let includes = headers
            .iter()
            .map(|header| format!("#include <{header}>\n"))
            .collect::<String>();
        let declarations = self
            .symbols
            .iter()
            .map(|symbol| format!("{};\n", symbol.prototype))
            .collect::<String>();
        format!(
            "#include <bsp.h>\n{includes}#ifndef RTEMS_NO_RETURN\n#define RTEMS_NO_RETURN \
            __attribute__((noreturn))\n#endif\n{declarations}"
        )
    }

    /// Its symbols from one provider.
    pub fn from(&self, provider: Provider) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(move |symbol| symbol.provider == provider)
    }
}

impl Crossing {
    /// The table.
    ///
    /// # Panics
    /// If it is not understood.
    #[must_use]
    pub fn read() -> Self {
        read("crossing.toml")
    }
}

/// A table of this package.
///
/// # Panics
/// If it is not there or not understood.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read_to_string(own(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}
