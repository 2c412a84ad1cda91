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

use crate::argument::{Error, Number, Out, array, number, text, there};
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
    image: Out<'_, *mut Image>,
) -> i32 {
    number(|| {
        let image = there(image, "image")?;
        image.write(ptr::null_mut());
        // SAFETY: the caller's.
        let (name, bytes) = unsafe { (text(name, "name")?, array(bytes.cast(), size, "bytes")?) };
        image.write(Box::into_raw(Box::new(parse(name, bytes)?)));
        Ok(())
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
#[unsafe(no_mangle)]
pub extern "C" fn pvh_image_release(image: Option<Box<Image>>) {
    drop(image);
}

/// `pvh_image_info`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_image_info(image: Option<&Image>, info: Out<'_, ImageInfo>) -> i32 {
    number(|| {
        let Image { image, .. } = there(image, "image")?;
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
        there(info, "info")?.write(ImageInfo {
            entry: image.entry(),
            vcpu_page: image.vcpu_page().unwrap_or(0),
            machine: image.machine().elf().into(),
            flags,
            segments: image.segments().len() as u32,
            externals: image.externals().len() as u32,
        });
        Ok(())
    })
}

/// `pvh_image_segment`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_image_segment(image: Option<&Image>, index: u32, segment: Out<'_, Segment>) -> i32 {
    number(|| {
        let Image { image, .. } = there(image, "image")?;
        let found = at(image.segments(), index, "segments")?;
        let data = found.data();
        there(segment, "segment")?.write(Segment {
            address: found.address,
            size: found.size,
            file_size: data.len() as u64,
            bytes: data.as_ptr().cast(),
            access: rights(found.access),
        });
        Ok(())
    })
}

/// `pvh_image_external`
#[unsafe(no_mangle)]
pub extern "C" fn pvh_image_external(image: Option<&Image>, index: u32, external: Out<'_, External>) -> i32 {
    number(|| {
        let Image { image, names } = there(image, "image")?;
        let found = at(image.externals(), index, "external functions")?;
        there(external, "external")?.write(External {
            name: at(names, index, "external functions")?.as_ptr(),
            slot: found.slot,
            signature: found.signature.map_or(0, |signature| signature.word()),
        });
        Ok(())
    })
}

/// `pvh_image_symbol`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_symbol(
    image: Option<&Image>,
    address: u64,
    text: *mut c_char,
    size: usize,
) -> usize {
    let Some(Image { image, .. }) = image else {
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
