// SPDX-License-Identifier: BSD-2-Clause
#include <rtems.h>

#include <stdio.h>
#include <stdlib.h>

static rtems_task Init(rtems_task_argument argument) {
  (void)argument;
  printf("Hello from @NAME@, on RTEMS %s\n", rtems_get_version_string());
  for (int i = 1; i <= 3; i++) {
    rtems_task_wake_after(RTEMS_MILLISECONDS_TO_TICKS(100));
    printf("tick %d\n", i);
  }
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_SIMPLE_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT
#include <rtems/confdefs.h>
