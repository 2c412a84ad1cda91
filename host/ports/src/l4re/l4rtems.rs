// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of guests that call L4Re as in L4RTEMS.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use guests_l4rtems::{INTERRUPTS, WHOLE};

use super::runs::HOST;
use super::tree::Tree;
use super::{Machine, Task};
use paravirt_build::arch::Arch;
use paravirt_build::workspace::Workspace;

/// The name by which these runs are chosen.
pub const NAME: &str = "l4rtems";

const LIMIT: Duration = Duration::from_secs(300);

/// Why they are not possible, if so.
pub fn missing(tree: &Tree) -> Option<String> {
    guests_l4rtems::missing(tree.arch.name())
}

/// Runs the guests that call L4RTEMS functions, and an L4RTEMS image where there were any, on i386; both eagerly and
/// lazily bound. How many runs it were.
///
/// # Errors
/// A guest prints something else, or is not refused without the option; or something does not build or start.
pub fn run(machine: &Machine<'_>, workspace: &Workspace) -> Result<usize> {
    let arch = machine.tree().arch;
    let name = arch.name();
    let (word, printed) = WHOLE;
    // It declares a port, too, which L4Re does not grant.
    let l4rtems_image = ("guest.c", &["--partial"][..], &[word][..], printed);
    let current_image = ("page.c", &[][..], &[][..], INTERRUPTS);
    let guests = match arch {
        Arch::I386 => &[l4rtems_image, current_image][..],
        Arch::X86_64 => &[current_image],
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut count = 0;
    for &(source, always, arguments, expected) in guests {
        let guest = workspace.root().join(format!("target/l4re/{NAME}-{name}"));
        guests_l4rtems::build(name, source, &[], &guest).map_err(|messages| anyhow!(messages))?;
        let mut run = |options: &[&str]| {
            let options = [options, always].concat();
            println!("\n{source} for {name} on host {HOST} {}", options.join(" "));
            count += 1;
            machine.run(&Task {
                guest: &guest,
                options: &words(&options),
                arguments: &words(arguments),
                sources: &[],
                bus: None,
                input: &[],
                limit: LIMIT,
            })
        };
        for options in [&["--compat=l4rtems"][..], &["--compat=l4rtems", "--lazy"]] {
            let outcome = run(options)?;
            ensure!(
                (outcome.printed.as_str(), outcome.status) == (expected, 0),
                "expected {expected:?}, got {outcome:?}"
            );
            println!("{}(as expected)", outcome.printed);
        }
        let outcome = run(&[])?;
        ensure!(
            outcome.before.contains("option `--compat l4rtems`") && (outcome.end.as_str(), outcome.status) == ("", 1),
            "expected to be refused, got {outcome:?}"
        );
        println!("{}(as expected)", outcome.before);
    }
    Ok(count)
}
