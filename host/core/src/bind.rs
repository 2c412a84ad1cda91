// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding an image to a host whose functions have fixed addresses: a copy of the file whose slots hold them.
//!
//! Such a host needs no resolver and no look at names when it starts the guest; it loads the file and jumps. Only the
//! slots differ from the original.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::image::Image;
use crate::prototype_match::PrototypeMismatch;
use crate::provides::{Fit, Provides};
use crate::text::Escaped;

/// A bound copy.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The file.
    pub file: Vec<u8>,
    /// Each slot, in the order of the image's external functions.
    pub slots: Vec<Slot>,
}

/// A slot of a bound copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The function's name.
    pub name: String,
    /// The slot's address in the guest.
    pub slot: u64,
    /// What it holds now; `None`: as it was.
    pub address: Option<u64>,
    /// Whether both sides say the prototype.
    pub checked: bool,
}

/// Why an image cannot be bound.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The host does not provide functions that the guest asks for.
    #[error(
        "{file}: not provided: {}; add them to the list, or leave their slots as they are with --partial",
        some(names), file = Escaped(file))]
    Missing {
        /// The image.
        file: String,
        /// The functions, sorted.
        names: Vec<String>,
    },
    /// The host provides functions without saying where.
    #[error("{file}: no address for {}; write `@ 0xADDRESS` behind each in the list", some(names), file = Escaped(file))]
    NoAddress {
        /// The image.
        file: String,
        /// The functions, sorted.
        names: Vec<String>,
    },
    /// Guest and host disagree about a function.
    #[error("{file}: {disagreement}", file = Escaped(file))]
    Prototype {
        /// The image.
        file: String,
        /// About which one, and how.
        disagreement: PrototypeMismatch,
    },
    /// A slot's bytes are used twice in the file.
    #[error(
        "{file}: the slot of {name} shares its bytes in the file with other memory; link the image again, with \
        segments of their own", file = Escaped(file))]
    Shared {
        /// The image.
        file: String,
        /// The function.
        name: String,
    },
}

/// So many names in words as a person reads.
fn some(names: &[String]) -> String {
    const SOME: usize = 20;
    let first = names[..names.len().min(SOME)].join(", ");
    match names.len().saturating_sub(SOME) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Makes a copy of the image whose slots hold the host's addresses. With `partial`, slots of functions that the host
/// does not provide stay as they are, for a resolver or a backend in the guest.
///
/// # Errors
/// Names the functions that are missing, have no address or another prototype.
pub fn bind(image: &Image, provides: &Provides, partial: bool) -> Result<Bound, BindError> {
    let file = || image.name().to_owned();
    let (mut missing, mut without_address) = (BTreeSet::new(), BTreeSet::new());
    let mut slots = Vec::with_capacity(image.externals().len());
    for external in image.externals() {
        let name = external.name.clone();
        let fit = provides.fit(external, image.machine().width());
        let checked = fit == Fit::Fits;
        let address = match fit {
            Fit::Mismatch { disagreement } => {
                let file = file();
                return Err(BindError::Prototype { file, disagreement });
            }
            Fit::Missing => {
                missing.insert(name.clone());
                None
            }
            Fit::Fits | Fit::Unchecked => {
                let address = provides.address(&name);
                if address.is_none() {
                    without_address.insert(name.clone());
                }
                address
            }
        };
        let slot = external.slot;
        slots.push(Slot {
            name,
            slot,
            address,
            checked,
        });
    }
    if !missing.is_empty() && !partial {
        let (file, names) = (file(), missing.into_iter().collect());
        return Err(BindError::Missing { file, names });
    }
    if !without_address.is_empty() {
        let (file, names) = (file(), without_address.into_iter().collect());
        return Err(BindError::NoAddress { file, names });
    }
    let mut bytes = image.file().to_vec();
    let pointer = image.machine().pointer_size() as usize;
    for slot in &slots {
        let Some(address) = slot.address else {
            continue;
        };
        let start = image.file_offset(slot.slot, pointer).ok_or_else(|| BindError::Shared {
            file: file(),
            name: slot.name.clone(),
        })?;
        bytes[start..start + pointer].copy_from_slice(&address.to_le_bytes()[..pointer]);
    }
    Ok(Bound { file: bytes, slots })
}
