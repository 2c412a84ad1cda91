// SPDX-License-Identifier: MIT OR Apache-2.0
//! Simulates a plant together with two guests, which control it: `co-simulation GUEST`, where the guest is
//! `controller`. Every millisecond of guest time they exchange the levels and the valves, and each run prints the same.
//!
//! A process has room for one guest, so each gets a process of its own: this program again.

mod child;
mod plant;
mod room;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pvhost::process::Time;

use child::{Child, Turn};
use plant::Plant;

/// How long the guests control the plant, in ms.
const END: u64 = 2000;
/// From one row of the table to the next, in ms.
const ROW: u64 = 100;
/// When the operator asks the first controller for its next set point, in ms.
const NEXT_SET_POINT: u64 = 1000;
/// The controllers' names, and their arguments up to when they end.
const CONTROLLERS: [(&str, &str); 2] = [("inlet", "400000/600000 10 50"), ("outlet", "300000 -10 -50")];

/// Simulates two tanks together with the guests that control them
#[derive(Parser)]
struct Options {
    /// The guest `controller`
    guest: PathBuf,
    /// How guest time passes: steps, steps=NS, fast, real, or how many times as fast
    #[arg(long, value_name = "WAY", default_value = "steps")]
    time: Time,
    /// Run the guest with this command line, as the program's own child
    #[arg(long, hide = true)]
    child: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.child {
        Some(command_line) => room::run(&options.guest, command_line, options.time),
        None => simulate(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("co-simulation: {error}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(options: &Options) -> Result<(), Box<dyn Error>> {
    let start = |(name, arguments)| Child::start(options, name, &format!("{arguments} {END}"));
    let mut children = [start(CONTROLLERS[0])?, start(CONTROLLERS[1])?];
    let mut plant = Plant::default();
    println!("  time |  inlet level 1 | outlet level 2");
    for ms in 1..=END {
        let levels = plant.levels();
        for (index, child) in children.iter_mut().enumerate() {
            child.go_on(ms, levels[index], index == 0 && ms == NEXT_SET_POINT + 1)?;
        }
        // Both run at the same time.
        let mut valves = [0; 2];
        for (child, valve) in children.iter_mut().zip(&mut valves) {
            match child.turn()? {
                Turn::Valve(opening) => *valve = opening,
                Turn::Ended(status) => {
                    return Err(format!("{} ended with status {status} in millisecond {ms}", child.name()).into());
                }
            }
        }
        plant.step(valves);
        if ms % ROW == 0 {
            let ([inlet, outlet], [first, second]) = (valves, plant.levels());
            println!("{ms:>6} | {inlet:>6} {first:>7} | {outlet:>6} {second:>7}");
        }
    }
    for (child, level) in children.iter_mut().zip(plant.levels()) {
        child.go_on(END + 1, level, false)?;
        match child.turn()? {
            Turn::Ended(0) => {}
            Turn::Ended(status) => return Err(format!("{} ended with status {status}", child.name()).into()),
            Turn::Valve(_) => return Err(format!("{} does not end", child.name()).into()),
        }
    }
    Ok(())
}
