// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest's ELF file, read without trusting it.
//!
//! [`Image::parse`] accepts whatever is sound, for any host and any of the five architectures; whether one host may
//! load it is [`check_loadable`]'s question. What an [`Image`] says has been checked: its addresses lie inside its
//! segments, its names are identifiers, its tables are paired.
//!
//! Names from the file are printed with `{:?}` where they are not known to be identifiers, so that a hostile name
//! cannot drive a terminal.

mod backends;
mod elf;
mod externals;
mod loadable;
mod machine;
mod note;
#[cfg(feature = "std")]
mod open;
mod segments;
mod symbols;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use externals::External;
pub use loadable::{EntryPoint, Policy, check_loadable, check_vcpu_page};
pub use machine::{Machine, pointer_size};
pub use note::{Entries, Identity};
#[cfg(feature = "std")]
pub use open::OpenError;
use paravirt_abi::sections::RESOLVER_SYMBOL;
pub use segments::{Access, Segment};
use symbols::SymbolTable;
pub use symbols::{CodeSymbol, Location, Mark, Symbols, printable_name};

use crate::text::Escaped;

/// A guest's image.
#[derive(Clone, Debug)]
pub struct Image {
    name: String,
    file: Arc<Vec<u8>>,
    machine: Machine,
    entry: u64,
    dynamic: bool,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    externals: Vec<External>,
    identity: Option<Identity>,
    backends: Vec<String>,
    executable_memory: bool,
    entries: Entries,
    symbols: SymbolTable,
    resolver: Option<u64>,
}

/// A section of the image's memory, as the file names it. Nothing is loaded by sections: they are for people and tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, invalid UTF-8 replaced.
    pub name: String,
    /// First address.
    pub address: u64,
    /// Size in bytes, at least 1.
    pub size: u64,
    /// Whether it says to be code.
    pub executable: bool,
}

impl Section {
    /// First address behind the section, or the highest address if there is none.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

/// An in-guest backend: its name from a note, its functions from the guest's symbols, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its name, an identifier.
    pub name: String,
    /// Those of the image's external functions that it provides, sorted, each once; empty if the symbols do not tell.
    pub functions: Vec<String>,
}

impl Image {
    /// Parses the bytes of an ELF file; `name` is for messages.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and the fix.
    pub fn parse(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Result<Self, ImageError> {
        let name = name.into();
        let file = Arc::new(bytes.into());
        parse(name.clone(), &file).map_err(|problem| ImageError {
            file: name,
            problem: Problem::Unsound(problem),
        })
    }

    /// The file as the user named it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of the file.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// Where in the file the `size` bytes are that the guest finds at `address`; `None` if they do not come from the
    /// file, or are the guest's at another address as well.
    #[must_use]
    pub fn file_offset(&self, address: u64, size: usize) -> Option<usize> {
        let segment = segments::find(&self.segments, address, size as u64)?;
        let range = segment.file_range(address, size)?;
        let shared = self.segments.iter().filter(|segment| segment.holds_bytes(&range));
        (shared.count() == 1).then_some(range.start)
    }

    /// Architecture.
    #[must_use]
    pub const fn machine(&self) -> Machine {
        self.machine
    }

    /// Entry point, in an executable segment; on Arm with the Thumb bit.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// Where hypervisors enter it.
    #[must_use]
    pub const fn entries(&self) -> Entries {
        self.entries
    }

    /// Returns whether it asks for a dynamic linker.
    #[must_use]
    pub const fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    /// The loadable segments, at least one, sorted by address, without overlap.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The sections that are part of the image's memory, sorted by address.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Address and content of the section of that name, read from the file, for tools: it need not be part of the
    /// image's memory. `None`: there is none, or its content is compressed or not in the file.
    #[must_use]
    pub fn section_content(&self, name: &str) -> Option<(u64, &[u8])> {
        elf::section(&self.file, self.machine.width(), name)
    }

    /// The external functions in the order of their slots. L4RTEMS images may name one function several times, and
    /// each slot needs filling.
    #[must_use]
    pub fn externals(&self) -> &[External] {
        &self.externals
    }

    /// The identity note; `None` in L4RTEMS images.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns whether it was made as in L4RTEMS: for i386, with external functions, but without prototypes and
    /// identity note.
    #[must_use]
    pub fn is_l4rtems(&self) -> bool {
        self.machine == Machine::I386
            && self.identity.is_none()
            && !self.externals.is_empty()
            && self.externals.iter().all(|external| external.signature.is_none())
    }

    /// Address of the boot vCPU's page, from the identity note.
    #[must_use]
    pub fn vcpu_page(&self) -> Option<u64> {
        self.identity.map(|identity| identity.vcpu_page)
    }

    /// Returns whether its notes ask for free memory that it may execute.
    #[must_use]
    pub const fn asks_for_executable_memory(&self) -> bool {
        self.executable_memory
    }

    /// The symbols. They are read from the file with each use.
    #[must_use]
    pub fn symbols(&self) -> Symbols<'_> {
        Symbols::new(&self.file, &self.symbols, self.machine)
    }

    /// Address of the variable through which unbound slots reach the resolver: a pointer in writable memory. `None` if
    /// the image is stripped or declares no external functions.
    #[must_use]
    pub const fn resolver(&self) -> Option<u64> {
        self.resolver
    }

    /// The segment that holds `size` bytes from `address` on, if one does.
    #[must_use]
    pub fn segment_at(&self, address: u64, size: u64) -> Option<&Segment> {
        segments::find(&self.segments, address, size)
    }

    /// Names of the in-guest backends it carries, sorted.
    #[must_use]
    pub fn backend_names(&self) -> &[String] {
        &self.backends
    }

    /// The in-guest backends it carries, sorted by name.
    #[must_use]
    pub fn backends(&self) -> Vec<Backend> {
        if self.backends.is_empty() {
            return Vec::new();
        }
        let symbols = self.symbols();
        let scan = backends::Scan::new(symbols, self.machine, &self.segments, &self.externals);
        self.backends.iter().map(|name| scan.backend(name)).collect()
    }

    fn error(&self, problem: Problem) -> ImageError {
        ImageError {
            file: self.name.clone(),
            problem,
        }
    }
}

fn parse(name: String, file: &Arc<Vec<u8>>) -> Result<Image, String> {
    let raw = elf::read(file)?;
    let machine = raw.machine;
    let segments = segments::check(&raw.segments, machine, file)?;
    let entry = machine.code_address(raw.entry);
    if !segments::find(&segments, entry, 1).is_some_and(|s| s.access.execute) {
        return Err(format!(
            "entry point {:#x} is in no executable segment; name the start code with ENTRY(..) in the linker script \
            and keep it from garbage collection",
            raw.entry
        ));
    }
    let externals = externals::parse(&raw.sections, machine, &segments)?;
    let identity = note::identity(&raw.notes, machine, &segments)?;
    let backends = note::backends(&raw.notes)?;
    let entries = note::entries(&raw.notes, machine, &segments)?;
    let resolver = (raw.resolver)
        .map(|address| resolver(address, machine, &segments))
        .transpose()?;
    Ok(Image {
        name,
        file: Arc::clone(file),
        machine,
        entry: raw.entry,
        dynamic: raw.dynamic,
        segments,
        sections: sections(&raw.sections),
        externals,
        identity,
        backends,
        executable_memory: note::asks_for_executable_memory(&raw.notes),
        entries,
        symbols: raw.symbols,
        resolver,
    })
}

fn sections(raw: &[elf::Section<'_>]) -> Vec<Section> {
    let mut sections: Vec<_> = raw
        .iter()
        .filter(|section| section.size > 0)
        .map(|section| Section {
            name: String::from_utf8_lossy(section.name).into_owned(),
            address: section.address,
            size: section.size,
            executable: section.executable,
        })
        .collect();
    sections.sort_by_key(|section| section.address);
    sections
}

/// The variable through which unbound slots reach the resolver, which must be a pointer that can be written.
fn resolver(address: u64, machine: Machine, segments: &[Segment]) -> Result<u64, String> {
    let pointer = machine.pointer_size();
    let writable = segments::find(segments, address, pointer).is_some_and(|segment| segment.access.write);
    if !writable || !address.is_multiple_of(pointer) {
        return Err(format!(
            "{RESOLVER_SYMBOL} at {address:#x} is not an aligned pointer in a writable segment; link the guest layer's \
            own definition"
        ));
    }
    Ok(address)
}

/// A file that is no usable guest: which file, what is wrong with it, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}", file = Escaped(file))]
pub struct ImageError {
    /// The file as the user named it.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a guest's file, in words, with the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Whatever the host: with the ELF file, its segments, tables or notes.
    #[error("{0}")]
    Unsound(String),
    /// It is sound, but not for this host.
    #[error("{0}")]
    Refused(String),
}
