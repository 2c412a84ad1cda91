// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where `pvhost run --host qemu|xen` finds QEMU and Xen, what it says without them, and that it names the commands
//! that build a guest which can run there.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use test_support::{Arch, guest};

/// The program as cargo leaves it, `FOLDER/release/pvhost`, in a folder of its own: nothing is beside it but what a
/// test puts there.
struct Installed {
    /// Removes the folder in the end.
    _temporary: TempDir,
    /// One at a time: a program that another test starts while this one's is written keeps it open for a moment, and
    /// what is open for writing cannot be started.
    _alone: MutexGuard<'static, ()>,
    folder: PathBuf,
    pvhost: PathBuf,
}

impl Installed {
    fn new() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = tempfile::tempdir().expect("a folder for temporary files");
        // As pvhost names it, whatever symbolic links are on the way.
        let folder = temporary.path().canonicalize().expect("a folder");
        let release = folder.join("release");
        fs::create_dir(&release).expect("a folder");
        let pvhost = release.join("pvhost");
        fs::copy(env!("CARGO_BIN_EXE_pvhost"), &pvhost).expect("a copy");
        Self {
            _temporary: temporary,
            _alone: alone,
            folder,
            pvhost,
        }
    }

    /// A file in the folder, and folders on the way to it.
    fn put(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder.join(name);
        fs::create_dir_all(file.parent().expect("below the folder")).expect("a folder");
        fs::write(&file, content).expect("a file");
        file
    }

    /// A script in QEMU's place, that says where it is and ends well; its folder.
    fn put_qemu(&self, folder: &str) -> PathBuf {
        let script = format!(
            "#!/bin/sh\nfor debug; do :; done\necho {folder}\necho 'paravirt: shutdown exit 0' >\"${{debug#file:}}\"\n"
        );
        let file = self.put(&format!("{folder}/qemu-system-x86_64"), &script);
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("a script");
        self.folder.join(folder)
    }

    /// `pvhost run`, with nothing but that folder in `PATH`.
    fn run(&self, host: &str, path: &Path) -> Command {
        let mut command = Command::new(&self.pvhost);
        command
            .args(["run", "--timeout", "60", "--host", host])
            .env("PATH", path)
            .env_remove("PVHOST_XEN")
            .stdin(Stdio::null());
        command
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that is to refuse; what it says.
fn refused(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().expect("pvhost starts");
    let stderr = text(&stderr);
    assert_eq!(status.code(), Some(1), "{stderr}");
    stderr
}

#[track_caller]
fn has_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn qemu_is_the_one_in_path_or_the_one_beside_the_program() {
    let (guest, arm) = (guest(Arch::I386, "hello"), guest(Arch::Aarch64, "hello"));
    let installed = Installed::new();
    let nowhere = installed.folder.join("nowhere");
    let stderr = refused(installed.run("qemu", &nowhere).arg(&guest));
    has_all(
        &stderr,
        &["no qemu-system-x86_64", "`cargo xtask setup`", "qemu-system-x86`"],
    );
    let stderr = refused(installed.run("qemu", &nowhere).arg(&arm));
    has_all(&stderr, &["no qemu-system-aarch64", "qemu-system-arm`"]);
    installed.put_qemu("qemu/bin");
    let in_path = installed.put_qemu("in-path");
    for (path, expected) in [(nowhere, "qemu/bin\n"), (in_path, "in-path\n")] {
        let output = installed.run("qemu", &path).arg(&guest).output();
        let output = output.expect("pvhost starts");
        assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    }
}

#[test]
fn xen_is_the_one_named_or_the_newest_beside_the_program_or_in_boot() {
    let guest = guest(Arch::I386, "hello");
    let installed = Installed::new();
    let path = installed.put_qemu("in-path");
    let run = || installed.run("xen-pvh", &path);
    let none = refused(run().arg(&guest));
    let machine_has_one = fs::read_dir("/boot").is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("xen-")))
    });
    if !machine_has_one {
        let parts = [
            "no Xen for amd64 beside this program or in /boot",
            "`cargo xtask setup`",
            "--xen",
            "PVHOST_XEN",
            "xen-hypervisor-4.17-amd64",
        ];
        has_all(&none, &parts);
    }

    // None of these is one, so pvhost names the file that it takes.
    let takes = |command: &mut Command, file: &Path| {
        let stderr = refused(command.arg(&guest));
        has_all(&stderr, &[&format!("{} is not Xen", file.display())]);
    };
    installed.put("xen/boot/xen-4.9-amd64.gz", "no Xen");
    installed.put("xen/boot/xen-4.20-amd64.config", "no Xen");
    let older = installed.put("xen/boot/xen-4.17-amd64.gz", "no Xen");
    takes(&mut run(), &older);
    let newer = installed.put("xen/boot/xen-4.20-amd64.gz", "no Xen");
    takes(&mut run(), &newer);
    let variable = installed.put("variable/xen", "no Xen");
    takes(run().env("PVHOST_XEN", &variable), &variable);
    let option = installed.put("option/xen", "no Xen");
    takes(run().env("PVHOST_XEN", &variable).arg("--xen").arg(&option), &option);
}

#[test]
fn a_file_that_is_no_xen_is_refused_with_the_reason() {
    let guest = guest(Arch::I386, "hello");
    let installed = Installed::new();
    let path = installed.put_qemu("in-path");
    for (file, reason) in [
        ("/no/such/xen.gz", "No such file"),
        ("/dev/null", "is not Xen: it holds no ELF file"),
        ("/dev/zero", "is not Xen: it is larger than any Xen"),
    ] {
        let mut command = installed.run("xen-pvh", &path);
        let stderr = refused(command.env("PVHOST_XEN", file).arg(&guest));
        has_all(&stderr, &[file, reason]);
    }
}

#[test]
fn a_red_zone_is_refused_with_the_commands_that_build_without() {
    /// The beginning of the identity note: lengths of owner and descriptor, type, owner. Behind it are version and
    /// machine, then flags.
    const NOTE: &[u8] = b"\x09\0\0\0\x18\0\0\0\x01\0\0\0paravirt\0\0\0\0";
    let mut image = fs::read(guest(Arch::X86_64, "hello")).expect("a readable guest");
    let note = image
        .windows(NOTE.len())
        .position(|window| window == NOTE)
        .expect("an identity note");
    // No flags: what `cargo xtask demo` builds where there is only the compiler's own `core`.
    image[note + NOTE.len() + 8] = 0;
    let installed = Installed::new();
    let guest = installed.folder.join("hello");
    fs::write(&guest, image).expect("a file");
    let path = installed.put_qemu("in-path");
    for host in ["qemu", "xen", "xen-pv", "xen-pvh"] {
        let stderr = refused(installed.run(host, &path).arg(&guest));
        has_all(
            &stderr,
            &["red zone", "`cargo xtask setup`", "`cargo xtask guests NAME`"],
        );
    }
}
