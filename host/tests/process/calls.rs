// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments and results of every type cross the gate, and what guests pass is checked.

use paravirt_abi::signature::Width;
use pvhost::process::{
    Builder, Call, Exit, GuestConstPtr, GuestIsize, GuestPtr, GuestUsize, Stopped, Value, Vm, VmError,
};
use pvhost::prototype;

use test_support::Arch;

use super::guests::{each, ends_well, output, place, vm};

pub fn provide_all(builder: Builder) -> Result<Vm, VmError> {
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

/// What `provide_all` provides, by prototypes in words.
fn provide_by_words(mut builder: Builder, width: Width) -> Builder {
    use Value::{Float, Signed, Unit, Unsigned};
    type Function = fn(&mut Call, &[Value]) -> Value;
    let functions: [(&str, &str, Function); 10] = [
        (
            "check_integers",
            "fn(u8, i16, u32, i64, u64, *const u8, usize, i32, u64) -> u64",
            |_, values| {
                let [unsigned, signed] = [|value| Unsigned(value), |value: u64| Signed(value as i64)];
                let expected = [
                    unsigned(200),
                    signed(-300_i64 as u64),
                    unsigned(4_000_000_000),
                    signed(-5_i64 as u64),
                    unsigned(6 << 40),
                    unsigned(0x1234),
                    unsigned(7),
                    signed(-8_i64 as u64),
                    unsigned(9 << 50),
                ];
                Unsigned((values == expected).into())
            },
        ),
        (
            "check_floats",
            "fn(f32, f64, u32, f64, f64, f64, f64, f64, f64, f64, f32) -> f64",
            |_, values| {
                let mut expected = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5].map(Float);
                expected[2] = Unsigned(2);
                Float(if values == expected { 0.1 } else { 0.0 })
            },
        ),
        ("check_narrow", "fn(i8, u16) -> i32", |_, values| match values {
            &[Signed(a), Unsigned(b)] => Signed(a + b as i64),
            _ => Unit,
        }),
        ("check_single", "fn(f32) -> f32", |_, values| match values {
            &[Float(a)] => Float(a / 2.0),
            _ => Unit,
        }),
        ("check_byte", "fn() -> i8", |_, _| Float(-5.9)),
        ("check_wide", "fn() -> u64", |_, _| Signed(0x0123_4567_89ab_cdef)),
        ("check_negative", "fn(isize) -> isize", |_, values| match values {
            &[Signed(a)] => Signed(-a),
            _ => Unit,
        }),
        (
            "check_read",
            "fn(*const u8, usize) -> i32",
            |call, values| match values {
                &[Unsigned(from), Unsigned(size)] => Signed(match call.memory().read(from, size) {
                    Ok(bytes) => bytes.iter().map(|&byte| i64::from(byte)).sum(),
                    Err(error) => error.number().into(),
                }),
                _ => Unit,
            },
        ),
        (
            "check_write",
            "fn(*mut u8, usize) -> i32",
            |call, values| match values {
                &[Unsigned(to), Unsigned(size)] => {
                    let written = call.memory().write(to, &vec![b'y'; size as usize]);
                    Signed(written.map_or_else(|error| error.number().into(), |()| 0))
                }
                _ => Unit,
            },
        ),
        ("check_done", "fn(i32) -> !", |call, values| {
            if let &[Signed(code)] = values {
                call.stop(Exit::Exit(code as i32));
            }
            Unit
        }),
    ];
    for (name, text, function) in functions {
        let signature = prototype::parse(text, width).expect("a prototype");
        builder = builder.provide_with(name, signature, function);
    }
    builder
}

#[test]
fn functions_whose_prototypes_are_words_get_and_give_the_same() {
    let _place = place();
    for (arch, guest) in each("calls") {
        let width = match arch {
            Arch::I386 => Width::Bits32,
            Arch::X86_64 | Arch::Aarch64 => Width::Bits64,
        };
        let (console, written) = output();
        let vm = provide_by_words(vm(&guest, console), width).build();
        ends_well(vm.expect("a guest for this host"), written, arch);

        let signature = prototype::parse("fn(i8, i16) -> i32", width).expect("a prototype");
        let (console, _) = output();
        let vm = provide_by_words(super::guests::vm(&guest, console), width)
            .provide_with("check_narrow", signature, |_, _| Value::Unit)
            .build();
        let error = vm.err().expect("another prototype").to_string();
        assert!(
            error.contains("check_narrow") && error.contains("fn(i8, i16) -> i32"),
            "{error}"
        );

        // One that returns all the same.
        let signature = prototype::parse("fn(i32) -> !", width).expect("a prototype");
        let (console, _) = output();
        let vm = provide_by_words(super::guests::vm(&guest, console), width)
            .provide_with("check_done", signature, |_, _| Value::Unit)
            .build();
        let finished = vm.expect("a guest for this host").run().expect("the guest runs");
        assert!(matches!(finished.exit, Exit::Fatal(0)), "{arch}: {:?}", finished.exit);
    }
}
