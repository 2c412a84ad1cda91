/* SPDX-License-Identifier: BSD-2-Clause */
/* What the board does: functions of the host. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#include <paravirt/external.h>

/* Converts what is at a channel: 0 to 4095, or negative if there is no such channel or no result. */
L4_EXTERNAL_FUNC(int32_t, board_adc_read, uint32_t);

/* Switches a relay: the relay's number, and 0 for off or 1 for on. */
L4_EXTERNAL_FUNC(void, board_relay_set, uint32_t, uint32_t);

#endif
