// SPDX-License-Identifier: MIT OR Apache-2.0
//! A debugger that sends anything, and a machine for it that is none: code and data, and a processor that does nothing.

use std::convert::Infallible;

use pvhost::debug::core::Area;
use pvhost::debug::gdb::{Connection, End, Machine, Progress, Resume, Session, State, Stop, Watched};
use pvhost::debug::memory::ReadMemory;
use pvhost::debug::registers::{FXSAVE, Registers, Segments};
use pvhost::image::{Access, Image};

/// Where the two parts of its memory begin, and their sizes in bytes.
const CODE: u64 = 0x1000;
const DATA: u64 = 0x2000;
const SIZE: usize = 0x100;
/// Steps that it makes in all.
const LIFE: u32 = 1000;

struct NoMachine {
    image: Image,
    regions: [Area; 2],
    memory: [[u8; SIZE]; 2],
    registers: Registers,
    state: State,
    steps: u32,
}

impl NoMachine {
    fn new() -> Option<Self> {
        let access = |write, execute| Access {
            read: true,
            write,
            execute,
        };
        let part = |start: u64, access| Area {
            range: start..start + SIZE as u64,
            access,
        };
        Some(Self {
            image: Image::parse("guest", smallest_guest()).ok()?,
            regions: [part(CODE, access(false, true)), part(DATA, access(true, false))],
            memory: [[0x90; SIZE], [0; SIZE]],
            registers: Registers {
                segments: Some(Segments::default()),
                fxsave: Some([0; FXSAVE]),
                ..Registers::default()
            },
            state: State::Stands(Stop::Interrupted),
            steps: 0,
        })
    }

    fn byte(&mut self, address: u64) -> Option<&mut u8> {
        let part = self.regions.iter().position(|region| region.range.contains(&address))?;
        Some(&mut self.memory[part][(address - self.regions[part].range.start) as usize])
    }
}

impl ReadMemory for NoMachine {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let part = self.regions.iter().position(|region| region.range.contains(&address));
        let Some(part) = part else { return 0 };
        let bytes = &self.memory[part][(address - self.regions[part].range.start) as usize..];
        let size = bytes.len().min(buffer.len());
        buffer[..size].copy_from_slice(&bytes[..size]);
        size
    }
}

impl Machine for NoMachine {
    fn state(&self) -> State {
        self.state
    }

    fn image(&self) -> &Image {
        &self.image
    }

    fn file_name(&self) -> &str {
        "/guest"
    }

    fn regions(&self) -> &[Area] {
        &self.regions
    }

    fn is_code(&self, address: u64) -> bool {
        self.regions[0].range.contains(&address)
    }

    fn registers(&self) -> Registers {
        self.registers
    }

    fn set_registers(&mut self, registers: &Registers) -> bool {
        self.registers = *registers;
        true
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        let end = address.saturating_add(bytes.len() as u64);
        let fits = self
            .regions
            .iter()
            .any(|region| region.range.start <= address && end <= region.range.end);
        if fits {
            for (at, byte) in (address..).zip(bytes) {
                if let Some(place) = self.byte(at) {
                    *place = *byte;
                }
            }
        }
        fits
    }

    fn watch(&mut self, watched: Watched) -> bool {
        self.regions[1].range.contains(&watched.address)
    }

    fn unwatch(&mut self, _: Watched) -> bool {
        true
    }

    fn interrupt(&mut self) {}

    /// It stops at once, each time for the next reason.
    fn resume(&mut self, how: &Resume) {
        self.steps += 1;
        self.registers.general.instruction = CODE + u64::from(self.steps) % SIZE as u64;
        let stops = [Stop::Stepped, Stop::Breakpoint, Stop::Fault(11), Stop::Interrupted];
        self.state = match how {
            Resume::Kill => State::Ended(End::Signal(9)),
            _ if self.steps > LIFE => State::Ended(End::Exit(3)),
            _ => State::Stands(stops[self.steps as usize % stops.len()]),
        };
    }
}

/// Counts what goes to the debugger.
struct Counter(usize);

impl Connection for Counter {
    type Error = Infallible;

    fn write(&mut self, _: u8) -> Result<(), Infallible> {
        self.0 += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The smallest guest that is sound: an ELF file for x86-64 with a segment, which is its headers, and a section with
/// the names of sections.
fn smallest_guest() -> Vec<u8> {
    const NAMES: &[u8] = b"\0.shstrtab\0";
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |size: usize, values: &[u64]| {
        for value in values {
            file.extend(&value.to_le_bytes()[..size]);
        }
    };
    // The header: executable, x86-64, version 1; entry, program headers, section headers; their sizes and counts.
    put(2, &[2, 62]);
    put(4, &[1]);
    put(8, &[CODE, 64, 128]);
    put(4, &[0]);
    put(2, &[64, 56, 1, 64, 2, 1]);
    // The segment: to be loaded, readable and executable; offset, addresses, sizes, alignment.
    put(4, &[1, 5]);
    put(8, &[0, CODE, CODE, 128, 128, 0x1000, 0]);
    // No section, and the names: at 256.
    put(8, &[0; 8]);
    put(4, &[1, 3]);
    put(8, &[0, 0, 256, NAMES.len() as u64]);
    put(4, &[0, 0]);
    put(8, &[1, 0]);
    file.extend(NAMES);
    file
}

/// `--gdb`: what a debugger sends. A line is a packet, to which the sum is added; one that begins with `!` is sent as
/// it is.
///
/// # Panics
/// If what it has left in the code stays.
pub fn gdb(bytes: &[u8]) {
    let mut machine = NoMachine::new().expect("a sound guest");
    let mut session = Session::new(&mut machine, Counter(0));
    let mut progress = Progress::On;
    'all: for line in bytes.split(|&byte| byte == b'\n') {
        let framed = match line.strip_prefix(b"!") {
            Some(raw) => raw.to_vec(),
            None => {
                let sum = line.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
                [b"$", line, format!("#{sum:02x}").as_bytes()].concat()
            }
        };
        for byte in framed {
            progress = session.receive(byte);
            if progress == Progress::On {
                progress = session.look();
            }
            if progress != Progress::On {
                break 'all;
            }
        }
    }
    if progress == Progress::On {
        session.clear();
    }
    drop(session);
    // A debugger may have written it itself, and where the guest has ended, it does not matter.
    let writes = bytes.iter().any(|byte| matches!(byte, b'M' | b'X'));
    let has_ended = matches!(machine.state, State::Ended(_));
    assert!(
        writes || has_ended || machine.memory[0] == [0x90; SIZE],
        "no breakpoint is left"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &[u8] = include_bytes!("../seeds/session.gdb");

    #[test]
    fn a_session_is_taken_to_its_end_and_any_other_as_well() {
        gdb(SESSION);
        // xorshift64
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let lines: Vec<_> = SESSION.split(|&byte| byte == b'\n').collect();
        for _ in 0..5_000 {
            let mut bytes = Vec::new();
            for _ in 0..random(20) {
                let mut line = lines[random(lines.len())].to_vec();
                for _ in 0..random(4) {
                    if !line.is_empty() {
                        let at = random(line.len());
                        line[at] = random(256) as u8;
                    }
                }
                bytes.extend(line);
                bytes.push(b'\n');
            }
            gdb(&bytes);
        }
    }
}
