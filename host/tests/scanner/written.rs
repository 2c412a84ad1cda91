// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that were named with `-o`, of every command that has that option: whole or not at all, and nothing else is
//! lost.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::program::Folder;

const LIST: &str = "\
pv_console_write fn(*const u8, usize) -> isize @ 0x40001000
pv_port_in fn(u16, u32) -> i64 @ 0x40001010
pv_shutdown @ 0x40001020
";

/// The commands, without the name behind `-o`.
const COMMANDS: [&str; 2] = ["header guest --format c -o", "bind guest --provides list -o"];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("list", LIST);
    folder
}

/// What that command writes.
fn result(folder: &Folder, command: &str) -> Vec<u8> {
    let output = folder.run(&format!("{command} expected"));
    assert!(output.status.success(), "{command}: {output:?}");
    let result = folder.path().join("expected");
    let bytes = fs::read(&result).expect("a result");
    fs::remove_file(result).expect("ours");
    bytes
}

/// What is in the folder, and no temporary file among it.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).expect("a file").mode() & 0o7777
}

fn read(folder: &Folder, name: &str) -> Vec<u8> {
    fs::read(folder.path().join(name)).expect("a file")
}

/// Has a shell run the command, which is its `"$@"`.
fn shell(folder: &Folder, script: &str, command: &str) -> Output {
    let mut shell = shell_command(folder, script, command);
    shell.output().expect("a shell")
}

fn shell_command(folder: &Folder, script: &str, command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .current_dir(folder.path())
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_pvhost")])
        .args(command.split_whitespace())
        .stdin(Stdio::null());
    shell
}

#[test]
fn what_a_result_is_made_of_is_not_overwritten() {
    for command in COMMANDS {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).expect("a folder");
        for input in ["guest", "list"] {
            if !command.contains(input) {
                continue;
            }
            let before = read(&folder, input);
            fs::hard_link(at(input), at("hard")).expect("a link");
            symlink(input, at("soft")).expect("a link");
            symlink("../soft", at("below/soft")).expect("a link");
            for name in [input, "hard", "soft", "below/soft", "below/../hard"] {
                let output = folder.run(&format!("{command} {name}"));
                let said = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(1), "{command} {name}: {said}");
                let refusal = format!("{name} is the file {input}, which would be lost");
                assert!(said.contains(&refusal), "{command} {name}: {said}");
            }
            // Behind a name that the shell has opened, too.
            for name in ["-", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
                let output = shell(&folder, &format!("\"$@\" >>{input}"), &format!("{command} {name}"));
                assert_eq!(output.status.code(), Some(1), "{command} {name}: {output:?}");
            }
            assert!(read(&folder, input) == before, "{command}: {input} has changed");
            for name in ["hard", "soft", "below/soft"] {
                fs::remove_file(at(name)).expect("ours");
            }
        }
    }
}

#[test]
fn links_are_followed_and_stay() {
    for command in COMMANDS {
        let folder = folder();
        let expected = result(&folder, command);
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).expect("a folder");
        folder.write("below/there", "old");
        for (link, to) in [("there", "below/there"), ("new", "below/new")] {
            symlink(to, at(link)).expect("a link");
            let output = folder.run(&format!("{command} {link}"));
            assert!(output.status.success(), "{command} {link}: {output:?}");
            assert_eq!(fs::read_link(at(link)).expect("a link"), Path::new(to));
            assert!(read(&folder, to) == expected, "{command} {link}");
        }
        symlink("round", at("round")).expect("a link");
        let output = folder.run(&format!("{command} round"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("too many levels"), "{command}: {said}");
    }
}

#[test]
fn what_is_no_file_is_written_to() {
    for command in COMMANDS {
        let folder = folder();
        let expected = result(&folder, command);
        symlink("/dev/stdout", folder.path().join("link")).expect("a link");
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"] {
            // A pipe, and a file that was written to before and after.
            let output = folder.run(&format!("{command} {name}"));
            assert!(output.status.success(), "{command} {name}: {output:?}");
            assert!(output.stdout == expected, "{command} {name}");
            for redirect in [">", ">>"] {
                folder.write("out", "");
                let script = format!("{{ echo before; \"$@\"; echo behind; }} {redirect}out");
                let output = shell(&folder, &script, &format!("{command} {name}"));
                assert!(output.status.success(), "{command} {name}: {output:?}");
                let whole = [b"before\n", expected.as_slice(), b"behind\n"].concat();
                assert!(read(&folder, "out") == whole, "{command} {name} {redirect}");
            }
        }
        let link = folder.path().join("link");
        let link = fs::symlink_metadata(link).expect("it is still there");
        assert!(link.is_symlink(), "{command}");
        for (name, status) in [("/dev/null", 0), ("/dev/full", 1), (".", 1), ("no/such", 1)] {
            let output = folder.run(&format!("{command} {name}"));
            assert_eq!(output.status.code(), Some(status), "{name}: {output:?}");
        }
        // Another number that the shell has opened, and a FIFO.
        let output = shell(&folder, "\"$@\" 3>out", &format!("{command} /dev/fd/3"));
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(read(&folder, "out") == expected, "{command}");
        let script = "mkfifo fifo && { cat fifo >out & \"$@\"; wait; }";
        let output = shell(&folder, script, &format!("{command} fifo"));
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(read(&folder, "out") == expected, "{command}");
    }
}

/// As on a full disk: nothing more goes into a file.
#[test]
fn a_file_that_cannot_be_written_loses_nothing() {
    for command in COMMANDS {
        let folder = folder();
        folder.write("out", "old");
        // The limit is a signal for who does not ignore it.
        let script = "trap '' XFSZ; ulimit -f 0; \"$@\" >/dev/null";
        let output = shell(&folder, script, &format!("{command} out"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("out: File too large"), "{command}: {said}");
        assert_eq!(read(&folder, "out"), b"old", "{command}");
        assert_eq!(names(&folder), ["arm64", "guest", "guest32", "list", "old", "out"]);
    }
}

#[test]
fn files_of_others_stay() {
    for command in COMMANDS {
        let folder = folder();
        let before = names(&folder);
        for number in 0..100 {
            folder.write(&format!("out.{number}.new"), "of somebody");
        }
        let output = folder.run(&format!("{command} out"));
        assert!(output.status.success(), "{output:?}");
        for number in 0..100 {
            let file = folder.path().join(format!("out.{number}.new"));
            assert_eq!(fs::read(&file).expect("it is there"), b"of somebody");
            fs::remove_file(file).expect("ours");
        }
        fs::remove_file(folder.path().join("out")).expect("ours");
        assert_eq!(names(&folder), before, "{command}");
    }
}

#[test]
fn rights_are_those_of_what_was_there_or_copied() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    for rights in [0o600, 0o640, 0o750, 0o4755] {
        fs::set_permissions(at("guest"), Permissions::from_mode(rights)).expect("ours");
        for there in [None, Some(0o666)] {
            let _ = fs::remove_file(at("out"));
            if let Some(there) = there {
                folder.write("out", "old");
                fs::set_permissions(at("out"), Permissions::from_mode(there)).expect("ours");
            }
            let output = folder.run("bind guest --provides list -o out");
            assert!(output.status.success(), "{output:?}");
            // But it does not run as whoever owned the guest.
            assert_eq!(mode(at("out")), rights & 0o777, "{rights:o} {there:?}");
        }
    }
    // A header is no secret, but for who has said so.
    for (mask, rights) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let _ = fs::remove_file(at("out"));
        let output = shell(&folder, &format!("umask {mask}; \"$@\""), "header guest -o out");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(mode(at("out")), rights, "{mask}");
    }
    fs::set_permissions(at("out"), Permissions::from_mode(0o600)).expect("ours");
    assert!(folder.run("header guest -o out").status.success());
    assert_eq!(mode(at("out")), 0o600);
}

/// Has the system know no files without a name, as some file systems do not, and kill the program at that call.
fn without_unnamed_files(command: &mut Command, deadly: Option<i64>) -> &mut Command {
    const O_TMPFILE_ALONE: u32 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let (equal, bit) = (libc::BPF_JMP | libc::BPF_JEQ, libc::BPF_JMP | libc::BPF_JSET);
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EOPNOTSUPP as u32;
    // Number of the call, and its third argument.
    let mut program = vec![statement(load, 0, 0, 0)];
    if let Some(call) = deadly {
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        program.push(statement(equal, 0, 1, call as u32));
        program.push(statement(libc::BPF_RET, 0, 0, kill));
    }
    program.extend([
        statement(equal, 0, 3, libc::SYS_openat as u32),
        statement(load, 0, 0, 16 + 2 * 8),
        statement(bit, 0, 1, O_TMPFILE_ALONE),
        statement(libc::BPF_RET, 0, 0, refuse),
        statement(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
    let install = move || {
        let filter = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut(),
        };
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: system calls that a forked child may make; the program is live.
        let result = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter)
        };
        match result {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: see there.
    unsafe { command.pre_exec(install) }
}

/// By its first write.
#[test]
fn what_is_killed_amid_its_writing_leaves_nothing_behind() {
    for command in COMMANDS {
        for is_unnamed in [true, false] {
            let folder = folder();
            folder.write("out", "old");
            let before = names(&folder);
            let script = "ulimit -f 0; exec \"$@\" >/dev/null";
            let mut shell = shell_command(&folder, script, &format!("{command} out"));
            if !is_unnamed {
                without_unnamed_files(&mut shell, None);
            }
            let output = shell.output().expect("a shell");
            let what = format!("{command} {is_unnamed}: {output:?}");
            assert_eq!(output.status.signal(), Some(libc::SIGXFSZ), "{what}");
            assert_eq!(names(&folder), before, "{what}");
            assert_eq!(read(&folder, "out"), b"old", "{what}");
        }
    }
}

#[test]
fn a_file_system_without_unnamed_files_will_do() {
    for command in COMMANDS {
        let folder = folder();
        let expected = result(&folder, command);
        folder.write("out", "old");
        let before = names(&folder);
        let mut shell = shell_command(&folder, "\"$@\" >/dev/null", &format!("{command} out"));
        let output = without_unnamed_files(&mut shell, None).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(read(&folder, "out") == expected, "{command}");
        assert_eq!(names(&folder), before, "{command}");
    }
}

/// A copy of a guest that only its owner may read can be read by nobody else, however early they look: what is there if
/// the program is killed by its first write.
#[test]
fn a_secret_guest_is_secret_from_the_first_moment() {
    let folder = folder();
    let guest = folder.path().join("guest");
    fs::set_permissions(&guest, Permissions::from_mode(0o600)).expect("ours");
    let before = names(&folder);
    let script = "umask 0; exec \"$@\" >/dev/null";
    let mut shell = shell_command(&folder, script, "bind guest --provides list -o out");
    let output = without_unnamed_files(&mut shell, Some(libc::SYS_write)).output();
    let status = output.expect("a shell").status;
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
    let mut new = names(&folder);
    new.retain(|name| !before.contains(name));
    assert_eq!(new.len(), 1, "{new:?}");
    assert_eq!(mode(folder.path().join(&new[0])), 0o600, "{new:?}");
}

/// Pages of a manual are files, too.
#[test]
fn pages_of_the_manual_are_written_whole_or_not_at_all() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("man")).expect("a folder");
    assert!(folder.run("man man").status.success());
    let pages = || {
        let entries = fs::read_dir(folder.path().join("man")).expect("a folder");
        let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").path();
        let mut pages: Vec<_> = entries
            .map(path)
            .map(|path| (fs::read(&path).expect("a page"), path))
            .collect();
        pages.sort();
        pages
    };
    let before = pages();
    assert!(before.len() > 7, "{}", before.len());
    let output = shell(&folder, "trap '' XFSZ; ulimit -f 0; \"$@\"", "man man");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert!(pages() == before, "pages are lost");
    let output = folder.run("man absent");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write absent/pvhost"), "{said}");
}

#[test]
fn a_reader_of_the_result_that_goes_is_the_end_as_of_others() {
    for command in COMMANDS {
        let folder = folder();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = Command::new(env!("CARGO_BIN_EXE_pvhost"))
            .current_dir(folder.path())
            .args(command.split(' '))
            .arg("/dev/stdout")
            .stdout(writer)
            .status()
            .expect("pvhost");
        assert_eq!(status.signal(), Some(libc::SIGPIPE), "{command}: {status}");
    }
}
