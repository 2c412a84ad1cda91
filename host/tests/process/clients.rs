// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console elsewhere than on standard input and output: clients come to it and go (`--console`).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Output, Stdio};
use std::thread;
use std::time::Duration;

use pvhost::process::Console;
use tempfile::TempDir;

use super::guests::{Arch, Running, each, guest, pvhost, run, text, wait_for, with_small_disk};
use super::program::report;

/// Kinds of consoles that have clients.
const KINDS: [&str; 3] = ["unix", "tcp", "pty"];

/// A guest whose console has clients.
struct Served {
    running: Running,
    /// As the program has said it.
    place: String,
    stderr: BufReader<ChildStderr>,
    folder: TempDir,
}

impl Served {
    /// `kind`: `unix`, `tcp` or `pty`, with or without `,wait`.
    fn start(guest: &Path, kind: &str, options: &[&str], arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let console = match kind.split_once(',').unwrap_or((kind, "")) {
            ("unix", how) => format!("unix:{},{how}", socket.display()),
            ("tcp", how) => format!("tcp:0,{how}"),
            (kind, how) => format!("{kind},{how}"),
        };
        let console = console.trim_end_matches(',');
        let options = [&["--console", console, "--json"], options].concat();
        let mut command = pvhost(guest, &options, arguments);
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let mut stderr = BufReader::new(running.0.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a pipe");
        let place = line.trim_end().strip_prefix("pvhost: console: ");
        let place = place.unwrap_or_else(|| panic!("{kind}: {line}")).to_owned();
        Self {
            running,
            place,
            stderr,
            folder,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn client(&self) -> Client {
        Client::connect(&self.place)
    }

    /// Waits for the end.
    fn ends(mut self) -> Output {
        let status = self.running.ends();
        let mut stderr = Vec::new();
        self.stderr.read_to_end(&mut stderr).expect("a pipe");
        assert!(!self.socket().exists(), "it is removed in the end");
        Output {
            status,
            stdout: Vec::new(),
            stderr,
        }
    }
}

impl Drop for Served {
    /// A test that fails shows what pvhost has said.
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.running.0.kill();
            let mut said = String::new();
            let _ = self.stderr.read_to_string(&mut said);
            eprintln!("{} said: {said}", self.place);
        }
    }
}

/// Of a console.
struct Client {
    file: File,
    shut: Option<Box<dyn Fn()>>,
}

impl Client {
    fn connect(place: &str) -> Self {
        if let Some(path) = place.strip_prefix("unix:") {
            let stream = UnixStream::connect(path).expect("somebody listens");
            let file = File::from(OwnedFd::from(stream.try_clone().expect("a second handle")));
            let shut = Box::new(move || stream.shutdown(Shutdown::Write).expect("it is open"));
            return Self { file, shut: Some(shut) };
        }
        if let Some(address) = place.strip_prefix("tcp:") {
            let stream = TcpStream::connect(address).expect("somebody listens");
            let file = File::from(OwnedFd::from(stream.try_clone().expect("a second handle")));
            let shut = Box::new(move || stream.shutdown(Shutdown::Write).expect("it is open"));
            return Self { file, shut: Some(shut) };
        }
        let mut options = File::options();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        let file = options.open(place).expect("a terminal");
        Self { file, shut: None }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).expect("somebody reads");
    }

    /// Reads that many bytes or to the end; a terminal's is an error.
    fn read(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let mut count = 0;
        while count < most {
            match self.file.read(&mut bytes[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.raw_os_error() == Some(libc::EIO) => break,
                Err(error) => panic!("{error}"),
            }
        }
        bytes.truncate(count);
        bytes
    }

    fn expect(&mut self, expected: &str) {
        assert_eq!(text(&self.read(expected.len())), expected);
    }

    /// Goes so that nothing is on its way: says so, and takes what has been sent. A terminal keeps that.
    fn go(mut self) -> Vec<u8> {
        match self.shut.take() {
            Some(shut) => {
                shut();
                self.read(usize::MAX >> 32)
            }
            None => Vec::new(),
        }
    }
}

/// What the guest `lines` prints, but for its last line.
fn lines(count: usize) -> String {
    (0..count).map(|line| format!("line {line:07}\n")).collect()
}

fn assert_lines(found: &[u8], count: usize, what: &str) {
    let (found, expected) = (text(found), lines(count));
    let same = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
    assert!(
        found.starts_with(&expected),
        "{what}: of {} bytes the first {same} are right, then {:?}",
        found.len(),
        &found[same..found.len().min(same + 100)]
    );
    let rest = &found[expected.len()..];
    assert!(
        rest.contains(" ticks of ") && rest.lines().count() == 1,
        "{what}: {rest:?}"
    );
}

fn unread(output: &Output) -> u64 {
    report(output)["output_unread"].as_u64().expect("a number")
}

#[test]
fn output_and_input_go_both_ways_and_clients_come_and_go() {
    for (arch, guest) in each("echo") {
        for kind in KINDS {
            for wait in ["", ",wait"] {
                let what = format!("{arch} {kind}{wait}");
                let served = Served::start(&guest, &format!("{kind}{wait}"), &[], &[]);
                let mut first = served.client();
                first.expect("echo: type, Ctrl-D ends\n");
                first.write(b"first");
                first.expect("first");
                drop(first);
                let mut second = served.client();
                second.write(b"second");
                second.expect("second");
                if kind != "pty" {
                    // It waits for its turn.
                    let mut third = served.client();
                    third.write(b"third\x04");
                    second.write(b"and");
                    second.expect("and");
                    drop(second);
                    third.expect("thirdecho: 19 bytes\n");
                    assert_eq!(third.read(1), b"", "{what}: the end");
                } else {
                    second.write(b"\x04");
                    second.expect("echo: 11 bytes\n");
                }
                let output = served.ends();
                let stderr = text(&output.stderr);
                assert_eq!(output.status.code(), Some(0), "{what}: {stderr}");
                assert_eq!(stderr.lines().count(), 1, "{what}: {stderr}");
                assert_eq!(unread(&output), 0, "{what}");
            }
        }
    }
}

/// Input of clients that have gone is the guest's all the same, whether it has asked for it yet or not.
#[test]
fn input_of_a_client_that_has_gone_arrives() {
    for (arch, guest) in each("echo") {
        for kind in KINDS {
            let served = Served::start(&guest, &format!("{kind},wait"), &[], &[]);
            let input: Vec<u8> = (0..200_000).map(|n| b"0123456789\n"[n % 11]).collect();
            let mut expected = b"echo: type, Ctrl-D ends\n".to_vec();
            expected.extend(&input);
            expected.extend(b"echo: 200000 bytes\n");
            let mut first = served.client();
            // What the guest echoes has to be taken, or it would not read on.
            let mut output = Vec::new();
            for piece in input.chunks(1000) {
                first.write(piece);
                output.extend(first.read(piece.len()));
            }
            first.write(b"\x04");
            output.extend(first.go());
            // Nobody is waited for when the first has got all.
            if output != expected {
                output.extend(served.client().read(1 << 20));
            }
            assert!(output == expected, "{arch} {kind}: {} bytes", output.len());
            assert_eq!(served.ends().status.code(), Some(0), "{arch} {kind}");
        }
    }
}

/// Of a guest that never asks for any: the next one's turn comes all the same.
#[test]
fn a_client_may_go_whose_input_nobody_wants() {
    for (arch, guest) in each("lines") {
        for kind in ["unix", "tcp"] {
            let served = Served::start(&guest, &format!("{kind},wait"), &[], &["3000", "100", "stay"]);
            let mut first = served.client();
            first.write(&[b'x'; 150_000]);
            let mut output = first.go();
            let mut second = served.client();
            output.extend(second.read(lines(3000).len() - output.len()));
            assert!(
                output == lines(3000).as_bytes(),
                "{arch} {kind}: {} bytes",
                output.len()
            );
            served.running.signal(libc::SIGTERM);
            assert_eq!(served.ends().status.signal(), Some(libc::SIGTERM), "{arch} {kind}");
        }
    }
}

#[test]
fn nothing_is_lost_when_the_reader_goes_and_comes() {
    const COUNT: usize = 20_000;
    for (arch, guest) in each("lines") {
        for kind in KINDS {
            let what = format!("{arch} {kind}");
            let served = Served::start(&guest, &format!("{kind},wait"), &[], &[&COUNT.to_string(), "20"]);
            let mut output = Vec::new();
            let mut visits = 0;
            while output.len() < lines(COUNT).len() {
                let mut client = served.client();
                output.extend(client.read(10_007));
                output.extend(client.go());
                visits += 1;
                thread::sleep(Duration::from_millis(5));
            }
            assert!(visits > 3, "{what}: {visits}");
            // It may still wait for somebody to take its last line.
            if !text(&output).contains("ticks") {
                output.extend(served.client().read(1000));
            }
            assert_lines(&output, COUNT, &what);
            let ended = served.ends();
            assert_eq!(ended.status.code(), Some(0), "{what}: {}", text(&ended.stderr));
            assert_eq!(unread(&ended), 0, "{what}");
        }
    }
}

#[test]
fn a_guest_that_waits_for_its_reader_waits_for_the_next_one_too() {
    const COUNT: usize = 200_000;
    assert!(lines(COUNT).len() > 2 * Console::KEPT);
    for (arch, guest) in each("lines") {
        for kind in KINDS {
            let what = format!("{arch} {kind}");
            let served = Served::start(&guest, &format!("{kind},wait"), &[], &[&COUNT.to_string()]);
            let mut client = served.client();
            let mut output = client.read(1000);
            output.extend(client.go());
            served.running.wait_until_stalled();
            output.extend(served.client().read(usize::MAX >> 32));
            assert_lines(&output, COUNT, &what);
            let ended = served.ends();
            assert_eq!(ended.status.code(), Some(0), "{what}: {}", text(&ended.stderr));
            assert_eq!(unread(&ended), 0, "{what}");
        }
    }
}

#[test]
fn without_a_reader_the_oldest_output_is_dropped_and_counted() {
    const COUNT: usize = 200_000;
    for (arch, guest) in each("lines") {
        for kind in KINDS {
            let what = format!("{arch} {kind}");
            let all = lines(COUNT);
            let served = Served::start(&guest, kind, &[], &[&COUNT.to_string(), "0", "stay"]);
            served.running.wait_until_stalled();
            let mut client = served.client();
            let kept = text(&client.read(Console::KEPT));
            assert!(kept == all[all.len() - Console::KEPT..], "{what}: {:?}", &kept[..100]);
            served.running.signal(libc::SIGTERM);
            let ended = served.ends();
            assert_eq!(ended.status.signal(), Some(libc::SIGTERM), "{what}");
            let dropped = (all.len() - Console::KEPT) as u64;
            assert_eq!(unread(&ended), dropped, "{what}");
            let stderr = text(&ended.stderr);
            let warning = format!("pvhost: warning: {dropped} bytes of the guest's output are lost: ");
            assert!(stderr.starts_with(&warning), "{what}: {stderr}");

            // Nobody ever comes.
            let served = Served::start(&guest, kind, &[], &["3"]);
            let ended = served.ends();
            assert_eq!(ended.status.code(), Some(0), "{what}");
            assert!(unread(&ended) > lines(3).len() as u64, "{what}");
        }
    }
}

#[test]
fn two_guests_have_a_console_each() {
    for (arch, guest) in each("echo") {
        for kind in KINDS {
            let both = [(); 2].map(|()| Served::start(&guest, kind, &[], &[]));
            let mut clients = both.each_ref().map(Served::client);
            for client in &mut clients {
                client.expect("echo: type, Ctrl-D ends\n");
            }
            for word in ["one", "two", "three"] {
                for (client, name) in clients.iter_mut().zip(["a", "b"]) {
                    client.write(format!("{name} {word}").as_bytes());
                }
                for (client, name) in clients.iter_mut().zip(["a", "b"]) {
                    client.expect(&format!("{name} {word}"));
                }
            }
            for client in &mut clients {
                client.write(b"\x04");
                client.expect("echo: 17 bytes\n");
            }
            for served in both {
                assert_eq!(served.ends().status.code(), Some(0), "{arch} {kind}");
            }
        }
    }
}

#[test]
fn a_guest_that_waits_for_its_reader_begins_with_it() {
    for (arch, guest) in each("watch") {
        for kind in KINDS {
            let kind = format!("{kind},wait");
            let served = Served::start(&guest, &kind, &[], &["time", "50", "1"]);
            thread::sleep(Duration::from_millis(500));
            served.running.wait_until_stalled();
            let seen = text(&served.client().read(1000));
            let ms = seen
                .strip_prefix("time 1: ")
                .and_then(|rest| rest.strip_suffix(" ms\n"));
            let ms: u64 = ms.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{seen:?}"));
            assert!((50..500).contains(&ms), "{arch} {kind}: guest time began before: {ms}");
            assert_eq!(served.ends().status.code(), Some(0), "{arch} {kind}");

            for signal in [libc::SIGINT, libc::SIGTERM] {
                let served = Served::start(&guest, &kind, &[], &[]);
                served.running.wait_until_stalled();
                served.running.signal(signal);
                let ended = served.ends();
                assert_eq!(ended.status.signal(), Some(signal), "{arch} {kind}");
                assert_eq!(
                    report(&ended)["calls"][0]["count"],
                    0,
                    "{arch} {kind}: it has not begun"
                );
            }
            let ended = Served::start(&guest, &kind, &["--timeout", "0.3"], &[]).ends();
            assert_eq!(ended.status.code(), Some(124), "{arch} {kind}");
        }
    }
}

/// What can be lost by that is said.
#[test]
fn a_client_that_does_not_read_keeps_no_run_from_its_end() {
    for (arch, guest) in each("lines") {
        for kind in KINDS {
            // One that has ended, but for what is to be read, and one that never does.
            for count in ["70000", "9999999"] {
                for signal in [None, Some(libc::SIGINT), Some(libc::SIGTERM)] {
                    let what = format!("{arch} {kind} {count} {signal:?}");
                    let timeout = if signal.is_some() { "60" } else { "1.5" };
                    let served = Served::start(&guest, &format!("{kind},wait"), &["--timeout", timeout], &[count]);
                    let mut client = served.client();
                    client.expect("line 0000000\n");
                    if let Some(signal) = signal {
                        served.running.wait_until_stalled();
                        served.running.signal(signal);
                    }
                    let ended = served.ends();
                    match signal {
                        Some(_) => assert_eq!(ended.status.signal(), signal, "{what}"),
                        None => assert_eq!(ended.status.code(), Some(124), "{what}"),
                    }
                    assert!(unread(&ended) > 0, "{what}");
                    let stderr = text(&ended.stderr);
                    assert!(
                        stderr.contains(" bytes of the guest's output are lost: "),
                        "{what}: {stderr}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_slow_reader_costs_no_tick() {
    const COUNT: usize = 200_000;
    for (arch, guest) in each("lines") {
        for kind in KINDS {
            let what = format!("{arch} {kind}");
            let served = Served::start(&guest, &format!("{kind},wait"), &[], &[&COUNT.to_string()]);
            let mut client = served.client();
            let mut output = client.read(1000);
            served.running.wait_until_stalled();
            thread::sleep(Duration::from_millis(100));
            output.extend(client.read(usize::MAX >> 32));
            assert_lines(&output, COUNT, &what);
            // The guest's own judgement.
            assert_eq!(served.ends().status.code(), Some(0), "{what}");
        }
    }
}

/// The command and its refusal, which begins with that.
fn is_refused(arch: Arch, console: &str, options: &[&str], status: i32, reason: &str) {
    let options = [&["--console", console], options].concat();
    let output = run(&guest(arch, "hello"), &options, &[]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{console}: {stderr}");
    assert!(
        stderr.starts_with(&format!("pvhost: error: {reason}")),
        "{console}: {stderr}"
    );
    assert!(output.stdout.is_empty(), "{console}: no guest has run");
}

#[test]
fn a_socket_takes_the_place_of_a_dead_one_and_of_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let console = format!("unix:{}", path.display());
    let shown = path.display();
    for arch in Arch::ALL {
        // Left by a process that has gone.
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(path.exists());
        let output = run(&guest(arch, "hello"), &["--console", &console], &[]);
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stderr));
        assert!(!path.exists(), "{arch}");

        let living = UnixListener::bind(&path).expect("a socket");
        living.set_nonblocking(true).expect("a socket");
        is_refused(
            arch,
            &console,
            &[],
            1,
            &format!("console: the socket {shown} is in use by another process; "),
        );
        let asked = living.accept().expect_err("nobody has come");
        assert_eq!(asked.kind(), ErrorKind::WouldBlock, "{arch}");
        drop(living);
        fs::remove_file(&path).expect("our socket");

        fs::write(&path, "precious").expect("a file");
        let reason = format!("console: {shown} exists and is no socket, so it is left as it is; ");
        is_refused(arch, &console, &[], 1, &reason);
        assert_eq!(fs::read(&path).expect("a file"), b"precious", "{arch}");
        fs::remove_file(&path).expect("our file");

        fs::create_dir(&path).expect("a folder");
        is_refused(arch, &console, &[], 1, &reason);
        fs::remove_dir(&path).expect("our folder");

        let nowhere = format!("unix:{shown}/no/such");
        is_refused(
            arch,
            &nowhere,
            &[],
            1,
            &format!("console: cannot listen on the socket {shown}/no/such: "),
        );
    }
}

#[test]
fn a_socket_is_removed_whatever_ends_the_program_unless_it_is_anothers() {
    for (arch, guest) in each("echo") {
        for signal in [libc::SIGKILL, libc::SIGSEGV, libc::SIGTERM] {
            let mut served = Served::start(&guest, "unix", &[], &[]);
            served.client().expect("echo");
            served.running.signal(signal);
            assert_eq!(served.running.ends().signal(), Some(signal), "{arch}");
            wait_for("the socket to go", || !served.socket().exists());
        }
        let mut served = Served::start(&guest, "unix", &[], &[]);
        served.client().expect("echo");
        fs::remove_file(served.socket()).expect("our child's socket");
        let _other = UnixListener::bind(served.socket()).expect("a socket");
        served.running.signal(libc::SIGTERM);
        assert_eq!(served.running.ends().signal(), Some(libc::SIGTERM), "{arch}");
        // All of its processes have gone.
        let mut rest = String::new();
        served.stderr.read_to_string(&mut rest).expect("a pipe");
        thread::sleep(Duration::from_millis(50));
        let kind = fs::metadata(served.socket()).expect("it is there").file_type();
        assert!(kind.is_socket(), "{arch}");
    }
}

#[test]
fn a_sockets_name_may_be_as_long_as_linux_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = |length: usize| {
        let rest = length - folder.path().as_os_str().len() - 1;
        folder.path().join("x".repeat(rest))
    };
    for arch in Arch::ALL {
        let console = format!("unix:{}", name(107).display());
        let output = run(&guest(arch, "hello"), &["--console", &console], &[]);
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stderr));
        let console = format!("unix:{}", name(108).display());
        is_refused(
            arch,
            &console,
            &[],
            1,
            "console: the name of a socket has 107 bytes at most, and ",
        );
    }
    assert_eq!(fs::read_dir(folder.path()).expect("our folder").count(), 0);
}

#[test]
fn a_port_is_this_machines_alone_unless_that_is_permitted() {
    for arch in Arch::ALL {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let console = format!("tcp:{address}");
            is_refused(
                arch,
                &console,
                &[],
                1,
                &format!("console: the address {address} can be reached from the network, "),
            );
        }
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address");
        let reason = format!("console: cannot listen on {address}: Address already in use");
        is_refused(arch, &format!("tcp:{}", address.port()), &[], 1, &reason);
        let open = ["--console-open-to-network"];
        is_refused(
            arch,
            "pty",
            &open,
            2,
            "`--console-open-to-network` is for `--console tcp:HOST:PORT` only",
        );

        let mut command = pvhost(
            &guest(arch, "hello"),
            &["--console", "tcp:0.0.0.0:0,wait", open[0]],
            &[],
        );
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let mut line = String::new();
        let mut stderr = BufReader::new(running.0.stderr.take().expect("piped"));
        stderr.read_line(&mut line).expect("a pipe");
        let port = line.trim_end().strip_prefix("pvhost: console: tcp:0.0.0.0:");
        let port = port.unwrap_or_else(|| panic!("{arch}: {line}"));
        let seen = Client::connect(&format!("tcp:127.0.0.1:{port}")).read(1000);
        assert!(text(&seen).starts_with("Hello"), "{arch}");
        assert_eq!(running.ends().code(), Some(0), "{arch}");
    }
}

#[test]
fn a_file_gets_the_output_as_it_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("output");
    let console = format!("file:{}", file.display());
    for (arch, guest) in each("fault") {
        fs::write(&file, "x".repeat(10_000)).expect("a file");
        let mut command = pvhost(&guest, &["--console", &console], &["hang"]);
        let mut running = Running::start(command.stdout(Stdio::null()));
        wait_for("the guest's first line", || {
            fs::read(&file).is_ok_and(|text| text == b"hanging\n")
        });
        running.signal(libc::SIGTERM);
        assert_eq!(running.ends().signal(), Some(libc::SIGTERM), "{arch}");
    }
    for (arch, guest) in each("echo") {
        let output = run(&guest, &["--console", &console], &[]);
        assert_eq!(output.status.code(), Some(0), "{arch}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arch}");
        let written = fs::read_to_string(&file).expect("a file");
        assert_eq!(
            written, "echo: type, Ctrl-D ends\necho: 0 bytes\n",
            "{arch}: the input has ended"
        );

        let output = run(&guest, &["--console", "file:/dev/full"], &[]);
        assert_eq!(output.status.code(), Some(1), "{arch}");
        let stderr = text(&output.stderr);
        let error = "pvhost: error: cannot write the guest's output: No space left";
        assert!(stderr.starts_with(error), "{arch}: {stderr}");

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&guest, &link).expect("a link");
        let size = fs::metadata(&guest).expect("a guest").len();
        let output = run(&guest, &["--console", &format!("file:{}", link.display())], &[]);
        fs::remove_file(&link).expect("our link");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arch}: {stderr}");
        assert!(
            stderr.contains(" is the guest itself, which would be lost; "),
            "{arch}: {stderr}"
        );
        assert_eq!(fs::metadata(&guest).expect("a guest").len(), size, "{arch}");

        // A guest that does not start takes nobody's place.
        fs::write(&file, "precious").expect("a file");
        let output = run(&guest, &["--console", &console, "--memory", "8GiB"], &[]);
        assert_eq!(output.status.code(), Some(1), "{arch}: {}", text(&output.stderr));
        assert_eq!(fs::read(&file).expect("a file"), b"precious", "{arch}");
    }
    for arch in Arch::ALL {
        let nowhere = folder.path().join("no/such");
        let console = format!("file:{}", nowhere.display());
        is_refused(
            arch,
            &console,
            &[],
            1,
            &format!("cannot open the file {} for the console: ", nowhere.display()),
        );
    }
}

#[test]
fn a_disk_that_gets_full_is_an_error_and_has_what_it_took() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arch, guest) in each("lines") {
        let console = format!("file:{}", folder.path().join("output").display());
        let command = pvhost(&guest, &["--console", &console], &["20000"]);
        let output = with_small_disk(folder.path(), &command, "cat output");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arch}: {stderr}");
        assert!(
            stderr.contains("cannot write the guest's output: No space left"),
            "{arch}: {stderr}"
        );
        assert!(output.stdout.len() >= 60_000, "{arch}: {}", output.stdout.len());
        assert!(lines(20_000).as_bytes().starts_with(&output.stdout), "{arch}");
    }
}

#[test]
fn the_thread_that_serves_clients_is_confined_too() {
    for (arch, guest) in each("echo") {
        for kind in KINDS {
            let served = Served::start(&guest, kind, &[], &[]);
            let mut client = served.client();
            client.expect("echo: type");
            let tasks = format!("/proc/{}/task", served.running.0.id());
            let mut names = Vec::new();
            for task in fs::read_dir(tasks).expect("our child") {
                let task = task.expect("our child").path();
                let status = fs::read_to_string(task.join("status")).expect("our child");
                assert!(status.contains("\nSeccomp:\t2\n"), "{arch} {kind}: {status}");
                names.push(fs::read_to_string(task.join("comm")).expect("our child"));
            }
            assert!(names.iter().any(|name| name == "console\n"), "{arch} {kind}: {names:?}");
            client.write(b"\x04");
            client.read(1000);
            assert_eq!(served.ends().status.code(), Some(0), "{arch} {kind}");
        }
    }
}

/// It may not keep anybody waiting who waits for the end of a pipe of ours.
#[test]
fn the_process_that_removes_the_socket_has_no_descriptors_of_ours() {
    for (arch, guest) in each("echo") {
        let served = Served::start(&guest, "unix", &[], &[]);
        served.client().expect("echo");
        let program = served.running.0.id();
        let others = fs::read_dir("/proc").expect("a list of processes").filter_map(|entry| {
            let folder = entry.ok()?.path();
            let line = fs::read(folder.join("cmdline")).ok()?;
            let is_another = folder.file_name()?.to_str()? != program.to_string();
            let is_of_it = text(&line).contains(&*served.socket().to_string_lossy());
            (is_another && is_of_it).then_some(folder)
        });
        let others: Vec<_> = others.collect();
        assert_eq!(others.len(), 1, "{arch}");
        wait_for("it to close all but one", || {
            let open = fs::read_dir(others[0].join("fd"));
            open.expect("our child's child").count() == 1
        });
        served.running.signal(libc::SIGTERM);
        served.ends();
        // Where nobody waits for orphans, it stays as one that has ended.
        wait_for("it to end", || {
            let stat = fs::read_to_string(others[0].join("stat"));
            stat.map_or(true, |stat| stat.contains(") Z ") || stat.contains(") X "))
        });
    }
}

#[test]
fn a_console_is_for_the_process_host() {
    for arch in Arch::ALL {
        for host in ["qemu", "xen"] {
            is_refused(
                arch,
                "pty",
                &["--host", host],
                2,
                "`--console` is for `--host process` only; ",
            );
        }
    }
}
