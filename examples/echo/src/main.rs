// SPDX-License-Identifier: MIT OR Apache-2.0
//! Echoes console input until Ctrl-D or the end of the input. The guest sleeps until input raises the console line.
#![no_std]
#![no_main]

use embedded_io::{Read, Write};
use paravirt_bsp::console::{Console, ConsoleError};
use paravirt_bsp::println;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// What a terminal in raw mode sends for Ctrl-D.
const END_OF_TRANSMISSION: u8 = 4;

fn main() -> Result<(), ConsoleError> {
    println!("echo: type, Ctrl-D ends");
    let mut bytes = [0; 64];
    let mut total = 0;
    loop {
        let length = Console.read(&mut bytes)?;
        let input = &bytes[..length];
        let end = input.iter().position(|&byte| byte == END_OF_TRANSMISSION);
        let echoed = &input[..end.unwrap_or(length)];
        Console.write_all(echoed)?;
        total += echoed.len();
        if length == 0 || end.is_some() {
            break;
        }
    }
    println!("echo: {total} bytes");
    Ok(())
}
