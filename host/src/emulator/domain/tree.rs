// SPDX-License-Identifier: MIT OR Apache-2.0
//! The device trees: the machine's, by which Xen knows its devices and its domain (Xen, docs/misc/arm/device-tree and
//! docs/misc/arm/passthrough.txt), and the one of the domain's devices. Addresses and interrupts are those of QEMU's
//! machine `virt`; QEMU adds memory and PSCI to the machine's tree.
//!
//! Xen's own console is told to be a PL011 whose data register is the one of a virtio console that prints what is
//! written to it. The other registers of a PL011 lie behind that console's, where writing has no effect, and reading
//! yields ones: ready to send, nothing received.

use vm_fdt::{Error, FdtWriter};

use super::{GUEST, PASSTHROUGH};
use crate::emulator::Gic;

/// QEMU's names of the buses with the virtio consoles: Xen's, and the domain's. They are in different pages.
pub(in super::super) const LOG_BUS: &str = "virtio-mmio-bus.0";
pub(in super::super) const GUEST_BUS: &str = "virtio-mmio-bus.8";
/// Their registers.
const LOG: u64 = 0x0a00_0000;
const LOG_INTERRUPT: u32 = 16;
const VIRTIO: u64 = 0x0a00_1000;
const VIRTIO_INTERRUPT: u32 = 24;
/// Offset and size of the register for emergencies, to the end of the device's.
const EMERGENCY: u64 = 0x108;
const EMERGENCY_SIZE: u64 = 0xf8;
const VIRTIO_SIZE: u64 = 0x200;

const SERIAL: u64 = 0x0900_0000;
const SERIAL_INTERRUPT: u32 = 1;
const SERIAL_PATH: &str = "/serial@9000000";
const CLOCK: u64 = 0x0901_0000;
const PAGE: u64 = 0x1000;

/// Of the controller: distributor; interface of the processor, of hypervisors, and of virtual processors;
/// redistributors.
const DISTRIBUTOR: [u64; 2] = [0x0800_0000, 0x1_0000];
const INTERFACES: [u64; 6] = [0x0801_0000, 0x1_0000, 0x0803_0000, 0x1_0000, 0x0804_0000, 0x1_0000];
const REDISTRIBUTORS: [u64; 2] = [0x080a_0000, 0xf6_0000];
const MAINTENANCE: u32 = 9;
/// Of the processor's timers: secure, not secure, virtual, hypervisor's.
const TIMERS: [u32; 4] = [13, 14, 11, 10];

/// Words of an interrupt: whose it is, and that it is a level, of processor 0.
const SHARED: u32 = 0;
const PRIVATE: u32 = 1;
const LEVEL: u32 = 4;
const EDGE: u32 = 1;
const PROCESSOR_0: u32 = 0x100;

/// Number by which other nodes name the controller.
const CONTROLLER: u32 = 1;

/// The domain.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Domain<'a> {
    /// Its memory, in bytes.
    pub(in super::super) memory: u64,
    /// Sizes of what is loaded for it, in bytes: of the tree of its devices, and of the guest.
    pub(in super::super) passthrough: usize,
    pub(in super::super) guest: usize,
    /// The guest's command line.
    pub(in super::super) arguments: &'a str,
}

/// The machine's tree. `options` are Xen's.
pub(in super::super) fn machine(gic: Gic, options: &str, domain: &Domain<'_>) -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_string("compatible", "linux,dummy-virt")?;
    cells(&mut tree)?;
    tree.property_u32("interrupt-parent", CONTROLLER)?;

    let processors = tree.begin_node("cpus")?;
    tree.property_u32("#address-cells", 1)?;
    tree.property_u32("#size-cells", 0)?;
    let processor = tree.begin_node("cpu@0")?;
    tree.property_string("device_type", "cpu")?;
    tree.property_string("compatible", "arm,cortex-a57")?;
    tree.property_u32("reg", 0)?;
    tree.property_string("enable-method", "psci")?;
    tree.end_node(processor)?;
    tree.end_node(processors)?;

    controller(&mut tree, gic)?;
    let timer = tree.begin_node("timer")?;
    tree.property_string("compatible", "arm,armv8-timer")?;
    let interrupts = TIMERS.map(|number| [PRIVATE, number, LEVEL | PROCESSOR_0]);
    tree.property_array_u32("interrupts", interrupts.as_flattened())?;
    tree.end_node(timer)?;

    let serial = tree.begin_node(&SERIAL_PATH[1..])?;
    tree.property_string_list("compatible", strings(&["arm,pl011", "arm,primecell"]))?;
    tree.property_array_u64("reg", &[SERIAL, PAGE])?;
    tree.property_array_u32("interrupts", &[SHARED, SERIAL_INTERRUPT, LEVEL])?;
    tree.property_null("xen,passthrough")?;
    tree.end_node(serial)?;
    let log = LOG + EMERGENCY;
    let name = format!("log@{log:x}");
    let node = tree.begin_node(&name)?;
    tree.property_string("compatible", "arm,pl011")?;
    tree.property_array_u64("reg", &[log, EMERGENCY_SIZE])?;
    tree.property_u32("reg-io-width", 4)?;
    tree.property_array_u32("interrupts", &[SHARED, LOG_INTERRUPT, EDGE])?;
    tree.end_node(node)?;

    let chosen = tree.begin_node("chosen")?;
    cells(&mut tree)?;
    tree.property_string("stdout-path", &format!("/{name}"))?;
    tree.property_string("xen,xen-bootargs", options)?;
    of_domain(&mut tree, domain)?;
    tree.end_node(chosen)?;
    tree.end_node(root)?;
    tree.finish()
}

fn controller(tree: &mut FdtWriter, gic: Gic) -> Result<(), Error> {
    let controller = tree.begin_node("interrupt-controller@8000000")?;
    let (compatible, registers) = match gic {
        Gic::V2 => ("arm,cortex-a15-gic", [&DISTRIBUTOR[..], &INTERFACES].concat()),
        Gic::V3 => ("arm,gic-v3", [DISTRIBUTOR, REDISTRIBUTORS].concat()),
    };
    tree.property_string("compatible", compatible)?;
    tree.property_null("interrupt-controller")?;
    tree.property_u32("#interrupt-cells", 3)?;
    tree.property_array_u64("reg", &registers)?;
    tree.property_array_u32("interrupts", &[PRIVATE, MAINTENANCE, LEVEL])?;
    tree.property_phandle(CONTROLLER)?;
    tree.end_node(controller)
}

fn of_domain(tree: &mut FdtWriter, domain: &Domain<'_>) -> Result<(), Error> {
    let node = tree.begin_node("guest")?;
    tree.property_string("compatible", "xen,domain")?;
    cells(tree)?;
    tree.property_u64("memory", domain.memory >> 10)?;
    tree.property_u32("cpus", 1)?;
    // Has Xen name itself in the domain's tree.
    tree.property_string("xen,enhanced", "no-xenstore")?;
    let kernel = module(tree, "multiboot,kernel", GUEST, domain.guest)?;
    tree.property_string("bootargs", domain.arguments)?;
    tree.end_node(kernel)?;
    let devices = module(tree, "multiboot,device-tree", PASSTHROUGH, domain.passthrough)?;
    tree.end_node(devices)?;
    tree.end_node(node)
}

/// Begins the node of something that is loaded.
fn module(tree: &mut FdtWriter, kind: &str, address: u64, size: usize) -> Result<vm_fdt::FdtWriterNode, Error> {
    let node = tree.begin_node(&format!("module@{address:x}"))?;
    tree.property_string_list("compatible", strings(&[kind, "multiboot,module"]))?;
    tree.property_array_u64("reg", &[address, size as u64])?;
    Ok(node)
}

/// The tree of the devices of the machine that the domain is given: serial port, clock, console for its last words.
pub(in super::super) fn passthrough() -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    cells(&mut tree)?;
    let devices = tree.begin_node("passthrough")?;
    tree.property_string("compatible", "simple-bus")?;
    tree.property_null("ranges")?;
    cells(&mut tree)?;

    let serial = device(&mut tree, "serial", &["arm,pl011", "arm,primecell"], SERIAL, PAGE)?;
    tree.property_array_u32("interrupts", &[SHARED, SERIAL_INTERRUPT, LEVEL])?;
    tree.property_string("xen,path", SERIAL_PATH)?;
    tree.end_node(serial)?;
    let clock = device(&mut tree, "clock", &["arm,pl031", "arm,primecell"], CLOCK, PAGE)?;
    tree.end_node(clock)?;
    let virtio = device(&mut tree, "virtio_mmio", &["virtio,mmio"], VIRTIO, VIRTIO_SIZE)?;
    tree.property_array_u32("interrupts", &[SHARED, VIRTIO_INTERRUPT, EDGE])?;
    tree.end_node(virtio)?;

    tree.end_node(devices)?;
    tree.end_node(root)?;
    tree.finish()
}

/// Begins the node of a device that the domain finds where the machine has it.
fn device(
    tree: &mut FdtWriter,
    name: &str,
    compatible: &[&str],
    address: u64,
    size: u64,
) -> Result<vm_fdt::FdtWriterNode, Error> {
    let node = tree.begin_node(&format!("{name}@{address:x}"))?;
    tree.property_string_list("compatible", strings(compatible))?;
    tree.property_array_u64("reg", &[address, size])?;
    tree.property_array_u64("xen,reg", &[address, PAGE, address])?;
    // Nothing keeps a device from the memory of others: what holds the guest is QEMU, as on a PC the first domain.
    tree.property_null("xen,force-assign-without-iommu")?;
    Ok(node)
}

/// Addresses and sizes below this node have two words.
fn cells(tree: &mut FdtWriter) -> Result<(), Error> {
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)
}

fn strings(strings: &[&str]) -> Vec<String> {
    strings.iter().map(|&string| string.to_owned()).collect()
}
