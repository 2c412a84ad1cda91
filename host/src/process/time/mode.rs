// SPDX-License-Identifier: MIT OR Apache-2.0
//! In which ways guest time can pass.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

/// How guest time passes, see [`Builder::time`](super::super::Builder::time). As text, as on the command line: `real`,
/// `fast`, `fast=N`, a ratio, `steps` or `steps=NS`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Time {
    /// As the host's monotonic clock does.
    #[default]
    Real,
    /// The same, but slower or faster.
    Ratio(Ratio),
    /// As fast as the guest can go: with the processor time that its thread takes, and while it idles at once to when
    /// its next timer expires. It does not depend on the load of the machine.
    Fast,
    /// As [`Fast`](Self::Fast), by a processor that is slower: what waits for a time by computing comes to it sooner.
    Slowed(Slowdown),
    /// By a step at each call of the host, and while it idles at once to when its next timer expires: the same in each
    /// run.
    Steps(Steps),
}

/// How many times as slow as this machine's processor the guest's is, and how many times as fast therefore guest time
/// passes while it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowdown(NonZero<u32>);

impl Slowdown {
    /// The most.
    pub const MAX: u32 = 1000;
    /// As slow as it is.
    pub(super) const NONE: Self = Self(NonZero::<u32>::MIN);

    /// From 1, which is no slowdown, to [`MAX`](Self::MAX).
    ///
    /// # Errors
    /// [`TimeError::Slowdown`] for another one.
    pub fn new(times: u32) -> Result<Self, TimeError> {
        match NonZero::new(times).filter(|times| times.get() <= Self::MAX) {
            Some(times) => Ok(Self(times)),
            None => Err(TimeError::Slowdown),
        }
    }

    /// How many times as slow.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// How many times as fast as the host's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    ratio: f64,
    /// Of guest time to the host's, as a fraction of 2^32.
    factor: NonZero<u64>,
}

impl Ratio {
    /// The slowest.
    pub const MIN: f64 = 0.001;
    /// The fastest.
    pub const MAX: f64 = 1000.0;
    /// The clock itself.
    pub(super) const ONE: Self = Self {
        ratio: 1.0,
        factor: NonZero::new(1 << 32).expect("it is not zero"),
    };

    /// A ratio from [`MIN`](Self::MIN) to [`MAX`](Self::MAX).
    ///
    /// # Errors
    /// [`TimeError::Ratio`] for another one.
    pub fn new(ratio: f64) -> Result<Self, TimeError> {
        if !(Self::MIN..=Self::MAX).contains(&ratio) {
            return Err(TimeError::Ratio);
        }
        let factor = NonZero::new((ratio * 4_294_967_296.0) as u64).ok_or(TimeError::Ratio)?;
        Ok(Self { ratio, factor })
    }

    /// The ratio.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.ratio
    }

    /// Guest time in ns that passes in `ns` of the host's.
    pub(super) fn to_guest(self, ns: u64) -> u64 {
        saturate((u128::from(ns) * u128::from(self.factor.get())) >> 32)
    }

    /// The host's time in ns in which `ns` of guest time have passed.
    pub(super) fn to_host(self, ns: u64) -> u64 {
        saturate((u128::from(ns) << 32).div_ceil(u128::from(self.factor.get())))
    }
}

fn saturate(ns: u128) -> u64 {
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Steps of guest time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    ns: NonZero<u64>,
    seed: Option<u64>,
}

impl Default for Steps {
    fn default() -> Self {
        const DEFAULT: NonZero<u64> = NonZero::new(Steps::DEFAULT).expect("it is not zero");
        Self {
            ns: DEFAULT,
            seed: None,
        }
    }
}

impl Steps {
    /// Length of a step in ns if nothing else is said.
    pub const DEFAULT: u64 = 1_000;
    /// The longest, in ns.
    pub const MAX: u64 = 1_000_000_000;

    /// Steps of `ns` each, from 1 to [`MAX`](Self::MAX).
    ///
    /// # Errors
    /// [`TimeError::Step`] for another length.
    pub fn new(ns: u64) -> Result<Self, TimeError> {
        match NonZero::new(ns).filter(|ns| ns.get() <= Self::MAX) {
            Some(ns) => Ok(Self { ns, seed: None }),
            None => Err(TimeError::Step),
        }
    }

    /// Makes steps of different lengths, from 1 ns to twice the step, and interrupts the guest up to 255 instructions
    /// later than it could be: in other places, and the same for the same seed. So races are found.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The length of a step in ns.
    #[must_use]
    pub const fn ns(self) -> u64 {
        self.ns.get()
    }

    /// The seed, if there is one.
    #[must_use]
    pub const fn seed(self) -> Option<u64> {
        self.seed
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text {
            "real" => return Ok(Self::Real),
            "fast" => return Ok(Self::Fast),
            "steps" => return Ok(Self::Steps(Steps::default())),
            _ => {}
        }
        if let Some(times) = text.strip_prefix("fast=") {
            let times = times.parse().map_err(|_| TimeError::Slowdown)?;
            return Ok(Self::Slowed(Slowdown::new(times)?));
        }
        if let Some(step) = text.strip_prefix("steps=") {
            let ns = step.strip_suffix("ns").unwrap_or(step);
            return Ok(Self::Steps(Steps::new(ns.parse().map_err(|_| TimeError::Step)?)?));
        }
        Ok(Self::Ratio(Ratio::new(text.parse().map_err(|_| TimeError::Unknown)?)?))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => f.write_str("real"),
            Self::Ratio(ratio) => ratio.ratio.fmt(f),
            Self::Fast => f.write_str("fast"),
            Self::Slowed(slowdown) => write!(f, "fast={}", slowdown.get()),
            Self::Steps(steps) => write!(f, "steps={}", steps.ns),
        }
    }
}

/// Why time cannot pass so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It is none of the ways.
    #[error("not a way of time: give real, fast, fast=N, steps, steps=NS, or how many times as fast, as 0.1 or 20")]
    Unknown,
    /// The ratio is out of range.
    #[error(
        "time can pass from {} to {} times as fast as the clock; `fast` is as fast as it can",
        Ratio::MIN,
        Ratio::MAX
    )]
    Ratio,
    /// The slowdown is out of range.
    #[error(
        "a processor is slower a whole number of times from 1 to {}, as in fast=20",
        Slowdown::MAX
    )]
    Slowdown,
    /// The step is out of range.
    #[error("a step is a whole number of ns from 1 to {}, as in steps=1000", Steps::MAX)]
    Step,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read_and_shown() {
        let slowed = |times| Time::Slowed(Slowdown::new(times).unwrap());
        let steps = |ns| Time::Steps(Steps::new(ns).unwrap());
        let ratio = |ratio| Time::Ratio(Ratio::new(ratio).unwrap());
        for (text, time, shown) in [
            ("real", Time::Real, "real"),
            ("fast", Time::Fast, "fast"),
            ("fast=1", slowed(1), "fast=1"),
            ("fast=1000", slowed(1000), "fast=1000"),
            ("steps", steps(1_000), "steps=1000"),
            ("steps=1", steps(1), "steps=1"),
            ("steps=250ns", steps(250), "steps=250"),
            ("steps=1000000000", steps(1_000_000_000), "steps=1000000000"),
            ("0.1", ratio(0.1), "0.1"),
            ("20", ratio(20.0), "20"),
            ("1e3", ratio(1000.0), "1000"),
            ("0.001", ratio(0.001), "0.001"),
        ] {
            let read: Time = text.parse().expect(text);
            assert_eq!(read, time, "{text}");
            assert_eq!(read.to_string(), shown);
        }
        for (text, error) in [
            ("0", TimeError::Ratio),
            ("-0", TimeError::Ratio),
            ("-1", TimeError::Ratio),
            ("NaN", TimeError::Ratio),
            ("inf", TimeError::Ratio),
            ("1e9", TimeError::Ratio),
            ("0.0009", TimeError::Ratio),
            ("", TimeError::Unknown),
            ("slow", TimeError::Unknown),
            ("Real", TimeError::Unknown),
            ("fast=", TimeError::Slowdown),
            ("fast=0", TimeError::Slowdown),
            ("fast=-1", TimeError::Slowdown),
            ("fast=1.5", TimeError::Slowdown),
            ("fast=1001", TimeError::Slowdown),
            ("fast=4294967296", TimeError::Slowdown),
            ("steps=", TimeError::Step),
            ("steps=0", TimeError::Step),
            ("steps=-1", TimeError::Step),
            ("steps=1.5", TimeError::Step),
            ("steps=1000000001", TimeError::Step),
            ("steps=18446744073709551616", TimeError::Step),
        ] {
            assert_eq!(text.parse::<Time>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_ratio_goes_there_and_back() {
        for ratio in [0.001, 0.1, 1.0, 20.0, 1000.0] {
            let ratio = Ratio::new(ratio).unwrap();
            for ns in [0, 1, 999, 1_000_000_000, 86_400_000_000_000, u64::MAX >> 12] {
                let there = ratio.to_host(ns);
                assert!(
                    ratio.to_guest(there) >= ns,
                    "{ratio:?}: it has not passed yet at {there}"
                );
                let before = there.saturating_sub(2);
                assert!(
                    ns == 0 || ratio.to_guest(before) < ns || ratio.get() < 1.0,
                    "{ratio:?}: {ns} too late"
                );
            }
            assert_eq!(ratio.to_host(u64::MAX) == u64::MAX, ratio.get() <= 1.0);
        }
    }
}
