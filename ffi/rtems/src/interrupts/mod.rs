// SPDX-License-Identifier: BSD-2-Clause
//! The interrupt level: functions that a port of RTEMS leaves to the BSP under RTEMS_PARAVIRT. Here it is the virtual
//! interrupt flag.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86")]
mod i386;
