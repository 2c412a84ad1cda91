// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run`: exit statuses and options.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use paravirt_build::emulators;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use test_support::need::{Need, User};
use test_support::workspace;

use super::guests::{Arch, Running, each, pvhost, run, text};

#[test]
fn hello_says_hello_without_a_word_on_stderr() {
    for (arch, guest) in each("hello") {
        let output = run(&guest, &[], &[]);
        assert_eq!(text(&output.stdout), "Hello from a paravirtualized guest\n", "{arch}");
        assert_eq!(text(&output.stderr), "", "{arch}");
        assert_eq!(output.status.code(), Some(0), "{arch}");
    }
}

/// With as few as it needs to run.
#[test]
fn messages_need_no_descriptor() {
    for (arch, guest) in each("fault") {
        let command = pvhost(&guest, &["--json"], &["null"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 5 && exec \"$0\" \"$@\""]);
        limited.arg(command.get_program()).args(command.get_args());
        let output = limited.stdin(Stdio::null()).output().expect("a shell");
        let messages = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arch}: {messages}");
        for said in ["guest fault: ", "\"status\":5"] {
            assert!(messages.contains(said), "{arch}: {messages}");
        }
    }
}

#[test]
fn the_exit_status_tells_how_the_guest_ended() {
    for (arch, guest) in each("fault") {
        for (arguments, status) in [
            (&["exit", "7"][..], 7),
            (&["exit", "263"], 7),
            (&["fatal"], 3),
            (&["panic"], 3),
            (&["reset"], 4),
            (&["null"], 5),
        ] {
            let output = run(&guest, &[], arguments);
            assert_eq!(output.status.code(), Some(status), "{arch} {arguments:?}");
        }
    }
}

#[test]
fn a_timeout_ends_a_guest_that_sleeps_and_one_that_spins() {
    /// Long enough for an end that comes some times as late to be told from a busy machine.
    const TIMEOUT: Duration = Duration::from_millis(1500);
    for (arch, guest) in each("fault") {
        for end in ["hang", "spin"] {
            let start = Instant::now();
            let output = run(&guest, &["--timeout", "1.5"], &[end]);
            let taken = start.elapsed();
            assert_eq!(output.status.code(), Some(124), "{arch} {end}");
            assert!((TIMEOUT..3 * TIMEOUT).contains(&taken), "{arch} {end}: {taken:?}");
            assert_eq!(text(&output.stderr), "pvhost: timed out after 1.5 s (--timeout)\n");
        }
    }
}

/// The time is counted from the program's start on, whoever is to hear what it says before the guest's.
#[test]
fn nobody_who_reads_no_messages_puts_off_the_end() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    for (arch, guest) in each("fault") {
        let (_reader, mut writer) = std::io::pipe().expect("a pipe");
        // Its room, in which nothing is left for a warning.
        // SAFETY: no pointers.
        let room = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
        let room = usize::try_from(room).expect("a pipe");
        writer.write_all(&vec![b'.'; room]).expect("there is room");
        let mut command = pvhost(&guest, &["--no-sandbox", "--timeout", "3"], &["spin"]);
        let start = Instant::now();
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(writer));
        assert_eq!(running.ends().code(), Some(124), "{arch}");
        let taken = start.elapsed();
        assert!((TIMEOUT..2 * TIMEOUT).contains(&taken), "{arch}: {taken:?}");
    }
}

#[test]
fn the_time_in_which_a_guest_comes_counts() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    for (arch, guest) in each("fault") {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", r#"(sleep 2; cat "$2") | "$1" run --timeout 3 - -- spin"#])
            .args(["sh".as_ref(), env!("CARGO_BIN_EXE_pvhost").as_ref(), guest.as_os_str()])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let start = Instant::now();
        let status = shell.status().expect("a shell");
        assert_eq!(status.code(), Some(124), "{arch}");
        let taken = start.elapsed();
        assert!((TIMEOUT..TIMEOUT * 3 / 2).contains(&taken), "{arch}: {taken:?}");
    }
}

/// Nobody ever writes what is read before the guest's start.
#[test]
fn a_file_that_never_comes_puts_off_no_end() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
    // Which is looked for before Xen's file is read.
    let _ = test_support::qemu();
    let guest = test_support::ring0_guest(Arch::X86_64, "hello");
    let xen = ["--host", "xen", "--xen", fifo.to_str().expect("a plain name")];
    let qemu = ["--host", "qemu"];
    for (file, options) in [
        (fifo.as_path(), &[][..]),
        (&fifo, &qemu),
        (Path::new("-"), &[]),
        (Path::new("-"), &qemu),
        (&guest, &xen),
    ] {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let mut command = pvhost(file, &[&["--timeout", "1"], options].concat(), &[]);
        emulators::environment(&mut command, &workspace());
        let start = Instant::now();
        let mut running = Running::start(command.stdin(reader).stderr(Stdio::piped()));
        let status = running.ends();
        let (taken, said) = (start.elapsed(), text(&running.output().stderr));
        assert_eq!(status.code(), Some(124), "{file:?} {options:?}: {said}");
        assert_eq!(
            said, "pvhost: timed out after 1 s (--timeout)\n",
            "{file:?} {options:?}"
        );
        assert!(taken >= TIMEOUT, "{file:?} {options:?}: {taken:?}");
    }
}

/// A FIFO is a guest's file like another, if somebody writes it in time.
#[test]
fn a_guest_may_come_by_a_fifo_that_nobody_writes_to_yet() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
    for (arch, guest) in each("hello") {
        let running = Running::start(pvhost(&fifo, &[], &[]).stdout(Stdio::piped()).stderr(Stdio::piped()));
        running.wait_until_stalled();
        std::fs::copy(&guest, &fifo).expect("it is read");
        let output = running.output();
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stderr));
    }
}

/// Without a hurry, a reader who has once been too slow is not taken for one who has gone.
#[test]
fn a_message_that_was_given_up_before_the_start_costs_no_report_of_the_end() {
    for (arch, guest) in each("fault") {
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        // Its room, in which nothing is left for a warning.
        // SAFETY: no pointers.
        let room = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_GETPIPE_SZ) };
        let room = usize::try_from(room).expect("a pipe");
        writer.write_all(&vec![b'.'; room]).expect("there is room");
        let mut command = pvhost(&guest, &["--no-sandbox"], &["unfinished"]);
        let mut running = Running::start_until(command.stderr(writer), "a line without an end");
        drop(command);
        running.wait_until_stalled();
        let mut said = String::new();
        reader.read_to_string(&mut said).expect("it writes text");
        assert!(
            said.contains("guest fault:"),
            "{arch}: {}",
            said.trim_start_matches('.')
        );
        assert_eq!(running.ends().code(), Some(5), "{arch}");
    }
}

#[test]
fn errors_of_the_host_and_of_the_command_line_have_their_own_status() {
    for (arch, guest) in each("hello") {
        for (options, status, reason) in [
            (&["--memory", "3.5G"][..], 2, "not a size"),
            (&["--memory", "5G"], 1, "do not fit below 4 GiB"),
            (&["--timeout", "0"], 2, "not a time"),
            (&["--timeout", "1d"], 2, "not a time"),
            (&["--realtime=100"], 2, "not in 1..=99"),
            (&["--unknown"], 2, "--unknown"),
        ] {
            let output = run(&guest, options, &[]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{arch} {options:?}: {stderr}");
            assert!(stderr.contains(reason), "{arch} {options:?}: {stderr}");
        }
    }
}

/// No clock can show when it ends.
#[test]
fn a_timeout_beyond_all_time_is_none() {
    for (arch, guest) in each("hello") {
        for timeout in ["1e19", "5e15h"] {
            let output = run(&guest, &["--timeout", timeout], &[]);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{arch} {timeout}: {}",
                text(&output.stderr)
            );
        }
    }
}

/// The program with these arguments and nothing else.
fn plain<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    command.args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn what_stands_behind_two_dashes_is_guest_and_arguments_if_no_guest_stands_before() {
    for (arch, guest) in each("fault") {
        let guest = guest.as_os_str();
        let word = OsStr::new;
        for arguments in [
            vec![word("run"), guest, word("--"), word("exit"), word("7")],
            vec![word("run"), word("--"), guest, word("exit"), word("7")],
            vec![
                word("run"),
                word("--timeout"),
                word("60s"),
                word("--"),
                guest,
                word("exit"),
                word("7"),
            ],
        ] {
            let output = plain(&arguments).output().expect("pvhost starts");
            assert_eq!(
                output.status.code(),
                Some(7),
                "{arch} {arguments:?}: {}",
                text(&output.stderr)
            );
        }
    }
    // Options behind the guest are the guest's.
    for (arch, guest) in each("api") {
        let arguments = ["a", "--help", "--", "-q"];
        let expected = run(&guest, &[], &arguments);
        let mut command = plain(&["run", "--"]);
        let found = command.arg(&guest).args(arguments).output().expect("pvhost starts");
        assert_eq!(text(&found.stdout), text(&expected.stdout), "{arch}");
        assert_eq!(found.status.code(), expected.status.code(), "{arch}");
    }
    for arguments in [&["run"][..], &["run", "--"], &["run", "--timeout", "1"]] {
        let output = plain(arguments).output().expect("pvhost starts");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn cargo_runs_a_guest_with_a_runner() {
    /// A linker that ignores what it is given and brings a guest: what cargo builds is a guest then.
    const LINKER: &str = "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\nexec cp \"$GUEST\" \"$2\"\n";
    for (arch, guest) in each("fault") {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(&file, text).expect("a file");
            file
        };
        write(
            "Cargo.toml",
            "[package]\nname = \"guest\"\nedition = \"2024\"\n[workspace]\n",
        );
        write("src/main.rs", "fn main() {}\n");
        let linker = write("linker", LINKER);
        std::fs::set_permissions(&linker, Permissions::from_mode(0o755)).expect("a script");
        let pvhost = env!("CARGO_BIN_EXE_pvhost");
        let config = format!("[target.'cfg(all())']\nrunner = \"{pvhost} run --\"\nlinker = \"./linker\"\n");
        write(".cargo/config.toml", &config);
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--", "exit", "7"])
            .current_dir(folder.path())
            .env("GUEST", &guest)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .output()
            .expect("cargo starts");
        assert_eq!(output.status.code(), Some(7), "{arch}: {}", text(&output.stderr));
    }
}

#[test]
fn a_guest_may_come_by_standard_input() {
    for (arch, guest) in each("hello") {
        let input = std::fs::File::open(&guest).expect("a guest");
        let output = plain(&["run", "-"]).stdin(input).output().expect("pvhost starts");
        assert_eq!(text(&output.stdout), "Hello from a paravirtualized guest\n", "{arch}");
    }
}

#[test]
fn quiet_leaves_errors_and_faults_only() {
    for (arch, guest) in each("table") {
        let said = text(&run(&guest, &["--quiet"], &["call"]).stderr);
        assert!(!said.contains("missing: "), "{arch}: {said}");
    }
    for (arch, guest) in each("fault") {
        let output = run(&guest, &["-q", "--timeout", "200ms"], &["hang"]);
        assert_eq!(output.status.code(), Some(124), "{arch}");
        assert_eq!(text(&output.stderr), "", "{arch}");
        let output = run(&guest, &["-q"], &["null"]);
        assert!(text(&output.stderr).starts_with("pvhost: guest fault: "), "{arch}");
        let output = run(&guest, &["-v"], &["exit", "0"]);
        assert!(
            text(&output.stderr).contains("functions bound, 16 MiB of memory"),
            "{arch}"
        );
    }
}

#[test]
fn old_names_of_hosts_are_accepted() {
    for (arch, guest) in each("hello") {
        for host in ["process", "linux-process", "process-l4rtems", "linux-process-2013"] {
            let output = run(&guest, &["--host", host], &[]);
            assert_eq!(output.status.code(), Some(0), "{arch} {host}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn much_and_little_memory_work() {
    for (arch, guest) in each("hello") {
        for size in ["0", "1", "64K", "64KiB", "1G", "3GiB"] {
            let output = run(&guest, &["--memory", size], &[]);
            assert_eq!(output.status.code(), Some(0), "{arch} {size}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn lazy_binding_changes_nothing_but_when() {
    for (arch, guest) in each("irq") {
        let eager = run(&guest, &[], &[]);
        let lazy = run(&guest, &["--lazy"], &[]);
        assert_eq!(eager.status.code(), Some(0), "{arch}");
        assert_eq!(lazy.status.code(), Some(0), "{arch}");
        assert_eq!(text(&eager.stdout), text(&lazy.stdout), "{arch}");
    }
    for (arch, guest) in each("table") {
        let bound = |options| {
            let listed = text(&run(&guest, options, &[]).stdout);
            let names = listed.lines().filter_map(|line| {
                let (name, _) = line.split_once(" bound: ")?;
                (!name.contains(' ')).then(|| name.to_owned())
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(bound(&[]), ["pv_console_write", "pv_shutdown"], "{arch}");
        // The guest has called nothing else when it looks.
        assert_eq!(bound(&["--lazy"]), ["pv_console_write"], "{arch}");
    }
}

/// Scheduling policy and real-time priority of a process (Linux, proc_pid_stat(5)).
fn scheduling(process: u32) -> Option<(u32, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, is field 2 and may contain spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(40 - 3);
    let priority = fields.next()?.parse().ok()?;
    Some((fields.next()?.parse().ok()?, priority))
}

/// Returns whether a program of this user's may have that priority: one that does nothing asks for it.
fn may_have(priority: i32) -> bool {
    let mut command = Command::new("true");
    // SAFETY: a system call with a live variable, which a forked child may make.
    unsafe {
        command.pre_exec(move || {
            let parameters = libc::sched_param {
                sched_priority: priority,
            };
            match libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    command.status().is_ok()
}

#[test]
fn real_time_priority_is_the_one_asked_for() {
    for (option, priority) in [("--realtime", 50), ("--realtime=7", 7)] {
        if !may_have(priority) {
            Need::User(User::RealTime).panic(&format!("priority {priority} is not permitted"));
        }
        for (arch, guest) in each("fault") {
            let mut command = pvhost(&guest, &[option], &["hang"]);
            let running = Running::start_until(command.stderr(Stdio::piped()), "hanging\n");
            assert_eq!(
                scheduling(running.0.id()),
                Some((libc::SCHED_FIFO as u32, priority as u32)),
                "{arch} {option}"
            );
        }
    }
}

#[test]
fn who_may_not_have_real_time_priority_is_told_how_to() {
    for (arch, guest) in each("hello") {
        let mut command = pvhost(&guest, &["--realtime=9"], &[]);
        // SAFETY: two system calls, which a forked child may make, the second of them with a live variable.
        unsafe {
            command.pre_exec(|| {
                /// Linux, capability.h.
                const CAP_SYS_NICE: i32 = 23;
                // Fails for who has no privileges to give away.
                libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0);
                let none = libc::rlimit {
                    rlim_cur: 0,
                    rlim_max: 0,
                };
                match libc::setrlimit(libc::RLIMIT_RTPRIO, &none) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let output = command.output().expect("pvhost starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arch}: {stderr}");
        for part in ["priority 9:", "ulimit -r 9", "CAP_SYS_NICE", "chrt -f 9"] {
            assert!(stderr.contains(part), "{arch} {part}: {stderr}");
        }
        assert_eq!(text(&output.stdout), "", "{arch}");
    }
}

#[test]
fn a_missing_function_is_named_in_one_line_and_ends_the_guest_as_fatal() {
    for (arch, guest) in each("table") {
        for options in [&[][..], &["--lazy"]] {
            let output = run(&guest, options, &["call"]);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{arch} {options:?}: {stderr}");
            let about = stderr.lines().filter(|line| line.contains("missing: "));
            assert_eq!(
                about.collect::<Vec<_>>(),
                ["pvhost: missing: check_missing fn(u32) -> i32"],
                "{arch} {options:?}: {stderr}"
            );
            let named = text(&output.stdout) + &stderr;
            assert!(named.contains("call of `check_missing`"), "{arch} {options:?}: {named}");
        }
    }
}

/// The last line that a run has printed on standard error.
pub fn report(output: &Output) -> serde_json::Value {
    let stderr = text(&output.stderr);
    let line = stderr.lines().last().expect("a line on stderr");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
}

#[test]
fn a_run_is_told_as_json() {
    for (arch, guest) in each("irq") {
        let report = report(&run(&guest, &["--json"], &[]));
        assert_eq!(report["file"], guest.to_str().expect("a plain name"));
        assert_eq!(report["end"], "exit", "{arch}: {report}");
        assert_eq!(report["code"], 0, "{arch}: {report}");
        assert_eq!(report["spurious"], 1, "{arch}: {report}");
        assert!(report["upcalls"].as_u64() > Some(0), "{arch}: {report}");
        let calls = report["calls"].as_array().expect("a list");
        let shutdown = calls.iter().find(|call| call["name"] == "pv_shutdown");
        assert_eq!(shutdown.expect("it ends")["count"], 1, "{arch}: {report}");
    }
}

/// End, code and status of each of them.
#[test]
fn every_end_is_told_as_json() {
    let none = serde_json::Value::Null;
    for (arch, guest) in each("fault") {
        for (arguments, end, code, status) in [
            (&["exit", "263"][..], "exit", 263.into(), 7),
            (&["exit", "4294967295"], "exit", (-1).into(), 255),
            (&["reset"], "reset", none.clone(), 4),
            (&["fatal", "1234"], "fatal", 1234.into(), 3),
            (&["panic"], "fatal", 101.into(), 3),
            (&["null"], "fault", none.clone(), 5),
            (&["hang"], "timeout", none.clone(), 124),
        ] {
            let timeout = if end == "timeout" { "0.2" } else { "60" };
            let output = run(&guest, &["--json", "--timeout", timeout], arguments);
            let report = report(&output);
            assert_eq!(report["end"], end, "{arch} {arguments:?}: {report}");
            assert_eq!(report["code"], code, "{arch} {arguments:?}: {report}");
            assert_eq!(report["status"], status, "{arch} {arguments:?}: {report}");
            assert_eq!(output.status.code(), Some(status), "{arch} {arguments:?}");
            let fault = report["fault"].as_str();
            assert_eq!(
                fault.is_some_and(|fault| fault.contains("where nothing is mapped")),
                end == "fault",
                "{arch} {arguments:?}: {report}"
            );
        }
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let mut command = pvhost(&guest, &["--json"], &["hang"]);
            let running = Running::start_until(command.stderr(Stdio::piped()), "hanging\n");
            running.signal(signal);
            let output = running.output();
            let report = report(&output);
            assert_eq!(output.status.signal(), Some(signal), "{arch}: {report}");
            assert_eq!(report["end"], "signal", "{arch}: {report}");
            assert_eq!(report["code"], signal, "{arch}: {report}");
            // What a shell makes of it.
            assert_eq!(report["status"], 128 + signal, "{arch}: {report}");
        }
    }
    // Otherwise it is the guest that finds out, and says so itself.
    for (arch, guest) in each("table") {
        let output = run(&guest, &["--json", "--lazy"], &["call"]);
        let report = report(&output);
        assert_eq!(report["end"], "unbound", "{arch}: {report}");
        assert_eq!(report["code"], none, "{arch}: {report}");
        assert_eq!(report["status"], 3, "{arch}: {report}");
        let fault = report["fault"].as_str().expect("a report");
        assert!(fault.contains("call of `check_missing`"), "{arch}: {fault}");
    }
}

/// A row of the table that `--stats` prints.
fn row(output: &Output, name: &str) -> u64 {
    let stderr = text(&output.stderr);
    let value = stderr
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {stderr}"))
}

#[test]
fn statistics_count_calls_and_upcalls() {
    for (arch, guest) in each("irq") {
        let output = run(&guest, &["--stats"], &[]);
        assert!(row(&output, "pv_irq_raise") > 0, "{arch}");
        assert!(row(&output, "upcalls") > 0, "{arch}");
        assert_eq!(row(&output, "spurious"), 1, "{arch}");
        assert_eq!(row(&output, "pv_shutdown"), 1, "{arch}");
    }
}

#[test]
fn statistics_measure_idle() {
    /// The guest sleeps all the time that it has; how long its start takes, the machine's load decides.
    const TIMEOUT: Duration = Duration::from_millis(1500);
    for (arch, guest) in each("fault") {
        let options = ["--stats", "--json", "--timeout", "1.5"];
        let start = Instant::now();
        let output = run(&guest, &options, &["hang"]);
        let taken = start.elapsed();
        let report = report(&output);
        let idle = Duration::from_nanos(report["idle_ns"].as_u64().expect("a number"));
        assert!((TIMEOUT / 2..taken).contains(&idle), "{arch}: {report}");
        assert_eq!(report["idle_calls"], 1, "{arch}: {report}");
        assert_eq!(row(&output, "idle calls"), 1, "{arch}");
        assert_eq!(row(&output, "idle ms"), idle.as_millis() as u64, "{arch}");
    }
    for (arch, guest) in each("ticker") {
        let output = run(&guest, &["--stats", "--json"], &["5"]);
        let report = report(&output);
        let idles = report["idle_calls"].as_u64().expect("a number");
        let reports = report["timer_expirations"][1].as_u64().expect("a number");
        // Six reports of the first activity, if the last timer is not late.
        assert!(idles > 0 && reports >= 6, "{arch}: {report}");
        assert_eq!(report["timer_expirations"][0], 0, "{arch}: {report}");
        assert_eq!(row(&output, "pv_cpu_idle"), idles, "{arch}");
        assert_eq!(row(&output, "timer 1 expirations"), reports, "{arch}");
    }
    for (arch, guest) in each("hello") {
        let report = report(&run(&guest, &["--json"], &[]));
        assert_eq!(report["idle_calls"], 0, "{arch}: {report}");
        assert_eq!(report["idle_ns"], 0, "{arch}: {report}");
    }
}
