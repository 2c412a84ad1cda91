/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a reading of the monotonic clock through the vDSO costs: the fastest of many batches. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int main(void) {
  enum { COUNT = 20000, BATCHES = 200 };
  uint64_t fastest = UINT64_MAX;
  for (int batch = 0; batch < BATCHES; batch++) {
    uint64_t begin = now();
    for (int i = 0; i < COUNT; i++) {
      volatile uint64_t time = now();
      (void)time;
    }
    uint64_t duration = now() - begin;
    if (duration < fastest)
      fastest = duration;
  }
  printf("clock %llu\n", (unsigned long long)(fastest * 1000 / COUNT));
  return 0;
}
