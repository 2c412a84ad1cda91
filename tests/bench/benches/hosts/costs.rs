// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables of costs.

use anyhow::Result;
use bench::guest;
use bench::runs::{self, Cost, Costs, HOSTS, Host, OPERATIONS as GUEST};
use bench::table::{self, Quantity};
use paravirt_build::hosts::{self, PVHOST};
use test_support::{Arch, workspace};

/// Operations by the guest's names, and for people.
const OPERATIONS: [(&str, &str); 10] = [
    ("direct_call", "direct call of a function that returns"),
    ("thunk_call", "the same, an external function"),
    ("pv_irq_mask", "pv_irq_mask"),
    ("pv_clock_now", "pv_clock_now"),
    ("clock_now", "Instant::now"),
    ("console_byte", "pv_console_write, one byte"),
    ("stores", "two volatile stores"),
    ("interrupts_off_on", "interrupts off and on"),
    ("raise_to_handler", "raise to handler"),
    ("timer_to_handler", "timer due to handler, from idle"),
];

/// Prints both tables; whether nothing failed.
pub fn print(arch: Arch) -> Result<bool> {
    let pvhost = hosts::build(&workspace(), PVHOST)?;
    let guest = guest::path(arch, GUEST)?;
    let mut failures = Vec::new();
    let here = |host: &Host| host.runs(arch) && is_here(*host, arch);
    let hosts: Vec<Host> = HOSTS.into_iter().filter(here).collect();
    let times = measure(hosts.iter().copied(), &mut failures, |host| {
        runs::run(&pvhost, host, &guest, false)
    });
    let counts = measure(hosts.into_iter().filter(|host| host.emulated), &mut failures, |host| {
        runs::counted(&pvhost, host, &guest)
    });
    println!("\nTime of one operation, {arch}; in brackets, cycles of the counter\n");
    print_table(&times, |cost| {
        format!(
            "{} ({:.0})",
            Quantity::Time(cost.picoseconds / 1000.0),
            cost.millicycles / 1000.0
        )
    });
    println!("\nInstructions of one operation, hypervisor's included, {arch}; two runs agree to a thousandth\n");
    print_table(&counts, |cost| format!("{:.2}", cost.instructions(arch)));
    for failure in &failures {
        println!("failed: {failure}");
    }
    Ok(failures.is_empty())
}

fn is_here(host: Host, arch: Arch) -> bool {
    let probed = host.probe(arch);
    if let Err(error) = &probed {
        println!("skipped: {}: {error:#}", host.name);
    }
    probed.is_ok()
}

type Column = (Host, Costs);

fn measure(
    hosts: impl Iterator<Item = Host>,
    failures: &mut Vec<String>,
    run: impl Fn(Host) -> Result<Costs>,
) -> Vec<Column> {
    let mut columns = Vec::new();
    for host in hosts {
        eprintln!("measuring on {}", host.name);
        match run(host) {
            Ok(costs) => columns.push((host, costs)),
            Err(error) => failures.push(format!("{}: {error:#}", host.name)),
        }
    }
    columns
}

fn print_table(columns: &[Column], cell: impl Fn(&Cost) -> String) {
    let mut header = vec!["operation".to_owned()];
    header.extend(columns.iter().map(|(host, _)| host.name.to_owned()));
    let rows = OPERATIONS.map(|(name, title)| {
        let cells = columns
            .iter()
            .map(|(_, costs)| costs.get(name).map_or("-".to_owned(), &cell));
        std::iter::once(title.to_owned()).chain(cells).collect()
    });
    print!("{}", table::markdown(&header, &rows));
}
