// SPDX-License-Identifier: MIT OR Apache-2.0
//! The archive of a release, the container that is made of it, and what CI services are told.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use test_support::need::{Need, User};
use test_support::{Arch, program, workspace};

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program that starts");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Lets one test at a time pack the archive.
fn take_turn() -> File {
    test_support::take_kept_folder(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("dist"))
}

/// Packs the archive; its path.
fn dist() -> PathBuf {
    let said = succeed(
        Command::new(env!("CARGO"))
            .current_dir(workspace().root())
            .args(["xtask", "dist"]),
    );
    PathBuf::from(said.lines().last().expect("the archive is named last"))
}

/// The values of an instruction of the container file, in their order.
fn instructions(name: &str) -> Vec<String> {
    let file = fs::read_to_string(workspace().root().join("host/ci/Containerfile")).expect("the file");
    let values = file
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.map(str::to_owned).collect()
}

/// The words of an instruction in the form of a list.
fn words(name: &str) -> Vec<String> {
    let [list] = &instructions(name)[..] else {
        panic!("one {name}");
    };
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A command in that folder as the root of all files: with nothing else in it, there is no library, `/proc` or `/dev`.
fn inside(root: &Path, words: &[String]) -> Command {
    program("unshare");
    // Root may do so as it is, also where it may make no namespaces, as in a chroot.
    let ways = [&["unshare", "--user", "--map-root-user", "chroot"][..], &["chroot"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new(way[0]).args(&way[1..]).args(["/", "true"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        Need::User(User::Root).panic("this system lets its users make no namespaces");
    };
    let mut command = Command::new(way[0]);
    command
        .args(&way[1..])
        .arg(root)
        .args(words)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

#[test]
fn the_archive_holds_what_it_should_and_is_the_same_each_time() {
    let _ = test_support::guest(Arch::X86_64, "hello");
    let _turn = take_turn();
    let archive = dist();
    let name = format!("pvhost-{}-x86_64-linux", env!("CARGO_PKG_VERSION"));
    assert_eq!(archive, workspace().root().join(format!("target/dist/{name}.tar.gz")));
    let first = fs::read(&archive).expect("the archive");
    assert_eq!(fs::read(dist()).expect("the archive"), first);

    let listed = succeed(
        Command::new("tar")
            .args(["--list", "--verbose", "--file"])
            .arg(&archive),
    );
    for (mode, file) in [
        ("-rwxr-xr-x", "bin/pvhost"),
        ("-rw-r--r--", "share/bash-completion/completions/pvhost"),
        ("-rw-r--r--", "share/fish/vendor_completions.d/pvhost.fish"),
        ("-rw-r--r--", "share/licenses/pvhost/LICENSE-APACHE"),
        ("-rw-r--r--", "share/licenses/pvhost/LICENSE-MIT"),
        ("-rw-r--r--", "share/licenses/pvhost/THIRD-PARTY"),
        ("-rw-r--r--", "share/man/man1/pvhost-run.1"),
        ("-rw-r--r--", "share/zsh/site-functions/_pvhost"),
    ] {
        let entry = listed.lines().find(|line| line.ends_with(&format!(" {name}/{file}")));
        let entry = entry.unwrap_or_else(|| panic!("no {file}:\n{listed}"));
        assert!(entry.starts_with(mode) && entry.contains(" 0/0 "), "{entry}");
    }

    let third_party = workspace()
        .root()
        .join(format!("target/dist/{name}/share/licenses/pvhost/THIRD-PARTY"));
    let third_party = fs::read_to_string(third_party).expect("a file of the archive");
    for linked in [
        "\nclap 4",
        "\nrustix 1",
        "\nlibc 0.2",
        "GNU LESSER GENERAL PUBLIC LICENSE",
        "\nlibtest-mimic ",
        "Permission is hereby granted",
    ] {
        assert!(third_party.contains(linked), "{linked}");
    }
    assert!(!third_party.contains("\nproptest ") && !third_party.contains("\npvhost "));
}

/// Takes the steps of the container file here, where no images can be had, with another folder in place of `/image`.
#[test]
fn the_container_runs_guests_with_nothing_beside_it() {
    let guest = test_support::guest(Arch::I386, "hello");
    let _turn = take_turn();
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("image");
    for step in instructions("RUN") {
        let step = step.replace("/image", image.to_str().expect("a path in UTF-8"));
        succeed(Command::new("sh").current_dir(workspace().root()).args(["-ec", &step]));
    }
    let greeting = "Hello from a paravirtualized guest\n";
    let entry = words("ENTRYPOINT");
    let all: Vec<String> = entry.iter().cloned().chain(words("CMD")).collect();
    assert_eq!(succeed(&mut inside(&image, &all)), greeting);

    fs::copy(guest, image.join("i386")).expect("a guest can be copied");
    let arguments = ["run", "--json", "/i386"].map(str::to_owned);
    let all: Vec<String> = entry.into_iter().chain(arguments).collect();
    let output = inside(&image, &all).output().expect("a program that starts");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && output.stdout == greeting.as_bytes(),
        "{output:?}"
    );
    assert!(report.contains("\"sandbox\":\"filter\""), "{report}");
}
