/* SPDX-License-Identifier: BSD-2-Clause */
#include "oven.h"

#include "board.h"

#define THERMOMETER 0
#define HEATER 0
/* The converter's range. */
#define STEPS 4096
/* At step 0, and for each step, in thousandths of a degree. */
#define LOWEST (-50000)
#define STEP 50

rtems_status_code oven_temperature(int32_t *temperature)
{
  int32_t value = board_adc_read(THERMOMETER);
  if (value < 0 || value >= STEPS)
    return RTEMS_IO_ERROR;
  *temperature = LOWEST + value * STEP;
  return RTEMS_SUCCESSFUL;
}

void oven_heat(bool on)
{
  board_relay_set(HEATER, on);
}
