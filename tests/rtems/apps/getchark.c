/* SPDX-License-Identifier: BSD-2-Clause */
/* printk() and getchark() without a console driver: echoes its input, and ends at its last byte. */

#include <rtems.h>
#include <rtems/bspIo.h>

static void Init(rtems_task_argument argument)
{
  int c;

  (void) argument;
  while ((c = getchark()) != '.') {
    if (c == -1) {
      (void) rtems_task_wake_after(1);
    } else {
      rtems_putc((char) c);
    }
  }
  printk("\nend of input\n");
  rtems_shutdown_executive(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_MAXIMUM_FILE_DESCRIPTORS 0
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
