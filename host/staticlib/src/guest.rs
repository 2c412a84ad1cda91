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

use crate::argument::{check_size, check_there, store, text, value};
use crate::environment;
use crate::error::{Error, Number, number};
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
pub unsafe extern "C" fn pvh_guest_create(image: *const Image, request: *const Request, guest: *mut *mut Guest) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        unsafe { store(guest, ptr::null_mut(), "guest")? };
        // SAFETY: the caller's.
        let made = unsafe { create(image, value(request, "request")?)? };
        // SAFETY: the caller's.
        unsafe { store(guest, Box::into_raw(Box::new(made)), "guest") }
    })
}

/// # Safety
/// As the header says.
unsafe fn create(image: *const Image, request: &Request) -> Result<Guest, Error> {
    check_size(request.size, size_of::<Request>(), "request")?;
    check_flags(request.flags, "request.flags")?;
    let l4rtems = request.flags & COMPAT_L4RTEMS != 0;
    // SAFETY: the caller's.
    let (scanned, platform, functions) = unsafe {
        (
            value(image, "image")?,
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
    let guest = guest::Guest::load(&scanned.image, &request, &provide, platform, pages).map_err(refusal)?;
    Ok(Guest { guest, image })
}

fn refusal(error: GuestError) -> Error {
    let number = match error {
        GuestError::Prototype { .. } | GuestError::NoPrototype { .. } => Number::Fit,
        GuestError::Layout(LayoutError::CommandLine(_)) => Number::Argument,
        GuestError::Layout(_) | GuestError::Protect { .. } => Number::Memory,
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
pub unsafe extern "C" fn pvh_guest_enter(guest: *mut Guest, end: *mut layout::End) -> i32 {
    number(|| {
        // SAFETY: the caller's; shared from here on, since handlers and host functions use it.
        let guest = unsafe { value(guest.cast_const(), "guest")? };
        // Before the guest runs, which it does once.
        check_there(end, "end")?;
        // SAFETY: the caller's.
        let reached = unsafe { guest.guest.enter() }.map_err(|error| Error::new(Number::Busy, error))?;
        // SAFETY: the image outlives its guests.
        let image: &image::Image = unsafe { &(*guest.image).image };
        if let Some(fault) = guest.guest.fault_report(image) {
            environment::say(&alloc::format!("{}: {fault}", Escaped(image.name())));
        }
        let result = layout::End {
            kind: reached.kind as u32,
            code: reached.code,
        };
        // SAFETY: the caller's.
        unsafe { store(end, result, "end") }
    })
}

/// `pvh_end_status`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_end_status(end: *const layout::End) -> i32 {
    // SAFETY: the caller's.
    let end = unsafe { end.as_ref() };
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

/// The guest behind a pointer, if there is one.
///
/// # Safety
/// The pointer is null, or the guest is not released as long as the reference is used.
unsafe fn of<'a>(guest: *const Guest) -> Option<&'a guest::Guest<Platform>> {
    // SAFETY: the caller's.
    unsafe { guest.as_ref() }.map(|guest| &guest.guest)
}

/// `pvh_guest_readable`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_readable(guest: *const Guest, address: *const c_void, size: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { of(guest) }
        .is_some_and(|guest| guest.memory().readable(address as u64, size as u64))
        .into()
}

/// `pvh_guest_writable`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_writable(guest: *const Guest, address: *const c_void, size: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { of(guest) }
        .is_some_and(|guest| guest.memory().writable(address as u64, size as u64))
        .into()
}

/// `pvh_guest_latch`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_latch(guest: *mut Guest, line: u32) -> i32 {
    // SAFETY: the caller's.
    match unsafe { of(guest) }.map(|guest| guest.latch(line)) {
        Some(Ok(interrupt)) => interrupt.into(),
        _ => Number::Argument as i32,
    }
}

/// `pvh_guest_stop`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_stop(guest: *mut Guest, code: i32) {
    // SAFETY: the caller's.
    if let Some(guest) = unsafe { of(guest) } {
        guest.stop(code);
    }
}

/// `pvh_guest_alarm`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_alarm(guest: *mut Guest) {
    // SAFETY: the caller's.
    if let Some(guest) = unsafe { of(guest) } {
        guest.alarm();
    }
}

/// `pvh_guest_deliver`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_deliver(guest: *mut Guest, context: *mut Context) -> i32 {
    // SAFETY: the caller's.
    let (guest, context) = unsafe { (of(guest), context.as_mut()) };
    let (Some(guest), Some(context)) = (guest, context) else {
        return Number::Argument as i32;
    };
    let mut interrupted = interrupted(context);
    let changed = guest.deliver(&mut interrupted);
    redirect(context, &interrupted);
    changed.into()
}

/// `pvh_guest_ready`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_ready(guest: *const Guest, line: u32) -> i32 {
    // SAFETY: the caller's.
    unsafe { of(guest) }.is_some_and(|guest| guest.is_ready(line)).into()
}

/// `pvh_guest_fault`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_guest_fault(guest: *mut Guest, context: *mut Context, fault: *const Fault) -> i32 {
    // SAFETY: the caller's.
    let parts = unsafe { (of(guest), context.as_mut(), fault.as_ref()) };
    let (Some(guest), Some(context), Some(fault)) = parts else {
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
