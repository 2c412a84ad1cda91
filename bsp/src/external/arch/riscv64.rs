// SPDX-License-Identifier: MIT OR Apache-2.0
//! RISC-V, 64 bits. `t1`, `t2` and `t3` carry no arguments and belong to the callee (`t2` is the static chain in GCC's
//! nested functions, which cannot be external).

/// The entry of `name`.
#[doc(hidden)]
#[macro_export]
macro_rules! __l4_external_riscv64 {
    ($name:ident) => {
        $crate::__l4_external_text!(
            $name,
            pointer: ".8byte",
            align: "8",
            code: [
                // as written, whatever the linker could shorten
                ".option push",
                ".option norelax",
                ".balign 4",
                concat!(stringify!($name), ":"),
                // load the slot
                "1:",
                concat!("auipc t3, %pcrel_hi(.Ll4external.", stringify!($name), ".slot)"),
                "ld t3, %pcrel_lo(1b)(t3)",
                // to where it points
                "jr t3",
                concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
                concat!(stringify!($name), ".resolve:"),
                // the slot's address
                concat!("lla t1, .Ll4external.", stringify!($name), ".slot"),
                // the symtab entry's address
                concat!("lla t2, .Ll4external.", stringify!($name), ".symbol"),
                // push both: symtab entry at sp, slot above; sp stays 16-byte aligned
                "addi sp, sp, -16",
                "sd t1, 8(sp)",
                "sd t2, 0(sp)",
                // to the resolver
                "2:",
                "auipc t3, %pcrel_hi(__l4_external_resolver)",
                "ld t3, %pcrel_lo(2b)(t3)",
                "jr t3",
                ".option pop",
            ],
        )
    };
}
