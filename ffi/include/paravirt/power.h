/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The end of a guest.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_POWER_H
#define PARAVIRT_POWER_H

#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Ends the guest for a reason PV_SHUTDOWN_*; of an exit, the low byte of `code` is the host's exit status. */
void paravirt_power_shutdown(uint32_t reason, int32_t code) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
