// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debuggers: a port to which they come while the guest runs, one at a time, and before it does.
//!
//! The [protocol](crate::debug::gdb) is a thread's of its own; the guest's [stands](vcpu) in a signal handler
//! meanwhile, with all that it is in a [structure](link) that both have.

mod hardware;
mod link;
mod machine;
mod server;
mod vcpu;

use std::io;
use std::net::SocketAddr;
use std::path::{self, Path};
use std::sync::Arc;

pub(super) use hardware::TRAP_PERF;
pub(super) use vcpu::Vcpu;

use super::dispositions;
use super::platform::Guest;
use super::port::{self, PortError, Reach, Service, socket};
use super::run::Exit;
use crate::debug::core::Area;
use crate::debug::gdb::End;
use crate::image::Image;
use hardware::Hardware;
use link::Link;
use machine::ProcessMachine;

/// A port for debuggers that speak gdb's remote protocol, see [`Builder::debugger`](super::Builder::debugger).
///
/// The guest stands before its first instruction until a debugger comes and lets it go on. One that detaches leaves it
/// running, and it may come again. If one vanishes, what it has set is gone; a guest that stood then waits for the
/// next. While a debugger is there, others are turned away.
#[derive(Debug)]
pub struct Debugger {
    service: Service,
    link: Arc<Link>,
    hardware: Arc<Hardware>,
}

/// A port for debuggers could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebuggerError {
    /// The socket.
    #[error("debugger: {0}")]
    Port(#[from] PortError),
    /// The system has no descriptor for us by which threads wake each other.
    #[error("cannot wait for a debugger: eventfd: {0}")]
    Wakeup(#[source] io::Error),
}

impl Debugger {
    /// On a TCP port of that address; 0: any that is free, which [`place`](Self::place) says.
    ///
    /// # Errors
    /// [`DebuggerError`].
    pub fn tcp(address: SocketAddr, reach: Reach) -> Result<Self, DebuggerError> {
        Self::on_port(socket::tcp(address, reach)?)
    }

    /// On a new stream socket of that name, as that of a [console](super::Console::unix).
    ///
    /// # Errors
    /// [`DebuggerError`].
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, DebuggerError> {
        Self::on_port(socket::unix(path.as_ref())?)
    }

    fn on_port(port: port::Open) -> Result<Self, DebuggerError> {
        let link = Link::new().map_err(|source| DebuggerError::Wakeup(source.into()))?;
        Ok(Self {
            service: Service::new(port),
            link: Arc::new(link),
            hardware: Arc::default(),
        })
    }

    /// Where debuggers find it: `tcp:127.0.0.1:1234`, `unix:PATH`.
    #[must_use]
    pub fn place(&self) -> &str {
        self.service.place()
    }

    /// System calls that it needs while the guest runs, and hardly anybody else.
    pub(super) fn calls(&self) -> impl Iterator<Item = u32> {
        self.service.call().into_iter().chain([hardware::CALL])
    }

    /// What the vCPU's thread has of it.
    pub(super) fn vcpu(&self) -> Vcpu {
        Vcpu::new(Arc::clone(&self.link))
    }

    /// That guest, which this thread is about to enter, as debuggers have it in hand.
    pub(super) fn machine(&self, guest: &Guest, image: &Image) -> ProcessMachine {
        self.link.set_thread(dispositions::this_thread());
        let path = path::absolute(image.name());
        let regions = (guest.own_mappings())
            .map(|(range, access)| Area { range, access })
            .collect();
        ProcessMachine {
            link: Arc::clone(&self.link),
            image: image.clone(),
            file_name: path.map_or_else(|_| image.name().to_owned(), |path| path.display().to_string()),
            regions,
            hardware: Arc::clone(&self.hardware),
        }
    }

    /// Begins to serve debuggers, see [`Service::begin`].
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub(super) fn begin(&self, mut machine: ProcessMachine) -> io::Result<()> {
        self.service
            .begin("debugger", move |port| server::serve(port, &mut machine))
    }

    /// The guest has been left: what the processor watches is the host's alone.
    pub(super) fn unwatch(&self) {
        self.hardware.clear();
    }

    /// Tells a debugger that is there how the guest has ended, and ends the thread.
    pub(super) fn finish(&self, exit: &Exit) {
        self.end(match exit {
            Exit::Signal(signal) => End::Signal(*signal as u8),
            other => End::Exit(other.status()),
        });
    }

    fn end(&self, end: End) {
        self.link.end(end);
        self.service.finish();
    }
}

/// Of a guest that could not be entered.
impl Drop for Debugger {
    fn drop(&mut self) {
        if self.service.is_running() {
            self.end(End::Exit(FAILURE));
        }
    }
}

/// Exit status of a run that did not begin.
const FAILURE: u8 = 1;
