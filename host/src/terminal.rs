// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal: no line editing and no echo while a guest reads from it and the shell lets us have it, and as it was
//! on every way out. Ctrl-C and Ctrl-Z stay signals.
//!
//! Nobody tells a program that it has been put into the background or brought forward: it looks before it reads, see
//! [`RawMode::refresh`]. What was is kept in a static, because signal handlers and the panic hook restore it. Those may
//! run with the guest's thread pointer and flags, where no function of the C library may be called, so here are system
//! calls only.

#[cfg_attr(target_arch = "aarch64", path = "terminal/aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "terminal/x86_64.rs")]
mod machine;

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use machine::syscall;

/// How long it may take at most until a program that is brought forward has the terminal.
pub(crate) const GLANCE: Duration = Duration::from_millis(200);

/// A terminal that is ours.
struct Terminal {
    /// Whether some thread looks at the rest or changes it. It has all signals blocked, so a handler may wait for it.
    busy: AtomicBool,
    /// Its number; -1: there is none.
    fd: AtomicI32,
    /// Whether it is in raw mode by us.
    raw: AtomicBool,
    /// Whether we are about to stop or to die, or have been stopped.
    suspended: AtomicBool,
    /// Its settings before that.
    before: UnsafeCell<MaybeUninit<libc::termios2>>,
}

// SAFETY: the cell is used only by who has set `busy`.
unsafe impl Sync for Terminal {}

static TERMINAL: Terminal = Terminal {
    busy: AtomicBool::new(false),
    fd: AtomicI32::new(-1),
    raw: AtomicBool::new(false),
    suspended: AtomicBool::new(false),
    before: UnsafeCell::new(MaybeUninit::uninit()),
};

impl Terminal {
    /// Has the terminal to itself while `body` runs.
    ///
    /// All signals are blocked on the thread meanwhile: SIGTTOU, by which the system stops who changes a terminal from
    /// the background, and those whose handlers come here, too.
    fn alone<R>(&self, body: impl FnOnce(i32) -> R) -> R {
        let all = u64::MAX;
        let mut before = 0_u64;
        let size = size_of_val(&all);
        // SAFETY: live variables of that size.
        unsafe {
            syscall(
                libc::SYS_rt_sigprocmask,
                [
                    libc::SIG_SETMASK as usize,
                    &raw const all as usize,
                    &raw mut before as usize,
                    size,
                ],
            )
        };
        while self.busy.swap(true, Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        let result = body(self.fd.load(Ordering::SeqCst));
        self.busy.store(false, Ordering::SeqCst);
        // SAFETY: a live variable of that size.
        unsafe {
            syscall(
                libc::SYS_rt_sigprocmask,
                [libc::SIG_SETMASK as usize, &raw const before as usize, 0, size],
            )
        };
        result
    }

    /// Puts the settings back, if they are ours and the terminal still is. By who is alone.
    fn put_back(&self, fd: i32) {
        if self.raw.swap(false, Ordering::SeqCst) && is_in_foreground(fd) {
            // SAFETY: settings that `refresh` has filled in.
            unsafe { ioctl(fd, libc::TCSETS2, self.before.get()) };
        }
    }
}

/// Raw mode; its end restores the terminal.
#[derive(Debug)]
pub(crate) struct RawMode {
    /// Signals whose handler is [`last_words`].
    handled: Vec<i32>,
}

impl RawMode {
    /// Sets raw mode, now or when the program is brought forward, if `fd` is a terminal and none is in raw mode
    /// already. The file must stay open as long as the mode lives.
    pub(crate) fn enter(fd: BorrowedFd<'_>) -> Option<Self> {
        let fd = fd.as_raw_fd();
        settings(fd)?;
        let free = TERMINAL.fd.compare_exchange(-1, fd, Ordering::SeqCst, Ordering::SeqCst);
        free.ok()?;
        restore_on_panic();
        let mode = Self {
            handled: handle_last_signals(),
        };
        mode.refresh();
        Some(mode)
    }

    /// Sets raw mode if the terminal is ours and it is not set, as after Ctrl-Z or if we began in the background;
    /// whether it may be read from. From the background, a read would stop the program.
    pub(crate) fn refresh(&self) -> bool {
        TERMINAL.alone(|fd| {
            if TERMINAL.suspended.load(Ordering::SeqCst) || !is_in_foreground(fd) {
                return false;
            }
            let Some(mut settings) = settings(fd) else {
                // What is wrong with it, a read tells.
                return true;
            };
            let editing = libc::ICANON | libc::ECHO;
            if TERMINAL.raw.load(Ordering::SeqCst) && settings.c_lflag & editing == 0 {
                return true;
            }
            // SAFETY: nobody else uses the cell now.
            unsafe { (*TERMINAL.before.get()).write(settings) };
            TERMINAL.raw.store(true, Ordering::SeqCst);
            settings.c_lflag &= !editing;
            settings.c_cc[libc::VMIN] = 1;
            settings.c_cc[libc::VTIME] = 0;
            // SAFETY: a live variable of the type that the call reads.
            unsafe { ioctl(fd, libc::TCSETS2, &raw mut settings) };
            true
        })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
        TERMINAL.fd.store(-1, Ordering::SeqCst);
        for &signal in &self.handled {
            // SAFETY: a live variable; the default action is what there was.
            unsafe {
                let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
                libc::sigaction(signal, ptr::null(), &mut action);
                if action.sa_sigaction == last_words as *const () as usize {
                    action.sa_sigaction = libc::SIG_DFL;
                    libc::sigaction(signal, &action, ptr::null_mut());
                }
            }
        }
    }
}

/// Puts the terminal back as it was. May be called from a signal handler, and more than once.
pub(crate) fn restore() {
    TERMINAL.alone(|fd| TERMINAL.put_back(fd));
}

/// Gives the terminal back before the program stops or dies: no other thread takes it again, unless the program [goes
/// on](resume). May be called from a signal handler.
pub(crate) fn suspend() {
    TERMINAL.alone(|fd| {
        TERMINAL.suspended.store(true, Ordering::SeqCst);
        TERMINAL.put_back(fd);
    });
}

/// The program goes on; the terminal is taken again by who looks next. May be called from a signal handler.
pub(crate) fn resume() {
    TERMINAL.suspended.store(false, Ordering::SeqCst);
}

/// Returns whether nothing is to keep us from that terminal: it is not another program's turn. Of one that does not
/// control us it is nobody's.
fn is_in_foreground(fd: i32) -> bool {
    let mut group = 0_i32;
    // SAFETY: a live variable of the type that the call writes.
    let is_ours = unsafe { ioctl(fd, libc::TIOCGPGRP, &raw mut group) } == 0;
    // SAFETY: no pointers.
    !is_ours || group as isize == unsafe { syscall(machine::GETPGRP, [0; 4]) }
}

/// The terminal's settings; `None`: it is none.
fn settings(fd: i32) -> Option<libc::termios2> {
    let mut settings = MaybeUninit::uninit();
    // SAFETY: a live variable of the type that the call writes; it is initialized if that succeeds.
    unsafe { (ioctl(fd, libc::TCGETS2, settings.as_mut_ptr()) == 0).then(|| settings.assume_init()) }
}

fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            next(info);
        }));
    });
}

/// Returns whether that signal ends a program that does nothing about it, and can be caught.
pub(crate) fn ends_by_default(signal: i32) -> bool {
    !matches!(
        signal,
        libc::SIGKILL
            | libc::SIGSTOP
            | libc::SIGTSTP
            | libc::SIGTTIN
            | libc::SIGTTOU
            | libc::SIGCONT
            | libc::SIGCHLD
            | libc::SIGURG
            | libc::SIGWINCH
    )
}

/// What is done about that signal; `None`: it is none, or the C library keeps it to itself.
pub(crate) fn action(signal: i32) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: a live variable, initialized if that succeeds; nothing is changed.
    unsafe { (libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0).then(|| action.assume_init()) }
}

/// Has the terminal restored by every signal that would end the program and about which nobody does anything; these
/// signals.
fn handle_last_signals() -> Vec<i32> {
    let unhandled = |&signal: &i32| {
        ends_by_default(signal) && action(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL)
    };
    let signals: Vec<i32> = (1..=libc::SIGRTMAX()).filter(unhandled).collect();
    for &signal in &signals {
        // SAFETY: all zeros is a valid value of this C struct; the rest are live variables. The handler may come at any
        // instruction.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = last_words as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
            libc::sigfillset(&mut action.sa_mask);
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
    signals
}

/// Restores the terminal and lets the signal have its default action, which the kernel has put back.
extern "C" fn last_words(signal: i32) {
    machine::reset_flags();
    suspend();
    // SAFETY: no pointers. The signal is blocked until this handler returns.
    unsafe {
        let process = syscall(libc::SYS_getpid, [0; 4]) as usize;
        let thread = syscall(libc::SYS_gettid, [0; 4]) as usize;
        syscall(libc::SYS_tgkill, [process, thread, signal as usize, 0]);
    }
}

/// # Safety
/// As of that request.
unsafe fn ioctl<T>(fd: i32, request: libc::Ioctl, argument: *mut T) -> isize {
    // SAFETY: as of the request.
    unsafe {
        syscall(
            libc::SYS_ioctl,
            [fd as usize, request as u32 as usize, argument as usize, 0],
        )
    }
}
