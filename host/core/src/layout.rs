// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where things lie in the guest's address space, from low to high: the image, the start info (read-only), the host's
//! code there, the host's data there, the guest's memory. Gaps between them catch what runs over an end.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use paravirt_abi::start::{MemoryKind, MemoryRange};

use crate::image::{Access, Image};
use crate::memory::{GuestMemory, MapError, PAGE, Pages};
use crate::text::Escaped;
use crate::{l4rtems, start_info};

/// First address behind everything that a guest can reach.
pub const GUEST_END: u64 = 1 << 32;
/// Longest command line in bytes.
pub const COMMAND_LINE: usize = 64 * 1024;

/// Unmapped space between parts, in bytes, and their alignment.
const GAP: u64 = 64 * 1024;
/// Room for all that is neither image nor the guest's memory: much more than it takes.
const OTHERS: u64 = 32 << 20;

const READ: Access = rights(false, false);
const WRITE: Access = rights(true, false);
const EXECUTE: Access = rights(false, true);

const fn rights(write: bool, execute: bool) -> Access {
    Access {
        read: true,
        write,
        execute,
    }
}

/// What is to be laid out. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The image, which the host's policy accepts.
    pub image: &'a Image,
    /// Memory beside the image, rounded up to pages; may be 0.
    pub memory: u64,
    /// Whether the guest may execute that memory although its image does not ask for it.
    pub executable_memory: bool,
    /// The command line.
    pub command_line: &'a str,
    /// Size of the host's code in the guest's address space: stubs, tails.
    pub code: u64,
    /// Size of the host's data there; may be 0.
    pub data: u64,
}

/// The guest's memory, not yet sealed, and what is where. The image is loaded; all else is still zero.
#[derive(Debug)]
pub struct Layout {
    /// The memory.
    pub memory: GuestMemory,
    /// What the start info is to say about it, sorted by address.
    pub ranges: Vec<MemoryRange>,
    /// Address of room for the [start info](start_info), or for an L4RTEMS image for its [block](l4rtems::block).
    pub start_info: u64,
    /// Address of the host's code, which the guest may execute.
    pub code: u64,
    /// Address of the host's data, which the guest may write.
    pub data: u64,
    /// End of the image's last page, or of the memory right behind it that an L4RTEMS image gets.
    pub image_end: u64,
}

/// Why a guest cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Something of the host's lies where the guest goes.
    #[error(
        "{file}: {size:#x} bytes at {address:#x} are in use in this process; link the guest elsewhere", file = Escaped(file))]
    AddressTaken {
        /// The image.
        file: String,
        /// First address.
        address: u64,
        /// Size in bytes.
        size: u64,
    },
    /// The system below refused memory.
    #[error("{file}: cannot map {size:#x} bytes at {address:#x} for the guest: {source}", file = Escaped(file))]
    Map {
        /// The image.
        file: String,
        /// First address.
        address: u64,
        /// Size in bytes.
        size: u64,
        /// The system's reason.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The memory asked for is not what a guest can have.
    #[error(
        "{memory:#x} bytes of memory do not fit below 4 GiB behind the image, which ends at {end:#x}; ask for less"
    )]
    Memory {
        /// Bytes asked for.
        memory: u64,
        /// End of the image.
        end: u64,
    },
    /// The command line is too long for the start info.
    #[error("the command line has {0} bytes; at most {max} are passed to a guest", max = COMMAND_LINE)]
    CommandLine(usize),
}

/// Maps everything and loads the image.
///
/// # Errors
/// If something does not fit or cannot be mapped; what was mapped before is unmapped again.
pub fn map(request: &Request<'_>, pages: Box<dyn Pages>) -> Result<Layout, LayoutError> {
    let Request {
        image, command_line, ..
    } = *request;
    if command_line.len() > COMMAND_LINE {
        return Err(LayoutError::CommandLine(command_line.len()));
    }
    let mut mapper = Mapper {
        memory: GuestMemory::new(pages),
        file: image.name(),
        next: 0,
    };
    mapper.map_image(image)?;
    let start = image
        .segments()
        .first()
        .map_or(0, |segment| segment.address / PAGE * PAGE);
    let end = mapper.next;
    let mut ranges = vec![MemoryRange::new(start, end, MemoryKind::Image)];
    let others = request.code.saturating_add(request.data).saturating_add(OTHERS);
    let size = request.memory.checked_next_multiple_of(PAGE);
    let size = size
        .filter(|size| {
            end.checked_add(size.saturating_add(others))
                .is_some_and(|end| end <= GUEST_END)
        })
        .ok_or(LayoutError::Memory {
            memory: request.memory,
            end,
        })?;
    let free = rights(true, request.executable_memory || image.asks_for_executable_memory());
    // An image without identity note is entered as in L4RTEMS, and looks for its memory right behind itself.
    let l4rtems = image.identity().is_none();
    if l4rtems && size > 0 {
        mapper.map_at(end, end + size, free)?;
    }
    let image_end = mapper.next;
    let start_info = if l4rtems {
        mapper.map(l4rtems::block_size(command_line), WRITE)?
    } else {
        let count = 1 + usize::from(size > 0);
        mapper.map(start_info::size(count, command_line), READ)?
    };
    let code = mapper.map(request.code, EXECUTE)?;
    let data = mapper.map(request.data, WRITE)?;
    if !l4rtems && size > 0 {
        let start = mapper.map(size, free)?;
        ranges.push(MemoryRange::new(start, start + size, MemoryKind::Ram));
    }
    Ok(Layout {
        memory: mapper.memory,
        ranges,
        start_info,
        code,
        data,
        image_end,
    })
}

/// Maps one part behind the other.
struct Mapper<'a> {
    memory: GuestMemory,
    file: &'a str,
    /// End of what has been mapped.
    next: u64,
}

impl Mapper<'_> {
    /// Maps the pages of the segments; those that share a page have the same rights, as the policy asks.
    fn map_image(&mut self, image: &Image) -> Result<(), LayoutError> {
        for segment in image.segments() {
            let start = (segment.address / PAGE * PAGE).max(self.next);
            let end = segment.end().next_multiple_of(PAGE);
            if start < end {
                self.map_at(start, end, segment.access)?;
            }
        }
        for segment in image.segments() {
            self.memory.initialize(segment.address, segment.data());
        }
        Ok(())
    }

    fn map(&mut self, size: u64, access: Access) -> Result<u64, LayoutError> {
        let start = self.next.next_multiple_of(GAP) + GAP;
        if size > 0 {
            self.map_at(start, start + size, access)?;
        }
        Ok(start)
    }

    fn map_at(&mut self, start: u64, end: u64, access: Access) -> Result<(), LayoutError> {
        self.memory.map(start, end, access).map_err(|error| {
            let (file, address, size) = (self.file.to_owned(), start, end - start);
            match error {
                MapError::Taken => LayoutError::AddressTaken { file, address, size },
                MapError::System(source) => LayoutError::Map {
                    file,
                    address,
                    size,
                    source,
                },
            }
        })?;
        self.next = end.next_multiple_of(PAGE);
        Ok(())
    }
}
