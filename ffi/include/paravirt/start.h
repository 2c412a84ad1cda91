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

/**
 * Asks for free memory that may be executed as well as read and written, for an image that loads or compiles code:
 * outside of functions, in a source of the image, with a semicolon behind it. It is the note
 * PV_NOTE_EXECUTABLE_MEMORY_TYPE. The symbol is for the backend that maps memory itself: what it adds to the rights.
 *
 *     PARAVIRT_EXECUTABLE_MEMORY;
 */
#define PARAVIRT_EXECUTABLE_MEMORY \
  __asm__(".pushsection .note.paravirt, \"a\", %note\n" \
          ".balign 4\n" \
          ".long 9, 0, 3\n" /* length of owner with NUL, of descriptor, type */ \
          ".asciz \"paravirt\"\n" \
          ".balign 4\n" \
          ".popsection\n" \
          ".weak __paravirt_executable_memory\n" \
          ".set __paravirt_executable_memory, 4\n")

#endif
