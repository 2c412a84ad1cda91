/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver of an oven: a thermometer at the board's converter, a heater at one of its relays. */
#ifndef OVEN_H
#define OVEN_H

#include <stdbool.h>
#include <stdint.h>

#include <rtems.h>

/*
 * Reads the temperature, in thousandths of a degree Celsius. RTEMS_IO_ERROR: the thermometer gives none; the result is
 * left as it was.
 */
rtems_status_code oven_temperature(int32_t *temperature);

/* Switches the heater. */
void oven_heat(bool on);

#endif
