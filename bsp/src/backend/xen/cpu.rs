// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

use core::sync::atomic::Ordering;

use paravirt_abi::error::Error;
use paravirt_abi::vcpu::HOST_MASKED;

use super::{events, hypercall, irq, pv};
use crate::vcpu;

/// Called with the virtual interrupt flag off. Events are masked between the look and the wait, and Xen unmasks them when
/// the wait begins, so that none comes in between.
pub(super) extern "C" fn idle() {
    loop {
        irq::close();
        events::take();
        if vcpu::pending().load(Ordering::Relaxed) & !HOST_MASKED != 0 {
            return;
        }
        hypercall::block();
    }
}

/// fs base.
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    match pv::set_fs_base(base) {
        0 => 0,
        _ => Error::InvalidArgument.number(),
    }
}
