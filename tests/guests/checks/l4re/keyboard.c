/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The functions of the guest `device` on L4Re: a PC's keyboard controller, whose ports a virtual bus has.
 *
 * Ports and commands are those of IBM's PC AT (Technical Reference, 8042): data 0x60, command and status 0x64.
 */
#include <l4/re/env.h>
#include <l4/util/port_io.h>
#include <l4/vbus/vbus.h>
#include <stdlib.h>

#include <paravirt/host.h>

#include "functions.h"

enum { DATA = 0x60, COMMAND = 0x64 };
enum { OUTPUT_FULL = 1 << 0, INPUT_FULL = 1 << 1 };
/* The next byte written is put where those of the keyboard come. */
enum { WRITE_OUTPUT = 0xd2 };

static void want(l4_uint16_t port) {
  l4vbus_resource_t resource = {.type = L4VBUS_RESOURCE_PORT, .start = port, .end = port};
  if (l4vbus_request_ioport(l4re_env_get_cap("vbus"), &resource) < 0)
    abort();
}

static void want_ports(void) {
  static int have;
  if (have)
    return;
  want(DATA);
  want(COMMAND);
  have = 1;
}

static void write(l4_uint16_t port, l4_uint8_t byte) {
  while (l4util_in8(COMMAND) & INPUT_FULL)
    ;
  l4util_out8(byte, port);
}

void keyboard_type(uint8_t byte) {
  want_ports();
  write(COMMAND, WRITE_OUTPUT);
  write(DATA, byte);
}

int32_t keyboard_read(void) {
  want_ports();
  return l4util_in8(COMMAND) & OUTPUT_FULL ? l4util_in8(DATA) : -1;
}
