// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which tests there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::attempt::{self, End, Limits};
use super::held::{self, Held};
use super::{Error, Expects, Launcher, Test};
use crate::image::Image;

/// How RTEMS names its programs.
const RTEMS: &str = "exe";
/// And an image that it links first, to make the program from its symbols.
const FIRST_IMAGE: &str = "pre";
/// At the end of the stem of one that RTEMS builds only to see that it links.
const LINK_TEST: &str = ".norun";
/// The folder of RTEMS' samples, of which one is called so too; it is meant to run, but prints nothing.
const SAMPLES: &str = "samples";

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The tests, sorted by their names, of which each is there once.
    pub tests: Vec<Test>,
    /// Files in the folders that are none, or hold tests that are not among them, and why.
    pub others: Vec<(PathBuf, &'static str)>,
}

/// The tests in those files and, with all folders below, in those folders. There, programs of RTEMS (`*.exe`) are
/// tests, and ELF files that may be executed and are guests; a file that is named is one, whatever it is. A test is
/// named by its folder and itself; where several would have one name, by the path that was given. A guest that holds
/// tests is asked by `launcher` for their names, for `limit` at most, and is a group of its own; those that it ignores are
/// not among them.
///
/// # Errors
/// A folder or a file cannot be read, or the guest not be started.
pub fn find(paths: &[PathBuf], launcher: &impl Launcher, limit: Duration) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut programs = BTreeSet::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|source| unread(path, source))?;
        if metadata.is_dir() {
            walk(path, &mut programs, &mut found.others)?;
        } else {
            programs.insert((path.clone(), expected(path)));
        }
    }
    found.others.sort();
    for (file, (group, name), expects) in named(programs) {
        let test = Test {
            group,
            name,
            file,
            part: None,
            expects,
        };
        match parts(&test, launcher, limit)? {
            Some(parts) => {
                let are_ignored = parts.iter().any(|part| part.is_ignored);
                found
                    .others
                    .extend(are_ignored.then(|| (test.file.clone(), "tests in it that are ignored")));
                let parts = parts.into_iter().filter(|part| !part.is_ignored);
                found.tests.extend(parts.map(|part| Test {
                    group: test.full_name(),
                    name: part.name.clone(),
                    part: Some(part.name),
                    ..test.clone()
                }));
            }
            None => found.tests.push(test),
        }
    }
    found.tests.sort_by_key(Test::full_name);
    Ok(found)
}

fn unread(file: &Path, source: io::Error) -> Error {
    Error::Read(file.to_owned(), source)
}

fn walk(
    top: &Path,
    programs: &mut BTreeSet<(PathBuf, Expects)>,
    others: &mut Vec<(PathBuf, &'static str)>,
) -> Result<(), Error> {
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|source| unread(&folder, source))? {
            let entry = entry.map_err(|source| unread(&folder, source))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|source| unread(&path, source))?;
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            match why_not(&path, kind.is_symlink())? {
                Some(why) => others.push((path, why)),
                None => {
                    let expects = expected(&path);
                    programs.insert((path, expects));
                }
            }
        }
    }
    Ok(())
}

/// Why a file in a folder is no test.
fn why_not(path: &Path, is_link: bool) -> Result<Option<&'static str>, Error> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(_) if is_link => return Ok(Some("a link to nothing")),
        // It is gone already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("no file any more")),
        Err(source) => return Err(unread(path, source)),
    };
    if metadata.is_dir() {
        // It may lead back to where it is.
        return Ok(Some("a link to a folder"));
    }
    if !metadata.is_file() {
        return Ok(Some("no file"));
    }
    if path.extension().is_some_and(|extension| extension == RTEMS) {
        let folder = path.parent().and_then(Path::file_name);
        let is_sample = folder.is_some_and(|folder| folder == SAMPLES);
        let is_run = expected(path) != Expects::End || is_sample;
        return Ok((!is_run).then_some("RTEMS builds it only to see that it links"));
    }
    if path.extension().is_some_and(|extension| extension == FIRST_IMAGE) {
        return Ok(Some("RTEMS makes a program from its symbols"));
    }
    is_guest(path, &metadata).map(|is_guest| (!is_guest).then_some("no guest"))
}

fn is_guest(path: &Path, metadata: &Metadata) -> Result<bool, Error> {
    if metadata.permissions().mode() & 0o111 == 0 {
        return Ok(false);
    }
    let mut magic = [0; 4];
    let open = |source| unread(path, source);
    match File::open(path).map_err(open)?.read_exact(&mut magic) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(source) => return Err(open(source)),
    }
    let is_guest = |image: Image| image.vcpu_page().is_some() || !image.externals().is_empty();
    Ok(magic == *b"\x7fELF" && Image::open(path).is_ok_and(is_guest))
}

/// When the program passes.
fn expected(path: &Path) -> Expects {
    let is_rtems = path.extension().is_some_and(|extension| extension == RTEMS);
    let stem = path.file_stem().unwrap_or_default().as_encoded_bytes();
    if is_rtems && stem.ends_with(LINK_TEST.as_bytes()) {
        Expects::End
    } else {
        Expects::BannerOrSuccess
    }
}

/// The programs with the groups and names of their tests.
fn named(programs: BTreeSet<(PathBuf, Expects)>) -> Vec<(PathBuf, (String, String), Expects)> {
    let mut names: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (path, expects) in &programs {
        *names.entry(short_name(path, *expects)).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut list = Vec::new();
    for (path, expects) in programs {
        let mut name = short_name(&path, expects);
        if names[&name] > 1 {
            name.0 = path.parent().unwrap_or(Path::new("")).display().to_string();
        }
        // Paths that differ only in what is no text, or in a suffix that is left out.
        let plain = name.1.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name.1 = format!("{plain} ({number})");
            number += 1;
        }
        list.push((path, name, expects));
    }
    list
}

/// The names of the folder and of the program, as RTEMS' test programs are known by.
fn short_name(path: &Path, expects: Expects) -> (String, String) {
    let is_rtems = path.extension().is_some_and(|extension| extension == RTEMS);
    let name = if is_rtems { path.file_stem() } else { path.file_name() };
    let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match expects {
        Expects::End => name.strip_suffix(LINK_TEST).unwrap_or(&name).to_owned(),
        _ => name,
    };
    let folder = path.parent().and_then(Path::file_name);
    let group = folder.map(|folder| folder.to_string_lossy().into_owned());
    (group.unwrap_or_default(), name)
}

/// The tests that a guest holds; `None`: it holds none, or does not say them, which is seen when it is run as a whole.
fn parts(test: &Test, launcher: &impl Launcher, limit: Duration) -> Result<Option<Vec<Held>>, Error> {
    // What cannot be read is said by who runs it. A pipe may never have anybody who writes to it.
    let is_file = fs::metadata(&test.file).is_ok_and(|metadata| metadata.is_file());
    if !is_file || !Image::open(&test.file).is_ok_and(|image| held::holds_tests(&image)) {
        return Ok(None);
    }
    let limits = Limits {
        time: limit,
        output: 1 << 20,
        is_stopped: &|| false,
    };
    let Some(mut list) = launcher.list(test) else {
        return Ok(None);
    };
    let result = attempt::run(&mut list, &limits, |_| Ok(()));
    let (end, printed) = result.map_err(|failure| failure.error(&list, Path::new("")))?;
    let End::Itself(status) = end else {
        return Ok(None);
    };
    let tests = held::held_tests(&String::from_utf8_lossy(&printed.output));
    Ok((status.success() && !tests.is_empty()).then_some(tests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Pvhost;

    fn found(top: &Path, paths: &[&str]) -> Found {
        let launcher = Pvhost {
            program: "/absent".into(),
            options: Vec::new(),
        };
        let paths: Vec<_> = paths.iter().map(|path| top.join(path)).collect();
        find(&paths, &launcher, Duration::from_secs(1)).expect("they can be read")
    }

    fn names(found: &Found) -> Vec<String> {
        found.tests.iter().map(Test::full_name).collect()
    }

    #[test]
    fn programs_of_rtems_are_found_and_those_that_are_only_linked_are_not() {
        let top = tempfile::tempdir().expect("a folder");
        for file in [
            "samples/hello.exe",
            "samples/minimum.norun.exe",
            "samples/hello.o",
            "libtests/dl01.pre",
            "libtests/open.norun.exe",
            "libtests/deep/malloc.exe",
        ] {
            let file = top.path().join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, "").expect("a file");
        }
        std::os::unix::fs::symlink(top.path(), top.path().join("samples/again")).expect("a link");
        std::os::unix::fs::symlink("absent", top.path().join("samples/dead")).expect("a link");
        let all = found(top.path(), &[""]);
        assert_eq!(names(&all), ["deep/malloc", "samples/hello", "samples/minimum"]);
        assert_eq!(all.tests[1].expects, Expects::BannerOrSuccess);
        assert_eq!(all.tests[2].expects, Expects::End);
        let why: Vec<_> = all.others.iter().map(|(_, why)| *why).collect();
        assert_eq!(
            why,
            [
                "RTEMS makes a program from its symbols",
                "RTEMS builds it only to see that it links",
                "a link to a folder",
                "a link to nothing",
                "no guest"
            ]
        );
        // One that is named is run.
        let named = found(
            top.path(),
            &["libtests/open.norun.exe", "samples/hello.o", "samples/hello.exe"],
        );
        assert_eq!(names(&named), ["libtests/open", "samples/hello", "samples/hello.o"]);
    }

    #[test]
    fn each_test_has_a_name_of_its_own() {
        let top = tempfile::tempdir().expect("a folder");
        for file in ["a/x/hello.exe", "b/x/hello.exe", "b/x/hello", "b/y/hello.exe"] {
            let file = top.path().join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, "").expect("a file");
        }
        let all = found(top.path(), &["a", "b", "b/x/hello", "b/x"]);
        let long = |folder| format!("{}/{folder}/x/hello", top.path().display());
        assert_eq!(
            names(&all),
            [long("a"), long("b"), long("b") + " (2)", "y/hello".to_owned()]
        );
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let launcher = Pvhost {
            program: "/absent".into(),
            options: Vec::new(),
        };
        let error = find(&["/absent/folder".into()], &launcher, Duration::from_secs(1)).expect_err("nothing");
        assert!(error.to_string().starts_with("cannot read /absent/folder: "), "{error}");
    }
}
