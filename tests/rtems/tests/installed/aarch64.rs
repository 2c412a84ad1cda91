// SPDX-License-Identifier: MIT OR Apache-2.0
//! The BSP for AArch64: one ELF in QEMU at EL1, in a domain of Xen in QEMU, and at EL0 as a Linux program and on the
//! process host, both in QEMU's emulation of programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use paravirt_build::aarch64;
use paravirt_build::emulators::QEMU_USER;
use paravirt_ports::rtems::bsp::Bsp;
use paravirt_rtems_tests::archive::Symbols;
use paravirt_rtems_tests::contract::{Contract, Provider};
use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;
use paravirt_section_tests::tools::{self, succeed};
use pvhost::image::Image;
use test_support::Tool;

fn rtems() -> Installed {
    Installed::of(Bsp::Aarch64)
}

/// A host.
#[derive(Clone, Copy, Debug)]
enum Host {
    /// What `rtems-emulate` calls so.
    Emulated(&'static str),
    /// Linux.
    Native,
    /// `pvhost` in a process.
    Process,
}

const HOSTS: [Host; 4] = [
    Host::Emulated("qemu"),
    Host::Emulated("xen-domu"),
    Host::Native,
    Host::Process,
];

impl Host {
    /// The command that runs a program with a command line, at most 90 s long.
    fn command(self, program: &Path) -> Command {
        if let Self::Emulated(name) = self {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rtems-emulate"));
            command.arg(name).arg(program);
            return command;
        }
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "90", QEMU_USER]);
        if let Self::Process = self {
            let pvhost =
                aarch64::build(&test_support::workspace(), "pvhost").unwrap_or_else(|error| panic!("{error:#}"));
            command.arg(pvhost).args(["run", "--no-sandbox"]);
        }
        command.arg(program);
        command
    }
}

/// What a program prints on each of the hosts, which run at the same time; it must exit with status 0 and print `text`.
fn run(program: &Path, text: &str) -> Vec<String> {
    for tool in [Tool::QemuArm, Tool::XenArm, Tool::QemuUser, Tool::RustAarch64] {
        test_support::tool(tool);
    }
    let run = |host: Host| {
        let output = host.command(program).stdin(Stdio::null()).output().expect("it starts");
        let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && printed.contains(text),
            "{host:?}: {}\n{printed}\n{messages}",
            output.status
        );
        printed
    };
    thread::scope(|scope| {
        let runs = HOSTS.map(|host| scope.spawn(move || run(host)));
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// A program of ours.
fn app(name: &str, text: &str) {
    let folder = scratch();
    let _ = run(&rtems().app(name, folder.path()), text);
}

pub fn the_contract_is_that_of_rtems_headers() {
    let rtems = rtems();
    let folder = scratch();
    let source = folder.path().join("contract.c");
    fs::write(&source, Contract::read(Bsp::Aarch64).source()).expect("a file in the scratch folder");
    let object = folder.path().join("contract.o");
    succeed(tools::run(rtems.gcc().arg("-c").arg(&source).arg("-o").arg(object)));
}

pub fn the_bsp_library_defines_its_part_of_the_contract() {
    let symbols = Symbols::read(&rtems().libraries().join("librtemsbsp.a"));
    let contract = Contract::read(Bsp::Aarch64);
    let missing: Vec<&str> = contract
        .from(Provider::Bsp)
        .map(|symbol| symbol.name.as_str())
        .filter(|name| !symbols.defined.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

pub fn hello_prints_the_same_everywhere() {
    let program = rtems().program("samples/hello.exe");
    let image = Image::open(&program).expect("a sound image");
    let mut backends: Vec<String> = image.backends().into_iter().map(|backend| backend.name).collect();
    backends.sort_unstable();
    assert_eq!(backends, ["bare", "linux_syscall", "xen"]);
    let printed = run(&program, "*** END OF TEST HELLO WORLD ***");
    for other in &printed[1..] {
        assert_eq!(*other, printed[0]);
    }
}

/// The tasks' wake-ups until the last at which all three wake, but for the seconds: a wait may end in the second
/// before, as `samples` knows, and then one more follows.
pub fn ticker_prints_the_same_everywhere() {
    let program = rtems().program("samples/ticker.exe");
    let printed = run(&program, "*** END OF TEST CLOCK TICK ***");
    let wakes = |text: &str| -> Vec<String> {
        let mut wakes = Vec::new();
        for line in text.lines().filter(|line| line.starts_with("TA")) {
            assert!(paravirt_ports::rtems::samples::is_on_time(line), "{line}");
            let (task, time) = line.split_once("09:00:").expect("a time");
            if time < "31" {
                wakes.push(task.to_owned());
            }
        }
        wakes.sort_unstable();
        wakes
    };
    let first = wakes(&printed[0]);
    assert_eq!(first.len(), 7 + 4 + 3, "{first:?}");
    for other in &printed[1..] {
        assert_eq!(wakes(other), first);
    }
}

pub fn processor_state_survives_threads_and_interrupts() {
    app("cpu", "nested interrupts: right");
}

pub fn cpp_exceptions_are_caught() {
    let rtems = rtems();
    for options in [&["-Wl,--gc-sections"][..], &[]] {
        let folder = scratch();
        let program = rtems.cpp_app("exceptions", folder.path(), options);
        let _ = run(&program, "in two tasks at a time: right");
    }
}

pub fn control_words_belong_to_threads() {
    app("control", "exceptions that a task has seen: right");
}

pub fn what_is_raised_is_pending_and_can_be_cleared() {
    app("clear", "interrupts: right");
}

pub fn the_time_of_day_is_the_hosts() {
    app("rtc", "time of day: right");
}

/// RTEMS' dynamic loader needs memory that can be executed, and an image that has the loader asks for it.
pub fn code_runs_in_memory_of_images_with_the_dynamic_loader() {
    let folder = scratch();
    let program: PathBuf = rtems().app_with("code", folder.path(), &["-DLOADER"]);
    let _ = run(&program, "code in memory gives 42");
}
