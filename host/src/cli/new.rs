// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost new`: writes a project with a guest. What it writes is in `host/templates`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pvhost::shell;
use pvhost::text::Escaped;

use super::{Error, ExitStatus, SUCCESS, Subcommand, output};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The project's folder, which must not be there yet; its last part is the guest's name
    folder: PathBuf,

    /// A guest in C, with a Makefile and a CMake file
    #[arg(long, conflicts_with_all = ["backends", "path", "git"])]
    c: bool,

    /// An application of RTEMS
    #[arg(long, conflicts_with_all = ["c", "backends", "path", "git"])]
    rtems: bool,

    /// Where it runs
    #[arg(long, value_enum, value_name = "HOST", default_value_t = HostName::Process)]
    host: HostName,

    /// A backend in the image beside that of its host; may be given several times
    #[arg(long = "backend", value_enum, value_name = "BACKEND")]
    backends: Vec<Backend>,

    /// Checkout of the layer [default: the one that this pvhost was built from]
    #[arg(long, value_name = "DIR", conflicts_with = "git")]
    path: Option<PathBuf>,

    /// Git repository of the layer
    #[arg(long, value_name = "URL")]
    git: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  pvhost new mine                       in Rust: cargo run, cargo test
  pvhost new mine --host qemu           runs in QEMU
  pvhost new mine --backend bare        runs in a process, and could in QEMU
  pvhost new mine --c                   in C: make run, or CMake
  pvhost new mine --rtems               on RTEMS: make run, make test

Exit status: 0 success, 1 the project cannot be written, 2 wrong command line.";

/// Where the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HostName {
    /// A Linux process
    Process,
    /// QEMU, a PC without a hypervisor
    Qemu,
    /// Xen in QEMU
    Xen,
}

impl HostName {
    /// The options of `pvhost run`, each behind a space.
    const fn options(self) -> &'static str {
        match self {
            Self::Process => "",
            Self::Qemu => " --host qemu",
            Self::Xen => " --host xen",
        }
    }

    /// The options of `pvhost test`, each behind a space: nobody waits for ticks where that can be helped.
    const fn test_options(self) -> &'static str {
        match self {
            Self::Process => " --time fast",
            Self::Qemu | Self::Xen => self.options(),
        }
    }

    /// The backend without which it does not run there. In a process none is needed, but the guest is an ordinary
    /// program with it, too.
    const fn backend(self) -> Backend {
        match self {
            Self::Process => Backend::LinuxSyscall,
            Self::Qemu => Backend::Bare,
            Self::Xen => Backend::Xen,
        }
    }

    /// The target whose `core` comes with compilers. In ring 0, and under Xen, code must not use a red zone, and
    /// neither may `core`.
    const fn target(self) -> &'static str {
        match self {
            Self::Process => "x86_64-unknown-linux-gnu",
            Self::Qemu | Self::Xen => "x86_64-unknown-none",
        }
    }
}

/// A backend of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Backend {
    /// System calls: the guest is an ordinary program for Linux
    #[value(alias = "linux-syscall")]
    LinuxSyscall,
    /// A PC without a hypervisor
    Bare,
    /// Hypercalls of Xen
    Xen,
}

impl Backend {
    /// As `image!` names it.
    const fn name(self) -> &'static str {
        match self {
            Self::LinuxSyscall => "linux_syscall",
            Self::Bare => "bare",
            Self::Xen => "xen",
        }
    }
}

/// The files of a project: where each goes, and what is in it.
type Files = &'static [(&'static str, &'static str)];

const RUST: Files = &[
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.in")),
    (".cargo/config.toml", include_str!("../../templates/rust/config.toml")),
    ("build.rs", include_str!("../../templates/rust/build.rs")),
    ("src/main.rs", include_str!("../../templates/rust/src/main.rs")),
    (".gitignore", include_str!("../../templates/rust/gitignore")),
];
const C: Files = &[
    ("Makefile", include_str!("../../templates/c/Makefile")),
    ("CMakeLists.txt", include_str!("../../templates/c/CMakeLists.txt")),
    ("main.c", include_str!("../../templates/c/main.c")),
    (".gitignore", include_str!("../../templates/c/gitignore")),
];
const RTEMS: Files = &[
    ("Makefile", include_str!("../../templates/rtems/Makefile")),
    ("init.c", include_str!("../../templates/rtems/init.c")),
    (".gitignore", include_str!("../../templates/rtems/gitignore")),
];

impl Subcommand for Arguments {
    const NAME: &str = "new";
    const ABOUT: &str = "Write a project with a guest of your own: in Rust, in C, or on RTEMS";

    fn run(&self) -> Result<ExitStatus, Error> {
        let name = self.name()?;
        let mut words = vec![
            ("@NAME@", name.to_owned()),
            ("@OPTIONS@", self.host.options().to_owned()),
            ("@TEST_OPTIONS@", self.host.test_options().to_owned()),
        ];
        let (files, source) = match (self.c, self.rtems) {
            (true, _) => (C, None),
            (_, true) => (RTEMS, None),
            _ => {
                let source = self.source()?;
                words.extend(self.rust_words(&source));
                (RUST, Some(source))
            }
        };
        let folder = &self.folder;
        fs::create_dir(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        for (file, template) in files {
            if let Err(error) = write(&folder.join(file), template, &words) {
                // Half a project would be in the way of the next attempt. It is ours: there was nothing.
                let _ = fs::remove_dir_all(folder);
                return Err(error);
            }
        }
        output::print(&self.next(source.as_ref()))?;
        Ok(SUCCESS)
    }
}

impl Arguments {
    /// The guest's name.
    fn name(&self) -> Result<&str, Error> {
        // Of Rust's crates, cargo's folders, the Makefiles and CMake's targets.
        const TAKEN: &str =
            "Makefile, all, alloc, build, clean, core, deps, examples, help, incremental, install, run, std, test";
        let name = self.folder.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts_well
            || !name.chars().all(is_word)
            || name.starts_with("paravirt")
            || TAKEN.split(", ").any(|taken| taken == name)
        {
            return Err(format!(
                "a guest cannot be called {name:?}: a name is a letter, then letters, digits, `-` and `_`; it does not \
                 begin with `paravirt`, and is none of {TAKEN}"
            )
            .into());
        }
        Ok(name)
    }

    /// Where the crates of the layer are, as a manifest says it.
    fn source(&self) -> Result<Source, Error> {
        if let Some(url) = &self.git {
            return Ok(Source::Git(url.clone()));
        }
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let checkout = self.path.as_deref().unwrap_or(&built_from);
        if !checkout.join("bsp/Cargo.toml").is_file() {
            return Err(format!(
                "there is no checkout of the layer in {}: name one with --path DIR, or its repository with --git URL",
                checkout.display()
            )
            .into());
        }
        let checkout = fs::canonicalize(checkout)?.into_os_string();
        checkout.into_string().map(Source::Path).map_err(|path| {
            let path = Escaped(path.display());
            format!("a manifest cannot name {path}, which is no UTF-8: name a checkout elsewhere with --path DIR")
                .into()
        })
    }

    fn rust_words(&self, source: &Source) -> Vec<(&'static str, String)> {
        let mut backends = vec![self.host.backend()];
        for &backend in &self.backends {
            if !backends.contains(&backend) {
                backends.push(backend);
            }
        }
        let names: Vec<_> = backends.iter().map(|backend| backend.name()).collect();
        let features = names.iter().map(|name| format!(", \"{}\"", name.replace('_', "-")));
        vec![
            ("@BSP@", source.dependency("bsp")),
            ("@LINKCMDS@", source.dependency("linkcmds")),
            ("@FEATURES@", features.collect()),
            ("@BACKENDS@", names.join(", ")),
            ("@TARGET@", self.host.target().to_owned()),
        ]
    }

    /// What the user does next.
    fn next(&self, source: Option<&Source>) -> String {
        let mut text = format!("{} is written", Escaped(self.folder.display()));
        if let Some(source) = source {
            text += &match source {
                Source::Path(path) => format!(", with the layer in {}", Escaped(path)),
                Source::Git(url) => format!(", with the layer from {}", Escaped(url)),
            };
        }
        text += "\n\n";
        let paths = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&paths).any(|folder| folder.join("pvhost").is_file())
            && let Ok(program) = env::current_exe()
            && let Some(folder) = program.parent()
        {
            text += &format!("  export PATH={}:\"$PATH\"      # for pvhost\n", word(folder));
        }
        text += &format!("  cd {}\n", word(&self.folder));
        text += match (self.c, self.rtems) {
            (true, _) => {
                "  export PKG_CONFIG_PATH=DIR/lib/pkgconfig      # of `cargo xtask install --prefix DIR`\n  \
                 make run\n  make run ARGS=50\n"
            }
            (_, true) => {
                "  export PKG_CONFIG_PATH=DIR/lib/pkgconfig      # of the installed BSP, target/rtems/install\n  \
                 make run\n  make test\n"
            }
            _ => "  cargo run\n  cargo run -- 50\n  cargo test\n",
        };
        if source.is_some() && self.host != HostName::Process {
            text += &format!("\nRust's library for it: rustup target add {}\n", self.host.target());
        }
        text
    }
}

/// A path as a shell and a terminal take it.
fn word(path: &Path) -> String {
    Escaped(shell::quoted(path.as_os_str())).to_string()
}

/// Where the crates of the layer are: a path in UTF-8, as manifests are, or a URL.
enum Source {
    Path(String),
    Git(String),
}

impl Source {
    /// The dependency on the crate in that folder.
    fn dependency(&self, folder: &str) -> String {
        match self {
            // What is a string in JSON is the same in TOML.
            Self::Path(checkout) => format!("path = {}", serde_json::json!(format!("{checkout}/{folder}"))),
            Self::Git(url) => format!("git = {}", serde_json::json!(url)),
        }
    }
}

/// Writes a file of the project, with `words` in their places. What is written is the user's, without our licence.
fn write(path: &Path, template: &str, words: &[(&str, String)]) -> Result<(), Error> {
    let licence = template
        .lines()
        .next()
        .filter(|line| line.contains("SPDX-License-Identifier"));
    let mut text = template[licence.map_or(0, |line| line.len() + 1)..].to_owned();
    for (word, value) in words {
        text = text.replace(word, value);
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}
