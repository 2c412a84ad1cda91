/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The console: a vcon, written to in pieces, read as soon as its IRQ says that there is something.
 *
 * A vcon holds little input (the kernel's 255 bytes) and drops what comes then, without a word. So all is taken at
 * once, whatever the guest does, and kept here until the guest reads it. For which there is no room here, is counted;
 * of a vcon only can be seen that it was full.
 *
 * The kernel's own console (`con = L4.Env.log:m("rw")` in Ned's script) has input. It puts a carriage return in front
 * of each line feed that is written, and takes both for the return key when they are read. A log of Moe's has no input
 * and puts the program's name in front of each line.
 */
#include <l4/re/env.h>
#include <l4/sys/icu.h>
#include <l4/sys/vcon.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wrapper.h"

enum {
  END_OF_TRANSMISSION = 4, /* Ctrl-D, the end of the input for guests: lost, it would be waited for without end */
  INPUT_ROOM = 65535,      /* bytes that wait for the guest; there is room for a Ctrl-D behind them */
  INPUT_SIZE = INPUT_ROOM + 1,
  CONSOLE_ROOM = 255 /* what the kernel's console keeps */
};

static l4_cap_idx_t console;
static int has_input;

/* Input that waits: `waiting` bytes from `first` on, in a ring. */
static struct {
  char bytes[INPUT_SIZE];
  size_t first, waiting;
  /* What has not been said yet: bytes for which there was no room, and how often the console was full when it was read.
   * */
  unsigned long lost, full;
  int broken; /* the vcon gives none */
} input;

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
  console_fetch();
}

static void keep(char byte) {
  if (input.waiting >= (byte == END_OF_TRANSMISSION ? INPUT_SIZE : INPUT_ROOM)) {
    ++input.lost;
    return;
  }
  input.bytes[(input.first + input.waiting) % INPUT_SIZE] = byte;
  ++input.waiting;
}

void console_fetch(void) {
  static char piece[L4_VCON_READ_SIZE];
  int read, total = 0;
  do {
    /* More than the size: so much, and more is there, of which no IRQ will tell. */
    read = l4_vcon_read(console, piece, sizeof(piece));
    for (int i = 0; i < read && i < (int)sizeof(piece); ++i, ++total)
      keep(piece[i]);
  } while (read > (int)sizeof(piece));
  input.full += total >= CONSOLE_ROOM;
  input.broken = read < 0;
  if (input.waiting || input.broken)
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
    /* A serial line takes 20 ms for them, and input comes as fast. */
    vcpu_fetch();
  }
  return taken;
}

intptr_t console_read(void *context, void *buffer, size_t size, int32_t *more) {
  (void)context;
  if (!has_input)
    return PV_ERROR_END_OF_INPUT;
  console_say_lost();
  if (!input.waiting && input.broken)
    return PV_ERROR_DEVICE;
  char *to = buffer;
  size_t taken = 0;
  for (; taken < size && input.waiting; --input.waiting) {
    to[taken++] = input.bytes[input.first];
    input.first = (input.first + 1) % INPUT_SIZE;
  }
  *more = input.waiting != 0;
  return taken;
}

void console_say_lost(void) {
  if (input.lost)
    console_say("lost %lu bytes of console input: %u waited for the guest", input.lost, INPUT_ROOM);
  if (input.full)
    console_say("the console was full %lu times: input that came then is lost", input.full);
  input.lost = input.full = 0;
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
