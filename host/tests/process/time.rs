// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time that passes, and values at the limits of the interface.

use std::cell::Cell;
use std::io;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pvhost::process::Call;
use tempfile::TempDir;

use super::guests::{each, ends_well, output, place, pvhost, run, text, vm};

/// Somebody may be setting the clock of this machine, but hardly by more.
const STEP: u64 = 2_000_000_000;

/// The wall clock of this machine in ns.
fn wall() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970").as_nanos() as u64
}

/// Runs the guest `clock`, whose wall clock must then be this machine's, to within `slack` ns.
pub fn shows_the_time(what: &str, command: &mut Command, slack: u64) {
    let before = wall();
    let output = command.output().expect("it starts");
    let after = wall();
    let (printed, messages) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{what}: {printed}{messages}");
    let time = |label: &str| -> u64 {
        let time = printed.lines().find_map(|line| line.strip_prefix(label));
        let time = time.unwrap_or_else(|| panic!("{what}: no {label} in {printed}"));
        time.parse().expect("a number")
    };
    let (start, now) = (time("at start: "), time("wall: "));
    for (label, time) in [("at the start", start), ("later", now)] {
        assert!(
            (before - slack..=after + slack).contains(&time),
            "{what}: {label} the guest has {time}, between {before} and {after}"
        );
    }
}

#[test]
fn the_wall_clock_is_that_of_the_machine() {
    for (arch, guest) in each("clock") {
        shows_the_time(arch.name(), &mut pvhost(&guest, &[], &[]), STEP);
        shows_the_time(arch.name(), &mut pvhost(&guest, &["--lazy"], &[]), STEP);
        let on_its_own = format!("{arch} without a host");
        shows_the_time(&on_its_own, &mut Command::new(&guest), STEP);
    }
}

/// Runs the guest `clock set`, for whose host somebody sets the wall clock an hour ahead.
pub fn follows_the_time(what: &str, mut command: Command) {
    let folder = TempDir::new().expect("a folder");
    let library = folder.path().join("set_clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/set_clock.c");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(source);
    assert!(compiler.status().expect("a C compiler").success());
    let output = command.env("LD_PRELOAD", &library).output().expect("it starts");
    let (printed, messages) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{what}: {printed}{messages}");
    let set = printed
        .lines()
        .find_map(|line| line.strip_prefix("the wall clock is set by "));
    // Guests whose clock shows seconds are one off.
    assert!(
        matches!(set, Some("3599 s" | "3600 s" | "3601 s")),
        "{what}: {printed}{messages}"
    );
}

#[test]
fn the_wall_clock_follows_that_of_the_machine_when_it_is_set() {
    for (arch, guest) in each("clock") {
        follows_the_time(arch.name(), pvhost(&guest, &[], &["set"]));
    }
}

/// Returns whether this machine's kernel takes its processors' counter for a clock.
fn counter_is_a_clock() -> bool {
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(source).is_ok_and(|source| source.trim() == "tsc")
}

#[test]
fn the_clock_of_the_page_is_kept_where_the_counter_is_a_clock() {
    for (arch, guest) in each("clock") {
        let output = run(&guest, &[], &["page"]);
        let printed = text(&output.stdout);
        let last = printed.lines().last();
        let expected = if counter_is_a_clock() {
            "the page's clock is kept"
        } else {
            "the page's clock is not announced"
        };
        assert_eq!(last, Some(expected), "{arch}: {printed}");
    }
}

#[test]
fn a_timer_that_a_handler_and_its_thread_start_first_is_one() {
    for (arch, guest) in each("first-start") {
        for round in 0..20 {
            let output = Command::new(&guest).output().expect("it starts");
            let printed = text(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{arch}, {round}: {printed}");
        }
    }
}

#[test]
fn all_timers_with_the_shortest_period_are_counted_exactly_while_the_guest_goes_on() {
    for (arch, guest) in each("timers") {
        let output = run(&guest, &[], &["count"]);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arch}: {printed}");
    }
}

/// A handler whose last act is the next raise: without a throttle it would be the guest's only work.
#[test]
fn who_raises_a_line_too_fast_is_made_to_wait() {
    /// As [`LineHandle::raise`](pvhost::process::LineHandle::raise) promises.
    const INTERVAL: Duration = Duration::from_micros(20);
    /// Raises, and those of them that a burst may be ahead.
    const RAISES: u32 = 5000;
    const AHEAD: u32 = 100;
    let _place = place();
    for (arch, guest) in each("storm") {
        let (console, written) = output();
        let raises = Rc::new(Cell::new(0));
        let (rages, again) = (Rc::clone(&raises), Rc::clone(&raises));
        let raise = |raises: &Cell<u32>, call: &Call, line: u32| {
            raises.set(raises.get() + 1);
            call.line(line).expect("the guest knows its lines").raise();
        };
        let line = Rc::new(Cell::new(0));
        let line_of_storm = Rc::clone(&line);
        let start = Rc::new(Cell::new(None));
        let (begin, end) = (Rc::clone(&start), Rc::new(Cell::new(None)));
        let ended = Rc::clone(&end);
        let builder = vm(&guest, console)
            .provide("storm_begin", move |call: &mut Call, number: u32| {
                line_of_storm.set(number);
                begin.set(Some(Instant::now()));
                raise(&raises, call, number);
            })
            .provide("storm_burst", |_: &mut Call, _: u32| 0_u32)
            .provide("storm_rages", move |_: &mut Call| u32::from(rages.get() < RAISES))
            .provide("storm_raises", move |call: &mut Call| {
                if again.get() < RAISES {
                    raise(&again, call, line.get());
                } else if ended.get().is_none() {
                    ended.set(Some(Instant::now()));
                }
                u64::from(again.get())
            });
        let vm = builder.build().expect("a guest for this host");
        let (_, written) = ends_well(vm, written, arch);
        // None of them was one with another.
        let calls = format!("handler calls {RAISES}\n");
        assert!(written.contains(&calls), "{arch}: {written}");
        let (start, end) = (start.get(), end.get());
        let taken = end.expect("it ends") - start.expect("it begins");
        assert!(taken >= INTERVAL * (RAISES - AHEAD), "{arch}: {taken:?}");
    }
}

#[test]
fn idle_uses_no_processor_time() {
    for (arch, guest) in each("fault") {
        let start = Instant::now();
        let used = processor_time(pvhost(&guest, &["--timeout", "1"], &["hang"]));
        assert!(start.elapsed() >= Duration::from_secs(1), "{arch}");
        assert!(used < Duration::from_millis(100), "{arch}: {used:?}");
    }
}

#[test]
fn values_at_and_beyond_the_limits_are_handled() {
    for (arch, guest) in each("limits") {
        let output = run(&guest, &[], &[]);
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stdout));
    }
}

#[test]
fn registers_survive_on_kernels_that_keep_fs_to_themselves() {
    let _place = place();
    for (arch, guest) in each("numeric") {
        let (console, written) = output();
        let vm = vm(&guest, console)
            .command_line("5000 200")
            .without_fsgsbase()
            .build()
            .expect("a guest for this host");
        ends_well(vm, written, arch);
    }
}

/// Runs the command to its end; the processor time that it used.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it")]
fn processor_time(mut command: Command) -> Duration {
    let child = command.spawn().expect("pvhost starts");
    // SAFETY: all zeros is a valid value of this C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let (mut status, process) = (0, child.id() as libc::pid_t);
    // SAFETY: live variables; nobody else waits for this child.
    let waited = unsafe { libc::wait4(process, &mut status, 0, &mut usage) };
    assert_eq!(waited, process, "{}", io::Error::last_os_error());
    let duration =
        |time: libc::timeval| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64);
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

/// Seconds since the guest's start with six digits, the level, the target, the text.
#[test]
fn a_guest_s_log_has_time_level_and_target() {
    for (arch, guest) in each("log") {
        let output = run(&guest, &[], &[]);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arch}: {printed}");
        let mut last = 0.0;
        let lines: Vec<_> = printed
            .lines()
            .map(|line| {
                let Some(record) = line.strip_prefix('[') else {
                    return line;
                };
                let (seconds, rest) = record.trim_start().split_once(' ').expect(line);
                let (_, digits) = seconds.split_once('.').expect(line);
                assert_eq!(digits.len(), 6, "{arch}: {line}");
                let time: f64 = seconds.parse().expect(line);
                assert!(time >= last, "{arch}: {printed}");
                last = time;
                rest
            })
            .collect();
        let expected = [
            "ERROR log] number 1",
            "WARN  log] number 2",
            "INFO  clock] number 3",
            "a second logger: true",
        ];
        assert_eq!(lines, expected, "{arch}");
    }
}
