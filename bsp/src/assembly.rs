// SPDX-License-Identifier: MIT OR Apache-2.0
//! How functions in assembly are written.

/// A function in assembly: its name, for this image alone unless `global` or `weak` stands before it; what its address is
/// a multiple of; its lines; the operands of [`core::arch::global_asm`]. It has a section of its own, so a linker leaves
/// it out where nobody refers to it.
macro_rules! asm_function {
    (global $name:literal, $($rest:tt)*) => { asm_function! { @ $name, concat!(".globl ", $name), $($rest)* } };
    (weak $name:literal, $($rest:tt)*) => { asm_function! { @ $name, concat!(".weak ", $name), $($rest)* } };
    // Global, since Rust's part may be in another object.
    ($name:literal, $($rest:tt)*) => {
        asm_function! { @ $name, concat!(".globl ", $name, "\n.hidden ", $name), $($rest)* }
    };
    (@ $name:literal, $binding:expr, align: $align:literal; $($line:expr),* $(,)?; $($operand:tt)*) => {
        core::arch::global_asm!(
            concat!(".pushsection .text.", $name, ", \"ax\", %progbits"),
            concat!(".balign ", $align),
            $binding,
            concat!(".type ", $name, ", %function"),
            concat!($name, ":"),
            $($line,)*
            concat!(".size ", $name, ", . - ", $name),
            ".popsection",
            $($operand)*
        );
    };
}

/// A function in assembly for both widths of x86. Its lines name registers by `\\ax` to `\\dx`, `\\si`, `\\di`, `\\bp` and
/// `\\sp`; `\\ip` behind a symbol makes an operand of it, `\\word` is a word's bytes, `\\suffix` an instruction's letter
/// for that, and `\\wide` what instructions have in their names that save 64-bit state.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! x86_function {
    (global $($rest:tt)*) => { x86_function! { @ [global] $($rest)* } };
    (weak $($rest:tt)*) => { x86_function! { @ [weak] $($rest)* } };
    ($name:literal, $($rest:tt)*) => { x86_function! { @ [] $name, $($rest)* } };
    (@ [$($binding:ident)?] $name:literal, align: $align:literal; $($line:expr),* $(,)?; $($operand:tt)*) => {
        asm_function! {
            $($binding)? $name, align: $align;
            ".macro paravirt_body ax, bx, cx, dx, si, di, bp, sp, word, suffix, ip, wide",
            $($line,)*
            ".endm",
            if_x86_64!(
                "paravirt_body %rax, %rbx, %rcx, %rdx, %rsi, %rdi, %rbp, %rsp, 8, q, (%rip), 64",
                "paravirt_body %eax, %ebx, %ecx, %edx, %esi, %edi, %ebp, %esp, 4, l"
            ),
            ".purgem paravirt_body";
            $($operand)*
        }
    };
}

/// The first of two texts on x86-64, the second on i386.
#[cfg(target_arch = "x86_64")]
macro_rules! if_x86_64 {
    ($yes:expr, $no:expr) => {
        $yes
    };
}
#[cfg(target_arch = "x86")]
macro_rules! if_x86_64 {
    ($yes:expr, $no:expr) => {
        $no
    };
}

/// Bytes of a word.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! word {
    () => {
        if_x86_64!("8", "4")
    };
}

/// Pushes registers that are restored later, and says where they are.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! push {
    ($($register:ident)*) => {
        concat!($(
            "push %", stringify!($register), "\n",
            ".cfi_adjust_cfa_offset ", word!(), "\n",
            ".cfi_rel_offset ", stringify!($register), ", 0\n",
        )*)
    };
}

/// The reverse of `push`; takes the registers in the order in which they are popped.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
macro_rules! pop {
    ($($register:ident)*) => {
        concat!($(
            "pop %", stringify!($register), "\n",
            ".cfi_adjust_cfa_offset -", word!(), "\n",
            ".cfi_restore ", stringify!($register), "\n",
        )*)
    };
}

/// Stores or loads pairs of registers, each register at its number times `$size` from `$offset`.
#[cfg(all(target_arch = "aarch64", feature = "el1"))]
macro_rules! pairs {
    ($instruction:literal, $kind:literal, $size:literal, [$base:literal, $offset:literal]: $($a:literal $b:literal),*) => {
        concat!($(
            $instruction, " ", $kind, $a, ", ", $kind, $b, ", [", $base, ", #", $offset, " + ", $size, " * ", $a, "]\n",
        )*)
    };
}
