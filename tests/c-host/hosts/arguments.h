/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/** Functions that look at arguments of every kind, more than registers hold: for the guests `calls` and `misuse`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

static uint64_t check_integers(uint8_t a, int16_t b, uint32_t c, int64_t d, uint64_t e, const void *f, size_t g,
                               int32_t h, uint64_t i) {
  return a == 200 && b == -300 && c == 4000000000 && d == -5 && e == UINT64_C(6) << 40 && f == (void *)0x1234 &&
         g == 7 && h == -8 && i == UINT64_C(9) << 50;
}

static double check_floats(float a, double b, uint32_t c, double d, double e, double f, double g, double h, double i,
                           double j, float k) {
  return a == 0.5f && b == 1.5 && c == 2 && d == 3.5 && e == 4.5 && f == 5.5 && g == 6.5 && h == 7.5 && i == 8.5 &&
                 j == 9.5 && k == 10.5f
             ? 0.1
             : 0;
}
