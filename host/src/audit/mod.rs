// SPDX-License-Identifier: MIT OR Apache-2.0
//! Privileged and sensitive instructions left in an image, by function.
//!
//! A paravirtualized guest touches no hardware, so code that does is a leftover: it faults in user mode, or, worse, it
//! does something else there without a fault. [`audit`] decodes the code of an image for x86 or AArch64 and lists what
//! it finds. What is known to do no harm is allowed by name, in a list that gives the reason ([`Allowlist`]); the
//! guest layer's own instructions are on a list that comes with this crate ([`Allowlist::of_layer`]).
//!
//! Code is what sections mark as code inside executable segments, decoded from each symbol to the next. What is not
//! decoded is reported ([`Audit::gaps`]): nothing is passed over in silence.

mod aarch64;
mod allowlist;
mod code;
mod wide;
mod x86;

pub use allowlist::{Allowlist, AllowlistError, Rule};
use code::{Name, Part, Piece};
use serde::{Serialize, Serializer};
pub use wide::{StateProblem, check_state};

use crate::image::{Image, Machine};
use crate::text::Escaped;

/// More findings, or gaps, than any image of a guest has; bounds the work that a hostile file can ask for.
const MAX_FINDINGS: usize = 1 << 16;

/// Limit of the text of all names in a report, in bytes. A name is at most a thousand times as long as what the file
/// has of it, and is there with each finding.
const MAX_NAMES: usize = 1 << 21;

/// What is in an image's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The instructions found, by address.
    pub findings: Vec<Finding>,
    /// What was not decoded, by address.
    pub gaps: Vec<Gap>,
    /// Bytes decoded.
    pub decoded: u64,
}

/// A privileged or sensitive instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its function, demangled and without the hash of a Rust function; without a symbol the code's range, as
    /// `0x100000-0x104000`.
    pub function: String,
    /// Its name in an allowlist, as `cli`, `mov to gs` or `msr to vbar_el1`.
    pub instruction: String,
    /// Its address.
    #[serde(serialize_with = "hexadecimal")]
    pub address: u64,
    /// The whole instruction, in the notation of the GNU assembler, which is AT&T's for x86.
    pub disassembly: String,
    /// What kind it is.
    pub class: Class,
    /// Why it matters, in a few words.
    pub why: &'static str,
}

/// As a text: not every reader of JSON keeps 64-bit numbers.
fn hexadecimal<S: Serializer>(address: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{address:#x}"))
}

/// Bytes of an executable segment that were not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first of them.
    pub address: u64,
    /// How many.
    pub size: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why bytes were not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// They belong to a section that does not claim to be code.
    Data(String),
    /// They belong to no section: headers, padding.
    NoSection,
    /// The assembler has marked them as data, such as a literal pool.
    Marked(String),
    /// No instruction begins there: data in the code, such as a jump table, after which other data may have been
    /// mistaken for instructions.
    Undecodable(String),
}

impl std::fmt::Display for GapReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data(section) => write!(f, "section {section:?}, not marked as code"),
            Self::NoSection => f.write_str("in no section"),
            Self::Marked(function) => write!(f, "marked as data, in {function}"),
            Self::Undecodable(function) => write!(f, "no instruction, in {function}"),
        }
    }
}

/// Why an image cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another architecture.
    #[error("{file}: built for {machine}; only i386, x86_64 and aarch64 code is decoded here", file = Escaped(file))]
    Machine {
        /// The image.
        file: String,
        /// Its architecture.
        machine: Machine,
    },
    /// Nothing to decode.
    #[error(
        "{file}: no section of its executable segments is marked as code; link it with sections of their own for \
        code", file = Escaped(.0))]
    NoCode(String),
    /// More findings, or gaps, than the limit.
    #[error(
        "{file}: more than {limit} privileged or sensitive instructions, or places without an instruction; this is no \
        guest's code, or not code at all", file = Escaped(file))]
    TooMany {
        /// The image.
        file: String,
        /// The limit.
        limit: usize,
    },
    /// Names longer than the limit.
    #[error(
        "{file}: the names of the functions with privileged or sensitive instructions, or with places without an \
        instruction, are longer than {limit} bytes together; this is no guest's code, or its symbol table is damaged: \
        strip it (`strip`)", file = Escaped(file))]
    NamesTooLong {
        /// The image.
        file: String,
        /// The limit.
        limit: usize,
    },
}

/// What is done with the code of one architecture.
trait Architecture {
    type Instruction;
    type Decoder<'a>: Iterator<Item = Decoded<Self::Instruction>>;

    /// What upcalls do not keep, in words.
    const WIDE_STATE: &'static str;
    /// How to build code that does without, in words.
    const WIDE_REMEDY: &'static str;

    /// All of the piece, one instruction after the other.
    fn decode<'a>(&self, piece: &Piece<'a>) -> Self::Decoder<'a>;

    /// `None` for what any program may do.
    fn classify(&mut self, instruction: &Self::Instruction) -> Option<Classified>;

    /// The instruction in the notation of the GNU assembler.
    fn disassemble(&mut self, instruction: &Self::Instruction) -> String;

    /// Returns whether the instruction uses state that upcalls do not keep.
    fn is_wide(instruction: &Self::Instruction) -> bool;
}

/// Some bytes of code.
struct Decoded<I> {
    address: u64,
    /// In bytes, at least 1.
    size: u64,
    /// `None`: no instruction begins there.
    instruction: Option<I>,
}

/// Finds the privileged and sensitive instructions of an image for x86 or AArch64.
///
/// # Errors
/// The image is for another architecture, holds no code, or far too many such instructions.
pub fn audit(image: &Image) -> Result<Audit, AuditError> {
    match image.machine() {
        Machine::I386 => scan(image, x86::X86::new(32)),
        Machine::X86_64 => scan(image, x86::X86::new(64)),
        Machine::Aarch64 => scan(image, aarch64::Aarch64),
        machine @ (Machine::Arm | Machine::Riscv64) => Err(AuditError::Machine {
            file: image.name().to_owned(),
            machine,
        }),
    }
}

fn scan(image: &Image, architecture: impl Architecture) -> Result<Audit, AuditError> {
    let mut scan = Scan {
        architecture,
        audit: Audit {
            findings: Vec::new(),
            gaps: Vec::new(),
            decoded: 0,
        },
        has_code: false,
        names: 0,
        last_gap: None,
    };
    let file = || image.name().to_owned();
    code::walk(image, &mut |part| scan.part(part)).map_err(|full| match full {
        Full::Entries => AuditError::TooMany {
            file: file(),
            limit: MAX_FINDINGS,
        },
        Full::Names => AuditError::NamesTooLong {
            file: file(),
            limit: MAX_NAMES,
        },
    })?;
    if !scan.has_code {
        return Err(AuditError::NoCode(file()));
    }
    Ok(scan.audit)
}

/// A limit is reached.
enum Full {
    Entries,
    Names,
}

struct Scan<'a, A> {
    architecture: A,
    audit: Audit,
    /// Whether there was code, if only a byte.
    has_code: bool,
    /// Bytes of all names in the report.
    names: usize,
    /// The function of the last bytes without an instruction, where they end, and what kind they are.
    last_gap: Option<(Name<'a>, u64, InFunction)>,
}

/// Why bytes of a function were not decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InFunction {
    Marked,
    Undecodable,
}

impl<'a, A: Architecture> Scan<'a, A> {
    fn part(&mut self, part: Part<'a>) -> Result<(), Full> {
        match part {
            Part::Code(piece) => self.piece(&piece),
            Part::Marked(piece) => {
                self.has_code = true;
                self.gap_in(&piece, piece.address, piece.bytes.len() as u64, InFunction::Marked)
            }
            Part::Other(gap) => {
                if let GapReason::Data(section) = &gap.reason {
                    self.count_name(section)?;
                }
                self.gap(gap)
            }
        }
    }

    fn piece(&mut self, piece: &Piece<'a>) -> Result<(), Full> {
        self.has_code = true;
        for Decoded {
            address,
            size,
            instruction,
        } in self.architecture.decode(piece)
        {
            let Some(instruction) = instruction else {
                self.gap_in(piece, address, size, InFunction::Undecodable)?;
                continue;
            };
            self.audit.decoded += size;
            if let Some(classified) = self.architecture.classify(&instruction) {
                if self.audit.findings.len() == MAX_FINDINGS {
                    return Err(Full::Entries);
                }
                let disassembly = self.architecture.disassemble(&instruction);
                let function = self.name(piece)?;
                self.audit.findings.push(Finding {
                    function,
                    address,
                    instruction: classified.name,
                    disassembly,
                    class: classified.class,
                    why: classified.why,
                });
            }
        }
        Ok(())
    }

    /// Notes bytes without an instruction, together with those of the same kind right before them.
    fn gap_in(&mut self, piece: &Piece<'a>, address: u64, size: u64, kind: InFunction) -> Result<(), Full> {
        let before = self.last_gap.replace((piece.function.clone(), address + size, kind));
        if before.is_some_and(|(function, end, last)| end == address && last == kind && function.is(&piece.function))
            && let Some(last) = self.audit.gaps.last_mut()
        {
            last.size += size;
            return Ok(());
        }
        let function = self.name(piece)?;
        self.gap(Gap {
            address,
            size,
            reason: match kind {
                InFunction::Marked => GapReason::Marked(function),
                InFunction::Undecodable => GapReason::Undecodable(function),
            },
        })
    }

    fn gap(&mut self, gap: Gap) -> Result<(), Full> {
        if self.audit.gaps.len() == MAX_FINDINGS {
            return Err(Full::Entries);
        }
        self.audit.gaps.push(gap);
        Ok(())
    }

    /// The piece's name, for the report.
    fn name(&mut self, piece: &Piece<'a>) -> Result<String, Full> {
        let name = piece.function.to_string();
        self.count_name(&name)?;
        Ok(name)
    }

    fn count_name(&mut self, name: &str) -> Result<(), Full> {
        self.names += name.len();
        if self.names > MAX_NAMES {
            return Err(Full::Names);
        }
        Ok(())
    }
}

/// What is wrong with an instruction in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// User mode may not execute it: it faults.
    Privileged,
    /// User mode may, but it shows or does something else there, without a fault.
    Sensitive,
    /// It enters whatever kernel is below, past the jump table.
    Escape,
}

impl Class {
    /// Its name, in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Sensitive => "sensitive",
            Self::Escape => "escape",
        }
    }
}

/// An instruction of interest.
struct Classified {
    /// Its name in an allowlist.
    name: String,
    class: Class,
    why: &'static str,
}
