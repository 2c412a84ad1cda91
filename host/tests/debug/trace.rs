// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run --trace` and `pvhost report`.

use std::fs;
use std::io::{self, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pvhost::streams::Stream;
use pvhost::trace::{Delivery, Event, Recording};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use test_support::need::User;
use test_support::users;

use super::guests::{Running, each, ends_well, output, place, pvhost, run, text, vm};

fn report(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    let command = command.arg("report").args(arguments).stdin(Stdio::null());
    command.output().expect("it starts")
}

fn recording(file: &Path) -> Recording {
    Recording::read(&fs::read(file).expect("a trace")).expect("a trace of ours")
}

fn name(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

/// Three timers with a period of 50 units of 1 ms and more: 20 expirations or so, of which each wakes the guest up.
#[test]
fn a_trace_says_what_a_guest_has_done() {
    let folder = TempDir::new().expect("a folder");
    for (arch, guest) in each("ticker") {
        for time in ["real", "fast", "steps=1000", "20"] {
            let file = folder.path().join(format!("{arch}-{time}"));
            let output = run(&guest, &["--time", time, "--trace", name(&file)], &["1"]);
            let what = format!("{arch}, {time}: {}", text(&output.stderr));
            assert_eq!(output.status.code(), Some(0), "{what}");
            assert!(output.stdout.ends_with(b"*** end of ticker ***\n"), "{what}");
            let trace = recording(&file);
            assert_eq!((trace.time.as_str(), trace.lost), (time, 0), "{what}");
            assert_eq!(trace.guest, name(&guest));
            let functions = trace.by_function();
            assert!(functions["pv_console_write"].count() >= 5, "{what}: {functions:?}");
            assert_eq!(functions["pv_shutdown"].count(), 1, "{what}");
            assert!(!trace.idle.is_empty(), "{what}");
            // On a machine with much else to do, several come together.
            assert!(!trace.ticks.is_empty(), "{what}: {:?}", trace.ticks);
            assert!(trace.ticks.iter().all(|tick| tick.at >= tick.due), "{what}");
            // Timers that expire together make one interrupt.
            let ticks = trace.tick_latency();
            assert!((1..=trace.ticks.len()).contains(&ticks.count()), "{what}: {ticks:?}");
            assert!(trace.threads.is_empty(), "{what}");
            let is_in_order =
                |slices: &[pvhost::trace::Slice]| slices.windows(2).all(|pair| pair[0].end <= pair[1].start);
            assert!(is_in_order(&trace.calls) && is_in_order(&trace.idle), "{what}");
        }
        let steps = [0, 1].map(|round| {
            let file = folder.path().join(format!("{arch}-{round}"));
            run(&guest, &["--time", "steps", "--trace", name(&file)], &["1"]);
            let Recording {
                calls,
                ticks,
                interrupts,
                ..
            } = recording(&file);
            (calls, ticks, interrupts)
        });
        assert_eq!(steps[0], steps[1], "{arch}: the same in each run");
    }
}

#[test]
fn interrupts_are_those_that_were_counted() {
    for (arch, guest) in each("irq") {
        let _place = place();
        let (console, written) = output();
        let vm = vm(&guest, console).trace(1 << 20).build().expect("a guest");
        let (finished, _) = ends_well(vm, written, arch);
        let trace = finished.trace.expect("it was asked for");
        assert_eq!(trace.lost, 0, "{arch}");
        let upcalls = trace.events.iter().filter(|event| {
            matches!(
                event,
                Event::Interrupt {
                    delivery: Delivery::Signal | Delivery::Call,
                    ..
                }
            )
        });
        // The last may have had no call behind it by which it is seen.
        let seen = upcalls.count() as u64;
        assert!(seen > 0 && seen <= finished.stats.upcalls, "{arch}: {seen}");
        for (name, calls) in finished.stats.calls {
            let index = trace.functions.iter().position(|function| *function == name);
            let traced = trace
                .events
                .iter()
                .filter(|event| matches!(event, Event::Call { function, .. } if Some(*function as usize) == index));
            assert_eq!(traced.count() as u64, calls, "{arch}: {name}");
        }
    }
}

#[test]
fn the_oldest_events_go_and_are_counted() {
    let folder = TempDir::new().expect("a folder");
    for (arch, guest) in each("ticker") {
        let file = folder.path().join(arch.name());
        let options = ["--time", "fast", "--trace-memory", "4KiB", "--trace", name(&file)];
        let output = run(&guest, &options, &["1"]);
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{messages}");
        let trace = recording(&file);
        assert!(trace.lost > 0, "{arch}");
        assert_eq!(
            trace.by_function()["pv_shutdown"].count(),
            1,
            "{arch}: the last is there"
        );
        let said = format!("the trace has the last 64 events; {} before them are lost", trace.lost);
        assert!(messages.contains(&said), "{arch}: {messages}");
        let output = report(&[name(&file)]);
        let printed = text(&output.stdout);
        assert!(
            printed.contains(&format!(", {} lost events\n", trace.lost)),
            "{printed}"
        );
    }
}

#[test]
fn a_guest_that_is_ended_leaves_its_trace() {
    let folder = TempDir::new().expect("a folder");
    for (arch, guest) in each("ticker") {
        let file = folder.path().join(arch.name());
        let options = ["--timeout", "300ms", "--trace", name(&file)];
        let output = run(&guest, &options, &["1000"]);
        assert_eq!(output.status.code(), Some(124), "{arch}");
        assert!(!recording(&file).calls.is_empty(), "{arch}");

        fs::remove_file(&file).expect("it is there");
        let mut command = pvhost(&guest, &["--trace", name(&file)], &["1000"]);
        let mut running = Running::start_until(&mut command, "TA3 - unit  0\n");
        running.signal(libc::SIGTERM);
        let status = running.ends();
        assert_eq!(status.signal(), Some(libc::SIGTERM), "{arch}");
        assert!(!recording(&file).calls.is_empty(), "{arch}");
    }
}

#[test]
fn a_trace_is_written_as_every_file_is() {
    let folder = TempDir::new().expect("a folder");
    let (_, guest) = each("hello").next().expect("an architecture");
    // A link stays, and what it leads to is replaced.
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    fs::write(&file, "what was there").expect("a file");
    symlink("file", &link).expect("a link");
    let output = run(&guest, &["--trace", name(&link)], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(link.is_symlink());
    assert!(!recording(&file).calls.is_empty());
    // A full disk: a message, and the guest's status.
    let output = run(&guest, &["--trace", "/dev/full"], &[]);
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{messages}");
    assert!(
        messages.contains("no trace: cannot write /dev/full: No space left"),
        "{messages}"
    );
    // What cannot be is known before the guest starts.
    let copy = folder.path().join("guest");
    fs::copy(&guest, &copy).expect("a copy");
    for (file, why) in [
        (folder.path().join("no/such/folder"), "No such file or directory"),
        (folder.path().to_owned(), "is a directory"),
        (copy.clone(), "guest, which would be lost"),
    ] {
        let output = run(&copy, &["--trace", name(&file)], &[]);
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{messages}");
        assert!(messages.contains(why), "{messages}");
        assert!(output.stdout.is_empty(), "the guest has run");
    }
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 3, "nothing else is left");
}

/// Of a result that goes to a pipe.
#[test]
fn a_reader_that_does_not_read_keeps_no_run_beyond_its_end() {
    let (_, guest) = each("ticker").next().expect("an architecture");
    for signal in [None, Some(libc::SIGTERM)] {
        let (_reader, writer) = pipe().expect("a pipe");
        let stream = Stream::writer(writer.try_clone().expect("a second handle").into());
        while stream.write(&[b'x'; 4096]).is_ok() {}
        let limit = if signal.is_some() { "60" } else { "300ms" };
        let mut command = pvhost(&guest, &["--timeout", limit, "--trace", "/dev/fd/9"], &["1000"]);
        hand_over(&mut command, writer, 9);
        let mut running = Running::start_until(command.stderr(Stdio::piped()), "TA3 - unit  0\n");
        if let Some(signal) = signal {
            running.signal(signal);
        }
        let status = running.ends();
        assert_eq!(
            (status.code(), status.signal()),
            (signal.is_none().then_some(124), signal)
        );
        let messages = text(&running.output().stderr);
        assert!(messages.contains("/dev/fd/9: timed out"), "{messages}");
    }
}

/// The program that is started has that file under that number.
fn hand_over(command: &mut Command, file: impl Into<OwnedFd>, number: i32) {
    let file = file.into();
    // SAFETY: dup2 may be called between fork and exec, and what it closes is nobody's there.
    unsafe {
        command.pre_exec(move || match libc::dup2(file.as_raw_fd(), number) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

#[test]
fn a_fifo_is_waited_for_until_the_time_is_over() {
    let folder = TempDir::new().expect("a folder");
    let (_, guest) = each("hello").next().expect("an architecture");
    let fifo = folder.path().join("fifo");
    let make = || mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
    make();
    for option in ["--trace", "--profile"] {
        let output = run(&guest, &["--timeout", "300ms", option, name(&fifo)], &[]);
        assert_eq!(output.status.code(), Some(124), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "the guest has run");
    }
    // A reader that comes late gets all of it.
    let mut command = pvhost(&guest, &["--trace", name(&fifo)], &[]);
    let mut running = Running::start(command.stdout(Stdio::null()));
    running.wait_until_asleep();
    let trace = fs::read(&fifo).expect("a trace");
    assert_eq!(running.ends().code(), Some(0));
    assert!(!Recording::read(&trace).expect("a trace of ours").calls.is_empty());
}

#[test]
fn no_result_is_lost_for_another() {
    let folder = TempDir::new().expect("a folder");
    let (_, guest) = each("hello").next().expect("an architecture");
    let (one, same) = (folder.path().join("one"), folder.path().join("./one"));
    symlink("one", folder.path().join("link")).expect("a link");
    let link = folder.path().join("link");
    let console = format!("file:{}", name(&one));
    for options in [
        ["--trace", name(&one), "--profile", name(&same)],
        ["--trace", name(&one), "--core", name(&same)],
        ["--trace", name(&one), "--profile", name(&link)],
        ["--trace", name(&one), "--console", &console],
        ["--trace", "-", "--profile", "/dev/stdout"],
    ] {
        let output = run(&guest, &options, &[]);
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {messages}");
        assert!(messages.contains("are one; give each"), "{messages}");
        assert!(output.stdout.is_empty(), "the guest has run");
    }
    let output = run(&guest, &["--trace", "/dev/null", "--profile", "/dev/null"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = run(&guest, &["--core", "-"], &[]);
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{messages}");
    assert!(messages.contains("`--core` wants a file"), "{messages}");
}

#[test]
fn what_there_is_no_memory_for_is_said() {
    let folder = TempDir::new().expect("a folder");
    let (_, guest) = each("hello").next().expect("an architecture");
    let result = folder.path().join("result");
    for options in [
        ["--profile", name(&result), "--memory", "1MiB"],
        ["--trace", name(&result), "--trace-memory", "256MiB"],
    ] {
        let command = pvhost(&guest, &options, &[]);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -v 65536 && exec \"$0\" \"$@\""]);
        limited.arg(command.get_program()).args(command.get_args());
        let output = limited.output().expect("a shell");
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{options:?}: {messages}");
        assert!(messages.contains("error: no room for a"), "{options:?}: {messages}");
    }
}

#[test]
fn a_report_refuses_what_is_no_trace() {
    let folder = TempDir::new().expect("a folder");
    let (_, guest) = each("hello").next().expect("an architecture");
    let good = folder.path().join("good");
    run(&guest, &["--trace", name(&good)], &[]);
    let trace = fs::read(&good).expect("a trace");
    let file = folder.path().join("bad");
    for (content, why) in [
        (&b"not a trace"[..], "not a trace"),
        (&[], "another program"),
        (&trace[..trace.len() - 1], "not a trace: from byte"),
        // A packet of a length that no file has.
        (
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            "from byte 0 on",
        ),
    ] {
        fs::write(&file, content).expect("a file");
        let output = report(&[name(&file)]);
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{messages}");
        assert!(messages.contains(why), "{messages}");
    }
    // Whatever is in it, there is an end, and no panic.
    for at in 0..trace.len() {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = trace.clone();
            damaged[at] = value;
            if let Ok(recording) = Recording::read(&damaged) {
                assert!(recording.histogram().contains("</svg>"));
                assert!(recording.timeline(None).contains("</svg>"));
            }
        }
    }
}

#[test]
fn pictures_are_svg() {
    let folder = TempDir::new().expect("a folder");
    for (arch, guest) in each("ticker") {
        let at = |name: &str| folder.path().join(name);
        let (trace, histogram, timeline) = (at("trace"), at("histogram"), at("timeline"));
        run(&guest, &["--time", "fast", "--trace", name(&trace)], &["1"]);
        let pictures = ["--histogram", name(&histogram), "--timeline", name(&timeline)];
        let output = report(&[&[name(&trace)], &pictures[..], &["--from", "5ms", "--to", "1s"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stderr));
        for (file, words) in [
            (&histogram, "Timer due to interrupt taken"),
            (&timeline, "pv_console_write"),
        ] {
            let picture = fs::read_to_string(file).expect("a picture");
            let document = roxmltree::Document::parse(&picture).expect("XML");
            let root = document.root_element();
            assert_eq!(root.tag_name().name(), "svg");
            assert!(
                root.descendants()
                    .any(|node| node.text().is_some_and(|text| text.contains(words)))
            );
        }
        let output = report(&[name(&trace), "--histogram", name(&trace)]);
        assert_eq!(output.status.code(), Some(1), "the trace itself is not overwritten");
    }
}

#[test]
fn other_hosts_refuse_it() {
    let (_, guest) = each("hello").next().expect("an architecture");
    for host in ["qemu", "xen"] {
        for option in ["--trace", "--profile"] {
            let output = run(&guest, &["--host", host, option, "file"], &[]);
            let messages = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{messages}");
            let said = format!("`{option}` is for `--host process` only");
            assert!(messages.contains(&said), "{messages}");
        }
    }
}

#[test]
fn a_profile_says_who_has_called_whom() {
    let folder = TempDir::new().expect("a folder");
    for (arch, guest) in each("fault") {
        let (folded, flames) = (folder.path().join("folded"), folder.path().join("flames.svg"));
        for file in [&folded, &flames] {
            let output = run(&guest, &["--timeout", "2s", "--profile", name(file)], &["spin"]);
            assert_eq!(output.status.code(), Some(124), "{arch}: {}", text(&output.stderr));
        }
        let folded = fs::read_to_string(&folded).expect("a profile");
        let mut samples = 0_u64;
        let mut of_main = 0;
        for line in folded.lines() {
            let (stack, count) = line.rsplit_once(' ').expect("a stack and a number");
            let count: u64 = count.parse().expect("a number");
            samples += count;
            if stack.starts_with("_start;") && stack.contains(";paravirt_main") {
                of_main += count;
            }
        }
        // It computes all the time, and is sampled every 4 ms or so, as far as it has a processor.
        assert!(samples >= 5 && of_main * 10 >= samples * 8, "{arch}: {folded}");
        let picture = fs::read_to_string(&flames).expect("a picture");
        assert!(
            picture.contains("paravirt_main") && picture.trim_end().ends_with("</svg>"),
            "{arch}"
        );
    }
}

/// Not what is written here reads it, but what Perfetto says of its format: `pip install perfetto`.
#[test]
fn a_trace_is_as_perfetto_defines_it() {
    let python = users(User::PerfettoPython);
    let folder = TempDir::new().expect("a folder");
    for (arch, guest) in each("ticker") {
        for time in ["real", "fast"] {
            let file = folder.path().join(arch.name());
            run(&guest, &["--time", time, "--trace", name(&file)], &["1"]);
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/debug/check_trace.py");
            let output = Command::new(&python)
                .arg(script)
                .arg(&file)
                .output()
                .expect("it starts");
            assert!(output.status.success(), "{arch}, {time}: {}", text(&output.stderr));
        }
    }
}
