// SPDX-License-Identifier: MIT OR Apache-2.0
//! L4RTEMS images, and images with an identity note that call functions by their L4RTEMS names, on hosts in C.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use guests_l4rtems::{FORMS, INTERRUPTS, RUNS};
use test_support::Tool;
use test_support::need::Need;

use paravirt_c_host_tests::{Arch, argument, c_host, compile, run, scratch};

/// What makes a host accept them.
const COMPAT: [&str; 2] = ["--compat", "l4rtems"];
/// Without and with a resolver.
const BINDINGS: [&[&str]; 2] = [&[], &["--lazy"]];

/// A guest, with more arguments of its compiler.
fn build(arch: Arch, source: &str, flags: &[&str], folder: &Path) -> PathBuf {
    if let Some(reason) = guests_l4rtems::missing(arch.name()) {
        Need::Tool(Tool::CrossI686).panic(&reason);
    }
    let image = folder.join("guest");
    guests_l4rtems::build(arch.name(), source, flags, &image).unwrap_or_else(|error| panic!("{error}"));
    image
}

/// Every word of the guest, in every form of its tables; the process host's test expects the same.
#[test]
fn l4rtems_images_run_as_in_a_process() {
    let folder = scratch();
    let host = c_host(Arch::I386, "c-host");
    for (form, flags) in FORMS {
        let guest = build(Arch::I386, "guest.c", flags, folder.path());
        for binding in BINDINGS {
            for (what, printed) in RUNS {
                // It declares a port, which it does not use here.
                let options = [&COMPAT[..], &["--partial"], binding].concat();
                let ran = run(&host, &[&options[..], &[argument(&guest), "--", what]].concat());
                let title = format!("{form} {binding:?} {what}: {}", ran.messages);
                assert_eq!((ran.output.as_str(), ran.status), (printed, Some(0)), "{title}");
            }
        }
    }
}

#[test]
fn the_console_is_read_by_polling() {
    let folder = scratch();
    let (host, guest) = (
        c_host(Arch::I386, "c-host"),
        build(Arch::I386, "guest.c", &[], folder.path()),
    );
    for binding in BINDINGS {
        let options = [&COMPAT[..], &["--partial"], binding].concat();
        let mut child = Command::new("timeout")
            .arg("60")
            .arg(&host)
            .args(options)
            .args([argument(&guest), "--", "echo"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("coreutils are there");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(b"typed\xffq").expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.stdout, b"typed\xff\nend\n", "{binding:?}");
        assert_eq!(output.status.code(), Some(0), "{binding:?}");
    }
}

#[test]
fn what_is_not_provided_is_named_when_it_is_called() {
    let folder = scratch();
    let (host, guest) = (
        c_host(Arch::I386, "c-host"),
        build(Arch::I386, "guest.c", &[], folder.path()),
    );
    let guest = argument(&guest);
    for binding in BINDINGS {
        let options = [&COMPAT[..], &["--partial"], binding].concat();
        let ran = run(&host, &[&options[..], &[guest, "--", "port"]].concat());
        let part = "call of `l4rtems_inport`, which the host does not provide\n  at 0x";
        assert!(ran.messages.contains(part), "{binding:?}: {}", ran.messages);
        assert_eq!(ran.status, Some(3), "{binding:?}");
    }
    // What asks L4 for something by itself, too.
    let options = [&COMPAT[..], &["--partial", guest, "--", "ld"]].concat();
    let ran = run(&host, &options);
    let part = "hint: this asks the L4 microkernel";
    assert!(ran.messages.contains(part), "{}", ran.messages);
    assert_eq!(ran.status, Some(5));
}

/// Faults of a guest that has changed its segment registers are reported as others are.
#[test]
fn segments_of_the_guest_s_own_do_not_keep_the_host_from_leaving_it() {
    let folder = scratch();
    let (host, guest) = (
        c_host(Arch::I386, "c-host"),
        build(Arch::I386, "guest.c", &[], folder.path()),
    );
    for (what, part) in [
        ("sd", "instruction: ud2"),
        ("se", "instruction: ud2"),
        ("sc", "instruction: ud2"),
        ("sr", "general protection fault"),
    ] {
        for binding in BINDINGS {
            let options = [&COMPAT[..], &["--partial"], binding].concat();
            let ran = run(&host, &[&options[..], &[argument(&guest), "--", what]].concat());
            assert!(ran.messages.contains(part), "{what} {binding:?}: {}", ran.messages);
            assert_eq!((ran.output.as_str(), ran.status), ("", Some(5)), "{what}");
        }
    }
}

#[test]
fn without_the_option_they_are_refused_and_it_is_named() {
    for arch in Arch::ALL {
        let folder = scratch();
        let host = c_host(arch, "c-host");
        let refused = |source, part: &str| {
            let guest = build(arch, source, &[], folder.path());
            let ran = run(&host, &["--partial", argument(&guest)]);
            assert!(ran.messages.contains(part), "no {part:?} in {}", ran.messages);
            // An image with an identity note starts with --partial, and ends at its first call.
            assert_ne!(ran.status, Some(0), "{source}");
            assert_eq!(ran.output, "", "{source}");
        };
        if arch == Arch::I386 {
            refused(
                "guest.c",
                "option `--compat l4rtems`, of libparavirt_host.a the flag PVH_COMPAT_L4RTEMS",
            );
        }
        refused(
            "page.c",
            "missing: l4rtems_outch, of L4RTEMS; set PVH_COMPAT_L4RTEMS (option `--compat l4rtems`)",
        );
    }
}

/// A table without a single name that is bound, and so long that the host's code in the guest's memory has no room to
/// spare.
#[test]
fn l4rtems_names_that_nobody_provides_do_no_harm() {
    for arch in Arch::ALL {
        let folder = scratch();
        let host = c_host(arch, "c-host");
        let word = if arch == Arch::I386 { "long" } else { "quad" };
        let many = format!(
            ".section .data.l4externals.str, \"aw\"\n1: .string \"l4rtems_outch\"\n\
             .rept 1000\n\
             .section .data.l4externals.symtab, \"aw\"\n.{word} 1b\n\
             .section .data.l4externals.jmptbl, \"aw\"\n.{word} 0\n\
             .endr\n"
        );
        let source = folder.path().join("many.s");
        fs::write(&source, many).expect("the scratch folder");
        let guest = build(arch, "page.c", &[argument(&source)], folder.path());
        let ran = run(&host, &["--partial", "--lazy", argument(&guest)]);
        let part = "call of `l4rtems_inch`, which the host does not provide";
        assert!(ran.messages.contains(part), "{}", ran.messages);
        assert_eq!(ran.status, Some(3), "{arch:?}");
        let ran = run(&host, &[&COMPAT[..], &[argument(&guest)]].concat());
        assert_eq!((ran.output.as_str(), ran.status), (INTERRUPTS, Some(0)));
    }
}

#[test]
fn current_images_get_interrupts_by_the_l4rtems_names() {
    for arch in Arch::ALL {
        let folder = scratch();
        let (host, guest) = (c_host(arch, "c-host"), build(arch, "page.c", &[], folder.path()));
        for binding in BINDINGS {
            let ran = run(&host, &[&COMPAT[..], binding, &[argument(&guest)]].concat());
            let title = format!("{arch:?} {binding:?}: {}", ran.messages);
            assert_eq!((ran.output.as_str(), ran.status), (INTERRUPTS, Some(0)), "{title}");
        }
    }
}

/// On i386 every word of the arguments is where `regparm(3)` has it, from none to three and on the stack.
#[test]
fn a_hosts_own_functions_get_their_arguments_and_give_their_results() {
    const PRINTED: &str = "outch -102\ninch\nrequestIrq 0x80000001\nrequestIrq 0x80000002\ndetachIrq 0xdeadbeef\n\
        timer_start 0x123456789abcdef 0xfedcba9876543210\ntimer_stop\ntimer_read\ninport 0x3f8 0x80000002\n\
        outport 0x70 0xa5a5a5a5 0x80000001\n";
    for arch in Arch::ALL {
        let folder = scratch();
        let sources = ["examples/c-host/c-host.c", "tests/c-host/hosts/l4rtems.c"];
        let (host, guest) = (
            compile(arch, &sources, folder.path()),
            build(arch, "calls.c", &[], folder.path()),
        );
        let guest = argument(&guest);
        for binding in BINDINGS {
            let ran = run(&host, &[&COMPAT[..], binding, &[guest]].concat());
            let title = format!("{arch:?} {binding:?}: {}", ran.messages);
            assert_eq!((ran.output.as_str(), ran.status), (PRINTED, Some(0)), "{title}");
        }
        let ran = run(&host, &[guest]);
        let part = "functions[0] `l4rtems_outch` is an L4RTEMS function; set PVH_COMPAT_L4RTEMS";
        assert!(ran.messages.contains(part), "{}", ran.messages);

        let sources = [&sources[..], &["-DMISTAKE"]].concat();
        let host = compile(arch, &sources, folder.path());
        for options in [&COMPAT[..], &["--compat", "l4rtems", "--partial"]] {
            let ran = run(&host, &[options, &[guest]].concat());
            let part = "`fn(u32, u32) -> u32`";
            assert!(ran.messages.contains("l4rtems_inport"), "{}", ran.messages);
            assert!(ran.messages.contains(part), "{}", ran.messages);
            assert_eq!((ran.output.as_str(), ran.status), ("", Some(1)));
        }
    }
}

/// Tables that a hostile or a damaged file may have, as assembly beside the guest's own.
const HOSTILE: [(&str, &str, &str); 4] = [
    (
        "unpaired",
        ".section .data.l4externals.jmptbl, \"aw\"\n.long 0\n",
        "section .data.l4externals.symtab has 11 entries, .data.l4externals.jmptbl has 12",
    ),
    (
        "cut",
        ".section .data.l4externals.symtab, \"aw\"\n.byte 0\n",
        "section .data.l4externals.symtab has 0x2d bytes, no multiple of 4",
    ),
    (
        "outside",
        ".section .data.l4externals.symtab, \"aw\"\n.long 0xfffffff0\n\
         .section .data.l4externals.jmptbl, \"aw\"\n.long 0\n",
        "entry 0 of section .data.l4externals.symtab points to 0xfffffff0, outside the names",
    ),
    (
        "control",
        ".section .data.l4externals.str, \"aw\"\n1: .string \"\\33[2J\"\n\
         .section .data.l4externals.symtab, \"aw\"\n.long 1b\n\
         .section .data.l4externals.jmptbl, \"aw\"\n.long 0\n",
        "external function 0 has the name \"\\u{1b}[2J\", no identifier of C",
    ),
];

#[test]
fn damaged_and_hostile_tables_are_refused_by_name() {
    let folder = scratch();
    let host = c_host(Arch::I386, "c-host");
    let refused = |guest: &Path, part: &str| {
        for binding in BINDINGS {
            let options = [&COMPAT[..], &["--partial"], binding].concat();
            let ran = run(&host, &[&options[..], &[argument(guest), "--", "whole"]].concat());
            assert!(ran.messages.contains(part), "no {part:?} in {}", ran.messages);
            assert_eq!((ran.output.as_str(), ran.status), ("", Some(1)), "{part}");
        }
    };
    for (name, assembly, part) in HOSTILE {
        let source = folder.path().join(format!("{name}.s"));
        fs::write(&source, assembly).expect("the scratch folder");
        let guest = build(Arch::I386, "guest.c", &[argument(&source)], folder.path());
        refused(&guest, part);
    }
    let guest = build(Arch::I386, "guest.c", &[], folder.path());
    let whole = fs::read(&guest).expect("the guest");
    let half = folder.path().join("half");
    fs::write(&half, &whole[..whole.len() / 2]).expect("the scratch folder");
    refused(&half, "the file is truncated or damaged");
}
