/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The functions on memory that compilers call by themselves, for guests without a C library.
 *
 * As the C standard has them. They are weak: those of objects, and of a library that is named before ours, win.
 */
#ifndef PARAVIRT_STRING_H
#define PARAVIRT_STRING_H

#include <stddef.h>

/* As glibc declares them, whose <string.h> may be included as well. */
#ifdef __cplusplus
#define PARAVIRT_NOEXCEPT_ noexcept
extern "C" {
#else
#define PARAVIRT_NOEXCEPT_
#endif

/** Copies `length` bytes to a place that does not overlap; returns `to`. */
void *memcpy(void *to, const void *from, size_t length) PARAVIRT_NOEXCEPT_;

/** Copies `length` bytes to a place that may overlap; returns `to`. */
void *memmove(void *to, const void *from, size_t length) PARAVIRT_NOEXCEPT_;

/** Sets `length` bytes to the low byte of `byte`; returns `to`. */
void *memset(void *to, int byte, size_t length) PARAVIRT_NOEXCEPT_;

/** Compares `length` bytes: 0, or a number with the sign of the difference of the first two that differ. */
int memcmp(const void *one, const void *other, size_t length) PARAVIRT_NOEXCEPT_;

/** Returns the number of bytes before the first NUL. */
size_t strlen(const char *text) PARAVIRT_NOEXCEPT_;

#ifdef __cplusplus
}
#endif

#undef PARAVIRT_NOEXCEPT_

#endif
