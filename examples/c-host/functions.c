/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Host functions of the example's own, which the guest own-function asks for.
 */
#include "functions.h"

#include <string.h>

static int32_t board_temperature(uint32_t sensor) {
  static const int32_t temperatures[] = {21500, 48062, 19999}; /* thousandths of a degree Celsius */
  return sensor < sizeof(temperatures) / sizeof(temperatures[0]) ? temperatures[sensor] : -1;
}

static intptr_t board_name(void *buffer, size_t length) {
  static const char name[] = "demonstration board";
  if (length > sizeof(name) - 1)
    length = sizeof(name) - 1;
  if (!pvh_guest_writable(pvh_guest_current(), buffer, length))
    return PV_ERROR_BAD_ADDRESS;
  memcpy(buffer, name, length);
  return length;
}

static double board_mean(double a, double b) {
  return (a + b) / 2;
}

const struct pvh_function host_functions[] = {PVH_TYPED_FUNCTION(int32_t, board_temperature, uint32_t)
                                                  PVH_TYPED_FUNCTION(intptr_t, board_name, void *, size_t)
                                                      PVH_TYPED_FUNCTION(double, board_mean, double, double)};
const size_t host_function_count = sizeof(host_functions) / sizeof(host_functions[0]);
