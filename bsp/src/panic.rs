// SPDX-License-Identifier: MIT OR Apache-2.0
//! The panic handler: file, line and message on the console, then a fatal shutdown.

paravirt_abi::panic_handler! {
    #[cfg(not(any(panic = "abort", doc)))]
    compile_error!(
        "a guest has nothing to unwind with: build it with `panic = \"abort\"` in its profiles, and for `cargo test`, \
         which does not look there, with `-Cpanic=abort` in `rustflags`"
    );

    /// Code of the fatal shutdown, the exit status of a Rust program that panicked.
    const PANICKED: i32 = 101;

    #[panic_handler]
    fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
        crate::power::fatal(format_args!("{info}"), PANICKED)
    }
}
