// SPDX-License-Identifier: MIT OR Apache-2.0
//! Other linkers, and options that distributions and careful people add: each works, or is refused with a message that
//! says what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::guest::{Profile, link_argument};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::{self, fail, succeed};
use paravirt_section_tests::{fixture, require, scratch, table, workspace};

use crate::c::called;
use crate::rust::{project, run};

/// The architectures whose complete scripts there are.
const ARCHITECTURES: [(Arch, &str); 2] = [(Arch::X86_64, "x86_64.ld"), (Arch::I386, "i386.ld")];

fn complete_script(name: &str) -> PathBuf {
    workspace().join("linkcmds").join(name)
}

/// The C fixtures as objects in `folder`, with `hardened.c` compiled with more `flags`.
fn objects(arch: Arch, folder: &Path, flags: &[&str]) -> Vec<PathBuf> {
    let compiler = Compiler::Gcc(arch);
    let compile = |source: &str, flags: &[&str]| {
        let flags = [&["-O2", "-ffunction-sections", "-fdata-sections"], flags].concat();
        succeed(compiler.compile(Language::C, &fixture(source), folder, &flags))
    };
    let mut objects = vec![compile("guest/hardened.c", flags)];
    objects.extend(["first.c", "second.c", "resolver.c"].map(|source| compile(source, &[])));
    objects
}

/// What the compiler and a C library would bring.
const MEMORY_FUNCTIONS: [&str; 3] = ["--defsym=memcpy=0", "--defsym=memmove=0", "--defsym=memset=0"];

/// A guest in Rust whose part in C is `hardened.c`, compiled with `flags` and linked with `arguments`.
fn guest(linker: Linker, flags: &[&str], arguments: &[&str]) -> Result<(PathBuf, String), String> {
    let (project, _guard) = project();
    let folder = scratch();
    let flags = [&["-O2", "-ffunction-sections"], flags].concat();
    let part = Compiler::Gcc(Arch::X86_64).compile(Language::C, &fixture("guest/hardened.c"), folder.path(), &flags)?;
    let mut all = vec![
        link_argument("-Wl,--gc-sections"),
        link_argument(part.to_str().expect("UTF-8")),
    ];
    all.extend(arguments.iter().map(|argument| link_argument(argument)));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let image = project.guest(Profile::O2, linker, &complete_script("x86_64.ld"), &all)?;
    let (output, text) = run(&image, &[]);
    assert!(output.status.success(), "{text}{output:?}");
    Ok((image, text))
}

#[test]
fn mold_takes_none_of_our_scripts_and_says_so() {
    require!("gcc", "mold");
    for (arch, name) in ARCHITECTURES {
        require!(arch.gcc());
        let width = if arch == Arch::I386 { "-m32" } else { "-m64" };
        let folder = scratch();
        let objects = objects(arch, folder.path(), &[]);
        for script in [complete_script(name), fixture("any.ld")] {
            let image = folder.path().join("image");
            let messages = fail(tools::run(
                Command::new("gcc")
                    .args([width, "-fuse-ld=mold", "-nostdlib", "-static", "-no-pie", "-L"])
                    .arg(workspace().join("linkcmds"))
                    .arg(format!("-Wl,--gc-sections,-T,{}", script.display()))
                    .args(&objects)
                    .arg("-o")
                    .arg(&image),
            ));
            let named = format!("mold: fatal: {}:", script.display());
            assert!(messages.contains(&named), "no {named} in {messages}");
            assert!(!image.exists(), "an image in spite of {messages}");
        }
    }
}

#[test]
fn a_guest_that_mold_links_without_a_script_is_told_of_the_fragment() {
    require!("gcc", "mold");
    let (project, _guard) = project();
    let folder = scratch();
    // Nothing that mold does not understand, so that it links by its own layout.
    let script = folder.path().join("nothing.ld");
    fs::write(&script, "OUTPUT_FORMAT(elf64-x86-64)\n").expect("a file in the scratch folder");
    let part = Compiler::Gcc(Arch::X86_64).compile(Language::C, &fixture("guest/part.c"), folder.path(), &["-O2"]);
    let part = link_argument(succeed(part).to_str().expect("UTF-8"));
    // The last one wins.
    let messages = fail(project.guest(
        Profile::O2,
        Linker::Gnu,
        &script,
        &[&part, &link_argument("-fuse-ld=mold")],
    ));
    let symbol = "ERROR_linkcmds_must_INCLUDE_externals_ld_before_the_data_section";
    assert!(messages.contains(symbol), "{messages}");
}

/// Links by every script with that option.
fn every_script_with(options: &[&str]) {
    for linker in Linker::ALL {
        for (arch, name) in ARCHITECTURES {
            require!(arch.gcc(), linker.program(arch));
            for script in [complete_script(name), fixture("any.ld")] {
                let folder = scratch();
                let objects = objects(arch, folder.path(), &[]);
                let flags = [&["--gc-sections"], &MEMORY_FUNCTIONS[..], options].concat();
                let image = succeed(linker.link_by(arch, &script, &objects, folder.path(), &flags));
                assert_eq!(table::read(&image), called(), "{linker:?} {arch:?} {script:?}");
            }
        }
    }
}

#[test]
fn collecting_sections_that_start_and_stop_symbols_name_leaves_the_table() {
    every_script_with(&["-z", "start-stop-gc"]);
    for linker in Linker::ALL {
        let (image, _) = succeed(guest(linker, &[], &["-Wl,-z,start-stop-gc"]));
        assert!(table::names(&image).contains(&"pv_console_write".to_owned()));
    }
}

#[test]
fn linkers_have_nothing_to_warn_of() {
    every_script_with(&["--fatal-warnings"]);
    for linker in Linker::ALL {
        succeed(guest(linker, &[], &["-Wl,--fatal-warnings"]));
    }
}

#[test]
fn what_needs_no_library_works_in_c() {
    for flags in [
        &["-fcf-protection"][..],
        &["-fPIE"],
        &["-fstack-clash-protection"],
        &["-fcf-protection", "-fPIE", "-fstack-clash-protection"],
    ] {
        for linker in Linker::ALL {
            let (_, text) = succeed(guest(linker, flags, &[]));
            assert!(text.contains("in C\n"), "{flags:?}: {text}");
            for (arch, name) in ARCHITECTURES {
                require!(arch.gcc(), linker.program(arch));
                let folder = scratch();
                let objects = objects(arch, folder.path(), flags);
                // Whole: nothing calls the file's function.
                let image = succeed(linker.link_by(
                    arch,
                    &complete_script(name),
                    &objects,
                    folder.path(),
                    &[&["--no-gc-sections"], &MEMORY_FUNCTIONS[..]].concat(),
                ));
                let names = table::names(&image);
                assert!(names.contains(&"pv_console_write".to_owned()), "{names:?}");
            }
        }
    }
}

#[test]
fn what_needs_a_c_library_does_not_link_and_names_the_option() {
    for (flags, option) in [
        (&["-fstack-protector-strong"][..], "-fno-stack-protector"),
        (&["-fstack-protector-all", "-fPIE"], "-fno-stack-protector"),
        (&["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"], "-U_FORTIFY_SOURCE"),
        (&["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"], "-U_FORTIFY_SOURCE"),
    ] {
        for linker in Linker::ALL {
            let messages = fail(guest(linker, flags, &[]));
            assert!(messages.contains("ERROR(linkcmds)"), "{messages}");
            assert!(messages.contains(option), "no {option} in {messages}");
            for (arch, name) in ARCHITECTURES {
                require!(arch.gcc(), linker.program(arch));
                let folder = scratch();
                let objects = objects(arch, folder.path(), flags);
                let messages = fail(linker.link_by(
                    arch,
                    &complete_script(name),
                    &objects,
                    folder.path(),
                    &[&["--no-gc-sections"], &MEMORY_FUNCTIONS[..]].concat(),
                ));
                assert!(messages.contains(option), "no {option} in {messages}");
            }
        }
    }
}

#[test]
fn an_own_stack_protector_is_left_alone() {
    for linker in Linker::ALL {
        for (arch, name) in ARCHITECTURES {
            require!(arch.gcc(), linker.program(arch));
            let folder = scratch();
            let own = folder.path().join("own.c");
            let text = "void __stack_chk_fail(void);\nvoid __stack_chk_fail(void) {}\n";
            fs::write(&own, text).expect("a file in the scratch folder");
            let flags = ["-fstack-protector-strong"];
            let mut objects = objects(arch, folder.path(), &flags);
            let own = Compiler::Gcc(arch).compile(Language::C, &own, folder.path(), &[]);
            objects.push(succeed(own));
            succeed(linker.link_by(
                arch,
                &complete_script(name),
                &objects,
                folder.path(),
                &[&["--no-gc-sections"], &MEMORY_FUNCTIONS[..]].concat(),
            ));
        }
    }
}

/// Every standard of C and C++ from the first that the headers support, and what compilers called it before it was one.
#[test]
fn the_headers_are_of_every_standard() {
    require!("gcc", "g++", "clang");
    let folder = workspace().join("ffi/include/paravirt");
    let headers: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the headers")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "h"))
        .collect();
    assert!(headers.len() >= 10, "{headers:?}");
    let includes: String = headers
        .iter()
        .map(|header| {
            let name = header.file_name().expect("a header").to_string_lossy();
            format!("#include <paravirt/{name}>\n")
        })
        .collect();
    // Declared and called as a user does it.
    let use_of_it = "L4_EXTERNAL_FUNC(int32_t, board_alpha, uint32_t);\nint32_t call(void);\n\
                     int32_t call(void) { return board_alpha(1); }\n";
    let folder = scratch();
    let source = folder.path().join("all.c");
    fs::write(&source, includes + use_of_it).expect("a file in the scratch folder");
    let standards = [
        (Language::C, &["c11"][..]),
        (Language::C, &["c17"]),
        (Language::C, &["c23", "c2x"]),
        (Language::C, &["gnu23", "gnu2x"]),
        (Language::Cpp, &["c++17"]),
        (Language::Cpp, &["c++20"]),
        (Language::Cpp, &["c++23", "c++2b"]),
        (Language::Cpp, &["gnu++23", "gnu++2b"]),
    ];
    for arch in [Arch::X86_64, Arch::I386] {
        for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
            require!(compiler.program());
            for (language, names) in standards {
                let standard = compiler.standard(language, names);
                succeed(compiler.compile(language, &source, folder.path(), &[&standard]));
            }
        }
    }
}
