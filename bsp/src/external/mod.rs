// SPDX-License-Identifier: MIT OR Apache-2.0
//! External functions: how they are declared, the jump table, who fills it.
//!
//! A declaration by [`l4_external_func!`](crate::l4_external_func) makes an entry of the table:
//!
//! ```text
//! caller ── call pv_timer_stop ──▶ thunk: jmp *slot ──▶ slot[i] ──▶ the function, once bound
//!                                                           └────▶ resolver thunk, until then
//!                         name[i] ◀── symtab[i]                      push slot, push symtab entry
//!                         prototype[i]                               jmp *__l4_external_resolver
//! ```
//!
//! A slot is bound in one of three ways: the host stores the address of its function before it enters the guest, or its
//! resolver does so on the first call ([`set_resolver`]), or the guest binds a function of its own ([`bind()`]). A
//! library that defines the function itself replaces the thunk at link time, and there is no slot. On AArch64 callers
//! in Rust go from the slot on, without the thunk: there start-up puts the library's function into the slot.
//!
//! ```no_run
//! use paravirt_bsp::external::Table;
//! use paravirt_bsp::println;
//!
//! /// What the image calls and nobody supplies.
//! fn missing() {
//!     for entry in Table::of_image().entries().filter(|entry| !entry.is_bound()) {
//!         println!("{}", entry.name().to_str().unwrap_or("?"));
//!     }
//! }
//! # fn main() {}
//! ```

mod arch;
mod assembly;
mod bind;
mod declare;
#[cfg(target_arch = "aarch64")]
mod linked;
mod table;
mod unbound;

pub use bind::{BindError, Function, Functions, bind};
pub use declare::{External, is_c_identifier, is_l4rtems, passes_as_hosts};
#[cfg(target_arch = "aarch64")]
pub(crate) use linked::bind_linked;
pub use table::{Entry, Table};
pub use unbound::set_resolver;
