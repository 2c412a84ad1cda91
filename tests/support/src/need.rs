// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a test may need and not find, as data: the task runner reads the same list that tests choose from.

use std::ffi::OsString;
use std::fmt;

use paravirt_build::arch::Arch;
use paravirt_build::tools::Tool;
use strum::VariantArray;

/// At the begin of the line by which a test says what it needs; the [key](Need#impl-Display-for-Need) follows.
pub const PREFIX: &str = "needs: ";

/// Something that a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Something of the user's own. Without it, a test is skipped.
    User(User),
    /// A tool, which set-up installs. Where it cannot, a test is skipped, but not in CI.
    Tool(Tool),
    /// Something that a step of ours makes. Without it, a test is not run, and the whole run fails.
    Step(Step),
}

/// What only a user can bring. These are all reasons for which a test may be skipped wherever it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum User {
    /// RTEMS' tools.
    RtemsPrefix,
    /// RTEMS' sources.
    RtemsSource,
    /// RTEMS' tools for AArch64, beside those for i386 or in their place.
    RtemsAarch64,
    /// C++ in RTEMS' tools.
    RtemsCpp,
    /// POK's tree.
    PokTree,
    /// The tree of POK's fork with calls for interrupts.
    PokForkTree,
    /// L4Re, built.
    L4reTree,
    /// Fiasco, built.
    L4reFiasco,
    /// An L4Re of the other architecture than the one that is named, or with more packages.
    OtherL4re,
    /// Real-time priority.
    RealTime,
    /// What a document shows of the reader's own: trees, programs, a hypervisor.
    Reader,
    /// To be root.
    Root,
    /// A system that permits to trace programs of one's own.
    Tracing,
    /// A machine that keeps time while it is tested: its own timers are late.
    QuietMachine,
    /// A Python with the package `perfetto`, which has the definition of Perfetto's format.
    PerfettoPython,
}

/// A step of `cargo xtask test` that makes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Step {
    /// The libraries of the inspected targets.
    Sysroots,
    /// Guests.
    #[strum(to_string = "guests-{0}")]
    Guests(Arch),
    /// Hosts in C.
    #[strum(to_string = "c-hosts-{0}")]
    CHosts(Arch),
    /// The Rust part of RTEMS' BSP.
    #[strum(to_string = "rtems-library-{0}")]
    RtemsLibrary(Arch),
    /// RTEMS' BSP, from a user's RTEMS.
    #[strum(to_string = "rtems-bsp-{0}")]
    RtemsBsp(Arch),
}

impl User {
    /// The environment variable that names it, if one does.
    #[must_use]
    pub const fn variable(self) -> Option<&'static str> {
        match self {
            Self::RtemsPrefix => Some("RTEMS_PREFIX"),
            Self::RtemsSource => Some("RTEMS_SOURCE"),
            Self::PokTree => Some("POK_TREE"),
            Self::PokForkTree => Some("POK_FORK_TREE"),
            Self::L4reTree => Some("L4RE_TREE"),
            Self::L4reFiasco => Some("L4RE_FIASCO"),
            Self::PerfettoPython => Some("PERFETTO_PYTHON"),
            _ => None,
        }
    }

    /// What the variable says; nothing is the same as none.
    #[must_use]
    pub fn value(self) -> Option<OsString> {
        std::env::var_os(self.variable()?).filter(|value| !value.is_empty())
    }

    /// Returns whether the environment names it; of what has no variable, only the test that needs it can tell.
    #[must_use]
    pub fn is_named(self) -> bool {
        self.value().is_some()
    }

    /// That for the lack of which a test is skipped for `reason`.
    #[must_use]
    pub fn with_reason(reason: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|user| user.reason() == reason)
    }

    /// Why a test is skipped without it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RtemsPrefix => "RTEMS_PREFIX is not set",
            Self::RtemsSource => "RTEMS_SOURCE is not set",
            Self::RtemsAarch64 => "RTEMS_PREFIX has no tools for AArch64",
            Self::RtemsCpp => "RTEMS' tools have no C++",
            Self::PokTree => "POK_TREE is not set",
            Self::PokForkTree => "POK_FORK_TREE is not set",
            Self::L4reTree => "L4RE_TREE is not set",
            Self::L4reFiasco => "L4RE_FIASCO is not set",
            Self::OtherL4re => "the L4Re of L4RE_TREE is for the other architecture, or lacks a package",
            Self::RealTime => "real-time priority is not permitted",
            Self::Reader => "the document shows what is its reader's own",
            Self::Root => "only root can do this",
            Self::Tracing => "the system permits no tracing",
            Self::QuietMachine => "the machine's own timers are late",
            Self::PerfettoPython => "PERFETTO_PYTHON is not set",
        }
    }
}

impl Need {
    /// Ends a test that lacks it, with the reason for people.
    #[track_caller]
    pub fn panic(self, why: &str) -> ! {
        panic!("\n{PREFIX}{self}\n{why}");
    }

    /// What a line of a test's output says that the test needs.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let key = line.strip_prefix(PREFIX)?;
        let users = User::VARIANTS.iter().copied().map(Self::User);
        let tools = Tool::VARIANTS.iter().copied().map(Self::Tool);
        let of_arch = |arch| [Step::Guests, Step::CHosts, Step::RtemsLibrary, Step::RtemsBsp].map(|step| step(arch));
        let steps = [Step::Sysroots]
            .into_iter()
            .chain(Arch::KNOWN.into_iter().flat_map(of_arch));
        users
            .chain(tools)
            .chain(steps.map(Self::Step))
            .find(|need| need.to_string() == key)
    }
}

/// The key, such as `tool qemu`.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Tool(tool) => write!(f, "tool {}", tool.key()),
            Self::Step(step) => write!(f, "step {step}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_says_is_read_again() {
        for need in [
            Need::User(User::RtemsPrefix),
            Need::Tool(Tool::Qemu),
            Need::Step(Step::Guests(Arch::I386)),
            Need::Step(Step::Sysroots),
        ] {
            assert_eq!(Need::parse(&format!("{PREFIX}{need}")), Some(need));
        }
        assert_eq!(Need::parse("needs: a rest"), None);
        assert_eq!(Need::parse("it needs: tool qemu"), None);
    }
}
