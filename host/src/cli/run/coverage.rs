// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--coverage`: what was executed, into a folder of the user's.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;

use pvhost::coverage::{Counters, FolderError, LateFolder};
use pvhost::process::Ended;

use crate::cli::say;

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
