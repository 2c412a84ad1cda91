// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the program meets those who use it: names, standard input, silence, help, completions, manual.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use paravirt_abi::sections;
use pvhost::image::Machine;

use crate::guest::{CODE, Guest};
use crate::program::{Folder, text};

/// Status and results.
fn results(folder: &Folder, arguments: &str) -> (Option<i32>, String) {
    let output = folder.run(arguments);
    (output.status.code(), text(&output.stdout))
}

#[test]
fn old_names_of_hosts_are_accepted_and_json_keeps_them() {
    let folder = Folder::new();
    for (guest, name, id) in [
        ("guest", "process", "linux-process"),
        ("old", "process-l4rtems", "linux-process-2013"),
    ] {
        for json in ["", " --json"] {
            let [new, old] = [name, id].map(|host| results(&folder, &format!("check {guest} --host {host}{json}")));
            assert_eq!(new, old);
            let said = if json.is_empty() {
                format!("{name} ")
            } else {
                format!("\"host\": \"{id}\"")
            };
            assert!(new.1.contains(&said), "{}", new.1);
        }
    }
    let (_, json) = results(&folder, "list guest --json");
    assert!(json.contains("\"linux-process\""), "{json}");
}

#[test]
fn a_dash_is_standard_input() {
    let folder = Folder::new();
    folder.write(
        "list",
        "pv_console_write @ 0x1000\npv_port_in @ 0x1010\npv_shutdown @ 0x1020\n",
    );
    folder.write("rules", "nowhere: cli  # gone\n");
    for (named, from_stdin, file) in [
        ("list guest", "list -", "guest"),
        (
            "header guest --format func-list",
            "header - --format func-list",
            "guest",
        ),
        ("check guest --host process", "check - --host process", "guest"),
        ("check guest --provides list", "check guest --provides -", "list"),
        ("audit guest --allow rules", "audit guest --allow -", "rules"),
        (
            "bind guest --provides list -o out",
            "bind guest --provides - -o out",
            "list",
        ),
    ] {
        let (status, expected) = results(&folder, named);
        let input = File::open(folder.path().join(file)).expect("a file");
        let output = folder
            .pvhost(from_stdin.split_whitespace())
            .stdin(input)
            .output()
            .expect("pvhost");
        let expected = expected.replace(&format!("{file}:"), "-:").replace("guest (", "- (");
        let found = text(&output.stdout).replace("guest (", "- (");
        let found = found.replace("list fits", "- fits");
        assert_eq!(output.status.code(), status, "{from_stdin}");
        assert_eq!(found, expected.replace("list fits", "- fits"), "{from_stdin}");
    }
    for twice in [
        "check - --provides -",
        "audit - --allow -",
        "bind - --provides - -o out",
    ] {
        let output = folder.run(twice);
        assert_eq!(output.status.code(), Some(2), "{twice}");
        assert!(text(&output.stderr).contains("only one file can be standard input"));
    }
}

/// What has no end is read to a limit.
#[test]
#[cfg(target_os = "linux")]
fn endless_files_are_refused_by_name() {
    let folder = Folder::new();
    for (arguments, name) in [
        ("check guest --provides /dev/zero", "/dev/zero"),
        ("bind guest --provides /dev/zero -o out", "/dev/zero"),
        ("audit guest --allow /dev/zero", "/dev/zero"),
        ("list /dev/zero", "/dev/zero"),
        ("check guest --provides .", ".:"),
        ("audit guest --allow .", ".:"),
        ("list .", ".:"),
        ("check guest --provides -", "-:"),
        ("list -", "-:"),
    ] {
        // A pipe whose writer never stops.
        let mut child = folder
            .pvhost(arguments.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pvhost");
        let mut pipe = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || {
            let block = [b'a'; 1 << 16];
            // Ends when the reader has had enough.
            while pipe.write_all(&block).is_ok() {}
        });
        let output = child.wait_with_output().expect("a status");
        writer.join().expect("it ends");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        assert!(said.contains(&format!("error: {name}")), "{arguments}: {said}");
    }
}

#[test]
fn quiet_says_nothing_and_the_status_tells() {
    let folder = Folder::new();
    folder.write(
        "list",
        "pv_console_write @ 0x1000\npv_port_in @ 0x1010\npv_shutdown @ 0x1020\n",
    );
    let mut fits = Guest::with(Machine::X86_64, sections::PREFIX, &[("pv_shutdown", None)]);
    fits.section_of_code(".text", CODE, 0x40);
    folder.write("fits", fits.build());
    for arguments in [
        "check fits --host process",
        "check guest --host process",
        "audit fits",
        "bind guest --provides list -o out",
    ] {
        let loud = folder.run(arguments);
        let quiet = folder.run(&format!("{arguments} -q"));
        assert!(!loud.stdout.is_empty(), "{arguments}");
        assert_eq!((text(&quiet.stdout), text(&quiet.stderr)), Default::default());
        assert_eq!(quiet.status.code(), loud.status.code(), "{arguments}");
    }
    let output = folder.run("check absent --host process --quiet");
    assert!(text(&output.stderr).contains("error: absent:"));
}

#[test]
fn a_header_is_for_c_unless_asked_for_another() {
    let folder = Folder::new();
    assert_eq!(
        results(&folder, "header guest"),
        results(&folder, "header guest --format c")
    );
}

#[test]
fn help_is_as_wide_as_the_terminal() {
    let folder = Folder::new();
    for command in ["", "list ", "header ", "check ", "audit ", "bind ", "run "] {
        let widest = |columns: &str| {
            let arguments = format!("{command}--help");
            let mut pvhost = folder.pvhost(arguments.split_whitespace());
            let output = pvhost.env("COLUMNS", columns).output().expect("pvhost");
            let help = text(&output.stdout);
            // A word that is longer than the line stays whole.
            let breakable = help
                .lines()
                .filter(|line| line.trim().contains(' ') && !line.contains("pvhost "));
            breakable.map(|line| line.chars().count()).max().unwrap_or(0)
        };
        assert!(widest("60") <= 60, "{command}");
        assert!((61..=120).contains(&widest("120")), "{command}");
        assert!(widest("400") <= 120, "{command}");
    }
}

#[test]
fn completions_and_manual_are_made_from_the_definitions() {
    let folder = Folder::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (status, script) = results(&folder, &format!("completions {shell}"));
        assert_eq!(status, Some(0));
        for word in ["provides", "executable-memory"] {
            assert!(script.contains(word), "{shell} {word}");
        }
        // Not every shell is told of values.
        if ["bash", "fish", "zsh"].contains(&shell) {
            assert!(script.contains("xen-pvh"), "{shell}");
        }
    }
    std::fs::create_dir(folder.path().join("man")).expect("a folder");
    assert_eq!(results(&folder, "man man"), (Some(0), String::new()));
    let page = |name: &str| std::fs::read_to_string(folder.path().join("man").join(name));
    assert!(page("pvhost.1").expect("a page").contains("pvhost\\-run(1)"));
    let run = page("pvhost-run.1").expect("a page");
    for part in ["\\-\\-timeout", "xen\\-pvh", "Exit status"] {
        assert!(run.contains(part), "{part} in {run}");
    }
    for name in [
        "list",
        "header",
        "check",
        "audit",
        "bind",
        "image",
        "new",
        "completions",
        "man",
    ] {
        page(&format!("pvhost-{name}.1")).expect(name);
    }
}
