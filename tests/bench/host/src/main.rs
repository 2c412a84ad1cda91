// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host of the benchmarks: `bench-host [--lazy] GUEST [ARGUMENT..]` provides the external functions of the
//! benchmark guests.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use pvhost::image::Image;
use pvhost::process::{Call, Exit, Vm};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Vec<String>) -> Result<u8> {
    let lazy = arguments.first().is_some_and(|first| first == "--lazy");
    if lazy {
        arguments.remove(0);
    }
    let (guest, arguments) = arguments
        .split_first()
        .context("usage: bench-host [--lazy] GUEST [ARGUMENT..]")?;
    let mut builder = Vm::builder(Image::open(guest.as_ref())?)
        .lazy(lazy)
        .command_line(arguments.join(" "))
        .provide("bench_host_call", |_: &mut Call, value: u32| value)
        .provide("bench_raise_by_signal", |call: &mut Call, line: u32| {
            if let Ok(line) = call.line(line) {
                line.raise();
            }
        });
    for number in 0..500 {
        builder = builder.provide(format!("host_{number:03}_call"), |_: &mut Call, value: u32| value);
    }
    let finished = builder.build()?.run()?;
    match finished.exit {
        Exit::Exit(_) => Ok(finished.exit.status()),
        other => bail!("the guest did not end in good order: {other:?}"),
    }
}
