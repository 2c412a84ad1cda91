// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions as the process host offers them. Ports are not offered.

use paravirt_abi::error::Error;
use paravirt_abi::line::CONSOLE;
use paravirt_abi::shutdown::Reason;
use paravirt_abi::signature::Width;

use super::call::Call;
use super::exit::Exit;
use super::function::{GuestConstPtr, GuestPtr, GuestUsize, HostFunction, Stopped};
use super::idle::idle;
use super::lines::LineHandle;
use super::timers;
use super::tls;
use super::vm::Provided;

/// The interface functions.
pub(super) fn functions() -> [(&'static str, Provided); 14] {
    [
        provide("pv_console_write", console_write),
        provide("pv_console_read", console_read),
        provide("pv_clock_now", |call: &mut Call| call.vcpu().clock.now()),
        provide("pv_clock_wall", |_: &mut Call| timers::wall()),
        provide("pv_timer_start", timer_start),
        provide("pv_timer_stop", |call: &mut Call, timer: u32| {
            let vcpu = call.vcpu();
            vcpu.timers.stop(vcpu, timer)
        }),
        provide("pv_irq_attach", |call: &mut Call, line: u32| {
            attach(call, line)
        }),
        provide("pv_irq_detach", |call: &mut Call, line: u32| {
            let vcpu = call.vcpu();
            vcpu.lines().detach(vcpu.page.pending(), line)
        }),
        provide("pv_irq_mask", |call: &mut Call, line: u32| {
            let vcpu = call.vcpu();
            vcpu.lines().mask(vcpu.page.pending(), line)
        }),
        provide("pv_irq_unmask", |call: &mut Call, line: u32| {
            let vcpu = call.vcpu();
            vcpu.lines().unmask(vcpu.page.pending(), line)
        }),
        provide("pv_irq_raise", |call: &mut Call, line: u32| {
            let vcpu = call.vcpu();
            vcpu.lines().raise(vcpu.page.pending(), line)
        }),
        provide("pv_cpu_idle", |call: &mut Call| idle(call.vcpu())),
        provide("pv_cpu_set_tls", |call: &mut Call, base: GuestUsize| {
            tls::set(call, base.0)
        }),
        provide("pv_shutdown", shutdown),
    ]
}

fn provide<A, F: HostFunction<A>>(name: &'static str, function: F) -> (&'static str, Provided) {
    (name, Provided::new(function))
}

fn console_write(call: &mut Call, buf: GuestConstPtr<u8>, len: GuestUsize) -> Result<usize, Error> {
    let vcpu = call.vcpu();
    if !vcpu.memory.readable(buf.address(), len.0) {
        return Err(Error::BadAddress);
    }
    if len.0 == 0 {
        return Ok(0);
    }
    let len = len.0.min(longest(vcpu.width));
    // SAFETY: readable as checked, and the guest does not run meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(buf.address() as *const u8, len as usize) };
    vcpu.console.write(bytes)
}

fn console_read(call: &mut Call, buf: GuestPtr<u8>, len: GuestUsize) -> Result<usize, Error> {
    let vcpu = call.vcpu();
    if !vcpu.memory.writable(buf.address(), len.0) {
        return Err(Error::BadAddress);
    }
    if len.0 > longest(vcpu.width) {
        return Err(Error::InvalidArgument);
    }
    let bytes = read_console(call, len.0 as usize)?;
    call.vcpu().memory.write(buf.address(), &bytes)?;
    Ok(bytes.len())
}

/// The most bytes that the guest's `isize` can say.
const fn longest(width: Width) -> u64 {
    match width {
        Width::Bits32 => i32::MAX as u64,
        Width::Bits64 => i64::MAX as u64,
    }
}

/// Takes up to `size` bytes of input.
pub(super) fn read_console(call: &Call, size: usize) -> Result<Vec<u8>, Error> {
    start_input(call)?;
    let vcpu = call.vcpu();
    let (bytes, more) = vcpu.console.read(size)?;
    if more {
        // The line is raised as long as there is input, so that a handler may take one byte at a time.
        vcpu.lines().raise(vcpu.page.pending(), CONSOLE)?;
    }
    Ok(bytes)
}

fn start_input(call: &Call) -> Result<(), Error> {
    let vcpu = call.vcpu();
    vcpu.console
        .start(LineHandle::new(&vcpu.shared_lines, CONSOLE)?)
}

fn timer_start(call: &mut Call, timer: u32, first: u64, period: u64) -> Result<(), Error> {
    let vcpu = call.vcpu();
    vcpu.timers.start(vcpu, timer, first, period)
}

/// Gives a line to the guest.
pub(super) fn attach(call: &Call, line: u32) -> Result<(), Error> {
    let vcpu = call.vcpu();
    vcpu.lines().attach(vcpu.page.pending(), line)?;
    if line == CONSOLE {
        start_input(call)?;
    }
    Ok(())
}

fn shutdown(call: &mut Call, reason: u32, code: i32) -> Stopped {
    call.stop(match Reason::from_number(reason) {
        Some(Reason::Exit) => Exit::Exit(code),
        Some(Reason::Reset) => Exit::Reset,
        Some(Reason::Fatal) | None => Exit::Fatal(code),
    })
}
