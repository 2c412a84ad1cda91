// SPDX-License-Identifier: MIT OR Apache-2.0
//! AArch64. `x16` and `x17` are the registers that the procedure call standard leaves to veneers.

/// The entry of `name`.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_aarch64 {
    ($name:ident) => {
        $crate::__l4_external_text!(
            $name,
            pointer: ".8byte",
            align: "8",
            code: [
                ".balign 4",
                concat!(stringify!($name), ":"),
                // load the slot
                concat!("adrp x16, .Ll4external.", stringify!($name), ".slot"),
                concat!("ldr x16, [x16, #:lo12:.Ll4external.", stringify!($name), ".slot]"),
                // to where it points
                "br x16",
                concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
                concat!(stringify!($name), ".resolve:"),
                // the slot's address
                concat!("adrp x16, .Ll4external.", stringify!($name), ".slot"),
                concat!("add x16, x16, #:lo12:.Ll4external.", stringify!($name), ".slot"),
                // the symtab entry's address
                concat!("adrp x17, .Ll4external.", stringify!($name), ".symbol"),
                concat!("add x17, x17, #:lo12:.Ll4external.", stringify!($name), ".symbol"),
                // push both: symtab entry at sp, slot above; sp stays 16-byte aligned
                "stp x17, x16, [sp, #-16]!",
                // to the resolver
                "adrp x16, __l4_external_resolver",
                "ldr x16, [x16, #:lo12:__l4_external_resolver]",
                "br x16",
                // where the slot is, what the name means once all is linked, and the thunk
                concat!(".pushsection .data.l4externals.linked.", stringify!($name), ",\"aw?\",%progbits"),
                ".balign 8",
                concat!(".8byte .Ll4external.", stringify!($name), ".slot"),
                concat!(".8byte ", stringify!($name)),
                concat!(".8byte ", stringify!($name), ".resolve - 12"),
                ".popsection",
            ],
        )
    };
}
