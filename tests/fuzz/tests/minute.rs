// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each fuzz target for a minute, always from the same beginning.

use std::fs;

use paravirt_build::command;
use paravirt_build::fuzz;
use test_support::{Arch, guest, program, workspace};

const SECONDS: u64 = 60;

/// Runs it from guests alone, so that what another run has found does not count.
fn minute(target: &str) {
    program("g++");
    for arch in Arch::ALL {
        for name in fuzz::SEEDS {
            // Says what to do if it is not there.
            drop(guest(arch, name));
        }
    }
    let workspace = workspace();
    fuzz::build(&workspace).unwrap_or_else(|error| panic!("{error:#}"));
    let corpus = tempfile::tempdir().expect("a folder");
    let mut program = fuzz::command(&workspace, target, SECONDS, corpus.path()).expect("folders");
    // It prints to standard error, all that it has when it fails.
    if let Err(error) = command::output(&mut program) {
        panic!("{error:#}");
    }
    let found = fs::read_dir(corpus.path()).expect("a folder").count();
    assert!(
        found > 0,
        "it has found nothing new: was it built with coverage?"
    );
}

#[test]
fn scan() {
    minute("scan");
}

#[test]
fn check() {
    minute("check");
}

#[test]
fn bind() {
    minute("bind");
}

#[test]
fn audit() {
    minute("audit");
}

#[test]
fn header() {
    minute("header");
}
