/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <paravirt/irq.h>. */
#include <paravirt/cpu.h>
#include <paravirt/irq.h>

#include "check.h"

#define LINE (PV_LINE_FIRST_FREE + 1)
/* A line that has no handler. */
#define STRAY (PV_LINE_FIRST_FREE + 2)

void note_line(uint32_t line, void *argument) {
  struct line_note *note = argument;

  ++note->calls;
  note->line = line;
  note->on = paravirt_cpu_interrupts_enabled();
}

const char *check_attach(void) {
  struct line_note note = {0};

  REQUIRE(paravirt_irq_attach(LINE, note_line, &note) == 0);
  REQUIRE(paravirt_irq_attach(LINE, note_line, NULL) == PV_ERROR_BUSY);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(note.calls == 1 && note.line == LINE && !note.on);
  REQUIRE(paravirt_irq_detach(LINE) == 0);
  REQUIRE(paravirt_irq_detach(LINE) == PV_ERROR_NOT_ATTACHED);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(note.calls == 1);
  return NULL;
}

/* What is raised while the line is masked is remembered, but is not pending. */
const char *check_mask(void) {
  struct line_note note = {0};

  REQUIRE(paravirt_irq_attach(LINE, note_line, &note) == 0);
  /* What an earlier check has raised without a handler comes first. */
  note.calls = 0;
  REQUIRE(paravirt_irq_mask(LINE) == 0);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(note.calls == 0 && !paravirt_irq_is_pending(LINE));
  REQUIRE(paravirt_irq_unmask(LINE) == 0);
  REQUIRE(note.calls == 1);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(note.calls == 2);
  REQUIRE(paravirt_irq_detach(LINE) == 0);
  return NULL;
}

const char *check_pending(void) {
  struct line_note note = {0};

  REQUIRE(paravirt_irq_attach(LINE, note_line, &note) == 0);
  (void)paravirt_cpu_disable_interrupts();
  REQUIRE(!paravirt_irq_is_pending(LINE));
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(paravirt_irq_is_pending(LINE) && !paravirt_irq_is_pending(LINE + 1));
  paravirt_irq_clear(LINE + 1);
  REQUIRE(paravirt_irq_is_pending(LINE));
  paravirt_irq_clear(LINE);
  REQUIRE(!paravirt_irq_is_pending(LINE));
  paravirt_cpu_enable_interrupts();
  REQUIRE(note.calls == 0);
  REQUIRE(paravirt_irq_detach(LINE) == 0);
  return NULL;
}

/* Its first one is reported on the console. */
const char *check_spurious(void) {
  uint32_t before = paravirt_irq_spurious();

  REQUIRE(paravirt_irq_unmask(STRAY) == 0);
  REQUIRE(paravirt_irq_raise(STRAY) == 0);
  REQUIRE(paravirt_irq_spurious() == before + 1);
  REQUIRE(paravirt_irq_mask(STRAY) == 0);
  REQUIRE(paravirt_irq_raise(STRAY) == 0);
  REQUIRE(paravirt_irq_spurious() == before + 1);
  return NULL;
}

static struct line_note body_note;
static uint32_t bodies;
/* Calls of the handler before and after the body's call of the dispatcher. */
static uint32_t calls_before, calls_after;

static void body(void) {
  ++bodies;
  calls_before = body_note.calls;
  paravirt_irq_dispatch();
  calls_after = body_note.calls;
}

const char *check_upcall_body(void) {
  paravirt_upcall_set_body(body);
  REQUIRE(paravirt_irq_attach(LINE, note_line, &body_note) == 0);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(bodies == 1);
  REQUIRE(calls_before == 0 && calls_after == 1);
  paravirt_upcall_set_body(paravirt_irq_dispatch);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(bodies == 1 && body_note.calls == 2);
  REQUIRE(paravirt_irq_detach(LINE) == 0);
  return NULL;
}

const char *check_no_such_line(void) {
  REQUIRE(paravirt_irq_attach(PV_LINES, note_line, NULL) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_irq_detach(PV_LINES) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_irq_mask(PV_LINES) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_irq_unmask(PV_LINES) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(paravirt_irq_raise(PV_LINES) == PV_ERROR_NO_SUCH_DEVICE);
  REQUIRE(!paravirt_irq_is_pending(PV_LINES));
  paravirt_irq_clear(PV_LINES);
  return NULL;
}
