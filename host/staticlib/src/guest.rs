// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests.

use alloc::boxed::Box;
use core::ffi::c_void;
use core::ptr;

use paravirt_host_core::fault::{AnyRegisters, Exception, Registers};
use paravirt_host_core::guest::{self, End, EndKind, GuestError};
use paravirt_host_core::image;
use paravirt_host_core::layout::LayoutError;
use paravirt_host_core::text::Escaped;
use paravirt_host_core::upcall::Interrupted;

use crate::argument::{Error, Number, Out, check_size, number, text, there};
use crate::environment;
use crate::functions::{self, check_flags};
use crate::image::Image;
use crate::layout::{self, COMPAT_L4RTEMS, Context, EXECUTABLE_MEMORY, FAULT_SYSTEM_CALL, Fault, LAZY, Request};
use crate::platform::{Address, Platform};

/// `struct pvh_guest`
#[repr(C)]
pub struct Guest {
    /// First, because that is what is known of the guest that runs.
    guest: guest::Guest<Platform>,
    image: *const Image,
}

/// `pvh_guest_create`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_create(
    image: Option<&Image>,
    request: *const Request,
    guest: Out<'_, *mut Guest>,
) -> i32 {
    number(|| {
        let guest = there(guest, "guest")?;
        guest.write(ptr::null_mut());
        // SAFETY: the caller's.
        let made = unsafe { create(image, there(request.as_ref(), "request")?)? };
        guest.write(Box::into_raw(Box::new(made)));
        Ok(())
    })
}

/// # Safety
/// As the header says.
unsafe fn create(image: Option<&Image>, request: &Request) -> Result<Guest, Error> {
    check_size(request.size, size_of::<Request>(), "request")?;
    check_flags(request.flags, "request.flags")?;
    let l4rtems = request.flags & COMPAT_L4RTEMS != 0;
    let image = there(image, "image")?;
    // SAFETY: the caller's.
    let (platform, functions) = unsafe {
        (
            Platform::new(request.platform)?,
            functions::all(request.functions, request.function_count, l4rtems)?,
        )
    };
    let command_line = if request.command_line.is_null() {
        ""
    } else {
        // SAFETY: the caller's.
        unsafe { text(request.command_line, "request.command_line")? }
    };
    let request = guest::Request {
        hooks: &[],
        command_line,
        memory: request.memory,
        executable_memory: request.flags & EXECUTABLE_MEMORY != 0,
        lazy: request.flags & LAZY != 0,
        l4rtems,
    };
    let provide = |name: &str, _| {
        let function = functions.get(name)?;
        Some(guest::Function {
            signature: function.signature,
            function: Address(function.address),
        })
    };
    let pages = Box::new(platform);
    let guest = guest::Guest::load(&image.image, &request, &provide, platform, pages).map_err(refusal)?;
    Ok(Guest { guest, image })
}

fn refusal(error: GuestError) -> Error {
    let number = match error {
        GuestError::Prototype { .. } | GuestError::NoPrototype { .. } => Number::Fit,
        GuestError::Layout(LayoutError::CommandLine(_)) => Number::Argument,
        GuestError::Layout(_) | GuestError::Protect(..) => Number::Memory,
        _ => Number::Image,
    };
    Error::new(number, error)
}

/// `pvh_guest_release`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_release(guest: *mut Guest) {
    if guest.is_null() {
        return;
    }
    if ptr::eq(guest, pvh_guest_current()) {
        environment::say("pvh_guest_release: the guest runs; release it when pvh_guest_enter() has returned");
        return;
    }
    // SAFETY: it came from `pvh_guest_create`, and is not used any more.
    drop(unsafe { Box::from_raw(guest) });
}

/// `pvh_guest_enter`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_enter(guest: Option<&Guest>, end: Out<'_, layout::End>) -> i32 {
    number(|| {
        // Both before the guest runs, which it does once.
        let (guest, end) = (there(guest, "guest")?, there(end, "end")?);
        // SAFETY: the caller's.
        let reached = unsafe { guest.guest.enter() }.map_err(|error| Error::new(Number::Busy, error))?;
        // SAFETY: the image outlives its guests.
        let image: &image::Image = unsafe { &(*guest.image).image };
        if let Some(fault) = guest.guest.fault_report(image) {
            environment::say(&alloc::format!("{}: {fault}", Escaped(image.name())));
        }
        end.write(layout::End {
            kind: reached.kind as u32,
            code: reached.code,
        });
        Ok(())
    })
}

/// `pvh_end_status`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_end_status(end: Option<&layout::End>) -> i32 {
    let end = end.and_then(|end| {
        let kind = EndKind::from_number(end.kind)?;
        let code = end.code;
        Some(End { kind, code })
    });
    end.map_or(Number::Argument as i32, |end| end.status().into())
}

/// `pvh_guest_current`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_current() -> *mut Guest {
    // SAFETY: only its address is used here.
    let guest = unsafe { guest::Guest::<Platform>::current() };
    // Every guest here is the first member of a `Guest`.
    guest.map_or(ptr::null_mut(), |guest| ptr::from_ref(guest).cast_mut().cast())
}

/// `pvh_guest_readable`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_readable(guest: Option<&Guest>, address: *const c_void, size: usize) -> i32 {
    let readable = |guest: &Guest| guest.guest.memory().readable(address as u64, size as u64);
    guest.is_some_and(readable).into()
}

/// `pvh_guest_writable`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_writable(guest: Option<&Guest>, address: *const c_void, size: usize) -> i32 {
    let writable = |guest: &Guest| guest.guest.memory().writable(address as u64, size as u64);
    guest.is_some_and(writable).into()
}

/// `pvh_guest_latch`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_latch(guest: Option<&Guest>, line: u32) -> i32 {
    match guest.map(|guest| guest.guest.latch(line)) {
        Some(Ok(interrupt)) => interrupt.into(),
        _ => Number::Argument as i32,
    }
}

/// `pvh_guest_stop`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_stop(guest: Option<&Guest>, code: i32) {
    if let Some(guest) = guest {
        guest.guest.stop(code);
    }
}

/// `pvh_guest_alarm`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_alarm(guest: Option<&Guest>) {
    if let Some(guest) = guest {
        guest.guest.alarm();
    }
}

/// `pvh_guest_deliver`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_deliver(guest: Option<&Guest>, context: Option<&mut Context>) -> i32 {
    let (Some(Guest { guest, .. }), Some(context)) = (guest, context) else {
        return Number::Argument as i32;
    };
    let mut interrupted = interrupted(context);
    let changed = guest.deliver(&mut interrupted);
    redirect(context, &interrupted);
    changed.into()
}

/// `pvh_guest_ready`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_ready(guest: Option<&Guest>, line: u32) -> i32 {
    guest.is_some_and(|guest| guest.guest.is_ready(line)).into()
}

/// `pvh_guest_fault`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_guest_fault(guest: Option<&Guest>, context: Option<&mut Context>, fault: Option<&Fault>) -> i32 {
    let (Some(Guest { guest, .. }), Some(context), Some(fault)) = (guest, context, fault) else {
        return Number::Argument as i32;
    };
    let exception = match fault.vector {
        FAULT_SYSTEM_CALL => Exception::SystemCall,
        vector => Exception::from_vector(vector, fault.error.into(), fault.address),
    };
    let mut interrupted = interrupted(context);
    let registers = AnyRegisters::X86(Registers {
        general: fault.registers,
        instruction: context.ip,
        flags: context.flags,
    });
    if !guest.fault(&mut interrupted, registers, exception) {
        return Number::NotGuest as i32;
    }
    redirect(context, &interrupted);
    1
}

const fn interrupted(context: &Context) -> Interrupted {
    Interrupted {
        instruction: context.ip,
        stack: context.sp,
        flags: context.flags,
        code_selector: context.cs,
        stack_selector: context.ss,
    }
}

const fn redirect(context: &mut Context, interrupted: &Interrupted) {
    context.ip = interrupted.instruction;
    context.sp = interrupted.stack;
    context.flags = interrupted.flags;
    // A far jump may have led the guest to code of the other width.
    context.cs = interrupted.code_selector;
    context.ss = interrupted.stack_selector;
}
