/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The console: bytes out and in.
 *
 * Times are in nanoseconds, sizes in bytes. Functions that return int32_t return 0, or a negative number PV_ERROR_*.
 */
#ifndef PARAVIRT_CONSOLE_H
#define PARAVIRT_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Writes all of `buffer` now, after what was put; what the host refuses is lost. */
void paravirt_console_write(const void *buffer, size_t length);

/** Reads what is there now: the number of bytes, 0 if there are none yet, PV_ERROR_END_OF_INPUT after the last. */
intptr_t paravirt_console_read(void *buffer, size_t length);

/** Puts a byte into the line, which goes to the host when it ends. */
void paravirt_console_put(uint8_t byte);

/** Sends what was put. */
void paravirt_console_flush(void);

/** Reads a byte, after sending what was put: the byte, or -1 if there is none. */
int32_t paravirt_console_poll(void);

#ifdef __cplusplus
}
#endif

#endif
