// SPDX-License-Identifier: MIT OR Apache-2.0
//! What loaders and tools look for, and code does not refer to: in every image, however its crates were split into
//! objects.

use std::fs;
use std::path::{Path, PathBuf};

use paravirt_abi::note;
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::split::{Project, Split, notes};
use paravirt_section_tests::tools::succeed;
use paravirt_section_tests::{require, scratch, workspace};

use crate::rust::run;

/// Types of Xen's notes (Xen's public header `elfnote.h`, version 4.17): the PVH entry point, and those of a PV domain.
const PVH: &[u32] = &[18];
const PVH_AND_PV: &[u32] = &[1, 3, 4, 5, 6, 8, 17, 18];

fn script(arch: Arch) -> PathBuf {
    let name = if arch == Arch::I386 { "i386.ld" } else { "x86_64.ld" };
    workspace().join("linkcmds").join(name)
}

/// Sees that the image has all notes, and its backends: it runs as a Linux program.
fn check(image: &Path, arch: Arch, what: &str) {
    let notes = notes(image);
    let types = |section: &str| {
        let mut types: Vec<u32> = notes
            .iter()
            .filter(|(in_section, ..)| in_section == section)
            .map(|&(_, kind, _)| kind)
            .collect();
        types.sort_unstable();
        types
    };
    let (xen, names): (&[u32], &[&str]) = match arch {
        Arch::I386 => (PVH, &["bare", "linux_syscall", "pok", "xen"]),
        _ => (PVH_AND_PV, &["bare", "linux_syscall", "xen"]),
    };
    assert_eq!(types(".note.Xen"), xen, "{what}");
    let mut backends: Vec<&str> = notes
        .iter()
        .filter(|(section, kind, _)| section == note::SECTION && *kind == note::BACKEND_TYPE)
        .map(|(.., name)| str::from_utf8(name).expect("ASCII").trim_end_matches('\0'))
        .collect();
    backends.sort_unstable();
    assert_eq!(backends, names, "{what}");
    let identities = types(note::SECTION).into_iter().filter(|&kind| kind == note::TYPE);
    assert_eq!(identities.count(), 1, "{what}");
    let (output, text) = run(image, &[]);
    assert_eq!(text, "program\n", "{what}: {output:?}");
}

fn images(arch: Arch) {
    require!(arch.gcc(), Linker::Gnu.program(arch), Linker::Lld.program(arch));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("split");
    let _guard = test_support::take_kept_folder(&folder);
    let project = Project::new(&folder);
    let objects = scratch();
    let source = objects.path().join("program.c");
    let text = "#include <paravirt/interface.h>\nint32_t paravirt_main(void);\n\
                int32_t paravirt_main(void) { return pv_console_write(\"program\\n\", 8) != 8; }\n";
    fs::write(&source, text).expect("a file in the scratch folder");
    let program =
        succeed(Compiler::Gcc(arch).compile(Language::C, &source, objects.path(), &["-O2", "-ffunction-sections"]));
    for split in Split::ALL {
        let library = succeed(project.static_library(arch, split));
        for linker in Linker::ALL {
            let what = format!("{arch:?}, {split:?}, {linker:?}");
            let image = succeed(project.program(arch, split, linker, &script(arch)));
            check(&image, arch, &format!("{what}, in Rust"));
            let image = succeed(linker.link_by(
                arch,
                &script(arch),
                &[&program, &library],
                objects.path(),
                &["-no-pie", "--gc-sections"],
            ));
            check(&image, arch, &format!("{what}, a static library"));
        }
    }
}

#[test]
fn nothing_is_lost_from_images_for_x86_64() {
    images(Arch::X86_64);
}

#[test]
fn nothing_is_lost_from_images_for_i386() {
    images(Arch::I386);
}
