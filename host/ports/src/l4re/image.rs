// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is built for a guest: our package, which is the list of its functions and the program, and the boot image:
//! kernel, L4Re's servers, the program, the guest, and the script by which Ned starts it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::machine::{Machine, Task};
use crate::make;
use paravirt_build::command;
use paravirt_build::files::write_if_changed;
use paravirt_build::hosts;

/// The program.
const PROGRAM: &str = "paravirt";

/// Names in the image.
const ENTRY: &str = "guest";
const SCRIPT: &str = "guest.cfg";
const BUS: &str = "bus.io";

/// What Ned says when the program has ended, before its exit status.
pub const STATUS: &str = "l4re: exit status ";

/// Builds the package for the task's guest in the build folder, where image makers find it.
pub fn build_package(machine: &Machine<'_>, task: &Task<'_>) -> Result<()> {
    let tree = &machine.tree;
    let list = hosts::list(&machine.pvhost, task.guest)?;
    let of_guest = list["machine"].as_str().unwrap_or_default();
    // A guest of another architecture could not even be compared with what the program has.
    ensure!(
        of_guest == tree.arch.name(),
        "{} is for {of_guest}; {} runs guests for {}",
        task.guest.display(),
        tree.build.display(),
        tree.arch
    );
    let functions = machine.overlay.join("paravirt-functions");
    fs::create_dir_all(&functions)?;
    let mut header = Command::new(&machine.pvhost);
    let list = command::output(header.arg("header").arg(task.guest).args(["--format", "c"]))?;
    write_if_changed(&functions.join("functions.h"), list.as_bytes())?;
    let sources: Vec<_> = task.sources.iter().map(|file| file.display().to_string()).collect();
    let mut make = make_in_overlay(machine);
    make.arg("--directory")
        .arg(machine.workspace.root().join("host/l4re"))
        .arg(format!("L4DIR={}", tree.source.display()))
        .arg(format!("PARAVIRT_LIBRARY={}", machine.library.display()))
        .arg(format!("PARAVIRT_FUNCTIONS={}", functions.display()))
        .arg(format!("PARAVIRT_SOURCES={}", sources.join(" ")));
    make::run(&mut make, "the package host/l4re does not build")
}

/// A make that builds in our build folder.
fn make_in_overlay(machine: &Machine<'_>) -> Command {
    let mut make = make::command();
    make.arg(format!("O={}", machine.overlay.display()))
        .current_dir(&machine.tree.source);
    make
}

/// Makes the image in which `task` is started by our program.
pub fn assemble(machine: &Machine<'_>, task: &Task<'_>) -> Result<PathBuf> {
    let folder = machine.overlay.join("paravirt-image");
    fs::create_dir_all(&folder)?;
    copy(task.guest, &folder.join(ENTRY))?;
    if let Some(bus) = task.bus {
        copy(bus, &folder.join(BUS))?;
    }
    fs::write(folder.join(SCRIPT), script(task))?;
    let modules = folder.join("modules.list");
    fs::write(&modules, entry(task))?;
    let mut make = make_in_overlay(machine);
    make.arg("elfimage")
        .arg(format!("E={ENTRY}"))
        .arg(format!("MODULES_LIST={}", modules.display()))
        .arg(format!(
            "MODULE_SEARCH_PATH={} {}",
            folder.display(),
            machine.tree.fiasco.display()
        ));
    make::run(&mut make, "there is no boot image")?;
    Ok(machine.overlay.join(format!("images/bootstrap_{ENTRY}.elf")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// The boot entry. The kernel's console passes input on, and its timer expires when it should and not on the next tick.
/// The guest keeps its symbols, for reports of faults.
fn entry(task: &Task<'_>) -> String {
    let mut entry = format!(
        "modaddr 0x01100000\n\
         entry {ENTRY}\n\
         kernel fiasco -serial_input -nojdb -oneshot-timer\n\
         roottask moe rom/{SCRIPT}\n\
         module l4re\n\
         module ned\n\
         module {SCRIPT}\n\
         module {PROGRAM}\n\
         module[nostrip] {ENTRY}\n"
    );
    if task.bus.is_some() {
        entry.push_str("module io\nmodule ");
        entry.push_str(BUS);
        entry.push('\n');
    }
    entry
}

/// Ned's script: starts the program, and reboots the machine at its end.
fn script(task: &Task<'_>) -> String {
    let mut words = quoted(&format!("rom/{PROGRAM}"));
    let guest = format!("rom/{ENTRY}");
    for word in task.options.iter().chain([&guest]).chain(task.arguments) {
        words.push_str(", ");
        words.push_str(&quoted(word));
    }
    let (io, capability) = match task.bus {
        Some(_) => (start_io(), ", vbus = vbus"),
        None => (String::new(), ""),
    };
    format!(
        "local L4 = require(\"L4\");\n\
         {io}\
         local task = L4.default_loader:startv(\n\
         \x20 {{ caps = {{ con = L4.Env.log:m(\"rw\"), icu = L4.Env.icu{capability} }} }},\n\
         \x20 {words});\n\
         task:exit_handler(function (code)\n\
         \x20 print({} .. code);\n\
         \x20 L4.cast(\"L4::Platform_control\", L4.Env.icu):system_shutdown(1);\n\
         end);\n",
        quoted(STATUS)
    )
}

/// The part of the script that starts io, which makes the bus `vbus`.
fn start_io() -> String {
    format!(
        "local vbus = L4.default_loader:new_channel();\n\
         L4.default_loader:startv(\n\
         \x20 {{ caps = {{ sigma0 = L4.cast(L4.Proto.Factory, L4.Env.sigma0):create(L4.Proto.Sigma0),\n\
         \x20          icu = L4.Env.icu, vbus = vbus:svr() }} }},\n\
         \x20 \"rom/io\", \"rom/{BUS}\");\n"
    )
}

/// A Lua string (Lua 5.3, 3.1): what is no plain letter is written as a number.
fn quoted(text: &str) -> String {
    let mut string = "\"".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_=./: ".contains(&byte) {
            string.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(string, "\\{byte:03}");
        }
    }
    string.push('"');
    string
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lua_strings() {
        assert_eq!(quoted("--irq=5:3"), "\"--irq=5:3\"");
        assert_eq!(quoted("a\"b\\\n1"), "\"a\\034b\\092\\0101\"");
        assert_eq!(quoted("é"), "\"\\195\\169\"");
    }

    fn task<'a>(options: &'a [String], arguments: &'a [String], bus: Option<&'a Path>) -> Task<'a> {
        Task {
            options,
            arguments,
            bus,
            ..Task::of(Path::new("guest"))
        }
    }

    #[test]
    fn the_script_passes_options_before_the_guest_and_arguments_after() {
        let arguments = ["1".to_owned(), "2".to_owned()];
        let script = script(&task(&["--lazy".to_owned()], &arguments, None));
        assert!(
            script.contains("\"rom/paravirt\", \"--lazy\", \"rom/guest\", \"1\", \"2\");"),
            "{script}"
        );
    }

    #[test]
    fn the_bus_is_there_where_it_is_asked_for() {
        for bus in [None, Some(Path::new("my.io"))] {
            let task = task(&[], &[], bus);
            let (entry, script) = (entry(&task), script(&task));
            let all = ["module io\n", "module bus.io\n"].map(|line| entry.contains(line));
            assert_eq!(all, [bus.is_some(); 2], "{entry}");
            let all = ["\"rom/io\", \"rom/bus.io\"", "vbus = vbus }"].map(|part| script.contains(part));
            assert_eq!(all, [bus.is_some(); 2], "{script}");
        }
    }
}
