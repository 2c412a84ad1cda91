// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a loader says of the machine: the flattened device tree (Devicetree Specification, release 0.4, chapters 2 and
//! 5).
//!
//! It is read where it lies, and believed as far as it is sound: every access is checked against its size.

use core::fmt;

use super::gic::Gic;
use super::paging::TREE_SIZE;
use crate::local::Local;

const MAGIC: u32 = 0xd00d_feed;
/// The version whose layout is read, and which later ones stay compatible with.
const VERSION: u32 = 17;

/// Words of the header.
const TOTAL: usize = 4;
const STRUCTURE: usize = 8;
const STRINGS: usize = 12;
const RESERVATIONS: usize = 16;
const COMPATIBLE_VERSION: usize = 24;
const HEADER: usize = 40;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Levels of nodes that are kept apart; more are not believed.
const DEPTH: usize = 12;
/// Bytes of a node's name; more are not believed.
const NAME: usize = 256;

/// Why a device tree is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is none at that address.
    Missing {
        /// Where it was looked for.
        address: usize,
        /// What is there instead.
        found: u32,
    },
    /// One begins at that address, which is no multiple of 8.
    Misaligned(usize),
    /// Its header says what cannot be.
    Header,
    /// It ends too early, or nodes and properties are not one in the other.
    Structure,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Missing { address, found } => write!(
                f,
                "there is no device tree at {address:#x}: it begins with {found:#x}, not with {MAGIC:#x}; have the \
                loader pass its address in x0 (QEMU's machine `virt` has it at the beginning of memory)"
            ),
            Self::Misaligned(address) => write!(
                f,
                "the device tree is at {address:#x}, which is no multiple of 8; have the loader put it at one"
            ),
            Self::Header => write!(
                f,
                "the device tree is damaged: its header names parts that lie outside of it, or a version before \
                {VERSION}; have the loader pass a sound one"
            ),
            Self::Structure => f.write_str(
                "the device tree is damaged: its nodes and properties do not fit into each other; have the loader pass \
                a sound one",
            ),
        }
    }
}

/// A device tree.
#[derive(Clone, Copy, Debug)]
pub struct DeviceTree {
    bytes: &'static [u8],
    names_xen: bool,
    /// Words of an interrupt of Arm's controller, and the number by which other nodes name it.
    interrupt_words: u32,
    controller: Option<u32>,
}

static TREE: Local<Option<DeviceTree>> = Local::new(None);

/// Takes the device tree at `address` for [`get`], if it is sound.
///
/// # Errors
/// It is not.
///
/// # Safety
/// What is at `address` is mapped, as far as a device tree may reach.
pub(super) unsafe fn set(address: usize) -> Result<DeviceTree, Problem> {
    // SAFETY: the caller's part of the contract.
    let bytes = unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<u8>(address), TREE_SIZE) };
    let word = |at| word(bytes, at).unwrap_or(0);
    let (magic, total) = (word(0), word(TOTAL) as usize);
    if magic != MAGIC {
        return Err(Problem::Missing { address, found: magic });
    }
    if !address.is_multiple_of(8) {
        return Err(Problem::Misaligned(address));
    }
    let inside = |at| (HEADER..total).contains(&(word(at) as usize));
    if total > TREE_SIZE
        || word(COMPATIBLE_VERSION) > VERSION
        || word(COMPATIBLE_VERSION) < VERSION - 1
        || ![STRUCTURE, STRINGS, RESERVATIONS].into_iter().all(inside)
    {
        return Err(Problem::Header);
    }
    let tree = DeviceTree {
        bytes: &bytes[..total],
        names_xen: false,
        interrupt_words: 3,
        controller: None,
    };
    let mut found = tree;
    tree.for_each(|node| {
        found.names_xen |= node.is_any(&[b"xen,xen"]);
        if node.is_interrupt_controller() && found.controller.is_none() && Gic::is_named_by(node) {
            let number = |name| node.number(name).map(|number| number as u32);
            found.controller = number(b"phandle");
            found.interrupt_words = number(b"#interrupt-cells").unwrap_or(found.interrupt_words);
        }
    })?;
    // SAFETY: at the start, before the first interrupt.
    unsafe { TREE.set_large(Some(found)) };
    Ok(found)
}

/// The device tree that the image was entered with.
///
/// # Safety
/// For the start of a backend. After it, or after [`forget`], neither the tree nor what came from it may be used: the
/// guest's memory is there.
#[must_use]
pub unsafe fn get() -> Option<DeviceTree> {
    TREE.get()
}

/// Forgets the tree. To be called once it is read: from then on its memory is the guest's.
pub fn forget() {
    // SAFETY: at the start, before the first interrupt.
    unsafe { TREE.set_large(None) };
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// A number of `cells` words, which it takes from the front; `None` if there are not so many, or more than two that
/// matter.
fn number(value: &mut &[u8], cells: u32) -> Option<u64> {
    let mut number = 0_u64;
    for _ in 0..cells {
        number = number.checked_mul(1 << 32)? | u64::from(word(value, 0)?);
        *value = &value[4..];
    }
    Some(number)
}

/// The text at the front, without its NUL.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().take(NAME).position(|&byte| byte == 0)?;
    Some(&bytes[..end])
}

/// Something of the structure, and where the next one is.
enum Token {
    Begin(&'static [u8]),
    End,
    Property { name: Name, value: &'static [u8] },
    Last,
}

/// A property's name: the tree's bytes from its first letter on. Where it ends is not looked for, because there are
/// hundreds of them, and the tree is gone through several times before the first line is printed.
#[derive(Clone, Copy)]
struct Name(&'static [u8]);

impl Name {
    fn is(self, wanted: &[u8]) -> bool {
        self.0.strip_prefix(wanted).is_some_and(|rest| rest.first() == Some(&0))
    }
}

impl DeviceTree {
    /// What is at `at`, an offset into the structure's part, and where the next one is.
    fn token(self, mut at: usize) -> Option<(Token, usize)> {
        let bytes = self.bytes;
        loop {
            let kind = word(bytes, at)?;
            at += 4;
            return Some(match kind {
                BEGIN_NODE => {
                    let name = text(bytes.get(at..)?)?;
                    (Token::Begin(name), (at + name.len() + 4) & !3)
                }
                END_NODE => (Token::End, at),
                PROPERTY => {
                    let length = word(bytes, at)? as usize;
                    let name = (word(bytes, STRINGS)? as usize).checked_add(word(bytes, at + 4)? as usize)?;
                    let name = Name(bytes.get(name..)?);
                    let value = at + 8;
                    let end = value.checked_add(length)?;
                    let value = bytes.get(value..end)?;
                    (Token::Property { name, value }, end.checked_add(3)? & !3)
                }
                NOP => continue,
                END => (Token::Last, at),
                _ => return None,
            });
        }
    }

    /// Calls `visit` for each node, parents first.
    ///
    /// # Errors
    /// [`Problem::Structure`]; nodes before the damage have been visited.
    pub fn for_each(self, mut visit: impl FnMut(&Node<'_>)) -> Result<(), Problem> {
        self.walk(&mut visit).ok_or(Problem::Structure)
    }

    fn walk(self, visit: &mut dyn FnMut(&Node<'_>)) -> Option<()> {
        let mut at = word(self.bytes, STRUCTURE)? as usize;
        // Of each node on the way to the current one, what it says of its children.
        let mut way = [Level::default(); DEPTH];
        let mut depth: usize = 0;
        loop {
            let (token, next) = self.token(at)?;
            at = next;
            match token {
                Token::Begin(name) => {
                    let (above, levels) = way.split_at_mut_checked(depth)?;
                    let mut node = Node {
                        tree: self,
                        name,
                        properties: at,
                        above,
                        compatible: b"",
                        status: None,
                        device_type: None,
                        is_controller: false,
                    };
                    let level = levels.first_mut()?;
                    let is_reserved = depth == 1 && name == b"reserved-memory";
                    *level = Level {
                        is_reserved,
                        // That its children's addresses are the root's need not be said.
                        ranges: is_reserved.then_some(b""),
                        ..Level::default()
                    };
                    // Its properties come before its children.
                    while let (Token::Property { name, value }, next) = self.token(at)? {
                        node.take(name, value, level);
                        at = next;
                    }
                    visit(&node);
                    depth += 1;
                }
                Token::End => depth = depth.checked_sub(1)?,
                Token::Last if depth == 0 => return Some(()),
                Token::Property { .. } | Token::Last => return None,
            }
        }
    }

    /// Returns whether it says that the hypervisor is Xen, which answers hypercalls then.
    #[must_use]
    pub fn names_xen(self) -> bool {
        self.names_xen
    }

    /// Calls `visit` for start and end of each range of the list of reserved memory, at most `most` of them.
    pub fn for_each_reservation(self, most: usize, mut visit: impl FnMut(u64, u64)) {
        let at = word(self.bytes, RESERVATIONS).unwrap_or(0) as usize;
        let mut list = self.bytes.get(at..).unwrap_or_default();
        for _ in 0..most {
            match (number(&mut list, 2), number(&mut list, 2)) {
                (Some(start), Some(size)) if size != 0 => visit(start, start.saturating_add(size)),
                _ => return,
            }
        }
    }
}

/// What a node says of its children.
#[derive(Clone, Copy, Debug)]
struct Level {
    address: u32,
    size: u32,
    is_reserved: bool,
    /// How it translates their addresses: not at all, as they are if it is empty, or by this list.
    ranges: Option<&'static [u8]>,
}

impl Level {
    /// What the address of `size` bytes is beyond the node, of whose own address has so many words.
    fn translated(&self, address: u64, size: u64, words: u32) -> Option<u64> {
        let mut ranges = self.ranges?;
        if ranges.is_empty() {
            return Some(address);
        }
        loop {
            let start = number(&mut ranges, self.address)?;
            let beyond = number(&mut ranges, words)?;
            let length = number(&mut ranges, self.size)?;
            if let Some(offset) = address.checked_sub(start)
                && offset.checked_add(size).is_some_and(|end| end <= length)
            {
                return beyond.checked_add(offset);
            }
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self {
            address: 2,
            size: 1,
            is_reserved: false,
            ranges: None,
        }
    }
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    tree: DeviceTree,
    name: &'static [u8],
    properties: usize,
    /// The nodes on the way to it, the root first.
    above: &'a [Level],
    /// What tells most nodes apart, so that nobody goes through all their properties for it.
    compatible: &'static [u8],
    status: Option<&'static [u8]>,
    device_type: Option<&'static [u8]>,
    is_controller: bool,
}

impl Node<'_> {
    /// Its parent; what is so of any node, where it is the root.
    fn parent(&self) -> Level {
        self.above.last().copied().unwrap_or_default()
    }

    /// Takes a property, and what of it is for the children.
    fn take(&mut self, name: Name, value: &'static [u8], children: &mut Level) {
        let cells = |other| word(value, 0).unwrap_or(other);
        // By the first letter, since there are hundreds.
        match name.0.first() {
            Some(b'c') if name.is(b"compatible") => self.compatible = value,
            Some(b's') if name.is(b"status") => self.status = Some(value),
            Some(b'd') if name.is(b"device_type") => self.device_type = Some(value),
            Some(b'r') if name.is(b"ranges") => children.ranges = Some(value),
            Some(b'i') if name.is(b"interrupt-controller") => self.is_controller = true,
            Some(b'#') if name.is(b"#address-cells") => children.address = cells(children.address),
            Some(b'#') if name.is(b"#size-cells") => children.size = cells(children.size),
            _ => {}
        }
    }

    /// The value of a property, if the node has it.
    #[must_use]
    pub fn property(&self, wanted: &[u8]) -> Option<&'static [u8]> {
        let mut at = self.properties;
        while let Some((Token::Property { name, value }, next)) = self.tree.token(at) {
            if name.is(wanted) {
                return Some(value);
            }
            at = next;
        }
        None
    }

    /// Its name, with the address behind it.
    #[must_use]
    pub fn name(&self) -> &'static [u8] {
        self.name
    }

    /// Returns whether it is the child of the root that has this name.
    #[must_use]
    pub fn is_at_root(&self, name: &[u8]) -> bool {
        self.above.len() == 1 && self.name == name
    }

    /// Returns whether it is a child of the node of reserved memory.
    #[must_use]
    pub fn is_reserved_memory(&self) -> bool {
        self.parent().is_reserved
    }

    /// Returns whether it is compatible with one of these, and not switched off.
    #[must_use]
    pub fn is_any(&self, wanted: &[&[u8]]) -> bool {
        let mut names = self.compatible().split(|&byte| byte == 0);
        names.any(|name| wanted.contains(&name)) && self.is_on()
    }

    /// The names that it is compatible with, each with a NUL behind it.
    #[must_use]
    pub fn compatible(&self) -> &'static [u8] {
        self.compatible
    }

    fn is_on(&self) -> bool {
        let status = self.status.map(|value| text(value).unwrap_or(value));
        matches!(status, None | Some(b"okay" | b"ok"))
    }

    /// Returns whether it is memory, and not switched off.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.device_type.and_then(text) == Some(b"memory") && self.is_on()
    }

    /// Returns whether it is an interrupt controller.
    #[must_use]
    pub fn is_interrupt_controller(&self) -> bool {
        self.is_controller
    }

    /// Start and end of the ranges in its `reg`, at most `most` of them, and up to the first that a bus above it does
    /// not translate.
    pub fn ranges(&self, most: usize) -> impl Iterator<Item = (u64, u64)> {
        let mut reg = self.property(b"reg").unwrap_or_default();
        let parent = self.parent();
        (0..most).map_while(move |_| {
            let start = number(&mut reg, parent.address)?;
            let size = number(&mut reg, parent.size)?;
            let start = self.translated(start, size)?;
            Some((start, start.saturating_add(size)))
        })
    }

    /// What the address of `size` bytes is for the processor (Devicetree Specification, 2.3.8).
    fn translated(&self, address: u64, size: u64) -> Option<u64> {
        // Those of the root's children are the processor's.
        let mut buses = self.above.windows(2).rev();
        buses.try_fold(address, |address, bus| bus[1].translated(address, size, bus[0].address))
    }

    /// The number by which the interrupt controller of Arm knows its interrupt of that name, or of that index if the
    /// node names none.
    #[must_use]
    pub fn named_interrupt(&self, name: &[u8], index: usize) -> Option<u32> {
        self.interrupt(match self.property(b"interrupt-names") {
            Some(names) => names.split(|&byte| byte == 0).position(|other| other == name)?,
            None => index,
        })
    }

    /// The number by which the interrupt controller of Arm knows its interrupt of that index.
    #[must_use]
    pub fn interrupt(&self, index: usize) -> Option<u32> {
        // At least three words: shared (0) or of the processor (1), number, kind of signal. Before each that is
        // extended there is whose it is; how many words those of others have is not looked for.
        let extended = self.property(b"interrupts-extended");
        let front = usize::from(extended.is_some());
        let interrupts = extended.or_else(|| self.property(b"interrupts"))?;
        let step = 4 * (front + (self.tree.interrupt_words as usize).max(3));
        let at = index.checked_mul(step)?;
        let is_known = |other| self.tree.controller.is_some() && word(interrupts, other * step) == self.tree.controller;
        if front == 1 && !(0..=index).all(is_known) {
            return None;
        }
        let at = at + 4 * front;
        let number = word(interrupts, at.checked_add(4)?)?;
        match word(interrupts, at)? {
            0 if number < 988 => Some(number + 32),
            1 if number < 16 => Some(number + 16),
            _ => None,
        }
    }

    /// The number that a property of one word or two is.
    #[must_use]
    pub fn number(&self, name: &[u8]) -> Option<u64> {
        let mut value = self.property(name)?;
        let words = value.len() / 4;
        number(
            &mut value,
            words.try_into().ok().filter(|words| (1..=2).contains(words))?,
        )
    }

    /// The text of a property, without its NUL.
    #[must_use]
    pub fn text(&self, name: &[u8]) -> Option<&'static [u8]> {
        self.property(name)
            .map(|value| value.split(|&byte| byte == 0).next().unwrap_or_default())
    }
}
