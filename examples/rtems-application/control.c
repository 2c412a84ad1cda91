/* SPDX-License-Identifier: BSD-2-Clause */
#include "control.h"

#include <string.h>

#include <rtems/thread.h>

#include "oven.h"

/* The sampler must not wait for the controller. */
#define SAMPLER_PRIORITY 10
#define CONTROLLER_PRIORITY 20

static rtems_id sampler;
static rtems_id controller;
static rtems_id period;
static rtems_id queue;

/* Of `state`. */
static rtems_mutex mutex = RTEMS_MUTEX_INITIALIZER("control");
static struct control_state state;

static void lose_one(void)
{
  rtems_mutex_lock(&mutex);
  ++state.lost;
  rtems_mutex_unlock(&mutex);
}

static rtems_task sample(rtems_task_argument argument)
{
  (void) argument;
  /* A period belongs to the task that creates it. */
  rtems_status_code status = rtems_rate_monotonic_create(rtems_build_name('O', 'V', 'N', 'P'), &period);
  if (status != RTEMS_SUCCESSFUL)
    rtems_fatal_error_occurred(status);
  for (;;) {
    /* The first call begins the first period. */
    if (rtems_rate_monotonic_period(period, RTEMS_MILLISECONDS_TO_TICKS(CONTROL_PERIOD_MS)) != RTEMS_SUCCESSFUL)
      lose_one();
    struct control_sample sample = {0};
    sample.status = oven_temperature(&sample.temperature);
    if (rtems_message_queue_send(queue, &sample, sizeof(sample)) != RTEMS_SUCCESSFUL)
      lose_one();
  }
}

/* Whether to heat at that mean. */
static bool decide(bool heating, int32_t mean, int32_t wanted)
{
  if (mean < wanted - CONTROL_HYSTERESIS)
    return true;
  if (mean > wanted + CONTROL_HYSTERESIS)
    return false;
  return heating;
}

static rtems_task control(rtems_task_argument wanted)
{
  int32_t window[CONTROL_WINDOW];
  uint32_t good = 0;
  bool heating = false;
  for (;;) {
    struct control_sample sample;
    size_t size;
    (void) rtems_message_queue_receive(queue, &sample, &size, RTEMS_WAIT, RTEMS_NO_TIMEOUT);
    int32_t mean = 0;
    if (sample.status == RTEMS_SUCCESSFUL) {
      window[good++ % CONTROL_WINDOW] = sample.temperature;
      uint32_t count = good < CONTROL_WINDOW ? good : CONTROL_WINDOW;
      for (uint32_t i = 0; i < count; ++i)
        mean += window[i];
      mean /= (int32_t) count;
      heating = decide(heating, mean, (int32_t) wanted);
    } else {
      /* Nobody knows how hot it is. */
      good = 0;
      heating = false;
    }
    oven_heat(heating);
    rtems_mutex_lock(&mutex);
    if (sample.status == RTEMS_SUCCESSFUL) {
      ++state.samples;
      state.temperature = mean;
    } else {
      ++state.failures;
    }
    state.heating = heating;
    rtems_mutex_unlock(&mutex);
  }
}

static rtems_status_code start_task(
  char name, rtems_task_priority priority, rtems_task_entry entry, int32_t argument, rtems_id *id
)
{
  rtems_status_code status = rtems_task_create(
    rtems_build_name('O', 'V', 'N', name), priority, RTEMS_MINIMUM_STACK_SIZE, RTEMS_DEFAULT_MODES,
    RTEMS_DEFAULT_ATTRIBUTES, id
  );
  if (status != RTEMS_SUCCESSFUL)
    return status;
  return rtems_task_start(*id, entry, (rtems_task_argument) argument);
}

rtems_status_code control_start(int32_t wanted)
{
  memset(&state, 0, sizeof(state));
  oven_heat(false);
  rtems_status_code status = rtems_message_queue_create(
    rtems_build_name('O', 'V', 'N', 'Q'), CONTROL_QUEUE_LENGTH, CONTROL_MESSAGE_SIZE, RTEMS_DEFAULT_ATTRIBUTES, &queue
  );
  if (status == RTEMS_SUCCESSFUL)
    status = start_task('C', CONTROLLER_PRIORITY, control, wanted, &controller);
  if (status == RTEMS_SUCCESSFUL)
    status = start_task('S', SAMPLER_PRIORITY, sample, 0, &sampler);
  return status;
}

struct control_state control_get(void)
{
  rtems_mutex_lock(&mutex);
  struct control_state now = state;
  rtems_mutex_unlock(&mutex);
  return now;
}

void control_stop(void)
{
  /* With the mutex, so that neither task is deleted while it has it. */
  rtems_mutex_lock(&mutex);
  (void) rtems_task_delete(sampler);
  (void) rtems_task_delete(controller);
  rtems_mutex_unlock(&mutex);
  (void) rtems_rate_monotonic_delete(period);
  (void) rtems_message_queue_delete(queue);
  oven_heat(false);
}
