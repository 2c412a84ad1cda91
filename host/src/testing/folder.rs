// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folder in which the output of each run is kept.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, Test};

/// In the folder, the file that says whose it is.
const LOCK: &str = ".pvhost-test.lock";
/// Longest part of a file's name that is taken as it is; the rest names would not have room for.
const LONGEST: usize = 200;

/// A folder that no other run writes to as long as this lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// That one, which is made if it is not there. What is in it stays, but for files of the same tests.
    ///
    /// # Errors
    /// Another run has it, or it cannot be made or written to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let error = |source| Error::Keep(path.to_owned(), source);
        fs::create_dir_all(path).map_err(error)?;
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(error)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Busy(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }

    /// The file for what that attempt of the test prints, from 1: `GROUP/NAME.log`, then `GROUP/NAME.log.2`.
    pub(super) fn file(&self, test: &Test, attempt: u32) -> PathBuf {
        let mut path = self.path.clone();
        let names: Vec<&str> = test.group.split('/').chain([&*test.name]).collect();
        let (name, folders) = names.split_last().expect("a name");
        path.extend(folders.iter().filter(|name| !name.is_empty()).map(|name| plain(name)));
        let number = if attempt > 1 {
            format!(".{attempt}")
        } else {
            String::new()
        };
        path.push(plain(name) + ".log" + &number);
        path
    }

    /// Begins that file anew. With the first one, those of an earlier run are gone.
    pub(super) fn create(&self, test: &Test, attempt: u32) -> io::Result<File> {
        let file = self.file(test, attempt);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        if attempt == 1 {
            let mut old = 2..;
            while old
                .next()
                .is_some_and(|old| fs::remove_file(self.file(test, old)).is_ok())
            {}
        }
        File::create(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // To close it would not do: a child that is being started has it open until then.
        let _ = self.lock.unlock();
    }
}

/// A name of a file that says nothing else to a file system, a shell or a web server.
fn plain(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.,=@".contains(&byte);
    let mut text = String::new();
    for (index, byte) in name.bytes().enumerate() {
        // None that is hidden or stands for another folder.
        if is_plain(byte) && (index > 0 || byte != b'.') {
            text.push(byte.into());
        } else {
            text += &format!("%{byte:02x}");
        }
    }
    if text.len() > LONGEST {
        // FNV-1a of all.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        text.truncate(LONGEST);
        text += &format!("-{hash:016x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Expects;

    fn test(group: &str, name: &str) -> Test {
        Test {
            group: group.to_owned(),
            name: name.to_owned(),
            file: PathBuf::new(),
            part: None,
            expects: Expects::End,
        }
    }

    #[test]
    fn files_stay_in_the_folder_whatever_tests_are_called() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(temporary.path()).expect("a folder");
        for (group, name, file) in [
            ("sptests", "sp01", "sptests/sp01.log"),
            ("x86_64/guest", "tests::adds", "x86_64/guest/tests%3a%3aadds.log"),
            ("", "a b\n", "a%20b%0a.log"),
            ("..", "..", "%2e./%2e..log"),
            ("/etc//", "é", "etc/%c3%a9.log"),
        ] {
            assert_eq!(folder.file(&test(group, name), 1), temporary.path().join(file));
        }
        let [one, other] = ["a", "b"].map(|end| folder.file(&test("", &("x".repeat(300) + end)), 1));
        assert_ne!(one, other);
        fs::write(one, "").expect("a name that fits");
    }

    #[test]
    fn attempts_of_an_earlier_run_are_gone() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(temporary.path()).expect("a folder");
        let test = test("group", "name");
        for attempt in 1..=3 {
            folder.create(&test, attempt).expect("a file");
        }
        folder.create(&test, 1).expect("a file");
        let names = fs::read_dir(temporary.path().join("group")).expect("a folder");
        let names: Vec<_> = names.map(|entry| entry.expect("a name").file_name()).collect();
        assert_eq!(names, ["name.log"]);
    }

    #[test]
    fn it_is_one_run_s_at_a_time() {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("a/b");
        let first = Folder::open(&path).expect("nobody has it");
        assert!(matches!(Folder::open(&path), Err(Error::Busy(..))));
        drop(first);
        Folder::open(&path).expect("nobody has it any more");
        fs::write(temporary.path().join("file"), "").expect("a file");
        let error = Folder::open(&temporary.path().join("file")).expect_err("no folder");
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
