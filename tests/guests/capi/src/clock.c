/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <paravirt/clock.h>. */
#include <paravirt/clock.h>
#include <paravirt/start.h>

#include "check.h"

#define YEAR_2020 (UINT64_C(1577836800) * SECOND)
#define HOUR (3600 * SECOND)

/* It counts from the guest's start, and goes on. */
const char *check_clock(void) {
  uint64_t before = paravirt_clock_now();
  uint64_t last = before;

  REQUIRE(before < HOUR);
  while (last - before < MILLISECOND) {
    uint64_t now = paravirt_clock_now();

    REQUIRE(now >= last);
    last = now;
  }
  return NULL;
}

/* It is the time of day, agrees with the host's word at the start, and goes at the same rate. */
const char *check_wall_clock(void) {
  uint64_t begin = paravirt_clock_now();
  uint64_t wall = paravirt_clock_wall();
  uint64_t at_start = paravirt_start_info()->wall_clock;

  REQUIRE(at_start > YEAR_2020);
  REQUIRE(wall >= at_start && wall - at_start < HOUR);
  while (paravirt_clock_now() - begin < 2 * MILLISECOND) {
  }
  REQUIRE(paravirt_clock_wall() - wall >= MILLISECOND);
  return NULL;
}
