// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `pv_clock_resolution` takes, file by file.

/// The function.
pub const NAME: &str = "pv_clock_resolution";
/// What the check of the conformance guest prints of it.
pub const CHECKED: &str = "clock: steps as finely as it says ... ok";
/// What stands for its class in the names of files.
pub const CLASS: &str = "clock";
/// The same in backends, which have the clocks beside the timers.
pub const CLASS_IN_BACKENDS: &str = "timer";

/// A file with what is replaced in it: each text is there once.
pub type Addition = (&'static str, &'static [(&'static str, &'static str)]);

/// Every file, in the order of `CONTRIBUTING.md`. What `cargo xtask interface` writes is not here.
pub const ADDITIONS: [Addition; 12] = [
    (
        "ffi/abi/src/interface.rs",
        &[(
            "                pub safe fn pv_clock_wall() -> u64;\n",
            "                pub safe fn pv_clock_wall() -> u64;\n                \
             /// The step of `pv_clock_now` in ns, which is not 0.\n                \
             pub safe fn pv_clock_resolution() -> u64;\n",
        )],
    ),
    ("ffi/include/paravirt/interface.h", &[]),
    (
        "ffi/abi/README.md",
        &[
            (
                "**`pv_timer_start`** starts timer",
                "**`pv_clock_resolution`**: the step of `pv_clock_now` in ns, which is not 0.\n\n\
                 **`pv_timer_start`** starts timer",
            ),
            (
                "# ARCHITECTURE function NAME WORD PROTOTYPE\n",
                "# ARCHITECTURE function NAME WORD PROTOTYPE\n\
                 i386 function pv_clock_resolution 0x100000000000000a fn() -> u64\n\
                 x86_64 function pv_clock_resolution 0x100000000000000a fn() -> u64\n",
            ),
        ],
    ),
    (
        "host/core/src/guest/interface.rs",
        &[(
            "    pub fn pv_clock_wall(&self) -> u64 {\n",
            "    pub fn pv_clock_resolution(&self) -> u64 {\n        1\n    }\n\n    \
             pub fn pv_clock_wall(&self) -> u64 {\n",
        )],
    ),
    (
        "bsp/src/backend/linux_syscall/timer.rs",
        &[
            (
                "pv_clock_wall = wall",
                "pv_clock_wall = wall, pv_clock_resolution = resolution",
            ),
            (
                "pub(super) extern \"C\" fn wall()",
                "pub(super) extern \"C\" fn resolution() -> u64 {\n    1\n}\n\n\
                 pub(super) extern \"C\" fn wall()",
            ),
        ],
    ),
    (
        "bsp/src/backend/bare/timer.rs",
        &[
            (
                "pv_clock_wall = wall",
                "pv_clock_wall = wall, pv_clock_resolution = resolution",
            ),
            (
                "/// Body of `pv_clock_wall`.\n",
                "/// Body of `pv_clock_resolution`: the counter is faster than 1 GHz, or stands still for some reads.\n\
                 pub(super) extern \"C\" fn resolution() -> u64 {\n    1\n}\n\n\
                 /// Body of `pv_clock_wall`.\n",
            ),
        ],
    ),
    (
        "bsp/src/backend/xen/timer.rs",
        &[
            (
                "pv_clock_wall = wall",
                "pv_clock_wall = wall, pv_clock_resolution = resolution",
            ),
            (
                "/// Body of `pv_clock_wall`.\n",
                "/// Body of `pv_clock_resolution`.\n\
                 pub(super) extern \"C\" fn resolution() -> u64 {\n    1\n}\n\n\
                 /// Body of `pv_clock_wall`.\n",
            ),
        ],
    ),
    (
        "bsp/src/backend/pok/timer.rs",
        &[
            (
                "pv_clock_now = clock_now",
                "pv_clock_now = clock_now, pv_clock_resolution = resolution",
            ),
            (
                "pub(super) extern \"C\" fn clock_now()",
                "pub(super) extern \"C\" fn resolution() -> u64 {\n    kernel::current().clock_unit\n}\n\n\
                 pub(super) extern \"C\" fn clock_now()",
            ),
        ],
    ),
    (
        "bsp/src/clock.rs",
        &[(
            "/// A duration in ns; the longest",
            "/// The step of [`Instant::now`] where the host is asked for the time.\n\
             #[must_use]\n\
             pub fn resolution() -> Duration {\n    \
             Duration::from_nanos(interface::pv_clock_resolution())\n}\n\n\
             /// A duration in ns; the longest",
        )],
    ),
    (
        "examples/conformance/src/clock.rs",
        &[
            (
                "    (\"clock: wall clock\", wall),\n",
                "    (\"clock: wall clock\", wall),\n    (\"clock: steps as finely as it says\", resolution),\n",
            ),
            (
                "fn page_is_valid()",
                "fn resolution() -> Outcome {\n    \
                 require(\"pv_clock_resolution\")?;\n    \
                 let resolution = clock::resolution().as_nanos() as u64;\n    \
                 let first = pv_clock_now();\n    \
                 let mut next = first;\n    \
                 while next == first {\n        next = pv_clock_now();\n    }\n    \
                 ensure!((1..=next - first).contains(&resolution), \"{resolution} ns, and one of {}\", next - first);\n    \
                 Ok(())\n}\n\n\
                 fn page_is_valid()",
            ),
        ],
    ),
    (
        "examples/conformance/expected.txt",
        &[
            (
                "clock: wall clock ... ok\n",
                "clock: wall clock ... ok\nclock: steps as finely as it says ... ok\n",
            ),
            ("conformance: 40 ok", "conformance: 41 ok"),
        ],
    ),
    (
        "CHANGELOG.md",
        &[(
            "### Added\n\n",
            "### Added\n\n* `pv_clock_resolution` and `clock::resolution`: the step of the clock.\n",
        )],
    ),
];
