// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests in the form that L4RTEMS sources had, for tests of every host: compiled here, by the C compiler of the
//! machine.
//!
//! | source | for | what it is |
//! |---|---|---|
//! | `guest.c` | i386 | without identity note, so entered as in L4RTEMS; its first argument says what it does, see [`RUNS`] |
//! | `page.c` | i386, x86-64 | with identity note and vCPU page; gets interrupts, and prints [`INTERRUPTS`] |
//! | `calls.c` | i386, x86-64 | the same, for a host with functions of its own by the L4RTEMS names |

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The architectures for which there are such guests.
pub const ARCHITECTURES: [&str; 2] = ["x86_64", "i386"];

/// Ways to build a guest for i386, and the compiler's arguments: as is; with the sections' other prefix; with
/// both; in one segment, writable and executable.
pub const FORMS: [(&str, &[&str]); 4] = [
    ("plain", &[]),
    ("other-prefix", &["-DPREFIX=\".data.l4external\""]),
    ("both-prefixes", &["-DOTHER_PREFIX=\".data.l4external\""]),
    ("one-segment", &["-Wl,-N", "-Wl,--no-warn-rwx-segments"]),
];

/// First arguments of the guest `guest.c`, with which it ends well without input, and what it prints then.
pub const RUNS: [(&str, &str); 6] = [
    ("memory", "memory is behind the image\n"),
    ("registers", "* registers are preserved\n"),
    ("interrupts", "no interrupts\n"),
    ("again", "a"),
    ("timer", "time passes\n"),
    WHOLE,
];

/// That one of them that does most at once, for hosts that are slow to start.
pub const WHOLE: (&str, &str) = (
    "whole",
    "memory is behind the image\n* registers are preserved\nno interrupts\ntime passes\n",
);

/// What the guest `page.c` prints.
pub const INTERRUPTS: &str = "10 interrupts\n";

/// Why no guest can be compiled for that architecture; `None`: it can.
#[must_use]
pub fn missing(arch: &str) -> Option<String> {
    compiler(arch).is_none().then(|| match arch {
        "i386" => "neither i686-linux-gnu-gcc nor gcc -m32 is there to compile an L4RTEMS guest".to_owned(),
        _ => format!("there is no gcc to compile a guest for {arch}"),
    })
}

/// Compiles a guest to the file `image`; `flags` are more arguments of the compiler, also other sources.
///
/// # Errors
/// The compiler's messages, or that there is none.
pub fn build(arch: &str, source: &str, flags: &[&str], image: &Path) -> Result<(), String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = compiler(arch).ok_or_else(|| missing(arch).unwrap_or_default())?;
    compiler
        .args(["-std=gnu11", "-O2", "-ffreestanding", "-fno-pic"])
        .args(["-fno-stack-protector", "-Wall", "-Wextra", "-Werror"])
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"])
        .args(["-Wl,-z,max-page-size=4096"]);
    // Where nothing aligned the tables, they lie at odd addresses.
    match arch {
        "i386" => compiler.args(["-march=i586", "-Wl,--defsym=odd=1"]),
        _ => compiler.args(["-mno-red-zone", "-mgeneral-regs-only", "-Wl,--defsym=odd=0"]),
    };
    let output = compiler
        .arg("-T")
        .arg(folder.join("guest.ld"))
        .args(flags)
        .arg(folder.join(source))
        .arg("-o")
        .arg(image)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A compiler for that architecture that needs no library.
fn compiler(arch: &str) -> Option<Command> {
    let candidates: &[(&str, &[&str])] = match arch {
        "i386" => &[("i686-linux-gnu-gcc", &[]), ("gcc", &["-m32"])],
        "x86_64" => &[("x86_64-linux-gnu-gcc", &[]), ("gcc", &["-m64"])],
        _ => &[],
    };
    candidates.iter().find_map(|(program, arguments)| {
        let mut probe = Command::new(program);
        probe
            .args(*arguments)
            .args(["-E", "-x", "c", "/dev/null"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            return None;
        }
        let mut compiler = Command::new(program);
        compiler.args(*arguments);
        Some(compiler)
    })
}
