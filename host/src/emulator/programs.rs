// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding QEMU and Xen.

use std::env;
use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use rustix::fs::{Access, MemfdFlags, access, memfd_create};

use super::marks::Marks;
use super::{EmulatorError, Options, VirtualMachine};
use crate::image::{Image, Machine};
use crate::streams::{self, Timely};

/// Environment variable that may name the file with Xen.
pub const XEN_VARIABLE: &str = "PVHOST_XEN";

/// Where `cargo xtask setup` unpacks QEMU if it does not install it, from the folder of a program that was built in
/// `target`.
const QEMU_BESIDE: &str = "../qemu/bin";
/// Where Debian's packages put Xen.
const XEN_FOLDER: &str = "/boot";
/// Where `cargo xtask setup` unpacks Xen.
const XEN_BESIDE: &str = "../xen/boot";
/// More than any Xen has, in bytes, unpacked.
const LARGEST_XEN: u64 = 64 << 20;

/// What a run is made of.
#[derive(Debug)]
pub(super) struct Files {
    /// The program.
    pub(super) qemu: PathBuf,
    /// The guest as it was read, in memory: what was checked is what runs, whatever becomes of its file. It has no
    /// name, in which QEMU might take commas and spaces for something else.
    pub(super) guest: OwnedFd,
    /// Under Xen: what QEMU loads in place of the guest.
    pub(super) xen: Option<Xen>,
}

/// Xen.
#[derive(Debug)]
pub(super) struct Xen {
    /// The file's name.
    pub(super) path: PathBuf,
    /// Its content, unpacked, in memory.
    pub(super) kernel: OwnedFd,
    /// How its lines begin.
    pub(super) marks: Marks,
}

/// Finds everything.
pub(super) fn find(image: &Image, options: &Options, deadline: Option<Instant>) -> Result<Files, EmulatorError> {
    let (program, package) = qemu(image.machine(), options.debugger.is_some());
    let qemu = (env::var_os("PATH").and_then(|path| in_path(&path, program)))
        .or_else(|| Some(beside(QEMU_BESIDE)?.join(program)).filter(|file| is_program(file)))
        .ok_or(EmulatorError::NoQemu { program, package })?;
    let xen = match options.platform {
        VirtualMachine::Bare => None,
        VirtualMachine::XenPv | VirtualMachine::XenPvh => {
            let path = options
                .xen
                .clone()
                .or_else(|| env::var_os(XEN_VARIABLE).map(PathBuf::from))
                .map_or_else(installed_xen, Ok)?;
            let mut content = unpack(&path, deadline)?;
            let marks = Marks::make(&mut content).map_err(EmulatorError::system("cannot get random numbers"))?;
            let kernel = in_memory(c"xen", &content)?;
            Some(Xen { path, kernel, marks })
        }
    };
    let guest = in_memory(c"guest", image.file())?;
    Ok(Files { qemu, guest, xen })
}

/// QEMU's program for guests of that architecture, and Debian's package with it.
fn qemu(machine: Machine, has_debugger: bool) -> (&'static str, &'static str) {
    match machine {
        Machine::Aarch64 => ("qemu-system-aarch64", "qemu-system-arm"),
        // To a debugger, the processor of the other is always one for x86-64.
        Machine::I386 if has_debugger => ("qemu-system-i386", "qemu-system-x86"),
        // One for both widths; others were refused.
        _ => ("qemu-system-x86_64", "qemu-system-x86"),
    }
}

fn in_path(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

/// As a shell looks for programs.
fn is_program(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

/// A folder, named from the one that this program is in.
fn beside(folder: &str) -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    program.parent()?.join(folder).canonicalize().ok()
}

/// The newest Xen of the first folder that has one: what `cargo xtask setup` unpacked for this program, or the system's
/// own.
fn installed_xen() -> Result<PathBuf, EmulatorError> {
    let mut folders = beside(XEN_BESIDE).into_iter().chain([PathBuf::from(XEN_FOLDER)]);
    folders.find_map(|folder| newest(&folder)).ok_or(EmulatorError::NoXen {
        folder: XEN_FOLDER,
        variable: XEN_VARIABLE,
    })
}

/// The file `xen-VERSION.gz` or `xen-VERSION-ARCHITECTURE.gz` with the highest version.
fn newest(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter_map(|path| Some((version(path.file_name()?.to_str()?)?, path)))
        .max()
        .map(|(_, path)| path)
}

/// The numbers of the version in that file name.
fn version(name: &str) -> Option<Vec<u32>> {
    let version = name.strip_prefix("xen-")?.strip_suffix(".gz")?;
    let version = version.split('-').next().unwrap_or(version);
    version.split('.').map(|part| part.parse().ok()).collect()
}

fn read_error(file: &Path, fix: &'static str) -> impl FnOnce(io::Error) -> EmulatorError {
    let file = file.display().to_string();
    move |source| EmulatorError::Read { file, source, fix }
}

/// The file's content, if it comes before the deadline.
fn unpack(path: &Path, deadline: Option<Instant>) -> Result<Vec<u8>, EmulatorError> {
    let not_xen = |reason| EmulatorError::NotXen {
        file: path.display().to_string(),
        reason,
    };
    let fix = "give the file of a Xen package";
    let mut content = Vec::new();
    let read = match deadline {
        None => File::open(path).and_then(|file| file.take(LARGEST_XEN + 1).read_to_end(&mut content)),
        Some(end) => streams::open_at_once(path).and_then(|file| {
            Timely::reader(file.into(), end)
                .take(LARGEST_XEN + 1)
                .read_to_end(&mut content)
        }),
    };
    read.map_err(read_error(path, fix))?;
    if content.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(content.as_slice())
            .take(LARGEST_XEN + 1)
            .read_to_end(&mut unpacked)
            .map_err(read_error(path, "the file is damaged; install it again"))?;
        content = unpacked;
    }
    if content.len() as u64 > LARGEST_XEN {
        return Err(not_xen("it is larger than any Xen"));
    }
    if !content.starts_with(b"\x7fELF") {
        return Err(not_xen("it holds no ELF file"));
    }
    Ok(content)
}

/// A file in memory, without a name: nothing is left behind, however the run ends. `name` is for who lists open files.
fn in_memory(name: &CStr, content: &[u8]) -> Result<OwnedFd, EmulatorError> {
    let write = || -> io::Result<File> {
        let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
        file.write_all(content)?;
        Ok(file)
    };
    let file = write().map_err(EmulatorError::system("cannot make a file in memory"))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_xen_is_the_one_with_the_highest_version() {
        for (name, numbers) in [
            ("xen-4.17-amd64.gz", Some(vec![4, 17])),
            ("xen-4.9.gz", Some(vec![4, 9])),
            ("xen-4.20.1.gz", Some(vec![4, 20, 1])),
            ("xen-4.17-amd64.efi", None),
            ("xen-4.17-amd64.config", None),
            ("xen.gz", None),
            ("vmlinuz-6.1", None),
        ] {
            assert_eq!(version(name), numbers, "{name}");
        }
        assert!(version("xen-4.17-amd64.gz") > version("xen-4.9.gz"));
    }

    #[test]
    fn a_file_that_is_no_program_is_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        let folders = [(), ()].map(|()| tempfile::tempdir().expect("a folder"));
        let [first, second] = folders.each_ref().map(|folder| folder.path().join("emulator"));
        fs::write(&first, "").expect("a file");
        fs::write(&second, "").expect("a file");
        fs::set_permissions(&second, fs::Permissions::from_mode(0o755)).expect("our file");
        let path = env::join_paths(folders.each_ref().map(|folder| folder.path()));
        let found = in_path(&path.expect("plain names"), "emulator");
        assert_eq!(found, Some(second));
    }

    #[test]
    fn what_is_not_xen_is_refused() {
        let message = |path: &str| unpack(Path::new(path), None).unwrap_err().to_string();
        assert!(message("/no/such/xen.gz").starts_with("/no/such/xen.gz: No such file"));
        assert!(message(env!("CARGO_MANIFEST_PATH")).contains("is not Xen: it holds no ELF file"));
        assert!(message("/dev/zero").contains("is not Xen: it is larger than any Xen"));
    }
}
