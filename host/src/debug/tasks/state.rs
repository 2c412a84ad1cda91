// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers of RTEMS' kernel in words. They are those of version 1 of the table, and the BSP's build compares them with
//! the kernel's (`ffi/rtems/bsp/i386/debug/table.c`).

/// The bits of a thread's state (`rtems/score/statesimpl.h`).
const STATES: [(u32, &str); 21] = [
    (1 << 0, "wait mutex"),
    (1 << 1, "wait semaphore"),
    (1 << 2, "wait event"),
    (1 << 3, "wait system event"),
    (1 << 4, "wait message"),
    (1 << 5, "wait condition variable"),
    (1 << 6, "wait futex"),
    (1 << 7, "wait wakeup"),
    (1 << 8, "delay"),
    (1 << 9, "wait period"),
    (1 << 10, "wait signal"),
    (1 << 11, "wait barrier"),
    (1 << 12, "wait rwlock"),
    (1 << 13, "wait join at exit"),
    (1 << 14, "wait join"),
    (1 << 15, "suspended"),
    (1 << 16, "wait segment"),
    (1 << 17, "life is changing"),
    (1 << 27, "debugger"),
    (1 << 29, "wait reply"),
    (1 << 30, "zombie"),
];

/// Not what it does: whether a signal ends its waiting.
const INTERRUPTIBLE: u32 = 1 << 28;
const DORMANT: u32 = 1 << 31;

/// A state in words; several at once are separated by commas.
pub(super) fn name(state: u32) -> String {
    let state = state & !INTERRUPTIBLE;
    if state == 0 {
        return "ready".to_owned();
    }
    let bits = STATES.iter().chain(&[(DORMANT, "dormant")]);
    let known = bits.clone().fold(0, |known, (bit, _)| known | bit);
    let mut names: Vec<_> = bits
        .filter(|(bit, _)| state & bit != 0)
        .map(|&(_, name)| name.to_owned())
        .collect();
    if state & !known != 0 {
        names.push(format!("{:#x}", state & !known));
    }
    names.join(", ")
}

/// A priority as the directives have it, of one as the schedulers keep it (`rtems/score/schedulernodeimpl.h`).
pub(super) const fn priority(kept: u64) -> u64 {
    /// Of a scheduler by deadlines, that the task has none (`rtems/score/scheduleredfimpl.h`).
    const BACKGROUND: u64 = 1 << 63;
    (kept & !BACKGROUND) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_names() {
        assert_eq!(name(0), "ready");
        assert_eq!(name(0x1000_0002), "wait semaphore");
        assert_eq!(name(0x8100), "delay, suspended");
        assert_eq!(name(0x8000_0000), "dormant");
        assert_eq!(name(0x0010_0001), "wait mutex, 0x100000");
        assert_eq!(priority(0x8000_0000_0000_0002), 1);
    }
}
