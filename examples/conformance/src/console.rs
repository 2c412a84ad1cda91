// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console, out and in.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::interface::pv_console_write;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{Error, console, cpu, println};

use crate::check::{Check, Outcome, Problem, ensure, require};
use crate::settings::{note, time_limit};

pub const CHECKS: &[Check] = &[
    ("console: a long line", long_line),
    ("console: from a handler", from_a_handler),
    ("console: input, a few bytes for each interrupt", input),
    ("console: input, all eight bits", eight_bits),
];

/// Longer than the buffer of any serial line.
const LONG: usize = 300;

/// The host takes as much as it likes at a time, but never more than it was given. Whoever compares the output sees the
/// rest.
fn long_line() -> Outcome {
    let mut line = [0; LONG];
    for (index, byte) in line.iter_mut().enumerate() {
        *byte = b'a' + (index % 26) as u8;
    }
    line[LONG - 1] = b'\n';
    console::flush()?;
    let mut rest = &line[..];
    while !rest.is_empty() {
        // SAFETY: a buffer and its length.
        let taken = unsafe { pv_console_write(rest.as_ptr(), rest.len()) };
        ensure!(
            usize::try_from(taken).is_ok_and(|taken| taken <= rest.len()),
            "took {taken} of {} bytes",
            rest.len()
        );
        rest = &rest[taken as usize..];
    }
    // SAFETY: as above.
    let taken = unsafe { pv_console_write(line.as_ptr(), 0) };
    ensure!(taken == 0, "took {taken} of no bytes");
    Ok(())
}

const LINE: Line = Line::new(FIRST_FREE).expect("a free line");

fn print(line: Line) {
    println!("a handler of line {}", line.number());
}

fn from_a_handler() -> Outcome {
    Ok(LINE.attach_for(&print, || LINE.raise())??)
}

/// What must come in: a line, bytes that mean something to terminals, more than a serial line's buffer holds.
const INPUT: &[u8] = include_bytes!("../input.bin");
/// Bytes that the handler takes at most: what is left must interrupt again.
const PIECE: usize = 5;
/// How much longer than an interrupt may take input may be away, because somebody has to send it.
const WAIT_FACTOR: u64 = 10;

static RECEIVED: [AtomicU8; INPUT.len()] = [const { AtomicU8::new(0) }; INPUT.len()];
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);
static ENDED: AtomicBool = AtomicBool::new(false);

fn receive(_line: Line) {
    let length = LENGTH.load(Ordering::Relaxed);
    let rest = &RECEIVED[length..];
    let mut piece = [0; PIECE];
    match console::read_available(&mut piece[..rest.len().min(PIECE)]) {
        Ok(read) => {
            for (place, byte) in rest.iter().zip(&piece[..read]) {
                place.store(*byte, Ordering::Relaxed);
            }
            LENGTH.store(length + read, Ordering::Relaxed);
        }
        Err(Error::EndOfInput) => ENDED.store(true, Ordering::Relaxed),
        Err(_) => {}
    }
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// What has come, and zeros.
fn received() -> [u8; INPUT.len()] {
    core::array::from_fn(|index| RECEIVED[index].load(Ordering::Relaxed))
}

/// Input raises the console line, also if it came before the line was attached, and as long as some is left.
fn input() -> Outcome {
    require("pv_console_read")?;
    let Some(guard) = Timer::new(7) else {
        return Ok(());
    };
    let before = guard.expirations();
    guard.start_ns(WAIT_FACTOR * time_limit(), 0)?;
    Line::CONSOLE.attach(&receive)?;
    cpu::idle_until(|_| {
        LENGTH.load(Ordering::Relaxed) == INPUT.len() || ENDED.load(Ordering::Relaxed) || guard.expirations() != before
    });
    Line::CONSOLE.detach()?;
    guard.stop()?;
    let length = LENGTH.load(Ordering::Relaxed);
    let received = &received()[..length];
    note(format_args!(
        "{} interrupts for {length} bytes",
        CALLS.load(Ordering::Relaxed)
    ));
    // Which of the bytes a console for text changes is the next check's.
    if is_typed(received) {
        return Ok(());
    }
    if let Some(wrong) = (0..length).find(|&index| (received[index] ^ INPUT[index]) & 0x7f != 0) {
        ensure!(false, "byte {wrong} is {:#x}, not {:#x}", received[wrong], INPUT[wrong]);
    }
    if has_none() {
        return Err(Problem::NotOffered(NO_INPUT));
    }
    ensure!(
        length == INPUT.len(),
        "{length} of {} bytes of input.bin came",
        INPUT.len()
    );
    Ok(())
}

/// Why input cannot be checked where there is none.
const NO_INPUT: &str = "the console has no input";

/// Returns whether the input ended before its first byte.
fn has_none() -> bool {
    ENDED.load(Ordering::Relaxed) && LENGTH.load(Ordering::Relaxed) == 0
}

/// Returns whether the input came through a console for keys, where return and line feed are one and 0xff is none. Who
/// typed it may have typed more.
fn is_typed(received: &[u8]) -> bool {
    let mut received = received.iter();
    INPUT
        .iter()
        .filter(|&&byte| byte != 0xff)
        .map(|&byte| if byte == b'\r' { b'\n' } else { byte })
        .all(|byte| received.next() == Some(&byte))
}

/// The bytes that a console for text may change, in the input of the check before.
fn eight_bits() -> Outcome {
    require("pv_console_read")?;
    if has_none() {
        return Err(Problem::NotOffered(NO_INPUT));
    }
    let received = received();
    if is_typed(&received) {
        return Err(Problem::NotOffered("input is of keys, not of bytes"));
    }
    if LENGTH.load(Ordering::Relaxed) == INPUT.len()
        && received.iter().zip(INPUT).all(|(found, sent)| *found == sent & 0x7f)
    {
        return Err(Problem::NotOffered("bytes come with seven bits"));
    }
    ensure!(received == INPUT, "some come, some do not");
    Ok(())
}
