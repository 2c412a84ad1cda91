// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a guest is entered, and what it finds then: the start info of today, or what images of 2013 had.

use paravirt_abi::start::Features;

use super::Platform;
use super::load::Request;
use crate::gate;
use crate::image::Image;
use crate::layout::Layout;
use crate::{legacy, start_info};

/// Where and with what a guest is entered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Address of its first instruction.
    pub(super) point: u64,
    /// Address of the start info, or of the shared variables of 2013.
    pub(super) info: u64,
}

impl Entry {
    /// Writes what the guest finds. `resolver` is the address of the resolver of lazy binding, `code` takes what else of code it
    /// needs.
    pub(super) fn prepare(
        image: &Image,
        request: &Request<'_>,
        platform: &dyn Platform,
        layout: &mut Layout,
        resolver: u64,
        code: &mut legacy::Code,
    ) -> Self {
        let Request {
            lazy, command_line, ..
        } = *request;
        let address = layout.start_info;
        if image.identity().is_none() {
            let end = layout.image_end;
            let block = legacy::block(address, end, gate::selectors(), resolver, command_line);
            layout.memory.initialize(address, &block.bytes);
            let start = legacy::Start {
                multiboot: block.multiboot,
                stack: end,
                entry: image.entry(),
            };
            return Self {
                point: code.start(&start),
                info: block.shared,
            };
        }
        let mut features = Features::empty();
        features.set(Features::LAZY, lazy);
        let contents = start_info::Contents {
            features,
            resolver: if lazy { resolver } else { 0 },
            wall_clock: platform.wall(),
            command_line,
        };
        let info = start_info::bytes(address, &layout.ranges, &contents);
        layout.memory.initialize(address, &info);
        Self {
            point: image.entry(),
            info: address,
        }
    }
}
