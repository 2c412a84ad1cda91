/* SPDX-License-Identifier: BSD-2-Clause */
/* A fatal error in a system whose own extension turns interrupts on, as one does that waits for something. Handlers run
 * on the stack on which the BSP makes its report. Ends with that report. */

#include <rtems.h>

#include <string.h>

#include <paravirt/timer.h>

#define TIMER 1
#define TIMER_PERIOD_NS UINT64_C(20000)
#define USED 1024

static volatile uint32_t handlers;

/* Writes to as much stack as it may. */
static void on_timer(uint32_t timer, uint64_t expirations, void *argument)
{
  char used[USED];

  (void) timer;
  (void) expirations;
  (void) argument;
  memset(used, 0, sizeof(used));
  __asm__ volatile("" : : "r"(used) : "memory");
  ++handlers;
}

static void on_fatal(rtems_fatal_source source, bool always_set_to_false, rtems_fatal_code code)
{
  uint32_t seen = handlers;

  (void) source;
  (void) always_set_to_false;
  (void) code;
  rtems_interrupt_local_enable(0x200);
  while (handlers == seen) {
    /* for as long as interrupts are on */
  }
}

static void Init(rtems_task_argument argument)
{
  (void) argument;
  (void) paravirt_timer_attach(TIMER, on_timer, NULL);
  (void) paravirt_timer_start(TIMER, TIMER_PERIOD_NS, TIMER_PERIOD_NS);
  rtems_fatal(RTEMS_FATAL_SOURCE_APPLICATION, 0x1234);
}

#define CONFIGURE_APPLICATION_DOES_NOT_NEED_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_SIMPLE_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_INITIAL_EXTENSIONS {.fatal = on_fatal}
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
