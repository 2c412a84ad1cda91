/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Real-time clock: the host's wall clock, read only.
 */

#include <libchip/rtc.h>

#include <paravirt/clock.h>
#include <paravirt/start.h>

#include <rtems/score/todimpl.h>
#include <time.h>

#define NS_PER_SECOND 1000000000u

static void rtc_initialize(int minor)
{
  (void) minor;
}

static int rtc_get_time(int minor, rtems_time_of_day *time)
{
  time_t seconds = (time_t) (paravirt_clock_wall() / NS_PER_SECOND);
  struct tm tm;

  (void) minor;
  gmtime_r(&seconds, &tm);
  time->year = (uint32_t) tm.tm_year + 1900;
  time->month = (uint32_t) tm.tm_mon + 1;
  time->day = (uint32_t) tm.tm_mday;
  time->hour = (uint32_t) tm.tm_hour;
  time->minute = (uint32_t) tm.tm_min;
  time->second = (uint32_t) tm.tm_sec;
  time->ticks = 0;

  return 0;
}

static int rtc_set_time(int minor, const rtems_time_of_day *time)
{
  (void) minor;
  (void) time;

  return -1; /* the host's clock is not the guest's to set */
}

/* A host that does not know the time says so at the start, and has no function that tells it. */
static bool rtc_is_there(int minor)
{
  (void) minor;

  return paravirt_start_info()->wall_clock != 0;
}

static const rtc_fns rtc_functions = {
  .deviceInitialize = rtc_initialize, .deviceGetTime = rtc_get_time, .deviceSetTime = rtc_set_time
};

rtc_tbl RTC_Table[] = {
  {.sDeviceName = "/dev/rtc", .deviceType = RTC_CUSTOM, .pDeviceFns = &rtc_functions, .deviceProbe = rtc_is_there}
};

size_t RTC_Count = RTEMS_ARRAY_SIZE(RTC_Table);
