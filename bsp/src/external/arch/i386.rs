// SPDX-License-Identifier: MIT OR Apache-2.0
//! i386. Arguments may be in `eax`, `edx` and `ecx` (regparm, thiscall), so no register is touched. The image is linked
//! at a fixed address.

/// The entry of `name`, AT&T syntax.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_i386 {
    ($name:ident) => {
        $crate::__l4_external_text!(
            $name,
            pointer: ".4byte",
            align: "4",
            code: [
                concat!(stringify!($name), ":"),
                // to where the slot points
                ".cfi_startproc",
                concat!("jmp *.Ll4external.", stringify!($name), ".slot"),
                ".cfi_endproc",
                concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
                concat!(stringify!($name), ".resolve:"),
                ".cfi_startproc",
                // push the slot's address
                concat!("pushl $.Ll4external.", stringify!($name), ".slot"),
                ".cfi_adjust_cfa_offset 4",
                // push the symtab entry's address
                concat!("pushl $.Ll4external.", stringify!($name), ".symbol"),
                ".cfi_adjust_cfa_offset 4",
                // to the resolver
                "jmp *__l4_external_resolver",
                ".cfi_endproc",
            ],
        )
    };
}
