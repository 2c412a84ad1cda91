/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief A small printf(), for guests without a C library.
 *
 * Of the C standard's: conversions `d` `i` `u` `x` `X` `c` `s` `p` `%`, flags `-` and `0`, a width and a precision as
 * numbers or `*`, lengths `hh` `h` `l` `ll` `z` `j` `t`; a precision is for `s` only. At a directive that is not of
 * these the output ends, and the result is -1. For `%s`, null is `(null)`; `%p` is `0x` and hexadecimal digits.
 *
 * Text for the console is put, as by paravirt_console_put(): it goes to the host when its line ends.
 */
#ifndef PARAVIRT_PRINTF_H
#define PARAVIRT_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Prints to the console; returns the number of bytes. */
int paravirt_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Prints to the console; returns the number of bytes. */
int paravirt_vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/** Writes at most `size` bytes to `buffer`, with a NUL behind the text; returns the number of bytes that it has in full,
 *  without the NUL. With a `size` of 0 nothing is written. */
int paravirt_snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** As paravirt_snprintf(). */
int paravirt_vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#ifdef __cplusplus
}
#endif

#endif
