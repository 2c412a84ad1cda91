// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is made outside this repository: projects that `pvhost new` writes, and a backend as a crate of its own, the
//! template, copied as `bsp/src/backend/README.md` says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use paravirt_build::arch::Arch;
use paravirt_build::emulators;
use paravirt_build::example::Example;
use paravirt_build::hosts;
use paravirt_build::packages::{Package, Run};
use paravirt_build::toolchain::{self, Toolchain};
use tempfile::TempDir;

/// The project: the backend, and the conformance guest with it.
fn project() -> TempDir {
    let workspace = test_support::workspace();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let write = |name: &str, content: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the project");
        fs::write(path, content).expect("a file of the project");
    };
    let bsp = workspace.root().join("bsp");
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"guest\"]\nresolver = \"3\"\n\
         [profile.release]\npanic = \"abort\"\nopt-level = \"s\"\n"
            .to_owned(),
    );
    let lock = fs::read_to_string(workspace.root().join("Cargo.lock")).expect("a lock file");
    write("Cargo.lock", lock);
    write(
        "guest/Cargo.toml",
        format!(
            "[package]\nname = \"guest\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [dependencies]\nacme = {{ path = \"../acme\" }}\n\
             conformance = {{ path = {:?} }}\n\
             paravirt-bsp = {{ path = {bsp:?}, features = [\"panic-handler\", \"memory-functions\", \"linux-syscall\"] }}\n\
             [build-dependencies]\nparavirt-linkcmds = {{ path = {:?} }}\n",
            workspace.root().join("examples/conformance"),
            workspace.linkcmds(),
        ),
    );
    write(
        "guest/build.rs",
        "fn main() { paravirt_linkcmds::link!(); }\n".to_owned(),
    );
    write(
        "guest/src/main.rs",
        "#![no_std]\n#![no_main]\n\
         paravirt_bsp::image! { main: conformance::main, backends: [linux_syscall, acme::BACKEND] }\n"
            .to_owned(),
    );
    run_commands(&commands(), folder.path());
    folder
}

/// The commands by which the document copies the template.
fn commands() -> String {
    let document = test_support::workspace().root().join("bsp/src/backend/README.md");
    let document = fs::read_to_string(document).expect("the document");
    let (_, rest) = document.split_once("\n```sh\n").expect("a block of commands");
    let (commands, _) = rest.split_once("\n```\n").expect("the block's end");
    commands.to_owned()
}

fn run_commands(commands: &str, folder: &Path) {
    let output = Command::new("sh")
        .args(["-ec", commands])
        .current_dir(folder)
        .env("PARAVIRT", test_support::workspace().root())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert!(
        output.status.success(),
        "{commands}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Builds the project's guest, as `linkcmds/README.md` says.
fn build(project: &Path, arch: Arch) -> PathBuf {
    let workspace = test_support::workspace();
    let toolchain = Toolchain::find(&workspace, arch).expect("a compiler for guests");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let mut flags = vec!["-Crelocation-model=static".to_owned(), "-Dwarnings".to_owned()];
    flags.extend(toolchain.flags());
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(project)
        .args(["rustc", "--quiet", "--release", "--package", "guest"])
        .args(["--target", toolchain.target()])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_DIR", &target);
    let output = cargo.stdin(Stdio::null()).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join(toolchain.target()).join("release/guest")
}

/// What `pvhost` says of an image.
fn listing(guest: &Path) -> String {
    let workspace = test_support::workspace();
    let program = hosts::build(&workspace, hosts::PVHOST).expect("pvhost builds");
    let output = Command::new(program)
        .arg("list")
        .arg(guest)
        .output()
        .expect("pvhost starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_template_works_as_a_crate_of_its_own() {
    let _ = test_support::qemu();
    let workspace = test_support::workspace();
    // Two runs build into the same files.
    let _guard = test_support::take_kept_folder(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside"));
    let project = project();
    let packages = Package::all(&workspace).expect("manifests that cargo reads");
    for arch in Arch::ALL {
        // It also says whether guests can be built for ring 0 here.
        let _ = test_support::ring0_guest(arch, "guest-template");
        let guest = build(project.path(), arch);
        let listing = listing(&guest);
        assert!(listing.contains("\nbackends: acme, linux_syscall\n"), "{listing}");
        let provided = listing.lines().filter(|line| line.ends_with("  acme, linux_syscall"));
        assert_eq!(provided.count(), 12, "{listing}");
        // It does what the module of this crate does.
        let example = packages
            .iter()
            .flat_map(|package| Example::all(package, arch))
            .find(|example| example.guest() == "guest-template")
            .expect("a run of the template");
        let run = Run {
            host: "qemu".to_owned(),
            ..example.run.clone()
        };
        let command = hosts::command(&workspace, arch, &run, guest).expect("a host");
        example
            .run_command(&command)
            .unwrap_or_else(|error| panic!("{arch}: {error:#}"));
    }
}

/// A folder with a project that `pvhost new` wrote.
struct Project {
    folder: TempDir,
    /// The folder of `pvhost`.
    programs: PathBuf,
}

impl Project {
    /// Writes a project called `mine`, with these options.
    fn new(options: &[&str]) -> Self {
        let pvhost = hosts::build(&test_support::workspace(), hosts::PVHOST).expect("pvhost builds");
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let mut new = Command::new(&pvhost);
        new.current_dir(folder.path()).args(["new", "mine"]).args(options);
        succeed(new.output());
        let programs = pvhost.parent().expect("a folder").to_owned();
        Self { folder, programs }
    }

    /// The same in Rust, with the versions of dependencies that are here.
    fn in_rust(options: &[&str]) -> Self {
        let project = Self::new(options);
        let lock = test_support::workspace().root().join("Cargo.lock");
        fs::copy(lock, project.file("Cargo.lock")).expect("a lock file");
        project
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("mine").join(name)
    }

    /// Replaces text in a file.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).expect("a file of the project");
        assert!(text.contains(from), "{from} in {text}");
        fs::write(self.file(name), text.replace(from, to)).expect("a file of the project");
    }

    /// A command in the project that finds `pvhost`.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        // Where QEMU and Xen are, if they were unpacked.
        emulators::environment(command, &test_support::workspace());
        let mut changed = command.get_envs();
        let path = changed.find_map(|(name, value)| (name == "PATH").then_some(value?.to_owned()));
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let path = std::iter::once(self.programs.clone()).chain(std::env::split_paths(&path));
        command
            .current_dir(self.file(""))
            .env("PATH", std::env::join_paths(path).expect("a path"))
            .env_remove("RUSTFLAGS")
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("new"))
            .stdin(Stdio::null());
    }

    fn cargo(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO")).args(words).output().expect("cargo starts")
    }

    /// Cargo with the toolchain of that architecture, and `pvhost run` with these options as its runner.
    fn cargo_for(&self, arch: Arch, options: &str, words: &[&str]) -> Output {
        // Where none was built there is no compiler for any.
        let _ = test_support::guest(arch, "hello");
        let toolchain = Toolchain::find(&test_support::workspace(), arch).expect("a compiler for guests");
        let mut flags = vec!["-Cpanic=abort".to_owned(), "-Crelocation-model=static".to_owned()];
        flags.extend(toolchain.flags());
        let mut cargo = toolchain.cargo();
        self.prepare(&mut cargo);
        cargo
            .args(&words[..1])
            .args(["--target", toolchain.target()])
            .args(&words[1..])
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env(
                format!(
                    "CARGO_TARGET_{}_RUNNER",
                    toolchain.target().replace('-', "_").to_uppercase()
                ),
                format!("pvhost run{options} --"),
            );
        cargo.output().expect("cargo starts")
    }
}

/// What a program printed that succeeded.
fn succeed(output: std::io::Result<Output>) -> String {
    let output = output.expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// What a program said that failed.
fn fail(output: &Output) -> String {
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let said = said(&output.stdout) + &said(&output.stderr);
    assert!(!output.status.success(), "{said}");
    said
}

/// Two runs build into the same files.
fn take_folder_of_new() -> fs::File {
    test_support::take_kept_folder(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("new"))
}

#[test]
fn a_new_project_in_rust_runs_and_is_tested() {
    let _guard = take_folder_of_new();
    let project = Project::in_rust(&[]);
    let printed = succeed(Ok(project.cargo(&["run"])));
    assert_eq!(printed, "Hello from mine: 3 ticks of 100 ms\ndone\n");
    let printed = succeed(Ok(project.cargo(&["run", "--release", "--", "5"])));
    assert_eq!(printed, "Hello from mine: 3 ticks of 5 ms\ndone\n");
    let printed = succeed(Ok(project.cargo_for(Arch::I386, "", &["run", "--", "5"])));
    assert_eq!(printed, "Hello from mine: 3 ticks of 5 ms\ndone\n");

    let printed = succeed(Ok(project.cargo(&["test"])));
    assert!(printed.contains("test ticks_take_their_time "), "{printed}");
    assert!(printed.contains(" 2 passed; 0 failed"), "{printed}");
    let printed = succeed(Ok(project.cargo_for(Arch::I386, "", &["test", "--", "ticks"])));
    assert!(
        printed.contains(" 1 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out"),
        "{printed}"
    );

    // What a constructor prints is in none of the names.
    project.edit(
        "src/main.rs",
        "    fn there_are_not_so_many_timers() {",
        "    #[ignore = \"it takes a while\"]\n    fn it_is_ignored() {\n        panic!(\"ignored\");\n    }\n\n    \
         fn there_are_not_so_many_timers() {",
    );
    project.edit(
        "src/main.rs",
        "/// Ticks that are counted.",
        "#[used]\n#[unsafe(link_section = \".init_array\")]\n\
         static BEFORE_MAIN: extern \"C\" fn() = before_main;\n\
         extern \"C\" fn before_main() {\n    print!(\"before\\nmain\");\n}\n\n/// Ticks that are counted.",
    );
    project.edit("src/main.rs", "cpu, println", "cpu, print, println");
    let printed = succeed(Ok(project.cargo(&["test", "--", "--list"])));
    let mut names: Vec<&str> = printed.lines().collect();
    names.sort_unstable();
    let expected = ["it_is_ignored", "there_are_not_so_many_timers", "ticks_take_their_time"];
    assert_eq!(names, expected.map(|name| format!("{name}: test")), "{printed}");
    let printed = succeed(Ok(project.cargo(&["test"])));
    assert!(printed.contains(" 2 passed; 0 failed; 1 ignored; "), "{printed}");
    let printed = succeed(Ok(project.cargo(&["test", "--", "--ignored", "--list"])));
    assert_eq!(printed, "it_is_ignored: test\n");
    let said = fail(&project.cargo(&["test", "--", "--ignored"]));
    assert!(said.contains(" 0 passed; 1 failed; 0 ignored; "), "{said}");
    let said = fail(&project.cargo(&["test", "--", "--include-ignored"]));
    assert!(said.contains(" 2 passed; 1 failed; 0 ignored; "), "{said}");
    // Cargo names the program, which `pvhost test` runs without the one that is ignored.
    let program = said
        .split_once("src/main.rs (")
        .and_then(|(_, rest)| rest.split_once(')'));
    let (program, _) = program.expect("a path");
    let tested = project.command("pvhost").args(["test", "--verbose", program]).output();
    let tested = tested.expect("it starts");
    let said = [&tested.stdout[..], &tested.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(tested.status.success() && said.contains("2 passed, 0 failed"), "{said}");
    assert!(said.contains(": tests in it that are ignored\n"), "{said}");
    project.edit("src/main.rs", "#[ignore = \"it takes a while\"]", "#[should_panic]");
    let said = fail(&project.cargo(&["test"]));
    assert!(said.contains("`#[should_panic]`: a panic ends the guest"), "{said}");
    project.edit("src/main.rs", "#[should_panic]", "#[ignore]");

    project.edit(
        "src/main.rs",
        "assert!(Timer::new(1).is_some());",
        "panic!(\"as it should\");",
    );
    let text = fs::read_to_string(project.file("src/main.rs")).expect("the source");
    let line = 1 + text
        .lines()
        .position(|line| line.contains("as it should"))
        .expect("the line");
    let said = fail(&project.cargo(&["test"]));
    assert!(said.contains(" 1 passed; 1 failed; 1 ignored"), "{said}");
    assert!(
        said.contains(&format!("panicked at src/main.rs:{line}:9:\nas it should")),
        "{said}"
    );
}

/// By a stable compiler and one option; what LLVM's tools make of it, if the toolchain has them.
#[test]
fn a_project_in_rust_knows_what_it_executes() {
    let _guard = take_folder_of_new();
    let project = Project::in_rust(&[]);
    let coverage = project.file("coverage");
    let build = |words: &[&str]| {
        let mut cargo = project.command(env!("CARGO"));
        let flags = ["-Cpanic=abort", "-Crelocation-model=static", "-Cinstrument-coverage"];
        cargo.args(words).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        let runner = format!("pvhost run --coverage {} --", coverage.display());
        cargo.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner);
        cargo.output().expect("cargo starts")
    };
    let output = build(&["run", "--", "5"]);
    if String::from_utf8_lossy(&output.stderr).contains("`profiler_builtins`") {
        // The page says so of such compilers.
        let said = fail(&output);
        assert!(
            said.contains("the compiler may have been built without the profiler runtime"),
            "{said}"
        );
        return;
    }
    assert_eq!(succeed(Ok(output)), "Hello from mine: 3 ticks of 5 ms\ndone\n");
    succeed(Ok(build(&["run", "--", "5"])));
    let profiles = ["mine.profraw", "mine-1.profraw"].map(|name| coverage.join(name));
    for profile in &profiles {
        let bytes = fs::read(profile).expect("a profile");
        let word = |index: usize| u64::from_le_bytes(bytes[8 * index..][..8].try_into().expect("a word"));
        // Magic and version; functions and counters; names.
        assert_eq!((word(0), word(1)), (0xff6c_7072_6f66_7281, 10));
        let (functions, counters, names) = (word(3), word(5), word(9));
        assert!(functions > 0 && counters >= functions && names > 0);
        assert_eq!(
            bytes.len() as u64,
            128 + 64 * functions + 8 * counters + names.next_multiple_of(8)
        );
        let first = 16 + 8 * functions as usize;
        let counters = (first..).take(counters as usize).map(word);
        assert!(counters.clone().any(|count| count == 0) && counters.clone().any(|count| count == 3));
    }
    let sysroot = succeed(Command::new("rustc").args(["--print", "sysroot"]).output());
    let tools = Path::new(sysroot.trim()).join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
    if tools.join("llvm-cov").is_file() {
        let merged = coverage.join("mine.profdata");
        let merge = Command::new(tools.join("llvm-profdata"))
            .args(["merge", "-o"])
            .arg(&merged)
            .args(&profiles)
            .output();
        succeed(merge);
        let guest = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new/x86_64-unknown-linux-gnu/debug/mine");
        let shown = Command::new(tools.join("llvm-cov"))
            .arg("show")
            .arg(guest)
            .arg(format!("-instr-profile={}", merged.display()))
            .arg(project.file("src/main.rs"))
            .output();
        let shown = succeed(shown);
        // A line is its number, how often in both runs, and its text.
        let main = shown.lines().find(|line| line.contains("fn main()")).expect("a line");
        assert_eq!(main.split('|').nth(1).map(str::trim), Some("2"), "{shown}");
    }
}

/// Runs and tests a project for that host, with these options.
fn runs_and_is_tested_on(host: &str, options: &[&str]) {
    let _guard = take_folder_of_new();
    let _ = test_support::ring0_guest(Arch::X86_64, "hello");
    let project = Project::in_rust(&[&["--host", host], options].concat());
    let cargo = |words: &[&str]| {
        let output = if toolchain::active_has("x86_64-unknown-none").expect("a compiler") {
            project.cargo(words)
        } else {
            project.cargo_for(Arch::X86_64, &format!(" --host {host}"), words)
        };
        succeed(Ok(output))
    };
    assert_eq!(cargo(&["run", "--", "5"]), "Hello from mine: 3 ticks of 5 ms\ndone\n");
    let printed = cargo(&["test"]);
    assert!(printed.contains(" 2 passed; 0 failed; 0 ignored; "), "{printed}");
}

#[test]
fn a_new_project_for_qemu_runs_and_is_tested_there() {
    let _ = test_support::qemu();
    runs_and_is_tested_on("qemu", &["--backend", "xen"]);
}

#[test]
fn a_new_project_for_xen_runs_and_is_tested_there() {
    let _ = test_support::xen();
    runs_and_is_tested_on("xen", &[]);
}

#[test]
fn what_a_project_lacks_is_named() {
    let _guard = take_folder_of_new();
    let project = Project::in_rust(&[]);
    let without = |file: &str, text: &str, with: &str| {
        let kept = fs::read_to_string(project.file(file)).expect("a file of the project");
        project.edit(file, text, with);
        let said = fail(&project.cargo(&["build"]));
        fs::write(project.file(file), kept).expect("a file of the project");
        said
    };
    let errors = |said: &str| {
        said.lines()
            .filter(|line| line.starts_with("error: ") && !line.contains("could not"))
            .count()
    };
    let said = without("build.rs", "paravirt_linkcmds::link!();", "");
    assert!(
        said.contains("ERROR_linkcmds_must_INCLUDE_externals_ld_before_the_data_section"),
        "{said}"
    );
    let undefined = ["undefined symbol", "undefined reference"].map(|words| said.matches(words).count());
    assert_eq!(undefined.iter().sum::<usize>(), 1, "{said}");
    let said = without("Cargo.toml", "\"panic-handler\", ", "");
    assert!(said.contains("`#[panic_handler]` function required"), "{said}");
    assert_eq!(errors(&said), 1, "{said}");
    let said = without("Cargo.toml", "\"memory-functions\", ", "");
    assert!(said.contains("feature memory-functions"), "{said}");
    let said = without(".cargo/config.toml", "\"-Cpanic=abort\", ", "");
    assert!(said.contains("with `-Cpanic=abort` in `rustflags`"), "{said}");
    assert_eq!(errors(&said), 1, "{said}");
    let said = without("Cargo.toml", ", \"linux-syscall\"", "");
    assert!(said.contains("linux_syscall"), "{said}");
}

/// As on `x86_64-unknown-none`, whose library may not be here.
#[test]
fn floats_do_not_cross_where_they_pass_in_other_registers() {
    let _guard = take_folder_of_new();
    let project = Project::in_rust(&[]);
    project.edit(
        "src/main.rs",
        "/// Ticks that are counted.",
        "paravirt_bsp::l4_external_func! {\n    fn board_gain(channel: u32) -> f32;\n}\n\n/// Ticks that are counted.",
    );
    let check = |flags: &[&str]| {
        let mut cargo = project.command(env!("CARGO"));
        let flags = [&["-Cpanic=abort"], flags].concat();
        cargo.arg("check").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        cargo.output()
    };
    succeed(check(&[]));
    let said = fail(&check(&["-Ctarget-feature=-sse2"]).expect("cargo starts"));
    assert!(
        said.contains("this target has no floating-point registers in calls"),
        "{said}"
    );
    assert!(said.contains("--> src/main.rs:11:1"), "{said}");
}

/// In folders with what a shell reads otherwise, for which the commands have quotes.
#[test]
fn the_commands_for_a_new_project_are_a_shells() {
    let pvhost = hosts::build(&test_support::workspace(), hosts::PVHOST).expect("pvhost builds");
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let programs = folder.path().join("a \"program\"'s `folder` $HOME");
    let projects = folder.path().join("it's a \"project\" $HOME");
    for folder in [&programs, &projects] {
        fs::create_dir(folder).expect("a folder");
    }
    fs::copy(pvhost, programs.join("pvhost")).expect("a copy of pvhost");
    let new = |mine: &Path| {
        let mut new = Command::new(programs.join("pvhost"));
        new.arg("new").arg(mine).args(["--c"]).env("PATH", "/usr/bin:/bin");
        succeed(new.output())
    };
    let printed = new(&projects.join("mine"));
    let commands: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .take(2)
        .collect();
    let mut sh = Command::new("sh");
    sh.args(["-ec", &format!("{}\npwd\ncommand -v pvhost", commands.join("\n"))])
        .env("PATH", "/usr/bin:/bin");
    let said = succeed(sh.output());
    let expected = format!(
        "{}\n{}\n",
        projects.join("mine").display(),
        programs.join("pvhost").display()
    );
    assert_eq!(said, expected, "{printed}");
}

/// What cargo reads of it. To fetch a repository, it may not be offline.
#[test]
fn a_project_names_the_repository_of_the_layer() {
    let url = "file:///it's%20a/layer";
    let project = Project::new(&["--git", url]);
    let manifest = succeed(Ok(project.cargo(&["read-manifest"])));
    let source = format!("\"git+{url}\"");
    assert_eq!(manifest.matches(&source).count(), 2, "{manifest}");
}

#[test]
fn a_project_is_not_written_over_another_nor_with_a_name_that_cargo_does_not_take() {
    let project = Project::new(&["--c"]);
    let new = |words: &[&str]| {
        let output = project.command("pvhost").arg("new").args(words).output();
        fail(&output.expect("it starts"))
    };
    fs::create_dir(project.file("there")).expect("a folder");
    let said = new(&["there"]);
    assert!(said.contains("cannot make there: File exists"), "{said}");
    for name in ["1st", "a b", "test", "examples", "paravirt-bsp", ".."] {
        let said = new(&["--", name]);
        assert!(said.contains("a guest cannot be called"), "{said}");
    }
    let said = new(&["other", "--path", "there"]);
    assert!(said.contains("--path DIR, or its repository with --git URL"), "{said}");
    assert!(!project.file("other").exists());
}
