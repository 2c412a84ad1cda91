/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Interrupt lines.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_IRQ_H
#define PARAVIRT_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A handler; it runs with interrupts off and may turn them on. */
typedef void (*paravirt_irq_handler)(uint32_t line, void *argument);

/** Attaches a handler to a line and unmasks it. */
int32_t paravirt_irq_attach(uint32_t line, paravirt_irq_handler handler, void *argument);

/** Masks a line and takes its handler away. */
int32_t paravirt_irq_detach(uint32_t line);

/** Keeps a line from interrupting; that it was raised is remembered. */
int32_t paravirt_irq_mask(uint32_t line);

/** Lets a line interrupt again, at once if it was raised meanwhile. */
int32_t paravirt_irq_unmask(uint32_t line);

/** Raises a line by software. With interrupts on and the line unmasked, its handler has run on return. */
int32_t paravirt_irq_raise(uint32_t line);

/** Whether a line is pending: raised, unmasked, and its handler has not begun. */
bool paravirt_irq_is_pending(uint32_t line);

/** Forgets that a line is pending. */
void paravirt_irq_clear(uint32_t line);

/** Interrupts that found no handler. */
uint32_t paravirt_irq_spurious(void);

/** Runs the handlers of all pending lines; for the body of an upcall. */
void paravirt_irq_dispatch(void);

/**
 * Puts an operating system's interrupt prologue around paravirt_irq_dispatch(). `body` is called with interrupts off on
 * the stack of the interrupted code, with control words of x87 and SSE as at a program's start; it calls
 * paravirt_irq_dispatch() once and returns with interrupts off. What it leaves in registers of x87, SSE and AVX, the
 * interrupted code does not see.
 */
void paravirt_upcall_set_body(void (*body)(void));

#ifdef __cplusplus
}
#endif

#endif
