/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Timers by number, 0 to PV_TIMERS - 1. Timer PV_TIMER_TICK belongs to the operating system.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_TIMER_H
#define PARAVIRT_TIMER_H

#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A handler: the timer, how often it expired since the last call (at least 1), and the argument given when attached.
 * */
typedef void (*paravirt_timer_handler)(uint32_t timer, uint64_t expirations, void *argument);

/** Starts a timer anew: it expires `first` ns from now and then every `period` ns; 0 means once. */
int32_t paravirt_timer_start(uint32_t timer, uint64_t first, uint64_t period);

/** Stops a timer. Expirations that were counted stay counted. */
int32_t paravirt_timer_stop(uint32_t timer);

/** Expirations of a timer since the guest's start, over all its starts. */
uint64_t paravirt_timer_expirations(uint32_t timer);

/** Has `handler` called after each expiration, as an interrupt handler. */
int32_t paravirt_timer_attach(uint32_t timer, paravirt_timer_handler handler, void *argument);

/** Takes the handler away. */
int32_t paravirt_timer_detach(uint32_t timer);

/** Calls the handlers of the timers that have expired; for a handler of the timer line. */
void paravirt_timer_dispatch(uint32_t line, void *argument);

#ifdef __cplusplus
}
#endif

#endif
