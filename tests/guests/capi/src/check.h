/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the checks share. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MILLISECOND UINT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

/* Ends a check that finds a condition false; main.c prints the condition. */
#define REQUIRE(condition) \
  do { \
    if (!(condition)) \
      return #condition; \
  } while (0)

/* A check: NULL, or what did not hold. Each begins with interrupts on and leaves no handler behind. */
typedef const char *check(void);

check check_clock, check_wall_clock;
check check_console_order, check_console_input;
check check_interrupt_flag, check_idle, check_thread_local_storage;
check check_attach, check_mask, check_pending, check_spurious, check_upcall_body, check_no_such_line;
check check_own_dispatch, check_once, check_periodic, check_stop, check_no_such_timer;

/* Idles until `*counter` is at least `count`, or it takes too long; whether it is. */
bool wait_for(const volatile uint32_t *counter, uint32_t count);

/* A handler of a line: counts calls, and notes the line and whether interrupts were on. `argument` is the note. */
struct line_note {
  volatile uint32_t calls;
  uint32_t line;
  bool on;
};
void note_line(uint32_t line, void *argument);

#endif
