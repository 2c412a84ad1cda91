// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt lines: handlers, masks, software interrupts, and the dispatcher that upcalls end in.
//!
//! A handler runs with interrupts off. It may turn them on; then other lines, of any number, nest in it. A line never nests
//! in its own handler: raised meanwhile, its handler runs once more afterwards. So a stack needs room for each line once
//! at most. Of several pending lines the lowest number goes first.

use core::ffi::c_void;
use core::sync::atomic::Ordering;

use paravirt_abi::line::LINES;
use paravirt_abi::vcpu::HOST_MASKED;

use crate::local::Local;
use crate::{Error, cpu, interface, println, result, upcall, vcpu};

/// A handler: the line and the argument given with [`attach`].
pub type Handler = extern "C" fn(line: u32, argument: *mut c_void);

type Attached = Option<(Handler, *mut c_void)>;

static HANDLERS: [Local<Attached>; LINES as usize] = [const { Local::new(None) }; LINES as usize];
/// Taken from the pending word, but not yet handled: lines that are active. Whatever else is to be handled stays in that word, where
/// the test at the end of turning interrupts on and idle look.
static LATCHED: Local<u32> = Local::new(0);
/// Lines whose handler is running.
static ACTIVE: Local<u32> = Local::new(0);
/// Lines whose lack of a handler was reported.
static REPORTED: Local<u32> = Local::new(0);
/// Opens the host's flag again after an entry returned with it off; set by backends whose host has such a flag.
static OPEN_HOST: Local<Option<fn()>> = Local::new(None);

/// Attaches `handler` to `line` and unmasks it.
///
/// # Errors
/// [`Error::NoSuchDevice`] for a line that does not exist, [`Error::Busy`] if the line has a handler.
pub fn attach(line: u32, handler: Handler, argument: *mut c_void) -> Result<(), Error> {
    let slot = HANDLERS.get(line as usize).ok_or(Error::NoSuchDevice)?;
    cpu::without_interrupts(|| {
        if slot.get().is_some() {
            return Err(Error::Busy);
        }
        slot.set(Some((handler, argument)));
        // SAFETY: a number.
        result(unsafe { interface::pv_irq_attach(line) }).inspect_err(|_| slot.set(None))
    })
}

/// Masks `line` and takes its handler away.
///
/// # Errors
/// [`Error::NoSuchDevice`], or [`Error::NotAttached`] if the line has no handler.
pub fn detach(line: u32) -> Result<(), Error> {
    let slot = HANDLERS.get(line as usize).ok_or(Error::NoSuchDevice)?;
    cpu::without_interrupts(|| {
        slot.get().ok_or(Error::NotAttached)?;
        // SAFETY: a number.
        result(unsafe { interface::pv_irq_detach(line) })?;
        // The host raises it no more, but it may have done so before.
        clear(line);
        slot.set(None);
        Ok(())
    })
}

/// Keeps `line` from interrupting; the host remembers that it was raised. In the line's own handler too: it does not run again.
///
/// # Errors
/// [`Error::NoSuchDevice`].
pub fn mask(line: u32) -> Result<(), Error> {
    // SAFETY: a number.
    result(unsafe { interface::pv_irq_mask(line) })?;
    cpu::without_interrupts(|| {
        let latched = LATCHED.get();
        if latched & 1 << line == 0 {
            return Ok(());
        }
        // Raised while its handler runs, and already taken from the host, which gets it back.
        LATCHED.set(latched & !(1 << line));
        raise(line)
    })
}

/// Lets `line` interrupt again, at once if it was raised meanwhile.
///
/// # Errors
/// [`Error::NoSuchDevice`].
pub fn unmask(line: u32) -> Result<(), Error> {
    // SAFETY: a number.
    result(unsafe { interface::pv_irq_unmask(line) })
}

/// Raises `line` by software. With interrupts on and the line unmasked, its handler has run on return.
///
/// # Errors
/// [`Error::NoSuchDevice`].
pub fn raise(line: u32) -> Result<(), Error> {
    // SAFETY: a number.
    result(unsafe { interface::pv_irq_raise(line) })
}

/// Whether `line` is pending: raised, unmasked, and its handler has not begun.
#[must_use]
pub fn is_pending(line: u32) -> bool {
    line < LINES && (vcpu::pending().load(Ordering::Relaxed) | LATCHED.get()) & 1 << line != 0
}

/// Forgets that `line` is pending.
pub fn clear(line: u32) {
    if line < LINES {
        cpu::without_interrupts(|| {
            vcpu::pending().fetch_and(!(1 << line), Ordering::Relaxed);
            LATCHED.set(LATCHED.get() & !(1 << line));
        });
    }
}

/// Interrupts that found no handler, since the start.
#[must_use]
pub fn spurious() -> u32 {
    vcpu::spurious().read()
}

/// The test at the end of turning interrupts on.
#[inline]
pub(crate) fn deliver_if_pending() {
    // A line that comes between the store of 1 and the test is delivered by an upcall or found by the test.
    if vcpu::pending().load(Ordering::Relaxed) != 0 {
        upcall::deliver();
    }
}

/// Runs the handlers of all pending lines. Called with interrupts off, from the body of an upcall, see
/// [`crate::upcall::set_body`].
pub extern "C" fn dispatch() {
    let flag = vcpu::interrupt_flag();
    let pending = vcpu::pending();
    loop {
        // HOST_MASKED stays for `open_host`, below or in a handler that turns interrupts on; so do the lines that come after this one.
        let lines = pending.load(Ordering::Relaxed) & !HOST_MASKED;
        let active = lines & ACTIVE.get();
        let ready = lines & !active;
        let bit = ready & ready.wrapping_neg();
        if lines != 0 {
            pending.fetch_and(!(active | bit), Ordering::Acquire);
            LATCHED.set(LATCHED.get() | active);
        }
        if bit == 0 {
            if !open_host() {
                return;
            }
            continue;
        }
        let line = bit.trailing_zeros();
        ACTIVE.set(ACTIVE.get() | bit);
        match HANDLERS[line as usize].get() {
            Some((handler, argument)) => handler(line, argument),
            None => report_spurious(line),
        }
        // The handler may have turned interrupts on.
        flag.write(0);
        ACTIVE.set(ACTIVE.get() & !bit);
        let again = LATCHED.get() & bit;
        if again != 0 {
            LATCHED.set(LATCHED.get() & !bit);
            pending.fetch_or(again, Ordering::Relaxed);
        }
    }
}

#[cold]
fn report_spurious(line: u32) {
    let count = vcpu::spurious();
    count.write(count.read().wrapping_add(1));
    if REPORTED.get() & 1 << line == 0 {
        REPORTED.set(REPORTED.get() | 1 << line);
        println!("paravirt: interrupt on line {line}, which has no handler");
    }
}

/// Says how to open the host's flag. For the start of a backend whose entries return with that flag off.
pub(crate) fn set_open_host(open: fn()) {
    OPEN_HOST.set(Some(open));
}

/// Opens the host's flag if an entry left it off; whether it did. Called with interrupts off.
pub(crate) fn open_host() -> bool {
    if vcpu::pending().load(Ordering::Relaxed) & HOST_MASKED == 0 {
        return false;
    }
    vcpu::pending().fetch_and(!HOST_MASKED, Ordering::Relaxed);
    if let Some(open) = OPEN_HOST.get() {
        open();
    }
    true
}
