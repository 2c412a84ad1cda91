// SPDX-License-Identifier: MIT OR Apache-2.0
/* Loaded before a program (LD_PRELOAD): for it, somebody sets the wall clock an hour ahead, a second after its first
 * look at it. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int is_set(void) {
  static time_t first;
  struct timespec now;

  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  if (first == 0) {
    first = now.tv_sec;
  }
  return now.tv_sec > first + 1;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = (int)syscall(SYS_clock_gettime, clock, time);

  if (result == 0 && clock == CLOCK_REALTIME && is_set()) {
    time->tv_sec += 3600;
  }
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;

  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}
