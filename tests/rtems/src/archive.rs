// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust library as the linker sees it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};

/// Global symbols of all members of a static library.
#[derive(Debug, Default)]
pub struct Symbols {
    /// Those that other objects can refer to; a static linker lets them refer to hidden ones too.
    pub defined: BTreeSet<String>,
    /// Those that other objects must define.
    pub undefined: BTreeSet<String>,
}

impl Symbols {
    /// Reads a library.
    ///
    /// # Panics
    /// If it is not a library of ELF objects.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let archive = ArchiveFile::parse(&*bytes).expect("a static library");
        let mut symbols = Self::default();
        for member in archive.members() {
            let member = member.expect("a member");
            let data = member.data(&*bytes).expect("its content");
            let object = object::File::parse(data).expect("an ELF object");
            for symbol in object.symbols().filter(ObjectSymbol::is_global) {
                let name = symbol.name().expect("a name").to_owned();
                if symbol.is_undefined() {
                    symbols.undefined.insert(name);
                } else {
                    symbols.defined.insert(name);
                }
            }
        }
        symbols
            .undefined
            .retain(|name| !symbols.defined.contains(name));
        symbols
    }
}

/// Whether a name is one that only Rust code can mean.
#[must_use]
pub fn is_mangled(name: &str) -> bool {
    name.starts_with("_ZN") || name.starts_with("_R")
}
