// SPDX-License-Identifier: MIT OR Apache-2.0
//! The prototype by which a function is called, on which guest, host and ABI agree.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use paravirt_abi::signature::{Signature, Width};
use paravirt_abi::{interface, l4rtems};

use crate::image::External;

/// They disagree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrototypeMismatch {
    /// Guest and host do.
    #[error("`{name}` is `{guest}` for the guest but `{host}` for the host; build both from the same declaration")]
    Sides {
        /// The function.
        name: String,
        /// The guest's prototype.
        guest: Signature,
        /// The host's.
        host: Signature,
    },
    /// Either does with the ABI, which knows an L4RTEMS function.
    #[error(
        "`{name}` is `{found}` for the {side} but was `{l4rtems}` in L4RTEMS; declare it so, or choose another name"
    )]
    Name {
        /// The function.
        name: String,
        /// Who: `guest` or `host`.
        side: &'static str,
        /// Its prototype.
        found: Signature,
        /// That of L4RTEMS.
        l4rtems: Signature,
    },
}

impl PrototypeMismatch {
    /// The prototype by which the host would be called.
    #[must_use]
    pub fn offered(&self) -> Signature {
        match *self {
            Self::Sides { host, .. } => host,
            Self::Name { side, found, .. } if side == HOST => found,
            Self::Name { l4rtems, .. } => l4rtems,
        }
    }

    /// It, as an entry of a list.
    #[must_use]
    pub fn entry(&self) -> String {
        match self {
            Self::Sides { name, guest, host } => {
                format!("{name} is `{guest}` in the guest, `{host}` in the host")
            }
            Self::Name {
                name,
                side,
                found,
                l4rtems,
            } => format!("{name} is `{found}` in the {side}, but was `{l4rtems}` in L4RTEMS"),
        }
    }
}

/// The sides.
const GUEST: &str = "guest";
const HOST: &str = "host";

/// The prototype of a function that a guest of that width declares and a host has with the prototype `host`, if it says
/// one; `None` if nobody says it.
///
/// What neither of them says, the ABI does for its own names. An L4RTEMS function has no other prototype than in
/// L4RTEMS, since by that its arguments are found.
///
/// # Errors
/// If they disagree.
pub fn prototype(
    external: &External,
    host: Option<Signature>,
    width: Width,
) -> Result<Option<Signature>, PrototypeMismatch> {
    let name = external.name.as_str();
    let guest = external.signature;
    if let Some(function) = l4rtems::find(name) {
        let l4rtems = function.signature(width);
        for (side, found) in [(GUEST, guest), (HOST, host)] {
            if let Some(found) = found.filter(|found| *found != l4rtems) {
                return Err(PrototypeMismatch::Name {
                    name: name.to_owned(),
                    side,
                    found,
                    l4rtems,
                });
            }
        }
    }
    match (guest, host) {
        (Some(guest), Some(host)) if guest != host => Err(PrototypeMismatch::Sides {
            name: name.to_owned(),
            guest,
            host,
        }),
        _ => Ok(guest.or(host).or_else(|| of_abi(name, width))),
    }
}

/// The prototype that the ABI has for a name, of the interface or of L4RTEMS.
#[must_use]
pub fn of_abi(name: &str, width: Width) -> Option<Signature> {
    interface::find(name)
        .or_else(|| l4rtems::find(name))
        .map(|function| function.signature(width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prototype::parse;

    /// What comes of a name and the prototypes of guest and host, as texts; empty if it says none.
    fn agree(name: &str, guest: &str, host: &str) -> Result<Option<Signature>, PrototypeMismatch> {
        let read = |text: &str| (!text.is_empty()).then(|| parse(text, Width::Bits32).expect("valid"));
        let external = External {
            name: name.to_owned(),
            slot: 0x10_0000,
            symbol: 0x10_1000,
            signature: read(guest),
        };
        prototype(&external, read(host), Width::Bits32)
    }

    fn text(text: &str) -> Signature {
        parse(text, Width::Bits32).expect("valid")
    }

    #[test]
    fn either_side_may_say_it_and_both_must_agree() {
        let own = "fn(u32) -> i32";
        assert_eq!(agree("own", "", ""), Ok(None));
        for (guest, host) in [(own, ""), ("", own), (own, own)] {
            assert_eq!(agree("own", guest, host), Ok(Some(text(own))));
        }
        let disagreement = PrototypeMismatch::Sides {
            name: "own".to_owned(),
            guest: text(own),
            host: text("fn()"),
        };
        assert_eq!(disagreement.offered(), text("fn()"));
        assert_eq!(agree("own", own, "fn()"), Err(disagreement));
    }

    #[test]
    fn the_abi_knows_its_own_names() {
        let stop = text("fn(u32) -> i32");
        assert_eq!(agree("pv_timer_stop", "", ""), Ok(Some(stop)));
        // A host may have a function of its own by that name.
        let other = "fn(u64) -> i32";
        assert_eq!(agree("pv_timer_stop", "", other), Ok(Some(text(other))));
    }

    #[test]
    fn an_l4rtems_function_is_as_it_was() {
        let (name, own, other) = ("l4rtems_inport", "fn(u32, u32) -> u32", "fn(u8) -> u8");
        for (guest, host) in [("", ""), (own, ""), ("", own), (own, own)] {
            assert_eq!(agree(name, guest, host), Ok(Some(text(own))));
        }
        for (guest, host, side, offered) in [
            (other, "", "guest", own),
            ("", other, "host", other),
            (other, own, "guest", own),
            (own, other, "host", other),
            // Both say the same, which is not what it was.
            (other, other, "guest", own),
        ] {
            let disagreement = PrototypeMismatch::Name {
                name: name.to_owned(),
                side,
                found: text(other),
                l4rtems: text(own),
            };
            assert_eq!(disagreement.offered(), text(offered));
            assert_eq!(agree(name, guest, host), Err(disagreement));
        }
    }
}
