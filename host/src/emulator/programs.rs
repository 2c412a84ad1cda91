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

use super::filter::Marks;
use super::{EmulatorError, Options, VirtualMachine, arguments, domain};
use crate::image::{Image, Machine};
use crate::streams::{self, Timely};

/// Environment variable that may name the file with Xen.
pub const XEN_VARIABLE: &str = "PVHOST_XEN";
/// And with Xen for AArch64.
pub const XEN_ARM_VARIABLE: &str = "PVHOST_XEN_ARM64";

/// Where `cargo xtask setup` unpacks QEMU if it does not install it, from the folder of a program that was built in
/// `target`.
const QEMU_BESIDE: &str = "../qemu/bin";
/// Where Debian's packages put Xen.
const XEN_FOLDER: &str = "/boot";
/// Where `cargo xtask setup` unpacks Xen.
const XEN_BESIDE: &str = "../xen/boot";
const XEN_ARM_BESIDE: &str = "../xen-arm64/boot";
/// More than any Xen has, in bytes, unpacked.
const LARGEST_XEN: u64 = 64 << 20;

/// What a run is made of.
#[derive(Debug)]
pub(super) struct Files {
    /// The program.
    pub(super) qemu: PathBuf,
    /// The guest as it was read, or as Xen loads it, in memory: what was checked is what runs, whatever becomes of its
    /// file. It has no name, in which QEMU might take commas and spaces for something else.
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
    /// How its lines begin on a console that it shares with the guest.
    pub(super) marks: Marks,
    /// For a domain that Xen builds itself.
    pub(super) domain: Option<DomainFiles>,
}

/// What Xen is told of a domain that it builds itself.
#[derive(Debug)]
pub(super) struct DomainFiles {
    /// Memory of the machine, in bytes.
    pub(super) machine_memory: u64,
    /// The machine's device tree.
    pub(super) tree: OwnedFd,
    /// The one of the domain's devices.
    pub(super) passthrough: OwnedFd,
}

/// Finds everything.
pub(super) fn find(image: &Image, options: &Options, deadline: Option<Instant>) -> Result<Files, EmulatorError> {
    let (program, package) = qemu(image.machine(), options.debugger.is_some());
    let qemu = (env::var_os("PATH").and_then(|path| in_path(&path, program)))
        .or_else(|| Some(beside(QEMU_BESIDE)?.join(program)).filter(|file| is_program(file)))
        .ok_or(EmulatorError::NoQemu { program, package })?;
    if options.platform == VirtualMachine::Bare {
        let guest = in_memory(c"guest", image.file())?;
        return Ok(Files { qemu, guest, xen: None });
    }
    let kind = XenKind::of(options.platform);
    let path = options
        .xen
        .clone()
        .or_else(|| env::var_os(kind.variable()).map(PathBuf::from))
        .map_or_else(|| installed_xen(kind), Ok)?;
    let mut content = unpack(&path, kind, deadline)?;
    let (guest, marks, domain) = match kind {
        XenKind::X86 => {
            let marks = Marks::make(&mut content).map_err(EmulatorError::system("cannot get random numbers"))?;
            (in_memory(c"guest", image.file())?, marks, None)
        }
        XenKind::Arm => {
            let flat = domain::flat(image);
            let files = for_domain(image, options, flat.len())?;
            (in_memory(c"guest", &flat)?, Marks::default(), Some(files))
        }
    };
    let kernel = in_memory(c"xen", &content)?;
    let xen = Some(Xen {
        path,
        kernel,
        marks,
        domain,
    });
    Ok(Files { qemu, guest, xen })
}

/// What Xen is told of the domain, of which `guest` bytes are loaded.
fn for_domain(image: &Image, options: &Options, guest: usize) -> Result<DomainFiles, EmulatorError> {
    arguments::check_command_line(options, domain::COMMAND_LINE)?;
    let memory = arguments::memory(image, options.platform, options.memory)?;
    let passthrough = domain::passthrough().map_err(EmulatorError::DeviceTree)?;
    let of_domain = domain::Domain {
        memory,
        passthrough: passthrough.len(),
        guest,
        arguments: &options.command_line,
    };
    let tree = domain::machine(options.gic, domain::XEN_OPTIONS, &of_domain).map_err(EmulatorError::DeviceTree)?;
    Ok(DomainFiles {
        machine_memory: domain::XEN_MEMORY + (guest as u64).next_multiple_of(1 << 20) + memory,
        tree: in_memory(c"tree", &tree)?,
        passthrough: in_memory(c"passthrough", &passthrough)?,
    })
}

/// Which Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum XenKind {
    X86,
    Arm,
}

impl XenKind {
    fn of(platform: VirtualMachine) -> Self {
        match platform {
            VirtualMachine::XenDomu => Self::Arm,
            VirtualMachine::Bare | VirtualMachine::XenPv | VirtualMachine::XenPvh => Self::X86,
        }
    }

    /// The environment variable that may name its file.
    const fn variable(self) -> &'static str {
        match self {
            Self::X86 => XEN_VARIABLE,
            Self::Arm => XEN_ARM_VARIABLE,
        }
    }

    const fn beside(self) -> &'static str {
        match self {
            Self::X86 => XEN_BESIDE,
            Self::Arm => XEN_ARM_BESIDE,
        }
    }

    /// The architecture in names of Debian's files and packages.
    const fn architecture(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }

    /// Why that content is not such a Xen; `None`: it may be.
    fn misses(self, content: &[u8]) -> Option<&'static str> {
        match self {
            Self::X86 if !content.starts_with(b"\x7fELF") => Some("it holds no ELF file"),
            Self::Arm if content.get(56..60) != Some(b"ARM\x64") => Some("it holds no image for AArch64"),
            Self::X86 | Self::Arm => None,
        }
    }

    /// The numbers of the version in the name of a file with it: `xen-VERSION.gz`, `xen-VERSION-ARCHITECTURE.gz`, and
    /// for Arm also without `.gz`.
    fn version(self, name: &str) -> Option<Vec<u32>> {
        let name = name.strip_prefix("xen-")?;
        let is_packed = name.ends_with(".gz");
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let version = match name.split_once('-') {
            Some((version, architecture)) if architecture == self.architecture() => version,
            None if self == Self::X86 => name,
            _ => return None,
        };
        if self == Self::X86 && !is_packed {
            return None;
        }
        version.split('.').map(|part| part.parse().ok()).collect()
    }
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
fn installed_xen(kind: XenKind) -> Result<PathBuf, EmulatorError> {
    let folders = beside(kind.beside()).into_iter().chain([PathBuf::from(XEN_FOLDER)]);
    (folders.into_iter())
        .find_map(|folder| newest(&folder, kind))
        .ok_or(EmulatorError::NoXen {
            folder: XEN_FOLDER,
            variable: kind.variable(),
            architecture: kind.architecture(),
        })
}

/// The file with the highest version in its name.
fn newest(folder: &Path, kind: XenKind) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter_map(|path| Some((kind.version(path.file_name()?.to_str()?)?, path)))
        .max()
        .map(|(_, path)| path)
}

fn read_error(file: &Path, fix: &'static str) -> impl FnOnce(io::Error) -> EmulatorError {
    let file = file.display().to_string();
    move |source| EmulatorError::Read { file, source, fix }
}

/// The file's content, if it comes before the deadline.
fn unpack(path: &Path, kind: XenKind, deadline: Option<Instant>) -> Result<Vec<u8>, EmulatorError> {
    let not_xen = |reason| EmulatorError::NotXen {
        file: path.display().to_string(),
        reason,
        architecture: kind.architecture(),
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
    match kind.misses(&content) {
        Some(reason) => Err(not_xen(reason)),
        None => Ok(content),
    }
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
        for (name, numbers, numbers_for_arm) in [
            ("xen-4.17-amd64.gz", Some(vec![4, 17]), None),
            ("xen-4.9.gz", Some(vec![4, 9]), None),
            ("xen-4.20.1.gz", Some(vec![4, 20, 1]), None),
            ("xen-4.17-amd64.efi", None, None),
            ("xen-4.17-amd64.config", None, None),
            ("xen-4.17-arm64", None, Some(vec![4, 17])),
            ("xen-4.20-arm64.gz", None, Some(vec![4, 20])),
            ("xen-4.17-arm64.efi", None, None),
            ("xen-4.17-arm64.config", None, None),
            ("xen.gz", None, None),
            ("vmlinuz-6.1", None, None),
        ] {
            assert_eq!(XenKind::X86.version(name), numbers, "{name}");
            assert_eq!(XenKind::Arm.version(name), numbers_for_arm, "{name}");
        }
        assert!(XenKind::X86.version("xen-4.17-amd64.gz") > XenKind::X86.version("xen-4.9.gz"));
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
        let message = |path: &str| {
            let unpacked = unpack(Path::new(path), XenKind::X86, None);
            unpacked.unwrap_err().to_string()
        };
        assert!(message("/no/such/xen.gz").starts_with("/no/such/xen.gz: No such file"));
        assert!(message(env!("CARGO_MANIFEST_PATH")).contains("is not Xen: it holds no ELF file"));
        assert!(message("/dev/zero").contains("is not Xen: it is larger than any Xen"));
        let of_arm = unpack(Path::new(env!("CARGO_MANIFEST_PATH")), XenKind::Arm, None).unwrap_err();
        let of_arm = of_arm.to_string();
        assert!(
            of_arm.contains("it holds no image for AArch64") && of_arm.contains("arm64"),
            "{of_arm}"
        );
    }
}
