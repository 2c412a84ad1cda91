// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's functions: its own table, and the interface functions.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use paravirt_abi::legacy;
use paravirt_abi::signature::{Signature, Width};
use paravirt_host_core::guest::{self, Function};
use paravirt_host_core::image::{self, check_loadable};
use paravirt_host_core::provides::{Fit, Provides};

use crate::argument::{array, text, value};
use crate::error::{Error, Number, number};
use crate::image::Image;
use crate::{interface, layout};

/// All functions that a guest gets: those of the table, and the interface functions that it does not name.
///
/// # Safety
/// As the header says of the table.
pub unsafe fn all(table: *const layout::Function, count: usize) -> Result<Vec<Function>, Error> {
    // SAFETY: the caller's.
    let table = unsafe { array(table, count, "functions")? };
    let mut functions: BTreeMap<String, Function> = interface::functions()
        .map(|function| (function.name.clone(), function))
        .collect();
    for (index, entry) in table.iter().enumerate() {
        // SAFETY: the caller's.
        let name = unsafe { text(entry.name, &format!("functions[{index}].name"))? };
        // Guests of 2013 pass these functions' arguments in registers, which the gates do not.
        if guest::WIDTH == Width::Bits32 && legacy::find(name).is_some() {
            return Err(Error::argument(format_args!(
                "functions[{index}] `{name}` is a function of 2013, whose convention on i386 this library does not serve; leave \
                 it out"
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
                    "functions[{index}] `{name}`: {word:#018x} is no prototype word: {reason}; take it from `pvhost header`"
                ))
            })?),
        };
        let name = name.to_string();
        let address = function as usize;
        functions.insert(
            name.clone(),
            Function {
                name,
                signature,
                address,
            },
        );
    }
    Ok(functions.into_values().collect())
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
) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        let (image, functions) = unsafe { (value(image, "image")?, all(table, count)?) };
        let image = &image.image;
        check_loadable(image, &guest::policy())
            .map_err(|error| Error::new(Number::Image, error))?;
        let misfits = misfits(image, &functions);
        if misfits.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Number::Fit,
            format_args!(
                "{}\n{}: this host provides {} of {} functions as the guest declares them",
                misfits.join("\n"),
                image.name(),
                image.externals().len() - misfits.len(),
                image.externals().len(),
            ),
        ))
    })
}

/// What is missing, has another prototype or none at all, in words.
fn misfits(image: &image::Image, functions: &[Function]) -> Vec<String> {
    let provides: Provides = functions
        .iter()
        .map(|function| (function.name.clone(), function.signature))
        .collect();
    let untyped: BTreeSet<&str> = functions
        .iter()
        .filter(|function| function.signature.is_none())
        .map(|function| function.name.as_str())
        .collect();
    let misfit = |external: &image::External| {
        let name = &external.name;
        match provides.fit(external) {
            Fit::Unchecked if external.signature.is_none() && untyped.contains(name.as_str()) => {
                Some(format!(
                    "no prototype: {name}: neither guest nor host say it; put its word into the host's table"
                ))
            }
            Fit::Fits | Fit::Unchecked => None,
            Fit::Missing { nearest } if nearest.is_empty() => Some(format!("missing: {name}")),
            Fit::Missing { nearest } => Some(format!(
                "missing: {name} (did you mean {}?)",
                nearest.join(", ")
            )),
            Fit::Mismatch { offered } => {
                // A mismatch is one of two prototypes.
                let declared = external.signature.unwrap_or(offered);
                Some(format!(
                    "mismatch: {name} is `{declared}` in the guest, `{offered}` in the host"
                ))
            }
        }
    };
    image.externals().iter().filter_map(misfit).collect()
}
