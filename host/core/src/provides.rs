// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which external functions a host provides, and whether they fit what a guest asks for.
//!
//! A [`Provides`] is collected from names and prototypes, or read from a list ([`Provides::parse`]):
//!
//! ```text
//! # a comment
//! my_sensor_read
//! my_sensor_range fn(u32, *mut u8, usize) -> i32
//! my_sensor_name fn(*mut u8, usize) -> i32 @ 0x40001000
//! EF(l4rtems_outch)
//! ```
//!
//! One function a line: its name alone, with its prototype in Rust's notation, or as in L4RTEMS' list of functions. A
//! name alone fits any prototype. `usize` and `isize` have the guest's width. Behind `@` stands the function's address,
//! on hosts whose functions have fixed ones ([`bind()`](crate::bind::bind) needs it).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use paravirt_abi::signature::{Signature, Width};

use crate::image::External;
use crate::prototype;
use crate::prototype_match::{self, PrototypeMismatch};
use crate::text::{Escaped, beginning};

/// Limit of the number of functions in a list, that of an image.
const MAX_FUNCTIONS: usize = 1 << 16;
/// Limit of a name's length in bytes, that of an image.
const MAX_NAME: usize = 255;

/// The interface function that does what an L4RTEMS function did; `None` for other names.
#[must_use]
pub fn successor(name: &str) -> Option<&'static str> {
    Some(match name {
        "l4rtems_requestIrq" => "pv_irq_attach",
        "l4rtems_detachIrq" => "pv_irq_detach",
        "l4rtems_timer_start" => "pv_timer_start",
        "l4rtems_timer_stop" => "pv_timer_stop",
        "l4rtems_timer_read" => "pv_clock_now",
        "l4rtems_outch" => "pv_console_write",
        "l4rtems_inch" => "pv_console_read",
        "l4rtems_inport" => "pv_port_in",
        "l4rtems_outport" => "pv_port_out",
        _ => return None,
    })
}

/// Functions that a host provides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provides {
    functions: BTreeMap<String, Provided>,
}

/// What is known of a function that a host provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Provided {
    /// `None` fits any.
    signature: Option<Signature>,
    address: Option<u64>,
}

/// Whether a host provides what a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Provided, and the prototypes agree.
    Fits,
    /// Provided, but guest or host do not say with which prototype.
    Unchecked,
    /// Provided with another prototype.
    Mismatch {
        /// Whose, and which.
        disagreement: PrototypeMismatch,
    },
    /// Not provided; [`Nearest`] may know what was meant.
    Missing,
}

/// A function that nobody provides, in one line: its name, its prototype where the guest says it, and what could be
/// meant.
#[derive(Clone, Copy, Debug)]
pub struct Missing<'a> {
    /// As the guest declares it.
    pub external: &'a External,
    /// Provided functions of similar names.
    pub nearest: &'a [String],
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missing: {}", self.external.name)?;
        if let Some(signature) = self.external.signature {
            write!(f, " {signature}")?;
        }
        if !self.nearest.is_empty() {
            write!(f, " (did you mean {}?)", self.nearest.join(", "))?;
        }
        Ok(())
    }
}

/// Why a list of provided functions cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {problem}", file = Escaped(file))]
pub struct ProvidesError {
    /// The file.
    pub file: String,
    /// Number of the line, or of the function in JSON, from 1.
    pub line: usize,
    /// What is wrong there, and what is expected.
    pub problem: String,
}

/// A function as a list has it, unchecked.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its prototype in Rust's notation; `None` fits any.
    pub prototype: Option<&'a str>,
    /// Its address, a text such as `0x40001000`; `None` if the host does not say.
    pub address: Option<&'a str>,
}

impl<'a> Listed<'a> {
    fn parse(text: &'a str) -> Self {
        if let Some(name) = text.strip_prefix("EF(").and_then(|rest| rest.strip_suffix(')')) {
            return Self {
                name,
                prototype: None,
                address: None,
            };
        }
        let (function, address) = match text.rsplit_once('@') {
            Some((function, address)) => (function.trim_end(), Some(address.trim_start())),
            None => (text, None),
        };
        let (name, prototype) = match function.split_once(char::is_whitespace) {
            Some((name, prototype)) => (name, Some(prototype)),
            None => (function, None),
        };
        Self {
            name,
            prototype,
            address,
        }
    }
}

impl Provides {
    /// Reads a list of functions, see the [module's documentation](self). `file` is for messages.
    ///
    /// # Errors
    /// Names the file, the line and what is expected there.
    pub fn parse(file: &str, text: &str, width: Width) -> Result<Self, ProvidesError> {
        let mut provides = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            provides.add(file, index + 1, &Listed::parse(line), width)?;
        }
        Ok(provides)
    }

    /// Adds a function that stands in `file` at `line`, from 1, which is for messages.
    ///
    /// # Errors
    /// Names the file, the line and what is expected there.
    pub fn add(&mut self, file: &str, line: usize, function: &Listed<'_>, width: Width) -> Result<(), ProvidesError> {
        self.insert(function, width).map_err(|problem| ProvidesError {
            file: file.to_owned(),
            line,
            problem,
        })
    }

    fn insert(&mut self, function: &Listed<'_>, width: Width) -> Result<(), String> {
        let name = function.name;
        if !prototype::is_identifier(name) {
            let found = beginning(name);
            return Err(format!(
                "{found:?} is no function name; write `name` or `name fn(u32) -> i32`"
            ));
        }
        if name.len() > MAX_NAME {
            let length = name.len();
            return Err(format!("a name of {length} bytes; a guest's have {MAX_NAME} at most"));
        }
        let signature = (function.prototype)
            .map(|text| prototype::parse(text, width).map_err(|reason| format!("prototype of {name}: {reason}")))
            .transpose()?;
        let no_address = |text| {
            let found = beginning(text);
            format!(
                "{found:?} is no address for {name}; write a number other than 0 in hexadecimal, as in `@ 0x40001000`"
            )
        };
        let address = (function.address)
            .map(|text| address(text, width).ok_or_else(|| no_address(text)))
            .transpose()?;
        if self.functions.contains_key(name) {
            return Err(format!("{name} is listed already; keep one of the lines"));
        }
        if self.functions.len() == MAX_FUNCTIONS {
            return Err(format!(
                "more than {MAX_FUNCTIONS} functions; list those that guests ask for"
            ));
        }
        self.functions.insert(name.to_owned(), Provided { signature, address });
        Ok(())
    }

    /// The address of a function, if the host has it and says where.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u64> {
        self.functions.get(name)?.address
    }

    /// Returns whether it provides what a guest of that width asks for.
    #[must_use]
    pub fn fit(&self, external: &External, width: Width) -> Fit {
        let Some(provided) = self.functions.get(&external.name) else {
            return Fit::Missing;
        };
        match prototype_match::prototype(external, provided.signature, width) {
            Err(disagreement) => Fit::Mismatch { disagreement },
            Ok(_) if provided.signature.is_some() && external.signature.is_some() => Fit::Fits,
            Ok(_) => Fit::Unchecked,
        }
    }
}

/// Finds names that could be meant for those that a host does not provide.
///
/// Comparing every missing name with every provided one takes long where both are many. So it stops, and finds nothing
/// any more, when it has compared as much as no person reads.
#[derive(Clone, Debug)]
pub struct Nearest<'a> {
    provides: &'a Provides,
    /// Letters of one name times letters of the other that may still be compared.
    left: usize,
}

impl<'a> Nearest<'a> {
    /// Some thousand misspelt names of the interface, in a tenth of a second.
    const LETTERS: usize = 1 << 25;

    /// Among the functions that this host provides.
    #[must_use]
    pub const fn new(provides: &'a Provides) -> Self {
        Self {
            provides,
            left: Self::LETTERS,
        }
    }

    /// Up to three provided names that could be meant, the likeliest first.
    pub fn to(&mut self, name: &str) -> Vec<String> {
        /// Below this, names share little but a prefix. In thousandths, as the next.
        const ALIKE: usize = 600;
        /// Less alike than the best by more than this, a name is not what was meant.
        const SPREAD: usize = 100;
        let functions = &self.provides.functions;
        let mut alike = Vec::new();
        for candidate in functions.keys() {
            let cost = (candidate.len() + 1) * (name.len() + 1);
            let Some(left) = self.left.checked_sub(cost) else {
                break;
            };
            self.left = left;
            let likeness = likeness(candidate, name);
            if likeness >= ALIKE {
                alike.push((likeness, candidate.as_str()));
            }
        }
        alike.sort_by_key(|&(likeness, _)| core::cmp::Reverse(likeness));
        let best = alike.first().map_or(0, |&(likeness, _)| likeness);
        let successor = successor(name).filter(|&name| functions.contains_key(name));
        successor
            .into_iter()
            .chain(
                alike
                    .into_iter()
                    .filter(|&(likeness, _)| likeness + SPREAD >= best)
                    .map(|(_, candidate)| candidate)
                    .filter(|&candidate| Some(candidate) != successor),
            )
            .take(3)
            .map(str::to_owned)
            .collect()
    }
}

/// Functions by name; `None` for a prototype fits any. Of several of one name the last is kept.
impl FromIterator<(String, Option<Signature>)> for Provides {
    fn from_iter<T: IntoIterator<Item = (String, Option<Signature>)>>(functions: T) -> Self {
        let functions = functions
            .into_iter()
            .map(|(name, signature)| {
                let provided = Provided {
                    signature,
                    address: None,
                };
                (name, provided)
            })
            .collect();
        Self { functions }
    }
}

/// An address for guests of that pointer width; never 0, which calls through slots could not be told from.
fn address(text: &str, width: Width) -> Option<u64> {
    let limit = match width {
        Width::Bits32 => u64::from(u32::MAX),
        Width::Bits64 => u64::MAX,
    };
    u64::from_str_radix(text.strip_prefix("0x")?, 16)
        .ok()
        .filter(|address| (1..=limit).contains(address))
}

/// Likeness of equal names.
const SAME: usize = 1000;

/// Likeness in thousandths: 1000 for equal names, 0 for names that share nothing.
fn likeness(first: &str, second: &str) -> usize {
    let longer = first.chars().count().max(second.chars().count());
    SAME - (SAME * distance(first, second)).checked_div(longer).unwrap_or(0)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to make one name of the other
/// ("optimal string alignment": no letter takes part twice).
fn distance(first: &str, second: &str) -> usize {
    let second: Vec<char> = second.chars().collect();
    // Rows of the table of distances between the names' beginnings: a row for each letter of the first.
    let mut row: Vec<usize> = (0..=second.len()).collect();
    let mut above = vec![0; second.len() + 1];
    let mut above_that = above.clone();
    let mut before = None;
    for (i, a) in first.chars().enumerate() {
        // The oldest row is not needed any more: its place is the new one's.
        core::mem::swap(&mut above_that, &mut above);
        core::mem::swap(&mut above, &mut row);
        row[0] = i + 1;
        for (j, &b) in second.iter().enumerate() {
            let replaced = above[j] + usize::from(a != b);
            row[j + 1] = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if j > 0 && before == Some(b) && second[j - 1] == a {
                row[j + 1] = row[j + 1].min(above_that[j - 1] + 1);
            }
        }
        before = Some(a);
    }
    row[second.len()]
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use paravirt_abi::{interface, l4rtems};

    use super::*;

    fn external(name: &str, prototype: Option<&str>) -> External {
        External {
            name: name.to_owned(),
            slot: 0x10_0000,
            symbol: 0x10_1000,
            signature: prototype.map(|text| prototype::parse(text, Width::Bits64).unwrap()),
        }
    }

    #[test]
    fn every_l4rtems_name_has_a_successor_in_the_interface() {
        for name in l4rtems::FUNCTIONS.map(|function| function.name) {
            let successor = successor(name).expect(name);
            assert!(interface::find(successor).is_some(), "{successor}");
        }
        assert_eq!(successor("pv_irq_attach"), None);
    }

    #[test]
    fn all_three_notations_of_a_line_are_read() {
        let text = "# mine\n\nfirst\nsecond fn(u32) -> i32 # checked\nEF(third)\n";
        let provides = Provides::parse("list", text, Width::Bits64).unwrap();
        let fit = |name, prototype| provides.fit(&external(name, prototype), Width::Bits64);
        assert_eq!(fit("first", Some("fn()")), Fit::Unchecked);
        assert_eq!(fit("second", Some("fn(u32) -> i32")), Fit::Fits);
        assert!(matches!(fit("second", Some("fn(u64) -> i32")), Fit::Mismatch { .. }));
        assert_eq!(fit("second", None), Fit::Unchecked);
        assert_eq!(fit("third", None), Fit::Unchecked);
        assert_eq!(fit("fourth", None), Fit::Missing);
    }

    #[test]
    fn an_l4rtems_function_has_one_prototype_whoever_says_it() {
        let text = "l4rtems_inport fn(u8) -> u8\nl4rtems_outch fn(i8)\n";
        let provides = Provides::parse("list", text, Width::Bits64).unwrap();
        let fit = |name, prototype| provides.fit(&external(name, prototype), Width::Bits64);
        let Fit::Mismatch { disagreement } = fit("l4rtems_inport", None) else {
            panic!("it fits");
        };
        assert_eq!(
            disagreement.entry(),
            "l4rtems_inport is `fn(u8) -> u8` in the host, but was `fn(u32, u32) -> u32` in L4RTEMS"
        );
        assert_eq!(fit("l4rtems_outch", None), Fit::Unchecked);
        assert_eq!(fit("l4rtems_outch", Some("fn(i8)")), Fit::Fits);
    }

    #[test]
    fn addresses_are_read() {
        let text = "first @ 0x1000\nsecond fn(u32) -> i32 @0xfffffffc\nthird fn(u32) -> i32\n";
        let provides = Provides::parse("list", text, Width::Bits32).unwrap();
        let addresses = ["first", "second", "third", "fourth"].map(|name| provides.address(name));
        assert_eq!(addresses, [Some(0x1000), Some(0xffff_fffc), None, None]);
        let fit = provides.fit(&external("second", Some("fn(u32) -> i32")), Width::Bits64);
        assert_eq!(fit, Fit::Fits);
        for wrong in ["0x0", "4096", "0x100000000", "0x", "", "-0x1"] {
            let error = Provides::parse("list", &format!("f @ {wrong}"), Width::Bits32);
            let message = error.unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("list:1: {wrong:?} is no address for f;")),
                "{message}"
            );
        }
    }

    #[test]
    fn wrong_lists_are_refused_by_line() {
        let error = |text| Provides::parse("list", text, Width::Bits64).unwrap_err().to_string();
        assert_eq!(
            error("ok\nno-name\n"),
            "list:2: \"no-name\" is no function name; write `name` or `name fn(u32) -> i32`"
        );
        assert!(error("f fn(bool)").starts_with("list:1: prototype of f: "));
        assert_eq!(error("f\ng\nf"), "list:3: f is listed already; keep one of the lines");
        assert!(error("EF(unclosed").contains("is no function name"));
    }

    #[test]
    fn letters_put_in_left_out_replaced_and_swapped_count_once() {
        for (first, second, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("write", "write", 0),
            ("write", "wirte", 1),
            ("write", "writte", 1),
            ("write", "wite", 1),
            ("write", "wrote", 1),
            ("ab", "ba", 1),
            ("abcdef", "badcfe", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(first, second), expected, "{first} {second}");
            assert_eq!(distance(second, first), expected, "{second} {first}");
        }
    }

    #[test]
    fn likeness_is_a_share_of_the_longer_name() {
        assert_eq!(likeness("", ""), SAME);
        assert_eq!(likeness("same", "same"), SAME);
        assert_eq!(likeness("abcde", "abcdx"), 800);
        assert_eq!(likeness("ab", "abcdefgh"), 250);
        assert_eq!(likeness("abc", "xyz"), 0);
    }
}
