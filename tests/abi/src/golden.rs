// SPDX-License-Identifier: MIT OR Apache-2.0
//! The golden files: what the ABI is, by version. Once a version is frozen, no line of them changes. What is added
//! to it is in the ABI's document, in a block with the language `added`.

use std::fs;
use std::path::Path;

use paravirt_abi::VERSION;

use crate::folder;
use crate::listing::Listing;
use crate::machine::Machine;

/// The languages of the lists.
pub const LANGUAGES: [&str; 2] = ["c", "rust"];

/// Every list.
pub fn lists() -> impl Iterator<Item = (&'static str, Machine)> {
    let machines = || Machine::ALL.into_iter().chain([Machine::Aarch64]);
    LANGUAGES
        .into_iter()
        .flat_map(move |language| machines().map(move |machine| (language, machine)))
}

/// How a line of a list begins that says what another list has and this one has not.
pub const WITHOUT: &str = "without ";

/// Name of the golden file of this version.
#[must_use]
pub fn name(language: &str, machine: Machine) -> String {
    name_of(VERSION, language, machine)
}

fn name_of(version: u32, language: &str, machine: Machine) -> String {
    format!("v{version}-{language}-{}.txt", machine.name())
}

/// The golden files of the versions before this one that are not there any more.
#[must_use]
pub fn lost(language: &str, machine: Machine) -> Vec<String> {
    (1..VERSION)
        .map(|version| name_of(version, language, machine))
        .filter(|name| !folder().join("golden").join(name).is_file())
        .collect()
}

/// Names in the golden files of version 1, and what they are called since. Under the old ones they are still there.
const RENAMED: [(&str, &str); 2] = [
    ("legacy::", "l4rtems::"),
    ("sections::LEGACY_PREFIX", "sections::L4RTEMS_PREFIX"),
];

/// The golden list of this version; `None` if there is none yet.
#[must_use]
pub fn read(language: &str, machine: Machine) -> Option<Listing> {
    let path = folder().join("golden").join(name(language, machine));
    let text = fs::read_to_string(path).ok()?;
    let mut text = RENAMED.iter().fold(text, |text, (old, new)| text.replace(old, new));
    let document = fs::read_to_string(folder().join("README.md")).expect("the document");
    // Both languages say the same of a function.
    let start = format!("{} function ", machine.name());
    let block = document.lines().skip_while(|line| *line != "```added");
    for function in block.filter_map(|line| line.strip_prefix(&start)) {
        text.push_str(&format!("function {function}\n"));
    }
    Some(Listing::parse(&text))
}

/// Compares the list with the golden one of this version. What was found is left in `scratch`.
///
/// # Panics
/// If they differ: says where, and what to do.
pub fn compare(found: &Listing, language: &str, machine: Machine, scratch: &Path) {
    let name = name(language, machine);
    let left = scratch.join(&name);
    let text = format!(
        "# SPDX-License-Identifier: MIT OR Apache-2.0\n\
         # ABI version {VERSION} in {language} on {}. Frozen: no line is changed or taken away.\n{found}",
        machine.name()
    );
    fs::create_dir_all(scratch).expect("a folder for what was found");
    fs::write(&left, text).expect("a file there");
    let lost = lost(language, machine);
    assert!(lost.is_empty(), "golden files stay; lost: {lost:?}");
    let Some(golden) = read(language, machine) else {
        panic!(
            "ABI version {VERSION} has no golden file {name} yet.\n\
             If the new version is meant: read {} line by line, copy it to ffi/abi/golden beside those of the versions \
             before, which stay, and say in ffi/abi/README.md what is new.",
            left.display()
        );
    };
    if *found == golden {
        return;
    }
    let (gone, fresh) = (golden.without(found), found.without(&golden));
    let what_to_do = if gone.is_empty() && fresh.iter().all(|line| line.starts_with("function ")) {
        format!(
            "Nothing that was there has changed. Say in ffi/abi/README.md what the function does, and add the lines \
             with `+` to its block `added`, each as `{} function ..`.",
            machine.name()
        )
    } else if gone.is_empty() {
        "Nothing that was there has changed. If `Compatibility` in ffi/abi/README.md allows such an addition within a \
         version, say there what it is and add the lines with `+` to the golden file; else undo it."
            .to_owned()
    } else {
        "Guests and hosts that exist count on the lines with `-`. Undo the change; or, if it is meant, raise \
         paravirt_abi::VERSION and PV_ABI_VERSION: then this test asks for golden files of the new version beside \
         those that there are."
            .to_owned()
    };
    let list = |lines: Vec<&str>, sign: &str| -> String {
        let marked = lines.into_iter().map(|line| format!("  {sign} {line}\n"));
        marked.collect()
    };
    panic!(
        "ABI version {VERSION} is frozen, and this is not it any more ({name}; - as it was frozen, + as it is \
        now):\n{}{}{what_to_do}",
        list(gone, "-"),
        list(fresh, "+"),
    );
}
