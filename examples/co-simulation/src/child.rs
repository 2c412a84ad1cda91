// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process with a guest, as the one sees it that simulates the plant: it lets the guest go on and gets its turn back.
//!
//! To the child goes a line `MS LEVEL RAISE`, from it come lines `said TEXT`, and `valve OPENING` or `ended STATUS`.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};

use super::Options;

/// The child, which ends when this is dropped.
pub struct Child {
    name: &'static str,
    process: process::Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// How a turn of the guest's ended.
pub enum Turn {
    /// The time has come, and its valve is open that far, in millionths.
    Valve(i32),
    /// The guest has ended.
    Ended(u8),
}

impl Child {
    /// A child with a guest of that command line, which stands.
    pub fn start(options: &Options, name: &'static str, command_line: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env::current_exe()?)
            .arg(&options.guest)
            .args(["--child", command_line, "--time", &options.time.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = process.stdin.take().zip(process.stdout.take()).ok_or("no pipes")?;
        Ok(Self {
            name,
            process,
            to,
            from: BufReader::new(from),
        })
    }

    /// The controller's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Lets the guest go on up to that guest time, with that level in µm, and raises its line before if asked to.
    pub fn go_on(&mut self, ms: u64, level: i32, raise: bool) -> Result<(), Box<dyn Error>> {
        writeln!(self.to, "{ms} {level} {}", u8::from(raise)).map_err(|_| self.has_gone())
    }

    /// Waits for the end of its turn, and prints what it said.
    pub fn turn(&mut self) -> Result<Turn, Box<dyn Error>> {
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line)? == 0 {
                return Err(self.has_gone());
            }
            match line.trim_end_matches('\n').split_once(' ') {
                Some(("said", text)) => println!("  {}: {text}", self.name),
                Some(("valve", opening)) => return Ok(Turn::Valve(opening.parse()?)),
                Some(("ended", status)) => return Ok(Turn::Ended(status.parse()?)),
                _ => return Err(format!("{} sends {line:?}", self.name).into()),
            }
        }
    }

    /// Why there is nothing more from it. A child that could not go on has said that itself.
    fn has_gone(&mut self) -> Box<dyn Error> {
        match self.process.wait() {
            Ok(status) => format!("the process of {} has ended: {status}", self.name).into(),
            Err(error) => error.into(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
