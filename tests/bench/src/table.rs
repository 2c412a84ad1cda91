// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of results.

use std::fmt;

/// A measured quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// Time in ns.
    Time(f64),
    /// Instructions.
    Instructions(f64),
    /// Size in bytes.
    Bytes(f64),
}

impl Quantity {
    /// Returns whether it was counted, so that it is the same in each run.
    #[must_use]
    pub const fn is_count(self) -> bool {
        matches!(self, Self::Instructions(_) | Self::Bytes(_))
    }

    const fn number(self) -> f64 {
        match self {
            Self::Time(number) | Self::Instructions(number) | Self::Bytes(number) => number,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(ns) if ns >= 100_000.0 => write!(f, "{:.0} us", ns / 1000.0),
            Self::Time(ns) if ns >= 10_000.0 => write!(f, "{:.1} us", ns / 1000.0),
            Self::Time(ns) if ns >= 100.0 => write!(f, "{ns:.0} ns"),
            Self::Time(ns) => write!(f, "{ns:.2} ns"),
            Self::Instructions(count) if count.fract() == 0.0 => write!(f, "{count} instr."),
            Self::Instructions(count) => write!(f, "{count:.2} instr."),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
        }
    }
}

/// How large a quantity may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most so many times its baseline.
    Ratio(f64),
    /// At most so much.
    AtMost(Quantity),
    /// At most so much more than its baseline.
    Above(Quantity),
    /// So much more than its baseline, neither more nor less.
    Exactly(Quantity),
    /// Reported, not judged.
    None,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// How much it is.
    pub value: Quantity,
    /// What it is compared with.
    pub baseline: Option<(String, Quantity)>,
    /// How much it may be.
    pub limit: Limit,
}

impl Row {
    /// A row without a baseline.
    #[must_use]
    pub fn new(what: impl Into<String>, value: Quantity, limit: Limit) -> Self {
        Self {
            what: what.into(),
            value,
            baseline: None,
            limit,
        }
    }

    /// The row with a baseline of that name.
    #[must_use]
    pub fn against(mut self, name: impl Into<String>, baseline: Quantity) -> Self {
        self.baseline = Some((name.into(), baseline));
        self
    }

    fn ratio(&self) -> Option<f64> {
        let (_, baseline) = self.baseline.as_ref()?;
        Some(self.value.number() / baseline.number())
    }

    /// Returns whether the limit is kept; `None` where there is nothing to judge.
    #[must_use]
    pub fn is_kept(&self) -> Option<bool> {
        match self.limit {
            Limit::Ratio(most) => self.ratio().map(|ratio| ratio <= most),
            Limit::AtMost(most) => Some(self.value.number() <= most.number()),
            Limit::Above(most) => self
                .baseline
                .as_ref()
                .map(|(_, baseline)| self.value.number() - baseline.number() <= most.number()),
            // Counts are divided by the number of calls, hence the tolerance.
            Limit::Exactly(more) => self
                .baseline
                .as_ref()
                .map(|(_, baseline)| (self.value.number() - baseline.number() - more.number()).abs() < 1e-6),
            Limit::None => None,
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.what.clone(),
            self.value.to_string(),
            self.baseline
                .as_ref()
                .map(|(name, baseline)| format!("{name}: {baseline}"))
                .unwrap_or_default(),
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            match self.limit {
                Limit::Ratio(most) => format!("{most} x"),
                Limit::AtMost(most) => most.to_string(),
                Limit::Above(most) => format!("<= + {most}"),
                Limit::Exactly(more) => format!("+ {more}"),
                Limit::None => String::new(),
            },
            match self.is_kept() {
                Some(true) => "ok".to_owned(),
                Some(false) => "OVER".to_owned(),
                None => String::new(),
            },
        ]
    }
}

/// The rows as a table in Markdown, with aligned columns.
#[must_use]
pub fn render(rows: &[Row]) -> String {
    let header = ["what", "value", "baseline", "ratio", "limit", ""].map(str::to_owned);
    let cells: Vec<_> = rows.iter().map(|row| row.cells().to_vec()).collect();
    markdown(&header, &cells)
}

/// A table in Markdown, with aligned columns. Each row has as many cells as the header.
#[must_use]
pub fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| &row[column]);
            let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            longest.max(header[column].chars().count())
        })
        .collect();
    let line = |row: &[String]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(header) + &line(&rule);
    for row in rows {
        text += &line(row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, limit: Limit) -> Row {
        Row::new("w", Quantity::Instructions(value), limit).against("b", Quantity::Instructions(4.0))
    }

    #[test]
    fn limits_are_judged() {
        assert_eq!(row(8.0, Limit::Ratio(2.0)).is_kept(), Some(true));
        assert_eq!(row(8.1, Limit::Ratio(2.0)).is_kept(), Some(false));
        let one = Limit::Exactly(Quantity::Instructions(1.0));
        assert_eq!(row(5.0, one).is_kept(), Some(true));
        assert_eq!(row(6.0, one).is_kept(), Some(false));
        assert_eq!(row(3.0, one).is_kept(), Some(false));
        let above = Limit::Above(Quantity::Instructions(2.0));
        assert_eq!(row(6.0, above).is_kept(), Some(true));
        assert_eq!(row(6.1, above).is_kept(), Some(false));
        let most = Limit::AtMost(Quantity::Instructions(5.0));
        assert_eq!(row(5.0, most).is_kept(), Some(true));
        assert_eq!(row(5.5, most).is_kept(), Some(false));
        assert_eq!(row(5.5, Limit::None).is_kept(), None);
    }

    #[test]
    fn columns_are_aligned() {
        let text = render(&[row(8.0, Limit::Ratio(1.5)), row(123.0, Limit::None)]);
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        assert!(text.contains("OVER"), "{text}");
    }
}
