// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the ELF entry point to `main`, and what the host said on the way.
//!
//! The value of the magic register tells who entered: a host that passes a start info block has filled the slots, or
//! names its resolver; for any other way of entry, the in-guest backends of the image are asked in turn.
//!
//! ```no_run
//! use paravirt_bsp::{println, start};
//!
//! fn run() {
//!     for argument in start::arguments() {
//!         println!("{argument}");
//!     }
//!     for range in start::memory() {
//!         println!("{:#x}, {} KiB", range.start, range.size >> 10);
//!     }
//! }
//! # fn main() {}
//! ```

use core::ffi::c_void;
use core::fmt;

use paravirt_abi::start::{Features, MAGIC, MemoryRange, StartInfo};

use crate::local::Local;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use crate::upcall;
use crate::{backend, cpu, external, power};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86")]
mod i386;
#[cfg(target_arch = "x86_64")]
mod x86_64;

static INFO: Local<Option<&'static StartInfo>> = Local::new(None);

/// Which of the image's entry points was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// The ELF entry point.
    Elf,
    /// The one of the PVH note, in ring 0; [`Entry::argument`] is the address of an `hvm_start_info`.
    Pvh,
    /// The ELF entry point, at EL1 of an AArch64 processor out of reset; [`Entry::argument`] is the address of a device
    /// tree, or 0.
    Reset,
    /// The one of Xen's notes for paravirtualized guests; [`Entry::argument`] is the address of a `start_info`.
    XenPv,
    /// One that a backend brings, by a name for messages; what [`Entry::argument`] is, that backend knows.
    Own(&'static str),
}

/// How the image was entered: what tells hosts apart.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The entry point.
    pub point: EntryPoint,
    /// The magic register; [`MAGIC`] if a start info block follows.
    pub magic: usize,
    /// The register that holds the block's address.
    pub argument: usize,
    /// The stack pointer.
    pub stack: *mut c_void,
}

/// The start info block, `None` before start-up has read it.
#[must_use]
pub fn info() -> Option<&'static StartInfo> {
    INFO.get()
}

/// The command line; empty if there is none.
#[must_use]
pub fn command_line() -> &'static str {
    let Some(info) = info() else { return "" };
    if info.command_line == 0 {
        return "";
    }
    // SAFETY: the host or backend answers for address and length, and the block is never changed.
    let bytes = unsafe {
        core::slice::from_raw_parts(
            info.command_line as usize as *const u8,
            info.command_line_length as usize,
        )
    };
    core::str::from_utf8(bytes).unwrap_or("")
}

/// The arguments of the command line.
pub fn arguments() -> impl Iterator<Item = &'static str> {
    command_line().split_ascii_whitespace()
}

/// The guest's memory. What is free may be executed only if [`crate::executable_memory!`] asks for it.
#[must_use]
pub fn memory() -> &'static [MemoryRange] {
    let Some(info) = info() else { return &[] };
    if info.memory == 0 {
        return &[];
    }
    // SAFETY: as for the command line.
    unsafe { core::slice::from_raw_parts(info.memory as usize as *const MemoryRange, info.memory_count as usize) }
}

/// What `main` may return: nothing, an exit status, or a `Result` of these.
///
/// ```no_run
/// use paravirt_bsp::timer::Timer;
///
/// paravirt_bsp::image! { main: run }
///
/// fn run() -> Result<(), paravirt_bsp::Error> {
///     Timer::new(1).ok_or(paravirt_bsp::Error::NoSuchDevice)?.stop()
/// }
/// # fn main() {}
/// ```
pub trait Termination {
    /// The guest's exit status.
    fn code(self) -> i32;
}

impl Termination for () {
    fn code(self) -> i32 {
        0
    }
}

impl Termination for i32 {
    fn code(self) -> i32 {
        self
    }
}

/// An error is printed, and the exit status is 1.
impl<T: Termination, E: fmt::Debug> Termination for Result<T, E> {
    fn code(self) -> i32 {
        match self {
            Ok(value) => value.code(),
            Err(error) => {
                crate::println!("Error: {error:?}");
                1
            }
        }
    }
}

/// Runs the `main` of an image in Rust.
///
/// # Safety
/// For [`image!`], at the start: interrupts are off, and nobody counts on it.
#[doc(hidden)]
pub unsafe fn run_main<T: Termination>(main: fn() -> T) -> i32 {
    // SAFETY: passed on to the caller.
    unsafe { cpu::enable_interrupts() };
    main().code()
}

unsafe extern "C" {
    /// Defined by [`crate::image!`], or by a C image.
    fn paravirt_main() -> i32;
}

/// Where the entry points of all architectures meet: takes what the entry registers held, finds out who entered, fills
/// the slots if nobody has, and calls the image's `main`. i386, x86-64 and AArch64 have their entry point in this
/// crate; elsewhere an image brings one.
///
/// # Safety
/// For an entry point, once, on a stack of the image's own, with the values that the host left: if `magic` is
/// [`MAGIC`], `argument` must be the address of a [`StartInfo`] that stays as it is.
pub unsafe extern "C" fn enter(magic: usize, argument: usize, stack: *mut c_void) -> ! {
    let entry = Entry {
        point: EntryPoint::Elf,
        magic,
        argument,
        stack,
    };
    if magic == MAGIC as usize {
        // SAFETY: with the magic, the host passes the block's address; it stays as it is.
        run(unsafe { &*(argument as *const StartInfo) })
    }
    // SAFETY: handed on.
    unsafe { enter_by(&entry) }
}

/// Where entry points meet whose host does not pass a start info block: the image's backends are asked in turn. A
/// backend's own entry point ends here, in assembly that has set up a stack:
///
/// ```no_run
/// use core::ffi::c_void;
/// use paravirt_bsp::start::{self, Entry, EntryPoint};
///
/// unsafe extern "C" fn entered(argument: usize, stack: *mut c_void) -> ! {
///     let entry = Entry { point: EntryPoint::Own("MyHypervisor note"), magic: 0, argument, stack };
///     // SAFETY: called once by the entry point, on the image's stack, with what the host left.
///     unsafe { start::enter_by(&entry) }
/// }
/// # fn main() {}
/// ```
///
/// # Safety
/// For an entry point, once, on a stack of the image's own, in `entry` the values that the host left.
pub unsafe fn enter_by(entry: &Entry) -> ! {
    // Already what a backend says may go by a library.
    #[cfg(target_arch = "aarch64")]
    external::bind_linked();
    run(backend::start(entry))
}

fn run(info: &'static StartInfo) -> ! {
    // Whoever has filled the slots did so without regard to it.
    #[cfg(target_arch = "aarch64")]
    external::bind_linked();
    // What else the block says, its resolver too, means something to this version only.
    if info.magic != MAGIC || info.version != paravirt_abi::VERSION {
        power::fatal(
            format_args!(
                "the host speaks ABI version {}, this guest version {}",
                info.version,
                paravirt_abi::VERSION
            ),
            1,
        );
    }
    INFO.set(Some(info));
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    upcall::find_components();
    if Features::from_bits_retain(info.features).contains(Features::LAZY) {
        // SAFETY: a host that offers lazy binding passes its resolver's address.
        unsafe { external::set_resolver(info.resolver as usize) };
    }
    // They find what `main` finds: bound slots, the start info, interrupts off.
    let mut constructor = (&raw const CONSTRUCTORS).cast::<unsafe extern "C" fn()>();
    while constructor < (&raw const CONSTRUCTORS_END).cast() {
        // SAFETY: an element between the two symbols. Compilers put functions there that are to be called so, once.
        unsafe { constructor.read()() };
        constructor = constructor.wrapping_add(1);
    }
    // SAFETY: the image defines it, see `image!`.
    power::exit(unsafe { paravirt_main() })
}

unsafe extern "C" {
    /// What C, C++ and Rust code of the image wants to be called before its `main`, as `linkcmds/guest.ld` collects it.
    /// Empty in an image whose linker script does not: there it is the business of a system of its own, such as RTEMS.
    #[link_name = "__paravirt_constructors_start"]
    static CONSTRUCTORS: [unsafe extern "C" fn(); 0];
    #[link_name = "__paravirt_constructors_end"]
    static CONSTRUCTORS_END: [unsafe extern "C" fn(); 0];
}

/// Names what makes an image of this crate: the function that start-up calls, and the in-guest backends that the image
/// carries.
///
/// ```no_run
/// paravirt_bsp::image! { main: run } // with in-guest backends: `main: run, backends: [linux_syscall]`
///
/// fn run() { // or `-> i32`, the exit status, or a `Result`
///     paravirt_bsp::println!("hello");
/// }
/// # fn main() {}
/// ```
///
/// A host that passes a start info block needs no backend in the image. A backend of this crate is named as its module
/// is, with the Cargo feature that brings it; one of another crate by the path of its
/// [`Backend`](crate::backend::Backend), as in `backends: [linux_syscall, my_hypervisor::BACKEND]`. `main` starts with
/// interrupts on, and no line attached. Without `main`, the image has a C function `int32_t paravirt_main(void)`, which
/// starts with interrupts off.
#[macro_export]
macro_rules! image {
    (main: $main:path $(, backends: $backends:tt)? $(,)?) => {
        // Where nobody but start-up finds it.
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn paravirt_main() -> i32 {
                #[cfg(not(test))]
                let main = $main;
                #[cfg(test)]
                let (main, _) = ($crate::test::main as fn() -> i32, $main);
                // SAFETY: start-up calls this once, with interrupts off.
                unsafe { $crate::start::run_main(main) }
            }

            // By this section `pvhost` knows that the image is one of tests.
            #[cfg(test)]
            #[used]
            #[unsafe(link_section = ".paravirt.tests")]
            static TESTS: u8 = 0;
        };
        // What the start-up files of a C library refer to, and `core` as it comes with compilers. Only a program whose
        // linker was not told of the guests' script is linked with the former: it is to be told that, and nothing else.
        // From others a linker leaves the sections out.
        ::core::arch::global_asm!(
            ".weak main, __libc_start_main, rust_eh_personality",
            ".pushsection .text.paravirt_c_library, \"ax\", %progbits",
            "main:",
            "__libc_start_main:",
            ".byte 0",
            ".popsection",
            ".pushsection .text.paravirt_personality, \"ax\", %progbits",
            "rust_eh_personality:",
            ".byte 0",
            ".popsection",
        );
        $($crate::image! { backends: $backends })?
    };
    (backends: [$($backends:tt)*] $(,)?) => {
        $crate::register_backends! { $($backends)* }
    };
}

/// Asks for free memory that may be executed as well as read and written, see
/// [`paravirt_abi::note::EXECUTABLE_MEMORY_TYPE`]: for a guest that loads or compiles code.
/// Beside [`crate::image!`], in the same crate: the linker may drop it from a library.
///
/// ```no_run
/// paravirt_bsp::executable_memory!();
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! executable_memory {
    () => {
        ::core::arch::global_asm!(
            ".pushsection .note.paravirt, \"a\", %note",
            ".balign 4",
            ".long 9, 0, {note_type}", // length of owner with NUL, of descriptor, type
            ".asciz \"paravirt\"",
            ".balign 4",
            ".popsection",
            // For the backend that maps memory itself: what it adds to the rights.
            ".weak __paravirt_executable_memory",
            ".set __paravirt_executable_memory, 4",
            note_type = const $crate::abi::note::EXECUTABLE_MEMORY_TYPE,
        );
    };
}
