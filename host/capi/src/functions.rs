// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's functions: its own table, and the interface functions.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use paravirt_abi::signature::Signature;
use paravirt_host_core::agreement;
use paravirt_host_core::guest;
use paravirt_host_core::image::{self, External, check_loadable};
use paravirt_host_core::legacy::OFFERED;
use paravirt_host_core::provides::{Missing, Nearest, Provides};
use paravirt_host_core::text::Escaped;

use crate::argument::{array, text, value};
use crate::error::{Error, Number, number};
use crate::image::Image;
use crate::layout::{COMPAT_2013, EXECUTABLE_MEMORY, LAZY};
use crate::platform::Platform;
use crate::{interface, layout};

/// A function that the host provides.
pub struct Function {
    /// Its prototype; `None`: that of the guest's declaration, or the ABI's of that name.
    pub signature: Option<Signature>,
    /// Its address, with the C ABI, a function of 2013 too.
    pub address: usize,
}

/// All functions by their names.
pub type Functions = BTreeMap<String, Function>;

/// All functions that a guest gets: those of the table, and the interface functions that it does not name; with
/// `compat_2013` those of 2013 as well.
///
/// # Safety
/// As the header says of the table.
pub unsafe fn all(table: *const layout::Function, count: usize, compat_2013: bool) -> Result<Functions, Error> {
    // SAFETY: the caller's.
    let table = unsafe { array(table, count, "functions")? };
    let of_2013 = interface::of_2013().filter(|_| compat_2013);
    let provided = interface::functions().chain(of_2013);
    let mut functions: Functions = provided.map(|(name, function)| (name.to_string(), function)).collect();
    for (index, entry) in table.iter().enumerate() {
        // SAFETY: the caller's.
        let name = unsafe { text(entry.name, &format!("functions[{index}].name"))? };
        if !compat_2013 && paravirt_abi::legacy::find(name).is_some() {
            return Err(Error::argument(format_args!(
                "functions[{index}] `{name}` is a function of 2013; set PVH_COMPAT_2013 (option `--compat 2013`), or \
                leave it out"
            )));
        }
        let Some(function) = entry.function else {
            return Err(Error::argument(format_args!(
                "functions[{index}] `{name}` is NULL; give its address or leave it out"
            )));
        };
        let signature = match entry.signature {
            0 => None,
            word => Some(Signature::from_word(word).map_err(|reason| {
                Error::argument(format_args!(
                    "functions[{index}] `{name}`: {word:#018x} is no prototype word: {reason}; take it from `pvhost \
                    header`"
                ))
            })?),
        };
        let address = function as usize;
        functions.insert(name.to_string(), Function { signature, address });
    }
    Ok(functions)
}

/// `pvh_image_check`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvh_image_check(
    image: *const Image,
    table: *const layout::Function,
    count: usize,
    flags: u32,
) -> i32 {
    number(|| {
        check_flags(flags, "flags")?;
        let compat_2013 = flags & COMPAT_2013 != 0;
        // SAFETY: the caller's.
        let image = &unsafe { value(image, "image")? }.image;
        // First: a table that was made from an image of 2013 has its names.
        check_loadable(image, &guest::policy::<Platform>(compat_2013))
            .map_err(|error| Error::new(Number::Image, error))?;
        // SAFETY: the caller's.
        let functions = unsafe { all(table, count, compat_2013)? };
        let misfits = misfits(image, &functions);
        if misfits.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Number::Fit,
            format_args!(
                "{}\n{}: this host provides {} of {} functions as the guest declares them",
                misfits.join("\n"),
                Escaped(image.name()),
                image.externals().len() - misfits.len(),
                image.externals().len(),
            ),
        ))
    })
}

/// Whether all flags of a request are known.
pub fn check_flags(flags: u32, name: &str) -> Result<(), Error> {
    if flags & !(LAZY | COMPAT_2013 | EXECUTABLE_MEMORY) == 0 {
        return Ok(());
    }
    Err(Error::argument(format_args!(
        "{name} is {flags:#x}; only PVH_LAZY, PVH_COMPAT_2013 and PVH_EXECUTABLE_MEMORY are known"
    )))
}

/// What is missing, has another prototype or none at all, in words.
fn misfits(image: &image::Image, functions: &Functions) -> Vec<String> {
    let provides: Provides = functions
        .iter()
        .map(|(name, function)| (name.clone(), function.signature))
        .collect();
    let mut nearest = Nearest::new(&provides);
    let misfit = |external: &External| {
        let name = &external.name;
        let Some(function) = functions.get(name) else {
            return Some(missing(external, &mut nearest));
        };
        match agreement::prototype(external, function.signature, guest::WIDTH) {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!(
                "no prototype: {name}: neither guest nor host say it; put its word into the host's table"
            )),
            Err(disagreement) => Some(format!("mismatch: {}", disagreement.entry())),
        }
    };
    image.externals().iter().filter_map(misfit).collect()
}

/// What is said of a function that the host does not have.
fn missing(external: &External, nearest: &mut Nearest<'_>) -> String {
    let name = &external.name;
    // With the flag, the library has them all.
    if OFFERED.contains(&name.as_str()) {
        return format!("missing: {name}, of 2013; set PVH_COMPAT_2013 (option `--compat 2013`)");
    }
    let nearest = &nearest.to(name);
    Missing { external, nearest }.to_string()
}
