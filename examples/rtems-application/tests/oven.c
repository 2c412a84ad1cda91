/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of driver and control, on a board that is made up: its functions are here, so no host need have them. */
#include <stdlib.h>

#include <rtems/test-info.h>
#include <rtems/test.h>

#include "../board.h"
#include "../control.h"
#include "../oven.h"

const char rtems_test_name[] = "OVEN";

#define WANTED 60000

/* What the converter says, if it is not to measure the made-up oven. */
#define MEASURE INT32_MIN
static int32_t adc = MEASURE;
static int32_t temperature;
static uint32_t heating;
static uint32_t switched;

/* The oven, as warm as it is after another 10 ms. */
int32_t board_adc_read(uint32_t channel)
{
  T_eq_u32(channel, 0);
  temperature += heating ? 20 : -5;
  return adc == MEASURE ? (temperature + 50000) / 50 : adc;
}

void board_relay_set(uint32_t relay, uint32_t on)
{
  T_eq_u32(relay, 0);
  switched += on != heating;
  heating = on;
}

static void start(void *context)
{
  (void) context;
  adc = MEASURE;
  temperature = 20000;
  heating = 0;
  switched = 0;
  T_assert_rsc_success(control_start(WANTED));
}

static void stop(void *context)
{
  (void) context;
  control_stop();
  T_eq_u32(heating, 0);
}

/* The tasks run during the test. */
static const T_fixture control = {.setup = start, .teardown = stop};

static void wait(uint32_t seconds)
{
  (void) rtems_task_wake_after(seconds * rtems_clock_get_ticks_per_second());
}

T_TEST_CASE(TheDriverConverts)
{
  static const int32_t known[][2] = {{0, -50000}, {1, -49950}, {1000, 0}, {4095, 154750}};
  for (size_t i = 0; i < RTEMS_ARRAY_SIZE(known); ++i) {
    int32_t read = -1;
    adc = known[i][0];
    T_rsc_success(oven_temperature(&read));
    T_eq_i32(read, known[i][1]);
  }
}

T_TEST_CASE(TheDriverReportsAThermometerThatIsNotThere)
{
  static const int32_t wrong[] = {-1, 4096, INT32_MAX};
  for (size_t i = 0; i < RTEMS_ARRAY_SIZE(wrong); ++i) {
    int32_t read = 7;
    adc = wrong[i];
    T_rsc(oven_temperature(&read), RTEMS_IO_ERROR);
    T_eq_i32(read, 7);
  }
}

T_TEST_CASE_FIXTURE(TheOvenIsKeptWarmForTenMinutes, &control)
{
  wait(30);
  for (int second = 30; second < 600; ++second) {
    int32_t off = control_get().temperature - WANTED;
    T_assert_true(abs(off) < 2 * CONTROL_HYSTERESIS, "after %d s: %d away", second, (int) off);
    wait(1);
  }
  struct control_state now = control_get();
  T_true(now.samples + 1 >= 600 * 1000 / CONTROL_PERIOD_MS, "samples: %u", (unsigned) now.samples);
  T_eq_u32(now.failures, 0);
  T_eq_u32(now.lost, 0);
  /* It is the distance between the two limits that keeps the relay from chattering. */
  T_true(switched > 100 && switched < 1000, "switched %u times", (unsigned) switched);
}

T_TEST_CASE_FIXTURE(WithoutAThermometerTheHeaterIsOff, &control)
{
  wait(1);
  T_eq_u32(heating, 1);
  adc = -1;
  wait(1);
  T_eq_u32(heating, 0);
  T_gt_u32(control_get().failures, 0);
  adc = MEASURE;
  wait(1);
  T_eq_u32(heating, 1);
}

static rtems_task Init(rtems_task_argument argument)
{
  rtems_test_run(argument, TEST_STATE);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_SIMPLE_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS (1 + CONTROL_TASKS)
#define CONFIGURE_MAXIMUM_MESSAGE_QUEUES CONTROL_QUEUES
#define CONFIGURE_MESSAGE_BUFFER_MEMORY CONFIGURE_MESSAGE_BUFFERS_FOR_QUEUE(CONTROL_QUEUE_LENGTH, CONTROL_MESSAGE_SIZE)
#define CONFIGURE_MAXIMUM_PERIODS CONTROL_PERIODS
#define CONFIGURE_INITIAL_EXTENSIONS RTEMS_TEST_INITIAL_EXTENSION
#define CONFIGURE_INIT_TASK_ATTRIBUTES RTEMS_FLOATING_POINT
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT
#include <rtems/confdefs.h>
