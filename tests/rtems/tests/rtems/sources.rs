// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C part of the BSP without RTEMS: it compiles against stand-ins for RTEMS' headers, without a warning, and
//! defines its part of the contract.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use paravirt_ports::rtems::bsp::Bsp;
use paravirt_rtems_tests::archive::Symbols;
use paravirt_rtems_tests::contract::{Contract, Provider};
use paravirt_rtems_tests::own;
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::tools::{self, fail, succeed};
use paravirt_section_tests::{scratch, workspace};

/// The compiler of a program for this machine, and of what is for i386: of the system's headers, only the compiler's
/// own are used.
const COMPILER: &str = "cc";

/// A compiler that knows what is for the processor of `bsp`.
const fn program(bsp: Bsp) -> &'static str {
    match bsp {
        Bsp::I386 => COMPILER,
        Bsp::Aarch64 => Arch::Aarch64.gcc(),
    }
}

fn folder() -> PathBuf {
    workspace().join("ffi/rtems/bsp")
}

fn folder_of_shared() -> PathBuf {
    folder().join("shared")
}

/// The folders of what all BSPs have, and of what that one has.
fn parts(bsp: Bsp) -> [PathBuf; 2] {
    [bsp.arch().name(), "shared"].map(|part| folder().join(part))
}

/// The sources of a BSP, C and assembly.
fn sources(bsp: Bsp) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for part in parts(bsp) {
        for folder in fs::read_dir(part).expect("the BSP") {
            let folder = folder.expect("a folder").path();
            for file in fs::read_dir(folder).expect("a folder") {
                let path = file.expect("a file").path();
                if path.extension().is_some_and(|kind| kind == "c" || kind == "S") {
                    sources.push(path);
                }
            }
        }
    }
    sources.sort();
    sources
}

/// A compiler that finds the headers in `headers`, those of BSP and layer, and the stand-ins, with many warnings, all
/// of them errors.
fn compiler(program: &str, bsp: Bsp, headers: &[PathBuf]) -> Command {
    test_support::program(program);
    let own_headers = succeed(tools::run(Command::new(program).arg("-print-file-name=include")));
    let mut command = Command::new(program);
    command
        .args(["-std=gnu11", "-ffreestanding", "-nostdinc", "-O2"])
        .args(["-Wall", "-Wextra", "-Wshadow", "-Werror"])
        .args(["-Wmissing-prototypes", "-Wstrict-prototypes"])
        .args(["-isystem", own_headers.trim()]);
    let stand_ins = [bsp.arch().name(), "."].map(|part| own("fixtures").join(part).join("include"));
    let layer = workspace().join("ffi/include");
    let of_bsp = parts(bsp).map(|part| part.join("include"));
    for headers in headers.iter().chain(&of_bsp).chain([&layer]).chain(&stand_ins) {
        command.arg("-I").arg(headers);
    }
    command
}

/// Compiles `source` as RTEMS' build does.
fn compile(bsp: Bsp, source: &Path, object: &Path) -> Result<(), String> {
    let mut command = compiler(program(bsp), bsp, &[]);
    if bsp == Bsp::I386 {
        command.arg("-m32");
    }
    command.args(bsp.abi_flags()).arg("-c");
    if source.extension().is_some_and(|kind| kind == "S") {
        command.arg("-DASM");
    }
    tools::run(command.arg(source).arg("-o").arg(object)).map(drop)
}

fn compile_text(bsp: Bsp, text: &str) -> Result<(), String> {
    let folder = scratch();
    let source = folder.path().join("test.c");
    fs::write(&source, text).expect("a file in the scratch folder");
    compile(bsp, &source, &folder.path().join("test.o"))
}

#[test]
fn every_source_compiles_and_defines_its_part_of_the_contract() {
    compiles_and_defines_its_part(Bsp::I386);
}

#[test]
fn on_aarch64_every_source_compiles_and_defines_its_part_of_the_contract() {
    compiles_and_defines_its_part(Bsp::Aarch64);
}

fn compiles_and_defines_its_part(bsp: Bsp) {
    let folder = scratch();
    let objects: Vec<PathBuf> = (0..)
        // What looks into the kernel's own structures takes the kernel's own headers: the real RTEMS compiles it.
        .zip(
            sources(bsp)
                .into_iter()
                .filter(|source| source.parent().is_none_or(|folder| !folder.ends_with("debug"))),
        )
        .map(|(number, source)| {
            let object = folder.path().join(format!("{number}.o"));
            succeed(compile(bsp, &source, &object));
            object
        })
        .collect();
    let defined = Symbols::of_objects(&objects).defined;
    let contract = Contract::read(bsp);
    let missing: Vec<&str> = contract
        .from(Provider::Bsp)
        .filter(|symbol| !symbol.shared)
        .map(|symbol| symbol.name.as_str())
        .filter(|name| !defined.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// RTEMS' test tm27 includes this one, no source of ours does.
#[test]
fn the_header_for_tm27_compiles() {
    succeed(compile_text(
        Bsp::I386,
        "#define _RTEMS_TMTEST27\n#include <bsp.h>\n#include <rtems/score/isr.h>\n#include <tm27.h>\n\
         void use(void);\nvoid use(void) { Install_tm27_vector(0); Cause_tm27_intr(); Clear_tm27_intr() \
         Lower_tm27_intr(); }\n",
    ));
}

/// The clock driver with a model of the kernel's time, see there: gaps of more than 32 bits of ns between ticks or
/// readings, late ticks, readers that are preempted, and a time that is set meanwhile.
#[test]
fn the_clock_keeps_the_time() {
    let folder = scratch();
    let model = folder.path().join("model");
    succeed(tools::run(
        compiler(COMPILER, Bsp::I386, &[own("fixtures/clock")])
            .arg(folder_of_shared().join("clock/clock.c"))
            .arg(own("fixtures/clock/model.c"))
            .arg("-o")
            .arg(&model),
    ));
    for arguments in [&[][..], &["seven-seconds-a-tick"]] {
        let printed = succeed(tools::run(Command::new(&model).args(arguments)));
        assert_eq!(printed, "right\n", "{arguments:?}");
    }
}

/// The contract is that of RTEMS' headers, which the tests with RTEMS see to.
#[test]
fn the_stand_ins_declare_the_contract() {
    for bsp in [Bsp::I386, Bsp::Aarch64] {
        let contract = Contract::read(bsp);
        succeed(compile_text(bsp, &contract.source()));
    }
}

/// What a slip in a source comes to: a change of one, and what the compiler says.
#[test]
fn a_slip_in_a_source_does_not_compile() {
    let slips = [
        (
            "irq/irq.c",
            "return status(error);\n",
            "return status(error)\n",
            "expected",
        ),
        (
            "irq/irq.c",
            "paravirt_irq_attach(vector, dispatch, NULL)",
            "paravirt_irq_attach(vector, dispatch)",
            "too few arguments",
        ),
        (
            "clock/clock.c",
            "paravirt_timer_start(PV_TIMER_TICK, clock_period, clock_period)",
            "paravirt_timer_start(PV_TIMER_TICK, clock_period, clock_period, 0)",
            "too many arguments",
        ),
        ("clock/clock.c", "\"Timers\", ", "", "too few arguments"),
        (
            "console/console.c",
            ".write = console_write",
            ".write = console_last_close",
            "incompatible",
        ),
        (
            "start/bspstart.c",
            "void bsp_reset(",
            "void bsp_restart(",
            "no previous prototype",
        ),
        (
            "score/isr.c",
            "    paravirt_cpu_idle();\n",
            "    paravirt_cpu_wait();\n",
            "implicit",
        ),
    ];
    let folder = scratch();
    for (file, from, to, message) in slips {
        let text = fs::read_to_string(folder_of_shared().join(file)).expect("a source");
        let wrong = text.replacen(from, to, 1);
        assert_ne!(text, wrong, "{file} has no {from:?}");
        let source = folder.path().join("wrong.c");
        fs::write(&source, wrong).expect("a file in the scratch folder");
        let messages = fail(compile(Bsp::I386, &source, &folder.path().join("wrong.o")));
        assert!(messages.contains(message), "{file}, {to:?}: {messages}");
    }
}

/// The program sees that interrupts do not take more of a task's stack, and README.md promises it.
#[test]
fn the_most_that_interrupts_take_of_a_stack_is_documented() {
    let program = fs::read_to_string(own("apps/depth.c")).expect("the program");
    let most: u32 = program
        .lines()
        .find_map(|line| line.strip_prefix("#define MOST "))
        .and_then(|number| number.parse().ok())
        .expect("a number");
    let document = fs::read_to_string(workspace().join("ffi/rtems/README.md")).expect("README.md");
    let promise = format!("An interrupt takes at most {},{:03} bytes", most / 1000, most % 1000);
    assert!(document.contains(&promise), "{promise:?} is not there");
}
