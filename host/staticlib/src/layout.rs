// SPDX-License-Identifier: MIT OR Apache-2.0
//! The structures of the header.

use core::ffi::{c_char, c_void};

/// `struct pvh_environment`
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Environment {
    pub size: usize,
    pub context: *mut c_void,
    pub allocate: Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>,
    pub release: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize)>,
    pub message: Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize)>,
    pub abort: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// `struct pvh_image_info`
#[repr(C)]
pub struct ImageInfo {
    pub entry: u64,
    pub vcpu_page: u64,
    pub machine: u32,
    pub flags: u32,
    pub segments: u32,
    pub externals: u32,
}

/// `struct pvh_segment`
#[repr(C)]
pub struct Segment {
    pub address: u64,
    pub size: u64,
    pub file_size: u64,
    pub bytes: *const c_void,
    pub access: u32,
}

/// `struct pvh_external`
#[repr(C)]
pub struct External {
    pub name: *const c_char,
    pub slot: u64,
    pub signature: u64,
}

/// `struct pvh_function`
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Function {
    pub name: *const c_char,
    pub signature: u64,
    pub function: Option<unsafe extern "C" fn()>,
}

/// `struct pvh_platform`
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Platform {
    pub size: usize,
    pub context: *mut c_void,
    pub map: Option<unsafe extern "C" fn(*mut c_void, u64, u64) -> i32>,
    pub protect: Option<unsafe extern "C" fn(*mut c_void, u64, u64, u32) -> i32>,
    pub unmap: Option<unsafe extern "C" fn(*mut c_void, u64, u64)>,
    pub now: Option<unsafe extern "C" fn(*mut c_void) -> u64>,
    pub wall: Option<unsafe extern "C" fn(*mut c_void) -> u64>,
    pub set_alarm: Option<unsafe extern "C" fn(*mut c_void, u64)>,
    pub wait: Option<unsafe extern "C" fn(*mut c_void)>,
    pub console_write: Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> isize>,
    pub console_read: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut i32) -> isize>,
    pub set_tls: Option<unsafe extern "C" fn(*mut c_void, u64) -> i32>,
    pub enter_host: Option<unsafe extern "C" fn(*mut c_void)>,
    pub leave_host: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// `struct pvh_request`
#[repr(C)]
pub struct Request {
    pub size: usize,
    pub platform: *const Platform,
    pub functions: *const Function,
    pub function_count: usize,
    pub command_line: *const c_char,
    pub memory: u64,
    pub flags: u32,
}

/// `struct pvh_end`
#[repr(C)]
pub struct End {
    pub kind: u32,
    pub code: i32,
}

/// `struct pvh_context`
#[repr(C)]
pub struct Context {
    pub ip: u64,
    pub sp: u64,
    pub flags: u64,
    pub cs: u64,
    pub ss: u64,
}

/// `struct pvh_fault`
#[repr(C)]
pub struct Fault {
    pub registers: [u64; 16],
    pub address: u64,
    pub vector: u32,
    pub error: u32,
}

/// `PVH_IMAGE_NOTE`
pub const IMAGE_NOTE: u32 = 1 << 0;
/// `PVH_IMAGE_NO_RED_ZONE`
pub const IMAGE_NO_RED_ZONE: u32 = 1 << 1;
/// `PVH_IMAGE_EXECUTABLE_MEMORY`
pub const IMAGE_EXECUTABLE_MEMORY: u32 = 1 << 2;
/// `PVH_READ`
pub const READ: u32 = 1 << 0;
/// `PVH_WRITE`
pub const WRITE: u32 = 1 << 1;
/// `PVH_EXECUTE`
pub const EXECUTE: u32 = 1 << 2;
/// `PVH_LAZY`
pub const LAZY: u32 = 1 << 0;
/// `PVH_COMPAT_L4RTEMS`
pub const COMPAT_L4RTEMS: u32 = 1 << 1;
/// `PVH_EXECUTABLE_MEMORY`
pub const EXECUTABLE_MEMORY: u32 = 1 << 2;
/// `PVH_FAULT_SYSTEM_CALL`
pub const FAULT_SYSTEM_CALL: u32 = 256;
