// SPDX-License-Identifier: MIT OR Apache-2.0
//! The assembly that one declaration emits, in the order in which the sections must appear.
//!
//! Per function there is one section of each kind, all members of one COMDAT group:
//!
//! | section | holds |
//! |---|---|
//! | `.data.l4externals.str.NAME` | the name, NUL-terminated |
//! | `.data.l4externals.symtab.NAME` | a pointer to the name |
//! | `.data.l4externals.jmptbl.NAME` | the slot |
//! | `.data.l4externals.sig.NAME` | the prototype word |
//! | `.data.l4externals.unbound.NAME` | what the slot holds as long as nobody has bound it |
//! | `.text.l4externals.NAME` | the public thunk and the resolver thunk |
//! | `.data.l4externals.linked.NAME` | AArch64: addresses of the slot, of what `NAME` is once linked, and of the thunk |
//!
//! * Only the thunk is ever referred to by the callers, on AArch64 the slot as well. Linkers keep or drop a group as a
//!   whole, so a function nobody calls leaves no trace and the tables stay paired under garbage collection.
//! * The group's name holds the function's name and its prototype word. The same declaration in several objects is
//!   one group, of which the linker keeps one. Different prototypes are different groups, both kept, and each defines
//!   `NAME.has_one_prototype`: the link fails with a message that explains itself.
//! * Within one assembly file (two declarations in a crate, or link-time optimization, which merges the assembly of
//!   all crates) the guard symbols do what group and symbol do between files.
//! * The thunk is weak, so a library that defines the function replaces it. Callers that have the slot in its place get
//!   the library's function at start-up, see `linked.rs`.
//! * Only slots are written to, but LLVM makes every `.data.` section writable, so all are declared so.

/// The text of one entry as a format string; `{w0}` to `{w3}` stand for the prototype word's 16-bit parts, lowest
/// first, in decimal as C compilers print them.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_text {
    ($name:ident, pointer: $pointer:literal, align: $align:literal, code: [$($code:expr),* $(,)?] $(,)?) => {
        $crate::__l4_external_text!(
            @ ::core::stringify!($name),
            ::core::concat!("l4external.", ::core::stringify!($name), ".{w3}.{w2}.{w1}.{w0},comdat\n"),
            $pointer, $align, ::core::concat!($($code, "\n"),*)
        )
    };
    (@ $name:expr, $group:expr, $pointer:literal, $align:literal, $code:expr) => {
        ::core::concat!(
            ".ifndef .Ll4external.", $name, "\n",
            ".set .Ll4external.", $name, ", 0\n",
            ".set .Ll4external.", $name, ".{w3}.{w2}.{w1}.{w0}, 0\n",

            ".pushsection .data.l4externals.str.", $name, ",\"awG\",%progbits,", $group,
            ".Ll4external.", $name, ".name:\n",
            ".asciz \"", $name, "\"\n",
            ".popsection\n",

            ".pushsection .data.l4externals.symtab.", $name, ",\"awG\",%progbits,", $group,
            ".balign ", $align, "\n",
            ".Ll4external.", $name, ".symbol:\n",
            $pointer, " .Ll4external.", $name, ".name\n",
            ".popsection\n",

            ".pushsection .data.l4externals.jmptbl.", $name, ",\"awG\",%progbits,", $group,
            ".balign ", $align, "\n",
            ".globl ", $name, ".has_one_prototype\n",
            ".type ", $name, ".has_one_prototype,%object\n",
            ".size ", $name, ".has_one_prototype, ", $align, "\n",
            $name, ".has_one_prototype:\n",
            ".Ll4external.", $name, ".slot:\n",
            $pointer, " ", $name, ".resolve\n",
            ".popsection\n",

            ".pushsection .data.l4externals.sig.", $name, ",\"awG\",%progbits,", $group,
            ".balign 8\n",
            ".2byte {w0}, {w1}, {w2}, {w3}\n",
            ".popsection\n",

            ".pushsection .data.l4externals.unbound.", $name, ",\"awG\",%progbits,", $group,
            ".balign ", $align, "\n",
            $pointer, " ", $name, ".resolve\n",
            ".popsection\n",

            ".pushsection .text.l4externals.", $name, ",\"axG\",%progbits,", $group,
            ".weak ", $name, "\n",
            ".type ", $name, ",%function\n",
            ".type ", $name, ".resolve,%function\n",
            $code,
            ".size ", $name, ".resolve, . - ", $name, ".resolve\n",
            ".popsection\n",

            ".else\n",
            ".ifndef .Ll4external.", $name, ".{w3}.{w2}.{w1}.{w0}\n",
            ".error \"external function ", $name, " is declared twice, with different prototypes\"\n",
            ".endif\n",
            ".endif\n",
        )
    };
}

/// Emits the entry of a declared function into this crate's assembly.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_emit {
    ($name:ident, $text:expr $(, $option:ident)?) => {
        ::core::arch::global_asm!(
            $text,
            w0 = const <$name as $crate::external::External>::SIGNATURE.word() & 0xffff,
            w1 = const <$name as $crate::external::External>::SIGNATURE.word() >> 16 & 0xffff,
            w2 = const <$name as $crate::external::External>::SIGNATURE.word() >> 32 & 0xffff,
            w3 = const <$name as $crate::external::External>::SIGNATURE.word() >> 48,
            $(options($option))?
        );
    };
}
