/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The console: a vcon, written to in pieces, read when its IRQ says that there is something.
 *
 * The kernel's own console (`con = L4.Env.log:m("rw")` in Ned's script) has input. It puts a carriage return in front of each line
 * feed that is written, and takes both for the return key when they are read. A log of Moe's has no input and puts the program's
 * name in front of each line.
 */
#include <l4/re/env.h>
#include <l4/sys/icu.h>
#include <l4/sys/vcon.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wrapper.h"

static l4_cap_idx_t console;
static int has_input;

void console_initialize(void) {
  console = l4re_env_get_cap("con");
  has_input = !l4_is_invalid_cap(console);
  if (!has_input) {
    console = l4re_env()->log;
    return;
  }
  /* No echo; what comes for the return key is a line feed. */
  l4_vcon_attr_t attributes = {.i_flags = L4_VCON_ICRNL};
  l4_vcon_set_attr(console, &attributes);
}

void console_attach(l4_umword_t label) {
  if (!has_input)
    return;
  l4_cap_idx_t irq = vcpu_irq(label);
  /* A vcon is an interrupt controller with one line. */
  if (l4_is_invalid_cap(irq) || l4_error(l4_icu_bind(console, 0, irq)) < 0) {
    console_say("the console `con` has no interrupt for input; give it with the rights \"rw\"");
    has_input = 0;
    return;
  }
  l4_icu_unmask(console, 0, 0, L4_IPC_NEVER);
  /* The IRQ comes when the first byte comes, and that may have been before. */
  pvh_guest_latch(wrapper_guest, PV_LINE_CONSOLE);
}

intptr_t console_write(void *context, const void *bytes, size_t size) {
  (void)context;
  const char *from = bytes;
  size_t taken = 0;
  while (taken < size) {
    /* At most L4_VCON_WRITE_SIZE bytes are taken at once. */
    long written = l4_vcon_write(console, from + taken, size - taken);
    if (written <= 0)
      return taken ? (intptr_t)taken : PV_ERROR_DEVICE;
    taken += written;
  }
  return taken;
}

intptr_t console_read(void *context, void *buffer, size_t size, int32_t *more) {
  (void)context;
  if (!has_input)
    return PV_ERROR_END_OF_INPUT;
  size_t piece = size < L4_VCON_READ_SIZE ? size : L4_VCON_READ_SIZE;
  int read = l4_vcon_read(console, buffer, piece);
  if (read < 0)
    return PV_ERROR_DEVICE;
  if ((size_t)read <= piece)
    return read;
  /* More bytes than asked for are there; no IRQ will tell of them. */
  *more = 1;
  return piece;
}

void console_line(const char *text) {
  static const char name[] = "paravirt: ";
  console_write(NULL, name, sizeof(name) - 1);
  console_write(NULL, text, strlen(text));
  console_write(NULL, "\n", 1);
}

void console_say(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  console_line(text);
}
