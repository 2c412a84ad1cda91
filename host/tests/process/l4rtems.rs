// SPDX-License-Identifier: MIT OR Apache-2.0
//! L4RTEMS images, compiled here in the form that their sources had.

use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use guests_l4rtems::{FORMS, INTERRUPTS, RUNS};
use pvhost::process::{Call, Exit, GuestError, VmError};
use tempfile::TempDir;
use test_support::Tool;
use test_support::need::Need;

use super::guests::{Arch, ends_well, output, place, pvhost, read_back, run, text, vm};

/// A guest that is gone when its test has ended.
struct Built {
    path: PathBuf,
    _folder: TempDir,
}

impl Deref for Built {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// The guest of that source, in that form.
fn build(arch: Arch, source: &str, form: (&str, &[&str])) -> Built {
    if let Some(reason) = guests_l4rtems::missing(arch.name()) {
        Need::Tool(Tool::CrossI686).panic(&reason);
    }
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(form.0);
    guests_l4rtems::build(arch.name(), source, form.1, &path).unwrap_or_else(|error| panic!("{error}"));
    Built { path, _folder: folder }
}

fn plain() -> Built {
    build(Arch::I386, "guest.c", FORMS[0])
}

/// `pvhost run --compat l4rtems`, with options.
fn run_l4rtems(guest: &Path, options: &[&str], what: &str) -> Output {
    let options = [&["--compat", "l4rtems"], options].concat();
    run(guest, &options, &[what])
}

#[test]
fn every_form_binds_and_calls() {
    for form in FORMS {
        let guest = build(Arch::I386, "guest.c", form);
        let form = form.0;
        for lazy in [&[][..], &["--lazy"]] {
            for (what, printed) in RUNS {
                let output = run_l4rtems(&guest, lazy, what);
                let stderr = text(&output.stderr);
                assert_eq!(output.status.code(), Some(0), "{form} {lazy:?} {what}: {stderr}");
                assert_eq!(text(&output.stdout), printed, "{form} {lazy:?} {what}: {stderr}");
            }
        }
    }
}

#[test]
fn the_console_is_read_by_polling() {
    let guest = plain();
    let mut child = pvhost(&guest, &["--compat", "l4rtems"], &["echo"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pvhost starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"typed\xffq").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(output.stdout, b"typed\xff\nend\n");
}

/// Period and first expiration are where the convention has them, in the units of L4RTEMS.
#[test]
fn the_timer_is_started_as_in_l4rtems() {
    let _place = place();
    let guest = plain();
    let (console, written) = output();
    let vm = vm(&guest, console)
        .l4rtems()
        .command_line("timer")
        .build()
        .expect("a guest for this host");
    let (finished, written) = ends_well(vm, written, "timer");
    assert_eq!(written, "time passes\n");
    // 100, 110, .. 200 ms; on a busy machine the guest is kept waiting before it stops the timer.
    let expirations = finished.stats.expirations[0];
    assert!((11..=100).contains(&expirations), "{expirations}");
    assert_eq!(finished.stats.upcalls, 0);
}

#[test]
fn a_port_is_not_there() {
    let guest = plain();
    for lazy in [&[][..], &["--lazy"]] {
        let output = run_l4rtems(&guest, lazy, "port");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(
            stderr.contains("call of `l4rtems_inport`, which the host does not provide"),
            "{stderr}"
        );
    }
}

#[test]
fn what_asks_l4_is_reported_as_such() {
    let guest = plain();
    for (what, at) in [("ld", "instruction: mov %fs:0"), ("ls", "at 0xaffff800")] {
        let output = run_l4rtems(&guest, &[], what);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{stderr}");
        assert!(stderr.contains(at), "{stderr}");
        assert!(stderr.contains("hint: this asks the L4 microkernel"), "{stderr}");
    }
}

#[test]
fn without_the_option_the_image_is_refused_and_the_option_is_named() {
    let guest = plain();
    let output = run(&guest, &[], &["memory"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("option `--compat l4rtems`"), "{stderr}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn an_image_with_a_vcpu_page_gets_interrupts_by_the_l4rtems_names() {
    for arch in Arch::ALL {
        let guest = build(arch, "page.c", FORMS[0]);
        for lazy in [&[][..], &["--lazy"]] {
            let output = run_l4rtems(&guest, lazy, "");
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{arch} {lazy:?}: {stderr}");
            assert_eq!(text(&output.stdout), INTERRUPTS, "{arch} {lazy:?}: {stderr}");
        }
    }
}

#[test]
fn guests_of_today_are_entered_as_ever() {
    for (arch, guest) in super::guests::each("hello") {
        let output = run_l4rtems(&guest, &[], "");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arch}: {stderr}");
        assert_eq!(text(&output.stdout), "Hello from a paravirtualized guest\n");
    }
}

/// Functions of the embedder by these names are called as in L4RTEMS, and have the prototypes that they had there.
#[test]
fn l4rtems_functions_may_be_replaced() {
    let _place = place();
    for arch in Arch::ALL {
        let guest = build(arch, "page.c", FORMS[0]);
        let (console, written) = output();
        let builder = vm(&guest, console).l4rtems();
        let finished = builder
            .provide("l4rtems_inch", |_: &mut Call| -1_i32)
            .provide("l4rtems_timer_start", |call: &mut Call, period: u64, first: u64| {
                assert_eq!((period, first), (5000, 0));
                call.stop(Exit::Exit(7));
            })
            .build()
            .expect("a guest for this host")
            .run()
            .expect("the guest runs");
        assert!(matches!(finished.exit, Exit::Exit(7)), "{:?}", finished.exit);
        assert_eq!(read_back(written), "");
        let (console, _) = output();
        let refused = vm(&guest, console)
            .l4rtems()
            .provide("l4rtems_inch", |_: &mut Call, _: u32| -1_i32)
            .build();
        assert!(
            matches!(&refused, Err(error @ VmError::Guest(GuestError::Prototype { .. })) if error.to_string().contains("`l4rtems_inch` is \
            `fn(u32) -> i32` for the host")),
            "{arch}"
        );
    }
}
