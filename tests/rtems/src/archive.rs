// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust library as the linker sees it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};

/// Global symbols of all objects of a library.
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
            symbols.add(data);
        }
        symbols.resolve();
        symbols
    }

    /// Reads objects that are no library yet.
    ///
    /// # Panics
    /// If one is no ELF object.
    #[must_use]
    pub fn of_objects(paths: &[PathBuf]) -> Self {
        let mut symbols = Self::default();
        for path in paths {
            symbols.add(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
        symbols.resolve();
        symbols
    }

    fn add(&mut self, object: &[u8]) {
        let object = object::File::parse(object).expect("an ELF object");
        for symbol in object.symbols().filter(ObjectSymbol::is_global) {
            let name = symbol.name().expect("a name").to_owned();
            if symbol.is_undefined() {
                self.undefined.insert(name);
            } else {
                self.defined.insert(name);
            }
        }
    }

    fn resolve(&mut self) {
        self.undefined.retain(|name| !self.defined.contains(name));
    }
}

/// Returns whether a name is one that only Rust code can mean.
#[must_use]
pub fn is_mangled(name: &str) -> bool {
    name.starts_with("_ZN") || name.starts_with("_R")
}
