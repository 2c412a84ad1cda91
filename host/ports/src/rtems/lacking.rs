// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools that a user's RTEMS tools do not have. Few of RTEMS' programs need them, but its build system configures
//! nothing without them: so programs that say so and fail stand in for them, and what cannot be built is named.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::location::Location;
use paravirt_build::{command, files};

/// The names of those that are neither beside the compiler nor on the path.
pub fn find(location: &Location) -> Vec<String> {
    find_with(location, |name| command::in_path(name).is_some())
}

/// The same, with what tells whether a name is on the path.
fn find_with(location: &Location, is_in_path: impl Fn(&str) -> bool) -> Vec<String> {
    let bin = location.prefix.join("bin");
    let mut names = vec![format!("{}-g++", location.target())];
    // Those of rtems-tools, which are a package of their own.
    names.extend(["rtems-bin2c", "rtems-ld", "rtems-syms"].map(str::to_owned));
    names.retain(|name| !bin.join(name).is_file() && !is_in_path(name));
    names
}

/// Makes `folder` a prefix that has a program for each of `names` and nothing else.
pub fn stand_in(folder: &Path, location: &Location, names: &[String]) -> Result<()> {
    let bin = folder.join("bin");
    files::remove_folder(&bin)?;
    fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    for name in names {
        let program = bin.join(name);
        fs::write(&program, script(name, &location.tool("gcc")))
            .with_context(|| format!("cannot write {}", program.display()))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn script(name: &str, gcc: &Path) -> String {
    // Which compiler it is, the build system asks in C.
    let answer = if name.ends_with("g++") {
        let gcc = gcc.display();
        format!("case \" $* \" in *\" -dM \"*) exec '{gcc}' \"$@\" ;; esac\n")
    } else {
        String::new()
    };
    format!("#!/bin/sh\n{answer}echo \"error: these tools have no {name}\" >&2\nexit 1\n")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::bsp::Bsp;
    use super::*;

    #[test]
    fn what_is_not_there_fails_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let [prefix, source] = ["prefix", "source"].map(|name| folder.path().join(name));
        fs::create_dir_all(prefix.join("bin")).expect("a folder");
        fs::write(prefix.join("bin/rtems-ld"), "").expect("a file");
        let location = Location {
            bsp: Bsp::I386,
            version: 6,
            prefix,
            source,
        };
        let compiler = location.tool("gcc");
        fs::write(&compiler, "#!/bin/sh\necho asked \"$@\"\n").expect("a file");
        fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).expect("a file");

        let not_in_path = |_: &str| false;
        let names = find_with(&location, not_in_path);
        assert_eq!(names, ["i386-rtems6-g++", "rtems-bin2c", "rtems-syms"]);
        let names_there = find_with(&location, |name| name == "rtems-bin2c");
        assert_eq!(names_there, ["i386-rtems6-g++", "rtems-syms"]);
        let stand_ins = folder.path().join("lacking");
        stand_in(&stand_ins, &location, &names).expect("scripts");
        for name in &names {
            let output = Command::new(stand_ins.join("bin").join(name))
                .args(["-c", "main.cc"])
                .output()
                .expect("a script");
            assert!(!output.status.success(), "{name}");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(said, format!("error: these tools have no {name}\n"));
        }
        let asked = Command::new(stand_ins.join("bin/i386-rtems6-g++"))
            .args(["-dM", "-E", "-"])
            .output()
            .expect("a script");
        assert_eq!(asked.stdout, b"asked -dM -E -\n");

        // What was installed in the meantime is found, and its stand-in gone.
        fs::write(location.prefix.join("bin/rtems-syms"), "").expect("a file");
        let names = find_with(&location, not_in_path);
        stand_in(&stand_ins, &location, &names).expect("scripts");
        assert_eq!(names, ["i386-rtems6-g++", "rtems-bin2c"]);
        assert!(!stand_ins.join("bin/rtems-syms").exists());
    }
}
