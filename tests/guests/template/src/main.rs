// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance guest on the backend `template` alone. A backend of your own gets an image like this one.
#![no_std]
#![no_main]

paravirt_bsp::image! { main: conformance::main, backends: [template] }
