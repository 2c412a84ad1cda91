// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the documents show on a console is what a reader sees: each block of commands is run in a shell, and what it
//! prints is compared. A line `...` in a document stands for any lines, and an address for any address.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod block;
mod folder;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use paravirt_build::packages::Package;
use test_support::need::User;

use block::{Block, blocks};
use folder::Folder;

const RTEMS: &[User] = &[User::RtemsPrefix, User::RtemsSource];
const L4RE: &[User] = &[User::L4reTree, User::L4reFiasco];

/// Blocks that need what only a user has, by document and how the first command begins; and what that is.
const OF_USERS: [(&str, &str, &[User]); 16] = [
    ("README.md", "cargo xtask rtems", RTEMS),
    ("ffi/rtems/README.md", "cargo xtask rtems --prefix", RTEMS),
    ("ffi/rtems/README.md", "pvhost run --host xen-pvh target/rtems", RTEMS),
    ("ffi/rtems/README.md", "i386-rtems6-gcc", RTEMS),
    ("ffi/rtems/README.md", "pvhost list target/rtems", RTEMS),
    ("ffi/rtems/README.md", "pvhost test target/rtems", RTEMS),
    ("host/ci/RTEMS.md", "cp -r examples/rtems-application", RTEMS),
    (
        "host/ports/README.md",
        "cargo xtask pok --tree $HOME/pok --run",
        &[User::RtemsPrefix, User::RtemsSource, User::PokTree],
    ),
    ("host/ports/README.md", "cargo xtask pok", &[User::PokTree]),
    // It compares with a BSP pc686 that its reader has built.
    ("ffi/rtems/README.md", "cargo xtask rtems", &[User::Reader]),
    ("host/README.md", "pvhost audit hello.exe", RTEMS),
    // Building L4Re and Fiasco takes a reader half an hour.
    ("host/l4re/README.md", "sudo apt-get install git make", &[User::Reader]),
    (
        "host/l4re/README.md",
        "cargo xtask l4re --tree $HOME/l4/build-x86 --fiasco $HOME/fiasco/build-x86 hello",
        L4RE,
    ),
    // With the sources of L4Re, which a build folder does not name.
    ("host/l4re/README.md", "mkdir functions", &[User::Reader]),
    (
        "host/l4re/README.md",
        "cargo xtask l4re --tree $HOME/l4/build-x86 --fiasco $HOME/fiasco/build-x86 --guest",
        L4RE,
    ),
    // On a hypervisor of the reader's.
    ("bsp/src/backend/README.md", "... your hypervisor", &[User::Reader]),
];

/// The entry of a block that needs what only a user has.
fn of_user(block: &Block) -> Option<usize> {
    let first = &block.steps.first()?.command;
    OF_USERS
        .iter()
        .position(|(document, command, _)| block.document == *document && first.starts_with(command))
}

/// What a block needs of the user's.
fn needs(entry: Option<usize>) -> Vec<User> {
    let mut needs = entry.map_or_else(Vec::new, |index| OF_USERS[index].2.to_vec());
    // The documents show one for x86-32.
    if needs.contains(&User::L4reTree) && is_other_l4re() {
        needs.push(User::OtherL4re);
    }
    needs
}

/// Returns whether an L4Re is named that was not built for x86-32.
fn is_other_l4re() -> bool {
    User::L4reTree.value().is_some_and(|tree| {
        let config = PathBuf::from(tree).join(".config.all");
        fs::read_to_string(config).is_ok_and(|text| !text.contains("CONFIG_BUILD_ARCH_x86=y"))
    })
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Guests measure times, so each has the machine for itself unless told otherwise.
    arguments.test_threads.get_or_insert(1);
    let blocks: Vec<Block> = documents()
        .into_iter()
        .flat_map(|document| {
            let path = test_support::workspace().root().join(&document);
            let text = fs::read_to_string(path).expect("a document");
            blocks(&document, &text)
        })
        .collect();
    let listed: Vec<Option<usize>> = blocks.iter().map(of_user).collect();
    let mut trials = vec![
        Trial::test("every_block_is_run_or_needs_what_is_a_users", {
            let used: BTreeSet<usize> = listed.iter().copied().flatten().collect();
            move || every_entry_is_used(&used)
        }),
        Trial::test("the_table_of_hosts_counts_what_their_files_count", counts),
        Trial::test("what_is_linked_to_is_there", links),
    ];
    trials.extend(blocks.into_iter().zip(listed).map(|(block, listed)| {
        test_support::trial(block.title(), &needs(listed), move || {
            Folder::new().runs(&block).map_err(Failed::from)
        })
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Every document of the project, named from its root.
fn documents() -> Vec<String> {
    let workspace = test_support::workspace();
    let mut documents = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(workspace.root().join(&folder)).expect("a folder") {
            let entry = entry.expect("a readable folder");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                documents.push(path.to_string_lossy().into_owned());
            }
        }
    }
    documents.sort();
    documents
}

/// Links to files and to headings of documents, from the document that has them.
fn links() -> Result<(), Failed> {
    let root = test_support::workspace().root().to_owned();
    let read = |document: &str| fs::read_to_string(root.join(document)).expect("a document");
    let mut broken = Vec::new();
    for document in documents() {
        let folder = root
            .join(&document)
            .parent()
            .expect("a document is in a folder")
            .to_owned();
        for link in read(&document).split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() {
                root.join(&document)
            } else {
                folder.join(file)
            };
            let text = fs::read_to_string(&path).unwrap_or_default();
            let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
            if !path.exists() || !heading.is_empty() && !headings.any(|anchor| anchor == heading) {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken.join("\n").into())
    }
}

/// The anchor that the usual viewers of documents give a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// An entry whose block is gone would hide the next one.
fn every_entry_is_used(used: &BTreeSet<usize>) -> Result<(), Failed> {
    let unused: Vec<&str> = (0..OF_USERS.len())
        .filter(|index| !used.contains(index))
        .map(|index| OF_USERS[index].1)
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(format!("no document has these blocks of users: {unused:?}").into())
}

/// Compares the counts of the table in the backends' document with the manifests that say what hosts do not offer.
fn counts() -> Result<(), Failed> {
    let workspace = test_support::workspace();
    let document = fs::read_to_string(workspace.root().join("bsp/src/backend/README.md"))?;
    let packages = Package::all(&workspace)?;
    let mut rows = 0;
    for row in document.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, run_on, _, not_offered, _, _] = cells[..] else {
            continue;
        };
        let Ok(not_offered) = not_offered.parse::<usize>() else {
            continue;
        };
        let run_on = run_on.trim_matches('`');
        // No host of `cargo xtask test`: other tests see to it.
        if run_on.is_empty() {
            continue;
        }
        let found = packages.iter().any(|package| {
            package.metadata.run.iter().any(|run| {
                let is_it = package.name == run_on || package.name == "conformance" && run.host == run_on;
                is_it && run.args.starts_with(&["all".to_owned()]) && run.not_offered.len() == not_offered
            })
        });
        if !found {
            return Err(format!("no run on {run_on} whose manifest names {not_offered} checks").into());
        }
        rows += 1;
    }
    if rows != 11 {
        return Err(format!("{rows} hosts in the table").into());
    }
    Ok(())
}
