// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written from the list of interface functions (`ffi/abi/src/interface.rs`): the C header and the table in
//! the ABI's document.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use paravirt_abi::interface::{FUNCTIONS, InterfaceFunction, InterfaceType};
use paravirt_abi::signature::{Type, Width};

use crate::workspace::Workspace;

/// Where the table begins and ends in the document.
const BEGIN: &str = "<!-- The list in src/interface.rs, by `cargo xtask interface` -->\n\n";
const END: &str = "\n<!-- The list ends -->";

/// The columns of a line of C.
const COLUMNS: usize = 120;

/// The header up to the functions.
const HEAD: &str = "/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The interface functions of ABI version 1. `cargo xtask interface` writes this file from their list,
 * `ffi/abi/src/interface.rs`.
 *
 * Sizes are in bytes, times in nanoseconds. Errors are the negative numbers PV_ERROR_*.
 */
#ifndef PARAVIRT_INTERFACE_H
#define PARAVIRT_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

#include \"abi.h\"
#include \"external.h\"

/* `size_t` with a sign. `ssize_t` and `ptrdiff_t` have other types on some of the architectures. */
typedef intptr_t pv_ssize;
";

/// The files with what they should contain.
///
/// # Errors
/// The document cannot be read, or has no place for the table.
pub fn files(workspace: &Workspace) -> Result<[(PathBuf, String); 2]> {
    let path = workspace.root().join("ffi/abi/README.md");
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (before, rest) = document.split_once(BEGIN).with_context(|| no_place(&path, BEGIN))?;
    let (_, after) = rest.split_once(END).with_context(|| no_place(&path, END))?;
    let document = format!("{before}{BEGIN}{}{END}{after}", table());
    Ok([
        (workspace.root().join("ffi/include/paravirt/interface.h"), header()),
        (path, document),
    ])
}

fn no_place(path: &std::path::Path, line: &str) -> String {
    format!(
        "{}: no line `{}`; put it back around the table of prototypes",
        path.display(),
        line.trim()
    )
}

/// The C header.
fn header() -> String {
    let mut text = HEAD.to_owned();
    let mut class = None;
    for function in &FUNCTIONS {
        if class != Some(function.class) {
            text.push('\n');
            class = Some(function.class);
        }
        let words: Vec<&str> = function
            .documentation
            .iter()
            .flat_map(|line| line.split_whitespace())
            .collect();
        text.push_str(&wrapped("/** ", " *  ", &words, " ", " */\n"));
        let (begin, result) = match function.result {
            InterfaceType::Fixed(Type::Never) => ("L4_EXTERNAL_FUNC_NORETURN(", None),
            result => ("L4_EXTERNAL_FUNC(", Some(c(result).to_owned())),
        };
        let arguments = function
            .arguments
            .iter()
            .map(|(name, kind)| format!("{} /* {name} */", c(*kind)));
        let parts: Vec<String> = result
            .into_iter()
            .chain([function.name.to_owned()])
            .chain(arguments)
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        text.push_str(&wrapped(begin, &" ".repeat(begin.len()), &parts, ", ", ");\n"));
    }
    text.push_str("\n#endif\n");
    text
}

/// The parts in lines of [`COLUMNS`] at most.
fn wrapped(begin: &str, indent: &str, parts: &[&str], separator: &str, end: &str) -> String {
    let mut lines = vec![begin.to_owned()];
    for (index, part) in parts.iter().enumerate() {
        let behind = if index + 1 < parts.len() { separator } else { end };
        let line = lines.last_mut().expect("there is one");
        if line.len() + part.len() + behind.trim_end().len() > COLUMNS && line.len() > indent.len() {
            line.truncate(line.trim_end().len());
            lines.push(indent.to_owned());
        }
        let line = lines.last_mut().expect("there is one");
        line.push_str(part);
        line.push_str(behind);
    }
    lines.join("\n")
}

/// The table of the document.
fn table() -> String {
    let mut text = "| Prototype | 32 bits | 64 bits |\n|---|---|---|\n".to_owned();
    for function in &FUNCTIONS {
        let word = |width| function.signature(width).word();
        let (narrow, wide) = (word(Width::Bits32), word(Width::Bits64));
        text.push_str(&format!(
            "| `{}` | `{narrow:#018x}` | `{wide:#018x}` |\n",
            prototype(function)
        ));
    }
    text
}

/// A function's prototype in C.
fn prototype(function: &InterfaceFunction) -> String {
    let declared = |kind, name: &str| {
        let kind = c(kind);
        let space = if kind.ends_with('*') { "" } else { " " };
        format!("{kind}{space}{name}")
    };
    let arguments: Vec<String> = function
        .arguments
        .iter()
        .map(|(name, kind)| declared(*kind, name))
        .collect();
    let arguments = if arguments.is_empty() {
        "void".to_owned()
    } else {
        arguments.join(", ")
    };
    let never = match function.result {
        InterfaceType::Fixed(Type::Never) => "_Noreturn ",
        _ => "",
    };
    format!("{never}{}({arguments})", declared(function.result, function.name))
}

/// A type in C.
const fn c(kind: InterfaceType) -> &'static str {
    match kind {
        InterfaceType::Fixed(fixed) => fixed.c(),
        InterfaceType::Usize => "size_t",
        InterfaceType::Isize => "pv_ssize",
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, wrapped};

    #[test]
    fn long_lines_are_broken_between_parts() {
        let part = "0123456789".repeat(6);
        let text = wrapped("f(", "  ", &[&part, &part, "x"], ", ", ");\n");
        assert_eq!(text, format!("f({part},\n  {part}, x);\n"));
        assert!(text.lines().all(|line| line.len() <= COLUMNS));
        assert_eq!(wrapped("f(", "  ", &["x", "y"], ", ", ");\n"), "f(x, y);\n");
    }
}
