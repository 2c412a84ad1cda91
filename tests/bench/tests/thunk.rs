// SPDX-License-Identifier: MIT OR Apache-2.0
//! The price of the jump table, which is a count and not a time: one instruction a call.

use bench::arch::Arch;
use bench::{callgrind, guest};

const GUEST: &str = "bench-paths";

#[test]
fn a_call_through_the_thunk_is_one_instruction_longer() {
    for arch in Arch::ALL {
        if let Err(reason) = callgrind::available(arch).and_then(|()| guest::path(arch, GUEST)) {
            println!("skipped: {arch}: {reason:#}");
            continue;
        }
        let count = |function| {
            callgrind::instructions(arch, GUEST, function).expect("the guest runs under valgrind")
        };
        let (thunk, direct) = (count("measure_thunk_call"), count("measure_direct_call"));
        assert_eq!(thunk - direct, callgrind::COUNT, "{arch}");
    }
}
