// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest in Rust, with a part in C, through every optimization and linker; run as a Linux program.

use paravirt_abi::signature::Width;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::guest::{Profile, Project, link_argument};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::{self, fail, succeed};
use paravirt_section_tests::{fixture, require, scratch, table, workspace};

use crate::headers::interface;

/// The project, for one test at a time: they build into the same files.
pub fn project() -> (Project, File) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest");
    let lock = test_support::take_kept_folder(&folder);
    (Project::new(&folder), lock)
}

fn script() -> PathBuf {
    workspace().join("linkcmds/x86_64.ld")
}

fn compile(source: &str, folder: &Path) -> PathBuf {
    let compiler = Compiler::Gcc(Arch::X86_64);
    let flags = ["-O2", "-ffunction-sections"];
    succeed(compiler.compile(Language::C, &fixture(source), folder, &flags))
}

/// Starts an image as a Linux program; what it printed.
pub fn run(image: &Path, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(image)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", image.display()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

fn guest(profile: Profile, linker: Linker) {
    require!("gcc", linker.program(Arch::X86_64));
    let (project, _guard) = project();
    let folder = scratch();
    let part = compile("guest/part.c", folder.path());
    for gc in ["--gc-sections", "--no-gc-sections"] {
        let image = succeed(project.guest(
            profile,
            linker,
            &script(),
            &[
                &link_argument(&format!("-Wl,{gc}")),
                &link_argument(part.to_str().expect("UTF-8")),
            ],
        ));
        let outside = table::read(&image);
        let (output, text) = run(&image, &[]);
        assert!(output.status.success(), "{text}{output:?}");

        // The guest sees the table that the image shows.
        let inside: Vec<&str> = text.lines().take(outside.len()).collect();
        let expected: Vec<String> = outside
            .iter()
            .map(|(name, signature)| {
                // The backend has no ports and nobody supplies the rest.
                let bound = name.starts_with("pv_") && !name.starts_with("pv_port");
                format!("{name} {:#x} {bound}", signature.word())
            })
            .collect();
        assert_eq!(inside, expected);
        let rest: Vec<&str> = text.lines().skip(outside.len()).collect();
        assert_eq!(
            rest,
            [
                "bound 2",
                "double 42",
                "triple 63",
                "external function board_double is declared as fn(u32) -> u64 but the backend supplies fn(u32) -> !",
            ]
        );

        let names: Vec<&str> = outside.iter().map(|(name, _)| name.as_str()).collect();
        for called in [
            "board_alpha",
            "board_double",
            "board_triple",
            "form_never",
            "form_safe",
            "pv_clock_now",
            "pv_shutdown",
        ] {
            assert!(names.contains(&called), "{called} in {names:?}");
        }
        let uncalled = ["board_never_called", "board_unused_in_c", "many_299", "pv_port_in"];
        for uncalled in uncalled {
            let kept = gc == "--no-gc-sections";
            assert_eq!(names.contains(&uncalled), kept, "{uncalled} {gc}");
            assert_eq!(table::mentions(&image, uncalled), kept, "{uncalled} {gc}");
        }

        // A call of what nobody supplies ends the guest and says so.
        let (output, text) = run(&image, &["call"]);
        assert!(text.contains("call of `board_alpha`"), "{text}");
        assert_eq!(output.status.code(), Some(3), "{text}");
    }
}

macro_rules! guests {
    ($($name:ident: $profile:ident, $linker:ident;)*) => {$(
        #[test]
        fn $name() {
            guest(Profile::$profile, Linker::$linker);
        }
    )*};
}

guests! {
    o0_with_gnu_ld: O0, Gnu;
    o0_with_lld: O0, Lld;
    o2_with_gnu_ld: O2, Gnu;
    o2_with_lld: O2, Lld;
    os_with_gnu_ld: Os, Gnu;
    os_with_lld: Os, Lld;
    fat_lto_with_gnu_ld: FatLto, Gnu;
    fat_lto_with_lld: FatLto, Lld;
    thin_lto_with_gnu_ld: ThinLto, Gnu;
    thin_lto_with_lld: ThinLto, Lld;
}

#[test]
fn another_prototype_in_the_crate_is_refused() {
    require!("gcc");
    let (project, _guard) = project();
    for profile in [Profile::O0, Profile::FatLto] {
        let messages = fail(project.guest(profile, Linker::Gnu, &script(), &["--cfg=other_prototype"]));
        assert!(
            messages.contains("external function board_alpha is declared twice, with different prototypes")
                || messages.contains("board_alpha.has_one_prototype"),
            "{messages}"
        );
    }
}

#[test]
fn another_prototype_in_c_is_refused() {
    for linker in Linker::ALL {
        require!("gcc", linker.program(Arch::X86_64));
        let (project, _guard) = project();
        let folder = scratch();
        let objects = ["guest/part.c", "other_prototype.c"]
            .map(|source| compile(source, folder.path()))
            .map(|object| link_argument(object.to_str().expect("UTF-8")));
        let messages = fail(project.guest(Profile::O2, linker, &script(), &objects.each_ref().map(String::as_str)));
        assert!(messages.contains("board_alpha.has_one_prototype"), "{messages}");
    }
}

#[test]
fn a_script_without_the_fragment_is_explained() {
    for linker in Linker::ALL {
        require!("gcc", linker.program(Arch::X86_64));
        let (project, _guard) = project();
        let folder = scratch();
        let part = compile("guest/part.c", folder.path());
        let script = folder.path().join("script.ld");
        let text = "ENTRY(_start)\nSECTIONS { . = 0x100000; .text : { *(.text .text.*) } \
                    .data : { *(.data .data.*) } .bss : { *(.bss .bss.*) } __stack_end = .; }\n";
        std::fs::write(&script, text).expect("a file in the scratch folder");
        let part = link_argument(part.to_str().expect("UTF-8"));
        let messages = fail(project.guest(Profile::O2, linker, &script, &[&part]));
        assert!(
            messages.contains("ERROR_linkcmds_must_INCLUDE_externals_ld_before_the_data_section"),
            "{messages}"
        );
    }
}

#[test]
fn a_static_library_in_a_c_program() {
    for linker in Linker::ALL {
        require!("gcc", linker.program(Arch::X86_64));
        let (project, _guard) = project();
        let folder = scratch();
        let program = compile("guest/program.c", folder.path());
        for profile in [Profile::O0, Profile::Os] {
            let library = succeed(project.static_library(profile));
            let image = folder.path().join("image");
            succeed(tools::run(
                linker
                    .command(Arch::X86_64)
                    .args(["-no-pie", "--gc-sections", "-T"])
                    .arg(script())
                    .args([&program, &library])
                    .arg("-o")
                    .arg(&image),
            ));
            let names = table::names(&image);
            let own: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|name| name.starts_with("board_"))
                .collect();
            assert_eq!(own, ["board_alpha", "board_only_in_c"]);
            let (output, text) = run(&image, &[]);
            assert_eq!(text, "program\nbound Some(false)\n");
            assert!(output.status.success(), "{output:?}");
        }
    }
}

/// The layer itself, compiled for an architecture on which no guest runs here yet, beside the same declarations in C.
fn layer(arch: Arch) {
    let compiler = Compiler::Gcc(arch);
    require!(compiler.program(), "ld.lld");
    let (project, _guard) = project();
    let library = succeed(project.layer(arch));
    let folder = scratch();
    let source = folder.path().join("interface.c");
    let text = "#include <paravirt/interface.h>\nvoid _start(void);\nvoid _start(void) {}\n";
    std::fs::write(&source, text).expect("a file in the scratch folder");
    let flags: &[&str] = if arch == Arch::Armv7 { &["-marm"] } else { &[] };
    let object = succeed(compiler.compile(Language::C, &source, folder.path(), flags));
    let image = succeed(Linker::Lld.link(
        arch,
        // The layer first: the linker keeps its groups and drops those of the C object.
        &["--whole-archive".into(), library, object],
        folder.path(),
        // The library of Rust is left out; nothing runs.
        &["--unresolved-symbols=ignore-all"],
    ));
    let width = match arch {
        Arch::I386 | Arch::Armv7 => Width::Bits32,
        Arch::X86_64 | Arch::Aarch64 | Arch::Riscv64 => Width::Bits64,
    };
    assert_eq!(table::read(&image), interface(width));
}

#[test]
fn layer_for_i386() {
    layer(Arch::I386);
}

#[test]
fn layer_for_aarch64() {
    layer(Arch::Aarch64);
}

#[test]
fn layer_for_armv7() {
    layer(Arch::Armv7);
}

#[test]
fn layer_for_riscv64() {
    layer(Arch::Riscv64);
}

/// The examples as the task runner leaves them, with all of its flags.
#[test]
fn finished_guests_have_sound_tables() {
    use test_support::Arch::{I386, X86_64};
    for (arch, width) in [(X86_64, Width::Bits64), (I386, Width::Bits32)] {
        for name in ["hello", "ticker", "c-hello"] {
            let image = test_support::guest(arch, name);
            let known = interface(width);
            let table = table::read(&image);
            assert!(table.iter().all(|function| known.contains(function)), "{table:?}");
            assert!(table.iter().any(|(name, _)| name == "pv_console_write"));
        }
    }
}
