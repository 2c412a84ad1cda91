/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <paravirt/timer.h>. */
#include <paravirt/clock.h>
#include <paravirt/cpu.h>
#include <paravirt/irq.h>
#include <paravirt/timer.h>

#include "check.h"

/* The timer under test, and one that ends each wait. */
#define TIMER 3
#define GUARD 5

#define TIME_LIMIT (20 * SECOND)
#define HOUR (3600 * SECOND)

struct timer_note {
  volatile uint32_t expirations;
  uint32_t timer;
  bool on;
};

static void note_timer(uint32_t timer, uint64_t expirations, void *argument) {
  struct timer_note *note = argument;

  note->expirations += (uint32_t)expirations;
  note->timer = timer;
  note->on = paravirt_cpu_interrupts_enabled();
}

bool wait_for(const volatile uint32_t *counter, uint32_t count) {
  uint64_t end = paravirt_clock_now() + TIME_LIMIT;

  (void)paravirt_timer_start(GUARD, 100 * MILLISECOND, 100 * MILLISECOND);
  while (*counter < count && paravirt_clock_now() < end)
    paravirt_cpu_idle();
  (void)paravirt_timer_stop(GUARD);
  return *counter >= count;
}

static void own_handler(uint32_t line, void *argument) {
  note_line(line, argument);
  paravirt_timer_dispatch(line, NULL);
}

/* A handler that is attached to the line before any timer is started stays, and finds by the dispatcher which timer it
 * was. */
const char *check_own_dispatch(void) {
  struct line_note line = {0};
  struct timer_note timer = {0};

  REQUIRE(paravirt_irq_attach(PV_LINE_TIMER, own_handler, &line) == 0);
  REQUIRE(paravirt_timer_attach(TIMER, note_timer, &timer) == 0);
  REQUIRE(paravirt_timer_start(TIMER, MILLISECOND, 0) == 0);
  REQUIRE(wait_for(&timer.expirations, 1));
  REQUIRE(line.calls >= 1 && line.line == PV_LINE_TIMER);
  REQUIRE(paravirt_timer_detach(TIMER) == 0);
  REQUIRE(paravirt_irq_detach(PV_LINE_TIMER) == 0);
  return NULL;
}

const char *check_once(void) {
  struct timer_note note = {0};
  uint64_t before = paravirt_timer_expirations(TIMER);
  uint64_t begin = paravirt_clock_now();

  REQUIRE(paravirt_timer_attach(TIMER, note_timer, &note) == 0);
  REQUIRE(paravirt_timer_attach(TIMER, note_timer, NULL) == PV_ERROR_BUSY);
  REQUIRE(paravirt_timer_start(TIMER, 2 * MILLISECOND, 0) == 0);
  REQUIRE(wait_for(&note.expirations, 1));
  REQUIRE(paravirt_clock_now() - begin >= 2 * MILLISECOND);
  REQUIRE(note.timer == TIMER && !note.on);
  REQUIRE(note.expirations == 1 && paravirt_timer_expirations(TIMER) == before + 1);
  REQUIRE(paravirt_timer_detach(TIMER) == 0);
  REQUIRE(paravirt_timer_detach(TIMER) == PV_ERROR_NOT_ATTACHED);
  return NULL;
}

/* First after `first`, then after each `period`. */
const char *check_periodic(void) {
  struct timer_note note = {0};
  uint64_t begin = paravirt_clock_now();

  REQUIRE(paravirt_timer_attach(TIMER, note_timer, &note) == 0);
  REQUIRE(paravirt_timer_start(TIMER, 5 * MILLISECOND, MILLISECOND) == 0);
  REQUIRE(wait_for(&note.expirations, 4));
  REQUIRE(paravirt_clock_now() - begin >= 8 * MILLISECOND);
  /* The last parameter is the period: with an hour of it, there is one expiration soon. */
  note.expirations = 0;
  REQUIRE(paravirt_timer_start(TIMER, MILLISECOND, HOUR) == 0);
  REQUIRE(wait_for(&note.expirations, 1));
  REQUIRE(paravirt_timer_stop(TIMER) == 0);
  REQUIRE(paravirt_timer_detach(TIMER) == 0);
  return NULL;
}

/* A timer that was stopped expires no more, and what was counted stays counted. */
const char *check_stop(void) {
  struct timer_note stopped = {0}, other = {0};
  uint64_t before, begin;

  REQUIRE(paravirt_timer_attach(TIMER, note_timer, &stopped) == 0);
  REQUIRE(paravirt_timer_attach(TIMER + 1, note_timer, &other) == 0);
  REQUIRE(paravirt_timer_start(TIMER, 100 * MILLISECOND, 100 * MILLISECOND) == 0);
  REQUIRE(paravirt_timer_stop(TIMER) == 0);
  before = paravirt_timer_expirations(TIMER);
  REQUIRE(paravirt_timer_start(TIMER + 1, 150 * MILLISECOND, 0) == 0);
  REQUIRE(wait_for(&other.expirations, 1));
  REQUIRE(paravirt_timer_expirations(TIMER) == before && before > 0);
  REQUIRE(paravirt_timer_detach(TIMER) == 0);
  /* Nobody is told of what comes after. */
  stopped.expirations = 0;
  REQUIRE(paravirt_timer_start(TIMER, MILLISECOND, 0) == 0);
  begin = paravirt_clock_now();
  while (paravirt_timer_expirations(TIMER) == before && paravirt_clock_now() - begin < TIME_LIMIT) {
  }
  REQUIRE(paravirt_timer_expirations(TIMER) == before + 1);
  /* By the time of another timer's handler, that of this one would have run. */
  REQUIRE(paravirt_timer_start(TIMER + 1, MILLISECOND, 0) == 0);
  REQUIRE(wait_for(&other.expirations, 2));
  REQUIRE(stopped.expirations == 0);
  REQUIRE(paravirt_timer_detach(TIMER + 1) == 0);
  return NULL;
}

const char *check_no_such_timer(void) {
  REQUIRE(paravirt_timer_start(PV_TIMERS, MILLISECOND, 0) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_timer_stop(PV_TIMERS) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_timer_attach(PV_TIMERS, note_timer, NULL) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_timer_detach(PV_TIMERS) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_timer_expirations(PV_TIMERS) == 0);
  REQUIRE(paravirt_timer_start(TIMER, 0, 1) == PV_ERROR_INVALID_ARGUMENT);
  return NULL;
}
