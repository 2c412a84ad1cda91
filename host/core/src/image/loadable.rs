// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host may refuse to load although the file is sound.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::mem::offset_of;

use paravirt_abi::note;
use paravirt_abi::vcpu::{self, VcpuPage};

use super::note::{ENTRY, PHYS32_ENTRY};
use super::{Image, Machine, Segment};
use super::{ImageError, Problem};

/// Address space and habits of a host.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Architectures it runs.
    pub machines: Vec<Machine>,
    /// Lowest address a segment may have; 64 KiB is what Linux lets a process map (`vm.mmap_min_addr`).
    pub lowest: u64,
    /// First address behind the guest's address space.
    pub highest: u64,
    /// Limit of the segments' memory in bytes.
    pub memory: u64,
    /// Page size, a power of two; segments of different access may not share a page.
    pub page: u64,
    /// Whether a segment may be writable and executable at once.
    pub writable_code: bool,
    /// Whether an image for i386 must carry an identity note, as it must to receive interrupts. Those of L4RTEMS do
    /// not, which existed for i386 only; others must in any case.
    pub identity_required: bool,
    /// Whether the host pushes interrupt frames directly below the stack pointer.
    pub pushes_into_red_zone: bool,
    /// By which of its entry points the host enters the image.
    pub entry: EntryPoint,
    /// The in-guest backend without which the image cannot do anything there; `None`: the host itself has the
    /// functions.
    pub backend: Option<&'static str>,
}

/// An entry point of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// The ELF header's.
    Elf,
    /// Where the processor of a machine begins: on x86 as [`Self::Pvh`], else as [`Self::Elf`].
    Machine,
    /// The PVH note's.
    Pvh,
    /// The one of a paravirtualized domain of Xen.
    XenPv,
}

/// The backends of this version, each of which is for one kind of host. Whom another is for only its author knows.
const BACKENDS: [&str; 4] = ["bare", "linux_syscall", "pok", "xen"];

impl Default for Policy {
    /// A user-mode host on x86: strict, with 1 GiB of memory below 2 GiB.
    fn default() -> Self {
        Self {
            machines: vec![Machine::I386, Machine::X86_64],
            lowest: 0x1_0000,
            highest: 1 << 31,
            memory: 1 << 30,
            page: 4096,
            writable_code: false,
            identity_required: true,
            pushes_into_red_zone: false,
            entry: EntryPoint::Elf,
            backend: None,
        }
    }
}

impl Policy {
    /// Returns whether the image may use its backend of that name there. Of one that is not this version's only its
    /// author knows.
    #[must_use]
    pub fn accepts_backend(&self, name: &str) -> bool {
        (self.backend).is_some_and(|wanted| name == wanted || !BACKENDS.contains(&name))
    }

    /// The same host for L4RTEMS images, too: they carry no note, and were linked with writable code.
    #[must_use]
    pub fn l4rtems() -> Self {
        Self {
            writable_code: true,
            identity_required: false,
            ..Self::default()
        }
    }
}

/// Checks whether a host of that policy may load the image: all that is asked of an image before a guest is made of it,
/// by whoever does that and by `pvhost check`.
///
/// # Errors
/// Names the first thing the policy forbids.
pub fn check_loadable(image: &Image, policy: &Policy) -> Result<(), ImageError> {
    check(image, policy).map_err(|problem| image.error(Problem::Refused(problem)))
}

fn check(image: &Image, policy: &Policy) -> Result<(), String> {
    let machine = image.machine();
    if !policy.machines.contains(&machine) {
        let names: Vec<_> = policy.machines.iter().map(Machine::to_string).collect();
        return Err(format!(
            "built for {machine}; this host runs {}: build the guest for one of them",
            names.join(", ")
        ));
    }
    if image.is_dynamic() {
        return Err("needs a dynamic linker (PT_INTERP or PT_DYNAMIC); link the guest static: `-static`".to_owned());
    }
    check_backend(image, policy)?;
    for segment in image.segments() {
        check_segment(segment, policy)?;
    }
    check_memory(image, policy)?;
    check_pages(image, policy)?;
    let identity_required = policy.identity_required || machine != Machine::I386;
    match image.identity() {
        None if identity_required && image.is_l4rtems() => Err(
            "no identity note and no prototypes, as in L4RTEMS, so it can get no interrupts; link the guest layer, or \
            run it with what it can have without: option `--compat l4rtems`, of libparavirt_host.a the flag \
            PVH_COMPAT_L4RTEMS"
                .to_owned(),
        ),
        None if identity_required => Err(format!(
            "no identity note, so the vCPU page is unknown; link the guest layer and keep {} in the linker script",
            note::SECTION
        )),
        identity if policy.pushes_into_red_zone && uses_red_zone(identity, machine) => Err(
            "its code uses the red zone, where this host pushes interrupt frames; build it and its `core` without \
            one: `cargo xtask setup` and `cargo xtask guests NAME` do (options for another build: `-C no-redzone \
            --cfg paravirt_no_redzone`, for C `-mno-red-zone`)"
                .to_owned(),
        ),
        _ => vcpu_page(image),
    }
}

/// Checks what the image has in its vCPU page, if it has one, whatever the host.
///
/// # Errors
/// If the page is another version's, or the upcall entry in it is not code.
pub fn check_vcpu_page(image: &Image) -> Result<(), ImageError> {
    vcpu_page(image).map_err(|problem| image.error(Problem::Refused(problem)))
}

fn vcpu_page(image: &Image) -> Result<(), String> {
    // The scanner has found the page in one segment.
    let page = image.vcpu_page().and_then(|address| {
        let segment = image.segment_at(address, vcpu::SIZE as u64)?;
        Some((address, segment, address - segment.address))
    });
    let Some((address, segment, start)) = page else {
        return Ok(());
    };
    // What the file does not say is zero.
    let word = |offset: usize, size: usize| {
        let bytes = segment.data().iter().skip(start as usize + offset);
        bytes.take(size).rfold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    let version = word(offset_of!(VcpuPage, version), 4) as u32;
    if version != vcpu::VERSION {
        return Err(format!(
            "the vCPU page at {address:#x} has layout version {version}, this host knows version {}; link the guest \
            with the same paravirt-bsp",
            vcpu::VERSION
        ));
    }
    let entry = word(offset_of!(VcpuPage, upcall_entry), 8);
    let code = image.segment_at(entry, 1);
    if !code.is_some_and(|segment| segment.access.execute) {
        return Err(format!(
            "the upcall entry {entry:#x} in the vCPU page is not in executable memory; is the image stripped of its \
            interrupt code?"
        ));
    }
    Ok(())
}

fn check_backend(image: &Image, policy: &Policy) -> Result<(), String> {
    let Some(wanted) = policy.backend else {
        return Ok(());
    };
    let carried = image.backend_names();
    if !carried.iter().any(|name| policy.accepts_backend(name)) {
        let carried = if carried.is_empty() {
            "none"
        } else {
            &carried.join(", ")
        };
        return Err(format!(
            "no backend for this host in the image, which has {carried}; add `{wanted}` to the backends of its `image!`"
        ));
    }
    let is_x86 = matches!(image.machine(), Machine::I386 | Machine::X86_64);
    let (entry, point, kind) = match policy.entry {
        EntryPoint::Elf => return Ok(()),
        EntryPoint::Machine if !is_x86 => return Ok(()),
        EntryPoint::Pvh | EntryPoint::Machine => (image.entries().pvh, "PVH", PHYS32_ENTRY),
        EntryPoint::XenPv => (image.entries().xen_pv, "Xen PV", ENTRY),
    };
    match entry {
        Some(_) => Ok(()),
        None => Err(format!(
            "no {point} entry point: the note of owner Xen, type {kind}, is missing; add `{wanted}` to the backends of \
            its `image!` and keep .note.Xen in the linker script"
        )),
    }
}

fn check_segment(segment: &Segment, policy: &Policy) -> Result<(), String> {
    let (address, end) = (segment.address, segment.end());
    let Policy { lowest, highest, .. } = policy;
    if address < *lowest {
        let why = if address == 0 { ", to catch null pointers" } else { "" };
        return Err(format!(
            "segment at {address:#x} lies below {lowest:#x}, where this host maps nothing{why}; link the guest at \
            0x100000, as the linker scripts do"
        ));
    }
    if end > *highest {
        return Err(format!(
            "segment at {address:#x} to {end:#x} reaches past {highest:#x}, the end of guest memory; link the guest \
            lower"
        ));
    }
    if segment.access.write && segment.access.execute && !policy.writable_code {
        return Err(format!(
            "segment at {address:#x} is writable and executable; give code and data segments of their own (no `-N`, \
            `--omagic`), as the linker scripts do"
        ));
    }
    Ok(())
}

fn check_memory(image: &Image, policy: &Policy) -> Result<(), String> {
    // Segments do not overlap, so their sum cannot overflow.
    let (size, limit) = (
        image.segments().iter().map(|segment| segment.size).sum::<u64>(),
        policy.memory,
    );
    if size > limit {
        return Err(format!(
            "segments need {size} bytes of memory, more than the {limit} granted; grant more or shrink static buffers"
        ));
    }
    Ok(())
}

fn check_pages(image: &Image, policy: &Policy) -> Result<(), String> {
    for pair in image.segments().windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        let shared = (first.end() - 1) / policy.page == second.address / policy.page;
        if shared && first.access != second.access {
            return Err(format!(
                "segments at {:#x} ({}) and {:#x} ({}) share a page but not their access; align segments to {} bytes \
                in the linker script",
                first.address, first.access, second.address, second.access, policy.page
            ));
        }
    }
    Ok(())
}

/// Only the x86-64 ABI among those supported here has a red zone that an interrupt frame could hit.
fn uses_red_zone(identity: Option<&super::Identity>, machine: Machine) -> bool {
    machine == Machine::X86_64 && !identity.is_some_and(|i| i.flags.contains(note::Flags::NO_RED_ZONE))
}
