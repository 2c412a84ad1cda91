// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as domains that Xen for AArch64 builds itself, told by device trees of other consoles, or of no Xen.
//!
//! What QEMU is given comes from `pvhost run --host xen-domu`, which finds a script in QEMU's place that keeps it; the
//! tests change it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::guests::{Arch, guest, pvhost};
use tempfile::TempDir;

/// Time after which a run is stopped.
const LIMIT: Duration = Duration::from_secs(60);
/// Keeps the files that its arguments name by their numbers, whatever these are, and the arguments, one a line. Pipes
/// are no files to keep.
const KEEP: &str = r#"#!/bin/sh
cd "${0%/*}"
for argument; do
    printf '%s\n' "$argument" >> arguments
    case "$argument" in
        */proc/self/fd/*)
            file=${argument##*/proc/self/fd/}
            file=${file%%,*}
            if [ -f "/proc/self/fd/$file" ]; then cp "/proc/self/fd/$file" "file$file"; fi
            ;;
    esac
done
"#;

/// A domain to be.
#[derive(Debug)]
struct Domain {
    folder: TempDir,
    arguments: Vec<String>,
}

/// What a run left behind.
#[derive(Debug)]
struct Outcome {
    /// What the serial port printed.
    serial: String,
    /// Xen's log.
    log: String,
    /// The guest's debug console.
    debug: String,
}

impl Domain {
    /// A domain of that guest. A backend that pvhost would miss can be `renamed`: one that it does not know may be for
    /// any host.
    fn new(name: &str, arguments: &[&str], renamed: Option<(&[u8; 4], &[u8; 4])>) -> Self {
        let (qemu, xen) = (test_support::qemu_arm(), test_support::xen_arm());
        let mut image = fs::read(guest(Arch::Aarch64, name)).expect("a readable guest");
        if let Some((old, new)) = renamed {
            // In the note: behind its owner.
            let owner = b"paravirt\0\0\0\0";
            replace(&mut image, &[&owner[..], old].concat(), &[&owner[..], new].concat());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("guest"), image).expect("a file");
        let script = path("qemu-system-aarch64");
        fs::write(&script, KEEP).expect("a file");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("our file");
        let found = std::env::var_os("PATH").unwrap_or_default();
        let folders = [folder.path().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&found));
        let options = ["-q", "--host", "xen-domu", "--xen", xen.to_str().expect("a plain name")];
        let output = pvhost(&path("guest"), &options, arguments)
            .env("PATH", std::env::join_paths(folders).expect("no colons"))
            .output()
            .expect("pvhost starts");
        // The script says nothing of a guest's end.
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let kept = fs::read_to_string(path("arguments")).expect("the script has run");
        let mut arguments = vec![qemu.display().to_string()];
        arguments.extend(kept.lines().map(|argument| {
            if let Some((way, _)) = argument.split_once(",path=") {
                let name = if way.contains("id=log") { "log" } else { "debug" };
                format!("{way},path={}", path(name).display())
            } else if argument == "stdio" {
                format!("file:{}", path("serial").display())
            } else {
                argument.replace("/proc/self/fd/", &path("file").display().to_string())
            }
        }));
        Self { folder, arguments }
    }

    /// Changes the file behind that option's value: the machine's device tree is `-dtb`, the one of the domain's devices
    /// is loaded first.
    fn change(&self, option: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let at = self.arguments.iter().position(|argument| argument.starts_with(option));
        let at = at.expect("pvhost gives it");
        let value = match option {
            "-dtb" => &self.arguments[at + 1],
            _ => &self.arguments[at][option.len()..],
        };
        let path = PathBuf::from(value.split(',').next().unwrap_or(value));
        let mut content = fs::read(&path).expect("it was kept");
        change(&mut content);
        fs::write(path, content).expect("our file");
    }

    /// Has the machine's tree say something else.
    fn machine(self, old: &str, new: &str) -> Self {
        self.change("-dtb", |tree| replace(tree, old.as_bytes(), new.as_bytes()));
        self
    }

    /// Gives the domain's node in the machine's tree a property without a value.
    fn with_property(self, name: &str) -> Self {
        self.change("-dtb", |tree| add_property(tree, "guest", name));
        self
    }

    /// Has the tree of the domain's devices say something else.
    fn devices(self, old: &str, new: &str) -> Self {
        self.change("loader,file=", |tree| replace(tree, old.as_bytes(), new.as_bytes()));
        self
    }

    /// Runs until one of the files has a line with that text, which is the guest's end.
    fn run_until(&self, end: &str) -> Outcome {
        let child = Command::new(&self.arguments[0])
            .args(&self.arguments[1..])
            .stdin(Stdio::null())
            .spawn();
        let _qemu = Ended(child.expect("QEMU starts"));
        let deadline = Instant::now() + LIMIT;
        loop {
            let read = |name: &str| {
                let content = fs::read(self.folder.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&content).into_owned()
            };
            let outcome = Outcome {
                serial: read("serial"),
                log: read("log"),
                debug: read("debug"),
            };
            // The whole line of it: it is written byte by byte.
            let ended = |text: &String| text.split_once(end).is_some_and(|(_, rest)| rest.contains('\n'));
            if [&outcome.serial, &outcome.log, &outcome.debug].into_iter().any(ended) {
                return outcome;
            }
            assert!(Instant::now() < deadline, "no {end:?} in {outcome:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Puts other letters in the place of some, wherever they are.
fn replace(content: &mut [u8], old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let mut count = 0;
    for at in 0..=content.len() - old.len() {
        if content[at..].starts_with(old) {
            content[at..at + new.len()].copy_from_slice(new);
            count += 1;
        }
    }
    assert!(count > 0, "it is not there");
}

/// Adds a property without a value to the node of that name in a flattened device tree whose strings are behind its
/// structure (Devicetree Specification, release 0.4, chapter 5).
fn add_property(tree: &mut Vec<u8>, node: &str, property: &str) {
    const TOTAL: usize = 4;
    const STRINGS: usize = 12;
    const STRINGS_SIZE: usize = 32;
    const STRUCTURE_SIZE: usize = 36;
    let word = |tree: &[u8], at: usize| u32::from_be_bytes(tree[at..at + 4].try_into().expect("four bytes")) as usize;
    let name = word(tree, STRINGS_SIZE) as u32;
    let strings_end = word(tree, STRINGS) + word(tree, STRINGS_SIZE);
    let mut text = property.as_bytes().to_owned();
    text.push(0);
    tree.splice(strings_end..strings_end, text.iter().copied());
    let mut begin = [&[0, 0, 0, 1], node.as_bytes(), &[0]].concat();
    begin.resize(begin.len().next_multiple_of(4), 0);
    let place = tree.windows(begin.len()).position(|window| window == begin);
    let at = place.expect("the node") + begin.len();
    // Kind, length, where its name is.
    let new: Vec<u8> = [3_u32, 0, name].iter().flat_map(|word| word.to_be_bytes()).collect();
    tree.splice(at..at, new.iter().copied());
    for (field, more) in [
        (TOTAL, new.len() + text.len()),
        (STRINGS, new.len()),
        (STRINGS_SIZE, text.len()),
        (STRUCTURE_SIZE, new.len()),
    ] {
        let value = word(tree, field) + more;
        tree[field..field + 4].copy_from_slice(&(value as u32).to_be_bytes());
    }
}

/// Sees that each text is there.
#[track_caller]
fn has(outcome: &Outcome, text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {outcome:#?}");
    }
}

/// Without a serial port in the domain's tree.
fn without_serial_port(guest: &str, arguments: &[&str]) -> Domain {
    Domain::new(guest, arguments, None).devices("arm,pl011\0", "arm,pl099\0")
}

#[test]
fn a_domain_without_a_serial_port_prints_by_hypercall() {
    let outcome = without_serial_port("hello", &[]).run_until("paravirt: shutdown");
    has(&outcome, &outcome.debug, &["paravirt: shutdown exit 0\n"]);
    has(&outcome, &outcome.log, &["(d1) Hello from a paravirtualized guest\r\n"]);
    assert_eq!(outcome.serial, "", "{outcome:#?}");
}

#[test]
fn xens_own_console_has_no_input_and_the_rest_is_there() {
    let outcome = without_serial_port("conformance", &["all", "--late-ms", "200"]).run_until("paravirt: shutdown");
    has(&outcome, &outcome.debug, &["paravirt: shutdown exit 0\n"]);
    has(
        &outcome,
        &outcome.log,
        &["(d1) conformance: 37 ok, 3 not offered, 0 failed\r\n"],
    );
}

#[test]
fn a_fault_is_told_of_by_hypercall() {
    let outcome = without_serial_port("el1", &["null"]).run_until("paravirt: shutdown");
    has(&outcome, &outcome.debug, &["paravirt: shutdown fault 37\n"]);
    has(
        &outcome,
        &outcome.log,
        &[
            "(d1) paravirt: fault: data abort",
            "(d1) paravirt: hint: a null pointer",
        ],
    );
}

#[test]
fn the_serial_port_that_xen_emulates_is_a_console() {
    let domain = without_serial_port("hello", &[]).with_property("vpl011");
    let outcome = domain.run_until("paravirt: shutdown");
    has(&outcome, &outcome.debug, &["paravirt: shutdown exit 0\n"]);
    // Xen prints its lines for it.
    has(&outcome, &outcome.log, &["Hello from a paravirtualized guest"]);
    assert!(!outcome.log.contains("(d1) "), "{outcome:#?}");
}

#[test]
fn without_a_word_of_xen_a_domain_is_a_machine() {
    for guest in ["hello", "conformance"] {
        let arguments: &[&str] = if guest == "hello" { &[] } else { &["exit", "7"] };
        let domain = Domain::new(guest, arguments, None).machine("xen,enhanced\0", "xen,enhancex\0");
        let outcome = domain.run_until("paravirt: shutdown");
        let record = if guest == "hello" { "exit 0" } else { "exit 7" };
        has(&outcome, &outcome.debug, &[&format!("paravirt: shutdown {record}\n")]);
    }
}

#[test]
fn an_image_without_the_backend_says_that_this_is_xen() {
    let renamed = Some((b"bare", b"mine"));
    let outcome = Domain::new("el1-bare", &[], renamed).run_until("paravirt: shutdown");
    has(
        &outcome,
        &outcome.debug,
        &[
            "no backend for Xen in this image; it has: ",
            "paravirt: shutdown fault 1\n",
        ],
    );
    let domain = Domain::new("el1-bare", &[], renamed).machine("xen,enhanced\0", "xen,enhancex\0");
    let outcome = domain.run_until("paravirt: shutdown");
    has(&outcome, &outcome.serial, &["Hello from a machine\n"]);
    has(&outcome, &outcome.debug, &["paravirt: shutdown exit 0\n"]);
}
