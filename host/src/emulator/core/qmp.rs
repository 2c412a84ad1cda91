// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's machine protocol (QEMU, docs/interop/qmp-spec.rst), as far as a core takes it: one command after the other,
//! each a line of JSON.
//!
//! The processor's registers, from what QEMU's monitor prints (QEMU, target/i386/cpu-dump.c).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use paravirt_abi::signature::Width;
use paravirt_host_core::fault::Registers;
use serde_json::{Value, json};

/// Longest line of QEMU's, in bytes.
const LONGEST: u64 = 1 << 20;
/// Lines that are not the answer: the greeting, events.
const EVENTS: u32 = 1000;
/// How long QEMU may take for a command.
const LIMIT: Duration = Duration::from_secs(20);

/// The connection.
#[derive(Debug)]
pub(super) struct Qmp {
    stream: BufReader<UnixStream>,
    /// Number of the last command.
    number: u64,
}

impl Qmp {
    /// Begins to speak to a QEMU that need not listen yet. From then on it tells of events.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let stream = BufReader::new(stream);
        let mut qmp = Self { stream, number: 0 };
        qmp.send("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// What can be waited for: there is something to be [heard](Self::hear).
    pub(super) fn stream(&self) -> &UnixStream {
        self.stream.get_ref()
    }

    /// Hears what QEMU tells of itself. Returns whether the machine has ended: since then it stands.
    pub(super) fn hear(&mut self) -> io::Result<bool> {
        loop {
            let line = self.line()?;
            if line.get("event").and_then(Value::as_str) == Some("SHUTDOWN") {
                return Ok(true);
            }
            if self.stream.buffer().is_empty() {
                return Ok(false);
            }
        }
    }

    /// Has the machine stand still, or go on.
    pub(super) fn set_running(&mut self, runs: bool) -> io::Result<()> {
        let command = if runs { "cont" } else { "stop" };
        self.execute(command, &json!({})).map(drop)
    }

    /// The processor's registers, for people to read.
    pub(super) fn registers(&mut self) -> io::Result<String> {
        let answer = self.execute("human-monitor-command", &json!({ "command-line": "info registers" }))?;
        let text = answer.as_str();
        text.map(str::to_owned)
            .ok_or_else(|| io::Error::other("QEMU shows no registers"))
    }

    /// Writes so many bytes of memory to a file, from an address of what the processor executes. Of an error, the file
    /// has what is before it.
    pub(super) fn save(&mut self, address: u64, size: u64, file: &str) -> io::Result<()> {
        let arguments = json!({ "val": address, "size": size, "filename": file });
        self.execute("memsave", &arguments).map(drop)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        self.send(command, arguments)?;
        for _ in 0..EVENTS {
            let mut answer = self.line()?;
            if answer.get("id").and_then(Value::as_u64) != Some(self.number) {
                continue;
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let reason = error.get("desc").and_then(Value::as_str).unwrap_or("an error");
                return Err(io::Error::other(format!("QEMU's {command}: {reason}")));
            }
        }
        Err(io::Error::other(format!("QEMU does not answer {command}")))
    }

    fn send(&mut self, command: &str, arguments: &Value) -> io::Result<()> {
        self.number += 1;
        let line = json!({ "execute": command, "arguments": arguments, "id": self.number });
        let sent = self.stream.get_mut().write_all((line.to_string() + "\n").as_bytes());
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => ended(),
            _ => error,
        })
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = Vec::new();
        self.stream.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ended());
        }
        serde_json::from_slice(&line).map_err(io::Error::other)
    }
}

fn ended() -> io::Error {
    io::Error::other("QEMU has ended")
}

/// The registers of a processor that executes code of that width; `None` if it does not, or that is not what this
/// prints.
pub(super) fn parse_registers(text: &str, width: Width) -> Option<Registers> {
    let (instruction, flags) = match width {
        Width::Bits64 => ("RIP", "RFL"),
        Width::Bits32 => ("EIP", "EFL"),
    };
    // Short names stand in columns as wide as the others'.
    let value = |name: &str| {
        let mut places = text
            .match_indices(name)
            .map(|(at, _)| (&text[..at], &text[at + name.len()..]));
        places.find_map(|(before, rest)| {
            let is_whole = before.is_empty() || before.ends_with([' ', '\n', '\r']);
            let digits = rest.trim_start_matches(' ').strip_prefix('=').filter(|_| is_whole)?;
            let end = digits
                .find(|digit: char| !digit.is_ascii_hexdigit())
                .unwrap_or(digits.len());
            u64::from_str_radix(&digits[..end], 16).ok()
        })
    };
    let mut general = [0; 16];
    for (register, name) in general.iter_mut().zip(Registers::names(width)) {
        *register = value(&name.to_uppercase())?;
    }
    Some(Registers {
        general,
        instruction: value(instruction)?,
        flags: value(flags)?,
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A QEMU that says this as soon as it has heard of a command.
    fn qemu(lines: &'static [&str]) -> (io::Result<Qmp>, thread::JoinHandle<()>) {
        let (near, far) = UnixStream::pair().expect("a socket");
        let other = thread::spawn(move || {
            let mut far = BufReader::new(far);
            let mut command = String::new();
            far.read_line(&mut command).expect("a socket");
            for line in lines {
                let line = line.to_string() + "\n";
                // Who has heard enough goes.
                let _ = far.get_mut().write_all(line.as_bytes());
            }
            // Until nobody is there any more.
            let _ = far.read_to_string(&mut command);
        });
        (Qmp::new(near), other)
    }

    /// Its answer to the question for registers.
    fn registers(lines: &'static [&str]) -> io::Result<String> {
        let (qmp, other) = qemu(lines);
        let answer = qmp.and_then(|mut qmp| {
            if lines.is_empty() {
                qmp.stream.get_ref().shutdown(std::net::Shutdown::Both)?;
            }
            qmp.registers()
        });
        other.join().expect("it ends");
        answer
    }

    #[test]
    fn answers_come_behind_other_lines() {
        let answer = registers(&[
            "{\"QMP\": {}}",
            "{\"return\": {}, \"id\": 1}",
            "{\"event\": \"STOP\"}",
            "{\"return\": \"EAX=1\", \"id\": 2}",
        ]);
        assert_eq!(answer.expect("an answer"), "EAX=1");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (lines, reason) in [
            (
                &["{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 2}"][..],
                "QEMU's human-monitor-command: no",
            ),
            (&["{\"return\": {}, \"id\": 2}"], "QEMU shows no registers"),
            (&["garbage"], "expected value"),
        ] {
            let error = registers(lines).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        registers(&[]).expect_err("it has ended");
    }

    #[test]
    fn the_end_of_the_machine_is_heard() {
        for (lines, ended) in [
            (
                &["{\"QMP\": {}}", "{\"event\": \"SHUTDOWN\"}", "{\"event\": \"STOP\"}"][..],
                true,
            ),
            (&["{\"QMP\": {}}"], false),
        ] {
            let (qmp, other) = qemu(lines);
            let mut qmp = qmp.expect("a socket");
            let mut heard = false;
            // The lines may come one by one.
            for _ in 0..if ended { lines.len() } else { 1 } {
                heard = heard || qmp.hear().expect("lines");
            }
            assert_eq!(heard, ended);
            drop(qmp);
            other.join().expect("it ends");
        }
    }

    #[test]
    fn registers_are_found_by_their_names() {
        let text_64 = "\r\nCPU#0\r\nRAX=0000000000000001 RBX=2 RCX=3 RDX=4\r\nRSI=5 RDI=6 RBP=7 RSP=8\r\n\
            R8 =9 R9 =a R10=b R11=c\r\nR12=d R13=e R14=f R15=10\r\nRIP=00000000001037ce RFL=00000246 [---Z-P-]\r\n\
            FCW=037f DR8=77";
        let registers = parse_registers(text_64, Width::Bits64).expect("it is all there");
        assert_eq!(registers.general.to_vec(), (1..=16).collect::<Vec<u64>>());
        assert_eq!((registers.instruction, registers.flags), (0x1037ce, 0x246));
        assert_eq!(parse_registers(text_64, Width::Bits32), None, "code of the other width");

        let text_32 = "EAX=1 EBX=2 ECX=3 EDX=4\nESI=5 EDI=6 EBP=7 ESP=8\nEIP=0010683e EFL=00000293 [--S-A-C] CPL=0";
        let registers = parse_registers(text_32, Width::Bits32).expect("it is all there");
        assert_eq!(registers.general[..9], [1, 2, 3, 4, 5, 6, 7, 8, 0]);
        assert_eq!((registers.instruction, registers.flags), (0x10683e, 0x293));

        for text in ["", "EAX", "EAX=", "EAX=x", &text_32[..40], "RAX=123456789012345678901"] {
            assert_eq!(parse_registers(text, Width::Bits32), None, "{text}");
            assert_eq!(parse_registers(text, Width::Bits64), None, "{text}");
        }
    }
}
