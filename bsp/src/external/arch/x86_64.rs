// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64. `r11` is the only register that carries no argument (`rax`: number of vector registers, `r10`: static
//! chain) and need not be preserved.

/// The entry of `name`, AT&T syntax.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_x86_64 {
    ($name:ident) => {
        $crate::__l4_external_text!(
            $name,
            pointer: ".8byte",
            align: "8",
            code: [
                concat!(stringify!($name), ":"),
                // to where the slot points
                ".cfi_startproc",
                concat!("jmp *.Ll4external.", stringify!($name), ".slot(%rip)"),
                ".cfi_endproc",
                concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
                concat!(stringify!($name), ".resolve:"),
                ".cfi_startproc",
                // push the slot's address
                concat!("lea .Ll4external.", stringify!($name), ".slot(%rip), %r11"),
                "push %r11",
                ".cfi_adjust_cfa_offset 8",
                // push the symtab entry's address
                concat!("lea .Ll4external.", stringify!($name), ".symbol(%rip), %r11"),
                "push %r11",
                ".cfi_adjust_cfa_offset 8",
                // to the resolver
                "jmp *__l4_external_resolver(%rip)",
                ".cfi_endproc",
            ],
        )
    };
}
