// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the macro says of a function is believed, so nobody else may say it without a promise.
use paravirt_bsp::abi::signature::Signature;
use paravirt_bsp::external::External;
use paravirt_bsp::interface::pv_shutdown;

enum Returns {}

impl External for Returns {
    type Pointer = extern "C" fn();
    const NAME: &'static str = "pv_shutdown";
    const SIGNATURE: Signature = <pv_shutdown as External>::SIGNATURE;
}

fn main() {}
