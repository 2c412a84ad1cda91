// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scanner on images made to order: sound ones, unsound ones, arbitrary ones; and the program on top of it.

mod audit;
mod bind;
mod examples;
mod guest;
mod hostile;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod hosts;
mod json;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod limits;
mod manners;
mod program;
mod sound;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod streams;
mod text;
mod unsound;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod written;
