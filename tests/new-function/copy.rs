// SPDX-License-Identifier: MIT OR Apache-2.0
//! A new interface function touches the files that `CONTRIBUTING.md` lists, and no other: it is added to a copy of the
//! tree by that list, and a guest calls it on hosts that are built there. What was built is kept for the next time.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod additions;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use paravirt_build::arch::Arch;
use paravirt_build::command;
use paravirt_build::files::write_if_changed;
use paravirt_build::toolchain::Toolchain;
use test_support::need::{Need, Step};

use additions::{ADDITIONS, CHECKED, CLASS, CLASS_IN_BACKENDS, NAME};

/// A new function touches no more files than that.
const MOST: usize = 12;
/// The files that are written from the list of functions.
const GENERATED: [&str; 2] = ["ffi/include/paravirt/interface.h", "ffi/abi/README.md"];

/// The files that `CONTRIBUTING.md` lists.
fn listed() -> Vec<String> {
    let document = fs::read_to_string(test_support::workspace().root().join("CONTRIBUTING.md")).expect("a document");
    let section = document
        .split("\n## ")
        .find(|section| section.starts_with("Add an interface function\n"));
    let rows = section
        .expect("its section")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let file = row.split('`').next().expect("a file");
        let class = if file.contains("/backend/") {
            CLASS_IN_BACKENDS
        } else {
            CLASS
        };
        file.replace("CLASS", class)
    })
    .collect()
}

#[test]
fn the_list_of_files_is_short_and_whole() {
    assert!(ADDITIONS.len() <= MOST, "{} files", ADDITIONS.len());
    assert_eq!(listed(), ADDITIONS.map(|(file, _)| file));
}

/// Every file of the tree but what was built, and its content. Whatever else lies there is left alone.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(OsStr::to_str);
            let kind = path.symlink_metadata().expect("an entry").file_type();
            if kind.is_dir() {
                if !matches!(name, Some("target" | ".git")) && !path.join("CACHEDIR.TAG").exists() {
                    folders.push(path);
                }
            } else if path.is_file() {
                let content = fs::read(&path).expect("a file of the tree");
                found.insert(path.strip_prefix(root).expect("inside").to_owned(), content);
            }
        }
    }
    found
}

/// Makes the copy with the additions. A file that is as it was is left alone, so that cargo need not build again.
fn copy(to: &Path) {
    let workspace = test_support::workspace();
    let mut wanted = files(workspace.root());
    // A link to this checkout says `.git` in a file.
    wanted.remove(Path::new(".git"));
    for (file, texts) in ADDITIONS {
        let content = wanted
            .get_mut(Path::new(file))
            .unwrap_or_else(|| panic!("there is no {file}"));
        let mut text = String::from_utf8(std::mem::take(content)).expect("text");
        for (old, new) in texts {
            assert_eq!(text.matches(old).count(), 1, "{file} has this not once: {old}");
            text = text.replace(old, new);
        }
        *content = text.into_bytes();
    }
    for path in files(to).into_keys().filter(|path| !wanted.contains_key(path)) {
        if path != Path::new(".lock") {
            fs::remove_file(to.join(path)).expect("a file of the copy");
        }
    }
    for (path, content) in wanted {
        write_if_changed(&to.join(path), &content).expect("a file of the copy");
    }
    // Libraries of the targets are not the copy's affair.
    let (sysroots, there) = (workspace.sysroots(), to.join("target/sysroots"));
    if sysroots.is_dir() && !there.exists() {
        fs::create_dir_all(to.join("target")).expect("a folder of the copy");
        std::os::unix::fs::symlink(sysroots, there).expect("a link in the copy");
    }
}

/// Runs a cargo of the copy; its standard output.
fn cargo(copy: &Path, arguments: &[&str]) -> String {
    let mut cargo = command::cargo();
    cargo
        .current_dir(copy)
        .args(arguments)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("PARAVIRT_GUESTS");
    printed(cargo.stdin(Stdio::null()))
}

fn printed(command: &mut Command) -> String {
    let output = command.output().expect("a program that starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{printed}{messages}");
    printed
}

#[test]
fn a_function_that_is_added_by_the_list_is_called_by_guests() {
    let workspace = test_support::workspace();
    if let Err(error) = Toolchain::find(&workspace, Arch::X86_64) {
        Need::Step(Step::Guests(Arch::X86_64)).panic(&format!("{error:#}"));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-function");
    let _guard = test_support::take_kept_folder(&folder);
    copy(&folder);

    let written = cargo(&folder, &["xtask", "interface"]);
    assert_eq!(written.lines().collect::<Vec<_>>(), GENERATED);
    for file in GENERATED {
        let text = fs::read_to_string(folder.join(file)).expect("just written");
        assert!(text.contains(NAME), "{file}");
    }
    cargo(&folder, &["xtask", "guests", "--arch", "x86_64", "conformance"]);
    cargo(&folder, &["build", "--quiet", "--package", "pvhost"]);
    let guest = folder.join("target/guests/x86_64/conformance");
    let pvhost = folder.join("target/debug/pvhost");
    let listing = printed(Command::new(&pvhost).arg("list").arg(&guest));
    let provided = listing
        .lines()
        .find(|line| line.starts_with(NAME))
        .expect("a line of its own");
    assert!(provided.contains("process      bare, linux_syscall, xen"), "{provided}");

    let mut on_host = Command::new(&pvhost);
    on_host.args(["run", "--"]).arg(&guest);
    for host in [&mut on_host, &mut Command::new(&guest)] {
        let input = File::open(folder.join("examples/conformance/input.bin")).expect("its input");
        let output = host.arg("all").stdin(input).output().expect("a host that starts");
        let printed = String::from_utf8_lossy(&output.stdout);
        // The other checks measure times, and are others' to look at.
        assert!(printed.lines().any(|line| line == CHECKED), "{host:?}\n{printed}");
    }
}
