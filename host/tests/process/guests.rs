// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding guests, and running them with the program or in this process.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pvhost::image::Image;
use pvhost::process::{Builder, Console, Vm};

/// Architectures that the process host runs.
pub const ARCHITECTURES: [&str; 2] = ["x86_64", "i386"];

/// The guest of that name, or `None` and a line that says why.
pub fn find(arch: &str, name: &str) -> Option<PathBuf> {
    let folder = env::var_os("PARAVIRT_GUESTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests"),
        PathBuf::from,
    );
    let path = folder.join(arch).join(name);
    if path.is_file() {
        return Some(path);
    }
    println!(
        "skipped: {} was not built; run `cargo xtask guests`",
        path.display()
    );
    None
}

/// Every architecture's guest of that name that was built.
pub fn each(name: &str) -> impl Iterator<Item = (&'static str, PathBuf)> {
    ARCHITECTURES
        .into_iter()
        .filter_map(move |arch| Some((arch, find(arch, name)?)))
}

/// The command `pvhost run OPTIONS GUEST -- ARGUMENTS`, with a time limit and without input.
pub fn pvhost(guest: &Path, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    command.arg("run");
    if !options.contains(&"--timeout") {
        command.args(["--timeout", "60"]);
    }
    command.args(options).arg(guest).stdin(Stdio::null());
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    command
}

/// Runs that command to its end.
pub fn run(guest: &Path, options: &[&str], arguments: &[&str]) -> Output {
    pvhost(guest, options, arguments)
        .output()
        .expect("pvhost starts")
}

/// What a process wrote, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One guest at a time fits into a process.
pub fn place() -> MutexGuard<'static, ()> {
    static PLACE: Mutex<()> = Mutex::new(());
    PLACE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guest in this process, without input, with `output` as its console.
pub fn vm(guest: &Path, output: File) -> Builder {
    let image = Image::open(guest).expect("a sound image");
    let input = File::open("/dev/null").expect("there is a /dev/null");
    Vm::builder(image)
        .console(Console::new(input, output))
        .timeout(std::time::Duration::from_secs(120))
}

/// An unnamed file, and a second handle to read back what the guest wrote.
pub fn output() -> (File, File) {
    let fd = rustix::fs::memfd_create("console", rustix::fs::MemfdFlags::CLOEXEC)
        .expect("a file in memory");
    let file = File::from(fd);
    (file.try_clone().expect("a second handle"), file)
}

/// What was written to a file of [`output`].
pub fn read_back(mut file: File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    file.rewind().expect("a file in memory");
    file.read_to_string(&mut text)
        .expect("the guest writes text");
    text
}
