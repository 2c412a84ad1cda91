// SPDX-License-Identifier: MIT OR Apache-2.0
//! apt, on Debian and on systems made from it: installs packages, or unpacks them where nobody else sees them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command;
use crate::files;

/// How long to wait for another apt, such as a machine's nightly upgrade.
const LOCKED: Duration = Duration::from_secs(300);
/// Where apt begins to say which packages exclude each other.
const CONFLICT: &str = "The following packages have unmet dependencies";

/// Returns whether packages can be looked up with apt here.
pub fn is_here() -> bool {
    ["apt-get", "apt-cache", "dpkg-deb"]
        .iter()
        .all(|program| command::in_path(program).is_some())
}

/// Why nothing can be installed with apt here; `None`: it can.
pub fn hindrance() -> Option<String> {
    if !is_here() {
        return Some("there is no apt-get here".to_owned());
    }
    apt_get().err().map(|error| format!("{error:#}"))
}

/// Refreshes the package lists. Lists that a machine was made with may be months old, and then name packages that are
/// gone, or too old. Where that fails they are as they were.
pub fn refresh() -> Result<()> {
    println!("refreshing the package lists");
    let end = Instant::now() + LOCKED;
    loop {
        let mut apt = apt_get()?;
        // By itself it calls it a success if an archive cannot be reached.
        apt.args(["-o", "APT::Update::Error-Mode=any", "update"]);
        match command::output(&mut apt) {
            // Its option to wait is not for the lists.
            Err(error) if format!("{error:#}").contains("Could not get lock") && Instant::now() < end => {
                std::thread::sleep(Duration::from_secs(5));
            }
            outcome => return outcome.map(drop),
        }
    }
}

/// Installs or upgrades `packages`. Never removes a package to make room; of packages that exclude each other the error
/// names both.
pub fn install(packages: &[&str]) -> Result<()> {
    let mut apt = apt_get()?;
    println!("installing Debian packages: {}", packages.join(" "));
    apt.args(["install", "--yes", "--no-remove", "--no-install-recommends"])
        .args(packages);
    // A hundred lines of apt help nobody unless it fails, and then they are in the error.
    let output = apt.stdin(Stdio::null()).output().context("cannot start apt-get")?;
    if output.status.success() {
        return Ok(());
    }
    let removed = simulated("Remv", packages).unwrap_or_default();
    ensure!(
        removed.is_empty(),
        "{} cannot be installed beside {}, which apt would remove",
        packages.join(" "),
        removed.join(" ")
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let conflict = said.find(CONFLICT).map_or("", |at| &said[at..]);
    bail!(
        "apt-get install failed: {}\n{conflict}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The packages of which an installation of `packages` would do `action`: `Inst` or `Remv`.
fn simulated(action: &str, packages: &[&str]) -> Result<Vec<String>> {
    let mut apt = in_english("apt-get");
    apt.args(["install", "--simulate", "--no-install-recommends"])
        .args(packages);
    let plan = command::output(&mut apt)?;
    let actions = plan.lines().filter_map(|line| line.strip_prefix(action));
    Ok(actions.filter_map(first_word).collect())
}

/// Lists of packages.
#[derive(Debug, Default)]
pub struct Lists {
    /// What tells apt of them, if they are not this machine's.
    options: Vec<String>,
}

impl Lists {
    /// Those that this machine has.
    pub fn own() -> Self {
        Self::default()
    }

    /// Those of another architecture, from the archives that this machine's apt uses, refreshed now and kept in that
    /// folder. The machine knows nothing of them, and no root is needed.
    pub fn of(architecture: &str, folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(path(name))?;
        }
        // Nothing of it is installed.
        File::create(path("status"))?;
        let options = [
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures={architecture}"),
            format!("Dir::State::Lists={}", path("lists")),
            format!("Dir::State::status={}", path("status")),
            format!("Dir::Cache={}", path("cache")),
            "Acquire::Languages=none".to_owned(),
            SANDBOX.to_owned(),
        ];
        let options = options
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option])
            .collect();
        let lists = Self { options };
        println!("refreshing the package lists for {architecture}");
        // An archive that has nothing for that architecture does not matter.
        command::output(lists.command("apt-get").args(["--quiet", "update"]))?;
        Ok(lists)
    }

    /// The names of packages that match a regular expression.
    pub fn search(&self, expression: &str) -> Result<Vec<String>> {
        let mut apt = self.command("apt-cache");
        let found = command::output(apt.args(["search", "--names-only", expression]))?;
        Ok(found.lines().filter_map(first_word).collect())
    }

    /// The packages that a package depends on.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let found = command::output(self.command("apt-cache").args(["depends", package]))?;
        let dependencies = found.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(dependencies.map(str::to_owned).collect())
    }

    /// A program of apt that uses them.
    fn command(&self, program: &str) -> Command {
        let mut command = in_english(program);
        command.args(&self.options);
        command
    }
}

/// apt's sandbox user may not write below a home folder; it then says so in three lines and goes on.
const SANDBOX: &str = "APT::Sandbox::User=root";

/// Unpacks `packages` of those lists, and with `dependencies` whatever they need that is not installed, to `folder`.
/// Nothing is installed, so no root is needed and no conflict matters.
pub fn unpack(lists: &Lists, packages: &[&str], dependencies: bool, folder: &Path) -> Result<()> {
    let parent = folder.parent().context("a folder is in one")?;
    fs::create_dir_all(parent)?;
    let _lock = files::lock(&folder.with_extension("lock"))?;
    let temporary = tempfile::tempdir_in(parent)?;
    let partial = temporary.path().join("unpacked");
    fs::create_dir(&partial)?;
    let wanted = if dependencies {
        simulated("Inst", packages)?
    } else {
        packages.iter().copied().map(str::to_owned).collect()
    };
    println!("unpacking Debian packages: {}", wanted.join(" "));
    let mut apt = lists.command("apt-get");
    apt.args(["--quiet", "-o", SANDBOX, "download"])
        .args(&wanted)
        .current_dir(&partial);
    command::output(&mut apt)?;
    for entry in fs::read_dir(&partial)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("deb")) {
            let mut dpkg = Command::new("dpkg-deb");
            command::output(dpkg.arg("--extract").arg(&path).arg(&partial))?;
            fs::remove_file(&path)?;
        }
    }
    files::remove_folder(folder)?;
    Ok(fs::rename(partial, folder)?)
}

/// The version of an installed package.
pub fn version(package: &str) -> Result<String> {
    command::output(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]))
}

fn first_word(line: &str) -> Option<String> {
    line.split_whitespace().next().map(str::to_owned)
}

/// A program whose messages are read here.
fn in_english(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    command
}

/// `apt-get` that asks nothing, with the rights to install.
fn apt_get() -> Result<Command> {
    let is_root = command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut command = if is_root {
        Command::new("env")
    } else if command::output(Command::new("sudo").args(["--non-interactive", "true"])).is_ok() {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "env"]);
        sudo
    } else {
        bail!("installing packages needs root, or sudo that asks for no password");
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "--quiet", "-o"]);
    command.arg(format!("DPkg::Lock::Timeout={}", LOCKED.as_secs()));
    Ok(command)
}
