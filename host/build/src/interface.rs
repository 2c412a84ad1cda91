// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written from the list of interface functions (`ffi/abi/src/interface.rs`): the declarations in the C header
//! and the table in the ABI's document.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use paravirt_abi::interface::{FUNCTIONS, InterfaceFunction};
use paravirt_abi::signature::{Type, Width};

use crate::workspace::Workspace;

/// In the line before what is written.
const BEGIN: &str = "The list in ffi/abi/src/interface.rs, by `cargo xtask interface`";
/// In the line behind it.
const END: &str = "The list ends";

/// Returns the files with what they should contain.
///
/// # Errors
/// A file cannot be read, or does not say where the list belongs.
pub fn files(workspace: &Workspace) -> Result<[(PathBuf, String); 2]> {
    let file = |name: &str, list: String| {
        let path = workspace.root().join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let find = |what: &str| {
            let found = lines.iter().position(|line| line.contains(what));
            found.with_context(|| {
                format!("{name} has no line with \"{what}\"; put it back around what is made from the list")
            })
        };
        let (before, behind) = (&lines[..=find(BEGIN)?], &lines[find(END)?..]);
        Ok::<_, anyhow::Error>((path, [&before.concat(), "\n", &list, "\n", &behind.concat()].concat()))
    };
    Ok([
        file("ffi/include/paravirt/interface.h", declarations())?,
        file("ffi/abi/README.md", table())?,
    ])
}

/// The declarations in C, with an empty line between classes.
fn declarations() -> String {
    let mut text = String::new();
    for (index, function) in FUNCTIONS.iter().enumerate() {
        if index > 0 && FUNCTIONS[index - 1].class != function.class {
            text.push('\n');
        }
        let lines: Vec<&str> = function.documentation.iter().map(|line| line.trim()).collect();
        text.push_str(&format!("/** {} */\n", lines.join("\n *  ")));
        let (mut parts, begin) = match function.result {
            [Type::Never, _] => (Vec::new(), "L4_EXTERNAL_FUNC_NORETURN("),
            result => (vec![c(result).to_owned()], "L4_EXTERNAL_FUNC("),
        };
        parts.push(function.name.to_owned());
        parts.extend(
            function
                .arguments
                .iter()
                .map(|(name, on)| format!("{} /* {name} */", c(*on))),
        );
        text.push_str(&format!("{begin}{});\n", parts.join(", ")));
    }
    text
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
    let declared = |on, name: &str| format!("{} {name}", c(on)).replace("* ", "*");
    let arguments: Vec<String> = function
        .arguments
        .iter()
        .map(|(name, on)| declared(*on, name))
        .collect();
    let arguments = if arguments.is_empty() {
        "void".to_owned()
    } else {
        arguments.join(", ")
    };
    let never = if function.result[0] == Type::Never {
        "_Noreturn "
    } else {
        ""
    };
    format!("{never}{}({arguments})", declared(function.result, function.name))
}

/// A type in C, on guests of both widths.
const fn c(on: [Type; 2]) -> &'static str {
    match on {
        [Type::U32, Type::U64] => "size_t",
        [Type::I32, Type::I64] => "pv_ssize",
        [same, _] => same.c(),
    }
}
