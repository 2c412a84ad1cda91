// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets on which is listened. Clients that come while another is there wait until it has gone.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_keepalive, set_socket_send_buffer_size, set_tcp_nodelay};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use super::socket_file::{self, SocketFile};
use super::{Open, Port, PortError, Reach};
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
    let (listener, file) = socket_file::listen(path)?;
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
    open().map_err(|source| PortError::Tcp { address, source })
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
