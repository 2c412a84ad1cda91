// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding guests, and running them with the program or in this process.

use std::env;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pvhost::image::Image;
use pvhost::process::{Builder, Console, Exit, Finished, Vm};
use test_support::need::{Need, User};
pub use test_support::{Arch, guest};

/// Time for what takes no time, on a machine with much else to do.
pub const SOON: Duration = Duration::from_secs(20);

/// Every architecture's guest of that name.
pub fn each(name: &str) -> impl Iterator<Item = (Arch, PathBuf)> {
    Arch::ALL.map(|arch| (arch, guest(arch, name))).into_iter()
}

/// The command `pvhost run OPTIONS GUEST -- ARGUMENTS`, with a time limit and without input.
pub fn pvhost(guest: &Path, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    with_usual_signals(&mut command).arg("run");
    if !options.contains(&"--timeout") {
        command.args(["--timeout", "60"]);
    }
    command.args(options).arg(guest).stdin(Stdio::null());
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    command
}

/// Starts the command with every signal as a shell starts a program in the foreground: a test that runs in the
/// background or under nohup has some ignored, and its children would inherit that.
pub fn with_usual_signals(command: &mut Command) -> &mut Command {
    // SAFETY: system calls that a forked child may make, the second with a live variable.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGTSTP] {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none = std::mem::MaybeUninit::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            match libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        })
    }
}

/// This program once more, for one of its tests. What that prints is lost: its results would be taken for this
/// program's.
pub fn again(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    with_usual_signals(&mut command);
    command
}

/// A child of a test, which does not outlive it.
pub struct Running(pub Child);

impl Running {
    /// Starts the command.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Starts the command, whose guest prints that line, and waits until it has.
    pub fn start_until(command: &mut Command, line: &str) -> Self {
        Self::start(command.stdout(Stdio::piped())).until(line)
    }

    /// Waits until it has printed that line.
    pub fn until(mut self, line: &str) -> Self {
        read_until(self.0.stdout.as_mut().expect("piped"), line);
        self
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: no pointers; the child has not been waited for.
        unsafe { libc::kill(self.0.id() as i32, signal) };
    }

    /// Waits until all of it sleeps.
    pub fn wait_until_asleep(&self) {
        let process = self.0.id();
        wait_for("it to sleep", || {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("our child");
            // The name of the program, in parentheses, may contain spaces.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
        });
    }

    /// Waits until it gets no further: it sleeps, again and again. One that asks in a loop whether it may go on never
    /// does.
    pub fn wait_until_stalled(&self) {
        for _ in 0..10 {
            self.wait_until_asleep();
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it has ended; that must be soon.
    pub fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("it to end", || {
            status = self.0.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Waits until it has ended; what it has written that nobody has read.
    pub fn output(mut self) -> Output {
        let mut output = Output {
            status: ExitStatus::default(),
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        // What is tested here is too short to fill a pipe.
        if let Some(stderr) = &mut self.0.stderr {
            stderr.read_to_end(&mut output.stderr).expect("a pipe");
        }
        if let Some(stdout) = &mut self.0.stdout {
            stdout.read_to_end(&mut output.stdout).expect("a pipe");
        }
        output.status = self.0.wait().expect("it ends");
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for one that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so, which must be soon.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "waited for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads until that text has come, one byte at a time, so that nothing behind it is taken.
fn read_until(stream: &mut impl Read, text: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(text.as_bytes()) {
        let mut byte = [0];
        let count = stream.read(&mut byte).expect("a pipe");
        assert!(count > 0, "no {text:?} in {:?}", String::from_utf8_lossy(&seen));
        seen.extend(byte);
    }
}

/// Runs that command to its end.
pub fn run(guest: &Path, options: &[&str], arguments: &[&str]) -> Output {
    pvhost(guest, options, arguments).output().expect("pvhost starts")
}

/// Runs the command with a disk in that folder which has room for 64 KiB and goes with it; then a shell does there what
/// `look` says, whose output comes behind the command's.
pub fn with_small_disk(folder: &Path, command: &Command, look: &str) -> Output {
    let script = format!(
        "folder=$1; mount -t tmpfs -o size=64k none \"$folder\" || exit 99
        shift; \"$@\"; status=$?; cd \"$folder\"; {look}; exit $status"
    );
    test_support::program("unshare");
    let output = ["--mount --", "--user --map-root-user --mount --"]
        .iter()
        .find_map(|way| {
            let mut unshare = Command::new("unshare");
            unshare.args(way.split(' ')).args(["sh", "-c", &script, "sh"]);
            unshare.arg(folder).arg(command.get_program()).args(command.get_args());
            let output = unshare.stdin(Stdio::null()).output().expect("unshare starts");
            // What the script says if it comes that far.
            let has_run = !output.stdout.is_empty() || text(&output.stderr).contains("pvhost");
            has_run.then_some(output)
        });
    output.unwrap_or_else(|| Need::User(User::Root).panic("this system lets its users mount nothing"))
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
        .timeout(Duration::from_secs(120))
}

/// Runs a guest that is to end with status 0; also what it has written to the other handle of its [`output`].
pub fn ends_well(vm: Vm, written: File, what: impl Display) -> (Finished, String) {
    let finished = vm.run().expect("the guest runs");
    let (exit, written) = (&finished.exit, read_back(written));
    assert!(matches!(exit, Exit::Exit(0)), "{what}: {exit:?}\n{written}");
    (finished, written)
}

/// An unnamed file, and a second handle to read back what the guest wrote.
pub fn output() -> (File, File) {
    let fd = rustix::fs::memfd_create("console", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory");
    let file = File::from(fd);
    (file.try_clone().expect("a second handle"), file)
}

/// What was written to a file of [`output`].
pub fn read_back(mut file: File) -> String {
    use std::io::Seek;
    let mut text = String::new();
    file.rewind().expect("a file in memory");
    file.read_to_string(&mut text).expect("the guest writes text");
    text
}
