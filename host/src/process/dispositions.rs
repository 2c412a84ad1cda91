// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as a guest needs them, and as they were before and are again after: numbers, dispositions, the thread's
//! mask. What they then do is [`signals`](super::signals)' to say.
//!
//! The program around the host has signals of its own. For those with a handler ours stands in, which comes on a stack
//! and with the thread pointer that handlers are made for, and calls it. Ours have numbers that nobody uses.
//!
//! The system calls are made without the C library: that hides signals of its own, whose handlers need the same.

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use super::run::Program;
use super::signals::{STATE, pv_return_from_signal, pv_signal};

/// What our own signals are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The guest is to be left: its time is over, or somebody has asked for its end. It interrupts system calls.
    End,
    /// Another thread asks the vCPU's to look at its lines.
    Kick,
    /// The [alarm](super::time::Alarm).
    Alarm,
    /// A [sample](super::sampler) is to be taken. It has a signal only where that was asked for.
    Sample,
}

impl Event {
    pub(super) const ALL: [Self; 4] = [Self::End, Self::Kick, Self::Alarm, Self::Sample];
}

/// Signals by which the processor reports a fault, and SIGSYS for a system call that guest code makes. While a guest
/// runs, they are the host's.
pub const FAULTS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Signals that ask the host to end. While a guest runs, they are the host's with
/// [`Builder::handle_signals`](super::Builder::handle_signals).
pub const ENDS: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Signals that Linux has; their numbers begin at 1.
const SIGNALS: usize = 64;
/// Linux, asm/signal.h.
const SA_RESTORER: u64 = 0x0400_0000;

/// A disposition, as Linux has it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

impl Action {
    /// What a signal does by itself.
    pub(super) const DEFAULT: Self = Self {
        handler: libc::SIG_DFL,
        flags: 0,
        restorer: 0,
        mask: 0,
    };

    /// Our handler.
    fn ours(flags: i32, mask: u64) -> Self {
        Self::of(pv_signal as *const () as usize, flags, mask)
    }

    /// A handler with siginfo, on the signal stack.
    pub(super) fn of(handler: usize, flags: i32, mask: u64) -> Self {
        Self {
            handler,
            flags: flags as u64 | (libc::SA_SIGINFO | libc::SA_ONSTACK) as u64 | SA_RESTORER,
            restorer: pv_return_from_signal as *const () as usize,
            mask,
        }
    }

    fn is_ours(&self) -> bool {
        self.handler == pv_signal as *const () as usize
    }

    pub(super) fn is_default(&self) -> bool {
        self.handler == libc::SIG_DFL
    }

    fn is_ignored(&self) -> bool {
        self.handler == libc::SIG_IGN
    }

    fn has_handler(&self) -> bool {
        !self.is_default() && !self.is_ignored()
    }
}

/// The disposition of a signal, replaced if there is a new one.
pub(super) fn swap_action(signal: i32, new: Option<&Action>) -> Action {
    let mut old = Action::DEFAULT;
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: structures as Linux has them, live. What the new one names is code that is made to be called so.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, &raw mut old, size_of::<u64>()) };
    old
}

/// A set of signals.
pub(super) fn set_of(signals: impl IntoIterator<Item = i32>) -> u64 {
    signals.into_iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

/// Changes this thread's mask; as it was.
pub(super) fn mask(how: i32, set: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: live variables of the size that is given.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set,
            &raw mut old,
            size_of::<u64>(),
        )
    };
    old
}

/// Waits until a signal has been handled that is not in that mask.
fn wait(mask: u64) {
    // SAFETY: a live variable of the size that is given.
    unsafe { libc::syscall(libc::SYS_rt_sigsuspend, &raw const mask, size_of::<u64>()) };
}

/// Signals that wait for this thread.
fn pending() -> u64 {
    let mut set = 0_u64;
    // SAFETY: a live variable of the size that is given.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>()) };
    set
}

/// This thread's number.
pub(super) fn this_thread() -> libc::pid_t {
    // SAFETY: no pointers.
    unsafe { libc::gettid() }
}

/// The numbers of our own signals, in the order of [`Event::ALL`]; 0: none.
static NUMBERS: [AtomicI32; Event::ALL.len()] = [const { AtomicI32::new(0) }; Event::ALL.len()];

impl Event {
    /// Its signal while a guest runs.
    pub(super) fn signal(self) -> i32 {
        NUMBERS[self as usize].load(Ordering::SeqCst)
    }

    /// What that signal is for, if it is ours.
    pub(super) fn of(signal: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.signal() == signal)
    }
}

/// Handlers of the program around us, by signal.
static PREVIOUS: [Previous; SIGNALS + 1] = [const {
    Previous {
        handler: AtomicUsize::new(libc::SIG_DFL),
        flags: AtomicU64::new(0),
    }
}; SIGNALS + 1];

struct Previous {
    handler: AtomicUsize,
    flags: AtomicU64,
}

impl Previous {
    fn store(&self, action: &Action) {
        self.handler.store(action.handler, Ordering::SeqCst);
        self.flags.store(action.flags, Ordering::SeqCst);
    }
}

/// Returns whether somebody else has a handler for that signal.
pub(super) fn has_previous(signal: i32) -> bool {
    let handler = PREVIOUS[signal as usize].handler.load(Ordering::SeqCst);
    handler != libc::SIG_DFL && handler != libc::SIG_IGN
}

/// Returns whether the program around us ignores that signal.
pub(super) fn was_ignored(signal: i32) -> bool {
    PREVIOUS[signal as usize].handler.load(Ordering::SeqCst) == libc::SIG_IGN
}

/// As [`call_previous`], but keeps our handler: that one may take itself away, as that of Rust's standard library does.
/// Then the program's next wish is what it has left.
///
/// # Safety
/// As of [`call_previous`].
pub(super) unsafe fn call_previous_and_stay(signal: i32, info: *mut c_void, context: *mut c_void) {
    let ours = swap_action(signal, None);
    // SAFETY: the caller's.
    unsafe { call_previous(signal, info, context) };
    let left = swap_action(signal, None);
    if !left.is_ours() {
        swap_action(signal, Some(&ours));
        PREVIOUS[signal as usize].store(&left);
    }
}

/// Calls the handler that [is there](has_previous).
///
/// # Safety
/// What the kernel has called our handler with, on a stack and with the thread pointer that handlers are made for.
pub(super) unsafe fn call_previous(signal: i32, info: *mut c_void, context: *mut c_void) {
    type Plain = extern "C" fn(i32);
    type WithInfo = extern "C" fn(i32, *mut c_void, *mut c_void);
    let Previous { handler, flags } = &PREVIOUS[signal as usize];
    let handler = handler.load(Ordering::SeqCst);
    // SAFETY: somebody has given the kernel a handler of that type for this signal.
    unsafe {
        if flags.load(Ordering::SeqCst) & libc::SA_SIGINFO as u64 != 0 {
            mem::transmute::<usize, WithInfo>(handler)(signal, info, context);
        } else {
            mem::transmute::<usize, Plain>(handler)(signal);
        }
    }
}

static HANDLES_ENDS: AtomicBool = AtomicBool::new(false);

/// Returns whether requests to end the process are ours, and Ctrl-Z.
pub(super) fn handles_ends() -> bool {
    HANDLES_ENDS.load(Ordering::SeqCst)
}

/// Our own signals.
fn events() -> u64 {
    set_of(Event::ALL.map(Event::signal).into_iter().filter(|signal| *signal != 0))
}

/// Requests to end the process, and Ctrl-Z.
fn ends() -> u64 {
    set_of(ENDS.into_iter().chain([libc::SIGTSTP]))
}

/// All that may come at any instruction, but for those that the C library sends to all threads and waits for.
fn asynchronous() -> u64 {
    !set_of(FAULTS.into_iter().chain(32..libc::SIGRTMIN()))
}

/// Runs `body` with asynchronous signals blocked; threads that it starts keep them blocked. The function that it is
/// given waits with the signals let in, until one has been handled.
pub(super) fn with_blocked<R>(body: impl FnOnce(&dyn Fn()) -> R) -> R {
    let before = mask(libc::SIG_BLOCK, asynchronous());
    let result = body(&|| wait(before));
    mask(libc::SIG_SETMASK, before);
    result
}

/// Runs `body`, in a handler, with requests to end the process let in.
pub(super) fn with_ends(body: impl FnOnce()) {
    let let_in = if handles_ends() { ends() } else { 0 };
    let before = mask(libc::SIG_UNBLOCK, let_in);
    body();
    mask(libc::SIG_SETMASK, before);
}

/// Signals as a guest needs them. When dropped, they are as before, but for what somebody else has changed meanwhile,
/// and for what makes no difference to a program that is [`Alone`](Program::Alone).
pub(super) struct Session {
    actions: Vec<(i32, Action)>,
    mask: u64,
}

impl Session {
    /// Installs our handler and lets our signals through to this thread. `handles_ends`: also requests to end the
    /// process, where whoever started us does not want them ignored. `samples`: there is a signal for [`Event::Sample`].
    pub(super) fn begin(program: Program, handles_ends: bool, samples: bool) -> Self {
        let mask_before = mask(libc::SIG_BLOCK, 0);
        let ends = ends();
        // Where nobody has a handler, all that may be found is that a signal is ignored, and all that is missed later
        // is a request.
        let (asked, put_back) = match program {
            Program::Alone => (ends | set_of(FAULTS), ends),
            Program::Shared => (u64::MAX, u64::MAX),
        };
        let before = |signal| match asked & set_of([signal]) {
            0 => Action::DEFAULT,
            _ => swap_action(signal, None),
        };
        let signals = (1..=SIGNALS as i32)
            .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
            .map(|signal| (signal, before(signal)));
        let mut actions = Vec::with_capacity(SIGNALS);
        actions.extend(signals);
        for (signal, action) in &actions {
            PREVIOUS[*signal as usize].store(action);
        }
        match program {
            Program::Alone => {
                let wanted = Event::ALL.iter().filter(|&&event| samples || event != Event::Sample);
                for &event in wanted {
                    NUMBERS[event as usize].store(SILENT[event as usize], Ordering::SeqCst);
                }
            }
            Program::Shared => choose_numbers(&actions, mask_before, samples),
        }
        HANDLES_ENDS.store(handles_ends, Ordering::SeqCst);
        STATE.thread.store(this_thread(), Ordering::SeqCst);
        // Faults and requests wait for no event, or a storm of these would keep them away.
        let events = events();
        let all = events | ends;
        let mut wanted = 0;
        actions.retain(|&(signal, action)| {
            let is_end = handles_ends && ends & set_of([signal]) != 0;
            let (flags, mask) = match Event::of(signal) {
                Some(Event::End) => (0, events),
                Some(Event::Kick | Event::Alarm | Event::Sample) => (libc::SA_RESTART, events),
                None if FAULTS.contains(&signal) => (0, all),
                // As nohup does.
                None if is_end && action.is_ignored() => return false,
                None if is_end => (0, all),
                None if action.has_handler() => {
                    let ours = Action::ours(0, action.mask | all);
                    let flags = ours.flags | action.flags;
                    swap_action(signal, Some(&Action { flags, ..ours }));
                    return true;
                }
                None => return false,
            };
            wanted |= set_of([signal]);
            swap_action(signal, Some(&Action::ours(flags, mask)));
            true
        });
        mask(libc::SIG_UNBLOCK, wanted);
        actions.retain(|&(signal, _)| put_back & set_of([signal]) != 0);
        Self {
            actions,
            mask: mask_before,
        }
    }
}

impl Drop for Session {
    /// Nobody sends our signals any more.
    fn drop(&mut self) {
        mask(libc::SIG_BLOCK, events());
        discard(events());
        for (signal, action) in &self.actions {
            // Another's, that came meanwhile, is not gone for a moment either.
            if swap_action(*signal, None).is_ours() {
                swap_action(*signal, Some(action));
            }
        }
        HANDLES_ENDS.store(false, Ordering::SeqCst);
        // A request that another thread has still taken with our handler arrives here as the program wants it.
        STATE.thread.store(0, Ordering::SeqCst);
        mask(libc::SIG_SETMASK, self.mask);
        for number in &NUMBERS {
            number.store(0, Ordering::SeqCst);
        }
    }
}

/// Our signals, in the order of [`Event::ALL`], in a program that has no use for them: those that mean nothing to one
/// that does nothing about them, and that debuggers of this program let through without a word. Each may come from
/// elsewhere, too, which is a look for nothing.
const SILENT: [i32; Event::ALL.len()] = [libc::SIGCHLD, libc::SIGWINCH, libc::SIGURG, libc::SIGPROF];

/// Gives our signals numbers: to the timers' those that nobody handles, and that are neither blocked nor waiting if
/// there are such: then somebody is about to take them in another way. From the highest on: programs begin with the
/// lowest.
fn choose_numbers(actions: &[(i32, Action)], blocked: u64, samples: bool) {
    let waiting = pending();
    let mut candidates: Vec<_> = actions
        .iter()
        .filter(|(signal, _)| (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(signal))
        .map(|&(signal, action)| {
            let is_in = |set: u64| set & set_of([signal]) != 0;
            let used = (action.has_handler(), is_in(waiting), is_in(blocked));
            (used, -signal)
        })
        .collect();
    candidates.sort_unstable();
    let sample = samples.then_some(Event::Sample);
    for (event, (_, signal)) in [Event::Alarm, Event::End].into_iter().chain(sample).zip(candidates) {
        NUMBERS[event as usize].store(-signal, Ordering::SeqCst);
    }
    // A signal of old arrives however many wait for the user (`ulimit -i`), and this one Linux never sends.
    NUMBERS[Event::Kick as usize].store(libc::SIGSTKFLT, Ordering::SeqCst);
}

/// Takes signals of that set that wait for this thread, which has them blocked.
fn discard(set: u64) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
    // SAFETY: live variables of the sizes that are given.
    while unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const set,
            info.as_mut_ptr(),
            &raw const now,
            size_of::<u64>(),
        )
    } > 0
    {}
}
