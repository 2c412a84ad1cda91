// SPDX-License-Identifier: MIT OR Apache-2.0
//! With RTEMS and QEMU: the ELF that runs on the process host runs on a PC and in a PVH domain of Xen.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use paravirt_rtems_tests::installed::Installed;
use paravirt_section_tests::scratch;

/// The hosts that can be tried here.
fn hosts() -> Vec<&'static str> {
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.join("qemu-system-x86_64").is_file()) {
        println!("skipped: there is no QEMU; run `cargo xtask setup`");
        return Vec::new();
    }
    if env::var_os("PVHOST_XEN").is_none() {
        println!("skipped: PVHOST_XEN names no Xen; run `cargo xtask test`");
        return vec!["qemu"];
    }
    vec!["qemu", "xen-pvh"]
}

/// Runs a program on each of them; it must exit with status 0 and print `text`.
fn run(program: &Path, text: &str) {
    for host in hosts() {
        let output = Command::new(env!("CARGO_BIN_EXE_rtems-emulate"))
            .arg(host)
            .arg(program)
            .stdin(Stdio::null())
            .output()
            .expect("the emulator starts");
        let printed = String::from_utf8_lossy(&output.stdout);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && printed.contains(text),
            "{host}: {}\n{printed}\n{messages}",
            output.status
        );
    }
}

#[test]
fn hello_runs() {
    if let Some(rtems) = Installed::find() {
        run(
            &rtems.program("samples/hello.exe"),
            "*** END OF TEST HELLO WORLD ***",
        );
    }
}

/// Here a mistake in the way from the processor's interrupt to the thread dispatch would show.
#[test]
fn processor_state_survives_threads_and_interrupts() {
    if let Some(rtems) = Installed::find() {
        let folder = scratch();
        run(&rtems.app("cpu", folder.path()), "nested interrupts: right");
    }
}
