// SPDX-License-Identifier: MIT OR Apache-2.0
//! Privileged and sensitive instructions left in an image, by function.
//!
//! A paravirtualized guest touches no hardware, so code that does is a leftover: it faults in user mode, or, worse, it
//! does something else there without a fault. [`audit`] decodes the code of an x86 image and lists what it finds. What
//! is known to do no harm is allowed by name, in a list that gives the reason ([`Allowlist`]); the guest layer's own
//! instructions are on a list that comes with this crate ([`Allowlist::of_layer`]).
//!
//! Code is what sections mark as code inside executable segments, decoded from each symbol to the next. What is not
//! decoded is reported ([`Audit::gaps`]): nothing is passed over in silence.

mod allowlist;
mod classify;
mod code;
mod wide;

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction};

use crate::image::{Image, Machine};
use crate::text::Escaped;

pub use allowlist::{Allowlist, AllowlistError, Rule};
pub use classify::Class;
pub use wide::{StateProblem, check_state};

use classify::Classifier;
use code::{Name, Part, Piece};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its function, demangled and without the hash of a Rust function; without a symbol the code's range, as
    /// `0x100000-0x104000`.
    pub function: String,
    /// Its address.
    pub address: u64,
    /// Its name in an allowlist, as `cli` or `mov to gs`.
    pub instruction: String,
    /// The whole instruction, in AT&T syntax.
    pub disassembly: String,
    /// What kind it is.
    pub class: Class,
    /// Why it matters, in a few words.
    pub why: &'static str,
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
    Data {
        /// Its name.
        section: String,
    },
    /// They belong to no section: headers, padding.
    NoSection,
    /// No instruction begins there: data in the code, such as a jump table, after which other data may have been
    /// mistaken for instructions.
    Undecodable {
        /// The function.
        function: String,
    },
}

impl std::fmt::Display for GapReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data { section } => write!(f, "section {section:?}, not marked as code"),
            Self::NoSection => f.write_str("in no section"),
            Self::Undecodable { function } => write!(f, "no instruction, in {function}"),
        }
    }
}

/// Why an image cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another architecture.
    #[error("{file}: built for {machine}; only i386 and x86_64 code is decoded here", file = Escaped(file))]
    Machine {
        /// The image.
        file: String,
        /// Its architecture.
        machine: Machine,
    },
    /// Nothing to decode.
    #[error(
        "{file}: no section of its executable segments is marked as code; link it with sections of their own for \
        code", file = Escaped(file))]
    NoCode {
        /// The image.
        file: String,
    },
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

/// Finds the privileged and sensitive instructions of an x86 image.
///
/// # Errors
/// The image is for another architecture, holds no code, or far too many such instructions.
pub fn audit(image: &Image) -> Result<Audit, AuditError> {
    let bits = match image.machine() {
        Machine::I386 => 32,
        Machine::X86_64 => 64,
        machine => {
            return Err(AuditError::Machine {
                file: image.name().to_owned(),
                machine,
            });
        }
    };
    let mut scan = Scan {
        bits,
        audit: Audit {
            findings: Vec::new(),
            gaps: Vec::new(),
            decoded: 0,
        },
        has_code: false,
        names: 0,
        undecodable: None,
        classifier: Classifier::new(),
        formatter: formatter(),
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
        return Err(AuditError::NoCode { file: file() });
    }
    Ok(scan.audit)
}

/// A limit is reached.
enum Full {
    Entries,
    Names,
}

struct Scan<'a> {
    bits: u32,
    audit: Audit,
    /// Whether there was code, if only a byte.
    has_code: bool,
    /// Bytes of all names in the report.
    names: usize,
    /// The function of the last bytes without an instruction, and where they end.
    undecodable: Option<(Name<'a>, u64)>,
    classifier: Classifier,
    formatter: GasFormatter,
}

impl<'a> Scan<'a> {
    fn part(&mut self, part: Part<'a>) -> Result<(), Full> {
        match part {
            Part::Code(piece) => self.piece(&piece),
            Part::Other(gap) => {
                if let GapReason::Data { section } = &gap.reason {
                    self.count_name(section)?;
                }
                self.gap(gap)
            }
        }
    }

    fn piece(&mut self, piece: &Piece<'a>) -> Result<(), Full> {
        self.has_code = true;
        let mut decoder = Decoder::with_ip(self.bits, piece.bytes, piece.address, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                self.undecodable(piece, &instruction)?;
                continue;
            }
            self.audit.decoded += instruction.len() as u64;
            if let Some(classified) = self.classifier.classify(&instruction) {
                if self.audit.findings.len() == MAX_FINDINGS {
                    return Err(Full::Entries);
                }
                let mut disassembly = String::new();
                self.formatter.format(&instruction, &mut disassembly);
                let function = self.name(piece)?;
                self.audit.findings.push(Finding {
                    function,
                    address: instruction.ip(),
                    instruction: classified.name,
                    disassembly,
                    class: classified.class,
                    why: classified.why,
                });
            }
        }
        Ok(())
    }

    /// Notes bytes without an instruction, together with those right before them.
    fn undecodable(&mut self, piece: &Piece<'a>, instruction: &Instruction) -> Result<(), Full> {
        let (address, size) = (instruction.ip(), instruction.len() as u64);
        let before = self.undecodable.replace((piece.function.clone(), address + size));
        if before.is_some_and(|(function, end)| end == address && function.is(&piece.function))
            && let Some(last) = self.audit.gaps.last_mut()
        {
            last.size += size;
            return Ok(());
        }
        let function = self.name(piece)?;
        self.gap(Gap {
            address,
            size,
            reason: GapReason::Undecodable { function },
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

fn formatter() -> GasFormatter {
    let mut formatter = GasFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_uppercase_hex(false);
    formatter
}
