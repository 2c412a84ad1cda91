// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls its host as no compiler does. The first argument says how:
//!
//! | argument | what it does |
//! |---|---|
//! | `integers N`, `floats N` | passes arguments on the stack whose last N bytes lie behind the guest's memory |
//! | `resolver SLOT` | calls the resolver for an address that is no slot: `before`, `inside`, `behind`, `null`, `last`, or with its stack where there is `no-stack` |
//! | `stub` | jumps into a stub, with an index that no function has |
//! | `direction` | calls with the direction flag set |
//! | `exception` | calls with an exception pending in the x87 unit |
//! | `selector` | calls with a selector of its own in `fs` |
//! | `stack` | faults with the stack that `check_flags_float` tells |
#![no_std]
#![no_main]

use core::arch::asm;
#[cfg(target_arch = "x86")]
use core::mem::MaybeUninit;

use guest_checks::number;
use paravirt_bsp::abi::start::MemoryKind;
use paravirt_bsp::external::{Entry, Table};
use paravirt_bsp::{cpu, l4_external_func, println, start};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// 1 if the host found what the guest passed; more than registers hold.
        fn check_integers(a: u8, b: i16, c: u32, d: i64, e: u64, f: *const u8, g: usize, h: i32, i: u64) -> u64;
        /// 0.1 if the host found what the guest passed; more than registers hold.
        fn check_floats(a: f32, b: f64, c: u32, d: f64, e: f64, f: f64, g: f64, h: f64, i: f64, j: f64, k: f32) -> f64;
        /// The flags with which the host's code runs.
        fn check_flags() -> u32;
        /// The same, through the gate for floats.
        fn check_flags_float(zero: f64) -> f64;
        /// 1: from now on the host's code is watched for the direction flag. 0: no more; how often it was set, and
        /// negative if nothing was seen at all.
        safe fn check_watch(on: u32) -> i32;
    }
}

/// Direction flag.
const DIRECTION: u32 = 1 << 10;
/// Trap flag: after each instruction the host may look at the registers.
const TRAP: u32 = 1 << 8;
/// An index that no function has.
const WILD: u32 = 0xffff;

fn main() -> i32 {
    cpu::disable_interrupts();
    let mut arguments = start::arguments();
    let how = arguments.next().unwrap_or_default();
    let which = arguments.next().unwrap_or_default();
    match how {
        "integers" => pass_integers(number(1, 0) as usize),
        "floats" => pass_floats(number(1, 0) as usize),
        "resolver" => call_the_resolver(which),
        "stub" => jump_into_a_stub(),
        "direction" => return call_backwards(),
        "exception" => call_with_an_exception(),
        "selector" => call_with_a_selector(),
        // SAFETY: the host ends the guest.
        #[cfg(target_arch = "x86_64")]
        "stack" => unsafe {
            let stack = check_flags_float(0.0) as u64;
            asm!("mov rsp, {}", "ud2", in(reg) stack, options(noreturn));
        },
        _ => {}
    }
    println!("nothing is amiss");
    0
}

/// A call with its arguments where the C ABI has them, on a stack of its own.
#[repr(C)]
#[derive(Default)]
struct PreparedCall {
    function: usize,
    stack: usize,
    own_stack: usize,
    returns_float: usize,
    integers: [u64; 6],
    floats: [f64; 8],
    result: u64,
    float_result: f64,
}

impl PreparedCall {
    /// The words on the stack end with the guest's memory; or rather, `missing` bytes of them would lie behind it.
    fn new(function: usize, words: &[usize], missing: usize) -> Self {
        let memory = start::memory();
        let ram = memory.iter().find(|range| range.kind == MemoryKind::Ram as u32);
        let end = ram.map_or(0, |range| range.start + range.size) as usize;
        let size = size_of_val(words);
        let stack = end + missing - size;
        let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
        for (index, byte) in bytes.take(size - missing).enumerate() {
            // SAFETY: free memory, which nobody uses.
            unsafe { ((stack + index) as *mut u8).write_volatile(byte) };
        }
        Self {
            function,
            stack,
            ..Self::default()
        }
    }

    fn call(&mut self) {
        // SAFETY: a call by the C ABI, but for the stack; its result is read by whoever knows its type. Interrupts are
        // off.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            asm!(
                "mov [r12 + {own_stack}], rsp",
                "mov rsp, [r12 + {stack}]",
                "mov rdi, [r12 + {integers}]",
                "mov rsi, [r12 + {integers} + 8]",
                "mov rdx, [r12 + {integers} + 16]",
                "mov rcx, [r12 + {integers} + 24]",
                "mov r8, [r12 + {integers} + 32]",
                "mov r9, [r12 + {integers} + 40]",
                "movsd xmm0, [r12 + {floats}]",
                "movsd xmm1, [r12 + {floats} + 8]",
                "movsd xmm2, [r12 + {floats} + 16]",
                "movsd xmm3, [r12 + {floats} + 24]",
                "movsd xmm4, [r12 + {floats} + 32]",
                "movsd xmm5, [r12 + {floats} + 40]",
                "movsd xmm6, [r12 + {floats} + 48]",
                "movsd xmm7, [r12 + {floats} + 56]",
                "call [r12 + {function}]",
                "mov rsp, [r12 + {own_stack}]",
                "mov [r12 + {result}], rax",
                "movsd [r12 + {float_result}], xmm0",
                in("r12") &raw mut *self,
                function = const core::mem::offset_of!(Self, function),
                stack = const core::mem::offset_of!(Self, stack),
                own_stack = const core::mem::offset_of!(Self, own_stack),
                integers = const core::mem::offset_of!(Self, integers),
                floats = const core::mem::offset_of!(Self, floats),
                result = const core::mem::offset_of!(Self, result),
                float_result = const core::mem::offset_of!(Self, float_result),
                clobber_abi("C"),
            );
            #[cfg(target_arch = "x86")]
            asm!(
                "mov [edi + {own_stack}], esp",
                "mov esp, [edi + {stack}]",
                "call [edi + {function}]",
                "mov esp, [edi + {own_stack}]",
                "mov [edi + {result}], eax",
                "mov [edi + {result} + 4], edx",
                "cmp dword ptr [edi + {returns_float}], 0",
                "je 2f",
                "fstp qword ptr [edi + {float_result}]",
                "2:",
                in("edi") &raw mut *self,
                function = const core::mem::offset_of!(Self, function),
                stack = const core::mem::offset_of!(Self, stack),
                own_stack = const core::mem::offset_of!(Self, own_stack),
                returns_float = const core::mem::offset_of!(Self, returns_float),
                result = const core::mem::offset_of!(Self, result),
                float_result = const core::mem::offset_of!(Self, float_result),
                clobber_abi("C"),
            );
        }
    }
}

fn pass_integers(missing: usize) {
    let (d, e, i) = (-5_i64, 6_u64 << 40, 9_u64 << 50);
    #[cfg(target_arch = "x86_64")]
    let words = [7, -8_i32 as usize, i as usize];
    #[cfg(target_arch = "x86")]
    let words = [
        200,
        -300_i32 as usize,
        4_000_000_000,
        d as usize,
        (d >> 32) as usize,
        e as usize,
        (e >> 32) as usize,
        0x1234,
        7,
        -8_i32 as usize,
        i as usize,
        (i >> 32) as usize,
    ];
    let mut call = PreparedCall::new(check_integers as *const () as usize, &words, missing);
    call.integers = [200, -300_i64 as u64, 4_000_000_000, d as u64, e, 0x1234];
    call.call();
    assert_eq!(call.result, 1, "the host found what was passed");
}

fn pass_floats(missing: usize) {
    #[cfg(target_arch = "x86_64")]
    let words = [9.5_f64.to_bits() as usize, 10.5_f32.to_bits() as usize];
    #[cfg(target_arch = "x86")]
    let words = {
        let mut words = [0; 19];
        let doubles = [3.5_f64, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5];
        let mut place = |index: usize, double: f64| {
            words[index] = double.to_bits() as usize;
            words[index + 1] = (double.to_bits() >> 32) as usize;
        };
        place(1, 1.5);
        for (index, double) in doubles.into_iter().enumerate() {
            place(4 + 2 * index, double);
        }
        words[0] = 0.5_f32.to_bits() as usize;
        words[3] = 2;
        words[18] = 10.5_f32.to_bits() as usize;
        words
    };
    let mut call = PreparedCall::new(check_floats as *const () as usize, &words, missing);
    call.integers[0] = 2;
    let single = f64::from_bits(u64::from(0.5_f32.to_bits()));
    call.floats = [single, 1.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5];
    call.returns_float = 1;
    call.call();
    assert_eq!(call.float_result, 0.1, "the host found what was passed");
}

/// Address of the first slot and of the end of the last.
fn slots() -> (usize, usize) {
    unsafe extern "C" {
        static __l4externals_jmptbl_start: u8;
        static __l4externals_jmptbl_end: u8;
    }
    (
        (&raw const __l4externals_jmptbl_start).addr(),
        (&raw const __l4externals_jmptbl_end).addr(),
    )
}

/// As a thunk would, were its slot at another address.
fn call_the_resolver(which: &str) {
    let word = size_of::<usize>();
    let (start, end) = slots();
    let slot = match which {
        "before" => start - word,
        "inside" => start + 1,
        "behind" => end,
        "last" => usize::MAX,
        _ => 0,
    };
    let resolver = start::info().map_or(0, |info| info.resolver) as usize;
    if which == "no-stack" {
        // SAFETY: the host ends the guest, which has no stack any more.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            asm!("mov rsp, {}", "jmp {}", in(reg) usize::MAX - 15, in(reg) resolver, options(noreturn));
            #[cfg(target_arch = "x86")]
            asm!("mov esp, {}", "jmp {}", in(reg) usize::MAX - 15, in(reg) resolver, options(noreturn));
        }
    }
    // SAFETY: the host ends the guest; were it to go on, it would do so without a return address.
    unsafe { asm!("push 0", "push {}", "push 0", "jmp {}", in(reg) slot, in(reg) resolver, options(noreturn)) }
}

/// Behind the instruction by which a stub names its function.
fn jump_into_a_stub() {
    let stub = Table::of_image().find("check_flags").map_or(0, Entry::target);
    // SAFETY: the host ends the guest.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("call {}", in(reg) stub + 6, in("r11") WILD, clobber_abi("C"));
        #[cfg(target_arch = "x86")]
        asm!("call {}", in(reg) stub + 5, in("eax") WILD, clobber_abi("C"));
    }
}

/// How many of the host's functions, of those that came back from it, and of its instructions had the direction flag
/// set.
fn call_backwards() -> i32 {
    let mut wrong = 0;
    let is_stepped = check_watch(1) != 0;
    let flags = DIRECTION | if is_stepped { TRAP } else { 0 };
    // Twice: a lazy host resolves the first call of each.
    for _ in 0..2 {
        let (in_host, after) = call_with(flags, check_flags as *const () as usize);
        wrong += i32::from(in_host & DIRECTION != 0) + i32::from(after & DIRECTION != 0);
        let (in_host, after) = call_float_with(flags, check_flags_float as *const () as usize);
        wrong += i32::from(in_host & DIRECTION != 0) + i32::from(after & DIRECTION != 0);
    }
    let seen = check_watch(0);
    println!("{wrong} times in or after a host function, {seen} times in between");
    wrong + seen.abs()
}

/// Calls a function without arguments with these flags set; its result, and the flags afterwards.
fn call_with(flags: u32, function: usize) -> (u32, u32) {
    let (result, after): (usize, usize);
    // SAFETY: a call by the C ABI but for the flags, which are clear again afterwards. Interrupts are off.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "pushfq",
            "or [rsp], r12",
            "popfq",
            "call r13",
            "pushfq",
            "mov r12, [rsp]",
            "and qword ptr [rsp], {clear}",
            "popfq",
            inout("r12") flags as usize => after,
            in("r13") function,
            out("rax") result,
            clear = const !((DIRECTION | TRAP) as i32),
            clobber_abi("C"),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "pushfd",
            "or [esp], edi",
            "popfd",
            "call eax",
            "pushfd",
            "mov edi, [esp]",
            "and dword ptr [esp], {clear}",
            "popfd",
            inout("edi") flags as usize => after,
            inout("eax") function => result,
            clear = const !((DIRECTION | TRAP) as i32),
            clobber_abi("C"),
        );
    }
    (result as u32, after as u32)
}

/// The same for a function of a float, which is passed 0, with a float result.
fn call_float_with(flags: u32, function: usize) -> (u32, u32) {
    let after: usize;
    #[cfg(target_arch = "x86_64")]
    let result: f64;
    #[cfg(target_arch = "x86")]
    // Nothing of the unit comes before the call.
    let mut result = MaybeUninit::<f64>::uninit();
    // SAFETY: as above.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "pushfq",
            "or [rsp], r12",
            "popfq",
            "call r13",
            "pushfq",
            "mov r12, [rsp]",
            "and qword ptr [rsp], {clear}",
            "popfq",
            inout("r12") flags as usize => after,
            in("r13") function,
            inout("xmm0") 0.0_f64 => result,
            clear = const !((DIRECTION | TRAP) as i32),
            clobber_abi("C"),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "push ecx", // where the result goes
            "push 0",
            "push 0",
            "pushfd",
            "or [esp], edi",
            "popfd",
            "call eax",
            "pushfd",
            "mov edi, [esp]",
            "and dword ptr [esp], {clear}",
            "popfd",
            "add esp, 8",
            "pop ecx",
            "fstp qword ptr [ecx]",
            inout("edi") flags as usize => after,
            in("eax") function,
            in("ecx") result.as_mut_ptr(),
            clobber_abi("C"),
            clear = const !((DIRECTION | TRAP) as i32),
        );
    }
    // SAFETY: the code above has stored it.
    #[cfg(target_arch = "x86")]
    let result = unsafe { result.assume_init() };
    (result as u32, after as u32)
}

/// With a division by zero that nobody has met yet, and that is not masked.
fn call_with_an_exception() {
    /// The default but for the mask of that exception.
    const CONTROL: u16 = 0x37b;
    // As `fstenv` stores it: status with the exception, its summary and "busy"; tags that say empty.
    let environment = [u32::from(CONTROL), 0x8084, 0xffff, 0, 0, 0, 0];
    let mut control = 0_u16;
    let load = || {
        // SAFETY: an environment; the exception comes with the next instruction of the unit that waits.
        unsafe { asm!("fldenv [{}]", in(reg) &raw const environment, options(nostack)) };
    };
    let mut check = |what: &str| {
        // SAFETY: stores the control word, then makes the unit as it was at the start.
        unsafe {
            asm!(
                "fnstcw [{}]",
                "fninit",
                in(reg) &raw mut control,
                out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
                options(nostack),
            );
        };
        assert_eq!(control, CONTROL, "the control word behind {what}");
    };
    load();
    // SAFETY: it asks nothing of its callers.
    let flags = unsafe { check_flags() };
    check("a function without floats");
    load();
    let (same, _) = call_float_with(0, check_flags_float as *const () as usize);
    check("one with a float result");
    assert!(flags != 0 && same != 0, "the functions' results");
}

/// Loads `fs` with the flat data segment, whose base is not where the host finds its own data.
fn call_with_a_selector() {
    let (selector, after): (u16, u16);
    // SAFETY: guests without thread-local storage do not use it.
    unsafe { asm!("mov {0:x}, ss", "mov fs, {0:x}", out(reg) selector, options(nostack)) };
    // Twice: the host may take notice at the first.
    for _ in 0..2 {
        // SAFETY: it asks nothing of its callers.
        unsafe { check_flags() };
    }
    // SAFETY: reads a register.
    unsafe { asm!("mov {:x}, fs", out(reg) after, options(nostack)) };
    assert_eq!(after, selector, "the selector behind a call");
}
