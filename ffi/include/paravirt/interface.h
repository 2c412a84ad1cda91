/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The interface functions of ABI version 1.
 *
 * Sizes are in bytes, times in nanoseconds. Errors are the negative numbers PV_ERROR_*.
 */
#ifndef PARAVIRT_INTERFACE_H
#define PARAVIRT_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "external.h"

/* `size_t` with a sign. `ssize_t` and `ptrdiff_t` have other types on some of the architectures. */
typedef intptr_t pv_ssize;

/* The list in ffi/abi/src/interface.rs, by `cargo xtask interface` */

/** Writes up to `len` bytes to the console; the number of bytes taken, or an error. */
L4_EXTERNAL_FUNC(pv_ssize, pv_console_write, const void * /* buf */, size_t /* len */);
/** Reads up to `len` bytes; 0 if there are none now, `END_OF_INPUT` after the last. New input raises
 *  the console line. */
L4_EXTERNAL_FUNC(pv_ssize, pv_console_read, void * /* buf */, size_t /* len */);

/** Monotonic time since the guest's start, in ns. */
L4_EXTERNAL_FUNC(uint64_t, pv_clock_now);
/** Unix time in ns. */
L4_EXTERNAL_FUNC(uint64_t, pv_clock_wall);

/** Starts a timer that expires `first` ns from now and then every `period` ns; period 0 means once. A
 *  period that is too short for the host is an `INVALID_ARGUMENT`; times beyond 2^63 ns are never
 *  reached. */
L4_EXTERNAL_FUNC(int32_t, pv_timer_start, uint32_t /* timer */, uint64_t /* first */, uint64_t /* period */);
/** Stops a timer. */
L4_EXTERNAL_FUNC(int32_t, pv_timer_stop, uint32_t /* timer */);

/** Claims a line and unmasks it. */
L4_EXTERNAL_FUNC(int32_t, pv_irq_attach, uint32_t /* line */);
/** Masks a line and gives it up. */
L4_EXTERNAL_FUNC(int32_t, pv_irq_detach, uint32_t /* line */);
/** Keeps a line from becoming pending; the host remembers that it was raised. What is pending already
 *  is withdrawn. Masking and unmasking need no attachment. */
L4_EXTERNAL_FUNC(int32_t, pv_irq_mask, uint32_t /* line */);
/** Lets a line become pending again; what was raised meanwhile is delivered. */
L4_EXTERNAL_FUNC(int32_t, pv_irq_unmask, uint32_t /* line */);
/** Raises a line by software. */
L4_EXTERNAL_FUNC(int32_t, pv_irq_raise, uint32_t /* line */);

/** Waits until a line is pending. Called with the virtual interrupt flag off. */
L4_EXTERNAL_FUNC(void, pv_cpu_idle);
/** Sets the base of thread-local storage (fs on x86-64, gs on i386). User-mode hosts only. */
L4_EXTERNAL_FUNC(int32_t, pv_cpu_set_tls, size_t /* base */);

/** Stops the guest; `reason` is a `shutdown::Reason`, in C one of PV_SHUTDOWN_*. */
L4_EXTERNAL_FUNC_NORETURN(pv_shutdown, uint32_t /* reason */, int32_t /* code */);

/** Reads an x86 port of `width` 1, 2 or 4 bytes where the host grants it; the value, or an error. */
L4_EXTERNAL_FUNC(int64_t, pv_port_in, uint16_t /* port */, uint32_t /* width */);
/** Writes an x86 port of `width` 1, 2 or 4 bytes where the host grants it. */
L4_EXTERNAL_FUNC(int32_t, pv_port_out, uint16_t /* port */, uint32_t /* width */, uint32_t /* value */);

/* The list ends */

#endif
