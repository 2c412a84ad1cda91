// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the core's guest stands on here: this process, its memory, console, clock and timers, its signals, and
//! closures. All of the guest lies below 4 GiB, where the host maps nothing of its own.

use std::cell::Cell;
use std::ffi::c_void;
use std::fs;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paravirt_abi::error::Error;
use paravirt_abi::line::CONSOLE;
use paravirt_abi::signature::{Signature, Width};
use paravirt_abi::start::Features;
use paravirt_host_core::guest::{self, Frame, Platform};
use paravirt_host_core::lines::Lines;
use paravirt_host_core::memory::{MapError, Pages};
use paravirt_host_core::timers::NEVER;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use super::console::Device;
use super::debugger::Vcpu;
use super::dispositions;
use super::functions::{Call, Erased};
use super::lines::{LineHandle, SharedLines};
use super::recorder::Recorder;
use super::sampler::Sampler;
use super::schedule::Schedule;
use super::signals::STATE;
use super::step::{Stepper, Stepping};
use super::thread_pointer::ThreadPointer;
use super::time::{Ender, PosixTimer};
use crate::image::Access;

/// A guest of this host.
pub(super) type Guest = guest::Guest<Host>;

/// A closure, and how often it was called.
pub(super) struct Function {
    function: Erased,
    calls: Cell<u64>,
}

impl Function {
    pub(super) const fn new(function: Erased) -> Self {
        Self {
            function,
            calls: Cell::new(0),
        }
    }

    pub(super) const fn calls(&self) -> u64 {
        self.calls.get()
    }
}

/// This process. Host functions and signal handlers use it on the vCPU's thread, and a handler may interrupt a host
/// function at any instruction.
pub(super) struct Host {
    width: Width,
    pub(super) console: Box<dyn Device>,
    pub(super) lines: Arc<SharedLines>,
    pub(super) schedule: Schedule,
    pub(super) ender: Ender,
    /// Whether a signal has come since the guest was last idle.
    woken: AtomicBool,
    pub(super) thread_pointer: ThreadPointer,
    pub(super) stepping: Stepping,
    /// The guest's side of a debugger, if it is to have one.
    pub(super) debugged: Option<Vcpu>,
    /// Who notes what happens, if anybody does.
    pub(super) recorder: Option<Rc<Recorder>>,
    /// Who takes samples, if anybody does.
    pub(super) sampler: Option<Rc<Sampler>>,
    idles: Cell<u64>,
    idle_ns: Cell<u64>,
}

/// Who looks on while the guest runs.
pub(super) struct Observers {
    pub(super) debugged: Option<Vcpu>,
    pub(super) recorder: Option<Rc<Recorder>>,
    pub(super) sampler: Option<Rc<Sampler>>,
}

impl Host {
    /// `fsgsbase`: as of [`ThreadPointer::new`].
    pub(super) fn new(
        width: Width,
        console: Box<dyn Device>,
        lines: Arc<SharedLines>,
        schedule: Schedule,
        fsgsbase: bool,
        stepper: Option<Stepper>,
        observers: Observers,
    ) -> Self {
        Self {
            width,
            console,
            lines,
            schedule,
            ender: Ender::default(),
            woken: AtomicBool::new(false),
            thread_pointer: ThreadPointer::new(fsgsbase),
            stepping: Stepping::new(stepper, observers.debugged.is_some()),
            debugged: observers.debugged,
            recorder: observers.recorder,
            sampler: observers.sampler,
            idles: Cell::new(0),
            idle_ns: Cell::new(0),
        }
    }

    /// If the console waits for its reader: waits until it has come, or the guest is to be left.
    /// To be called before [`begin`](Self::begin), with what that gets.
    pub(super) fn await_reader(&self, ender: &PosixTimer, limit: u64) {
        self.ender.use_timer(Some(ender), limit);
        self.console.await_reader();
    }

    /// From now on this thread is the vCPU's, with these timers. `limit`: when the guest's time is over, in ns of the
    /// monotonic clock.
    pub(super) fn begin(&self, alarm: &PosixTimer, ender: &PosixTimer, limit: u64) {
        self.schedule.begin(alarm);
        if let Some(recorder) = &self.recorder {
            recorder.begin();
        }
        self.ender.use_timer(Some(ender), limit);
        self.lines.set_thread(Some(dispositions::this_thread()));
    }

    /// For handlers, where guest code was interrupted: the guest stands, and its time and its time limit with it, while
    /// `wait` waits. Requests to end it are let in.
    pub(super) fn stand(&self, wait: impl FnOnce()) {
        let stood = self.schedule.stand(|| dispositions::with_ends(wait));
        self.ender.stood(stood);
    }

    /// The reverse of [`begin`](Self::begin); ends reading and restores the terminal.
    pub(super) fn end(&self) {
        self.lines.set_thread(None);
        self.ender.use_timer(None, NEVER);
        self.schedule.end();
        self.thread_pointer.end();
        self.console.finish();
    }

    /// System calls that this guest needs and hardly any other does: for thread-local storage, see
    /// [`ThreadPointer::call`], and to let clients in that connect to its console.
    pub(super) fn calls(&self) -> impl Iterator<Item = u32> {
        (self.thread_pointer.call(self.width).into_iter()).chain(self.console.call())
    }

    /// A signal has come that may end the guest's idling. For the handler.
    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
    }

    /// Number of idle calls, and ns in them.
    pub(super) const fn idle(&self) -> (u64, u64) {
        (self.idles.get(), self.idle_ns.get() + self.schedule.skipped())
    }

    pub(super) fn line(&self, line: u32) -> Result<LineHandle, Error> {
        LineHandle::new(&self.lines, line)
    }
}

impl Platform for Host {
    type Function = Function;

    /// Linux's, of all processes.
    #[cfg(target_arch = "x86_64")]
    const CODE_32: Option<u16> = Some(0x23);
    /// Signals have their own. A guest that uses its stack before it has one finds out.
    const STACK_FOR_EVENTS: bool = false;

    #[inline]
    fn call(guest: &Guest, function: &Function, _: Signature, frame: &mut Frame, stack_bytes: u64) {
        function.calls.set(function.calls.get() + 1);
        // SAFETY: frame and guest outlive the call, and the gate does not touch the frame meanwhile; the core has
        // checked the stack.
        let mut call = unsafe { Call::new(frame, guest, stack_bytes) };
        (function.function)(&mut call);
    }

    fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines.lines)
    }

    fn features(&self) -> Features {
        let mut features = Features::empty();
        features.set(Features::CLOCK_TSC, self.schedule.clock.pause().is_some());
        features
    }

    fn now(&self) -> u64 {
        self.schedule.now()
    }

    fn start(&self) -> u64 {
        // As the page's clock has it.
        0
    }

    fn wall(&self) -> u64 {
        self.schedule.clock.wall(self.now())
    }

    fn set_alarm(&self, deadline: u64) {
        self.schedule.set_deadline(deadline);
    }

    fn expired(guest: &Guest, timer: u32, due: u64, expirations: u64) {
        if let Some(recorder) = &guest.platform().recorder {
            recorder.expired(guest, timer, due, expirations);
        }
    }

    fn wait(&self) {
        // Signals are blocked from the look at what has come until the sleep, so no wake-up is lost between.
        if !self.woken.swap(false, Ordering::SeqCst) && !STATE.guest().is_some_and(|guest| self.schedule.idle(guest)) {
            dispositions::with_blocked(|wait| {
                while !self.woken.swap(false, Ordering::SeqCst) {
                    wait();
                }
            });
        }
    }

    fn count_idle(&self, idle: impl FnOnce()) {
        self.idles.set(self.idles.get() + 1);
        if self.schedule.clock.skips() {
            return idle();
        }
        let start = self.now();
        idle();
        self.idle_ns.set(self.idle_ns.get() + (self.now() - start));
    }

    fn console_write(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.console.write(bytes)
    }

    fn console_attach(&self) -> Result<(), Error> {
        let waits = self.schedule.clock.steps().is_some();
        self.console.start(self.line(CONSOLE)?, waits)
    }

    fn console_read(&self, buffer: &mut [u8]) -> Result<(usize, bool), Error> {
        self.console_attach()?;
        let (bytes, more) = self.console.read(buffer.len())?;
        if !bytes.is_empty() && self.console.has_clients() {
            self.lines.note_interruption();
        }
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok((bytes.len(), more))
    }

    fn set_tls(&self, base: u64) -> Result<(), Error> {
        self.thread_pointer.set(self.width, base)
    }

    #[cfg(target_arch = "aarch64")]
    fn signal_mask(&self) -> u64 {
        dispositions::mask(libc::SIG_BLOCK, 0)
    }

    #[inline]
    fn enter_host(&self) {
        self.thread_pointer.enter_host();
        self.stepping.enter_host();
    }

    #[inline]
    fn leave_host(&self) {
        self.thread_pointer.leave_host();
        self.stepping.leave_host();
    }
}

/// Mappings of this process.
#[derive(Debug)]
pub(super) struct ProcessPages;

// SAFETY: mappings of this process, at addresses where nothing was; only this process could unmap or protect them
// otherwise.
unsafe impl Pages for ProcessPages {
    fn map(&self, start: u64, size: u64) -> Result<(), MapError> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE | MapFlags::NORESERVE;
        // SAFETY: with FIXED_NOREPLACE no mapping of the host is replaced.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                start as *mut c_void,
                size as usize,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }
        .map_err(|error| match error {
            Errno::EXIST => MapError::Taken,
            other => refused_map(start, other),
        })?;
        // Kernels before 4.17 take the address for a hint.
        if mapped as u64 == start {
            return Ok(());
        }
        self.unmap(mapped as u64, size);
        Err(MapError::Taken)
    }

    fn prepare(&self, start: u64, size: u64) {
        // SAFETY: the pages were mapped for the guest, to be written. Kernels before 5.14 bring them in one by one.
        let _ = unsafe { rustix::mm::madvise(start as *mut c_void, size as usize, Advice::LinuxPopulateWrite) };
    }

    fn protect(&self, start: u64, size: u64, access: Access) -> Result<(), MapError> {
        let mut rights = MprotectFlags::empty();
        rights.set(MprotectFlags::READ, access.read);
        rights.set(MprotectFlags::WRITE, access.write);
        rights.set(MprotectFlags::EXEC, access.execute);
        // SAFETY: the pages were mapped for the guest.
        unsafe { rustix::mm::mprotect(start as *mut c_void, size as usize, rights) }
            .map_err(|error| refused_rights(access, error))
    }

    fn unmap(&self, start: u64, size: u64) {
        // SAFETY: the pages were mapped for the guest, which has ended.
        let _ = unsafe { rustix::mm::munmap(start as *mut c_void, size as usize) };
    }
}

/// Why memory is refused, with the policy that may be behind it.
fn refused_map(start: u64, error: Errno) -> MapError {
    // Linux, admin-guide/sysctl/vm.rst.
    const LOWEST: &str = "/proc/sys/vm/mmap_min_addr";
    let lowest = || fs::read_to_string(LOWEST).ok()?.trim().parse::<u64>().ok();
    let error = io::Error::from(error);
    match lowest().filter(|_| error.raw_os_error() == Some(libc::EPERM)) {
        Some(lowest) if start < lowest => because(
            error,
            &format!(
                "here nothing may be mapped below {lowest:#x} (`sysctl vm.mmap_min_addr`); link the guest higher, or \
                have it lowered"
            ),
        ),
        _ => MapError::System(Box::new(error)),
    }
}

/// Why rights to memory are refused, with the policy that may be behind it.
fn refused_rights(access: Access, error: Errno) -> MapError {
    let error = io::Error::from(error);
    let forbidden = matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM));
    if !forbidden || !access.execute {
        return MapError::System(Box::new(error));
    }
    // SAFETY: no pointers.
    let denied = unsafe { libc::prctl(libc::PR_GET_MDWE, 0, 0, 0, 0) };
    let policy = if denied > 0 {
        "this process may not execute what it has written (prctl PR_SET_MDWE; a service's MemoryDenyWriteExecute=), \
         and a guest's code is written to memory before it runs; start it without"
    } else {
        "a policy forbids to execute what was written to memory (as SELinux's execmem), and a guest's code is; have it \
        permitted"
    };
    because(error, policy)
}

fn because(error: io::Error, policy: &str) -> MapError {
    MapError::System(format!("{error}: {policy}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_too_low_is_explained() {
        let explained = |start| refused_map(start, Errno::PERM).to_string();
        let low = explained(0);
        assert!(low.starts_with("Operation not permitted"), "{low}");
        assert!(low.contains("vm.mmap_min_addr"), "{low}");
        assert!(!explained(1 << 31).contains("mmap_min_addr"));
        assert!(!refused_map(0, Errno::NOMEM).to_string().contains("mmap_min_addr"));
    }
}
