// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a guest is entered, and what it finds then: the start info, or what L4RTEMS images had.

use paravirt_abi::start::Features;

use super::Platform;
use super::load::Request;
use crate::gate::{self, Start};
use crate::image::Image;
use crate::layout::Layout;
use crate::{l4rtems, start_info};

/// Writes what the guest finds. `resolver` is the address of the resolver of lazy binding, `code` takes what else of
/// code it needs.
#[cfg_attr(
    target_arch = "aarch64",
    expect(unused_variables, reason = "L4RTEMS images, which need the code, are for i386")
)]
pub(super) fn prepare<P: Platform>(
    image: &Image,
    request: &Request<'_>,
    platform: &P,
    layout: &mut Layout,
    resolver: u64,
    code: &mut l4rtems::Code,
) -> Start {
    let Request { lazy, command_line, .. } = *request;
    let address = layout.start_info;
    let far = P::CODE_32.filter(|_| image.machine() != gate::MACHINE);
    let on_host_stack = P::STACK_FOR_EVENTS;
    let start = |point, info| Start {
        point,
        info,
        on_host_stack,
        far,
    };
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if image.identity().is_none() {
        let end = layout.image_end;
        let gate::Selectors { stack, data, fs, .. } = gate::selectors();
        // Data of 64-bit code need no segment.
        let ds = if far.is_some() { stack } else { data };
        let selectors = l4rtems::Selectors { ds, fs };
        let block = l4rtems::block(address, end, selectors, resolver, command_line);
        layout.memory.initialize(address, &block.bytes);
        let point = code.start(&l4rtems::Start {
            multiboot: block.multiboot,
            stack: end,
            entry: image.entry(),
        });
        return start(point, block.shared);
    }
    let mut features = platform.features();
    features.set(Features::LAZY, lazy);
    let contents = start_info::Contents {
        features,
        resolver: if lazy { resolver } else { 0 },
        wall_clock: platform.wall(),
        command_line,
    };
    let info = start_info::bytes(address, &layout.ranges, &contents);
    layout.memory.initialize(address, &info);
    start(image.entry(), address)
}
