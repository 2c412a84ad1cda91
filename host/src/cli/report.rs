// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost report`: what a trace says, in numbers and pictures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pvhost::text::Escaped;
use pvhost::trace::{Delivery, Distribution, Recording};

use super::replace::Mode;
use super::{Error, ExitStatus, SUCCESS, Subcommand, output, read, say, units};

#[derive(Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Trace, as `pvhost run --trace` writes it
    trace: PathBuf,

    /// Write a histogram of the latencies to that file, as SVG
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,

    /// Write a timeline to that file, as SVG
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,

    /// The timeline from that guest time on: seconds, or with a unit (ms, s, min, h)
    #[arg(long, value_name = "TIME", value_parser = units::time, requires = "timeline")]
    from: Option<Duration>,

    /// The timeline until then
    #[arg(long, value_name = "TIME", value_parser = units::time, requires = "timeline")]
    to: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  pvhost run ticker --trace ticker.pftrace -- 50
  pvhost report ticker.pftrace
  pvhost report ticker.pftrace --histogram late.svg --timeline time.svg
  pvhost report ticker.pftrace --timeline time.svg --from 1s --to 1.2s

Latencies are in guest time: from when a timer was due to when its interrupt has come to the guest, and from when a \
line was raised to that. How long handlers take is not in them.

ui.perfetto.dev shows the trace itself, in any browser; nothing is sent anywhere.";

/// More has no trace of ours, in bytes.
const LARGEST: u64 = 512 << 20;

impl Subcommand for Arguments {
    const NAME: &str = "report";
    const ABOUT: &str = "Show what a trace of `pvhost run --trace` says: latencies, calls, pictures";

    fn run(&self) -> Result<ExitStatus, Error> {
        let file = content(&self.trace).map_err(|error| format!("{}: {error}", Escaped(self.trace.display())))?;
        let recording =
            Recording::read(&file).map_err(|error| format!("{}: {error}", Escaped(self.trace.display())))?;
        drop(file);
        output::print(&say::for_stdout(&text(&recording)))?;
        let write = |file: &Path, picture: String| {
            let summary = format!("{}: written\n", Escaped(file.display()));
            output::write(file, picture.as_bytes(), Mode::Usual, &[&self.trace], &summary)
        };
        if let Some(file) = &self.histogram {
            write(file, recording.histogram())?;
        }
        if let Some(file) = &self.timeline {
            write(file, recording.timeline(self.range(&recording)))?;
        }
        Ok(SUCCESS)
    }
}

impl Arguments {
    fn range(&self, recording: &Recording) -> Option<Range<u64>> {
        if self.from.is_none() && self.to.is_none() {
            return None;
        }
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (first, last) = recording.span;
        Some(self.from.map_or(first, ns)..self.to.map_or(last, ns))
    }
}

fn content(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = if read::is_stdin(file) {
        io::stdin().lock().take(LARGEST + 1).read_to_end(&mut content)?
    } else {
        File::open(file)?.take(LARGEST + 1).read_to_end(&mut content)?
    };
    if read as u64 > LARGEST {
        let problem = format!("more than {} MiB, which no trace has", LARGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(content)
}

fn text(recording: &Recording) -> String {
    let mut text = String::new();
    let (first, last) = recording.span;
    let _ = writeln!(
        text,
        "{}: {:.3} s of guest time (--time {}), {} lost events",
        Escaped(&recording.guest),
        last.saturating_sub(first) as f64 / 1e9,
        Escaped(&recording.time),
        recording.lost
    );
    let latencies = [
        ("timer due to seen by the host", recording.lateness()),
        ("timer due to interrupt", recording.tick_latency()),
        (
            "raised to upcall, by a signal",
            recording.upcall_latency(Delivery::Signal),
        ),
        (
            "raised to upcall, after a call",
            recording.upcall_latency(Delivery::Call),
        ),
        (
            "raised to interrupt, out of idle",
            recording.upcall_latency(Delivery::Wakeup),
        ),
        (
            "raised to interrupt, turned on",
            recording.upcall_latency(Delivery::Itself),
        ),
        ("handling interrupts", durations(&recording.handlers)),
        ("idle", durations(&recording.idle)),
    ];
    table(&mut text, "LATENCY, DURATION", &latencies);
    rows(&mut text, "HOST FUNCTION", recording.by_function());
    rows(&mut text, "THREAD", recording.by_thread());
    text
}

fn durations(slices: &[pvhost::trace::Slice]) -> Distribution {
    slices.iter().map(|slice| slice.end - slice.start).collect()
}

fn rows(text: &mut String, head: &str, rows: BTreeMap<&str, Distribution>) {
    let rows: Vec<_> = (rows.into_iter())
        .map(|(name, times)| (Escaped(name).to_string(), times))
        .collect();
    table(text, head, &rows);
}

/// A table of those rows that have any.
fn table(text: &mut String, head: &str, rows: &[(impl AsRef<str>, Distribution)]) {
    let rows: Vec<_> = rows.iter().filter(|(_, times)| times.count() > 0).collect();
    let width = rows.iter().map(|(name, _)| name.as_ref().chars().count());
    let Some(width) = width.max().map(|width| width.max(head.len())) else {
        return;
    };
    let _ = writeln!(
        text,
        "\n{head:<width$}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
        "COUNT", "P50", "P90", "P99", "MAX", "TOTAL"
    );
    for (name, times) in rows {
        let at = |share| times.percentile(share).map(pvhost::trace::shown).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<width$}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
            name.as_ref(),
            times.count(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0),
            pvhost::trace::shown(times.total())
        );
    }
}
