// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments and results of every type cross the gate, and what guests pass is checked.

use pvhost::process::{Call, Exit, GuestConstPtr, GuestIsize, GuestPtr, GuestUsize, Stopped, Vm, VmError};

use super::guests::{each, ends_well, output, place, vm};

pub fn provide_all(builder: pvhost::process::Builder) -> Result<Vm, VmError> {
    builder
        .provide("check_integers", integers)
        .provide("check_floats", floats)
        .provide("check_narrow", |_: &mut Call, a: i8, b: u16| {
            i32::from(a) + i32::from(b)
        })
        .provide("check_single", |_: &mut Call, a: f32| a / 2.0)
        .provide("check_byte", |_: &mut Call| -5_i8)
        .provide("check_wide", |_: &mut Call| 0x0123_4567_89ab_cdef_u64)
        .provide("check_negative", |_: &mut Call, a: GuestIsize| {
            // The guest's values are small.
            GuestIsize(if a.0.abs() < 100 { -a.0 } else { 0 })
        })
        .provide("check_read", read)
        .provide("check_write", |call: &mut Call, to: GuestPtr<u8>, size: GuestUsize| {
            call.write_bytes(to, &vec![b'y'; size.0 as usize])
        })
        .provide("check_done", |call: &mut Call, code: i32| -> Stopped {
            call.stop(Exit::Exit(code))
        })
        .build()
}

#[expect(clippy::too_many_arguments, reason = "more than registers hold")]
pub fn integers(
    _: &mut Call,
    a: u8,
    b: i16,
    c: u32,
    d: i64,
    e: u64,
    f: GuestConstPtr<u8>,
    g: GuestUsize,
    h: i32,
    i: u64,
) -> u64 {
    let expected = (200, -300, 4_000_000_000, -5, 6 << 40, 0x1234, 7, -8, 9 << 50);
    u64::from((a, b, c, d, e, f.address(), g.0, h, i) == expected)
}

#[expect(clippy::too_many_arguments, reason = "more than registers hold")]
pub fn floats(
    _: &mut Call,
    a: f32,
    b: f64,
    c: u32,
    d: f64,
    e: f64,
    f: f64,
    g: f64,
    h: f64,
    i: f64,
    j: f64,
    k: f32,
) -> f64 {
    let expected = (0.5, 1.5, 2, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5);
    if (a, b, c, d, e, f, g, h, i, j, k) == expected {
        0.1
    } else {
        0.0
    }
}

fn read(call: &mut Call, from: GuestConstPtr<u8>, size: GuestUsize) -> i32 {
    match call.bytes(from, size) {
        Ok(bytes) => bytes.iter().map(|&byte| i32::from(byte)).sum(),
        Err(error) => error.number(),
    }
}

#[test]
fn every_type_crosses_the_gate_both_ways() {
    let _place = place();
    for (arch, guest) in each("calls") {
        for fsgsbase in [true, false] {
            for lazy in [false, true] {
                let (console, written) = output();
                let mut builder = vm(&guest, console).lazy(lazy);
                if !fsgsbase {
                    builder = builder.without_fsgsbase();
                }
                let vm = provide_all(builder).expect("a guest for this host");
                assert_eq!(vm.unbound().count(), 0, "{arch}");
                let what = format!("{arch} fsgsbase {fsgsbase} lazy {lazy}");
                ends_well(vm, written, what);
            }
        }
    }
}
