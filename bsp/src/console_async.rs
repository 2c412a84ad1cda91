// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console as a device of `embedded-io-async`.

use core::future::poll_fn;
use core::task::Poll;

use atomic_waker::AtomicWaker;
use embedded_io_async::{Read, Write};

use crate::Error;
use crate::console::{self, Console, ConsoleError};
use crate::irq::Line;

/// Who waits for input.
static WAKER: AtomicWaker = AtomicWaker::new();

/// The console line, attached while somebody waits.
struct Listening;

impl Listening {
    fn begin() -> Result<Self, Error> {
        Line::CONSOLE.attach(&|_| WAKER.wake())?;
        Ok(Self)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Without a handler if the application took it away meanwhile.
        let _ = Line::CONSOLE.detach();
    }
}

impl Read for Console {
    /// Waits for input; 0 bytes mean that the input has ended. One task at a time: the line of the console has one
    /// handler, so for a second one, or beside a handler of the application, it is [`Error::Busy`].
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ConsoleError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // Attached first: what comes from here on wakes, what came before is read below.
        let _listening = Listening::begin().map_err(ConsoleError)?;
        poll_fn(|context| {
            WAKER.register(context.waker());
            match console::read_available(buffer) {
                Ok(0) => Poll::Pending,
                Err(Error::EndOfInput) => Poll::Ready(Ok(0)),
                read => Poll::Ready(read.map_err(ConsoleError)),
            }
        })
        .await
    }
}

impl Write for Console {
    /// Writes at once, as the host takes it.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ConsoleError> {
        embedded_io::Write::write(self, bytes)
    }

    async fn flush(&mut self) -> Result<(), ConsoleError> {
        embedded_io::Write::flush(self)
    }
}
