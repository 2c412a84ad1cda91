/* SPDX-License-Identifier: BSD-2-Clause */
/* The uptime against the layer's clock, across a time without ticks that is longer than 32 bits of ns. Exits with the
 * number of the failed check, or 0. */

#include <rtems.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <paravirt/clock.h>

#define WITHOUT_TICKS UINT64_C(4500000000) /* ns, more than 2^32 */
#define TOLERANCE INT64_C(1000000)         /* ns; the uptime goes by a scale that is rounded */

/* The uptime less the layer's clock, both read with nothing between them. */
static int64_t difference(void)
{
  rtems_interrupt_level level;
  uint64_t before;
  uint64_t uptime;
  uint64_t after;

  do {
    rtems_interrupt_local_disable(level);
    before = paravirt_clock_now();
    uptime = rtems_clock_get_uptime_nanoseconds();
    after = paravirt_clock_now();
    rtems_interrupt_local_enable(level);
  } while (after - before > (uint64_t) TOLERANCE / 2);

  return (int64_t) (uptime - before);
}

static void check(int number, int64_t is, int64_t should, const char *what)
{
  int64_t wrong = is > should ? is - should : should - is;

  printf("%s: %" PRId64 " us from the clock\n", what, wrong / 1000);
  if (wrong > TOLERANCE) {
    exit(number);
  }
}

static void Init(rtems_task_argument argument)
{
  rtems_interrupt_level level;
  rtems_interval ticks;
  int64_t start;
  int64_t without_ticks;
  uint64_t begin;

  (void) argument;
  (void) rtems_task_wake_after(2);
  start = difference();
  ticks = rtems_clock_get_ticks_since_boot();

  rtems_interrupt_local_disable(level);
  begin = paravirt_clock_now();
  while (paravirt_clock_now() - begin < WITHOUT_TICKS) {
    /* Computes for long. */
  }
  without_ticks = difference();
  rtems_interrupt_local_enable(level);
  check(1, without_ticks, start, "without ticks");
  (void) rtems_task_wake_after(2);
  check(2, difference(), start, "after the ticks came");
  ticks = rtems_clock_get_ticks_since_boot() - ticks;
  if (ticks < WITHOUT_TICKS / 10000000) {
    printf("%" PRIu32 " ticks\n", ticks);
    exit(3);
  }
  puts("uptime: right");
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_MICROSECONDS_PER_TICK 10000
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
