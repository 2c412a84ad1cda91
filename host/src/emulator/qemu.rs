// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU as a child process that does not outlive its parent.

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::ptr;

use super::EmulatorError;
use super::arguments::{debug_console, xen_console};
use super::core::Plan;
use super::programs::Files;
use crate::image::Machine;

/// A running QEMU. Its end is QEMU's, too.
#[derive(Debug)]
pub(super) struct Qemu {
    child: Child,
    /// What is typed at the guest's serial line.
    pub(super) typing: UnixStream,
    /// What comes from it: a pipe, because a socket is full after some hundred single bytes, and what QEMU holds back
    /// then is lost at its end.
    pub(super) serial: PipeReader,
    /// What the guest writes to its debug console.
    pub(super) debug: PipeReader,
    /// What QEMU has to say.
    pub(super) messages: PipeReader,
    /// What Xen has to say, where it has a console of its own.
    pub(super) log: Option<PipeReader>,
}

/// Starts QEMU with these arguments and what connects it to us.
pub(super) fn start(
    files: &Files,
    machine: Machine,
    arguments: &[OsString],
    core: Option<&Plan>,
) -> Result<Qemu, EmulatorError> {
    let system = |what| EmulatorError::system(what);
    let (typing, typing_far) = UnixStream::pair().map_err(system("cannot make a socket"))?;
    let (serial, serial_far) = io::pipe().map_err(system("cannot make a pipe"))?;
    let (debug, debug_far) = io::pipe().map_err(system("cannot make a pipe"))?;
    let (messages, messages_far) = io::pipe().map_err(system("cannot make a pipe"))?;
    let debug_far = OwnedFd::from(debug_far);
    let mut keep: Vec<RawFd> = vec![debug_far.as_raw_fd(), files.guest.as_raw_fd()];
    keep.extend(files.xen.iter().map(|xen| xen.kernel.as_raw_fd()));
    let domain = files.xen.as_ref().and_then(|xen| xen.domain.as_ref());
    keep.extend(
        domain
            .into_iter()
            .flat_map(|domain| [domain.tree.as_raw_fd(), domain.passthrough.as_raw_fd()]),
    );
    let log = domain
        .map(|_| io::pipe())
        .transpose()
        .map_err(system("cannot make a pipe"))?;
    let (log, log_far) = log.map(|(log, far)| (log, OwnedFd::from(far))).unzip();
    keep.extend(log_far.iter().map(AsRawFd::as_raw_fd));
    keep.extend(core.into_iter().flat_map(Plan::files).map(AsRawFd::as_raw_fd));
    let mut command = Command::new(&files.qemu);
    command
        .args(arguments)
        .args(debug_console(machine, &debug_far))
        .args(log_far.iter().flat_map(xen_console))
        .stdin(OwnedFd::from(typing_far))
        .stdout(serial_far)
        .stderr(messages_far);
    let parent = std::process::id();
    let outlives_keys = core.is_some();
    // SAFETY: the closure makes system calls, allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || in_child(parent, &keep, outlives_keys)) };
    let child = command.spawn().map_err(system("cannot start QEMU"))?;
    Ok(Qemu {
        child,
        typing,
        serial,
        debug,
        messages,
        log,
    })
}

/// Between fork and exec: QEMU is to end when we do, however we end, and inherits those files. If it outlives keys,
/// what a terminal sends to all of a group is for us, who look at the machine before it ends.
fn in_child(parent: u32, keep: &[RawFd], outlives_keys: bool) -> io::Result<()> {
    if outlives_keys {
        let mut keys = MaybeUninit::uninit();
        // SAFETY: a live variable, which the first call fills in, and valid signal numbers.
        unsafe {
            libc::sigemptyset(keys.as_mut_ptr());
            for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
                libc::sigaddset(keys.as_mut_ptr(), signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, keys.as_ptr(), ptr::null_mut());
        }
    }
    // SAFETY: no pointers.
    let asked = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: as above. The parent may have gone before the call.
    if asked != 0 || unsafe { libc::getppid() } != parent as i32 {
        return Err(io::Error::last_os_error());
    }
    for &file in keep {
        // SAFETY: no pointers; the file is open.
        if unsafe { libc::fcntl(file, libc::F_SETFD, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

impl Qemu {
    /// Has it end, if it has not ended.
    pub(super) fn kill(&mut self) {
        // Fails only if it has been waited for.
        let _ = self.child.kill();
    }

    /// Ends it, if it has not ended, and says how it ended.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        self.child.wait()
    }

    /// Returns whether it has ended.
    pub(super) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure.
        let _ = self.end();
    }
}
