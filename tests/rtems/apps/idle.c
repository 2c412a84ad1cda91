/* SPDX-License-Identifier: BSD-2-Clause */
/* An idle system with a tick of 1 kHz: sleeps for as many seconds as the command line says, and compares ticks,
 * expirations and the clock. It exits with the number of the failed check, or 0. */

#include <rtems.h>

#include <bsp/bootcard.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <paravirt/clock.h>
#include <paravirt/timer.h>

#define CONFIGURE_MICROSECONDS_PER_TICK 1000
#define NS_PER_TICK UINT64_C(1000000)

static void Init(rtems_task_argument argument)
{
  uint32_t seconds = (uint32_t) strtoul(bsp_boot_cmdline, NULL, 10);
  rtems_interval ticks = seconds * rtems_clock_get_ticks_per_second();
  rtems_interval first;
  rtems_interval last;
  uint64_t begin;
  uint64_t passed;
  uint64_t expirations;

  (void) argument;
  (void) rtems_task_wake_after(1);
  first = rtems_clock_get_ticks_since_boot();
  expirations = paravirt_timer_expirations(PV_TIMER_TICK);
  begin = paravirt_clock_now();
  (void) rtems_task_wake_after(ticks);
  last = rtems_clock_get_ticks_since_boot();
  passed = paravirt_clock_now() - begin;
  expirations = paravirt_timer_expirations(PV_TIMER_TICK) - expirations;
  printf("%" PRIu32 " s: %" PRIu32 " ticks, %" PRIu64 " expirations, ", seconds, last - first, expirations);
  printf("%" PRIu64 " ms by the clock\n", (passed + NS_PER_TICK / 2) / NS_PER_TICK);
  if (last - first != ticks) {
    exit(1);
  }
  if (expirations != ticks) {
    exit(2);
  }
  exit((passed + NS_PER_TICK / 2) / NS_PER_TICK == ticks ? 0 : 3);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
