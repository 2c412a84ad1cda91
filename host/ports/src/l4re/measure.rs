// SPDX-License-Identifier: MIT OR Apache-2.0
//! What short paths cost in a guest, and in L4Re's own library in the same run.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};

use super::machine::{Machine, Task};

/// Cycles of the emulated time-stamp counter for an instruction: it counts ns, of which `-icount shift=4` gives each
/// 16.
const CYCLES: f64 = 16.0;

/// What our program says of libvcpu: before and behind the number of cycles, and behind that of pairs.
const LIBVCPU: (&str, &str, &str) = ("interrupts off and on, libvcpu: ", " cycles for ", " pairs");

/// Builds the guest that measures, runs it, and says what each path takes in instructions.
pub fn run(machine: &Machine<'_>) -> Result<String> {
    let outcome = machine.run(&Task {
        // Its own function is bound in the guest; libvcpu is measured before it starts.
        options: &["--partial", "--measure"].map(str::to_owned),
        ..Task::of(&machine.build_guest("bench-hosts")?)
    })?;
    ensure!(
        outcome.status == 0,
        "the guest ended with {:?}: {}{}",
        outcome.end,
        outcome.before,
        outcome.printed
    );
    table(&outcome.before, &outcome.printed)
}

/// A line for each path: its name and how many instructions it takes.
fn table(before: &str, printed: &str) -> Result<String> {
    let (name, cycles, pairs) = LIBVCPU;
    let (_, libvcpu) = before.split_once(name).context("nothing of libvcpu")?;
    let (total, rest) = libvcpu.split_once(cycles).context("no cycles")?;
    let (count, _) = rest.split_once(pairs).context("no number of pairs")?;
    let libvcpu = total.parse::<f64>()? / count.parse::<f64>()? / CYCLES;
    let mut table = String::new();
    for line in printed.lines() {
        // NAME PICOSECONDS MILLICYCLES
        if let [name, _, millicycles] = line.split(' ').collect::<Vec<_>>()[..] {
            let instructions = millicycles.parse::<f64>()? / 1000.0 / CYCLES;
            writeln!(table, "{name:<24}{instructions:>10.1} instructions")?;
        }
    }
    writeln!(table, "{:<24}{libvcpu:>10.1} instructions", "libvcpu_off_on")?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn cycles_are_instructions() {
        let table = table(
            "paravirt: interrupts off and on, libvcpu: 17618032 cycles for 100000 pairs\n",
            "....\ncounter_khz 1000000\nthunk_call 160000 160000\n",
        )
        .expect("complete");
        assert_eq!(
            table,
            "thunk_call                    10.0 instructions\n\
             libvcpu_off_on                11.0 instructions\n"
        );
    }
}
