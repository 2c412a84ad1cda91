/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver of the real-time clock: the time of day is the host's, or there is no clock. Exits with the number of
 * failed checks. */

#include <rtems.h>
#include <rtems/rtc.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <paravirt/start.h>

#define NS_PER_SECOND 1000000000u

static void Init(rtems_task_argument argument)
{
  bool known = paravirt_start_info()->wall_clock != 0;
  int clock = open(RTC_DEVICE_NAME, O_RDONLY);
  struct timespec now;
  int failed = 0;

  (void) argument;
  printf("the host %s\n", known ? "knows the time" : "has no clock");
  if ((clock >= 0) != known) {
    printf("%s is %s\n", RTC_DEVICE_NAME, clock >= 0 ? "there" : "not there");
    ++failed;
  }
  (void) clock_gettime(CLOCK_REALTIME, &now);
  /* RTEMS' own time begins in 1988. The layer was written later. */
  if ((now.tv_sec > 1700000000) != known) {
    printf("the time of day is %lld\n", (long long) now.tv_sec);
    ++failed;
  }
  puts(failed == 0 ? "time of day: right" : "time of day: wrong");
  exit(failed);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_RTC_DRIVER
#define CONFIGURE_MAXIMUM_FILE_DESCRIPTORS 4
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
