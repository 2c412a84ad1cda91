// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --host qemu|xen-pv|xen-pvh`: real guests in real machines. Where QEMU or Xen is missing, a test says so and is
//! skipped.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::guests::{each, find, pvhost, text};
use super::terminal::Session;

/// The hosts that can be tried here.
fn hosts() -> Vec<&'static str> {
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.join("qemu-system-x86_64").is_file()) {
        println!("skipped: there is no QEMU; run `cargo xtask setup`");
        return Vec::new();
    }
    if env::var_os("PVHOST_XEN").is_none() {
        println!("skipped: PVHOST_XEN names no Xen; run `cargo xtask test`");
        return vec!["qemu"];
    }
    vec!["qemu", "xen-pv", "xen-pvh"]
}

/// Each host with each guest of that name that can run there.
fn pairs(name: &str) -> Vec<(&'static str, &'static str, PathBuf)> {
    let mut pairs = Vec::new();
    for host in hosts() {
        for (arch, guest) in each(name) {
            let image = pvhost::image::Image::open(&guest).expect("a sound image");
            let identity = image.identity().expect("ours say who they are");
            let red_zone = arch == "x86_64" && identity.flags.is_empty();
            if red_zone {
                println!("skipped: {} has a red zone", guest.display());
            } else if (host, arch) != ("xen-pv", "i386") {
                pairs.push((host, arch, guest));
            }
        }
    }
    pairs
}

/// Each host with one guest of that name: what is tried does not depend on the architecture, and Xen takes seconds to start.
fn one_each(name: &str) -> Vec<(&'static str, &'static str, PathBuf)> {
    let mut pairs = pairs(name);
    pairs.dedup_by_key(|(host, ..)| *host);
    pairs
}

/// Runs a guest there, without input.
fn run(host: &str, guest: &Path, options: &[&str], arguments: &[&str]) -> Output {
    let options = [&["--host", host], options].concat();
    pvhost(guest, &options, arguments)
        .output()
        .expect("pvhost starts")
}

/// A folder of that name that is gone when the test has ended.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("pvhost-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn hello_says_hello_and_the_machine_says_nothing() {
    for (host, arch, guest) in pairs("hello") {
        let output = run(host, &guest, &[], &[]);
        assert_eq!(
            text(&output.stdout),
            "Hello from a paravirtualized guest\n",
            "{host} {arch}"
        );
        assert_eq!(text(&output.stderr), "", "{host} {arch}");
        assert_eq!(output.status.code(), Some(0), "{host} {arch}");
    }
}

#[test]
fn the_exit_status_tells_how_the_guest_ended() {
    for (host, arch, guest) in one_each("fault") {
        for (arguments, status) in [
            (&["exit", "263"][..], 7),
            (&["fatal"], 3),
            (&["reset"], 4),
            (&["undefined"], 5),
        ] {
            let output = run(host, &guest, &[], arguments);
            let stderr = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(status),
                "{host} {arch} {arguments:?}: {stderr}"
            );
            assert!(!stderr.contains("(XEN)"), "{host} {arch}: {stderr}");
        }
    }
}

#[test]
fn arguments_reach_the_guest_as_they_are() {
    for (host, arch, guest) in one_each("fault") {
        for argument in ["a,b=c,,d", "-x", "'\"`$%\\", "dom0_mem=1M"] {
            let output = run(host, &guest, &[], &[argument]);
            assert_eq!(
                text(&output.stdout),
                format!("no such end: {argument}\n"),
                "{host} {arch}"
            );
        }
    }
}

#[test]
fn the_guests_file_may_have_any_name() {
    let folder = Folder::new("file,=names with spaces");
    for (host, arch, guest) in one_each("hello") {
        let odd = folder.0.join("a,b,,c d'\"=e:f");
        fs::copy(&guest, &odd).expect("a copy");
        let output = run(host, &odd, &[], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{host} {arch}: {stderr}");
    }
}

#[test]
fn a_guest_hears_what_is_typed_and_the_end_of_it() {
    for (host, arch, guest) in one_each("echo") {
        // More than any queue on the way holds. Of Xen's queue nobody knows how full it is, so there not so much more that it
        // overflows on a busy machine.
        let lines = if host == "qemu" { 500 } else { 20 };
        let input: String = (0..lines)
            .map(|number| format!("line {number}\n"))
            .collect();
        let mut child = pvhost(&guest, &["--host", host], &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("pvhost starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("it listens");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let length = input.len();
        assert_eq!(
            text(&output.stdout),
            format!("echo: type, Ctrl-D ends\n{input}echo: {length} bytes\n"),
            "{host} {arch}"
        );
    }
}

#[test]
fn a_timeout_ends_a_guest_that_sleeps_and_one_that_spins() {
    for (host, arch, guest) in one_each("fault") {
        for end in ["hang", "spin"] {
            let start = Instant::now();
            let output = run(host, &guest, &["--timeout", "4"], &[end]);
            assert_eq!(output.status.code(), Some(124), "{host} {arch} {end}");
            assert!(start.elapsed() >= Duration::from_secs(4), "{host} {arch}");
            let stderr = text(&output.stderr);
            assert!(
                stderr.ends_with("pvhost: the guest's time is over\n"),
                "{host} {arch}: {stderr}"
            );
        }
    }
}

#[test]
fn a_timeout_before_the_guest_starts_shows_what_xen_said() {
    for (host, _, guest) in one_each("fault") {
        if host == "qemu" {
            continue;
        }
        let output = run(host, &guest, &["--timeout", "0.5"], &["hang"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(124), "{host}: {stderr}");
        // Unless the machine is so slow that Xen has said nothing yet.
        for line in stderr.lines().filter(|line| !line.starts_with("pvhost:")) {
            assert!(line.starts_with("(XEN) "), "{host}: {stderr}");
        }
    }
}

#[test]
fn verbose_shows_the_command_line_and_all_that_xen_says() {
    for (host, arch, guest) in one_each("hello") {
        let output = run(host, &guest, &["--verbose"], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(
            text(&output.stdout),
            "Hello from a paravirtualized guest\n",
            "{host} {arch}"
        );
        assert!(
            stderr.contains("qemu-system-x86_64 -no-user-config"),
            "{host} {arch}: {stderr}"
        );
        assert_eq!(
            stderr.contains("(XEN) Xen version 4."),
            host != "qemu",
            "{host} {arch}: {stderr}"
        );
    }
}

#[test]
fn time_by_instructions_makes_runs_repeatable() {
    for (host, arch, guest) in one_each("ticker") {
        let runs = [(); 2].map(|()| run(host, &guest, &["--icount"], &["20"]));
        for output in &runs {
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{host} {arch}: {stderr}");
        }
        assert_eq!(
            text(&runs[0].stdout),
            text(&runs[1].stdout),
            "{host} {arch}"
        );
    }
}

#[test]
fn much_and_little_memory_work() {
    for (host, arch, guest) in one_each("hello") {
        for size in ["1M", "256M"] {
            let output = run(host, &guest, &["--memory", size], &[]);
            let stderr = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{host} {arch} {size}: {stderr}"
            );
        }
    }
}

/// The QEMU that `pvhost` has started.
fn qemu_of(pvhost: &Child) -> u32 {
    let process = pvhost.id();
    let children = format!("/proc/{process}/task/{process}/children");
    let start = Instant::now();
    loop {
        let children = fs::read_to_string(&children).expect("this kernel lists children");
        if let Some(child) = children.split_whitespace().next() {
            return child.parse().expect("a number");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "no QEMU");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether it ends soon.
fn ends(process: u32) -> bool {
    let stat = format!("/proc/{process}/stat");
    (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        // A dead one whose new parent has not taken note of it yet is gone, too.
        fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    })
}

#[test]
fn no_qemu_outlives_its_pvhost() {
    for (host, arch, guest) in one_each("fault") {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGKILL] {
            let mut child = pvhost(&guest, &["--host", host], &["hang"])
                .stderr(Stdio::piped())
                .spawn()
                .expect("pvhost starts");
            let qemu = qemu_of(&child);
            thread::sleep(Duration::from_millis(300));
            // SAFETY: no pointers; the child has not been waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
            let status = child.wait().expect("it ends");
            assert_eq!(status.signal(), Some(signal), "{host} {arch}: {status}");
            assert!(ends(qemu), "{host} {arch}: signal {signal} leaves QEMU");
        }
    }
}

#[test]
fn the_terminal_is_raw_while_the_guest_runs_and_as_it_was_afterwards() {
    for (host, arch, guest) in one_each("echo") {
        let mut session = Session::start_command(pvhost(&guest, &["--host", host], &[]));
        session.wait_until_raw();
        session.expect("Ctrl-D ends");
        session.press(b"x");
        session.expect("x");
        session.press(b"\x04");
        assert_eq!(session.end().code(), Some(0), "{host} {arch}");

        let mut session = Session::start_command(pvhost(&guest, &["--host", host], &[]));
        session.wait_until_raw();
        let qemu = qemu_of(&session.child);
        session.press(b"\x03");
        assert_eq!(session.end().signal(), Some(libc::SIGINT), "{host} {arch}");
        assert!(ends(qemu), "{host} {arch}: Ctrl-C leaves QEMU");
    }
}

#[test]
fn an_image_that_does_not_fit_is_refused_before_anything_starts() {
    for (host, backend) in [("qemu", "bare"), ("xen-pv", "xen"), ("xen-pvh", "xen")] {
        // It carries no backend but the one for Linux.
        let Some(guest) = find("x86_64", "c-hello") else {
            continue;
        };
        let output = run(
            host,
            &guest,
            &["--xen", "/no/such/xen"][..if host == "qemu" { 0 } else { 2 }],
            &[],
        );
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{host}: {stderr}");
        assert!(
            stderr.contains("which has linux_syscall") && stderr.contains(backend),
            "{host}: {stderr}"
        );
    }
    if let Some(guest) = find("i386", "hello") {
        let output = run("xen-pv", &guest, &[], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("this host runs x86_64"), "{stderr}");
    }
}

#[test]
fn what_a_machine_cannot_have_is_refused() {
    for (host, arch, guest) in one_each("hello") {
        let output = run(host, &guest, &["--memory", "3G"], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{host} {arch}: {stderr}");
        assert!(stderr.contains("do not fit below 0xc0000000"), "{stderr}");
        let long = "x".repeat(1024);
        let output = run(host, &guest, &[], &[&long]);
        let stderr = text(&output.stderr);
        let expected = if host == "qemu" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{host}: {stderr}");
        assert_eq!(
            stderr.contains("1024 bytes"),
            host != "qemu",
            "{host}: {stderr}"
        );
    }
}
