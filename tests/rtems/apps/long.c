/* SPDX-License-Identifier: BSD-2-Clause */
/* A ticker for as long as the command line says, in seconds, 3 at least. Three tasks sleep for 1, 2 and 3 s and print
 * the time. At the end the program compares ticks, expirations and the clock, and the free memory with that before. It
 * exits with the number of the failed check, or 0. */

#include <rtems.h>
#include <rtems/malloc.h>

#include <bsp/bootcard.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <paravirt/clock.h>
#include <paravirt/timer.h>

#define TASKS 3
#define STACK (2 * RTEMS_MINIMUM_STACK_SIZE)
#define ENDED RTEMS_EVENT_0 /* of the first task; the next bits are the others' */
#define PRINTED RTEMS_EVENT_8
#define ALL(event) ((event) | (event) << 1 | (event) << 2)
#define CONFIGURE_MICROSECONDS_PER_TICK 10000
#define NS_PER_TICK (UINT64_C(1000) * CONFIGURE_MICROSECONDS_PER_TICK)

static rtems_interval first;
static rtems_interval last;
static uint32_t wakes[TASKS];
static rtems_id init;

typedef struct {
  rtems_interval ticks;
  uint64_t expirations;
  uint64_t now;
} sample;

static void check(uint32_t number, bool holds, const char *what)
{
  printf("%s: %s\n", what, holds ? "right" : "wrong");
  if (!holds) {
    exit((int) number);
  }
}

/* Right after a tick, all three together. */
static sample take_sample(void)
{
  sample taken;
  rtems_interrupt_level level;

  (void) rtems_task_wake_after(1);
  rtems_interrupt_local_disable(level);
  taken.ticks = rtems_clock_get_ticks_since_boot();
  taken.expirations = paravirt_timer_expirations(PV_TIMER_TICK);
  taken.now = paravirt_clock_now();
  rtems_interrupt_local_enable(level);

  return taken;
}

/* Of the workspace and of the C program heap. */
static uintptr_t free_memory(void)
{
  Heap_Information_block workspace;

  (void) rtems_workspace_get_information(&workspace);

  return workspace.Free.total + malloc_free_space();
}

static void wait_for(rtems_event_set wanted)
{
  rtems_event_set events;

  (void) rtems_event_receive(wanted, RTEMS_WAIT | RTEMS_EVENT_ALL, RTEMS_NO_TIMEOUT, &events);
}

static void ticker(rtems_task_argument number)
{
  rtems_interval period = (rtems_interval) (number + 1) * rtems_clock_get_ticks_per_second();
  rtems_interval next;

  /* To a tick and not for some ticks: where several come at once, the task runs after the last of them. */
  for (next = first + period; next <= last; next += period) {
    rtems_interval now = rtems_clock_get_ticks_since_boot();

    (void) rtems_task_wake_after(now < next ? next - now : RTEMS_YIELD_PROCESSOR);
    ++wakes[number];
    printf("TA%" PRIuPTR " - %" PRIu64 " ms\n", (uintptr_t) number + 1, rtems_clock_get_uptime_nanoseconds() / 1000000);
    (void) rtems_event_send(init, PRINTED << number);
  }
  (void) rtems_event_send(init, ENDED << number);
  /* It stays, and so does its memory. */
  (void) rtems_task_suspend(RTEMS_SELF);
}

static void Init(rtems_task_argument argument)
{
  rtems_interval seconds = (rtems_interval) strtoul(bsp_boot_cmdline, NULL, 10);
  uintptr_t memory;
  sample begin;
  sample end;
  uint64_t ticks;
  uint64_t drift;
  rtems_id ids[TASKS];

  (void) argument;
  init = rtems_task_self();
  printf("%" PRIu32 " seconds\n", seconds);
  for (rtems_task_argument number = 0; number < TASKS; ++number) {
    if (rtems_task_create(
          rtems_build_name('T', 'A', '1' + number, ' '), 20, STACK, RTEMS_DEFAULT_MODES, RTEMS_DEFAULT_ATTRIBUTES,
          &ids[number]
        ) != RTEMS_SUCCESSFUL) {
      exit(99);
    }
  }

  begin = take_sample();
  first = begin.ticks;
  last = first + seconds * rtems_clock_get_ticks_per_second();
  for (rtems_task_argument number = 0; number < TASKS; ++number) {
    (void) rtems_task_start(ids[number], ticker, number);
  }
  /* From here on, nothing is used for the first time. */
  wait_for(ALL(PRINTED));
  memory = free_memory();
  wait_for(ALL(ENDED));
  end = take_sample();

  ticks = end.ticks - begin.ticks;
  printf("%" PRIu64 " ticks, %" PRIu64 " expirations\n", ticks, end.expirations - begin.expirations);
  check(1, end.ticks == end.expirations && ticks == end.expirations - begin.expirations, "a tick for each expiration");
  drift = end.now - begin.now > ticks * NS_PER_TICK ? end.now - begin.now - ticks * NS_PER_TICK
                                                    : ticks * NS_PER_TICK - (end.now - begin.now);
  printf("between ticks and clock: %" PRIu64 " us\n", drift / 1000);
  check(2, drift < NS_PER_TICK, "ticks against the clock");
  for (uint32_t number = 0; number < TASKS; ++number) {
    check(3, wakes[number] == seconds / (number + 1), "wakes of a task");
  }
  check(4, free_memory() == memory, "free memory");
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS (TASKS + 1)
#define CONFIGURE_EXTRA_TASK_STACKS (TASKS * STACK)
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
