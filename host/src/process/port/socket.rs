// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets on which is listened. Clients that come while another is there wait until it has gone.
//!
//! Of those with a name in the file system, somebody removes the file. A guest's thread may not, so a process of its
//! own does ([`offspring`]). It waits for the end of this one, whatever ends it, and knows nothing but the socket's
//! name. A name is taken over from a dead process, and removed, only by who has locked the folder. So none that another
//! process has just taken is removed.

use std::ffi::{CStr, CString};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, flock, lstat, open, unlink};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_keepalive, set_socket_send_buffer_size, set_tcp_nodelay};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, connect, recv, send,
    socket_with, socketpair,
};

use super::{Open, Port, PortError, Reach};
use crate::process::offspring;
use crate::terminal::GLANCE;

/// Bytes read at a time of a client that is let go, and how often at most: it may be one that never ends.
const CHUNK: usize = 4096;
const LAST: usize = 1024;

/// Bytes that the system may have taken for a client of TCP and not sent; Linux doubles it, and without it takes
/// megabytes.
const ON_ITS_WAY: usize = 64 * 1024;

/// In the order in which they are closed: the file is removed when nobody listens there any more.
#[derive(Debug)]
struct Listener {
    client: Option<OwnedFd>,
    listener: OwnedFd,
    _file: Option<SocketFile>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close_client();
    }
}

/// Listens on a new socket of that name.
pub(in crate::process) fn unix(path: &Path) -> Result<Open, PortError> {
    let (listener, file) = listen(path)?;
    let place = format!("unix:{}", path.display());
    Ok((Listener::open(listener.into(), Some(file)), place))
}

/// Listens on that TCP port.
pub(in crate::process) fn tcp(address: SocketAddr, reach: Reach) -> Result<Open, PortError> {
    reach.check(address)?;
    let open = || -> io::Result<Open> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        // Clients' sockets have it from this one: keys go out one by one, a machine that has vanished is noticed, and
        // little is lost with a client.
        set_tcp_nodelay(&listener, true)?;
        set_socket_keepalive(&listener, true)?;
        set_socket_send_buffer_size(&listener, ON_ITS_WAY)?;
        let place = format!("tcp:{}", listener.local_addr()?);
        Ok((Listener::open(listener.into(), None), place))
    };
    open().map_err(|source| PortError::Tcp(address, source))
}

impl Listener {
    /// Takes what the client has still written, and lets it go: what is left unread when a connection is closed has the
    /// system throw away what the client has not read yet.
    fn close_client(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..LAST {
            match self.read(&mut chunk) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        self.client = None;
    }

    fn open(listener: OwnedFd, file: Option<SocketFile>) -> Box<dyn Port> {
        Box::new(Self {
            client: None,
            listener,
            _file: file,
        })
    }
}

impl Port for Listener {
    fn door(&self) -> Option<BorrowedFd<'_>> {
        Some(self.listener.as_fd())
    }

    fn admit(&mut self) -> bool {
        match accept_with(&self.listener, SocketFlags::CLOEXEC) {
            Ok(client) => self.client = Some(client),
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            // There is none left of something, and the client is still at the door.
            Err(_) => thread::sleep(GLANCE),
        }
        self.client.is_some()
    }

    fn turn_away(&self) {
        let _ = accept_with(&self.listener, SocketFlags::CLOEXEC);
    }

    fn client(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }

    fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        let client = self.client.as_ref().ok_or(Errno::NOTCONN)?;
        recv(client, bytes, RecvFlags::DONTWAIT).map(|(count, _)| count)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let client = self.client.as_ref().ok_or(Errno::NOTCONN)?;
        send(client, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
    }

    /// What the system has taken it delivers, whether we are there or not.
    fn has_read_all(&self) -> bool {
        true
    }

    fn dismiss(&mut self) {
        self.close_client();
    }

    fn call(&self) -> Option<u32> {
        Some(libc::SYS_accept4 as u32)
    }
}

/// Bytes of a socket's name, without the last one, which is zero (Linux, linux/un.h).
const LONGEST: usize = 107;
/// How long the folder's lock is waited for, which others may have for reasons of their own, and the other process.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u128 = LONGEST_WAIT.as_millis() / PAUSE.as_millis();

/// The socket's name. When it is dropped, the file is removed; nobody may listen any more.
#[derive(Debug)]
struct SocketFile {
    /// Its other end is the process that removes it.
    remover: OwnedFd,
}

/// Listens on a new socket of that name.
fn listen(path: &Path) -> Result<(UnixListener, SocketFile), PortError> {
    let refused = |source: io::Error| PortError::Socket(path.to_owned(), source);
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
                    return Err(PortError::SocketInUse(path.to_owned()));
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
    let refused = |source: Errno| PortError::Socket(path(), source.into());
    match lstat(&*name.file) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(stat) if !is_socket(&stat) => return Err(PortError::NoSocket(path())),
        Ok(_) => {}
    }
    match name.is_dead() {
        Ok(true) => unlink(&*name.file).map_err(refused),
        Ok(false) => Err(PortError::SocketInUse(path())),
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
