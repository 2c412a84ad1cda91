// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's functions: its own table, and the interface functions.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use paravirt_abi::signature::Signature;
use paravirt_host_core::guest;
use paravirt_host_core::image::{self, External, check_loadable};
use paravirt_host_core::l4rtems::is_offered;
use paravirt_host_core::prototype_match;
use paravirt_host_core::provides::{Missing, Nearest, Provides};
use paravirt_host_core::text::Escaped;

use crate::argument::{Error, Number, array, number, text, there};
use crate::image::Image;
use crate::layout::{COMPAT_L4RTEMS, EXECUTABLE_MEMORY, LAZY};
use crate::platform::Platform;
use crate::{interface, layout};

/// A function that the host provides.
pub struct Function {
    /// Its prototype; `None`: that of the guest's declaration, or the ABI's of that name.
    pub signature: Option<Signature>,
    /// Its address, with the C ABI, an L4RTEMS function too.
    pub address: usize,
}

/// All functions by their names.
pub type Functions = BTreeMap<String, Function>;

/// All functions that a guest gets: those of the table, and the interface functions that it does not name; with
/// `l4rtems` those of L4RTEMS as well.
///
/// # Safety
/// As the header says of the table.
pub unsafe fn all(table: *const layout::Function, count: usize, l4rtems: bool) -> Result<Functions, Error> {
    // SAFETY: the caller's.
    let table = unsafe { array(table, count, "functions")? };
    let provided = interface::functions().chain(interface::l4rtems().filter(|_| l4rtems));
    let mut functions: Functions = provided.map(|(name, function)| (name.to_string(), function)).collect();
    for (index, entry) in table.iter().enumerate() {
        // SAFETY: the caller's.
        let name = unsafe { text(entry.name, &format!("functions[{index}].name"))? };
        if !l4rtems && paravirt_abi::l4rtems::find(name).is_some() {
            return Err(Error::argument(format_args!(
                "functions[{index}] `{name}` is an L4RTEMS function; set PVH_COMPAT_L4RTEMS (option `--compat \
                l4rtems`), or leave it out"
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
    image: Option<&Image>,
    table: *const layout::Function,
    count: usize,
    flags: u32,
) -> i32 {
    number(|| {
        check_flags(flags, "flags")?;
        let l4rtems = flags & COMPAT_L4RTEMS != 0;
        let image = &there(image, "image")?.image;
        // First: a table that was made from an L4RTEMS image has its names.
        check_loadable(image, &guest::policy::<Platform>(l4rtems)).map_err(|error| Error::new(Number::Image, error))?;
        // SAFETY: the caller's.
        let functions = unsafe { all(table, count, l4rtems)? };
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

/// Returns whether all flags of a request are known.
pub fn check_flags(flags: u32, name: &str) -> Result<(), Error> {
    if flags & !(LAZY | COMPAT_L4RTEMS | EXECUTABLE_MEMORY) == 0 {
        return Ok(());
    }
    Err(Error::argument(format_args!(
        "{name} is {flags:#x}; only PVH_LAZY, PVH_COMPAT_L4RTEMS and PVH_EXECUTABLE_MEMORY are known"
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
        match prototype_match::prototype(external, function.signature, guest::WIDTH) {
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
    if is_offered(name) {
        return format!("missing: {name}, of L4RTEMS; set PVH_COMPAT_L4RTEMS (option `--compat l4rtems`)");
    }
    let nearest = &nearest.to(name);
    Missing { external, nearest }.to_string()
}
