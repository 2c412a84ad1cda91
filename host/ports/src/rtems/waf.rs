// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' build system.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::folders::Folders;
use super::location::Location;
use paravirt_build::command;
use paravirt_build::files;

/// Variables of the environment that RTEMS' build system would take for its own compiler and flags.
const FOREIGN: [&str; 17] = [
    "AR",
    "AS",
    "ASFLAGS",
    "CC",
    "CFLAGS",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "IFLAGS",
    "LD",
    "LIB",
    "LINK_CC",
    "LINK_CXX",
    "LINKFLAGS",
    "MFLAGS",
    "RFLAGS",
    "WFLAGS",
];

/// Runs waf on one tree of links.
#[derive(Debug)]
pub struct Waf {
    folders: Folders,
}

impl Waf {
    /// For the tree in `folders`.
    pub fn new(folders: &Folders) -> Self {
        Self {
            folders: folders.clone(),
        }
    }

    /// Whether the build folder is configured.
    pub fn is_configured(&self) -> bool {
        self.folders.build().join("c4che").is_dir()
    }

    /// Configures the build folder.
    ///
    /// # Errors
    /// Waf's, whose messages are on the terminal.
    pub fn configure(&self, location: &Location, specs: &[PathBuf]) -> Result<()> {
        let mut list = vec!["spec/build".to_owned()];
        list.extend(specs.iter().map(|spec| spec.display().to_string()));
        self.run(&[
            "configure".to_owned(),
            format!("--out={}", self.folders.build().display()),
            format!("--prefix={}", self.folders.install().display()),
            format!("--rtems-tools={}", location.prefix.display()),
            format!("--rtems-specs={}", list.join(",")),
            format!("--rtems-config={}", self.folders.config().display()),
        ])
    }

    /// Builds with `jobs` compilers at a time.
    ///
    /// # Errors
    /// As for [`Self::configure`].
    pub fn build(&self, jobs: usize) -> Result<()> {
        self.run(&["build".to_owned(), format!("--jobs={jobs}")])
    }

    /// Installs what was built.
    ///
    /// # Errors
    /// As for [`Self::configure`].
    pub fn install(&self) -> Result<()> {
        self.run(&["install".to_owned()])
    }

    fn run(&self, arguments: &[String]) -> Result<()> {
        println!(
            "$ (cd {} && ./waf {})",
            self.folders.source().display(),
            arguments.join(" ")
        );
        let mut python = Command::new("python3");
        python
            .current_dir(self.folders.source())
            .arg("waf")
            .args(arguments)
            // Python would leave compiled files in the source tree.
            .env("PYTHONPYCACHEPREFIX", self.folders.root().join("python"))
            // Our own repository around the tree is not RTEMS'.
            .env("GIT_CEILING_DIRECTORIES", self.folders.root());
        for name in FOREIGN {
            python.env_remove(name);
        }
        let log = self.folders.root().join("waf.log");
        let mut text = String::new();
        let mut tenth = 0;
        let status = command::lines(&mut python, |line| {
            text.push_str(line);
            text.push('\n');
            if let Some((done, all)) = progress(line)
                && done * 10 / all > tenth
            {
                tenth = done * 10 / all;
                println!("  {done} of {all}");
            }
        })
        .context("RTEMS' build system needs python3")?;
        files::write_if_changed(&log, text.as_bytes())?;
        if !status.success() {
            let end: Vec<&str> = text.lines().rev().take(60).collect();
            for line in end.iter().rev() {
                eprintln!("{line}");
            }
            bail!(
                "waf {} failed: {status}; all its output is in {}",
                arguments[0],
                log.display()
            );
        }
        Ok(())
    }
}

/// The numbers in a line like `[  12/1440] Compiling cpukit/score/cpu/i386/cpu.c`.
fn progress(line: &str) -> Option<(usize, usize)> {
    let (numbers, _) = line.strip_prefix('[')?.split_once(']')?;
    let (done, all) = numbers.split_once('/')?;
    let all = all.trim().parse().ok().filter(|all| *all > 0)?;
    Some((done.trim().parse().ok()?, all))
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn progress_is_read_from_the_lines_that_have_it() {
        assert_eq!(progress("[  12/1440] Compiling a.c"), Some((12, 1440)));
        assert_eq!(progress("Waf: Entering directory"), None);
        assert_eq!(progress("[0/0] nothing"), None);
    }
}
