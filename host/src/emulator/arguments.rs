// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's command line.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};

use super::core::Plan;
use super::programs::{DomainFiles, Files, Xen};
use super::{EmulatorError, Gic, Options, VirtualMachine, domain};
use crate::image::{Image, Machine};
use crate::shell;
use crate::text::Escaped;

const MIB: u64 = 1 << 20;

/// Most memory that QEMU's PC has in one piece, and that an Arm machine is given.
const MEMORY_LIMIT: u64 = 3 << 30;
/// Where an image may begin in the memory of an Arm machine, which has the device tree in its first 2 MiB.
const ARM_IMAGE: u64 = domain::MEMORY + 2 * MIB;
/// Memory that Xen keeps for itself, in bytes. 4.17 starts with less; the rest are its reserves.
const XEN_MEMORY: u64 = 128 * MIB;
/// Memory of a paravirtualized domain for what Xen puts behind its image (page tables, list of pages, start info), in
/// bytes.
const XEN_PV_MEMORY: u64 = 8 * MIB;
/// Bytes of a command line that Xen hands on to its first domain (`MAX_GUEST_CMDLINE`, with the NUL).
const XEN_COMMAND_LINE: usize = 1023;

/// The processor. The same on each machine with each version of QEMU; PVH guests of Xen need the two extensions.
const PROCESSOR: &str = "qemu64";
const PROCESSOR_FOR_PVH: &str = "qemu64,+svm,+npt";

/// Xen's options for every guest. Its own console is the guest's; no key switches the input away from the guest (the
/// letter before `a` stands for none), and what a PVH guest prints on its debug console is shown.
const XEN_OPTIONS: &str = "console=com1 conswitch=` guest_loglvl=all";

/// The Arm processor: one that each version of QEMU has.
const ARM_PROCESSOR: &str = "cortex-a57";

/// The arguments, but for the [debug console](debug_console).
pub(super) fn arguments(
    image: &Image,
    files: &Files,
    options: &Options,
    core: Option<&Plan>,
) -> Result<Vec<OsString>, EmulatorError> {
    if let Some(address) = options.debugger {
        match options.platform {
            VirtualMachine::XenPvh | VirtualMachine::XenDomu => {
                let platform = options.platform.name();
                return Err(EmulatorError::NoDebugger(platform));
            }
            VirtualMachine::Bare | VirtualMachine::XenPv if address.port() == 0 => return Err(EmulatorError::NoPort),
            VirtualMachine::Bare | VirtualMachine::XenPv => {}
        }
    }
    let is_arm = image.machine() == Machine::Aarch64;
    let is_domu = options.platform == VirtualMachine::XenDomu;
    let machine = match options.gic {
        _ if !is_arm => "pc",
        // Xen is entered at EL2.
        Gic::V2 if is_domu => "virt,virtualization=on,gic-version=2",
        Gic::V3 if is_domu => "virt,virtualization=on,gic-version=3",
        Gic::V2 => "virt,gic-version=2",
        Gic::V3 => "virt,gic-version=3",
    };
    let processor = match options.platform {
        _ if is_arm => ARM_PROCESSOR,
        VirtualMachine::XenPvh => PROCESSOR_FOR_PVH,
        VirtualMachine::Bare | VirtualMachine::XenPv | VirtualMachine::XenDomu => PROCESSOR,
    };
    let mut arguments = words(&format!(
        "-no-user-config -nodefaults -display none -no-reboot -machine {machine} -accel tcg -cpu {processor} \
         -serial stdio"
    ));
    match core {
        Some(core) => arguments.extend(words(&core.arguments())),
        None if is_arm => {}
        None => arguments.extend(words("-device isa-debug-exit,iobase=0xf4,iosize=0x04")),
    }
    if options.icount {
        arguments.extend(words("-icount shift=4,sleep=off"));
    }
    if let Some(address) = options.debugger {
        arguments.extend(words(&format!("-S -gdb tcp:{address}")));
    }
    let memory = memory(image, options.platform, options.memory)?;
    match &files.xen {
        None => {
            arguments.extend(["-m".into(), megabytes(memory), "-kernel".into()]);
            arguments.push(inherited(&files.guest).into());
            arguments.extend(["-append".into(), options.command_line.clone().into()]);
        }
        Some(xen) => match &xen.domain {
            None => {
                arguments.extend(["-m".into(), megabytes(memory + XEN_MEMORY)]);
                arguments.extend(under_xen(xen, &files.guest, memory, options)?);
            }
            Some(files_of_domain) => {
                arguments.extend(["-m".into(), megabytes(files_of_domain.machine_memory)]);
                arguments.extend(for_domain(xen, &files.guest, files_of_domain));
            }
        },
    }
    Ok(arguments)
}

/// The arguments by which what the guest writes to its debug console comes to that file. On Arm that is a virtio
/// console: semihosting would let a guest use the user's files.
pub(super) fn debug_console(machine: Machine, file: &OwnedFd) -> Vec<OsString> {
    match machine {
        Machine::Aarch64 => virtio_console("debug", domain::GUEST_BUS, file),
        _ => words(&format!("-debugcon file:{}", inherited(file))),
    }
}

/// The arguments by which Xen's log comes to that file, where Xen has a console of its own.
pub(super) fn xen_console(file: &OwnedFd) -> Vec<OsString> {
    virtio_console("log", domain::LOG_BUS, file)
}

fn virtio_console(name: &str, bus: &str, file: &OwnedFd) -> Vec<OsString> {
    words(&format!(
        "-chardev file,id={name},path={} -device virtio-serial-device,id={name},bus={bus} \
         -device virtconsole,chardev={name},bus={name}.0",
        inherited(file)
    ))
}

fn under_xen(xen: &Xen, guest: &OwnedFd, memory: u64, options: &Options) -> Result<[OsString; 6], EmulatorError> {
    check_command_line(options, XEN_COMMAND_LINE)?;
    let mode = match options.platform {
        VirtualMachine::XenPvh => " dom0=pvh dom0-iommu=none",
        VirtualMachine::Bare | VirtualMachine::XenPv | VirtualMachine::XenDomu => "",
    };
    let memory = megabytes(memory).to_string_lossy().into_owned();
    let xen_line = format!("{XEN_OPTIONS} dom0_mem={memory}{mode}");
    // The list of modules: each is a file name, a space and the module's command line, up to a comma; two are one.
    let guest = inherited(guest);
    let module = format!("{guest} {}", options.command_line.replace(',', ",,"));
    Ok([
        "-kernel".into(),
        inherited(&xen.kernel).into(),
        "-initrd".into(),
        module.into(),
        "-append".into(),
        xen_line.into(),
    ])
}

/// Where Xen builds the domain by itself.
fn for_domain(xen: &Xen, guest: &OwnedFd, files: &DomainFiles) -> Vec<OsString> {
    let loaded =
        |file: &OwnedFd, address| format!("-device loader,file={},addr={address:#x},force-raw=on", inherited(file));
    words(&format!(
        "-kernel {} -dtb {} {} {}",
        inherited(&xen.kernel),
        inherited(&files.tree),
        loaded(&files.passthrough, domain::PASSTHROUGH),
        loaded(guest, domain::GUEST)
    ))
}

/// Arguments without a blank in one.
fn words(text: &str) -> Vec<OsString> {
    text.split_ascii_whitespace().map(OsString::from).collect()
}

/// Refuses a command line of which not all would reach the guest.
pub(super) fn check_command_line(options: &Options, limit: usize) -> Result<(), EmulatorError> {
    let length = options.command_line.len();
    if length <= limit {
        return Ok(());
    }
    Err(EmulatorError::CommandLine {
        length,
        limit,
        platform: options.platform.name(),
    })
}

/// A name for an open file that QEMU inherits.
pub(super) fn inherited(file: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The guest's memory from its beginning (address 0 on x86) to the end of what it gets behind its image, `more` bytes:
/// in bytes, whole MiB.
pub(super) fn memory(image: &Image, platform: VirtualMachine, more: u64) -> Result<u64, EmulatorError> {
    let end = image.segments().iter().map(|segment| segment.end()).max();
    let mut end = end.unwrap_or(0);
    if image.machine() == Machine::Aarch64 {
        let start = image.segments().iter().map(|segment| segment.address).min();
        let start = start.unwrap_or(0);
        if start < ARM_IMAGE {
            return Err(EmulatorError::Low {
                start,
                lowest: ARM_IMAGE,
            });
        }
        end -= domain::MEMORY;
    }
    let of_xen = match platform {
        VirtualMachine::XenPv => XEN_PV_MEMORY,
        VirtualMachine::XenDomu => domain::TREE_MEMORY,
        VirtualMachine::Bare | VirtualMachine::XenPvh => 0,
    };
    (end.checked_add(more))
        .and_then(|memory| memory.checked_add(of_xen))
        .and_then(|memory| memory.checked_next_multiple_of(MIB))
        .filter(|&memory| memory <= MEMORY_LIMIT)
        .ok_or(EmulatorError::Memory {
            memory: more,
            end,
            limit: MEMORY_LIMIT,
        })
}

/// A size as QEMU and Xen read it.
fn megabytes(bytes: u64) -> OsString {
    format!("{}M", bytes / MIB).into()
}

/// The command line for people, as they would type it in a shell.
pub(super) fn shown(image: &Image, files: &Files, arguments: &[OsString]) -> String {
    let xen = files.xen.as_ref();
    let form = match xen.map(|xen| xen.domain.is_some()) {
        Some(true) => "in the form that Xen loads",
        Some(false) | None => "as it was read",
    };
    let mut text = format!(
        "pvhost: {} is {}, {form}\n",
        inherited(&files.guest),
        Escaped(image.name())
    );
    if let Some(xen) = xen {
        let (kernel, path) = (inherited(&xen.kernel), Escaped(xen.path.display()));
        text += &match &xen.domain {
            None => format!("pvhost: {kernel} is {path}, unpacked, with marks of its own for its lines\n"),
            Some(files) => format!(
                "pvhost: {kernel} is {path}, {} the device tree for it, {} the one of the guest's devices\n",
                inherited(&files.tree),
                inherited(&files.passthrough)
            ),
        };
    }
    text += "pvhost:";
    let words = std::iter::once(files.qemu.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    for word in words {
        text.push(' ');
        text += &Escaped(shell::quoted(word)).to_string();
    }
    text.push('\n');
    text
}
