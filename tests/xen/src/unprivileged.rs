// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests as ordinary domains, which a Linux that controls the machine starts with Xen's tools: console ring, event
//! channels and start info are the real ones.
//!
//! Linux and the tools are Debian's packages, downloaded by `apt-get` and unpacked into a folder below `target`;
//! nothing is installed. For AArch64, programs of them run in QEMU's emulation of programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use paravirt_build::{aarch64, emulators};
use test_support::machine::{Board, Pc, WITH_SVM, unpacked_xen};
use test_support::{Arch, Tool};

use crate::arm;

/// The script that Linux starts.
const INIT: &str = include_str!("../dom0/init");
/// Packages beside the kernel: Xen's tools, the libraries they need, and a shell. `VERSION` stands for Xen's.
const PACKAGES: [&str; 22] = [
    "busybox-static",
    "libbz2-1.0",
    "libc6",
    "libgcc-s1",
    "liblzma5",
    "libuuid1",
    "libxencall1",
    "libxendevicemodel1",
    "libxenevtchn1",
    "libxenforeignmemory1",
    "libxengnttab1",
    "libxenhypfs1",
    "libxenmiscVERSION",
    "libxenstore4",
    "libxentoolcore1",
    "libxentoollog1",
    "libyajl2",
    "libzstd1",
    "liblzo2-2",
    "xen-utils-VERSION",
    "xenstore-utils",
    "zlib1g",
];
/// The kernel's modules that the tools need.
const MODULES: [&str; 5] = [
    "xen-privcmd.ko",
    "xenfs/xenfs.ko",
    "xen-evtchn.ko",
    "xen-gntdev.ko",
    "xen-gntalloc.ko",
];
/// The one more that they need on AArch64.
const PACKAGE_FOR_ARM: &str = "libfdt1";
/// The guests that are started.
const GUESTS: [&str; 4] = ["hello", "echo", "conformance", "xen-domain"];
/// Of these, those that there are for AArch64.
const GUESTS_FOR_ARM: [&str; 3] = ["hello", "conformance", "xen-domain"];
/// Memory of Linux, in MiB, and of the machine.
const LINUX_MEMORY: u32 = 512;
const MEMORY: u32 = 1024;
/// Time for everything, in seconds. An emulator needs minutes.
const LIMIT: u32 = 1800;

/// What a domain left behind.
#[derive(Debug)]
pub struct Finished {
    /// Architecture, kind and guest, separated by `-`.
    pub name: String,
    /// What its console showed.
    pub printed: String,
    /// How it ended: `s` for shut down, `sc` for crashed.
    pub state: String,
}

/// Starts every guest for x86-64 and i386 in every kind of domain that was built, and tells how they ended; `typed` and
/// `input` are what goes to the consoles of `echo` and `conformance`.
///
/// # Panics
/// If the packages cannot be had or are not as expected, or the guests do not end.
#[must_use]
pub fn run(typed: &[u8], input: &[u8]) -> Vec<Finished> {
    let folder = tempfile::tempdir().expect("a folder");
    let xen = unpacked_xen(folder.path());
    let version = version(&test_support::xen());
    let packages = test_support::workspace().root().join("target/dom0");
    let packages = packages.join(&version);
    if let Err(problem) = download(&packages, &version) {
        panic!("cannot get Debian's packages for a Linux that controls Xen: {problem}");
    }
    let root = folder.path().join("root");
    fs::create_dir_all(&root).expect("a writable folder");
    shell(
        "for package in *.deb; do dpkg-deb -x \"$package\" \"$1\"; done",
        &packages,
        &root,
    );
    let kernel = trim(&root, "");
    for arch in Arch::ALL {
        for guest in GUESTS {
            let file = test_support::ring0_guest(arch, guest);
            let place = root.join("guests").join(arch.name());
            fs::create_dir_all(&place).expect("a writable folder");
            fs::copy(&file, place.join(guest)).expect("a readable guest");
        }
    }
    let archive = archive(&root, "", typed, input);
    let modules = format!(
        "{} console=hvc0 quiet rdinit=/init,{}",
        kernel.display(),
        archive.display()
    );
    let options = format!("console=com1 dom0_mem={LINUX_MEMORY}M");
    let serial = Pc::new(MEMORY, WITH_SVM, LIMIT)
        .boots(&xen, Some(modules.as_ref()), &options)
        .serial("stdio")
        .run()
        .serial;
    finished(&serial)
}

/// The same for AArch64, with that version of the interrupt controller.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn run_on_arm(gic: u32, input: &[u8]) -> Vec<Finished> {
    test_support::tool(Tool::LinuxAarch64);
    test_support::program(emulators::QEMU_USER);
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = test_support::workspace();
    let version = version(&test_support::xen_arm());
    let packages = workspace.root().join("target/dom0");
    let packages = packages.join(format!("{version}-arm64"));
    let names = PACKAGES.map(|package| package.replace("VERSION", &version));
    let names: Vec<&str> = (names.iter().map(String::as_str)).chain([PACKAGE_FOR_ARM]).collect();
    if let Err(problem) = aarch64::unpack_packages(&workspace, &names, &packages) {
        panic!("cannot get Debian's packages for a Linux that controls Xen: {problem:#}");
    }
    let root = folder.path().join("root");
    let place = root.join("guests/aarch64");
    fs::create_dir_all(&place).expect("a writable folder");
    for unpacked in [&packages, &workspace.target("aarch64/kernel")] {
        shell("cp -a . \"$1\"", unpacked, &root);
    }
    let kernel = trim(&root, emulators::QEMU_USER);
    for guest in GUESTS_FOR_ARM {
        fs::write(place.join(guest), arm::kernel(guest)).expect("a writable folder");
    }
    let archive = archive(&root, emulators::QEMU_USER, b"", input);
    let serial = Board::new(MEMORY, LINUX_MEMORY, gic, LIMIT)
        .boots(&kernel, "console=hvc0 quiet rdinit=/init")
        .with_files(&archive)
        .run("=== begin", b"");
    finished(&serial)
}

/// The archive of Linux' first files in `root`. `emulator` runs its programs on this machine.
fn archive(root: &Path, emulator: &str, typed: &[u8], input: &[u8]) -> PathBuf {
    fs::write(root.join("init"), INIT).expect("a writable folder");
    fs::write(root.join("typed"), typed).expect("a writable folder");
    fs::write(root.join("input"), input).expect("a writable folder");
    let archive = root.with_file_name("initrd");
    shell(
        &format!("chmod +x init && find . | {emulator} bin/busybox cpio -o -H newc 2>/dev/null | gzip -1 >\"$1\""),
        root,
        &archive,
    );
    archive
}

/// The version of Xen whose tools go with that file, `xen-VERSION-ARCHITECTURE.gz`.
fn version(xen: &Path) -> String {
    let name = xen.file_name().expect("a file").to_string_lossy();
    match name.split('-').collect::<Vec<_>>()[..] {
        ["xen", version, ..] => version.trim_end_matches(".gz").to_owned(),
        _ => panic!("{name} does not say which version of Xen's tools goes with it"),
    }
}

/// Downloads the packages into `folder`, unless they are there.
fn download(folder: &Path, version: &str) -> Result<(), String> {
    let _lock = test_support::take_kept_folder(folder);
    let done = folder.join("complete");
    if done.is_file() {
        return Ok(());
    }
    let error = |error: std::io::Error| error.to_string();
    fs::create_dir_all(folder).map_err(error)?;
    // The package of the newest kernel is named by one without files.
    let depends = Command::new("apt-cache")
        .args(["depends", "linux-image-amd64"])
        .output()
        .map_err(error)?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let kernel = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .ok_or("apt-cache knows no linux-image-amd64")?;
    let output = Command::new("apt-get")
        .current_dir(folder)
        .args(["download", "--quiet", kernel])
        .args(PACKAGES.map(|package| package.replace("VERSION", version)))
        .output()
        .map_err(error)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    fs::write(done, "").map_err(error)
}

/// Makes what packages have unpacked to `root` the files of Linux' first file system; the kernel's file. `emulator`
/// runs its programs on this machine.
fn trim(root: &Path, emulator: &str) -> PathBuf {
    fs::create_dir_all(root.join("modules")).expect("a writable folder");
    // As installed: since Debian 13, packages have their files below `usr` only.
    shell(
        "for folder in bin lib lib64; do mkdir -p usr/$folder; if [ -d $folder ]; then cp -a $folder/. usr/$folder/ && rm -r $folder; fi; \
        ln -s usr/$folder $folder; done",
        root,
        root,
    );
    for module in MODULES {
        let copied = root
            .join("modules")
            .join(Path::new(module).file_name().expect("a file"));
        // Since Debian 13, they are compressed.
        shell(
            &format!(
                "file=$(echo lib/modules/*/kernel/drivers/xen/{module}*); case $file in *.xz) {emulator} bin/busybox unxz -c $file;; *) cat $file;; \
                esac >\"$1\""
            ),
            root,
            &copied,
        );
    }
    let kernel = root.with_file_name("kernel");
    // What only fills memory goes; the tools' true programs are named directly, past Debian's wrappers.
    shell(
        "cp boot/vmlinuz-* \"$1\" && rm -rf boot lib/modules usr/share usr/sbin usr/lib/debug && mkdir -p proc sys dev run var",
        root,
        &kernel,
    );
    kernel
}

/// Runs a command of the shell in `folder` with one argument.
fn shell(command: &str, folder: &Path, argument: &Path) {
    let status = Command::new("sh")
        .current_dir(folder)
        .args(["-c", command, "sh"])
        .arg(argument)
        .status()
        .expect("a shell");
    assert!(status.success(), "{command}: {status}");
}

/// Takes the domains from what the script printed.
///
/// # Panics
/// If it has not come to its end.
fn finished(serial: &str) -> Vec<Finished> {
    assert!(serial.contains("=== done"), "Linux has not run all guests:\n{serial}");
    let mut all = Vec::new();
    let mut printed = String::new();
    for line in serial.lines().filter(|line| !line.starts_with("(XEN) ")) {
        if line.starts_with("=== begin ") {
            printed.clear();
        } else if let Some(rest) = line.strip_prefix("=== end ") {
            let (name, state) = rest.split_once(' ').unwrap_or((rest, ""));
            all.push(Finished {
                name: name.to_owned(),
                printed: std::mem::take(&mut printed),
                state: state.to_owned(),
            });
        } else {
            printed += line;
            printed += "\n";
        }
    }
    all
}
