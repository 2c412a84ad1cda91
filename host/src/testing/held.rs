// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests that a guest holds, by `paravirt_bsp::test!`.

use crate::image::Image;

/// The section by which `paravirt_bsp::image!` says that a guest holds tests.
const SECTION: &str = ".paravirt.tests";

/// A test that a guest holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The name by which the guest knows it, with its modules.
    pub name: String,
    /// Whether it is run only when that is asked for: it has `#[ignore]`.
    pub is_ignored: bool,
}

/// Returns whether the guest holds tests.
#[must_use]
pub fn holds_tests(image: &Image) -> bool {
    image.sections().iter().any(|section| section.name == SECTION)
}

/// The tests in what such a guest prints when it is run without arguments, each name once; `paravirt_bsp::test::main`
/// says how they look. What is printed before or between them is passed over.
#[must_use]
pub fn held_tests(printed: &str) -> Vec<Held> {
    let mut tests: Vec<Held> = Vec::new();
    for line in printed.lines() {
        let (is_ignored, line) = line.strip_prefix("ignored ").map_or((false, line), |line| (true, line));
        let name = line.strip_prefix("test: ").unwrap_or_default();
        if !name.is_empty() && !name.contains('\0') && tests.iter().all(|test| test.name != name) {
            let name = name.to_owned();
            tests.push(Held { name, is_ignored });
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_is_printed_besides() {
        let printed =
            "before main\r\nno end\r\ntest: a::b\r\nignored test: c\n\ntest: \ntested: d\ntest: a::b\ntest: e";
        let tests = held_tests(printed);
        let found: Vec<_> = tests.iter().map(|test| (&test.name[..], test.is_ignored)).collect();
        assert_eq!(found, [("a::b", false), ("c", true), ("e", false)]);
    }
}
