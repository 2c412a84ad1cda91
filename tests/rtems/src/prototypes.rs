// SPDX-License-Identifier: MIT OR Apache-2.0
//! C declarations of what Rust sources export.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, ItemType, Language, Style};
use paravirt_section_tests::workspace;

/// Names in Rust and in our headers of the same structure.
const RENAMED: [(&str, &str); 1] = [("StartInfo", "struct pv_start_info")];

/// The declarations of the functions that `source` exports, with the types that they use from `types`.
///
/// # Panics
/// If the sources are not understood.
#[must_use]
pub fn of(source: &Path, types: &[PathBuf]) -> String {
    let mut config = Config {
        language: Language::C,
        style: Style::Tag,
        no_includes: true,
        ..Config::default()
    };
    config.export.item_types = vec![ItemType::Functions, ItemType::Typedefs];
    for (rust, c) in RENAMED {
        config.export.rename.insert(rust.to_owned(), c.to_owned());
    }
    let mut builder = Builder::new().with_config(config).with_src(source);
    for types in types {
        builder = builder.with_src(types);
    }
    let bindings = builder
        .generate()
        .unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).expect("C is ASCII here")
}

/// The modules of the C API: each has a header of its name.
///
/// # Panics
/// If the crate is not there.
#[must_use]
pub fn modules() -> Vec<String> {
    let mut modules: Vec<String> = fs::read_dir(workspace().join("ffi/capi/src"))
        .expect("the C API")
        .map(|entry| entry.expect("a file").path())
        .map(|path| {
            let stem = path.file_stem().expect("a name");
            stem.to_string_lossy().into_owned()
        })
        .filter(|module| module != "lib")
        .collect();
    modules.sort();
    modules
}

/// The declarations that `ffi/include/paravirt/<module>.h` must have.
#[must_use]
pub fn of_module(module: &str) -> String {
    let source = workspace().join(format!("ffi/capi/src/{module}.rs"));
    let types = workspace().join(format!("bsp/src/{module}.rs"));
    if types.is_file() {
        of(&source, &[types])
    } else {
        of(&source, &[])
    }
}

/// Names of the functions of the C API in C source text, comments aside.
#[must_use]
pub fn functions(text: &str) -> BTreeSet<String> {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    code.match_indices("paravirt_")
        .filter(|(start, _)| !code[..*start].ends_with(word))
        .filter_map(|(start, _)| {
            let name: String = code[start..].chars().take_while(|c| word(*c)).collect();
            code[start + name.len()..].starts_with('(').then_some(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::functions;

    #[test]
    fn functions_are_told_from_types_and_comments() {
        let found = functions(
            "/* paravirt_a(void) */ int paravirt_b(void);\ntypedef void (*paravirt_c)(int);\nint my_paravirt_d(void);",
        );
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["paravirt_b"]);
    }
}
