// SPDX-License-Identifier: MIT OR Apache-2.0
//! ARMv7, ARM or Thumb-2 as the rest of the file. `ip` is the register that the procedure call standard leaves to
//! veneers; a load to `pc` changes the instruction set as the address says.

/// The entry of `name`.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_armv7 {
    ($name:ident) => {
        $crate::__l4_external_text!(
            $name,
            pointer: ".4byte",
            align: "4",
            code: [
                ".balign 4",
                concat!(stringify!($name), ":"),
                // the slot's address
                concat!("movw ip, #:lower16:.Ll4external.", stringify!($name), ".slot"),
                concat!("movt ip, #:upper16:.Ll4external.", stringify!($name), ".slot"),
                // to where the slot points
                "ldr pc, [ip]",
                concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
                concat!(stringify!($name), ".resolve:"),
                // push the slot's address
                concat!("movw ip, #:lower16:.Ll4external.", stringify!($name), ".slot"),
                concat!("movt ip, #:upper16:.Ll4external.", stringify!($name), ".slot"),
                "str ip, [sp, #-4]!",
                // push the symtab entry's address
                concat!("movw ip, #:lower16:.Ll4external.", stringify!($name), ".symbol"),
                concat!("movt ip, #:upper16:.Ll4external.", stringify!($name), ".symbol"),
                "str ip, [sp, #-4]!",
                // to the resolver
                "movw ip, #:lower16:__l4_external_resolver",
                "movt ip, #:upper16:__l4_external_resolver",
                "ldr pc, [ip]",
            ],
        )
    };
}
