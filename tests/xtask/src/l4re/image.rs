// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot image: kernel, L4Re's servers, our program, a guest, and the script by which Ned starts it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::package::{PROGRAM, make, run_quietly};
use super::tree::Tree;

/// Names in the image.
const ENTRY: &str = "guest";
const SCRIPT: &str = "guest.cfg";

/// What Ned says when the program has ended, before its exit status.
pub const STATUS: &str = "l4re: exit status ";

/// Makes the image in which `guest` is started by our program with these options and arguments.
///
/// # Errors
/// The build fails; the error holds its messages.
pub fn assemble(
    tree: &Tree,
    overlay: &Path,
    guest: &Path,
    options: &[String],
    arguments: &[String],
) -> Result<PathBuf> {
    let folder = overlay.join("paravirt-image");
    fs::create_dir_all(&folder)?;
    let module = folder.join(ENTRY);
    fs::copy(guest, &module).with_context(|| format!("cannot copy {}", guest.display()))?;
    fs::write(folder.join(SCRIPT), script(options, arguments))?;
    let modules = folder.join("modules.list");
    fs::write(&modules, entry())?;
    let mut make = make(tree, overlay);
    make.arg("elfimage")
        .arg(format!("E={ENTRY}"))
        .arg(format!("MODULES_LIST={}", modules.display()))
        .arg(format!(
            "MODULE_SEARCH_PATH={} {}",
            folder.display(),
            tree.fiasco.display()
        ));
    run_quietly(&mut make, "there is no boot image")?;
    Ok(overlay.join(format!("images/bootstrap_{ENTRY}.elf")))
}

/// The boot entry. The kernel's console passes input on, and its timer expires when it should and not on the next tick. The guest
/// keeps its symbols, for reports of faults.
fn entry() -> String {
    format!(
        "modaddr 0x01100000\n\
         entry {ENTRY}\n\
         kernel fiasco -serial_input -nojdb -oneshot-timer\n\
         roottask moe rom/{SCRIPT}\n\
         module l4re\n\
         module ned\n\
         module {SCRIPT}\n\
         module {PROGRAM}\n\
         module[nostrip] {ENTRY}\n"
    )
}

/// Ned's script: starts the program, and reboots the machine at its end.
fn script(options: &[String], arguments: &[String]) -> String {
    let mut words = quoted(&format!("rom/{PROGRAM}"));
    let guest = format!("rom/{ENTRY}");
    for word in options.iter().chain([&guest]).chain(arguments) {
        words.push_str(", ");
        words.push_str(&quoted(word));
    }
    format!(
        "local L4 = require(\"L4\");\n\
         local task = L4.default_loader:startv(\n\
         \x20 {{ caps = {{ con = L4.Env.log:m(\"rw\"), icu = L4.Env.icu }} }},\n\
         \x20 {words});\n\
         task:exit_handler(function (code)\n\
         \x20 print({} .. code);\n\
         \x20 L4.cast(\"L4::Platform_control\", L4.Env.icu):system_shutdown(1);\n\
         end);\n",
        quoted(STATUS)
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

    #[test]
    fn the_script_passes_options_before_the_guest_and_arguments_after() {
        let script = script(&["--lazy".to_owned()], &["1".to_owned(), "2".to_owned()]);
        assert!(
            script.contains("\"rom/paravirt\", \"--lazy\", \"rom/guest\", \"1\", \"2\");"),
            "{script}"
        );
    }
}
