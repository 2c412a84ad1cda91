// SPDX-License-Identifier: MIT OR Apache-2.0
//! The BSP on the process host.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use paravirt_abi::error::Error;
use paravirt_build::hosts;
use paravirt_ports::rtems::bsp::Bsp;
use paravirt_rtems_tests::archive::Symbols;
use paravirt_rtems_tests::contract::{Contract, Provider};
use paravirt_rtems_tests::installed::Installed;
use paravirt_rtems_tests::{long, own, run};
use paravirt_section_tests::scratch;
use paravirt_section_tests::tools::{self, succeed};
use pvhost::audit::{Allowlist, audit};
use pvhost::image::Image;
use pvhost::process::{Builder, Call, Exit, Steps, Time};
use pvhost::trace::Recording;

/// Time for programs that end by themselves.
const LIMIT: Duration = Duration::from_secs(20);

pub fn the_contract_is_that_of_rtems_headers() {
    let rtems = Installed::find();
    let contract = Contract::read(Bsp::I386);
    let folder = scratch();
    let source = folder.path().join("contract.c");
    fs::write(&source, contract.source()).expect("a file in the scratch folder");
    succeed(tools::run(
        rtems
            .gcc()
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(folder.path().join("contract.o")),
    ));
}

pub fn the_bsp_library_defines_its_part_of_the_contract() {
    let rtems = Installed::find();
    let symbols = Symbols::read(&rtems.libraries().join("librtemsbsp.a"));
    let contract = Contract::read(Bsp::I386);
    let missing: Vec<&str> = contract
        .from(Provider::Bsp)
        .map(|symbol| symbol.name.as_str())
        .filter(|name| !symbols.defined.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Declared, but defined only for several processors or for those whose vectors software dispatches; stock pc686 has
/// none of them either.
const OF_OTHER_MACHINES: [&str; 3] = [
    "bsp_interrupt_get_affinity",
    "bsp_interrupt_set_affinity",
    "rtems_interrupt_catch",
];

/// A program may call whatever RTEMS' interrupt headers declare: also what no program did with which the BSP was tried.
pub fn all_that_the_interrupt_headers_declare_is_defined() {
    let rtems = Installed::find();
    let folder = scratch();
    let source = folder.path().join("headers.c");
    let list = folder.path().join("headers.list");
    fs::write(
        &source,
        "#include <bsp/irq-generic.h>\n#include <rtems/irq-extension.h>\n",
    )
    .expect("a file in the scratch folder");
    succeed(tools::run(
        rtems.gcc().args(["-fsyntax-only", "-aux-info"]).args([&list, &source]),
    ));
    let list = fs::read_to_string(&list).expect("the compiler's list of declarations");
    // A line: `/* FILE:LINE:NC */ extern TYPE NAME (PARAMETERS);`
    let declared: BTreeSet<&str> = list
        .lines()
        .filter(|line| {
            ["/irq-generic.h:", "/irq-extension.h:", "/rtems/intr.h:"]
                .iter()
                .any(|header| line.contains(header))
        })
        .filter_map(|line| line.split_once("*/ extern ")?.1.split_once(" ("))
        .map(|(start, _)| start.rsplit([' ', '*']).next().expect("a name"))
        .collect();
    for known in ["bsp_interrupt_raise", "rtems_interrupt_server_create"] {
        assert!(declared.contains(known), "{known} is not in {declared:?}");
    }
    let defined: Vec<Symbols> = ["librtemsbsp.a", "librtemscpu.a"]
        .map(|library| Symbols::read(&rtems.libraries().join(library)))
        .into();
    let missing: Vec<&&str> = declared
        .iter()
        .filter(|name| !OF_OTHER_MACHINES.contains(name))
        .filter(|name| !defined.iter().any(|library| library.defined.contains(**name)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// From any thread and before main, with and without collection of sections.
pub fn cpp_exceptions_are_caught() {
    let rtems = Installed::find();
    for options in [&["-Wl,--gc-sections"][..], &[]] {
        let folder = scratch();
        let program = rtems.cpp_app("exceptions", folder.path(), options);
        let (exit, printed) = run::program(&program, "", LIMIT);
        assert!(matches!(exit, Exit::Exit(0)), "{options:?}: {exit:?}\n{printed}");
        for line in [
            "before main: right",
            "in the first task: right",
            "in a POSIX thread: right",
            "in two tasks at a time: right",
        ] {
            assert!(printed.contains(line), "{line:?} is not in\n{printed}");
        }
        let nothing = File::open("/dev/null").expect("Linux has it");
        let (finished, printed) = run::guest(&program, nothing, "uncaught", LIMIT);
        assert!(
            printed.contains("terminate called after throwing an instance of 'int'")
                && !matches!(finished.exit, Exit::Exit(0) | Exit::Fault(_)),
            "{options:?}: {:?}\n{printed}",
            finished.exit
        );
    }
}

/// An application that is built as its users build theirs, calls the C API and RTEMS, and waits for input on its
/// console.
fn application(rtems: &Installed, options: &[&str]) {
    let folder = scratch();
    let program = folder.path().join("application.exe");
    succeed(tools::run(
        rtems
            .gcc()
            .args(options)
            .arg(own("fixtures/application.c"))
            .arg("-o")
            .arg(&program),
    ));
    let (exit, printed) = run::typed_late(&program, "hello\n", LIMIT);
    assert!(matches!(exit, Exit::Exit(3)), "{exit:?}\n{printed}");
    for line in ["read: hello", "10 ticks passed", "clock: advances"] {
        assert!(printed.contains(line), "{line:?} is not in\n{printed}");
    }
}

pub fn an_application_links_and_runs() {
    let rtems = Installed::find();
    application(&rtems, &["-Wl,--gc-sections"]);
}

pub fn an_application_links_without_collection_of_sections() {
    let rtems = Installed::find();
    application(&rtems, &[]);
}

/// What `pvhost new --rtems` writes.
pub fn a_new_project_runs() {
    let rtems = Installed::find();
    let folder = scratch();
    let project = folder.path().join("mine");
    let pvhost = hosts::build(&test_support::workspace(), hosts::PVHOST).expect("pvhost builds");
    succeed(tools::run(Command::new(&pvhost).args(["new", "--rtems"]).arg(&project)));
    succeed(tools::run(&mut rtems.make(&project)));
    let (exit, printed) = run::program(&project.join("mine.exe"), "", LIMIT);
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.starts_with("Hello from mine, on RTEMS "), "{printed}");
    // RTEMS then reports its shutdown.
    assert!(printed.contains("\ntick 3\n"), "{printed}");
    let programs = std::env::var_os("PATH").unwrap_or_default();
    let ours = pvhost.parent().map(Path::to_owned);
    let programs = std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&programs))).expect("a path");
    let report = succeed(tools::run(rtems.make(&project).env("PATH", programs).arg("test")));
    assert!(report.contains("\n1 passed, 0 failed, 0 skipped"), "{report}");
}

/// Builds a program of `apps` and runs it.
fn run_app(rtems: &Installed, name: &str, input: &str) -> (Exit, String) {
    let folder = scratch();
    run::program(&rtems.app(name, folder.path()), input, LIMIT)
}

/// RTEMS' ticker prints in no time what it prints in 35 s.
pub fn ticker_prints_the_same_without_waiting() {
    let rtems = Installed::find();
    let program = rtems.program("samples/ticker.exe");
    let line = |task, second| format!("TA{task}  - rtems_clock_get_tod - 09:00:{second:02}   12/31/1988\n");
    let lines = [
        (1, 0),
        (2, 0),
        (3, 0),
        (1, 5),
        (2, 10),
        (1, 10),
        (3, 15),
        (1, 15),
        (2, 20),
        (1, 20),
        (1, 25),
        (3, 30),
        (2, 30),
        (1, 30),
    ];
    let expected: String = lines.into_iter().map(|(task, second)| line(task, second)).collect();
    for time in [Time::Fast, Time::Steps(Steps::default())] {
        let input = File::open("/dev/null").expect("Linux has it");
        let (finished, printed) = run::guest_of(|builder| builder.time(time), &program, input, LIMIT);
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{time}: {:?}\n{printed}",
            finished.exit
        );
        assert!(printed.contains(&expected), "{time}: {printed}");
    }
}

/// RTEMS' ticker: three tasks, an idle one, and one that starts them; a tick of 10 ms.
pub fn a_trace_has_the_tasks_and_the_interrupts() {
    let rtems = Installed::find();
    let program = rtems.program("samples/ticker.exe");
    let input = File::open("/dev/null").expect("Linux has it");
    let traced = |builder: Builder| builder.time(Time::Fast).trace(pvhost::trace::DEFAULT_MEMORY);
    let (finished, printed) = run::guest_of(traced, &program, input, LIMIT);
    assert!(matches!(finished.exit, Exit::Exit(0)), "{:?}\n{printed}", finished.exit);
    let trace = finished.trace.expect("it was asked for");
    let recording = Recording::read(&trace.to_perfetto()).expect("a trace of ours");
    let threads = recording.by_thread();
    let names: Vec<_> = threads.keys().copied().collect();
    assert_eq!(names, ["IDLE", "TA1", "TA2", "TA3", "UI1"]);
    // At the beginning, and then every 5, 10 and 15 s; TA1 ends it all.
    let times = ["TA1", "TA2", "TA3"].map(|name| threads[name].count());
    assert_eq!(times, [8, 4, 3]);
    assert!(threads["IDLE"].total() > 34_000_000_000, "{threads:?}");
    let expirations = finished.stats.expirations[0] as usize;
    assert!((3490..=3510).contains(&expirations), "{expirations}");
    // A few may come together.
    for (what, count) in [
        ("handlers", recording.handlers.len()),
        ("latencies", recording.tick_latency().count()),
    ] {
        assert!((3400..=expirations + 1).contains(&count), "{what}: {count}");
    }
}

/// In fast time and by steps, with a tick of 1 kHz. The program checks itself.
pub fn an_idle_hour_passes_in_seconds_and_every_tick_counts() {
    let rtems = Installed::find();
    let folder = scratch();
    let program = rtems.app("idle", folder.path());
    for time in [Time::Fast, Time::Steps(Steps::default())] {
        let input = File::open("/dev/null").expect("Linux has it");
        let in_that_time = |builder: Builder| builder.command_line("3600").time(time);
        let (finished, printed) = run::guest_of(in_that_time, &program, input, LIMIT);
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{time}: {:?}\n{printed}",
            finished.exit
        );
        let counted = "3600 s: 3600000 ticks, 3600000 expirations, 3600000 ms by the clock\n";
        assert!(printed.contains(counted), "{time}: {printed}");
    }
}

/// Floating point, thread-local storage, nested interrupts, an application's timer: the program checks itself.
pub fn processor_state_survives_threads_and_interrupts() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "cpu", "");
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("nested interrupts: right"), "{printed}");
}

/// Rounding, masks and exception flags belong to threads; handlers begin with those of a program's start. The program
/// checks itself.
pub fn control_words_belong_to_threads() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "control", "");
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("exceptions that a task has seen: right"), "{printed}");
}

/// Of the smallest stack that RTEMS gives a task, what an interrupt may take is left: on the process host, and as an
/// ordinary Linux program, where signals come. The program checks itself.
pub fn the_smallest_stack_has_room_for_interrupts() {
    let rtems = Installed::find();
    let folder = scratch();
    let program = rtems.app("depth", folder.path());
    let (exit, printed) = run::program(&program, "", LIMIT);
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("taken by interrupts: "), "{printed}");
    let output = Command::new("timeout")
        .args(["--signal=KILL", &LIMIT.as_secs().to_string()])
        .arg(&program)
        .stdin(Stdio::null())
        .output()
        .expect("coreutils has timeout");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{printed}", output.status);
}

/// A host that sets no base, as POK, runs what has no thread-local data and tells the others.
pub fn thread_local_data_without_a_base_for_it_is_told() {
    let rtems = Installed::find();
    let run = |program: &Path| {
        let input = File::open("/dev/null").expect("Linux has it");
        let refuse = |_: &mut Call, _: u32| Error::NotOffered.number();
        let (finished, printed) = run::guest_of(
            |builder| builder.provide("pv_cpu_set_tls", refuse),
            program,
            input,
            LIMIT,
        );
        (finished.exit, printed)
    };
    let (exit, printed) = run(&rtems.program("samples/hello.exe"));
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    let folder = scratch();
    let (exit, printed) = run(&rtems.app("cpu", folder.path()));
    assert!(matches!(exit, Exit::Fatal(_)), "{exit:?}\n{printed}");
    assert!(
        printed.contains("4 bytes of thread-local data, but this host offers no thread-local storage"),
        "{printed}"
    );
}

/// Also what a device has raised, and while the vector is disabled.
pub fn what_is_raised_is_pending_and_can_be_cleared() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "clear", "");
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("interrupts: right"), "{printed}");
}

pub fn the_time_of_day_is_the_hosts() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "rtc", "");
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("time of day: right"), "{printed}");
}

pub fn getchark_polls_the_console() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "getchark", "typed.");
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("typed\nend of input"), "{printed}");
}

/// RTEMS' dynamic loader needs memory that can be executed, and an image that has the loader asks for it. What is
/// written to the memory of another image is data, also if it runs as a Linux program.
pub fn code_runs_in_memory_of_images_with_the_dynamic_loader() {
    /// Linux, signal.h.
    const SIGSEGV: i32 = 11;
    let rtems = Installed::find();
    for (options, runs) in [(&["-DLOADER"][..], true), (&[], false)] {
        let folder = scratch();
        let program = rtems.app_with("code", folder.path(), options);
        let image = Image::open(&program).expect("a sound image");
        assert_eq!(image.asks_for_executable_memory(), runs, "{options:?}");
        let (exit, printed) = run::program(&program, "", LIMIT);
        let right = match exit {
            Exit::Exit(0) => runs && printed.contains("code in memory gives 42"),
            Exit::Fault(_) => !runs,
            _ => false,
        };
        assert!(right, "{options:?}: {exit:?}\n{printed}");
        let output = Command::new(&program)
            .stdin(Stdio::null())
            .output()
            .expect("a Linux program");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            (output.status.success(), output.status.signal()),
            if runs { (true, None) } else { (false, Some(SIGSEGV)) },
            "{options:?}: {printed}"
        );
    }
}

pub fn hello_runs() {
    let rtems = Installed::find();
    let (exit, printed) = run::program(&rtems.program("samples/hello.exe"), "", LIMIT);
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("*** END OF TEST HELLO WORLD ***"), "{printed}");
}

/// Its one thread has 512 bytes of stack, and ends, which is a fatal error.
pub fn a_fatal_error_is_reported_from_a_small_stack() {
    let rtems = Installed::find();
    let (exit, printed) = run::program(&rtems.program("samples/minimum.norun.exe"), "", LIMIT);
    assert!(matches!(exit, Exit::Fatal(_)), "{exit:?}\n{printed}");
    assert!(printed.contains("INTERNAL_ERROR_THREAD_EXITTED"), "{printed}");
}

/// Also where an extension of the application has enabled interrupts, whose handlers use the stack that the report is
/// made on.
pub fn a_fatal_error_is_reported_with_interrupts_coming() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "fatal", "");
    assert!(matches!(exit, Exit::Fatal(0x1234)), "{exit:?}\n{printed}");
    for line in [
        "fatal source: 4 (RTEMS_FATAL_SOURCE_APPLICATION)",
        "executing thread name: UI1",
    ] {
        assert!(printed.contains(line), "{line:?} is not in\n{printed}");
    }
}

pub fn ticks_and_memory_are_right_after_three_seconds() {
    long::tick(Duration::from_secs(3));
}

/// Also while interrupts are disabled, for longer than the kernel's 32 bits of ns.
pub fn the_uptime_is_right_without_ticks() {
    let rtems = Installed::find();
    let (exit, printed) = run_app(&rtems, "uptime", "");
    assert!(matches!(exit, Exit::Exit(0)), "{exit:?}\n{printed}");
    assert!(printed.contains("uptime: right"), "{printed}");
}

/// RTEMS' file sample, driven through its menu.
pub fn fileio_writes_and_lists_a_file() {
    let rtems = Installed::find();
    let (_, printed) = run::program(
        &rtems.program("samples/fileio.exe"),
        "\nw\n/fox.txt\n1K\n128\nl\n/fox.txt\n",
        // Its menu has no way out.
        Duration::from_secs(4),
    );
    for text in ["The quick brown fox", "******** End of file reached, flen = 1024"] {
        assert!(printed.contains(text), "{text:?} is not in\n{printed}");
    }
}

/// Each privileged or sensitive instruction in hello is listed with the reason why it does no harm, and nothing is
/// listed that is not there.
pub fn privileged_instructions_are_listed() {
    let rtems = Installed::find();
    let image = Image::open(&rtems.program("samples/hello.exe")).expect("a sound image");
    let found = audit(&image).expect("an x86 image").findings;
    let text = fs::read_to_string(own("hello.allow")).expect("the list");
    let list = Allowlist::parse("hello.allow", &text).expect("a sound list");
    let layer = Allowlist::of_layer(&image);
    let left: Vec<_> = found
        .iter()
        .filter(|finding| list.rule_for(finding).or(layer.rule_for(finding)).is_none())
        .collect();
    assert!(left.is_empty(), "not in hello.allow: {left:#?}");
    let unused: Vec<_> = list.unused(&found).collect();
    assert!(unused.is_empty(), "not in hello: {unused:#?}");
}
