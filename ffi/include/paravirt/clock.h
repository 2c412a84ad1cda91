/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Monotonic and wall-clock time.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_CLOCK_H
#define PARAVIRT_CLOCK_H

#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Monotonic time since the guest's start. It never steps back. No host call where the host keeps the vCPU page's
 * clock. */
uint64_t paravirt_clock_now(void);

/** Unix time. */
uint64_t paravirt_clock_wall(void);

#ifdef __cplusplus
}
#endif

#endif
