// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host has to implement for a guest, in forms to build against.

use paravirt_abi::signature::{Signature, Width};
use paravirt_host_core::prototype_match::of_abi;

use crate::image::{Image, Machine};
use crate::text::is_shown;

mod c;
mod func_list;
mod json;
mod rust;

/// What the forms have in common.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// The guest's name.
    guest: String,
    machine: Machine,
    abi_version: Option<u32>,
    /// Sorted by name, each once.
    functions: Vec<Function<'a>>,
}

#[derive(Clone, Debug)]
struct Function<'a> {
    name: &'a str,
    signature: Option<Signature>,
}

impl Function<'_> {
    /// The image's prototype, or the ABI's if it has one for that name: a host has to declare the function, even for an
    /// L4RTEMS image.
    fn prototype(&self, width: Width) -> Option<Signature> {
        self.signature.or_else(|| of_abi(self.name, width))
    }
}

impl<'a> Header<'a> {
    /// For an image. `guest` is its file's name, without the folder so that the same guest gives the same header
    /// everywhere.
    #[must_use]
    pub fn new(image: &'a Image, guest: &str) -> Self {
        let mut functions: Vec<_> = image
            .externals()
            .iter()
            .map(|external| Function {
                name: &external.name,
                signature: external.signature,
            })
            .collect();
        // Of two entries with one name, the one with a prototype comes first and stays.
        functions.sort_by_key(|function| (function.name, function.signature.is_none()));
        functions.dedup_by_key(|function| function.name);
        Self {
            // It ends up in comments: nothing in it may end one, or be shown as something else.
            guest: guest.replace(|c: char| !is_shown(c) || c == '*' || c == '\\', "?"),
            machine: image.machine(),
            abi_version: image.identity().map(|identity| identity.version),
            functions,
        }
    }

    /// Prototypes for C and C++, and a table of names and prototype words.
    #[must_use]
    pub fn c(&self) -> String {
        c::format(self)
    }

    /// Function types for Rust, and a table of names and prototype words.
    #[must_use]
    pub fn rust(&self) -> String {
        rust::format(self)
    }

    /// Names, prototypes and words; [`provides::parse`](crate::provides::parse) reads it back.
    ///
    /// # Errors
    /// None that is known: it is made of plain texts.
    pub fn json(&self) -> serde_json::Result<String> {
        json::format(self)
    }

    /// One `EF(name)` a line, as in L4RTEMS.
    #[must_use]
    pub fn func_list(&self) -> String {
        func_list::format(self)
    }
}
