// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--core` and `--core-dir`: a core of a guest that ends otherwise than by its exit.

use std::env;
use std::path::PathBuf;

use pvhost::debug::core::{CoreError, CoreFile};
use pvhost::image::Image;
use pvhost::text::Escaped;

use super::Arguments;
use crate::cli::say;

/// Environment variable that may name the folder.
const FOLDER: &str = "PVHOST_CORE_DIR";

/// Where a core of a guest of that image goes, if one is asked for. The environment asks only where the host has some.
pub(super) fn file(arguments: &Arguments, image: &Image, has_cores: bool) -> Result<Option<CoreFile>, CoreError> {
    if let Some(file) = &arguments.core {
        return CoreFile::create(file, image).map(Some);
    }
    let by_environment = || {
        env::var_os(FOLDER)
            .filter(|folder| has_cores && !folder.is_empty())
            .map(PathBuf::from)
    };
    let folder = arguments.core_dir.clone().or_else(by_environment);
    folder.map(|folder| CoreFile::create_in(&folder, image)).transpose()
}

/// Says what has come of it.
pub(super) fn say(arguments: &Arguments, core: Option<&Result<PathBuf, CoreError>>) {
    match core {
        Some(Ok(file)) if !arguments.quiet => {
            let (guest, file) = (Escaped(arguments.guest().display()), Escaped(file.display()));
            say::note(format_args!(
                "the guest is in the core {file}; to look at it: gdb {guest} {file}"
            ));
        }
        Some(Err(error)) => say::warning(error),
        Some(Ok(_)) | None => {}
    }
}
