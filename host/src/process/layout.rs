// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest in this process's memory: laid out as for any host, with the process host's code and data in its address space.

use paravirt_abi::signature::Signature;
use paravirt_abi::start::Features;
use paravirt_host_core::layout::{self, LayoutError};
use paravirt_host_core::memory::{GuestMemory, PAGE};
use paravirt_host_core::{legacy, start_info};

use super::gate::low::{self, Low};
use super::memory::ProcessPages;
use super::state::DATA;
use super::timers;
use crate::image::Image;

/// What is to be laid out.
pub(super) struct Request<'a> {
    pub(super) image: &'a Image,
    /// Bytes of memory beside the image.
    pub(super) memory: u64,
    pub(super) executable_memory: bool,
    pub(super) command_line: &'a str,
    /// Those of what the slots are to lead to, in their order.
    pub(super) prototypes: &'a [Signature],
    pub(super) lazy: bool,
    pub(super) clock: bool,
}

/// The guest's memory, not yet sealed, and what is where.
pub(super) struct Layout {
    pub(super) memory: GuestMemory,
    pub(super) low: Low,
    /// Where the slots lead once they are bound, in their order.
    pub(super) entries: Vec<u64>,
    /// Address of the counter of upcalls.
    pub(super) upcalls: u64,
    /// Address of a vCPU page for images that have none.
    pub(super) spare_page: u64,
    /// Where the guest is entered.
    pub(super) entry: u64,
    /// Address of the start info, or of what an image of 2013 gets in its place.
    pub(super) start_info: u64,
}

/// Maps and fills everything.
pub(super) fn load(request: &Request<'_>) -> Result<Layout, LayoutError> {
    let Request {
        image,
        command_line,
        prototypes,
        ..
    } = *request;
    let low_size = low::size(prototypes.len()).next_multiple_of(16);
    let code_size = low_size + legacy::Code::size(prototypes.len());
    let request_of_any = layout::Request {
        image,
        memory: request.memory,
        executable_memory: request.executable_memory,
        command_line,
        code: code_size as u64,
        data: 2 * PAGE,
    };
    let layout::Layout {
        mut memory,
        ranges,
        start_info,
        code,
        data: upcalls,
        image_end,
    } = layout::map(&request_of_any, Box::new(ProcessPages))?;

    let mut bytes = vec![0; low_size];
    let width = image.machine().width();
    let low = low::write(&mut bytes, code, width, prototypes.iter().copied(), upcalls);
    let mut extra = legacy::Code::new(code + low_size as u64);
    let entries = (image.externals().iter().enumerate())
        .map(|(index, external)| extra.entry(&external.name, width, low.stub(index)))
        .collect();
    let (entry, start_info) = if image.identity().is_none() {
        let selectors = legacy::Selectors { ds: DATA, fs: 0 };
        let block = legacy::block(start_info, image_end, selectors, low.resolver, command_line);
        memory.initialize(start_info, &block.bytes);
        let start = legacy::Start {
            multiboot: block.multiboot,
            stack: image_end,
            entry: image.entry(),
        };
        (extra.start(&start), block.shared)
    } else {
        let mut features = Features::empty();
        features.set(Features::CLOCK_TSC, request.clock);
        features.set(Features::LAZY, request.lazy);
        let contents = start_info::Contents {
            features,
            resolver: if request.lazy { low.resolver } else { 0 },
            wall_clock: timers::wall(),
            command_line,
        };
        let bytes = start_info::bytes(start_info, &ranges, &contents);
        memory.initialize(start_info, &bytes);
        (image.entry(), start_info)
    };
    bytes.extend(extra.bytes);
    memory.initialize(code, &bytes);
    Ok(Layout {
        memory,
        low,
        entries,
        upcalls,
        spare_page: upcalls + PAGE,
        entry,
        start_info,
    })
}
