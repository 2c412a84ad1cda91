// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/start.h>`.

use paravirt_bsp::abi::start::StartInfo;
use paravirt_bsp::start;

/// The start info; null before start-up has read it.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_start_info() -> *const StartInfo {
    start::info().map_or(core::ptr::null(), core::ptr::from_ref)
}
