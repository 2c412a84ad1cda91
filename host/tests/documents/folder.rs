// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder that looks to commands as the project does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use snapbox::IntoData;
use tempfile::TempDir;
use test_support::Arch;
use test_support::need::{Need, Step as BuildStep, User};

use crate::block::{Block, Step};

/// Time for a command, in seconds. RTEMS' ticker takes minutes on POK.
const LIMIT: &str = "1800";
/// RTEMS' own small programs, built for the BSP.
const SAMPLES: &str = "target/rtems/build/i386/paravirt/testsuites/samples";
/// What `cargo xtask demo` says of itself below the commands that it shows.
const SAID_BY_DEMO: [&str; 2] = ["(output and exit status are as expected)", "demo: ok"];

/// The folder; gone when the block has run.
pub struct Folder(TempDir);

impl Folder {
    /// One with the project's sources, what `cargo xtask` builds, and `pvhost` in the path.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let workspace = test_support::workspace();
        let link = |to: PathBuf, name: &str| link(to, &folder.path().join(name));
        for name in ["examples", "ffi"] {
            link(workspace.root().join(name), name);
        }
        for arch in [Arch::X86_64, Arch::I386] {
            let guests = test_support::guest(arch, "hello");
            let guests = guests.parent().expect("guests lie in a folder");
            link(guests.into(), &format!("target/guests/{}", arch.name()));
        }
        link(workspace.hosts(), "target/hosts");
        link(workspace.rtems(), "target/rtems");
        for name in ["target/release/pvhost", "bin/pvhost"] {
            link(env!("CARGO_BIN_EXE_pvhost").into(), name);
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the commands of a block one after the other.
    ///
    /// # Errors
    /// The difference between what one printed and what the document shows.
    pub fn runs(&self, block: &Block) -> Result<(), String> {
        for step in &block.steps {
            let place = || format!("{}:{}: $ {}", block.document, block.line, step.command);
            self.step(block, step).map_err(|why| format!("{}\n{why}", place()))?;
        }
        Ok(())
    }

    fn step(&self, block: &Block, step: &Step) -> Result<(), String> {
        if step.command.starts_with("cargo xtask ") {
            return self.task(step);
        }
        self.bring_for(block, step)?;
        same(&self.shell(&step.command)?, &step.printed)
    }

    /// Runs a command; what it prints.
    fn shell(&self, command: &str) -> Result<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut path = format!("{}/bin:{path}", self.path().display());
        if let Some(prefix) = User::RtemsPrefix.value() {
            path += &format!(":{}/bin", PathBuf::from(prefix).display());
        }
        let home = self.path().join("home").display().to_string();
        let output = Command::new("timeout")
            .args([LIMIT, "sh", "-c"])
            // As on a console, errors stand among the rest.
            .arg(format!("{{ {}\n}} 2>&1", command.replace("$HOME", &home)))
            .current_dir(self.path())
            .env("PATH", path)
            .env("PKG_CONFIG_PATH", self.path().join("installed/lib/pkgconfig"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What a task makes was made before the tests: it is where the task says.
    fn task(&self, step: &Step) -> Result<(), String> {
        match step.command.as_str() {
            // Compares what its two guests print itself; they are in this block, too.
            "cargo xtask demo" => Ok(()),
            "cargo xtask hosts" => {
                for arch in [Arch::X86_64, Arch::I386] {
                    for name in ["libparavirt_host.a", "c-host"] {
                        let _ = test_support::c_host(arch, name);
                    }
                }
                let missing = |line: &&str| !self.path().join(line).is_file();
                match step.printed.lines().find(missing) {
                    Some(line) => Err(format!("there is no {line}")),
                    None => Ok(()),
                }
            }
            // Built before the tests; the programs that it runs are in this block, too.
            command if command.starts_with("cargo xtask rtems") => {
                let programs = test_support::workspace().rtems().join("build");
                if !programs.is_dir() {
                    Need::Step(BuildStep::RtemsBsp(Arch::I386)).panic("run `cargo xtask rtems --no-run`");
                }
                Ok(())
            }
            command => {
                let Some(port) = command.strip_prefix("cargo xtask ") else {
                    return Err("nobody knows how to compare this task".to_owned());
                };
                self.bring_for_port()?;
                let manifest = test_support::workspace().root().join("Cargo.toml");
                let cargo = format!(
                    "{} run --quiet --manifest-path {} --package paravirt-ports --",
                    env!("CARGO"),
                    manifest.display()
                );
                same(&self.shell(&format!("{cargo} {port}"))?, &step.printed)
            }
        }
    }

    /// Puts a user's trees where a document has them, and images and tickers of RTEMS into the folder.
    fn bring_for_port(&self) -> Result<(), String> {
        for (user, place) in [
            (User::PokTree, "home/pok"),
            (User::L4reTree, "home/l4/build-x86"),
            (User::L4reFiasco, "home/fiasco/build-x86"),
        ] {
            if let Some(tree) = user.value() {
                link(PathBuf::from(tree), &self.path().join(place));
            }
        }
        for name in ["ticker1.exe", "ticker2.exe"] {
            let ticker = self.path().join(SAMPLES).join("ticker.exe");
            if ticker.is_file() {
                fs::copy(ticker, self.path().join(name)).map_err(|error| error.to_string())?;
            }
        }
        self.bring_l4rtems_image()
    }

    /// Compiles an image in the form of L4RTEMS, unless it is there.
    fn bring_l4rtems_image(&self) -> Result<(), String> {
        let image = self.path().join("l4rtems-image");
        if image.exists() {
            return Ok(());
        }
        test_support::program("i686-linux-gnu-gcc");
        guests_l4rtems::build(Arch::I386.name(), "guest.c", &[], &image)
    }

    /// Installs what a C program without RTEMS is built with, and brings the one that the document shows.
    fn bring_c_program(&self, document: &str) -> Result<(), String> {
        test_support::program("pkg-config");
        let root = test_support::workspace().root().to_owned();
        let output = Command::new(env!("CARGO"))
            .current_dir(&root)
            .args(["xtask", "install", "--prefix"])
            .arg(self.path().join("installed"))
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = fs::read_to_string(root.join(document)).map_err(|error| error.to_string())?;
        let program = text
            .split_once("\n```c\n")
            .and_then(|(_, rest)| rest.split_once("```\n"))
            .ok_or("the document shows no program")?;
        fs::write(self.path().join("program.c"), program.0).map_err(|error| error.to_string())
    }

    /// Sees that what the command needs is there.
    fn bring_for(&self, block: &Block, step: &Step) -> Result<(), String> {
        for word in step.command.split_whitespace() {
            for arch in Arch::ALL {
                let guests = format!("target/guests/{}/", arch.name());
                if let Some(name) = word.strip_prefix(&guests) {
                    let _ = test_support::guest(arch, name);
                }
            }
        }
        if step.command.contains("--host qemu") || step.command.contains("--host xen") {
            let _ = test_support::ring0_guest(Arch::X86_64, "hello");
            let _ = test_support::qemu();
        }
        if step.command.contains("--host xen") {
            let _ = test_support::xen();
        }
        // Files that a document only shows, or whose origin it leaves open.
        let words: Vec<&str> = step.command.split(' ').collect();
        match words[..] {
            ["cat", file] => {
                fs::write(self.path().join(file), &step.printed).map_err(|error| error.to_string())?;
            }
            ["pvhost", "image", guest, ..] => {
                let hello = test_support::guest(Arch::Aarch64, "hello");
                fs::copy(hello, self.path().join(guest)).map_err(|error| error.to_string())?;
            }
            ["pvhost", "bind", guest, ..] => {
                let hello = test_support::guest(Arch::X86_64, "hello");
                fs::copy(hello, self.path().join(guest)).map_err(|error| error.to_string())?;
            }
            _ => {}
        }
        let uses = |what: &str| block.steps.iter().any(|step| step.command.contains(what));
        if uses("l4rtems-image") {
            self.bring_l4rtems_image()?;
        }
        if uses("program.c") && !self.path().join("program.c").exists() {
            self.bring_c_program(&block.document)?;
        }
        if uses("application.c") {
            let application = test_support::workspace().root().join("tests/rtems/apps/cpu.c");
            fs::copy(application, self.path().join("application.c")).map_err(|error| error.to_string())?;
        }
        if uses("audit hello.exe") {
            let hello = self.path().join(SAMPLES).join("hello.exe");
            fs::copy(hello, self.path().join("hello.exe")).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Makes a link, and the folder that it is in.
fn link(to: PathBuf, from: &Path) {
    fs::create_dir_all(from.parent().expect("below the folder")).expect("a folder");
    symlink(to, from).expect("a link");
}

/// Compares what was printed with what a document shows.
fn same(printed: &str, shown: &str) -> Result<(), String> {
    let shown: Vec<&str> = shown.lines().filter(|line| !SAID_BY_DEMO.contains(line)).collect();
    let shown = any_address(shown.join("\n").trim_end());
    snapbox::Assert::new()
        .try_eq(None, printed.trim_end().to_owned().into_data(), shown.into_data())
        .map_err(|difference| difference.to_string())
}

/// The text with every hexadecimal number replaced by what stands for any text in a line.
fn any_address(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut pattern = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        pattern += "0x[..]";
        pattern += part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
    }
    pattern
}
