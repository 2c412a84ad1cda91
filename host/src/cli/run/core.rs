// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--core` and `--core-dir`: a core of a guest that ends otherwise than by its exit.

use std::cell::OnceCell;
use std::env;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pvhost::coverage::{Counters, FolderError, LateFolder};
use pvhost::debug::core::{CoreError, CoreFile};
use pvhost::image::Image;
use pvhost::process::Ended;
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

/// What has come of it: what is said, or why there is no coverage.
#[derive(Default)]
pub(super) struct Outcome(Rc<OnceCell<Result<String, String>>>);

impl Outcome {
    /// What takes a guest's counters at its end, into that folder.
    ///
    /// # Safety
    /// This process has one thread.
    pub(super) unsafe fn collector(&self, folder: &Path) -> Result<impl FnOnce(&Ended<'_>) + 'static, FolderError> {
        // SAFETY: as the caller says.
        let folder = unsafe { LateFolder::open(folder) }?;
        let outcome = Rc::clone(&self.0);
        Ok(move |ended: &Ended<'_>| {
            let counters = Counters::of(ended.image, ended.memory).map_err(|error| error.to_string());
            let written = counters.and_then(|counters| {
                let written = folder.write(&counters).map_err(|error| error.to_string());
                written.map(|()| format!("coverage of {counters}"))
            });
            // It is called once.
            let _ = outcome.set(written);
        })
    }

    /// Says it.
    pub(super) fn say(&self, quiet: bool) {
        match self.0.get() {
            Some(Ok(said)) if !quiet => say::note(said),
            Some(Err(error)) => {
                for line in error.lines() {
                    say::error(format_args!("no coverage: {line}"));
                }
            }
            Some(Ok(_)) | None => {}
        }
    }
}
