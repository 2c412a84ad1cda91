// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU page is the layer's to write: where the host calls the guest, among others.
use volatile::map_field;

fn main() {
    let page = paravirt_bsp::vcpu::page();
    map_field!(page.upcall_entry).write(0);
}
