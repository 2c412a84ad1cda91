// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of RTEMS that do not build, from what its build system says at its end. The others are built all the same.

use std::fmt;

use super::suite::Entry;
use super::verdict::{State, Verdict};

/// A program that was not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    /// The folder in `testsuites`.
    pub group: String,
    /// The program.
    pub test: String,
    /// Why.
    pub why: Why,
}

/// Why a program was not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The user's tools do not have the one of this name.
    Lacks(String),
    /// Something is wrong with it, or with us.
    Fails,
}

/// The library for C++, which is RTEMS' own and no program.
const CXX_LIBRARY: &str = "rtemscxx";

impl Unbuilt {
    /// The line of the table.
    pub fn entry(&self) -> Entry {
        let note = self.why.to_string();
        Entry {
            group: self.group.clone(),
            test: self.test.clone(),
            state: State::Unknown,
            verdict: match self.why {
                Why::Lacks(_) => Verdict::Skipped(note),
                Why::Fails => Verdict::Failed(note),
            },
            seconds: 0.0,
            reason: None,
        }
    }
}

impl fmt::Display for Unbuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.group, self.test, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(tool) => write!(f, "not built, these tools have no {tool}"),
            Self::Fails => f.write_str("does not build, see waf.log"),
        }
    }
}

/// The programs that failed in a build, of which `text` is what waf wrote with `--keep --verbose`, when the user's
/// tools lack those named. `None` if anything else failed.
pub fn read(text: &str, lacking: &[String]) -> Option<Vec<Unbuilt>> {
    let mut programs: Vec<Unbuilt> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(failed) = line.strip_prefix(" -> ") else {
            continue;
        };
        let task = failed.strip_prefix("task in '")?.split_once('\'')?.0;
        // What it makes of what, then the command. Without `--verbose` neither is there.
        let command = lines.clone().nth(1).unwrap_or_default();
        let tool = tool(command).filter(|tool| lacking.iter().any(|name| name == tool));
        let why = tool.map_or(Why::Fails, |tool| Why::Lacks(tool.to_owned()));
        let Some((group, test)) = program(task) else {
            // Only programs that are not built either need it.
            if task == CXX_LIBRARY && why != Why::Fails {
                continue;
            }
            return None;
        };
        let mut known = programs.iter_mut();
        match known.find(|known| known.group == group && known.test == test) {
            Some(known) if known.why == Why::Fails => known.why = why,
            Some(_) => {}
            None => programs.push(Unbuilt {
                group: group.to_owned(),
                test: test.to_owned(),
                why,
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
    use super::*;

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
        let programs = read(TEXT, &lacking()).expect("only programs");
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
        assert_eq!(read(TEXT, &lacking()[1..]), None);
        for line in [
            " -> task in 'rtemscpu' failed with exit status 1: ",
            " -> missing files: a.o",
        ] {
            let text = format!("{TEXT}{line}\n");
            assert_eq!(read(&text, &lacking()), None, "{line}");
        }
        assert_eq!(read("Waf: Leaving directory\n", &lacking()), None);
    }
}
