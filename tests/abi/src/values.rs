// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of the ABI, and how a compiler tells their values: it puts them into two arrays of an object.

use std::fmt::Write as _;

use object::read::File;
use object::{Object, ObjectSection, ObjectSymbol};

use crate::listing::Listing;

/// The array of numbers in the object.
pub const NUMBERS: &str = "paravirt_numbers";
/// The array of texts.
pub const TEXTS: &str = "paravirt_texts";
/// Room for each text in bytes, with a NUL at least.
pub const TEXT: usize = 64;

/// What is to be listed: for numbers, expressions in the language of the source.
#[derive(Debug)]
pub enum Item {
    /// A number.
    Number {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A text.
    Text {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A structure: name, then size and alignment.
    Structure {
        /// Its name.
        name: String,
        /// Expressions for size and alignment.
        layout: [String; 2],
    },
    /// A field of a structure.
    Field {
        /// The structure's name, a dot, the field's name.
        name: String,
        /// Its type as the source has it.
        kind: String,
        /// Expressions for offset and size.
        place: [String; 2],
    },
}

impl Item {
    /// The expressions that are numbers, in order.
    fn numbers(&self) -> &[String] {
        match self {
            Self::Number { value, .. } => std::slice::from_ref(value),
            Self::Text { .. } => &[],
            Self::Structure { layout, .. } => layout,
            Self::Field { place, .. } => place,
        }
    }
}

/// The expressions of all items that are numbers, in the order of the array.
pub fn numbers(items: &[Item]) -> impl Iterator<Item = &str> {
    items.iter().flat_map(Item::numbers).map(String::as_str)
}

/// Those that are texts.
pub fn texts(items: &[Item]) -> impl Iterator<Item = &str> {
    items.iter().filter_map(|item| match item {
        Item::Text { value, .. } => Some(value.as_str()),
        _ => None,
    })
}

/// Adds the items with the values that the object has for them.
///
/// # Panics
/// If the object was not made from these items.
pub fn add(items: &[Item], object: &File<'_>, listing: &mut Listing) {
    let numbers = array(object, NUMBERS);
    let mut numbers = numbers.as_chunks::<8>().0.iter();
    let mut number = || i64::from_le_bytes(*numbers.next().expect("a number for each expression"));
    let texts = array(object, TEXTS);
    let mut texts = texts.chunks_exact(TEXT);
    for item in items {
        let mut line = String::new();
        match item {
            Item::Number { name, .. } => write!(line, "constant {name} {}", number()),
            Item::Text { name, .. } => {
                let text = texts.next().expect("a text for each expression");
                let end = text.iter().position(|&byte| byte == 0).expect("a NUL");
                let text = std::str::from_utf8(&text[..end]).expect("UTF-8");
                write!(line, "constant {name} {text:?}")
            }
            Item::Structure { name, .. } => {
                write!(line, "struct {name} size {} align {}", number(), number())
            }
            Item::Field { name, kind, .. } => {
                write!(line, "field {name} offset {} size {} type {kind}", number(), number())
            }
        }
        .expect("a string takes everything");
        listing.add(line);
    }
    assert!(numbers.next().is_none() && texts.next().is_none(), "no more");
}

/// The bytes of a variable.
fn array(object: &File<'_>, name: &str) -> Vec<u8> {
    let symbol = object
        .symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .unwrap_or_else(|| panic!("no variable {name}"));
    let section = symbol.section_index().expect("it has a place");
    let section = object.section_by_index(section).expect("its section");
    let data = section.data_range(symbol.address(), symbol.size()).expect("data");
    data.expect("inside the section").to_vec()
}
