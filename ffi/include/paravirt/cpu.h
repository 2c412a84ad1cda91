/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The virtual interrupt flag and idle.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_CPU_H
#define PARAVIRT_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Whether interrupts are on. */
bool paravirt_cpu_interrupts_enabled(void);

/** Turns interrupts off; whether they were on. */
bool paravirt_cpu_disable_interrupts(void);

/** Turns interrupts on and delivers what is pending. */
void paravirt_cpu_enable_interrupts(void);

/**
 * Waits until a line is pending, without using the processor. With interrupts on, its handler has run on return. To
 * wait for a condition that a handler sets, turn interrupts off and test it; while it does not hold, call this, turn
 * interrupts on, so that the handler runs, and off again.
 */
void paravirt_cpu_idle(void);

/** Sets the base of thread-local storage: fs on x86-64, gs on i386. Only user-mode hosts offer it. */
int32_t paravirt_cpu_set_tls(uintptr_t base);

#ifdef __cplusplus
}
#endif

#endif
