// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example application, built and tested as CI services are told to, and run by its own host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use paravirt_build::hosts;
use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;
use paravirt_section_tests::tools::{self, succeed};

const EXAMPLE: &str = "examples/rtems-application";
/// What the driver checks, and a test too.
const CHECK: &str = "value < 0 || value >= STEPS";

/// The application as a project of its own, with what the first steps of a workflow build beside it.
fn project(rtems: &Installed, folder: &Path) {
    let example = test_support::workspace().root().join(EXAMPLE);
    for part in ["", "tests"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
        for entry in fs::read_dir(example.join(part)).expect("a folder of the project") {
            let entry = entry.expect("a readable folder");
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::copy(entry.path(), folder.join(part).join(entry.file_name())).expect("a file can be copied");
            }
        }
    }
    let pvhost = hosts::build(&test_support::workspace(), hosts::PVHOST).expect("pvhost builds");
    for (to, link) in [
        (pvhost.as_path(), "installed/bin/pvhost"),
        (rtems.prefix(), "tools"),
        (&test_support::workspace().rtems(), "paravirt/target/rtems"),
    ] {
        let link = folder.join(link);
        fs::create_dir_all(link.parent().expect("a name below the folder")).expect("a folder");
        symlink(to, link).expect("a link can be made");
    }
}

/// The commands of a workflow that build the application and test it.
fn commands(workflow: &str) -> String {
    let path = test_support::workspace().root().join("host/ci").join(workflow);
    let text = fs::read_to_string(path).expect("a file of the project");
    let commands: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches("- "))
        .filter(|line| *line == "make" || ["export ", "pvhost test "].iter().any(|begin| line.starts_with(begin)))
        .collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    commands.join("\n")
}

fn shell(rtems: &Installed, folder: &Path, commands: &str) -> Output {
    Command::new("sh")
        .args(["-ec", commands])
        .current_dir(folder)
        .env("RTEMS", rtems.release())
        .env("CFLAGS", "-O2 -Wall -Wextra -Werror")
        .env_remove("PKG_CONFIG_PATH")
        .stdin(Stdio::null())
        .output()
        .expect("a shell")
}

pub fn workflows_see_whether_the_example_is_right() {
    let rtems = Installed::find();
    for workflow in ["rtems-github.yml", "rtems-gitlab.yml"] {
        let folder = scratch();
        project(&rtems, folder.path());
        let commands = commands(workflow);
        let report = || fs::read_to_string(folder.path().join("report.xml")).expect("a report");
        let output = shell(&rtems, folder.path(), &commands);
        assert!(output.status.success(), "{workflow}: {output:?}");
        assert!(
            report().contains("<testcase classname=\"tests\" name=\"oven\""),
            "{}",
            report()
        );
        assert!(report().contains(" tests=\"1\" failures=\"0\" "), "{}", report());

        let driver = folder.path().join("oven.c");
        let text = fs::read_to_string(&driver).expect("the driver");
        assert!(text.contains(CHECK), "{text}");
        fs::write(&driver, text.replace(CHECK, "value < 0")).expect("the driver can be written");
        let output = shell(&rtems, folder.path(), &commands);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{workflow}: {output:?}");
        assert!(printed.contains("FAILED: tests/oven: "), "{printed}");
        assert!(report().contains("<failure"), "{}", report());
        let log = fs::read_to_string(folder.path().join("logs/tests/oven.log")).expect("what the test printed");
        assert!(
            log.contains("E:TheDriverReportsAThermometerThatIsNotThere:N:9:F:4:"),
            "{log}"
        );
    }
}

/// The way that the example's Makefile has; twice, as two tests would, and all that they execute is one report.
pub fn gcovr_reports_what_the_examples_test_executes() {
    let rtems = Installed::find();
    test_support::program("gcovr");
    let folder = scratch();
    project(&rtems, folder.path());
    let commands = "export PATH=\"$PWD/installed/bin:$PWD/tools/bin:$PATH\"\n\
         export PKG_CONFIG_PATH=\"$PWD/paravirt/target/rtems/install/lib/pkgconfig\"\n\
         make coverage\n\
         make coverage\n";
    let output = shell(&rtems, folder.path(), commands);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    // A line of the report: `FILE LINES EXECUTED 96% MISSING`.
    let share = |file: &str| {
        let line = printed
            .lines()
            .rev()
            .find(|line| line.starts_with(file))
            .unwrap_or_else(|| panic!("{printed}"));
        let share = line
            .split_whitespace()
            .find_map(|word| word.strip_suffix('%')?.parse::<u32>().ok());
        share.unwrap_or_else(|| panic!("{line}"))
    };
    assert!(
        share("oven.c") > 50 && share("control.c") > 50 && share("tests/oven.c") > 90,
        "{printed}"
    );
    let counters = fs::read(folder.path().join("build/coverage/tests/objects/control.gcda")).expect("counters");
    // Behind magic, version, stamp and checksum: the summary's tag and length, then how many runs.
    assert_eq!(counters[24..28], 2_u32.to_le_bytes(), "both runs count");
}

/// The application itself, whose board no host has but its own.
pub fn the_example_runs_on_its_host() {
    let rtems = Installed::find();
    let folder = scratch();
    project(&rtems, folder.path());
    succeed(tools::run(&mut rtems.make(folder.path())));
    let host = hosts::build(&test_support::workspace(), "oven-host").expect("the host builds");
    let printed = succeed(tools::run(
        Command::new("timeout")
            .args(["--signal=KILL", "60"])
            .arg(host)
            .args(["build/oven.exe", "steps"])
            .current_dir(folder.path()),
    ));
    let expected = fs::read_to_string(folder.path().join("expected.txt")).expect("a file of the example");
    // RTEMS then reports its shutdown.
    assert!(printed.replace('\r', "").starts_with(&expected), "{printed}");
}
