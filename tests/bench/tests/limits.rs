// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limits of what is counted and not timed. The report shows the same rows.

use std::path::Path;

use anyhow::Result;
use bench::runs::{Host, OPERATIONS, START, XEN_DOMU};
use bench::table::{Row, render};
use bench::{callgrind, counts, size};
use paravirt_build::hosts;
use test_support::{Arch, Tool, guest, program, workspace};

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

/// Counts on the machines in QEMU.
fn emulated(name: &str, count: impl Fn(&Path, Host) -> Result<Vec<Row>>) {
    let _ = (guest(Arch::Aarch64, name), test_support::qemu_arm());
    let pvhost = hosts::build(&workspace(), hosts::PVHOST).expect("a pvhost that builds");
    for host in counts::EMULATED {
        if host == XEN_DOMU {
            let _ = test_support::xen_arm();
        }
        check(count(&pvhost, host));
    }
}

#[test]
fn short_paths_cost_so_many_instructions_on_aarch64() {
    emulated(OPERATIONS, counts::emulated_paths);
}

#[test]
fn the_first_line_takes_hardly_longer_than_without_the_layer_on_aarch64() {
    test_support::tool(Tool::CrossAarch64);
    let folder = tempfile::tempdir().expect("a folder");
    emulated(START, |pvhost, host| counts::first_line(pvhost, host, folder.path()));
}

#[test]
fn the_layer_is_so_small() {
    for arch in Arch::KNOWN {
        let _ = guest(arch, "one-backend");
        check(size::rows(arch));
    }
}
