// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost run`: exit statuses and options.

use std::time::{Duration, Instant};

use super::guests::{each, pvhost, run, text};

#[test]
fn hello_says_hello_without_a_word_on_stderr() {
    for (arch, guest) in each("hello") {
        let output = run(&guest, &[], &[]);
        assert_eq!(
            text(&output.stdout),
            "Hello from a paravirtualized guest\n",
            "{arch}"
        );
        assert_eq!(text(&output.stderr), "", "{arch}");
        assert_eq!(output.status.code(), Some(0), "{arch}");
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
    for (arch, guest) in each("fault") {
        for end in ["hang", "spin"] {
            let start = Instant::now();
            let output = run(&guest, &["--timeout", "0.2"], &[end]);
            assert_eq!(output.status.code(), Some(124), "{arch} {end}");
            assert!(
                start.elapsed() >= Duration::from_millis(200),
                "{arch} {end}"
            );
            assert_eq!(text(&output.stderr), "pvhost: the guest's time is over\n");
        }
    }
}

#[test]
fn errors_of_the_host_and_of_the_command_line_have_their_own_status() {
    for (arch, guest) in each("hello") {
        for (options, status, reason) in [
            (&["--memory", "3.5G"][..], 2, "not a size"),
            (&["--memory", "5G"], 1, "do not fit below 4 GiB"),
            (&["--timeout", "0"], 2, "not a positive number"),
            (&["--realtime=100"], 2, "not in 1..=99"),
            (&["--unknown"], 2, "--unknown"),
        ] {
            let output = run(&guest, options, &[]);
            let stderr = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(status),
                "{arch} {options:?}: {stderr}"
            );
            assert!(stderr.contains(reason), "{arch} {options:?}: {stderr}");
        }
    }
}

#[test]
fn much_and_little_memory_work() {
    for (arch, guest) in each("hello") {
        for size in ["0", "1", "64K", "1G", "3G"] {
            let output = run(&guest, &["--memory", size], &[]);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{arch} {size}: {}",
                text(&output.stderr)
            );
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
            listed
                .lines()
                .filter(|line| !line.contains(" not bound: "))
                .count()
        };
        // The guest has called nothing but `pv_console_write` when it looks.
        assert_eq!((bound(&[]), bound(&["--lazy"])), (2, 1), "{arch}");
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

#[test]
fn real_time_priority_is_the_one_asked_for_or_a_clear_refusal() {
    for (arch, guest) in each("fault") {
        for (option, priority) in [("--realtime", 50), ("--realtime=7", 7)] {
            let mut child = pvhost(&guest, &[option], &["hang"])
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("pvhost starts");
            let start = Instant::now();
            let wanted = Some((libc::SCHED_FIFO as u32, priority));
            let refused = loop {
                if scheduling(child.id()) == wanted {
                    break false;
                }
                if child.try_wait().expect("our child").is_some() {
                    break true;
                }
                assert!(start.elapsed() < Duration::from_secs(10), "{arch} {option}");
                std::thread::sleep(Duration::from_millis(5));
            };
            if !refused {
                // SAFETY: no pointers; the child has not been waited for.
                unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
            }
            let output = child.wait_with_output().expect("it ends");
            if refused {
                let stderr = text(&output.stderr);
                assert!(stderr.contains("CAP_SYS_NICE"), "{arch}: {stderr}");
                println!("skipped: {stderr}");
            }
        }
    }
}

#[test]
fn who_may_not_have_real_time_priority_is_told_how_to() {
    use std::os::unix::process::CommandExt;
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
fn an_unbound_function_is_warned_of_and_ends_the_guest_as_fatal() {
    for (arch, guest) in each("table") {
        for options in [&[][..], &["--lazy"]] {
            let output = run(&guest, options, &["call"]);
            let stderr = text(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(3),
                "{arch} {options:?}: {stderr}"
            );
            assert!(
                stderr.starts_with("pvhost: warning: no host function for `check_missing`"),
                "{arch} {options:?}: {stderr}"
            );
            let named = text(&output.stdout) + &stderr;
            assert!(
                named.contains("call of `check_missing`"),
                "{arch} {options:?}: {named}"
            );
        }
    }
}

#[test]
fn statistics_count_calls_and_upcalls() {
    for (arch, guest) in each("irq") {
        let output = run(&guest, &["--stats"], &[]);
        let stderr = text(&output.stderr);
        let count = |name: &str| {
            stderr
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
                .unwrap_or_else(|| panic!("{arch}: no {name} in {stderr}"))
        };
        let (raises, upcalls, spurious): (u32, u32, u32) =
            (count("pv_irq_raise"), count("upcalls"), count("spurious"));
        assert!(raises > 0 && upcalls > 0, "{arch}: {stderr}");
        assert_eq!(spurious, 1, "{arch}");
        assert_eq!(count("pv_shutdown"), 1, "{arch}");
    }
}

#[test]
fn a_run_is_told_as_json() {
    for (arch, guest) in each("irq") {
        let output = run(&guest, &["--json"], &[]);
        let stderr = text(&output.stderr);
        let line = stderr.lines().last().expect("a line on stderr");
        let report: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert_eq!(report["end"], "exit", "{arch}: {line}");
        assert_eq!(report["code"], 0, "{arch}: {line}");
        assert_eq!(report["spurious"], 1, "{arch}: {line}");
        let calls = report["calls"].as_array().expect("a list");
        let shutdown = calls.iter().find(|call| call["name"] == "pv_shutdown");
        assert_eq!(shutdown.expect("it ends")["count"], 1, "{arch}: {line}");
    }
    for (arch, guest) in each("fault") {
        let output = run(&guest, &["--json"], &["null"]);
        let stderr = text(&output.stderr);
        let line = stderr.lines().last().expect("a line on stderr");
        let report: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert_eq!(report["end"], "fault", "{arch}: {line}");
        assert_eq!(report["status"], 5, "{arch}: {line}");
        let fault = report["fault"].as_str().expect("a report");
        assert!(fault.contains("where nothing is mapped"), "{arch}: {fault}");
    }
}

#[test]
fn a_request_to_end_is_honoured_by_a_guest_that_sleeps_and_one_that_spins() {
    use std::os::unix::process::ExitStatusExt;
    for (arch, guest) in each("fault") {
        for (end, signal) in [("hang", libc::SIGTERM), ("spin", libc::SIGINT)] {
            let mut child = pvhost(&guest, &["--stats"], &[end])
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("pvhost starts");
            std::thread::sleep(Duration::from_millis(200));
            // SAFETY: no pointers; the child has not been waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
            let status = child.wait().expect("it ends");
            assert_eq!(status.signal(), Some(signal), "{arch} {end}: {status}");
            let stderr = std::io::read_to_string(child.stderr.take().expect("piped"));
            assert!(
                stderr.expect("text").contains("upcalls"),
                "{arch} {end}: it ends in good order, with statistics"
            );
        }
    }
}
