// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--gdb`: where debuggers come to.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use pvhost::process::{Debugger, DebuggerError, PortError, Reach};

use super::console::address;
use super::{Arguments, Error};

/// Where, if nothing is said: the port that QEMU has for it.
pub(super) const DEFAULT: &str = "1234";

/// Where debuggers come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
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

impl Place {
    /// Opens the port there.
    pub(super) fn open(&self, arguments: &Arguments) -> Result<Debugger, Error> {
        match self {
            Self::Unix(path) => Ok(Debugger::unix(path)?),
            Self::Tcp(address) => {
                let reach = if arguments.gdb_open_to_network {
                    Reach::Network
                } else {
                    Reach::Machine
                };
                Debugger::tcp(*address, reach).map_err(|error| match error {
                    DebuggerError::Port(PortError::NotLoopback { .. }) => {
                        format!("{error} (--gdb-open-to-network)").into()
                    }
                    error => error.into(),
                })
            }
        }
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
