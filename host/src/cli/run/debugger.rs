// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--gdb`: where debuggers come to.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use pvhost::process::{Debugger, DebuggerError, PortError, Reach};
use pvhost::text::Escaped;

use super::console::address;
use super::{Arguments, Error};
use crate::cli::say;

/// Where, if nothing is said: the port that QEMU has for it.
pub(super) const DEFAULT: &str = "1234";

/// Where debuggers come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Says it, as gdb's command has it.
pub(super) fn say_where(target: &str) {
    say::note(format_args!(
        "waiting for a debugger: target remote {}",
        Escaped(target)
    ));
}

/// Of the option's value.
pub(super) fn parser() -> impl TypedValueParser<Value = Place> {
    OsStringValueParser::new().try_map(parse)
}

fn parse(text: OsString) -> Result<Place, String> {
    match text.as_bytes().strip_prefix(b"unix:") {
        Some([]) => Err("it names no file".to_owned()),
        Some(path) => Ok(Place::Unix(OsString::from_vec(path.to_vec()).into())),
        None => {
            let text = text.to_string_lossy();
            address(text.strip_prefix("tcp:").unwrap_or(&text)).map(Place::Tcp)
        }
    }
}

/// From where debuggers may come.
const fn reach(arguments: &Arguments) -> Reach {
    if arguments.gdb_open_to_network {
        Reach::Network
    } else {
        Reach::Machine
    }
}

/// With the option that permits it, if it is that.
fn refused(error: DebuggerError) -> Error {
    match error {
        DebuggerError::Port(PortError::NotLoopback(..)) => format!("{error} (--gdb-open-to-network)").into(),
        error => error.into(),
    }
}

impl Place {
    /// The address of a port that somebody else opens.
    pub(super) fn address(&self, arguments: &Arguments) -> Result<SocketAddr, Error> {
        let Self::Tcp(address) = self else {
            return Err("QEMU has a port for debuggers, and no socket".into());
        };
        let checked = reach(arguments).check(*address);
        checked.map_err(|error| refused(error.into()))?;
        Ok(*address)
    }

    /// Opens the port there.
    pub(super) fn open(&self, arguments: &Arguments) -> Result<Debugger, Error> {
        match self {
            Self::Unix(path) => Debugger::unix(path),
            Self::Tcp(address) => Debugger::tcp(*address, reach(arguments)),
        }
        .map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_what_they_say() {
        let tcp = |address: &str| Ok(Place::Tcp(address.parse().expect("an address")));
        assert_eq!(parse(DEFAULT.into()), tcp("127.0.0.1:1234"));
        assert_eq!(parse("0".into()), tcp("127.0.0.1:0"));
        assert_eq!(parse("tcp:localhost:7".into()), tcp("127.0.0.1:7"));
        assert_eq!(parse("[::1]:80".into()), tcp("[::1]:80"));
        assert_eq!(parse("unix:/a b".into()), Ok(Place::Unix("/a b".into())));
        for (text, reason) in [
            ("", "port"),
            ("unix:", "no file"),
            ("example.org:1", "host"),
            ("1.2.3.4", "port"),
        ] {
            let refusal = parse(text.into()).expect_err(text);
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}
