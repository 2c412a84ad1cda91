// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which symbols cross between the two compilers.

use std::collections::BTreeSet;

use paravirt_abi::interface::FUNCTIONS;
use paravirt_ports::rtems::bsp::Bsp;
use paravirt_rtems_tests::archive::{self, Symbols};
use paravirt_rtems_tests::contract::{Contract, Crossing, Provider};
use paravirt_rtems_tests::prototypes;

/// The C API, by its Rust sources.
fn api() -> BTreeSet<String> {
    prototypes::modules()
        .iter()
        .flat_map(|module| prototypes::functions(&prototypes::of_module(module)))
        .collect()
}

#[test]
fn the_library_defines_its_part_of_the_contract_and_the_c_api() {
    for bsp in Bsp::ALL {
        defines_its_part(bsp);
    }
}

fn defines_its_part(bsp: Bsp) {
    let library = test_support::rtems_library(bsp.arch());
    let symbols = Symbols::read(&library);
    let contract = Contract::read(bsp);
    let missing: Vec<&str> = contract
        .from(Provider::Rust)
        .map(|symbol| symbol.name.as_str())
        .filter(|name| !symbols.defined.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let api = api();
    assert!(api.len() > 20, "the C API was not found: {api:?}");
    let missing: Vec<&String> = api.difference(&symbols.defined).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn nothing_else_is_defined() {
    for bsp in Bsp::ALL {
        defines_nothing_else(bsp);
    }
}

fn defines_nothing_else(bsp: Bsp) {
    let library = test_support::rtems_library(bsp.arch());
    let crossing = Crossing::read();
    let contract = Contract::read(bsp);
    let api = api();
    let listed = |name: &String| {
        crossing.defined.contains_key(name)
            || api.contains(name)
            || contract.from(Provider::Rust).any(|symbol| symbol.name == *name)
    };
    let external = |name: &str| {
        let function = name.strip_suffix(".has_one_prototype").unwrap_or(name);
        FUNCTIONS.iter().any(|declared| declared.name == function)
    };
    let unlisted: Vec<String> = Symbols::read(&library)
        .defined
        .into_iter()
        .filter(|name| !listed(name) && !external(name) && !archive::is_mangled(name))
        .collect();
    assert!(
        unlisted.is_empty(),
        "neither contract, C API nor crossing.toml have {unlisted:?}"
    );
}

#[test]
fn it_refers_to_what_is_listed() {
    let listed: BTreeSet<String> = Crossing::read().undefined.into_keys().collect();
    for bsp in Bsp::ALL {
        let library = test_support::rtems_library(bsp.arch());
        // Which of the C library's functions the compiler calls is its own affair, as long as they are listed.
        let undefined = Symbols::read(&library).undefined;
        let unlisted: Vec<&String> = undefined.difference(&listed).collect();
        assert!(unlisted.is_empty(), "{}: {unlisted:?}", bsp.name());
    }
}
