// SPDX-License-Identifier: MIT OR Apache-2.0
//! A listening socket with a name in the file system, and who removes it.
//!
//! A guest's thread may not remove files, so a process of its own does ([`offspring`]). It waits for the end of this
//! one, whatever ends it, and knows nothing but the socket's name.
//!
//! A name is taken over from a dead process, and removed, only by who has locked the folder. So none that another
//! process has just taken is removed.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, flock, lstat, open, unlink};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with, socketpair,
};

use super::PortError;
use crate::process::offspring;

/// Bytes of a socket's name, without the last one, which is zero (Linux, linux/un.h).
const LONGEST: usize = 107;
/// How long the folder's lock is waited for, which others may have for reasons of their own, and the other process.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u128 = LONGEST_WAIT.as_millis() / PAUSE.as_millis();

/// The socket's name. When it is dropped, the file is removed; nobody may listen any more.
#[derive(Debug)]
pub(super) struct SocketFile {
    /// Its other end is the process that removes it.
    remover: OwnedFd,
}

/// Listens on a new socket of that name.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), PortError> {
    let refused = |source: io::Error| PortError::Socket {
        path: path.to_owned(),
        source,
    };
    if path.as_os_str().len() > LONGEST {
        return Err(PortError::SocketNameTooLong {
            path: path.to_owned(),
            most: LONGEST,
        });
    }
    let name = Name::new(path).map_err(refused)?;
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let _lock = name.lock();
            remove_dead(path, &name)?;
            match UnixListener::bind(path) {
                // Others do not look at locks.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(PortError::SocketInUse { path: path.to_owned() });
                }
                listener => listener,
            }
        }
        listener => listener,
    }
    .map_err(refused)?;
    let file = (listener.set_nonblocking(true).and_then(|()| Ok(lstat(&*name.file)?))).and_then(|ours| {
        SocketFile::new(&name, &ours).inspect_err(|_| {
            let _ = unlink(&*name.file);
        })
    });
    Ok((listener, file.map_err(refused)?))
}

/// Removes what a dead process has left there.
fn remove_dead(path: &Path, name: &Name) -> Result<(), PortError> {
    let path = || path.to_owned();
    let refused = |source: Errno| PortError::Socket {
        path: path(),
        source: source.into(),
    };
    match lstat(&*name.file) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(stat) if !is_socket(&stat) => return Err(PortError::NoSocket { path: path() }),
        Ok(_) => {}
    }
    match name.is_dead() {
        Ok(true) => unlink(&*name.file).map_err(refused),
        Ok(false) => Err(PortError::SocketInUse { path: path() }),
        Err(error) => Err(refused(error)),
    }
}

fn is_socket(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Socket
}

/// As the system wants names: what is done with them allocates nothing, so that a forked child may do it.
struct Name {
    file: CString,
    folder: CString,
}

impl Name {
    fn new(path: &Path) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        Ok(Self {
            file: CString::new(path.as_os_str().as_bytes())?,
            folder: CString::new(folder.as_os_str().as_bytes())?,
        })
    }

    /// Locks the folder, so long as what is returned is there. It may be one that we cannot read.
    fn lock(&self) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(&*self.folder, flags, Mode::empty()).ok()?;
        for _ in 0..TRIES {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(PAUSE),
                _ => break,
            }
        }
        Some(folder)
    }

    /// Returns whether no process has the socket. Asked by a socket of another type, which nobody can take for a
    /// client: that the types differ is only said where there is somebody.
    fn is_dead(&self) -> Result<bool, Errno> {
        is_dead(&self.file)
    }
}

fn is_dead(file: &CStr) -> Result<bool, Errno> {
    let address = SocketAddrUnix::new(file)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    match connect(&socket, &address) {
        Err(Errno::CONNREFUSED) => Ok(true),
        Ok(()) | Err(Errno::PROTOTYPE) => Ok(false),
        Err(error) => Err(error),
    }
}

impl SocketFile {
    /// Starts the process that removes that file.
    fn new(name: &Name, ours: &Stat) -> io::Result<Self> {
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // SAFETY: system calls only.
        unsafe { offspring::start([far.as_fd()], || remove_in_the_end(name, ours)) }?;
        Ok(Self { remover: near })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If that process is gone, there is nothing to wait for either.
        let _ = send(&self.remover, b"x", SendFlags::NOSIGNAL);
        let limit = Timespec::try_from(LONGEST_WAIT).ok();
        let mut ready = [PollFd::new(&self.remover, PollFlags::IN)];
        while poll(&mut ready, limit.as_ref()) == Err(Errno::INTR) {}
    }
}

/// Waits for the end, and removes the file if it is still ours. In a process of its own, with the socket as file 0:
/// system calls only.
fn remove_in_the_end(name: &Name, ours: &Stat) {
    let end = rustix::stdio::stdin();
    loop {
        let read = match rustix::io::read(end, &mut [0; 1]) {
            Err(Errno::INTR) => continue,
            read => read,
        };
        if remove_ours(name, ours) || read != Ok(1) {
            return;
        }
        // Somebody has written too early.
    }
}

/// Removes the file if it is still ours and nobody listens. Of a process that ends, the system may close the socket a
/// little later than what tells of the end. Returns whether there is nothing more to remove.
fn remove_ours(name: &Name, ours: &Stat) -> bool {
    for _ in 0..TRIES {
        let _lock = name.lock();
        // A number of a file may be given to the next one.
        let is_ours = lstat(&*name.file).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (ours.st_dev, ours.st_ino));
        if !is_ours {
            return true;
        }
        if name.is_dead() == Ok(true) {
            let _ = unlink(&*name.file);
            return true;
        }
        thread::sleep(PAUSE);
    }
    false
}
