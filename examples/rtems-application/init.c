/* SPDX-License-Identifier: BSD-2-Clause */
/* The application: an oven is kept at 60 degrees, and what it does is printed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "control.h"

#define WANTED 60000
#define REPORTS 6
#define REPORT_SECONDS 10

static rtems_task Init(rtems_task_argument argument)
{
  (void) argument;
  rtems_status_code status = control_start(WANTED);
  if (status != RTEMS_SUCCESSFUL) {
    printf("oven: cannot start: %s\n", rtems_status_text(status));
    exit(1);
  }
  for (int i = 1; i <= REPORTS; ++i) {
    (void) rtems_task_wake_after(REPORT_SECONDS * rtems_clock_get_ticks_per_second());
    struct control_state now = control_get();
    printf(
      "%3d s: %" PRId32 ".%03" PRId32 " C, heater %s, %" PRIu32 " samples, %" PRIu32 " failures, %" PRIu32 " lost\n",
      i * REPORT_SECONDS, now.temperature / 1000, now.temperature % 1000, now.heating ? "on" : "off", now.samples,
      now.failures, now.lost
    );
  }
  control_stop();
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_SIMPLE_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS (1 + CONTROL_TASKS)
#define CONFIGURE_MAXIMUM_MESSAGE_QUEUES CONTROL_QUEUES
#define CONFIGURE_MESSAGE_BUFFER_MEMORY CONFIGURE_MESSAGE_BUFFERS_FOR_QUEUE(CONTROL_QUEUE_LENGTH, CONTROL_MESSAGE_SIZE)
#define CONFIGURE_MAXIMUM_PERIODS CONTROL_PERIODS
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT
#include <rtems/confdefs.h>
