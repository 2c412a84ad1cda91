// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time that is not the clock's: faster, slower, as fast as can be, by steps, and with pauses.

use std::cell::Cell;
use std::fs::{self, File};
use std::hint;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pvhost::image::Image;
use pvhost::process::{
    Builder, Call, Console, Exit, Finished, GuestIsize, GuestPtr, GuestUsize, Progress, Ratio, Repeatable, RunError,
    Runner, Steps, Time, Vm,
};

use tempfile::TempDir;

use super::guests::{Running, each, output, place, pvhost, read_back, run, text, vm};

/// Ways that are not real time.
const WAYS: [&str; 6] = ["fast", "fast=20", "steps", "steps=10", "2", "0.5"];

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Keeps all processors busy as long as it lives, each twice.
struct Load(Arc<AtomicBool>);

impl Load {
    fn begin() -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let processors = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..2 * processors {
            let goes_on = Arc::clone(&goes_on);
            thread::spawn(move || {
                while goes_on.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        Self(goes_on)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn the_ticker_prints_the_same_in_each_way_and_waits_in_real_time_only() {
    for (arch, guest) in each("ticker") {
        // Where the clock runs, a unit is 100 ms of it, by which a loaded machine may be late.
        let expected = text(&run(&guest, &[], &["100"]).stdout).replace("100 ms", "20 ms");
        assert!(expected.ends_with("*** end of ticker ***\n"), "{arch}: {expected}");
        for (way, unit) in [("fast", "20"), ("steps", "20"), ("2", "200"), ("0.5", "50")] {
            let output = run(&guest, &["--time", way], &[unit]);
            let printed = text(&output.stdout).replace(&format!("unit is {unit} ms"), "unit is 20 ms");
            assert_eq!(printed, expected, "{arch}, {way}");
        }
        // A unit of a second, as RTEMS' ticker has it: 35 s.
        for way in ["fast", "steps"] {
            let start = Instant::now();
            let output = run(&guest, &["--time", way, "--json"], &["1000"]);
            let taken = start.elapsed();
            assert!(taken < 5 * SECOND, "{arch}, {way}: {taken:?}");
            let printed = text(&output.stdout).replace("1000 ms", "20 ms");
            assert_eq!(printed, expected, "{arch}, {way}");
            let report = report(&output.stderr);
            let passed = report["guest_time_ns"].as_u64().expect("a time");
            let least = 34_500_000_000;
            assert!(
                (least..least + 200_000_000).contains(&passed),
                "{arch}, {way}: {passed}"
            );
        }
    }
}

/// What the guest `rate` has counted.
fn expirations(printed: &str) -> u64 {
    let count = printed
        .strip_prefix("expirations ")
        .and_then(|rest| rest.split_once(','));
    count.expect(printed).0.parse().expect(printed)
}

/// The line of `--json`.
fn report(stderr: &[u8]) -> serde_json::Value {
    let said = text(stderr);
    let line = said.lines().last().expect("a line");
    serde_json::from_str(line).expect(line)
}

#[test]
fn ticks_are_counted_exactly_in_each_way() {
    for (arch, guest) in each("rate") {
        for (way, seconds) in [("fast", "3600"), ("steps", "3600"), ("20", "1"), ("0.5", "1")] {
            for work in ["idle", "busy"] {
                // To be busy for an hour takes an hour of processor time.
                let seconds = if work == "busy" { "1" } else { seconds };
                let output = run(&guest, &["--time", way], &["1000", seconds, work]);
                let printed = text(&output.stdout);
                assert_eq!(output.status.code(), Some(0), "{arch}, {way}, {work}: {printed}");
                // The guest demands as many as have passed; where nobody waits for a clock, it is these.
                let demanded = 1000 * seconds.parse::<u64>().expect("a number");
                let follows_clock = way.parse::<f64>().is_ok();
                let is_right = follows_clock || (demanded..demanded + 10).contains(&expirations(&printed));
                assert!(is_right, "{arch}, {way}, {work}: {printed}");
            }
        }
    }
}

#[test]
fn a_loop_that_makes_no_call_is_interrupted_in_each_way() {
    for (arch, guest) in each("rate") {
        for (way, hz) in [("fast", "1000"), ("steps", "100"), ("20", "1000"), ("0.5", "1000")] {
            let output = run(&guest, &["--time", way, "--json"], &[hz, "1", "compute"]);
            let printed = text(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{arch}, {way}: {printed}");
            let report = report(&output.stderr);
            assert_eq!(report["repeatable"], false, "{arch}, {way}");
            let said = text(&output.stderr);
            let is_said = said.contains("another run may differ: the guest computed for more than 100 ms");
            assert_eq!(is_said, way == "steps", "{arch}, {way}: {said}");
        }
    }
}

/// What other tests run in real time.
#[test]
fn limits_of_the_interface_are_the_same_in_each_way() {
    for way in WAYS {
        for (arch, guest) in each("limits") {
            let output = run(&guest, &["--time", way], &[]);
            assert_eq!(output.status.code(), Some(0), "{arch}, {way}: {}", text(&output.stdout));
        }
        for (arch, guest) in each("timers") {
            let output = run(&guest, &["--time", way], &["count"]);
            assert_eq!(output.status.code(), Some(0), "{arch}, {way}: {}", text(&output.stdout));
        }
    }
}

#[test]
fn conformance_holds_in_each_way_that_follows_a_clock() {
    for (arch, guest) in each("conformance") {
        // A machine's lateness is not multiplied.
        for way in ["fast", "0.5"] {
            let output = run(&guest, &["--time", way], &[]);
            assert_eq!(output.status.code(), Some(0), "{arch}, {way}: {}", text(&output.stdout));
        }
    }
}

/// Guests that need no input, and their arguments.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("hello", &[]),
    ("ticker", &[]),
    ("heap", &[]),
    ("irq", &[]),
    ("embassy", &[]),
    ("c-hello", &[]),
    ("log", &[]),
    ("rate", &["1000", "1"]),
];

#[test]
fn steps_make_runs_repeatable_whatever_else_the_machine_does() {
    for &(name, arguments) in EXAMPLES {
        for (arch, guest) in each(name) {
            let run = |seed: &str| {
                let output = run(&guest, &["--time", "steps", "--seed", seed, "--json"], arguments);
                assert_eq!(
                    output.status.code(),
                    Some(0),
                    "{arch}, {name}: {}",
                    text(&output.stdout)
                );
                let report = report(&output.stderr);
                assert_eq!(report["repeatable"], true, "{arch}, {name}: {report}");
                (text(&output.stdout), report)
            };
            let first = run("7");
            let load = Load::begin();
            for _ in 0..2 {
                assert_eq!(run("7"), first, "{arch}, {name}");
            }
            drop(load);
            let other = run("8");
            assert_ne!(other.1["guest_time_ns"], first.1["guest_time_ns"], "{arch}, {name}");
        }
    }
}

/// However its input comes, by steps the guest has the same.
#[test]
fn steps_wait_for_input_from_a_file_and_from_a_slow_pipe() {
    let input: Vec<u8> = (0..2_000)
        .flat_map(|line| format!("line {line}\n").into_bytes())
        .collect();
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("input");
    fs::write(&file, &input).expect("it can be written");
    for (arch, guest) in each("echo") {
        let options = ["--time", "steps", "--json"];
        let from_file = pvhost(&guest, &options, &[])
            .stdin(File::open(&file).expect("it is there"))
            .output()
            .expect("it starts");
        let mut command = pvhost(&guest, &options, &[]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut running = Running::start(&mut command);
        let mut pipe = running.0.stdin.take().expect("piped");
        let from_pipe = thread::scope(|scope| {
            scope.spawn(|| {
                for part in input.chunks(1_500) {
                    pipe.write_all(part).expect("it reads");
                    thread::sleep(ms(10));
                }
                drop(pipe);
            });
            running.output()
        });
        assert_eq!(from_file.status.code(), Some(0), "{arch}: {}", text(&from_file.stderr));
        assert_eq!(from_pipe.stdout, from_file.stdout, "{arch}");
        assert!(
            from_file.stdout.len() > input.len(),
            "{arch}: {}",
            text(&from_file.stdout)
        );
        let reports = [&from_file, &from_pipe].map(|output| report(&output.stderr));
        assert_eq!(reports[0]["repeatable"], true, "{arch}: {}", reports[0]);
        assert_eq!(reports[0], reports[1], "{arch}");
    }
}

/// Interrupts that come at calls only never hit the race; with some seed they do, and then each time.
#[test]
fn a_seed_finds_a_race_again() {
    for (arch, guest) in each("race") {
        let lost = |options: &[&str]| {
            let output = run(&guest, &[&["--time", "steps"], options].concat(), &[]);
            let printed = text(&output.stdout);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{arch}: {printed}{}",
                text(&output.stderr)
            );
            let (_, lost) = printed.split_once(" expirations, ").expect(&printed);
            lost.strip_suffix(" counts lost\n")
                .expect(lost)
                .parse::<u32>()
                .expect(lost)
        };
        assert_eq!(lost(&[]), 0, "{arch}");
        let seeds = (0..20).map(|seed: u32| seed.to_string());
        let found: Vec<_> = seeds.map(|seed| (lost(&["--seed", &seed]), seed)).collect();
        let (count, seed) = found.iter().max().expect("some");
        assert!(*count > 0, "{arch}: {found:?}");
        for _ in 0..3 {
            assert_eq!(lost(&["--seed", seed]), *count, "{arch}");
        }
    }
}

#[test]
fn ways_that_there_are_not_are_refused_in_words() {
    for (arch, guest) in each("hello") {
        for (way, reason) in [
            ("0", "0.001 to 1000"),
            ("-1", "0.001 to 1000"),
            ("NaN", "0.001 to 1000"),
            ("1e9", "0.001 to 1000"),
            ("slow", "give real, fast, fast=N, steps, steps=NS"),
            ("fast=0", "from 1 to 1000"),
            ("steps=0", "from 1 to 1000000000"),
        ] {
            let output = run(&guest, &[&format!("--time={way}")], &[]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arch}, {way}: {said}");
            assert!(said.contains(reason), "{arch}, {way}: {said}");
        }
        for options in [["--seed", "1"], ["--host=qemu", "--time=fast"]] {
            let output = run(&guest, &options, &[]);
            assert_eq!(output.status.code(), Some(2), "{arch}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn a_time_limit_is_one_of_the_clock() {
    for (arch, guest) in each("rate") {
        for way in ["fast", "steps", "0.001"] {
            let start = Instant::now();
            let options = ["--time", way, "--timeout", "0.5"];
            let output = pvhost(&guest, &options, &["1000", "1000000"])
                .output()
                .expect("it starts");
            assert_eq!(
                output.status.code(),
                Some(124),
                "{arch}, {way}: {}",
                text(&output.stdout)
            );
            assert!(start.elapsed() < 10 * SECOND, "{arch}, {way}");
        }
    }
}

/// A description of a guest that another thread makes.
fn described(
    guest: &Path,
    time: Time,
    arguments: &'static str,
    output: File,
) -> impl FnOnce() -> Builder + Send + use<> {
    let image = Image::open(guest).expect("a sound image");
    move || {
        let input = File::open("/dev/null").expect("there is a /dev/null");
        Vm::builder(image)
            .console(Console::new(input, output))
            .command_line(arguments)
            .timeout(120 * SECOND)
            .time(time)
    }
}

const STEPS: fn() -> Time = || Time::Steps(Steps::default());
const RATIO: fn() -> Time = || Time::Ratio(Ratio::new(20.0).expect("in range"));

fn ended(progress: Progress) -> Finished {
    match progress {
        Progress::Ended(finished) => *finished,
        Progress::Reached => panic!("it goes on"),
    }
}

#[test]
fn a_guest_runs_until_a_time_stands_and_runs_on() {
    let _place = place();
    for (arch, guest) in each("rate") {
        for (name, time) in [
            ("fast", Time::Fast),
            ("steps", STEPS()),
            ("20", RATIO()),
            ("real", Time::Real),
        ] {
            for work in ["1000 1 idle", "1000 1 busy", "1000 1 compute"] {
                let what = format!("{arch}, {name}, {work}");
                let (console, written) = output();
                let mut runner = Runner::new(described(&guest, time, work, console)).expect("a guest for this host");
                assert_eq!(runner.time(), Duration::ZERO, "{what}");
                for goal in (0..1000).step_by(100).map(ms) {
                    assert!(
                        matches!(runner.run_until(goal), Ok(Progress::Reached)),
                        "{what}, {goal:?}"
                    );
                    let late = runner.time().checked_sub(goal).expect("it has come there");
                    let most = match name {
                        "steps" => Duration::from_micros(1),
                        "fast" => ms(90),
                        // On a machine with other work, a clock goes on.
                        _ => Duration::MAX,
                    };
                    assert!(late <= most, "{what}, {goal:?}: {late:?}");
                    if name == "20" || (name == "real" && goal == ms(500)) {
                        break;
                    }
                    // While it stands, so does its time.
                    if goal == ms(300) {
                        thread::sleep(ms(100));
                    }
                    // It is there already, but not before what was asked for.
                    assert!(
                        matches!(runner.run_until(goal), Ok(Progress::Reached)),
                        "{what}, {goal:?}"
                    );
                    if let Some(before) = goal.checked_sub(Duration::from_nanos(1)) {
                        let back = runner.run_until(before);
                        assert!(
                            matches!(back, Err(RunError::Backwards { .. })),
                            "{what}, {goal:?}: {back:?}"
                        );
                    }
                }
                let finished = ended(runner.run_until(Duration::MAX).expect("it runs"));
                let printed = read_back(written);
                assert!(
                    matches!(finished.exit, Exit::Exit(0)),
                    "{what}: {:?} {printed}",
                    finished.exit
                );
                assert!(expirations(&printed) >= 1000, "{what}: {printed}");
                assert!(
                    matches!(runner.run_until(Duration::MAX), Err(RunError::HasEnded)),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_guest_that_nobody_lets_go_on_ends_where_it_stands() {
    let _place = place();
    for (arch, guest) in each("rate") {
        for (goal, work) in [
            (None, "idle"),
            (Some(0), "idle"),
            (Some(500), "idle"),
            (Some(500), "compute"),
        ] {
            let (console, written) = output();
            let arguments = if work == "idle" {
                "1000 1 idle"
            } else {
                "1000 1 compute"
            };
            let mut runner = Runner::new(described(&guest, Time::Fast, arguments, console)).expect("a guest");
            if let Some(goal) = goal {
                assert!(matches!(runner.run_until(ms(goal)), Ok(Progress::Reached)), "{arch}");
            }
            drop(runner);
            assert_eq!(read_back(written), "", "{arch}, {goal:?}, {work}");
        }
    }
}

#[test]
fn lines_are_raised_while_the_guest_stands_and_host_functions_need_not_be_sent() {
    let _place = place();
    for (arch, guest) in each("own-function") {
        let image = Image::open(&guest).expect("a sound image");
        let (console, written) = output();
        let describe = move || {
            let input = File::open("/dev/null").expect("there is a /dev/null");
            // It could not come from another thread.
            let calls = Rc::new(Cell::new(0));
            Vm::builder(image)
                .console(Console::new(input, console))
                .time(STEPS())
                .provide("board_name", |_: &mut Call, _: GuestPtr<u8>, _: GuestUsize| {
                    GuestIsize(0)
                })
                .provide("board_mean", |_: &mut Call, a: f64, b: f64| (a + b) / 2.0)
                .provide("board_temperature", move |_: &mut Call, _: u32| {
                    calls.set(calls.get() + 1);
                    if calls.get() > 3 { -1 } else { 1000 * calls.get() }
                })
        };
        let mut runner = Runner::new(describe).expect("a guest");
        assert!(runner.line(99).is_err(), "{arch}: there is no such line");
        let line = runner.line(7).expect("a line");
        line.raise();
        let finished = ended(runner.run_until(Duration::MAX).expect("it runs"));
        let printed = read_back(written);
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{arch}: {:?} {printed}",
            finished.exit
        );
        assert!(
            printed.contains("sensor 2: 3.000 C\nmean of 1 and 2: 1.5\n"),
            "{arch}: {printed}"
        );
        assert_eq!(finished.stats.repeatable, Repeatable::Yes, "{arch}");
    }
}

#[test]
fn a_description_that_panics_or_fits_no_guest_is_the_callers() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let (console, _written) = output();
        let image = Image::open(&guest).expect("a sound image");
        let wrong = move || {
            let input = File::open("/dev/null").expect("there is a /dev/null");
            Vm::builder(image)
                .console(Console::new(input, console))
                .provide("pv_clock_now", |_: &mut Call, _: f64| ())
                .provide("pv_console_write", |_: &mut Call, _: f64| ())
        };
        let error = Runner::new(wrong).expect_err("another prototype");
        assert!(error.to_string().contains("pv_console_write"), "{arch}: {error}");
    }
    let panics = std::panic::catch_unwind(|| Runner::new(|| panic!("no description")).map(drop));
    assert!(panics.is_err());
}

#[test]
fn a_run_says_how_its_time_has_passed() {
    let _place = place();
    for (arch, guest) in each("rate") {
        for (time, repeatable) in [
            (Time::Real, Repeatable::NotAsked),
            (Time::Fast, Repeatable::NotAsked),
            (STEPS(), Repeatable::Yes),
        ] {
            let (console, written) = output();
            let builder = vm(&guest, console).command_line("1000 1 idle").time(time);
            let finished = builder.build().expect("a guest").run().expect("it runs");
            assert!(matches!(finished.exit, Exit::Exit(0)), "{arch}: {}", read_back(written));
            assert_eq!(finished.stats.repeatable, repeatable, "{arch}, {time}");
            assert!(finished.stats.guest_time >= SECOND, "{arch}, {time}");
        }
    }
}
