// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ffi::{c_char, c_void};
use core::{ptr, slice};

use paravirt_abi::note;
use paravirt_host_core::image::{self, Access};

use crate::argument::{array, store, text, value};
use crate::error::{Error, Number, number};
use crate::layout::{
    EXECUTE, External, IMAGE_EXECUTABLE_MEMORY, IMAGE_NO_RED_ZONE, IMAGE_NOTE, ImageInfo, READ, Segment, WRITE,
};

/// `struct pvh_image`
pub struct Image {
    pub image: image::Image,
    /// Names of the external functions, in the order of their slots.
    names: Vec<CString>,
}

/// `pvh_image_parse`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_parse(
    name: *const c_char,
    bytes: *const c_void,
    size: usize,
    image: *mut *mut Image,
) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        unsafe { store(image, ptr::null_mut(), "image")? };
        // SAFETY: the caller's.
        let (name, bytes) = unsafe { (text(name, "name")?, array(bytes.cast(), size, "bytes")?) };
        let parsed = parse(name, bytes)?;
        // SAFETY: the caller's.
        unsafe { store(image, Box::into_raw(Box::new(parsed)), "image") }
    })
}

fn parse(name: &str, bytes: &[u8]) -> Result<Image, Error> {
    let image = image::Image::parse(name, bytes).map_err(|error| Error::new(Number::Image, error))?;
    let names = image
        .externals()
        .iter()
        // The scanner accepts identifiers only, which hold no NUL.
        .map(|external| CString::new(external.name.as_str()).unwrap_or_default())
        .collect();
    Ok(Image { image, names })
}

/// `pvh_image_release`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_release(image: *mut Image) {
    if !image.is_null() {
        // SAFETY: it came from `pvh_image_parse`, and is not used any more.
        drop(unsafe { Box::from_raw(image) });
    }
}

/// `pvh_image_info`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_info(image: *const Image, info: *mut ImageInfo) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        let Image { image, .. } = unsafe { value(image, "image")? };
        let mut flags = 0;
        if let Some(identity) = image.identity() {
            flags |= IMAGE_NOTE;
            if identity.flags.contains(note::Flags::NO_RED_ZONE) {
                flags |= IMAGE_NO_RED_ZONE;
            }
        }
        if image.asks_for_executable_memory() {
            flags |= IMAGE_EXECUTABLE_MEMORY;
        }
        let result = ImageInfo {
            entry: image.entry(),
            vcpu_page: image.vcpu_page().unwrap_or(0),
            machine: image.machine().elf().into(),
            flags,
            segments: image.segments().len() as u32,
            externals: image.externals().len() as u32,
        };
        // SAFETY: the caller's.
        unsafe { store(info, result, "info") }
    })
}

/// `pvh_image_segment`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_segment(image: *const Image, index: u32, segment: *mut Segment) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        let Image { image, .. } = unsafe { value(image, "image")? };
        let found = at(image.segments(), index, "segments")?;
        let data = found.data();
        let result = Segment {
            address: found.address,
            size: found.size,
            file_size: data.len() as u64,
            bytes: data.as_ptr().cast(),
            access: rights(found.access),
        };
        // SAFETY: the caller's.
        unsafe { store(segment, result, "segment") }
    })
}

/// `pvh_image_external`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_external(image: *const Image, index: u32, external: *mut External) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        let Image { image, names } = unsafe { value(image, "image")? };
        let found = at(image.externals(), index, "external functions")?;
        let result = External {
            name: at(names, index, "external functions")?.as_ptr(),
            slot: found.slot,
            signature: found.signature.map_or(0, |signature| signature.word()),
        };
        // SAFETY: the caller's.
        unsafe { store(external, result, "external") }
    })
}

/// `pvh_image_symbol`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_symbol(image: *const Image, address: u64, text: *mut c_char, size: usize) -> usize {
    // SAFETY: the caller's.
    let Some(Image { image, .. }) = (unsafe { image.as_ref() }) else {
        return 0;
    };
    let is_code = image
        .segment_at(address, 1)
        .is_some_and(|segment| segment.access.execute);
    let Some(location) = image.symbols().function_at(address).filter(|_| is_code) else {
        return 0;
    };
    let name = location.to_string();
    if size > 0 && !text.is_null() {
        // SAFETY: the caller's.
        let text = unsafe { slice::from_raw_parts_mut(text.cast::<u8>(), size) };
        let mut length = name.len().min(size - 1);
        while !name.is_char_boundary(length) {
            length -= 1;
        }
        text[..length].copy_from_slice(&name.as_bytes()[..length]);
        text[length] = 0;
    }
    name.len()
}

fn at<'a, T>(all: &'a [T], index: u32, what: &str) -> Result<&'a T, Error> {
    all.get(index as usize).ok_or_else(|| {
        Error::argument(format_args!(
            "index {index} is too high: the image has {} {what}",
            all.len()
        ))
    })
}

/// Rights as the bits of the API.
pub fn rights(access: Access) -> u32 {
    let bit = |granted, bit| if granted { bit } else { 0 };
    bit(access.read, READ) | bit(access.write, WRITE) | bit(access.execute, EXECUTE)
}
