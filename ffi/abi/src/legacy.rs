// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of 2013 (L4RTEMS) that hosts answer to as well.

/// Names of the functions that an L4RTEMS image declares.
pub const NAMES: [&str; 9] = [
    "l4rtems_detachIrq",
    "l4rtems_inch",
    "l4rtems_inport",
    "l4rtems_outch",
    "l4rtems_outport",
    "l4rtems_requestIrq",
    "l4rtems_timer_read",
    "l4rtems_timer_start",
    "l4rtems_timer_stop",
];
