// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--console`: where a guest's console is.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use pvhost::process::{Console, ConsoleError, PortError, Reach};
use pvhost::text::Escaped;

use super::{Arguments, Error};
use crate::cli::read;

/// Where a console is. `wait`: the guest waits for its reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Stdio,
    Pty {
        wait: bool,
    },
    Unix {
        path: PathBuf,
        wait: bool,
    },
    Tcp {
        address: SocketAddr,
        wait: bool,
    },
    File(PathBuf),
}

/// Of the option's value.
pub(super) fn parser() -> impl TypedValueParser<Value = Place> {
    OsStringValueParser::new().try_map(parse)
}

fn parse(text: OsString) -> Result<Place, String> {
    const WAIT: &[u8] = b",wait";
    let (place, wait) = match text.as_bytes().strip_suffix(WAIT) {
        Some(place) => (place, true),
        None => (text.as_bytes(), false),
    };
    let (kind, rest) = match place.iter().position(|&byte| byte == b':') {
        Some(at) => (&place[..at], Some(&place[at + 1..])),
        None => (place, None),
    };
    let path = |rest: &[u8]| match rest {
        [] => Err("it names no file".to_owned()),
        _ => Ok(PathBuf::from(OsString::from_vec(rest.to_vec()))),
    };
    match (kind, rest) {
        (b"stdio", None) | (b"file", Some(_)) if wait => {
            Err("`,wait` is for pty, unix:PATH and tcp:PORT; leave it out".into())
        }
        (b"stdio", None) => Ok(Place::Stdio),
        (b"pty", None) => Ok(Place::Pty { wait }),
        (b"unix", Some(rest)) => Ok(Place::Unix {
            path: path(rest)?,
            wait,
        }),
        (b"tcp", Some(rest)) => Ok(Place::Tcp {
            address: address(&String::from_utf8_lossy(rest))?,
            wait,
        }),
        (b"file", Some(rest)) => Ok(Place::File(path(rest)?)),
        _ => Err("it is none of stdio, pty, unix:PATH, tcp:[HOST:]PORT, file:PATH".into()),
    }
}

/// `[HOST:]PORT`. Names are not looked up: what they lead to may change.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, text),
    };
    let in_brackets = |host: &str| host.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let host = match host {
        None | Some("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        Some(host) => (host.parse().ok().map(IpAddr::V4)).or_else(|| in_brackets(host).map(IpAddr::V6)),
    };
    let host = host.ok_or("its host is no address: give one as 127.0.0.1 or [::1], or leave it out")?;
    // `parse` takes a sign.
    let port = port
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| port.parse().ok())
        .flatten();
    let port = port.ok_or("its port is no number from 0 to 65535; 0 is any that is free")?;
    Ok(SocketAddr::new(host, port))
}

impl Place {
    /// Opens the console there; `None`: it is where it is without saying.
    pub(super) fn open(&self, arguments: &Arguments) -> Result<Option<Console>, Error> {
        let (console, wait) = match self {
            Self::Stdio => return Ok(None),
            Self::Pty { wait } => (Console::pty()?, *wait),
            Self::Unix { path, wait } => (Console::unix(path)?, *wait),
            Self::Tcp { address, wait } => {
                let reach = if arguments.console_open_to_network {
                    Reach::Network
                } else {
                    Reach::Machine
                };
                let console = Console::tcp(*address, reach).map_err(|error| -> Error {
                    match error {
                        ConsoleError::Port(PortError::NotLoopback(..)) => {
                            format!("{error} (--console-open-to-network)").into()
                        }
                        error => error.into(),
                    }
                })?;
                (console, *wait)
            }
            Self::File(path) => {
                let guest = arguments.guest();
                if is_same(path, read::name(guest)) {
                    return Err(format!(
                        "{} is the guest itself, which would be lost; name another file for its console",
                        Escaped(path.display())
                    )
                    .into());
                }
                (Console::file(path)?, false)
            }
        };
        Ok(Some(if wait { console.wait_for_reader() } else { console }))
    }
}

/// Returns whether both names are of one file.
fn is_same(a: &Path, b: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    file(a).is_some_and(|a| file(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Place, String> {
        parse(text.into())
    }

    #[test]
    fn places_are_what_they_say() {
        let tcp = |address: &str, wait| {
            let address = address.parse().expect("an address");
            Ok(Place::Tcp { address, wait })
        };
        let unix = |path: &str, wait| {
            let path = path.into();
            Ok(Place::Unix { path, wait })
        };
        assert_eq!(parsed("stdio"), Ok(Place::Stdio));
        assert_eq!(parsed("pty"), Ok(Place::Pty { wait: false }));
        assert_eq!(parsed("pty,wait"), Ok(Place::Pty { wait: true }));
        assert_eq!(parsed("unix:a:b,c"), unix("a:b,c", false));
        assert_eq!(parsed("unix:/a b,wait"), unix("/a b", true));
        assert_eq!(parsed("tcp:0"), tcp("127.0.0.1:0", false));
        assert_eq!(parsed("tcp:localhost:7,wait"), tcp("127.0.0.1:7", true));
        assert_eq!(parsed("tcp:0.0.0.0:65535"), tcp("0.0.0.0:65535", false));
        assert_eq!(parsed("tcp:[::1]:80"), tcp("[::1]:80", false));
        assert_eq!(parsed("file:a,b"), Ok(Place::File("a,b".into())));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (text, reason) in [
            ("", "none of"),
            ("std", "none of"),
            ("stdio:", "none of"),
            ("pty:/dev/pts/1", "none of"),
            ("unix", "none of"),
            ("unix:", "names no file"),
            ("unix:,wait", "names no file"),
            ("file:", "names no file"),
            ("stdio,wait", "`,wait`"),
            ("file:a,wait", "`,wait`"),
            ("tcp:", "port"),
            ("tcp:65536", "port"),
            ("tcp:+1", "port"),
            ("tcp:1.2.3:1", "host"),
            ("tcp:::1:80", "host"),
            ("tcp:example.org:80", "host"),
            ("tcp:80,nowait", "port"),
        ] {
            let refusal = parsed(text).expect_err(text);
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}
