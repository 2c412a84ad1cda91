// SPDX-License-Identifier: MIT OR Apache-2.0
//! The panic handler: file, line and message on the console, then a fatal shutdown.

paravirt_abi::panic_handler! {
    /// Code of the fatal shutdown, the exit status of a Rust program that panicked.
    const PANICKED: i32 = 101;

    #[panic_handler]
    fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
        crate::power::fatal(format_args!("{info}"), PANICKED)
    }
}
