// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests in C and C++, a host in C, and programs that run guests in themselves, that know nothing of this checkout,
//! only what `cargo xtask install` installs.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use paravirt_build::c_host;
use tempfile::TempDir;
use test_support::{Arch, Tool};

/// What a guest prints, by its source and its arguments, and its exit status.
const C: (&str, &[&str], &str, i32) = (
    "guest.c",
    &["one", "three"],
    "argument 1 of 2: one     |   3 bytes\n\
     argument 2 of 2: three   |   5 bytes\n\
     -ne --ne 0\n\
     1234567890 123, end: 1\n",
    8,
);
const CXX: (&str, &[&str], &str, i32) = (
    "guest.cpp",
    &["last"],
    "constructed: 42, area: 25, last\ntimer: three times\n",
    7,
);
const OWN_START: (&str, &[&str], &str, i32) = ("own_start.c", &["and", "runs"], "installed: and runs\n", 3);

/// Options for sources of any language, beside those that are installed.
const STRICT: [&str; 4] = ["-O2", "-Wall", "-Wextra", "-Werror"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Runs a command that must succeed; its standard output.
fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("a program that starts")
}

fn xtask(arguments: &[&OsStr]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(test_support::workspace().root())
        .arg("xtask")
        .args(arguments)
        .env_remove("DESTDIR");
    cargo
}

/// The folder into which all was installed once for all tests, and what was said of it. It was moved since.
static INSTALLED: LazyLock<(TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let root = folder.path().join("root");
    let said = succeed(xtask(&["install".as_ref(), "--prefix=/opt/pv".as_ref()]).env("DESTDIR", &root));
    fs::rename(root.join("opt/pv"), folder.path().join("moved")).expect("a folder can be renamed");
    (folder, said)
});

fn prefix() -> PathBuf {
    // Guests and hosts were built by the steps before; without them, it would take minutes and fail for their reason.
    for arch in Arch::ALL {
        let _ = test_support::guest(arch, "hello");
    }
    INSTALLED.0.path().join("moved")
}

/// The words that pkg-config answers.
fn pkg_config(options: &[&str], package: &str) -> Vec<String> {
    test_support::tool(Tool::PkgConfig);
    let words = succeed(
        Command::new("pkg-config")
            .args(options)
            .arg(package)
            .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")),
    );
    words.split_whitespace().map(str::to_owned).collect()
}

/// The descriptions of an architecture.
fn package(side: &str, arch: Arch) -> String {
    match arch {
        Arch::I386 => format!("paravirt-{side}-i386"),
        _ => format!("paravirt-{side}"),
    }
}

/// Compiles a fixture as a guest, by what pkg-config says.
fn compile(compiler: &str, source: &str, arch: Arch, folder: &Path) -> PathBuf {
    compile_file(&fixture(source), compiler, source, arch, folder)
}

/// As [`compile`], by way of an object file, which is compiled with these options besides.
fn compile_with(options: &[&str], compiler: &str, source: &str, arch: Arch, folder: &Path) -> PathBuf {
    test_support::program(compiler);
    let package = package("guest", arch);
    let object = folder.join("guest.o");
    let mut command = Command::new(compiler);
    command
        .args(STRICT)
        .args(options)
        .args(pkg_config(&["--cflags"], &package));
    if source.ends_with(".cpp") {
        command.args(pkg_config(&["--variable=cxxflags"], &package));
    }
    succeed(command.arg("-c").arg(fixture(source)).arg("-o").arg(&object));
    compile_file(&object, compiler, source, arch, folder)
}

/// Makes a guest of a file that was made of that source, or is it.
fn compile_file(file: &Path, compiler: &str, source: &str, arch: Arch, folder: &Path) -> PathBuf {
    test_support::program(compiler);
    let package = package("guest", arch);
    let program = folder.join(format!("{compiler}-{source}-{arch}"));
    let mut command = Command::new(compiler);
    command
        .current_dir(folder)
        .args(STRICT)
        .args(pkg_config(&["--cflags"], &package));
    if source.ends_with(".cpp") {
        command.args(pkg_config(&["--variable=cxxflags"], &package));
    }
    command
        .arg(file)
        .args(pkg_config(&["--libs"], &package))
        .arg("-o")
        .arg(&program);
    succeed(&mut command);
    program
}

fn pvhost() -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(prefix().join("bin/pvhost")).arg("run");
    command
}

/// What a guest prints must be as it is known.
fn check(command: &mut Command, (_, arguments, printed, status): (&str, &[&str], &str, i32)) {
    let output = run(command.args(arguments));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        printed,
        "{command:?}\n{output:?}"
    );
    assert_eq!(output.status.code(), Some(status), "{command:?}\n{output:?}");
}

#[test]
fn it_says_what_it_installs_and_no_file_knows_where() {
    let prefix = prefix();
    let said = &INSTALLED.1;
    for file in [
        "bin/pvhost",
        "include/paravirt/detail/assembly.h",
        "include/paravirt/host.h",
        "include/paravirt/interface.h",
        "include/paravirt/vm.h",
        "lib/libparavirt_vm.a",
        "lib/libparavirt_vm.so",
        "lib/cmake/paravirt/paravirt-config.cmake",
        "lib/paravirt/i386/libparavirt_guest.a",
        "lib/paravirt/i386/libparavirt_host.a",
        "lib/paravirt/x86_64/libparavirt_guest.a",
        "lib/paravirt/x86_64/libparavirt_host.a",
        "lib/paravirt/python/paravirt_vm.py",
        "share/paravirt/linkcmds/externals.ld",
    ] {
        assert!(prefix.join(file).is_file(), "{file}");
        assert!(said.contains(&format!("/root/opt/pv/{file}\n")), "{file}: {said}");
    }
    assert!(prefix.join("share/man/man1/pvhost-run.1").is_file());
    for text in ["pkgconfig/paravirt-guest.pc", "cmake/paravirt/paravirt-config.cmake"] {
        let text = fs::read_to_string(prefix.join("lib").join(text)).expect("a description");
        assert!(!text.contains('@') && !text.contains("/opt/pv"), "{text}");
    }
    assert_eq!(
        pkg_config(&["--modversion"], "paravirt-host"),
        [env!("CARGO_PKG_VERSION")]
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_anything_is_built() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let output = run(&mut xtask(&[
        "install".as_ref(),
        "--prefix".as_ref(),
        file.join("below").as_os_str(),
    ]));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(
        message.contains("cannot write to ") && message.contains("--prefix"),
        "{message}"
    );
}

#[test]
fn guests_are_built_by_what_pkg_config_says() {
    let folder = tempfile::tempdir().expect("a folder");
    for arch in Arch::ALL {
        for (compiler, expected) in [
            ("gcc", C),
            ("clang", C),
            ("g++", CXX),
            ("clang++", CXX),
            ("gcc", OWN_START),
        ] {
            let program = compile(compiler, expected.0, arch, folder.path());
            check(pvhost().arg(&program).arg("--"), expected);
            // The same file is a program for Linux.
            check(&mut Command::new(&program), expected);
        }
    }
}

#[test]
fn gcov_knows_what_guests_have_executed() {
    test_support::program("gcov");
    for arch in Arch::ALL {
        for (compiler, expected) in [("gcc", C), ("g++", CXX)] {
            let folder = tempfile::tempdir().expect("a folder");
            let options = ["-O0", "-fprofile-arcs", "-ftest-coverage", "-fprofile-info-section"];
            let program = compile_with(&options, compiler, expected.0, arch, folder.path());
            check(
                pvhost().arg("--coverage").arg(folder.path()).arg(&program).arg("--"),
                expected,
            );
            let files = fs::read_dir(folder.path()).expect("a folder");
            let files = files.map(|entry| entry.expect("a folder").path());
            let counters: Vec<_> = files.filter(|file| file.extension() == Some("gcda".as_ref())).collect();
            assert_eq!(counters.len(), 1, "{counters:?}");
            let report = succeed(
                Command::new("gcov")
                    .arg("--stdout")
                    .args(&counters)
                    .current_dir(folder.path()),
            );
            // A line of a report: how often, its number, its text.
            let main = report.lines().find(|line| line.contains("int main("));
            let main = main.unwrap_or_else(|| panic!("{report}"));
            assert_eq!(main.trim_start().split(':').next(), Some("1"), "{main}");
        }
    }
}

#[test]
fn they_run_in_ring_0() {
    let _ = test_support::qemu();
    let folder = tempfile::tempdir().expect("a folder");
    for arch in Arch::ALL {
        // It also says whether guests can be built for ring 0 here.
        let _ = test_support::ring0_guest(arch, "hello");
        for (compiler, expected) in [("gcc", C), ("g++", CXX)] {
            let program = compile(compiler, expected.0, arch, folder.path());
            check(pvhost().args(["--host", "qemu"]).arg(&program).arg("--"), expected);
        }
    }
}

#[test]
fn the_description_by_its_older_name_does_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    test_support::program("i686-linux-gnu-gcc");
    succeed(
        Command::new("i686-linux-gnu-gcc")
            .current_dir(folder.path())
            .args(["-ffreestanding", "-fno-pic", "-fno-stack-protector"])
            .args(STRICT)
            .args(pkg_config(&["--cflags"], "paravirt"))
            .arg(fixture(OWN_START.0))
            .args(["-nostdlib", "-static", "-no-pie", "-Wl,--gc-sections", "-T", "i386.ld"])
            .args(pkg_config(&["--libs"], "paravirt"))
            .arg("-o")
            .arg(&program),
    );
    check(pvhost().arg(&program).arg("--"), OWN_START);
}

#[test]
fn printf_prints_what_a_c_library_would() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arch, hosted) in [(Arch::X86_64, "gcc"), (Arch::I386, "i686-linux-gnu-gcc")] {
        test_support::program(hosted);
        let reference = folder.path().join("reference");
        succeed(
            Command::new(hosted)
                .args(["-DHOSTED", "-static"])
                .arg(fixture("formats.c"))
                .arg("-o")
                .arg(&reference),
        );
        let expected = succeed(&mut Command::new(&reference));
        assert!(expected.lines().count() > 20, "{expected}");
        let guest = compile("gcc", "formats.c", arch, folder.path());
        assert_eq!(succeed(&mut Command::new(guest)), expected, "{arch}");
        let guest = compile("gcc", "refused.c", arch, folder.path());
        let expected: String = ('a'..='h').map(|letter| format!("{letter} -1\n")).collect();
        assert_eq!(succeed(&mut Command::new(guest)), expected, "{arch}");
    }
}

#[test]
fn a_command_line_that_main_cannot_take_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let guest = compile("gcc", C.0, Arch::X86_64, folder.path());
    for (arguments, bytes) in [(vec!["a"; 511], 1021), (vec!["ab"; 1366], 4097)] {
        let output = run(pvhost().arg(&guest).arg("--").args(arguments));
        let said = String::from_utf8_lossy(&output.stdout);
        let expected =
            format!("fatal: a command line of {bytes} bytes; main() gets at most 4095 bytes, 510 arguments\n");
        assert_eq!((said.as_ref(), output.status.code()), (expected.as_str(), Some(3)));
    }
    assert!(run(pvhost().arg(&guest).arg("--").args(vec!["ab"; 510])).status.code() == Some(1020 % 256));
}

#[test]
fn a_host_in_c_is_built_by_what_pkg_config_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = test_support::workspace().root().join("examples/c-host");
    for arch in Arch::ALL {
        test_support::program(c_host::compiler(arch));
        let host = folder.path().join("host");
        let package = package("host", arch);
        succeed(
            Command::new(c_host::compiler(arch))
                .args(STRICT)
                .args(pkg_config(&["--cflags"], &package))
                .args(["c-host.c", "functions.c"].map(|file| sources.join(file)))
                .args(pkg_config(&["--libs"], &package))
                .arg("-o")
                .arg(&host),
        );
        let guest = compile("gcc", C.0, arch, folder.path());
        check(Command::new(&host).arg(guest).arg("--"), C);
    }
}

/// What a program or a script prints that runs the guest in itself.
fn check_in_program(command: &mut Command, guest: &Path) {
    let (_, arguments, _, _) = C;
    let arguments = arguments.join(" ");
    check(command.arg(guest).arg(arguments), (C.0, &[], C.2, C.3));
}

#[test]
fn a_program_that_runs_guests_is_built_by_what_pkg_config_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let guests = Arch::ALL.map(|arch| compile("gcc", C.0, arch, folder.path()));
    let libraries = pkg_config(&["--variable=libdir"], "paravirt-vm");
    let shared = [
        pkg_config(&["--libs"], "paravirt-vm"),
        vec![format!("-Wl,-rpath,{}", libraries[0])],
    ]
    .concat();
    let alone = pkg_config(&["--variable=staticlibs"], "paravirt-vm");
    for libraries in [shared, alone] {
        let program = folder.path().join("program");
        succeed(
            Command::new("cc")
                .args(["-std=c11"])
                .args(STRICT)
                .args(pkg_config(&["--cflags"], "paravirt-vm"))
                .arg(fixture("vm.c"))
                .args(&libraries)
                .arg("-o")
                .arg(&program),
        );
        for guest in &guests {
            check_in_program(Command::new("timeout").arg("60").arg(&program), guest);
        }
    }
    // By its path, as build systems do.
    let program = folder.path().join("program");
    succeed(
        Command::new("cc")
            .args(pkg_config(&["--cflags"], "paravirt-vm"))
            .arg(fixture("vm.c"))
            .arg(prefix().join("lib/libparavirt_vm.so"))
            .arg("-o")
            .arg(&program),
    );
    for guest in &guests {
        let mut command = Command::new(&program);
        check_in_program(command.env("LD_LIBRARY_PATH", prefix().join("lib")), guest);
    }
}

#[test]
fn python_finds_the_library() {
    test_support::program("python3");
    let folder = tempfile::tempdir().expect("a folder");
    let script = "import sys, paravirt_vm\n\
        with paravirt_vm.Vm(sys.argv[1], sys.argv[2], time='steps', memory=1 << 20) as vm:\n\
        \x20   while vm.run_until(vm.time + 1_000_000): pass\n\
        sys.exit(vm.end.status)\n";
    for arch in Arch::ALL {
        let guest = compile("gcc", C.0, arch, folder.path());
        let mut command = Command::new("python3");
        command
            .args(["-B", "-c", script])
            .env_remove("PARAVIRT_VM_LIBRARY")
            .env("PYTHONPATH", &pkg_config(&["--variable=pythondir"], "paravirt-vm")[0]);
        check_in_program(&mut command, &guest);
    }
    // Without it, it is said how to have it.
    let module = prefix().join("lib/paravirt/python/paravirt_vm.py");
    fs::copy(module, folder.path().join("paravirt_vm.py")).expect("a file can be copied");
    let output = run(Command::new("python3")
        .args(["-B", "-c", "import paravirt_vm"])
        .env_remove("PARAVIRT_VM_LIBRARY")
        // Cargo's, in which the library is that is built for tests.
        .env_remove("LD_LIBRARY_PATH")
        .env("PYTHONPATH", folder.path()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("PARAVIRT_VM_LIBRARY"), "{said}");
}

/// Fetching and installing is left out.
#[test]
fn ci_services_are_told_commands_that_work() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(fixture(C.0), folder.path().join(C.0)).expect("a file can be copied");
    for home in ["installed", ".local"] {
        symlink(prefix(), folder.path().join(home)).expect("a link can be made");
    }
    test_support::tool(Tool::PkgConfig);
    for file in ["github.yml", "gitlab.yml"] {
        let path = test_support::workspace().root().join("host/ci").join(file);
        let text = fs::read_to_string(path).expect("a file of the project");
        let commands = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
        let commands: Vec<&str> = commands
            .filter(|line| {
                ["export ", "cc ", "pvhost run ", "installed/bin/pvhost run "]
                    .iter()
                    .any(|begin| line.starts_with(begin))
            })
            .collect();
        assert_eq!(commands.len(), 3, "{commands:?}");
        let mut shell = Command::new("sh");
        shell
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .args(["-ec", &commands.join("\n")]);
        assert_eq!(succeed(&mut shell), "1234567890 123, end: 1\n", "{file}");
    }
}

#[test]
fn cmake_finds_it() {
    test_support::tool(Tool::Cmake);
    for (c, cxx) in [("gcc", "g++"), ("clang", "clang++")] {
        test_support::program(c);
        test_support::program(cxx);
        let folder = tempfile::tempdir().expect("a folder");
        for file in [C.0, CXX.0, "vm.c", "CMakeLists.txt"] {
            fs::copy(fixture(file), folder.path().join(file)).expect("a file can be copied");
        }
        let mut configure = Command::new("cmake");
        configure
            .current_dir(folder.path())
            .args(["-B", "build"])
            .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()))
            .arg(format!("-DCMAKE_C_COMPILER={c}"))
            .arg(format!("-DCMAKE_CXX_COMPILER={cxx}"))
            .arg(format!(
                "-DHOST={}",
                test_support::workspace().root().join("examples/c-host").display()
            ));
        succeed(&mut configure);
        succeed(
            Command::new("cmake")
                .current_dir(folder.path())
                .args(["--build", "build"]),
        );
        let build = folder.path().join("build");
        for (guest, expected) in [
            ("guest", C),
            ("guest-i386", C),
            ("guest-cpp", CXX),
            ("guest-cpp-i386", CXX),
        ] {
            check(pvhost().arg(build.join(guest)).arg("--"), expected);
        }
        check(Command::new(build.join("host")).arg(build.join("guest")).arg("--"), C);
        check_in_program(&mut Command::new(build.join("vm")), &build.join("guest-i386"));
    }
}

#[test]
fn a_new_project_is_built_by_make_and_by_cmake() {
    test_support::tool(Tool::PkgConfig);
    test_support::tool(Tool::Cmake);
    let folder = tempfile::tempdir().expect("a folder");
    let (prefix, project) = (prefix(), folder.path().join("mine"));
    let programs = prefix.join("bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([programs.clone()].into_iter().chain(env::split_paths(&path))).expect("a path");
    let run = |program: &OsStr, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).env("PATH", &path);
        command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        command
    };
    let in_project = |program: &str, words: &[&str]| succeed(run(program.as_ref(), words).current_dir(&project));
    succeed(run(programs.join("pvhost").as_os_str(), &["new", "mine", "--c"]).current_dir(folder.path()));
    for arch in Arch::ALL {
        let package = format!("PARAVIRT={}", package("guest", arch));
        let said = in_project("make", &["--silent", "--always-make", "run", &package, "ARGS=one 50"]);
        assert_eq!(said, "Hello from mine\nargument 1: one\nargument 2: 50\n", "{arch}");
    }
    in_project(
        "cmake",
        &["-B", "build", &format!("-DCMAKE_PREFIX_PATH={}", prefix.display())],
    );
    let said = in_project("cmake", &["--build", "build", "--target", "run"]);
    assert!(said.contains("\nHello from mine\n"), "{said}");
}
