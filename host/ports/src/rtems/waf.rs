// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' build system, and the programs of RTEMS that it says at its end do not build: the others are built all the
//! same.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use super::folders::Folders;
use super::location::Location;
use super::results::Entry;
use paravirt_build::command;
use paravirt_build::files;
use pvhost::testing::{State, Verdict};

/// Variables of the environment that RTEMS' build system would take for its own compiler and flags.
const FOREIGN: &str = "AR AS ASFLAGS CC CFLAGS CPPFLAGS CXX CXXFLAGS IFLAGS LD LIB LINK_CC LINK_CXX LINKFLAGS MFLAGS \
    RFLAGS WFLAGS";

/// Runs waf on one tree of links.
#[derive(Debug)]
pub struct Waf {
    folders: Folders,
    /// What runs it.
    interpreter: &'static str,
}

impl Waf {
    /// For the tree in `folders`.
    pub fn new(folders: &Folders) -> Self {
        Self {
            folders: folders.clone(),
            interpreter: "python3",
        }
    }

    /// Configures the build folder. Tools that the user's prefix does not have are looked for in `lacking`.
    ///
    /// # Errors
    /// Waf's, whose messages are on the terminal.
    pub fn configure(&self, location: &Location, lacking: &Path, specs: &[PathBuf]) -> Result<()> {
        let mut list = vec!["spec/build".to_owned()];
        list.extend(specs.iter().map(|spec| spec.display().to_string()));
        self.run(&[
            "configure",
            &format!("--out={}", self.folders.build.display()),
            &format!("--prefix={}", self.folders.install.display()),
            &format!("--rtems-tools={},{}", location.prefix.display(), lacking.display()),
            &format!("--rtems-specs={}", list.join(",")),
            &format!("--rtems-config={}", self.folders.config.display()),
        ])
    }

    /// Builds with `jobs` compilers at a time. The programs that do not build, where the user's tools lack those named.
    ///
    /// # Errors
    /// As for [`Self::configure`], if anything else than programs does not build.
    pub fn build(&self, jobs: usize, lacking: &[String]) -> Result<Vec<Unbuilt>> {
        let first = self.write(&["build", "--keep", &format!("--jobs={jobs}")])?;
        if first.status.success() {
            return Ok(Vec::new());
        }
        // Once more, for the commands that fail. What is built is not built again.
        let again = self.start(&["build", "--keep", "--verbose", "--jobs=1"])?;
        if again.status.success() {
            // One compiler at a time has more memory, for example.
            return Ok(Vec::new());
        }
        match failed_programs(&again.text, lacking) {
            Some(programs) => Ok(programs),
            None => Err(self.failed(&first)),
        }
    }

    /// Installs what was built: all but these programs.
    pub fn install(&self, unbuilt: &[Unbuilt], lacking: &[String]) -> Result<()> {
        if unbuilt.is_empty() {
            return self.run(&["install"]);
        }
        let install = self.start(&["install", "--keep", "--verbose"])?;
        match failed_programs(&install.text, lacking) {
            Some(programs) if programs.len() == unbuilt.len() => Ok(()),
            _ => {
                self.keep(&install)?;
                Err(self.failed(&install))
            }
        }
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let ended = self.write(arguments)?;
        if ended.status.success() {
            return Ok(());
        }
        Err(self.failed(&ended))
    }

    /// Runs it and keeps what it writes.
    fn write(&self, arguments: &[&str]) -> Result<Ended> {
        let ended = self.start(arguments)?;
        self.keep(&ended)?;
        Ok(ended)
    }

    /// What it wrote is the log from now on.
    fn keep(&self, ended: &Ended) -> Result<()> {
        files::write_if_changed(&self.log(), ended.text.as_bytes()).map(drop)
    }

    fn log(&self) -> PathBuf {
        self.folders.root.join("waf.log")
    }

    /// Shows the end of what it wrote, which was kept.
    fn failed(&self, ended: &Ended) -> anyhow::Error {
        let end: Vec<&str> = ended.text.lines().rev().take(60).collect();
        for line in end.iter().rev() {
            eprintln!("{line}");
        }
        anyhow::anyhow!(
            "waf {} failed: {}; all its output is in {}",
            ended.command,
            ended.status,
            self.log().display()
        )
    }

    fn start(&self, arguments: &[&str]) -> Result<Ended> {
        println!(
            "$ (cd {} && ./waf {})",
            self.folders.source.display(),
            arguments.join(" ")
        );
        let mut python = Command::new(self.interpreter);
        python
            .current_dir(&self.folders.source)
            .arg("waf")
            .args(arguments)
            // Python would leave compiled files in the source tree.
            .env("PYTHONPYCACHEPREFIX", self.folders.root.join("python"))
            // Our own repository around the tree is not RTEMS'.
            .env("GIT_CEILING_DIRECTORIES", &self.folders.root);
        for name in FOREIGN.split_whitespace() {
            python.env_remove(name);
        }
        let mut text = String::new();
        let mut tenth = 0;
        let status = command::each_line(&mut python, |line| {
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
        Ok(Ended {
            command: arguments[0].to_owned(),
            status,
            text,
        })
    }
}

/// A run of waf.
struct Ended {
    command: String,
    status: ExitStatus,
    text: String,
}

/// The numbers in a line like `[  12/1440] Compiling cpukit/score/cpu/i386/cpu.c`.
fn progress(line: &str) -> Option<(usize, usize)> {
    let (numbers, _) = line.strip_prefix('[')?.split_once(']')?;
    let (done, all) = numbers.split_once('/')?;
    let all = all.trim().parse().ok().filter(|all| *all > 0)?;
    Some((done.trim().parse().ok()?, all))
}

/// A program that was not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    /// The folder in `testsuites`.
    pub group: String,
    /// The program.
    pub test: String,
    /// The tool that the user does not have; `None` if something is wrong with the program, or with us.
    pub lacks: Option<String>,
}

/// The library for C++, which is RTEMS' own and no program.
const CXX_LIBRARY: &str = "rtemscxx";

impl Unbuilt {
    fn why(&self) -> String {
        match &self.lacks {
            Some(tool) => format!("not built, these tools have no {tool}"),
            None => "does not build, see waf.log".to_owned(),
        }
    }

    /// The line of the table.
    pub fn entry(&self) -> Entry {
        Entry {
            group: self.group.clone(),
            test: self.test.clone(),
            state: State::Unknown,
            verdict: match self.lacks {
                Some(_) => Verdict::Skipped(self.why()),
                None => Verdict::Failed(self.why()),
            },
            seconds: 0.0,
            reason: None,
        }
    }
}

impl fmt::Display for Unbuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.group, self.test, self.why())
    }
}

/// The programs that failed in a build, of which `text` is what waf wrote with `--keep --verbose`, when the user's
/// tools lack those named. `None` if anything else failed.
fn failed_programs(text: &str, lacking: &[String]) -> Option<Vec<Unbuilt>> {
    let mut programs: Vec<Unbuilt> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(failed) = line.strip_prefix(" -> ") else {
            continue;
        };
        let task = failed.strip_prefix("task in '")?.split_once('\'')?.0;
        // What it makes of what, then the command. Without `--verbose` neither is there.
        let command = lines.clone().nth(1).unwrap_or_default();
        let lacks = tool(command).filter(|tool| lacking.iter().any(|name| name == tool));
        let lacks = lacks.map(str::to_owned);
        let Some((group, test)) = program(task) else {
            // Only programs that are not built either need it.
            if task == CXX_LIBRARY && lacks.is_some() {
                continue;
            }
            return None;
        };
        let mut known = programs.iter_mut();
        match known.find(|known| known.group == group && known.test == test) {
            Some(known) => known.lacks = known.lacks.take().or(lacks),
            None => programs.push(Unbuilt {
                group: group.to_owned(),
                test: test.to_owned(),
                lacks,
            }),
        }
    }
    (!programs.is_empty()).then_some(programs)
}

/// Group and name of the program that a file below `testsuites` is of.
fn program(file: &str) -> Option<(&str, &str)> {
    let (group, rest) = file.strip_prefix("testsuites/")?.split_once('/')?;
    Some((group, rest.split(['/', '.']).next()?))
}

/// The name of the program that a command starts, which waf shows as Python does: `['/bin/gcc', '-c']` or
/// `' /bin/ld -r'`.
fn tool(command: &str) -> Option<&str> {
    let quotes = ['[', '\'', '"', ' '];
    let path = command.trim_start_matches(quotes);
    let path = path.split(['\'', '"', ' ']).next()?;
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::bsp::Bsp;
    use super::*;

    /// What ends as RTEMS' waf does if these tasks fail in its runs, one line each; in further runs, those of the last.
    /// It keeps its command lines.
    const WAF: &str = r#"
echo "$*" >>arguments
echo "this is waf $*"
runs='TASKS'
run=$(wc -l <arguments)
all=$(printf '%s\n' "$runs" | wc -l)
[ "$run" -le "$all" ] || run=$all
tasks=$(printf '%s\n' "$runs" | sed -n "${run}p")
[ -n "$tasks" ] || exit 0
echo "Build failed"
for task in $tasks; do
  case $* in
    *--verbose*)
      echo " -> task in '$task' failed with exit status 1: "
      printf '\t{task 1: cxx main.cc -> main.cc.1.o}\n'
      echo "['/lacking/bin/i386-rtems6-g++', 'main.cc']"
      ;;
    *) echo " -> task in '$task' failed with exit status 1 (run with -v to display more information)" ;;
  esac
done
exit 1
"#;

    const PROGRAM: &str = "testsuites/samples/cdtest.exe";

    /// In whose runs these tasks fail.
    fn waf(runs: &[&str]) -> (tempfile::TempDir, Waf) {
        let root = tempfile::tempdir().expect("a folder");
        let folders = Folders::at(root.path().to_owned(), Bsp::I386);
        fs::create_dir_all(&folders.source).expect("a folder");
        let script = WAF.replace("TASKS", &runs.join("\n"));
        fs::write(folders.source.join("waf"), script).expect("a file");
        let waf = Waf {
            interpreter: "sh",
            ..Waf::new(&folders)
        };
        (root, waf)
    }

    fn arguments(waf: &Waf) -> String {
        let arguments = fs::read_to_string(waf.folders.source.join("arguments"));
        arguments.expect("waf was started")
    }

    fn log(waf: &Waf) -> String {
        fs::read_to_string(waf.log()).expect("a log")
    }

    #[test]
    fn a_program_that_does_not_build_keeps_nothing_else_from_it() {
        let (_root, waf) = waf(&[PROGRAM]);
        let lacking = ["i386-rtems6-g++".to_owned()];
        let unbuilt = waf.build(2, &lacking).expect("a program only");
        let said: Vec<String> = unbuilt.iter().map(Unbuilt::to_string).collect();
        assert_eq!(said, ["samples/cdtest: not built, these tools have no i386-rtems6-g++"]);
        waf.install(&unbuilt, &lacking).expect("all but a program");
        assert_eq!(
            arguments(&waf),
            "build --keep --jobs=2\nbuild --keep --verbose --jobs=1\ninstall --keep --verbose\n"
        );
        // The messages of compilers are in the output of the first run.
        let log = log(&waf);
        assert!(log.contains("this is waf build --keep --jobs=2"), "{log}");
    }

    #[test]
    fn anything_else_that_does_not_build_ends_it() {
        let (_root, waf) = waf(&[&format!("{PROGRAM} rtemscpu")]);
        let error = waf.build(2, &[]).expect_err("the kernel does not build");
        assert!(error.to_string().contains("waf build failed"), "{error}");
        let error = waf.install(&[], &[]).expect_err("it does not install");
        assert!(error.to_string().contains("waf install failed"), "{error}");
    }

    #[test]
    fn what_builds_the_second_time_is_built() {
        let (_root, waf) = waf(&["rtemscpu", ""]);
        let unbuilt = waf.build(2, &[]).expect("all was built");
        assert_eq!(unbuilt, []);
        assert_eq!(
            arguments(&waf),
            "build --keep --jobs=2\nbuild --keep --verbose --jobs=1\n"
        );
    }

    #[test]
    fn the_log_is_of_the_installation_that_failed() {
        // A program more than before.
        let more = format!("{PROGRAM} testsuites/samples/hello.exe");
        let (_root, waf) = waf(&[PROGRAM, PROGRAM, &more]);
        let unbuilt = waf.build(2, &[]).expect("a program only");
        let error = waf.install(&unbuilt, &[]).expect_err("a program more");
        assert!(error.to_string().contains("waf install failed"), "{error}");
        let log = log(&waf);
        assert!(log.contains("this is waf install --keep"), "{log}");
        assert!(log.contains("hello.exe"), "{log}");
    }

    #[test]
    fn progress_is_read_from_the_lines_that_have_it() {
        assert_eq!(progress("[  12/1440] Compiling a.c"), Some((12, 1440)));
        assert_eq!(progress("Waf: Entering directory"), None);
        assert_eq!(progress("[0/0] nothing"), None);
    }

    /// What waf of RTEMS 6 wrote, with shorter commands.
    const TEXT: &str = "\
Waf: Leaving directory `/build/i386/paravirt'
Build failed
 -> task in 'testsuites/libtests/dl06/dl06.rap' failed with exit status 1: 
\t{task 139743792221552: testsuites/libtests/dl06/dl06.rap dl06.pre,dl06-o1.o -> dl06.rap}
''
 -> task in 'rtemscxx' failed with exit status 1: 
\t{task 139743793795536: cxx error.cpp -> error.cpp.75.o}
['/lacking/bin/i386-rtems6-g++', '-Wall', 'error.cpp']
 -> task in 'testsuites/libtests/dl06/dl06-sym.c' failed with exit status 1: 
\t{task 139743792222560: testsuites/libtests/dl06/dl06-sym.c dl06.pre -> dl06-sym.c}
' /lacking/bin/rtems-syms -e -S testsuites/libtests/dl06/dl06-sym.c '
 -> task in 'testsuites/samples/cdtest.exe' failed with exit status 1: 
\t{task 139743793795872: cxx main.cc -> main.cc.119.o}
['/lacking/bin/i386-rtems6-g++', '-Wall', 'main.cc']
 -> task in 'testsuites/samples/minimum.norun.exe' failed with exit status 1: 
\t{task 139743793795873: cprogram init.o -> minimum.norun.exe}
['/prefix/bin/i386-rtems6-gcc', 'init.o']
";

    fn lacking() -> Vec<String> {
        ["i386-rtems6-g++", "rtems-syms"].map(str::to_owned).into()
    }

    #[test]
    fn each_program_is_named_once_with_what_it_lacks() {
        let programs = failed_programs(TEXT, &lacking()).expect("only programs");
        let said: Vec<String> = programs.iter().map(Unbuilt::to_string).collect();
        assert_eq!(
            said,
            [
                "libtests/dl06: not built, these tools have no rtems-syms",
                "samples/cdtest: not built, these tools have no i386-rtems6-g++",
                "samples/minimum: does not build, see waf.log",
            ]
        );
        let verdicts: Vec<&str> = programs.iter().map(|program| program.entry().verdict.name()).collect();
        assert_eq!(verdicts, ["skipped", "skipped", "FAILED"]);
    }

    #[test]
    fn what_every_program_needs_is_a_failure_of_the_whole() {
        // With a compiler for C++, its library is one of those.
        assert_eq!(failed_programs(TEXT, &lacking()[1..]), None);
        for line in [
            " -> task in 'rtemscpu' failed with exit status 1: ",
            " -> missing files: a.o",
        ] {
            let text = format!("{TEXT}{line}\n");
            assert_eq!(failed_programs(&text, &lacking()), None, "{line}");
        }
        assert_eq!(failed_programs("Waf: Leaving directory\n", &lacking()), None);
    }
}
