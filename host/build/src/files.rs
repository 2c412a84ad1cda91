// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing files.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Writes a file, its folder included, unless it has that content already. Returns whether it was written. If it cannot
/// be, as on a full disk, what was there stays; a link is followed.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    replace(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}

/// An absolute path of what is there; `what` it is, the error says.
///
/// # Errors
/// It is not there.
pub fn absolute(what: &str, path: &Path) -> Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("there is no {what} {}", path.display()))
}

/// Takes a lock file, made if need be: where two task runners work in one folder, the second waits.
///
/// # Errors
/// It cannot be made, or the file system has no locks.
pub fn lock(path: &Path) -> Result<File> {
    let failure = || format!("cannot lock {}", path.display());
    let lock = File::create(path).with_context(failure)?;
    lock.lock().with_context(failure)?;
    Ok(lock)
}

/// Removes a folder with all that is in it, if there is one.
///
/// # Errors
/// It cannot be removed.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot empty {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let there = fs::metadata(path).ok();
    let target = match there {
        Some(_) => path.canonicalize()?,
        None => path.to_owned(),
    };
    let folder = target.parent().ok_or(io::ErrorKind::IsADirectory)?;
    // Less what the user's umask takes away.
    let mut temporary = tempfile::Builder::new()
        .prefix(".paravirt-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    temporary.as_file_mut().write_all(content)?;
    if let Some(there) = there {
        temporary.as_file().set_permissions(there.permissions())?;
    }
    temporary.persist(target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Command, Stdio};

    use super::*;

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        names.sort();
        names
    }

    #[test]
    fn links_and_rights_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        assert!(write_if_changed(&file, b"first").expect("a file"));
        assert!(!write_if_changed(&file, b"first").expect("a file"));
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("ours");
        symlink("file", &link).expect("a link");
        assert!(write_if_changed(&link, b"second").expect("a file"));
        assert_eq!(fs::read_link(&link).expect("a link"), Path::new("file"));
        assert_eq!(fs::read(&file).expect("a file"), b"second");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(names(folder.path()), [file, link]);
    }

    /// Names the file in the program that the next test starts: this one, once more, where nothing more goes into a
    /// file.
    const FULL: &str = "PARAVIRT_TEST_FULL";

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        if let Some(file) = std::env::var_os(FULL) {
            let error = write_if_changed(file.as_ref(), b"new").expect_err("it is full");
            assert!(format!("{error:#}").contains("File too large"), "{error:#}");
            std::process::exit(7);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "old").expect("a file");
        let status = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "files::tests::what_cannot_be_written_leaves_what_was_there"])
            .env(FULL, &file)
            .stdout(Stdio::null())
            .status();
        assert_eq!(status.expect("a shell").code(), Some(7));
        assert_eq!(fs::read(&file).expect("a file"), b"old");
        assert_eq!(names(folder.path()), [file]);
    }
}
