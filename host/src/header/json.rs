// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON, read back by `pvhost check --provides`.

use serde::Serialize;

use super::Header;

#[derive(Serialize)]
struct Document<'a> {
    guest: &'a str,
    machine: String,
    abi_version: Option<u32>,
    functions: Vec<Function<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    prototype: Option<String>,
    /// In hexadecimal: not every reader of JSON keeps 64-bit numbers.
    word: Option<String>,
}

pub(super) fn format(header: &Header<'_>) -> serde_json::Result<String> {
    let document = Document {
        guest: &header.guest,
        machine: header.machine.to_string(),
        abi_version: header.abi_version,
        functions: header
            .functions
            .iter()
            .map(|function| Function {
                name: function.name,
                prototype: function.signature.map(|signature| signature.to_string()),
                word: function
                    .signature
                    .map(|signature| format!("{:#018x}", signature.word())),
            })
            .collect(),
    };
    // Every character of it is shown by a terminal: names are identifiers, and the guest's is as in the other forms.
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
