// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time by steps: RTEMS' own programs are the same in each run.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{hint, thread};

use paravirt_build::hosts;
use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;

/// Programs that come to their end without input and never compute for 100 ms of processor time without a call; those
/// of the first group are built with the BSP.
const PROGRAMS: [(&str, &[&str]); 4] = [
    (
        "samples",
        &[
            "base_sp",
            "capture",
            "fileio",
            "hello",
            "nsecs",
            "paranoia",
            "ticker",
            "unlimited",
        ],
    ),
    // Ticks, priorities and time slices, timers, the console without interrupts, EDF.
    (
        "sptests",
        &["sp05", "sp12", "sp20", "sp30", "spconsole01", "spedfsched02"],
    ),
    ("psxtests", &["psx10", "psx16", "psxrwlock01"]),
    ("libtests", &["block08", "malloctest", "termios"]),
];

/// Twenty programs, each three times at once while all processors are busy, with and without a seed: what they print,
/// and all that the host says of them.
pub fn twenty_programs_are_the_same_in_each_run() {
    let rtems = Installed::find();
    let pvhost = hosts::build(&test_support::workspace(), hosts::PVHOST).expect("pvhost builds");
    let folder = scratch();
    let mut programs = Vec::new();
    for (group, names) in PROGRAMS {
        for name in names {
            programs.push(match group {
                "samples" => rtems.program(&format!("{group}/{name}.exe")),
                _ => rtems.test_program(group, name, folder.path()),
            });
        }
    }
    assert_eq!(programs.len(), 20);
    under_load(|| {
        for program in &programs {
            for options in [&[][..], &["--seed", "7"]] {
                three_runs_are_the_same(&pvhost, program, options);
            }
        }
    });
}

fn three_runs_are_the_same(pvhost: &Path, program: &Path, options: &[&str]) {
    let name = program.display();
    let runs: Vec<_> = (0..3)
        .map(|_| {
            Command::new(pvhost)
                .args(["run", "--time", "steps", "--json", "--timeout", "2min"])
                .args(options)
                .arg(program)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("pvhost starts")
        })
        .collect();
    let runs: Vec<Output> = runs
        .into_iter()
        .map(|run| run.wait_with_output().expect("it ends"))
        .collect();
    for run in &runs {
        let [printed, said] = [&run.stdout, &run.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(
            run.status.success(),
            "{name} {options:?}: {}\n{said}\n{printed}",
            run.status
        );
        assert!(printed.contains("*** END OF TEST "), "{name} {options:?}: {printed}");
        assert!(said.contains(r#""repeatable":true"#), "{name} {options:?}: {said}");
        assert_eq!(said, String::from_utf8_lossy(&runs[0].stderr), "{name} {options:?}");
        assert!(run.stdout == runs[0].stdout, "{name} {options:?}: other output");
    }
}

/// Does `work` while all processors are busy, each twice.
fn under_load(work: impl FnOnce()) {
    /// Ends the load also if the work panics.
    struct Ends<'a>(&'a AtomicBool);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let ended = AtomicBool::new(false);
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let _ends = Ends(&ended);
        for _ in 0..2 * processors {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        work();
    });
}
