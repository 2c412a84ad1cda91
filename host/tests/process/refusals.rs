// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is refused before the guest starts.

use std::ffi::c_void;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use paravirt_abi::vcpu::VcpuPage;
use pvhost::image::{Image, ImageError, Problem};
use pvhost::process::{Call, GuestError, LayoutError, Vm, VmError};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::guests::{Arch, each, guest, place, run, text};

/// Why the guest was refused.
fn refused(result: Result<Vm, VmError>) -> VmError {
    match result {
        Ok(_) => panic!("the guest was accepted"),
        Err(error) => error,
    }
}

/// What the host has against loading the image.
#[track_caller]
fn loader_problem(image: Image) -> String {
    match refused(Vm::builder(image).build()) {
        VmError::Guest(GuestError::Image(ImageError {
            problem: Problem::Refused(problem),
            ..
        })) => problem,
        other => panic!("{other}"),
    }
}

/// The image's file with the bytes at `offset` of its vCPU page replaced.
fn with_page(guest: &Path, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let image = Image::open(guest).expect("a sound image");
    let page = image.vcpu_page().expect("it has a vCPU page");
    let segment = image.segment_at(page, 4096).expect("in a segment");
    let mut file = fs::read(guest).expect("readable");
    // The segment's bytes are found in the file by their content.
    let data = segment.data();
    let start = file
        .windows(data.len())
        .position(|window| window == data)
        .expect("the file has the segment");
    let at = start + (page - segment.address) as usize + offset;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// Files that no host takes: with a vCPU page of another version, with an upcall entry that is no code.
fn with_unusable_pages(guest: &Path) -> [Vec<u8>; 2] {
    let offset = std::mem::offset_of!(VcpuPage, upcall_entry);
    [
        with_page(guest, 0, &77_u32.to_le_bytes()),
        with_page(guest, offset, &0x10_u64.to_le_bytes()),
    ]
}

#[test]
fn another_prototype_is_named_from_both_sides() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let image = Image::open(&guest).expect("a sound image");
        let result = Vm::builder(image)
            .provide("pv_console_write", |_: &mut Call, a: u32| a)
            .build();
        let message = refused(result).to_string();
        let word = if arch == Arch::I386 { 32 } else { 64 };
        let guest = format!("fn(*const c_void, u{word}) -> i{word}");
        assert!(message.contains("`pv_console_write`"), "{message}");
        assert!(message.contains(&guest), "{message}");
        assert!(message.contains("fn(u32) -> u32"), "{message}");
    }
}

#[test]
fn one_guest_fits_into_a_process() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let open = || Vm::builder(Image::open(&guest).expect("a sound image"));
        let first = open().build().expect("a guest for this host");
        assert!(matches!(refused(open().build()), VmError::Occupied), "{arch}");
        drop(first);
        open().build().expect("there is room again");
    }
}

#[test]
fn memory_of_the_host_is_not_taken() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let image = Image::open(&guest).expect("a sound image");
        let address = image.segments()[1].address / 4096 * 4096;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        // SAFETY: a new mapping where none is.
        let taken =
            unsafe { mmap_anonymous(address as *mut c_void, 4096, ProtFlags::READ, flags) }.expect("nothing is there");
        let error = refused(Vm::builder(image).build());
        assert!(
            matches!(
                error,
                VmError::Guest(GuestError::Layout(LayoutError::AddressTaken { .. }))
            ),
            "{arch}: {error}"
        );
        assert!(error.to_string().contains(&format!("{address:#x}")), "{arch}: {error}");
        // SAFETY: the mapping made above.
        unsafe { munmap(taken, 4096) }.expect("it is there");
    }
}

#[test]
fn a_refusal_of_memory_is_the_systems() {
    let guest = guest(Arch::X86_64, "hello");
    // A quarter of the address space that the guest's memory needs.
    let limited = format!("ulimit -v {} && exec \"$0\" run --memory 2G \"$1\"", 512 * 1024);
    let output = Command::new("sh")
        .args(["-c", &limited])
        .args([env!("CARGO_BIN_EXE_pvhost").as_ref(), guest.as_os_str()])
        .output()
        .expect("sh starts");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot map 0x80000000 bytes"), "{stderr}");
}

#[test]
fn a_vcpu_page_of_another_version_and_an_upcall_entry_that_is_no_code_are_refused() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let [version, entry] = with_unusable_pages(&guest)
            .map(|file| loader_problem(Image::parse("patched", file).expect("a sound image")));
        assert!(
            version.contains("has layout version 77, this host knows version "),
            "{arch}: {version}"
        );
        let start = "the upcall entry 0x10 in the vCPU page is not in executable memory;";
        assert!(entry.starts_with(start), "{arch}: {entry}");
    }
}

/// What `check` says of that guest.
fn check(guest: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pvhost"))
        .arg("check")
        .arg(guest)
        .args(options)
        .output()
        .expect("pvhost starts")
}

#[test]
fn check_knows_how_much_memory_there_is_to_be() {
    for (arch, guest) in each("hello") {
        for host in ["process", "qemu", "xen", "xen-pvh"] {
            let options = ["--host", host, "--memory", "5G"];
            let refusal = text(&run(&guest, &options, &[]).stderr);
            let (_, reason) = refusal.split_once("pvhost: error: ").expect("it is refused");
            let checked = check(&guest, &options);
            let verdict = text(&checked.stdout);
            assert_eq!(checked.status.code(), Some(1), "{arch} {host}: {verdict}");
            assert!(
                verdict.starts_with(&format!("refused: {reason}")),
                "{arch} {host}: {verdict} but {refusal}"
            );
        }
    }
}

/// Neither needs QEMU for that.
#[test]
fn check_refuses_what_run_refuses_and_with_the_same_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("patched");
    for (arch, guest) in each("hello") {
        for bytes in with_unusable_pages(&guest) {
            fs::write(&file, bytes).expect("a file");
            for host in ["process", "qemu", "xen", "xen-pvh"] {
                let ran = run(&file, &["--host", host], &[]);
                let refusal = text(&ran.stderr);
                assert_eq!(ran.status.code(), Some(1), "{arch} {host}: {refusal}");
                let (_, reason) = refusal.split_once("patched: ").expect("it is named");
                let checked = check(&file, &["--host", host]);
                let verdict = text(&checked.stdout);
                assert_eq!(checked.status.code(), Some(1), "{arch} {host}: {verdict}");
                assert!(
                    verdict.starts_with(&format!("refused: {reason}")),
                    "{arch} {host}: {verdict} but {refusal}"
                );
            }
        }
    }
}

#[test]
fn a_command_line_has_a_limit() {
    let _place = place();
    for (arch, guest) in each("hello") {
        let image = Image::open(&guest).expect("a sound image");
        let result = Vm::builder(image).command_line("x".repeat(70_000)).build();
        assert!(
            matches!(
                refused(result),
                VmError::Guest(GuestError::Layout(LayoutError::CommandLine(70_000)))
            ),
            "{arch}"
        );
    }
}

#[test]
fn what_is_no_guest_is_refused_with_status_1() {
    for path in [
        "/dev/null",
        "/no/such/guest",
        env!("CARGO_BIN_EXE_pvhost"),
        env!("CARGO_MANIFEST_PATH"),
    ] {
        let output = run(path.as_ref(), &[], &[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{path}: {stderr}");
        assert!(stderr.starts_with("pvhost: error: "), "{path}: {stderr}");
        assert!(stderr.contains(path), "{path}: {stderr}");
    }
}
