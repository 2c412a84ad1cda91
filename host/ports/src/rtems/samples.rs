// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that show a working BSP: run, what they print compared.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::folders::Folders;
use super::group::Group;
use super::host::{Host, Kind};
use super::location::Location;
use paravirt_build::arch::Arch;
use paravirt_build::command;
use paravirt_build::files;
use paravirt_build::hosts;
use paravirt_build::static_library::{self, Library};
use paravirt_build::workspace::Workspace;

/// RTEMS' own, and what each must print.
const SAMPLES: [(&str, &str); 2] = [
    ("hello", "*** END OF TEST HELLO WORLD ***"),
    ("ticker", "*** END OF TEST CLOCK TICK ***"),
];
/// Programs of ours, and the last thing that each finds: two check what differs from host to host, the third is a
/// ticker that compares ticks, expirations and the clock for as long as its command line says.
const OURS: [(&str, &str); 3] = [
    ("clear", "interrupts: right"),
    ("rtc", "time of day: right"),
    ("long", "free memory: right"),
];

/// A program and how it is run.
#[derive(Debug)]
struct Sample {
    program: PathBuf,
    arguments: Vec<String>,
    /// A line that it must print.
    end: &'static str,
}

/// Runs them on `host`. RTEMS and the BSP are built.
///
/// # Errors
/// Something does not start, or does not print what it should, or at the wrong time.
pub fn run(workspace: &Workspace, location: &Location, host: &Host) -> Result<()> {
    let folders = Folders::new(workspace, location.bsp);
    let group = folders.programs.join(Group::Samples.name());
    let mut samples: Vec<Sample> = SAMPLES
        .iter()
        .map(|(name, end)| Sample {
            program: group.join(name).with_extension("exe"),
            arguments: Vec::new(),
            end,
        })
        .collect();
    if let Some(seconds) = seconds(host.kind) {
        for (name, end) in OURS {
            samples.push(Sample {
                program: build(workspace, location, host.kind, name, seconds)?,
                arguments: vec![seconds.to_string()],
                end,
            });
        }
    }
    for sample in &samples {
        run_one(workspace, host, sample)?;
    }
    Ok(())
}

/// How long the ticker counts. On hosts with tests of their own for what our programs check, they do not run here.
fn seconds(kind: Kind) -> Option<u32> {
    match kind {
        Kind::L4re => Some(60),
        // Each second takes some ten on the emulated machine.
        Kind::Pok => Some(10),
        _ => None,
    }
}

/// The compiler with the options of an application, as RTEMS' manual has them. The folder of the BSP, which is
/// installed, is left to add.
fn compiler(location: &Location) -> Command {
    let mut gcc = Command::new(location.tool("gcc"));
    gcc.arg("-qrtems")
        .args(location.bsp.abi_flags())
        .args(["-O2", "-Wl,--gc-sections"]);
    gcc
}

/// Builds a program of ours as RTEMS' users do, with its command line in it for a host that passes none.
fn build(workspace: &Workspace, location: &Location, kind: Kind, name: &str, seconds: u32) -> Result<PathBuf> {
    let folders = Folders::new(workspace, location.bsp);
    let folder = folders.root.join("apps").join(kind.name());
    fs::create_dir_all(&folder)?;
    let command_line = folder.join("command-line.c");
    let text = format!("const char paravirt_command_line[] = \"{seconds}\";\n");
    files::write_if_changed(&command_line, text.as_bytes())?;
    let program = folder.join(name).with_extension("exe");
    command::output(
        compiler(location)
            .arg(format!("-B{}", folders.libraries(location).display()))
            .arg(workspace.root().join("tests/rtems/apps").join(name).with_extension("c"))
            .arg(&command_line)
            .arg("-o")
            .arg(&program),
    )?;
    Ok(program)
}

fn run_one(workspace: &Workspace, host: &Host, sample: &Sample) -> Result<()> {
    let command = host.command(&sample.program, &sample.arguments);
    let mut ended = false;
    let mut late = Vec::new();
    let status = show(workspace, &command, host.kind.limit(), |line| {
        ended |= line == sample.end;
        if !is_on_time(line) {
            late.push(line.to_owned());
        }
    })?;
    let name = workspace.shorten(&sample.program).display();
    ensure!(ended, "{name} did not print {:?} ({status})", sample.end);
    ensure!(status.success(), "{name} ended with {status}");
    ensure!(late.is_empty(), "{name}: at the wrong time: {late:?}");
    Ok(())
}

/// Runs a command for that time at most, and shows it and each line that it prints.
fn show(workspace: &Workspace, command: &Command, limit: Duration, mut take: impl FnMut(&str)) -> Result<ExitStatus> {
    println!("\n$ {}", workspace.command_line(command));
    command::each_line(&mut command::limited(command, limit), |line| {
        let line = line.trim_end();
        println!("{line}");
        take(line);
    })
}

/// The package of the example application in Rust, and the name of its folder below `examples`.
const RUST_EXAMPLE: &str = "rtems-rust";
/// What that builds, in place of the BSP's own library.
const RUST_LIBRARY: Library = Library {
    package: RUST_EXAMPLE,
    built: "librtems_rust.a",
    ..static_library::RTEMS
};

/// Builds the example application in Rust against the installed BSP, as its README says, and runs it.
///
/// # Errors
/// It does not build, or does not print what it should.
pub fn run_rust_example(workspace: &Workspace, location: &Location) -> Result<()> {
    let sources = workspace.root().join("examples").join(RUST_EXAMPLE);
    let folders = Folders::new(workspace, location.bsp);
    let folder = folders.root.join(RUST_EXAMPLE);
    println!("building {RUST_EXAMPLE}, which contains the Rust part of the BSP");
    static_library::build(workspace, Arch::I386, RUST_LIBRARY, &folder)?;

    let program = folder.join(format!("{RUST_EXAMPLE}.exe"));
    println!("linking {}", workspace.shorten(&program).display());
    command::run(
        compiler(location)
            .args(["-Wall", "-Wextra", "-Werror"])
            // Before the BSP's folder, so that the library found first is the application's.
            .arg(format!("-L{}", folder.display()))
            .arg(format!("-B{}", folders.libraries(location).display()))
            .arg(sources.join("c/configuration.c"))
            .arg("-o")
            .arg(&program),
    )?;

    let mut host = Command::new(hosts::build(workspace, hosts::PVHOST)?);
    host.arg("run").arg(&program);
    let mut printed = String::new();
    // It takes a quarter of a second.
    let status = show(workspace, &host, Duration::from_secs(30), |line| {
        printed.push_str(line);
        printed.push('\n');
    })?;
    let expected = fs::read_to_string(sources.join("expected.txt"))?;
    // RTEMS then reports its shutdown, with version numbers.
    ensure!(
        printed.starts_with(&expected),
        "{RUST_EXAMPLE} should have printed:\n{expected}"
    );
    ensure!(status.success(), "{RUST_EXAMPLE} ended with {status}");
    Ok(())
}

/// Returns whether a line of ticker has the right time. Its task n wakes every 5 n seconds, and RTEMS may count the
/// first tick of a wait early, so the clock may show the second before.
pub fn is_on_time(line: &str) -> bool {
    let Some((task, time)) = line.split_once(" - rtems_clock_get_tod - 09:00:") else {
        return true;
    };
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let period = task.trim().strip_prefix("TA").and_then(number);
    let second = time.get(..2).and_then(number);
    match (period, second) {
        (Some(task @ 1..), Some(second)) => {
            let period = 5 * task;
            second % period == 0 || (second + 1) % period == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_on_time;

    #[test]
    fn ticker_s_tasks_wake_at_multiples_of_their_period() {
        let line = |task, second| format!("TA{task}  - rtems_clock_get_tod - 09:00:{second:02}   12/31/1988");
        for (task, second) in [(1, 0), (1, 5), (1, 34), (2, 20), (3, 14), (3, 30)] {
            assert!(is_on_time(&line(task, second)), "{task} {second}");
        }
        for (task, second) in [(1, 6), (1, 3), (2, 15), (3, 16)] {
            assert!(!is_on_time(&line(task, second)), "{task} {second}");
        }
        assert!(is_on_time("*** TEST STATE: EXPECTED_PASS"));
    }
}
