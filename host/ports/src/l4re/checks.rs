// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is run, and what each run must print: examples whose host is L4Re (see [`paravirt_build::packages::Run`]), and
//! guests of our own that are no examples.

use anyhow::{Result, anyhow, ensure};
use guests_l4rtems::{INTERRUPTS, WHOLE};

use super::machine::{Machine, Outcome, Task};
use super::tree::Tree;
use paravirt_build::arch::Arch;
use paravirt_build::example::Example;
use paravirt_build::workspace::Workspace;

/// The host's name.
pub const HOST: &str = "l4re";

/// Guests of one kind that are no examples.
pub struct ExtraRuns {
    /// The name by which their runs are chosen.
    pub name: &'static str,
    /// Why they cannot run on that L4Re, if so.
    pub missing: fn(&Tree) -> Option<String>,
    /// Runs and compares them; returns how many runs it were.
    pub run: fn(&Machine<'_>, &Workspace) -> Result<usize>,
}

/// All of them.
pub const EXTRA: [ExtraRuns; 4] = [
    ExtraRuns {
        name: "l4rtems",
        missing: |tree| guests_l4rtems::missing(tree.arch.name()),
        run: l4rtems,
    },
    ExtraRuns {
        name: DEVICE,
        missing: |tree| (!tree.has_io()).then(|| "L4Re was built without the package io".to_owned()),
        run: device,
    },
    ExtraRuns {
        name: "console",
        missing: |_| None,
        run: console,
    },
    ExtraRuns {
        name: "faults",
        missing: |_| None,
        run: faults,
    },
];

/// Runs an example whose guest was built, and compares; returns what it printed.
///
/// # Errors
/// Something does not build or start, or prints something else.
pub fn example(machine: &Machine<'_>, workspace: &Workspace, example: &Example) -> Result<String> {
    let outcome = machine.run(&Task {
        options: &example.run.host_args,
        arguments: &example.run.args,
        input: &example.input()?,
        ..Task::of(&example.guest_path(workspace)?)
    })?;
    example.judge(&outcome.printed, Some(outcome.status), &outcome.before)?;
    Ok(outcome.printed)
}

fn announce(machine: &Machine<'_>, what: &str, how: &str) {
    println!("\n{what} for {} on host {HOST} {how}", machine.tree.arch);
}

fn expect_printed(outcome: &Outcome, expected: &str) -> Result<()> {
    ensure!(
        (outcome.printed.as_str(), outcome.status) == (expected, 0),
        "expected {expected:?}, got {outcome:?}"
    );
    println!("{}(as expected)", outcome.printed);
    Ok(())
}

fn expect_refused(outcome: &Outcome, reason: &str) -> Result<()> {
    ensure!(
        outcome.before.contains(reason) && (outcome.end.as_str(), outcome.status) == ("", 1),
        "expected to be refused, got {outcome:?}"
    );
    println!("{}(as expected)", outcome.before);
    Ok(())
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Guests that call L4RTEMS functions, and an L4RTEMS image where there were any, on i386: both eagerly and lazily
/// bound, and refused without the option.
fn l4rtems(machine: &Machine<'_>, workspace: &Workspace) -> Result<usize> {
    let arch = machine.tree.arch.name();
    let (word, printed) = WHOLE;
    // It declares a port, too, which L4Re does not grant.
    let l4rtems_image = ("guest.c", &["--partial"][..], &[word][..], printed);
    let current_image = ("page.c", &[][..], &[][..], INTERRUPTS);
    let guests = match machine.tree.arch {
        Arch::I386 => &[l4rtems_image, current_image][..],
        _ => &[current_image],
    };
    for &(source, always, arguments, expected) in guests {
        let guest = workspace.root().join(format!("target/l4re/l4rtems-{arch}"));
        guests_l4rtems::build(arch, source, &[], &guest).map_err(|messages| anyhow!(messages))?;
        let run = |options: &[&str]| {
            let options = [options, always].concat();
            announce(machine, source, &options.join(" "));
            machine.run(&Task {
                options: &owned(&options),
                arguments: &owned(arguments),
                ..Task::of(&guest)
            })
        };
        expect_printed(&run(&["--compat=l4rtems"])?, expected)?;
        expect_printed(&run(&["--compat=l4rtems", "--lazy"])?, expected)?;
        expect_refused(&run(&[])?, "option `--compat l4rtems`")?;
    }
    Ok(3 * guests.len())
}

/// The guest that drives a device of the machine, whose interrupt and ports a virtual bus has.
const DEVICE: &str = "device";

const DEVICE_PRINTS: &str = "\
20 bytes, 20 interrupts
with interrupts off for a while: 1
with the line masked for a while: 1
with a driver that masks the line and answers later: 1
with a slow driver: 1 or 2
";

/// With an interrupt of each kind, and with one that the bus does not have.
fn device(machine: &Machine<'_>, workspace: &Workspace) -> Result<usize> {
    let (edge, level) = ("keyboard.io", "keyboard-level.io");
    let guest = machine.build_guest(DEVICE)?;
    let folder = workspace.root().join("tests/guests/checks/l4re");
    let run = |bus: &str, option: &str| {
        announce(machine, DEVICE, &format!("{option}, {bus}"));
        machine.run(&Task {
            options: &[option.to_owned()],
            sources: &[folder.join("keyboard.c")],
            bus: Some(&folder.join(bus)),
            ..Task::of(&guest)
        })
    };
    expect_printed(&run(edge, "--irq=5:1")?, DEVICE_PRINTS)?;
    expect_printed(&run(level, "--irq=5:1")?, DEVICE_PRINTS)?;
    expect_refused(&run(edge, "--irq=5:7")?, "no device at `vbus` has interrupt 7\n")?;
    Ok(3)
}

/// More is typed than is kept for a guest that reads when nothing is typed any more, and says how much it got. What is
/// kept arrives, Ctrl-D arrives although it comes last, and the number of bytes that were lost is said.
fn console(machine: &Machine<'_>, _: &Workspace) -> Result<usize> {
    const KEPT: usize = 65_535;
    const TYPED: usize = 70_000;
    announce(machine, "late", &format!("when {TYPED} bytes are typed"));
    let lines = (0..TYPED / 10).map(|line| format!("{line:09}\n"));
    let outcome = machine.run(&Task {
        // By its clock, which counts instructions: seconds of this machine. The next bytes are typed after 5 ms.
        arguments: &owned(&["quiet", "20"]),
        input: lines.collect::<String>().as_bytes(),
        ..Task::of(&machine.build_guest("late")?)
    })?;
    let expected = format!(
        "late: type, Ctrl-D ends\n\
         paravirt: lost {} bytes of console input: {KEPT} waited for the guest\n\
         late: {KEPT} bytes, {KEPT} of them as they were typed\n",
        TYPED - KEPT
    );
    expect_printed(&outcome, &expected)?;
    Ok(1)
}

/// What the guest does that the processor or the kernel refuses, and what the report says of it.
const FAULTS: [(&str, [&str; 2]); 3] = [
    ("undefined", ["illegal instruction", "instruction: ud2"]),
    ("breakpoint", ["breakpoint", "instruction: int3"]),
    ("cli", ["general protection fault", "`cli` is privileged"]),
];
/// The same for what only x86-32 has.
const FAULTS_OF_I386: [(&str, [&str; 2]); 3] = [
    ("into", ["overflow, raised by `into`", "instruction: into"]),
    (
        "bound",
        ["index out of bounds, raised by `bound`", "instruction: bound"],
    ),
    ("syscall", ["system call by guest code", "instruction: int $0x80"]),
];

fn faults(machine: &Machine<'_>, _: &Workspace) -> Result<usize> {
    let guest = machine.build_guest("fault")?;
    let of_arch = match machine.tree.arch {
        Arch::I386 => &FAULTS_OF_I386[..],
        _ => &[],
    };
    for (fault, parts) in FAULTS.iter().chain(of_arch) {
        announce(machine, "fault", fault);
        let outcome = machine.run(&Task {
            arguments: &owned(&[fault]),
            ..Task::of(&guest)
        })?;
        let said = parts.iter().all(|part| outcome.printed.contains(part));
        ensure!(
            said && (outcome.end.as_str(), outcome.status) == ("fault", 5),
            "expected a report with {parts:?}, got {outcome:?}"
        );
        println!("{}(as expected)", outcome.printed);
    }
    Ok(FAULTS.len() + of_arch.len())
}
