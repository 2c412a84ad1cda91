/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief What the host said at start-up.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_START_H
#define PARAVIRT_START_H

#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The start info; null before start-up has read it. */
const struct pv_start_info *paravirt_start_info(void);

#ifdef __cplusplus
}
#endif

#endif
