// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk of signals where there is only a kernel, see the library's `command`.

fn main() {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    test_trace::command::run(std::env::args().skip(1)).expect("the guest can be traced");
}
