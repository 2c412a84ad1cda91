/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/** The functions of the guest `calls`: each looks at what it was passed. */
#include <string.h>

#include "arguments.h"
#include "functions.h"

static int32_t check_narrow(int8_t a, uint16_t b) {
  return a + b;
}

static float check_single(float a) {
  return a / 2;
}

static int8_t check_byte(void) {
  return -5;
}

static uint64_t check_wide(void) {
  return UINT64_C(0x0123456789abcdef);
}

static intptr_t check_negative(intptr_t a) {
  return -a;
}

static int32_t check_read(const void *from, size_t size) {
  if (!pvh_guest_readable(pvh_guest_current(), from, size))
    return PV_ERROR_BAD_ADDRESS;
  int32_t sum = 0;
  for (size_t i = 0; i < size; ++i)
    sum += ((const unsigned char *)from)[i];
  return sum;
}

static int32_t check_write(void *to, size_t size) {
  if (!pvh_guest_writable(pvh_guest_current(), to, size))
    return PV_ERROR_BAD_ADDRESS;
  memset(to, 'y', size);
  return 0;
}

/* The guest knows it as a function that does not return. */
static void check_done(int32_t code) {
  pvh_guest_stop(pvh_guest_current(), code);
}

#define DONE (UINT64_C(1) << 60 | L4_TYPE_I32 << 4 | L4_TYPE_NEVER)

const struct pvh_function host_functions[] = {
    PVH_TYPED_FUNCTION(uint64_t, check_integers, uint8_t, int16_t, uint32_t, int64_t, uint64_t, const void *, size_t,
                       int32_t, uint64_t) PVH_TYPED_FUNCTION(double, check_floats, float, double, uint32_t, double,
                                                             double, double, double, double, double, double, float)
        PVH_TYPED_FUNCTION(int32_t, check_narrow, int8_t, uint16_t) PVH_TYPED_FUNCTION(float, check_single, float)
            PVH_TYPED_FUNCTION(int8_t, check_byte) PVH_TYPED_FUNCTION(uint64_t, check_wide)
                PVH_TYPED_FUNCTION(intptr_t, check_negative, intptr_t)
                    PVH_TYPED_FUNCTION(int32_t, check_read, const void *, size_t)
                        PVH_TYPED_FUNCTION(int32_t, check_write, void *, size_t) PVH_FUNCTION(check_done, DONE)};
const size_t host_function_count = sizeof(host_functions) / sizeof(host_functions[0]);
