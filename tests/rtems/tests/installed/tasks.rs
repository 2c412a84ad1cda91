// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' tasks as the host sees them.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use paravirt_rtems_tests::installed::Installed;
use paravirt_rtems_tests::run;
use paravirt_section_tests::scratch;
use pvhost::debug::tasks::{Task, tasks};
use pvhost::process::{Exit, Finished};

/// Time for a program that ends by itself.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the program; its end and its tasks then, of which each waits with its stack checked.
fn run(program: &Path) -> (Finished, Vec<Task>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let at_end = Rc::clone(&seen);
    let (finished, printed) = run::guest_of(
        |builder| {
            builder.stack_check(true).at_end(move |ended| {
                *at_end.borrow_mut() = tasks(ended.image, ended.memory).expect("a table of this version");
            })
        },
        program,
        File::open("/dev/null").expect("Linux has it"),
        LIMIT,
    );
    print!("{printed}");
    (finished, seen.take())
}

pub fn tasks_have_names_states_priorities_and_places() {
    let rtems = Installed::find();
    let folder = scratch();
    let program = rtems.app_with("tasks", folder.path(), &["-g"]);
    let (finished, tasks) = run(&program);
    assert!(matches!(finished.exit, Exit::Exit(7)), "{:?}", finished.exit);
    let seen: Vec<_> = tasks
        .iter()
        .map(|task| (&*task.name, &*task.state, task.priority))
        .collect();
    let expected = [
        ("IDLE", "ready", 255),
        ("UI1", "running", 200),
        ("SEM", "wait semaphore", 2),
        ("TIME", "delay", 3),
        ("STOP", "suspended", 4),
        ("DEEP", "wait event", 5),
    ];
    assert_eq!(seen[..6], expected, "{tasks:#?}");
    let (name, state, _) = seen[6];
    assert_eq!((name, state, seen.len()), ("a thread", "wait semaphore", 7));

    // Where they wait: the function that has called the switch, on a stack of their own.
    let image = pvhost::image::Image::open(&program).expect("a sound image");
    for task in &tasks {
        assert!(task.stack.end - task.stack.start >= 4000, "{task:?}");
        let Some(registers) = task.registers else {
            assert_eq!((&*task.name, task.is_executing), ("UI1", true));
            continue;
        };
        assert!(task.stack.contains(&registers.esp.into()), "{task:?}");
        let function = image
            .symbols()
            .function_at(registers.eip.into())
            .expect("in a function");
        // Nobody has waited yet.
        let has_run = task.name != "IDLE";
        let expected = if has_run {
            "_Thread_Do_dispatch"
        } else {
            "_Thread_Handler"
        };
        assert_eq!(function.name, expected, "{}", task.name);
    }

    let stacks = finished
        .stats
        .stacks
        .expect("asked for")
        .expect("a table of this version");
    let names: Vec<_> = stacks.iter().map(|stack| &*stack.name).collect();
    let first = [
        "start and interrupts",
        "IDLE",
        "UI1",
        "SEM",
        "TIME",
        "STOP",
        "DEEP",
        "a thread",
    ];
    assert_eq!(names, first);
    assert!(stacks.iter().all(|stack| !stack.overflowed), "{stacks:#?}");
    let used = |name| {
        stacks
            .iter()
            .find(|stack| stack.name == name)
            .expect("it is there")
            .used
    };
    for name in names {
        // What an interrupt takes may come on top.
        let expected = if name == "DEEP" { 3_000..7_500 } else { 4..4_096 };
        assert!(expected.contains(&used(name)), "{name}: {}", used(name));
    }
}

pub fn a_task_that_overflows_its_stack_is_named() {
    let rtems = Installed::find();
    let folder = scratch();
    let (finished, _) = run(&rtems.app_with("tasks", folder.path(), &["-DOVERFLOW"]));
    let Exit::Fault(fault) = &finished.exit else {
        panic!("{:?}", finished.exit);
    };
    let hint = fault.hint.as_deref().unwrap_or_default();
    assert!(hint.starts_with("the stack of the task DEEP (id 0x0a01000"), "{fault}");
    assert!(hint.contains("has overflowed by "), "{fault}");
    let stacks = finished
        .stats
        .stacks
        .expect("asked for")
        .expect("a table of this version");
    let overflowed: Vec<_> = stacks
        .iter()
        .filter(|stack| stack.overflowed)
        .map(|stack| &*stack.name)
        .collect();
    assert!(overflowed.contains(&"DEEP"), "{stacks:#?}");
}
