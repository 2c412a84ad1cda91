// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images of 2013, compiled here in the form that their sources had.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pvhost::process::Exit;

use super::guests::{output, place, pvhost, read_back, run, text, vm};

/// Ways to build the guest: as is; with the other spelling of the sections; in one segment, writable and executable.
const FORMS: [(&str, &[&str]); 3] = [
    ("plain", &[]),
    ("other-spelling", &["-DPREFIX=\".data.l4external\""]),
    ("one-segment", &["-Wl,-N", "-Wl,--no-warn-rwx-segments"]),
];

/// A compiler for i386 that needs no library.
fn compiler() -> Option<Command> {
    let works = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .args(["-E", "-x", "c", "/dev/null"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if works("i686-linux-gnu-gcc", &[]) {
        return Some(Command::new("i686-linux-gnu-gcc"));
    }
    if works("gcc", &["-m32"]) {
        let mut gcc = Command::new("gcc");
        gcc.arg("-m32");
        return Some(gcc);
    }
    println!(
        "skipped: neither i686-linux-gnu-gcc nor gcc -m32 is there to compile a guest of 2013"
    );
    None
}

/// The guest of that source, in that form.
fn build(source: &str, form: &str, flags: &[&str], test: &str) -> Option<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/compat");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compat");
    std::fs::create_dir_all(&folder).expect("a folder");
    let image = folder.join(format!("{test}-{form}"));
    let mut script = OsString::from("-Wl,-T,");
    script.push(sources.join("guest.ld"));
    let output = compiler()?
        .args([
            "-std=gnu11",
            "-O2",
            "-march=i586",
            "-ffreestanding",
            "-fno-pic",
        ])
        .args(["-fno-stack-protector", "-Wall", "-Wextra", "-Werror"])
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"])
        .args(["-Wl,-z,max-page-size=4096"])
        .arg(script)
        .args(flags)
        .arg(sources.join(source))
        .arg("-o")
        .arg(&image)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(image)
}

fn plain(test: &str) -> Option<PathBuf> {
    build("guest.c", FORMS[0].0, FORMS[0].1, test)
}

/// `pvhost run --compat 2013`, with options.
fn run_2013(guest: &Path, options: &[&str], what: &str) -> Output {
    let options = [&["--compat", "2013"], options].concat();
    run(guest, &options, &[what])
}

#[test]
fn every_form_binds_and_calls() {
    for (form, flags) in FORMS {
        let Some(guest) = build("guest.c", form, flags, "every-form") else {
            return;
        };
        for lazy in [&[][..], &["--lazy"]] {
            for (what, printed) in [
                ("memory", "memory is behind the image\n"),
                ("registers", "* registers are preserved\n"),
                ("interrupts", "no interrupts\n"),
                ("again", "a"),
            ] {
                let output = run_2013(&guest, lazy, what);
                let stderr = text(&output.stderr);
                assert_eq!(
                    output.status.code(),
                    Some(0),
                    "{form} {lazy:?} {what}: {stderr}"
                );
                assert_eq!(
                    text(&output.stdout),
                    printed,
                    "{form} {lazy:?} {what}: {stderr}"
                );
            }
        }
    }
}

#[test]
fn the_console_is_read_by_polling() {
    let Some(guest) = plain("console") else {
        return;
    };
    let mut child = pvhost(&guest, &["--compat", "2013"], &["echo"])
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

/// Period and first expiration are where the convention has them, in the units of 2013.
#[test]
fn the_timer_is_started_as_in_2013() {
    let _place = place();
    let Some(guest) = plain("timer") else {
        return;
    };
    let (console, written) = output();
    let finished = vm(&guest, console)
        .compat_2013()
        .command_line("timer")
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs");
    let written = read_back(written);
    assert!(
        matches!(finished.exit, Exit::Exit(0)),
        "{:?}\n{written}",
        finished.exit
    );
    assert_eq!(written, "time passes\n");
    // 100, 110, .. 200 ms; on a busy machine the guest is kept waiting before it stops the timer.
    let expirations = finished.stats.expirations[0];
    assert!((11..=100).contains(&expirations), "{expirations}");
    assert_eq!(finished.stats.upcalls, 0);
}

#[test]
fn a_port_is_not_there() {
    let Some(guest) = plain("port") else {
        return;
    };
    for lazy in [&[][..], &["--lazy"]] {
        let output = run_2013(&guest, lazy, "port");
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
    let Some(guest) = plain("l4") else {
        return;
    };
    for (what, at) in [("ld", "instruction: mov %fs:0"), ("ls", "at 0xaffff800")] {
        let output = run_2013(&guest, &[], what);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{stderr}");
        assert!(stderr.contains(at), "{stderr}");
        assert!(
            stderr.contains("hint: this asks the L4 microkernel"),
            "{stderr}"
        );
    }
}

#[test]
fn without_the_option_the_image_is_refused_and_the_option_is_named() {
    let Some(guest) = plain("refused") else {
        return;
    };
    let output = run(&guest, &[], &["memory"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("`pvhost run --compat 2013`"), "{stderr}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn an_image_with_a_vcpu_page_gets_interrupts_by_the_names_of_2013() {
    let Some(guest) = build("page.c", "page", &[], "interrupts") else {
        return;
    };
    for lazy in [&[][..], &["--lazy"]] {
        let output = run_2013(&guest, lazy, "");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{lazy:?}: {stderr}");
        assert_eq!(
            text(&output.stdout),
            "10 interrupts\n",
            "{lazy:?}: {stderr}"
        );
    }
}

/// There was no L4RTEMS for x86-64, and an image of today keeps its own entry.
#[test]
fn guests_of_today_are_entered_as_ever() {
    for (arch, guest) in super::guests::each("hello") {
        let output = run_2013(&guest, &[], "");
        let stderr = text(&output.stderr);
        if arch == "i386" {
            assert_eq!(output.status.code(), Some(0), "{stderr}");
            assert_eq!(text(&output.stdout), "Hello from a paravirtualized guest\n");
        } else {
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(stderr.contains("this host runs i386"), "{stderr}");
        }
    }
}
