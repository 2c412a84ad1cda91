// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limits of what is counted and not timed. The report shows the same rows.

use anyhow::Result;
use bench::table::{Row, render};
use bench::{callgrind, counts, size};
use test_support::{Arch, guest, program};

/// Sees that every row with a limit keeps it, and that there is such a row.
fn check(rows: Result<Vec<Row>>) {
    let rows = rows.unwrap_or_else(|error| panic!("{error:#}"));
    let table = render(&rows);
    println!("{table}");
    assert!(rows.iter().any(|row| row.is_kept().is_some()), "{table}");
    assert!(rows.iter().all(|row| row.is_kept() != Some(false)), "{table}");
}

fn counted(name: &str, count: fn(Arch) -> Result<Vec<Row>>) {
    program("valgrind");
    for arch in Arch::ALL {
        let _ = guest(arch, name);
        callgrind::available(arch).unwrap_or_else(|error| panic!("{arch}: {error:#}"));
        check(count(arch));
    }
}

#[test]
fn a_call_through_the_thunk_and_the_interrupt_flag_cost_so_many_instructions() {
    counted("bench-paths", counts::paths);
}

#[test]
fn names_are_found_and_bound_in_so_many_instructions() {
    counted("bench-bind", counts::bind);
}

#[test]
fn the_layer_is_so_small() {
    for arch in Arch::ALL {
        let _ = guest(arch, "one-backend");
        check(size::rows(arch));
    }
}
