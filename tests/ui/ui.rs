// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles every file in `rejected/` and compares the compiler's messages with the `.stderr` file beside it. After a
//! deliberate change, `TRYBUILD=overwrite cargo test -p paravirt-ui-tests` writes them anew.
//!
//! What compiles must also link and run: see the package `paravirt-section-tests`.

#[test]
fn faults_are_explained() {
    trybuild::TestCases::new().compile_fail("rejected/*.rs");
}
