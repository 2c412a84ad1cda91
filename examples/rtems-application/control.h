/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the oven at a temperature, by two tasks: one samples the thermometer, the other averages and switches. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <rtems.h>

/* Between two samples. */
#define CONTROL_PERIOD_MS 10
/* Samples of which the mean is taken. */
#define CONTROL_WINDOW 8
/* The heater is switched this far below and above what is wanted, in thousandths of a degree. */
#define CONTROL_HYSTERESIS 500

/* What the tasks need in an application's configuration. */
#define CONTROL_TASKS 2
#define CONTROL_QUEUES 1
#define CONTROL_PERIODS 1
#define CONTROL_QUEUE_LENGTH 4
#define CONTROL_MESSAGE_SIZE sizeof(struct control_sample)

struct control_sample {
  rtems_status_code status;
  int32_t temperature;
};

struct control_state {
  uint32_t samples;    /* averaged since the start */
  uint32_t failures;   /* of the thermometer */
  uint32_t lost;       /* samples for which the queue had no room, and periods that were missed */
  int32_t temperature; /* mean, in thousandths of a degree; 0 before the first sample */
  bool heating;
};

/* Starts both tasks, with the heater off. The temperature that is wanted is in thousandths of a degree Celsius. */
rtems_status_code control_start(int32_t wanted);

/* How things are. */
struct control_state control_get(void);

/* Ends both tasks and switches the heater off. */
void control_stop(void);

#endif
