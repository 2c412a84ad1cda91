// SPDX-License-Identifier: MIT OR Apache-2.0
//! linkcmds and library without RTEMS: a C program in the place of the kernel is linked, read by the host, and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use object::elf::{PF_R, PF_W, PT_GNU_STACK};
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSegment, ObjectSymbol};
use paravirt_rtems_tests::{own, run};
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::tools::{self, fail, succeed};
use paravirt_section_tests::{require, scratch, workspace};
use pvhost::image::Image;
use pvhost::process::Exit;

const GCC: Compiler = Compiler::Gcc(Arch::I386);
const AR: &str = "i686-linux-gnu-ar";

/// Files of the compiler around those of an application, in their order on the linker's command line.
const AROUND: [&str; 4] = ["crti", "crtbegin", "crtend", "crtn"];

/// Compiles one of the parts of `fixtures/crt.S` to `object`.
fn part(name: &str, object: &Path) {
    succeed(tools::run(
        Command::new(GCC.program())
            .arg(format!("-D{}", name.to_uppercase()))
            .arg("-c")
            .arg(own("fixtures/crt.S"))
            .arg("-o")
            .arg(object),
    ));
}

/// Links the fixtures in `folder` as gcc links an RTEMS application: the start file and the libraries come from
/// linkcmds, which stand behind everything else.
fn link(library: &Path, linkcmds: &[PathBuf], folder: &Path) -> Result<PathBuf, String> {
    let [kernel, memory] = ["fixtures/kernel.c", "fixtures/memory.c"]
        .map(|source| succeed(GCC.compile(Language::C, &own(source), folder, &["-O2", "-ffunction-sections"])));
    succeed(tools::run(
        Command::new(GCC.program())
            .arg("-c")
            .arg(own("fixtures/start.S"))
            .arg("-o")
            .arg(folder.join("start.o")),
    ));
    let bracketed = folder.join("bracketed.o");
    part("library", &bracketed);
    succeed(tools::run(
        Command::new(AR)
            .arg("rcs")
            .arg(folder.join("librtemsbsp.a"))
            .args([&kernel, &bracketed]),
    ));
    let around = AROUND.map(|name| folder.join(name).with_extension("o"));
    for (name, object) in AROUND.iter().zip(&around) {
        part(name, object);
    }
    succeed(tools::run(
        Command::new(AR).arg("rcs").arg(folder.join("librtemscpu.a")),
    ));
    succeed(tools::run(
        Command::new(AR).arg("rcs").arg(folder.join("libc.a")).arg(&memory),
    ));
    let image = folder.join("kernel.exe");
    tools::run(
        Command::new(GCC.program())
            .args([
                "-nostdlib",
                "-static",
                "-no-pie",
                "-Wl,--gc-sections",
                "-Wl,--build-id=none",
                "-Wl,-u,library",
            ])
            .args(&around)
            .arg("-L")
            .arg(folder)
            .arg("-L")
            .arg(library.parent().expect("a folder"))
            .arg("-L")
            .arg(workspace().join("linkcmds"))
            .args(linkcmds.iter().map(|folder| format!("-L{}", folder.display())))
            .arg("-Tlinkcmds")
            .arg("-o")
            .arg(&image),
    )?;
    Ok(image)
}

/// The folders of linkcmds, and of what they include.
fn linkcmds() -> [PathBuf; 2] {
    ["i386", "shared"].map(|part| workspace().join("ffi/rtems/bsp").join(part).join("start"))
}

#[test]
fn linkcmds_keep_the_tables_and_the_note_and_rtems_linker_sets() {
    let library = test_support::rtems_library(test_support::Arch::I386);
    require!(GCC.program(), AR);
    let folder = scratch();
    let path = succeed(link(&library, &linkcmds(), folder.path()));
    let image = Image::open(&path).expect("a sound image");
    assert!(image.vcpu_page().is_some(), "no identity note");
    let names: Vec<&str> = image
        .externals()
        .iter()
        .map(|external| external.name.as_str())
        .collect();
    for used in ["pv_console_write", "pv_cpu_idle", "pv_shutdown", "pv_timer_start"] {
        assert!(names.contains(&used), "{used} is not in {names:?}");
    }
    // What nobody calls is not asked for.
    for unused in ["pv_port_in", "pv_port_out"] {
        assert!(!names.contains(&unused), "{unused} is in {names:?}");
    }
    let backends = image.backends();
    for name in ["bare", "linux_syscall", "pok", "xen"] {
        assert!(
            backends.iter().any(|backend| backend.name == name),
            "no backend {name}: {backends:?}"
        );
    }

    let bytes = fs::read(&path).expect("just linked");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    // Also what has no content in the file, such as RTEMS' interrupt stack. Sections for debuggers have no address.
    for section in elf.sections().filter(|section| section.address() != 0) {
        let (start, end) = (section.address(), section.address() + section.size());
        let name = section.name().expect("a name");
        assert!(
            elf.segments()
                .any(|segment| segment.address() <= start && end <= segment.address() + segment.size()),
            "{name} is in no segment"
        );
    }
    let headers = ElfFile32::<LittleEndian>::parse(&*bytes).expect("an ELF file for 32 bits");
    let stack = headers
        .elf_program_headers()
        .iter()
        .find(|header| header.p_type(LittleEndian) == PT_GNU_STACK)
        .expect("else Linux makes all memory of the program executable");
    assert_eq!(stack.p_flags(LittleEndian), PF_R | PF_W);
    let notes = elf.section_by_name(".note.Xen").expect("the note for PVH loaders");
    assert!(!notes.data().expect("content").is_empty());
    let section = elf.section_by_name(".rtemsroset").expect("linker sets");
    assert_eq!(section.data().expect("content"), 0x1234_u32.to_le_bytes());
}

/// What the C run-time finds by its start and end has both where they must be, although our library stands behind
/// crtend.o. The first of them is what C++ exceptions need: frames from the start that crtbegin.o has to a zero word of
/// crtend.o.
#[test]
fn the_compilers_files_bracket_what_is_theirs() {
    let library = test_support::rtems_library(test_support::Arch::I386);
    require!(GCC.program(), AR);
    let folder = scratch();
    let path = succeed(link(&library, &linkcmds(), folder.path()));
    let bytes = fs::read(&path).expect("just linked");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    let content = |name: &str| {
        let section = elf.section_by_name(name).unwrap_or_else(|| panic!("no {name}"));
        (section.address(), section.data().expect("content"))
    };

    let (start, frames) = content(".eh_frame");
    let first = elf
        .symbols()
        .find(|symbol| symbol.name() == Ok("frames"))
        .expect("crtbegin.o has it");
    assert_eq!(first.address(), start, "frames before crtbegin.o's");
    let mut rest = frames;
    let mut records = 0;
    while let Some((length, more)) = rest.split_first_chunk()
        && u32::from_le_bytes(*length) != 0
    {
        records += 1;
        rest = more
            .get(u32::from_le_bytes(*length) as usize..)
            .expect("a record ends within the section");
    }
    assert!(records > 10, "{records} frames");
    assert_eq!(rest, [0; 4], "no zero word at the end, or records behind it");

    for name in [".init", ".fini"] {
        assert_eq!(content(name).1, [0x11, 0x22, 0x33, 0x44, 0x55], "{name}");
    }
    for name in [".ctors", ".dtors"] {
        let tags: Vec<u8> = content(name).1.chunks(4).map(|word| word[0]).collect();
        assert_eq!(tags, [0x22, 0x33, 0x33, 0x44], "{name}");
    }
    let tags: Vec<u8> = content(".tm_clone_table").1.chunks(4).map(|word| word[0]).collect();
    assert_eq!(tags, [0x22, 0x33, 0x44], ".tm_clone_table");
}

#[test]
fn linkcmds_without_the_fragment_do_not_link_and_say_why() {
    let library = test_support::rtems_library(test_support::Arch::I386);
    require!(GCC.program(), AR);
    let folder = scratch();
    let [own, shared] = linkcmds();
    let text = fs::read_to_string(shared.join("linkcmds.shared")).expect("linkcmds");
    let broken = text.replace("INCLUDE externals.ld", "");
    assert_ne!(text, broken);
    let script = folder.path().join("linkcmds.shared");
    fs::write(&script, broken).expect("a file in the scratch folder");
    let messages = fail(link(&library, &[own, folder.path().to_owned()], folder.path()));
    assert!(
        messages.contains("ERROR_linkcmds_must_INCLUDE_externals_ld_before_the_data_section"),
        "{messages}"
    );
}

#[test]
fn a_c_kernel_runs_on_the_library() {
    let library = test_support::rtems_library(test_support::Arch::I386);
    require!(GCC.program(), AR);
    let folder = scratch();
    let path = succeed(link(&library, &linkcmds(), folder.path()));
    let (exit, printed) = run::program(&path, "", Duration::from_secs(20));
    assert!(matches!(exit, Exit::Exit(7)), "{exit:?}\n{printed}");
    assert_eq!(printed, "C below Rust\nexpired\n");
}
