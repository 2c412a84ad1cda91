// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pointers of guests that are none: in arguments, and the stack pointer, of every function.

use paravirt_abi::interface::FUNCTIONS;
use pvhost::process::{Call, GuestConstPtr, GuestPtr, GuestUsize};

use super::guests::{Arch, each, ends_well, output, place, run, text, vm};

#[test]
fn no_bad_pointer_gets_through() {
    let _place = place();
    for (arch, guest) in each("pointers") {
        let (console, written) = output();
        let secret = 0_u8;
        // On i386, where it is cut, it is still no memory of the guest's.
        let address = match arch {
            Arch::X86_64 => &raw const secret as u64,
            _ => 0xfff0_0000,
        };
        let vm = vm(&guest, console)
            .command_line(format!("table {address}"))
            .provide(
                "check_read",
                |call: &mut Call, from: GuestConstPtr<u8>, size: GuestUsize| call.bytes(from, size).map(drop),
            )
            .provide("check_write", |call: &mut Call, to: GuestPtr<u8>, size: GuestUsize| {
                // More than the guest has.
                let size = size.0.min(64 << 20) as usize;
                call.write_bytes(to, &vec![0; size])
            })
            .build()
            .expect("a guest for this host");
        let (_, written) = ends_well(vm, written, arch);
        assert_eq!(written, "", "{arch}");
    }
}

/// The functions are called with no stack; on x86-64 with bad arguments, too, which are in registers.
#[test]
fn a_call_with_a_bad_stack_pointer_ends_the_guest_alone() {
    for (arch, guest) in each("pointers") {
        let mut words = vec!["0", "16", "1048576", "4294967295"];
        if arch == Arch::X86_64 {
            words.extend(["4294967296", "140737488351232", "9223372036854775808"]);
        }
        for function in &FUNCTIONS {
            for word in &words {
                let output = run(&guest, &["--timeout", "10"], &["stack", function.name, word]);
                let what = format!("{arch} {} {word}: {}", function.name, text(&output.stderr));
                let status = output.status.code();
                // It needs no way back, and takes what it finds for its arguments.
                let ended = function.name == "pv_shutdown" && status.is_some();
                assert!(ended || status == Some(5), "{what}");
            }
        }
    }
}
