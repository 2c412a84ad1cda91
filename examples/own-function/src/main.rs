// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that declares host functions of its own. `examples/own-host` is the program that provides them.
#![no_std]
#![no_main]

use paravirt_bsp::{l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// Temperature at a sensor in thousandths of a degree Celsius, or a negative number if there is no such sensor.
        safe fn board_temperature(sensor: u32) -> i32;
        /// Writes the board's name to `buffer`; its length in bytes, at most `length`, or a negative number.
        fn board_name(buffer: *mut u8, length: usize) -> isize;
        /// The mean of two numbers.
        safe fn board_mean(a: f64, b: f64) -> f64;
    }
}

fn main() {
    let mut name = [0; 32];
    // SAFETY: the buffer is valid for writes of its length.
    let length = unsafe { board_name(name.as_mut_ptr(), name.len()) };
    let name = usize::try_from(length)
        .ok()
        .and_then(|length| name.get(..length))
        .unwrap_or(b"?");
    println!("board: {}", core::str::from_utf8(name).unwrap_or("?"));
    for sensor in 0.. {
        let temperature = board_temperature(sensor);
        if temperature < 0 {
            break;
        }
        println!("sensor {sensor}: {}.{:03} C", temperature / 1000, temperature % 1000);
    }
    println!("mean of 1 and 2: {}", board_mean(1.0, 2.0));
}
