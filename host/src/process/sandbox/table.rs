// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls, and why, that the host makes on a guest's thread, and on the threads that this starts, while the
//! guest runs and after it.
//!
//! What an option or a new piece of the host needs beside these is a row here, but for what hardly any guest needs
//! ([`Host::calls`](super::super::platform::Host::calls)). A call that is in no row is a SIGSYS,
//! and reported with its number.

use libc::{c_int, c_long};

/// With which arguments it is allowed. Only the lower half of an argument that is no pointer is looked at: all of these
/// are 32 bits wide to the kernel.
pub(super) enum If {
    /// With any.
    Always,
    /// If the argument of that index is one of these.
    OneOf(u8, &'static [u32]),
    /// If the argument of that index is this process's number.
    OwnProcess(u8),
    /// If the argument of that index, a pointer, is null.
    Null(u8),
    /// If the argument of that index has all of these bits.
    Bits(u8, u32),
    /// Never: the caller is told that the kernel does not know it, and does without.
    Unknown,
}

/// What makes a thread of this process, and nothing else (Linux, clone(2)).
const THREAD: u32 =
    (libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD) as u32;

/// Requests that read and set a terminal's settings (Linux, asm-generic/ioctls.h), of old and by the structure that
/// newer C libraries use; and TIOCGPTPEER, which opens the other end of a pseudo terminal that is open. Above all not
/// TIOCSTI, which types for the user.
const TERMINAL: &[u32] = &[
    libc::TCGETS as u32,
    libc::TCSETS as u32,
    libc::TCSETSW as u32,
    libc::TCSETSF as u32,
    libc::TCGETS2 as u32,
    libc::TCSETS2 as u32,
    libc::TCSETSW2 as u32,
    libc::TCSETSF2 as u32,
    libc::TIOCGPGRP as u32,
    libc::TIOCGPTPEER as u32,
];

/// Copies of a descriptor, and its flags.
const DESCRIPTOR: &[u32] = &[libc::F_DUPFD_CLOEXEC as u32, libc::F_GETFD as u32, libc::F_GETFL as u32];

/// `arch_prctl`: the base of fs (Linux, asm/prctl.h).
#[cfg(target_arch = "x86_64")]
const FS_BASE: &[u32] = &[0x1002, 0x1003];

const NAME: c_int = libc::PR_SET_NAME;

use If::{Always, Bits, Null, OneOf, OwnProcess, Unknown};

/// The calls, those that are made often first.
pub(super) const TABLE: &[(c_long, If)] = &[
    (libc::SYS_write, Always),          // console, reports
    (libc::SYS_rt_sigreturn, Always),   // return from a signal's handler
    (libc::SYS_timer_settime, Always),  // the guest's timers
    (libc::SYS_rt_sigprocmask, Always), // idle
    (libc::SYS_rt_sigsuspend, Always),  // idle
    (libc::SYS_futex, Always),          // locks, joining a thread
    (libc::SYS_read, Always),           // console
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, Always), // console
    (libc::SYS_ppoll, Always),          // console
    (libc::SYS_writev, Always),         // console, reports
    // By way of the vDSO these two are no system calls, where the kernel's clock is the processor's.
    (libc::SYS_clock_gettime, Always),    // clock
    (libc::SYS_gettimeofday, Always),     // clock
    (libc::SYS_clock_nanosleep, Always),  // a thread that raises lines too fast waits
    (libc::SYS_restart_syscall, Always),  // a wait goes on after the process was stopped
    (libc::SYS_timer_create, Always),     // the guest's timers
    (libc::SYS_timer_gettime, Always),    // the guest's timers
    (libc::SYS_timer_getoverrun, Always), // the guest's timers
    (libc::SYS_timer_delete, Always),     // the guest's timers
    (libc::SYS_rt_sigaction, Always),     // handlers, put back at the end
    (libc::SYS_sigaltstack, Always),      // the signal stack, put back at the end
    (libc::SYS_rt_sigpending, Always),    // signals
    (libc::SYS_rt_sigtimedwait, Always),  // signals
    (libc::SYS_getpid, Always),           // signals to threads of this process
    (libc::SYS_gettid, Always),           // signals to threads of this process
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_getpgrp, Always), // whether the terminal is this process's
    #[cfg(target_arch = "aarch64")]
    (libc::SYS_getpgid, Null(0)), // whether the terminal is this process's
    (libc::SYS_brk, Always),              // allocation
    (libc::SYS_munmap, Always),           // allocation, the guest's memory at the end
    (libc::SYS_mremap, Always),           // allocation
    (libc::SYS_madvise, Always),          // allocation, the stack of a thread that ends
    (libc::SYS_mprotect, Always),         // allocation, the stack of a thread
    (libc::SYS_close, Always),            // console
    (libc::SYS_fstat, Always),            // console
    (libc::SYS_eventfd2, Always),         // console
    (libc::SYS_set_robust_list, Always),  // start of a thread
    (libc::SYS_rseq, Always),             // start of a thread
    (libc::SYS_sched_getaffinity, Always), // start of a thread
    (libc::SYS_sched_yield, Always),      // locks
    (libc::SYS_getrandom, Always),        // maps with random seeds
    (libc::SYS_sched_setscheduler, OneOf(0, &[0])), // real-time priority, given back at the end
    (libc::SYS_exit, Always),             // end of a thread
    (libc::SYS_exit_group, Always),       // end of the process
    (libc::SYS_mmap, Bits(3, libc::MAP_ANONYMOUS as u32)), // allocation, the stack of a thread
    (libc::SYS_tgkill, OwnProcess(0)),    // signals to threads of this process
    (libc::SYS_rt_tgsigqueueinfo, OwnProcess(0)), // signals to threads of this process
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_arch_prctl, OneOf(0, FS_BASE)), // thread-local storage without FSGSBASE
    (libc::SYS_sendto, Null(4)),          // console that is a socket, without an address
    (libc::SYS_recvfrom, Null(4)),        // console that is a socket
    (libc::SYS_ioctl, OneOf(1, TERMINAL)), // the terminal's settings
    (libc::SYS_fcntl, OneOf(1, DESCRIPTOR)), // console
    (libc::SYS_preadv2, OneOf(5, &[libc::RWF_NOWAIT as u32])), // console that is a pipe of another user
    (libc::SYS_prctl, OneOf(0, &[NAME as u32])), // name of a thread
    (libc::SYS_clone, Bits(0, THREAD)),   // the threads of the console
    // Its flags are in memory, where no filter can look; the C library goes on with `clone`.
    (libc::SYS_clone3, Unknown), // the threads of the console
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_one_row() {
        for (index, (call, _)) in TABLE.iter().enumerate() {
            let again = TABLE[index + 1..].iter().any(|(other, _)| other == call);
            assert!(!again, "{call} has two rows");
        }
    }
}
