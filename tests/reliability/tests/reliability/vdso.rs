// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's code in the process, by which a guest that is an ordinary Linux program reads its clocks, and enters
//! the kernel on i386: it is used where there is one, and missed nowhere else.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{ElfFile, FileHeader};
use object::{Endianness, Object, ObjectSymbol};
use paravirt_reliability_tests::guest::{self, Arch, number};
use paravirt_reliability_tests::on_each_architecture;
use test_support::need::{Need, User};
use test_trace::{Go, Stop, Traced};

on_each_architecture!(
    clocks_and_calls_go_by_the_kernel_s_code,
    a_kernel_that_tells_of_no_code_is_asked,
    code_without_the_clock_is_left_alone,
);

/// After that time the guest counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// Entries of the auxiliary vector (`getauxval(3)`).
const AT_IGNORE: u32 = 1;
const AT_SYSINFO: u32 = 32;
const AT_SYSINFO_EHDR: u32 = 33;

/// The guest `clock` before its first instruction.
struct Program {
    traced: Traced,
    printed: io::PipeReader,
    started: u64,
    /// Bytes of a word.
    width: u64,
    /// Kind, the address of the entry, and its value.
    auxiliary: Vec<(u32, u64, u64)>,
}

impl Program {
    fn start(arch: Arch) -> Self {
        let (printed, writer) = io::pipe().expect("a pipe");
        let started = unix_time();
        let traced = Traced::spawn(
            Command::new(test_support::guest(arch, "clock"))
                .stdin(Stdio::null())
                .stdout(writer),
            LIMIT,
        );
        let traced = match traced {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Need::User(User::Tracing).panic(&error.to_string())
            }
            traced => traced.expect("the guest starts"),
        };
        let width = match arch {
            Arch::I386 => 4,
            _ => 8,
        };
        let auxiliary = auxiliary(&traced, width).expect("the stack of a program");
        Self {
            traced,
            printed,
            started,
            width,
            auxiliary,
        }
    }

    /// Lets the entries of that kind be others.
    fn change(&self, kind: u32, (to, value): (u32, u32)) {
        for (found, address, _) in &self.auxiliary {
            if *found == kind {
                let set = |address, word| self.traced.set_word(address, word);
                set(*address, to).expect("its stack");
                set(address + self.width, value).expect("its stack");
                if self.width == 8 {
                    set(address + self.width + 4, 0).expect("its stack");
                }
            }
        }
    }

    fn value(&self, kind: u32) -> u64 {
        let entry = self.auxiliary.iter().find(|entry| entry.0 == kind);
        entry
            .unwrap_or_else(|| panic!("this kernel tells of no code (AT_SYSINFO, {kind})"))
            .2
    }

    /// Goes to the code at `address`, as it must.
    fn reach(&mut self, address: u64) {
        let laid = self.traced.lay_breakpoint(address).expect("its code");
        self.traced.go(Go::On, 0).expect("it stands");
        assert_eq!(self.traced.wait().expect("it runs"), Stop::Breakpoint);
        assert!(self.traced.lift_breakpoint(laid).expect("its code"));
    }

    /// Goes on to the end: both clocks are right.
    fn finish(mut self) {
        self.traced.go(Go::On, 0).expect("it stands");
        let stop = self.traced.wait().expect("it runs");
        let ended = unix_time();
        let mut printed = String::new();
        self.printed
            .read_to_string(&mut printed)
            .expect("the guest prints text");
        assert!(
            matches!(stop, Stop::Ended(status) if status.success()),
            "{stop:?}: {printed}"
        );
        for label in ["at start:", "wall:"] {
            let time = number(&printed, label);
            assert!(
                (self.started..=ended).contains(&time),
                "{} <= {time} <= {ended}: {printed}",
                self.started
            );
        }
    }
}

fn unix_time() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = time.expect("it is later than 1970").as_nanos();
    u64::try_from(time).expect("it is not later than 2554")
}

/// The auxiliary vector, which lies behind arguments and environment on the initial stack.
fn auxiliary(program: &Traced, width: u64) -> io::Result<Vec<(u32, u64, u64)>> {
    let word = |address| -> io::Result<u64> {
        let low = program.word(address)?;
        let high = if width == 8 { program.word(address + 4)? } else { 0 };
        Ok(u64::from(high) << 32 | u64::from(low))
    };
    let mut next = program.registers()?.rsp + width;
    for _ in ["arguments", "environment"] {
        while word(next)? != 0 {
            next += width;
        }
        next += width;
    }
    let mut entries = Vec::new();
    loop {
        let kind = program.word(next)?;
        if kind == 0 {
            return Ok(entries);
        }
        entries.push((kind, next, word(next + width)?));
        next += 2 * width;
    }
}

/// The address of a function of the ELF file at `image` in the program's memory.
fn function(program: &Traced, arch: Arch, image: u64, name: &str) -> u64 {
    let mut content = Vec::new();
    while let Ok(word) = program.word(image + content.len() as u64) {
        content.extend(word.to_le_bytes());
    }
    let address = match arch {
        Arch::I386 => address_of::<FileHeader32<Endianness>>(&content, name),
        _ => address_of::<FileHeader64<Endianness>>(&content, name),
    };
    image + address.unwrap_or_else(|| panic!("this kernel has no {name}"))
}

fn address_of<H: FileHeader<Endian = Endianness>>(content: &[u8], name: &str) -> Option<u64> {
    let file = ElfFile::<H>::parse(content).expect("an ELF file");
    file.dynamic_symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .map(|symbol| symbol.address())
}

fn clocks_and_calls_go_by_the_kernel_s_code(arch: Arch) {
    let mut program = Program::start(arch);
    let image = program.value(AT_SYSINFO_EHDR);
    let clock = match arch {
        Arch::I386 => "__vdso_clock_gettime64",
        _ => "__vdso_clock_gettime",
    };
    let clock = function(&program.traced, arch, image, clock);
    program.reach(clock);
    if arch == Arch::I386 {
        let entry = program.value(AT_SYSINFO);
        program.reach(entry);
    }
    program.finish();
}

/// As with the kernel's option `vdso=0`, under valgrind, and in emulators.
fn a_kernel_that_tells_of_no_code_is_asked(arch: Arch) {
    let program = Program::start(arch);
    for kind in [AT_SYSINFO, AT_SYSINFO_EHDR] {
        program.change(kind, (AT_IGNORE, 0));
    }
    program.finish();
}

/// An ELF file that has no such function: the guest itself.
fn code_without_the_clock_is_left_alone(arch: Arch) {
    let image = guest::open(arch, "clock");
    let start = image.symbols().address_of("__image_start");
    let start = u32::try_from(start.expect("it has the symbol")).expect("below 2 GiB");
    let program = Program::start(arch);
    program.change(AT_SYSINFO_EHDR, (AT_SYSINFO_EHDR, start));
    program.finish();
}
