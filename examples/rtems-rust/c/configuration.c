/* SPDX-License-Identifier: BSD-2-Clause */
/* What RTEMS wants in C: its configuration. The application is in ../src. */

#include <rtems.h>

/* What directives.rs takes these for. */
_Static_assert(RTEMS_SUCCESSFUL == 0, "");
_Static_assert(RTEMS_DEFAULT_MODES == 0 && RTEMS_DEFAULT_ATTRIBUTES == 0, "");
_Static_assert(RTEMS_WAIT == 0 && RTEMS_EVENT_ALL == 0 && RTEMS_NO_TIMEOUT == 0, "");
_Static_assert(RTEMS_EVENT_0 == 1, "");
_Static_assert(rtems_build_name('W', 'O', 'R', 'K') == 0x574f524b, "");
_Static_assert(sizeof(rtems_task_argument) == sizeof(size_t), "");

void init_task(rtems_task_argument argument);

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_MAXIMUM_FILE_DESCRIPTORS 0
#define CONFIGURE_MAXIMUM_TASKS 2
/* Beyond RTEMS' smallest stack: the one of the task that init_task() creates. */
#define CONFIGURE_EXTRA_TASK_STACKS (8 * 1024)
#define CONFIGURE_MAXIMUM_MESSAGE_QUEUES 1
#define CONFIGURE_MESSAGE_BUFFER_MEMORY CONFIGURE_MESSAGE_BUFFERS_FOR_QUEUE(8, sizeof(uint64_t))
#define CONFIGURE_INIT_TASK_ENTRY_POINT init_task
#define CONFIGURE_INIT_TASK_STACK_SIZE (8 * 1024)
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
