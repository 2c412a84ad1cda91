/* SPDX-License-Identifier: BSD-2-Clause */
/* What the host latched for a vector: it is pending, also if the vector is disabled, and it can be cleared. Lines are
 * raised by the layer's own function, as a device raises them, past the directives of RTEMS. Exits with the number of
 * failed checks. */

#include <rtems.h>
#include <rtems/irq-extension.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <paravirt/irq.h>

#define VECTOR 5
#define OTHER 6 /* never enabled before it is raised */

static int failed;
static volatile uint32_t calls;
static void (*volatile in_handler)(void);

static void check(bool holds, const char *what)
{
  printf("%s: %s\n", what, holds ? "right" : "wrong");
  failed += !holds;
}

static bool is_pending(rtems_vector_number vector)
{
  bool pending = false;

  (void) rtems_interrupt_is_pending(vector, &pending);
  return pending;
}

static void handler(void *argument)
{
  void (*body)(void) = in_handler;

  (void) argument;
  ++calls;
  in_handler = NULL;
  if (body != NULL) {
    body();
  }
}

/* Whether the handler was called so often since the last question. */
static bool was_called(uint32_t times)
{
  bool right = calls == times;

  if (!right) {
    printf("%" PRIu32 " calls of %" PRIu32 "\n", calls, times);
  }
  calls = 0;
  return right;
}

static void raise_line(void)
{
  (void) paravirt_irq_raise(VECTOR);
}

static void raise_and_clear(void)
{
  (void) paravirt_irq_raise(VECTOR);
  (void) rtems_interrupt_clear(VECTOR);
}

static void raise_and_clear_disabled(void)
{
  (void) rtems_interrupt_vector_disable(VECTOR);
  raise_and_clear();
}

static void raise_disabled(void)
{
  (void) paravirt_irq_raise(VECTOR);
  (void) rtems_interrupt_vector_disable(VECTOR);
}

static void Init(rtems_task_argument argument)
{
  rtems_interrupt_level level;
  bool pending;
  bool still_pending;

  (void) argument;
  (void) rtems_interrupt_handler_install(VECTOR, "test", RTEMS_INTERRUPT_UNIQUE, handler, NULL);
  raise_line();
  check(was_called(1), "raised");

  (void) rtems_interrupt_vector_disable(VECTOR);
  raise_line();
  check(is_pending(VECTOR) && was_called(0), "raised while disabled");
  (void) rtems_interrupt_vector_enable(VECTOR);
  check(was_called(1) && !is_pending(VECTOR), "then enabled");

  (void) rtems_interrupt_vector_disable(VECTOR);
  raise_line();
  (void) rtems_interrupt_clear(VECTOR);
  check(!is_pending(VECTOR), "cleared while disabled");
  (void) rtems_interrupt_vector_enable(VECTOR);
  check(was_called(0), "then enabled: nothing");

  (void) rtems_interrupt_vector_disable(VECTOR);
  (void) rtems_interrupt_raise(VECTOR);
  check(is_pending(VECTOR), "by directive while disabled");
  (void) rtems_interrupt_clear(VECTOR);
  (void) rtems_interrupt_vector_enable(VECTOR);
  check(was_called(0), "and cleared: nothing");

  /* With interrupts disabled nothing is printed: not every port of RTEMS lets threads wait then. */
  rtems_interrupt_local_disable(level);
  raise_line();
  pending = is_pending(VECTOR);
  (void) rtems_interrupt_vector_disable(VECTOR);
  still_pending = is_pending(VECTOR);
  rtems_interrupt_local_enable(level);
  check(pending, "pending with interrupts disabled");
  check(still_pending, "and the vector disabled");
  check(was_called(0), "no call of a disabled vector");
  (void) rtems_interrupt_vector_enable(VECTOR);
  check(was_called(1), "but once it is enabled");

  in_handler = raise_line;
  raise_line();
  check(was_called(2), "raised in its handler");
  in_handler = raise_and_clear;
  raise_line();
  check(was_called(1), "raised and cleared in its handler");
  in_handler = raise_and_clear_disabled;
  raise_line();
  (void) rtems_interrupt_vector_enable(VECTOR);
  check(was_called(1), "disabled, raised and cleared in its handler");
  in_handler = raise_disabled;
  raise_line();
  check(is_pending(VECTOR) && was_called(1), "raised and disabled in its handler");
  (void) rtems_interrupt_vector_enable(VECTOR);
  check(was_called(1), "then enabled");

  (void) paravirt_irq_raise(OTHER);
  check(is_pending(OTHER), "raised before it was ever enabled");
  (void) rtems_interrupt_clear(OTHER);
  check(!is_pending(OTHER), "and cleared");
  (void) rtems_interrupt_handler_install(OTHER, "other", RTEMS_INTERRUPT_UNIQUE, handler, NULL);
  check(was_called(0), "then installed: nothing");

  puts(failed == 0 ? "interrupts: right" : "interrupts: wrong");
  exit(failed);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
