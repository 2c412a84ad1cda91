// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of a guest, in the guest: each has a run of its own.
//!
//! ```no_run
//! paravirt_bsp::test! {
//!     fn two_and_two_are_four() {
//!         assert_eq!(2 + 2, 4);
//!     }
//!
//!     fn timer_1_stops() -> Result<(), paravirt_bsp::Error> {
//!         paravirt_bsp::timer::Timer::new(1).ok_or(paravirt_bsp::Error::NoSuchDevice)?.stop()
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! They stand beside what they test, in any module of the program. `cargo test` builds the program with [`main`] in the
//! place of its own, if its manifest says `harness = false` (`pvhost new` writes such a one). With `pvhost run` as
//! cargo's runner, each test is a run of the guest, and is counted by its name. A test fails by a panic, or by what it
//! returns. One with `#[ignore]` is run when it is asked for: `cargo test -- --ignored`, `--include-ignored`.

use linkme::distributed_slice;

use crate::start::{self, Termination};

/// A test, as [`test!`](crate::test!) makes it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Test {
    /// The function with its modules, the crate first.
    pub path: &'static str,
    pub run: fn() -> i32,
    /// Whether it has `#[ignore]`.
    pub is_ignored: bool,
}

impl Test {
    /// The path without the crate.
    fn name(&self) -> &'static str {
        self.path.split_once("::").map_or(self.path, |(_, name)| name)
    }
}

/// The tests of the program.
#[doc(hidden)]
#[distributed_slice]
pub static TESTS: [Test];

/// Runs the test that the command line names, and ends with what it returns; without a name, prints the names: a line
/// each, which begins with `test: `, or `ignored test: `. Others are not of the list, such as those of constructors.
#[must_use]
pub fn main() -> i32 {
    let Some(name) = start::arguments().next() else {
        // Who printed before may have left a line without its end.
        crate::println!();
        for test in TESTS {
            let ignored = if test.is_ignored { "ignored " } else { "" };
            crate::println!("{ignored}test: {}", test.name());
        }
        return 0;
    };
    match TESTS.iter().find(|test| test.name() == name) {
        Some(test) => (test.run)(),
        None => {
            crate::println!("there is no test `{name}`");
            2
        }
    }
}

/// What a test function returns, as an exit status.
#[doc(hidden)]
pub fn status(outcome: impl Termination) -> i32 {
    outcome.code()
}

/// Functions that are tests, see [the module](mod@crate::test).
#[macro_export]
macro_rules! test {
    ($($(#[$($meta:tt)*])* fn $name:ident() $(-> $outcome:ty)? $body:block)*) => {
        $($crate::__test_item! { false [] $(#[$($meta)*])* fn $name() $(-> $outcome)? $body })*
    };
}

/// One test: whether it is ignored, its attributes that were looked at already, and the rest.
#[doc(hidden)]
#[macro_export]
macro_rules! __test_item {
    ($ignored:literal [$($seen:tt)*] #[ignore $(= $reason:literal)?] $($rest:tt)*) => {
        $crate::__test_item! { true [$($seen)*] $($rest)* }
    };
    ($ignored:literal [$($seen:tt)*] #[should_panic $($how:tt)*] $($rest:tt)*) => {
        ::core::compile_error!("`#[should_panic]`: a panic ends the guest, and a test that does has failed");
    };
    ($ignored:literal [$($seen:tt)*] #[$($meta:tt)*] $($rest:tt)*) => {
        $crate::__test_item! { $ignored [$($seen)* #[$($meta)*]] $($rest)* }
    };
    ($ignored:literal [$($seen:tt)*] fn $name:ident() $(-> $outcome:ty)? $body:block) => {
        #[cfg(test)]
        $($seen)*
        fn $name() $(-> $outcome)? $body

        #[cfg(test)]
        const _: () = {
            #[$crate::linkme::distributed_slice($crate::test::TESTS)]
            #[linkme(crate = $crate::linkme)]
            static TEST: $crate::test::Test = $crate::test::Test {
                path: concat!(module_path!(), "::", stringify!($name)),
                run: || $crate::test::status($name()),
                is_ignored: $ignored,
            };
        };
    };
}
