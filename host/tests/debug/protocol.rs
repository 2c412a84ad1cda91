// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debuggers that do what gdb does not, or not at that moment: they say nothing, vanish, send garbage.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use pvhost::image::Image;

use super::gdb::Debugged;
use super::guests::{SOON, each, text};

/// A debugger.
struct Client(UnixStream);

impl Client {
    fn connect(debugged: &Debugged) -> Self {
        let stream = UnixStream::connect(debugged.socket()).expect("somebody listens");
        stream.set_read_timeout(Some(SOON)).expect("a socket");
        Self(stream)
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        let framed = format!("${packet}#{sum:02x}");
        self.0.write_all(framed.as_bytes()).expect("it is there");
    }

    /// The next packet; `None`: it was closed.
    fn receive(&mut self) -> Option<String> {
        let mut packet = Vec::new();
        loop {
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(0) => return None,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                result => result.expect("it answers"),
            };
            match byte[0] {
                b'$' => packet.clear(),
                b'#' => {
                    let mut sum = [0; 2];
                    self.0.read_exact(&mut sum).expect("a sum");
                    // It may be gone meanwhile.
                    let _ = self.0.write_all(b"+");
                    return Some(unpacked(&packet));
                }
                byte => packet.push(byte),
            }
        }
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive().unwrap_or_else(|| panic!("{packet}: closed"))
    }

    /// Has it stop.
    fn interrupt(&mut self) -> String {
        self.0.write_all(&[3]).expect("it is there");
        self.receive().expect("it stops")
    }
}

/// A guest that runs for a while.
fn ticker(options: &[&str]) -> impl Iterator<Item = Debugged> {
    each("ticker").map(|(_, guest)| Debugged::start(&guest, options, &["20"]))
}

#[test]
fn a_running_guest_is_interrupted_and_its_time_stands() {
    for time in ["real", "fast", "steps"] {
        // Two seconds of its time, if there is any limit at all.
        for debugged in ticker(&["--time", time, "--timeout", "3"]) {
            let mut client = Client::connect(&debugged);
            assert!(client.ask("?").starts_with("T05"));
            std::thread::sleep(Duration::from_millis(1500));
            let start = Instant::now();
            client.send("vCont;c");
            // One that does not wait for time may have ended.
            let reply = if time == "real" {
                client.interrupt()
            } else {
                String::new()
            };
            if reply.starts_with("T02") {
                std::thread::sleep(Duration::from_millis(2000));
                client.send("vCont;c");
            }
            while client.receive().is_some_and(|reply| !reply.starts_with('W')) {}
            assert!(start.elapsed() < SOON);
            let output = debugged.ends();
            assert_eq!(output.status.code(), Some(0), "{time}: {}", text(&output.stderr));
            let stdout = text(&output.stdout);
            assert!(stdout.ends_with("*** end of ticker ***\n"), "{stdout}");
            // 35 units of 20 ms, and what a busy machine adds; it has stood for more.
            let stderr = text(&output.stderr);
            let report = stderr.lines().last().expect("a report");
            let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
            let ns = report["guest_time_ns"].as_u64().expect("a number");
            assert!((690_000_000..1_400_000_000).contains(&ns), "{time}: {ns}");
        }
    }
}

#[test]
fn one_that_detaches_leaves_the_guest_running_and_comes_again() {
    for debugged in ticker(&[]) {
        let mut client = Client::connect(&debugged);
        assert_eq!(client.ask("D"), "OK");
        drop(client);
        std::thread::sleep(Duration::from_millis(100));
        let mut client = Client::connect(&debugged);
        assert!(client.ask("?").starts_with("T05"), "it stops for the next");
        assert_eq!(client.ask("D"), "OK");
        assert_eq!(debugged.ends().status.code(), Some(0));
    }
}

#[test]
fn one_that_vanishes_takes_its_breakpoints_along() {
    for (arch, guest) in each("hello") {
        let write = symbol(&guest, "pv_console_write");
        let debugged = Debugged::start(&guest, &[], &[]);
        let mut client = Client::connect(&debugged);
        assert_eq!(client.ask(&format!("Z0,{write:x},1")), "OK");
        drop(client);
        let mut client = Client::connect(&debugged);
        assert!(client.ask("?").starts_with("T05"), "{arch}: it stands still");
        client.send("vCont;c");
        assert_eq!(client.receive().as_deref(), Some("W00"), "{arch}");
        assert_eq!(debugged.ends().status.code(), Some(0), "{arch}");
    }
}

#[test]
fn one_that_says_nothing_makes_room_and_a_second_one_is_turned_away() {
    for debugged in ticker(&[]) {
        let mut silent = Client::connect(&debugged);
        let mut first = Client::connect(&debugged);
        assert!(first.ask("?").starts_with("T05"));
        assert_eq!(silent.receive(), None);
        let mut second = Client::connect(&debugged);
        assert_eq!(second.receive(), None);
        assert_eq!(first.ask("D"), "OK");
        assert_eq!(debugged.ends().status.code(), Some(0));
    }
}

#[test]
fn garbage_ends_a_session_and_nothing_else() {
    let garbage: [&[u8]; 8] = [
        b"$#",
        b"$zzz#00",
        b"$Z0,zz,1#00",
        b"\xff\xfe\x00$}#}}}",
        b"-",
        b"GET / HTTP/1.1\r\n\r\n",
        b"$mffffffffffffffff,ffffffffffffffff#ff",
        b"$vCont;r0,ffffffffffffffff:1;c:-1#00",
    ];
    for debugged in ticker(&[]) {
        for bytes in garbage {
            let mut client = Client::connect(&debugged);
            client.0.write_all(bytes).expect("somebody listens");
            drop(client);
        }
        let mut client = Client::connect(&debugged);
        client.0.write_all(&[b'$'; 100_000]).expect("somebody listens");
        drop(client);
        let mut client = Client::connect(&debugged);
        assert!(client.ask("?").starts_with("T05"));
        assert_eq!(client.ask("D"), "OK");
        assert_eq!(debugged.ends().status.code(), Some(0));
    }
}

#[test]
fn breakpoints_are_for_the_guests_own_code() {
    for (arch, guest) in each("hello") {
        let page = symbol(&guest, "__paravirt_vcpu");
        let write = symbol(&guest, "pv_console_write");
        let debugged = Debugged::start(&guest, &[], &[]);
        let mut client = Client::connect(&debugged);
        // To the end of the call's first step, the host's stub, whose address is in the thunk's slot.
        let map = client.ask("qXfer:memory-map:read::0,4000");
        let starts: Vec<_> = map.split("start=\"0x").skip(1).map(hex).collect();
        assert!(starts.len() > 4, "{map}");
        assert_eq!(client.ask(&format!("Z0,{write:x},1")), "OK", "{arch}");
        let byte = client.ask(&format!("m{write:x},1"));
        assert_ne!(byte, "cc", "{arch}: it is not seen");
        for address in [page, 0x10, 0xffff_f000, u64::MAX, 0x7fff_0000_0000] {
            let reply = client.ask(&format!("Z0,{address:x},1"));
            assert!(reply.starts_with('E'), "{arch}: {address:#x}: {reply}");
        }
        let accepted: Vec<_> = (starts.iter().copied())
            .filter(|start| client.ask(&format!("Z0,{start:x},1")) == "OK")
            .collect();
        // Of all that is mapped, the image's code alone can have one.
        let image = Image::open(&guest).expect("a sound image");
        let code = image.segments().iter().filter(|segment| segment.access.execute);
        assert_eq!(
            accepted,
            code.map(|segment| segment.address & !0xfff).collect::<Vec<_>>(),
            "{arch}: {map}"
        );
        assert_eq!(client.ask(&format!("m{page:x},4")).len(), 8);
        assert!(client.ask("m10,4").starts_with('E'), "nothing is there");
        assert_eq!(client.ask("D"), "OK");
        assert_eq!(debugged.ends().status.code(), Some(0), "{arch}");
    }
}

#[test]
fn a_guest_that_stands_can_be_ended() {
    for debugged in ticker(&[]) {
        let mut client = Client::connect(&debugged);
        assert!(client.ask("?").starts_with("T05"));
        debugged.running.signal(libc::SIGTERM);
        assert_eq!(client.receive(), None, "it is over");
        let status = debugged.ends().status;
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(libc::SIGTERM)
        );
    }
    // Also if nobody has come.
    for debugged in ticker(&[]) {
        debugged.running.signal(libc::SIGINT);
        let status = debugged.ends().status;
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(libc::SIGINT)
        );
    }
}

#[test]
fn a_step_leads_over_an_interrupt() {
    for debugged in ticker(&["--time", "steps"]) {
        let mut client = Client::connect(&debugged);
        // As many as the guest makes until its ticks come, and more.
        for _ in 0..1000 {
            let reply = client.ask("vCont;s:p1.1;c");
            if reply.starts_with('W') {
                break;
            }
            assert!(reply.starts_with("T05"), "{reply}");
        }
        assert_eq!(client.ask("D"), "OK");
        assert_eq!(debugged.ends().status.code(), Some(0));
    }
}

/// A packet without its run-length encoding: behind `*` comes how often the character before it is repeated, 29 more
/// than that.
fn unpacked(packet: &[u8]) -> String {
    let mut unpacked = Vec::new();
    let mut rest = packet.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'*' {
            let last = *unpacked.last().expect("something to repeat");
            let count = rest.next().expect("how often") - 29;
            unpacked.extend(std::iter::repeat_n(last, count.into()));
        } else {
            unpacked.push(byte);
        }
    }
    text(&unpacked)
}

fn hex(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    u64::from_str_radix(&text[..end], 16).expect("an address")
}

fn symbol(guest: &std::path::Path, name: &str) -> u64 {
    let image = Image::open(guest).expect("a sound image");
    image.symbols().address_of(name).unwrap_or_else(|| panic!("no {name}"))
}
