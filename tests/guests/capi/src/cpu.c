/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <paravirt/cpu.h>. */
#include <paravirt/cpu.h>
#include <paravirt/irq.h>

#include "check.h"

#define LINE PV_LINE_FIRST_FREE

const char *check_interrupt_flag(void) {
  struct line_note note = {0};

  REQUIRE(paravirt_cpu_interrupts_enabled());
  REQUIRE(paravirt_cpu_disable_interrupts());
  REQUIRE(!paravirt_cpu_interrupts_enabled());
  REQUIRE(!paravirt_cpu_disable_interrupts());
  REQUIRE(paravirt_irq_attach(LINE, note_line, &note) == 0);
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  REQUIRE(note.calls == 0);
  paravirt_cpu_enable_interrupts();
  REQUIRE(note.calls == 1 && !note.on);
  REQUIRE(paravirt_cpu_interrupts_enabled());
  REQUIRE(paravirt_irq_detach(LINE) == 0);
  return NULL;
}

/* With something pending it does not wait, and leaves the flag as it was; that it waits, the checks of timers need. */
const char *check_idle(void) {
  struct line_note note = {0};

  REQUIRE(paravirt_irq_attach(LINE, note_line, &note) == 0);
  (void)paravirt_cpu_disable_interrupts();
  REQUIRE(paravirt_irq_raise(LINE) == 0);
  paravirt_cpu_idle();
  REQUIRE(!paravirt_cpu_interrupts_enabled());
  REQUIRE(note.calls == 0);
  paravirt_cpu_enable_interrupts();
  REQUIRE(note.calls == 1);
  REQUIRE(paravirt_irq_detach(LINE) == 0);
  return NULL;
}

const char *check_thread_local_storage(void) {
  static const uintptr_t areas[2] = {0x1234, 0x5678};

  for (size_t i = 0; i < 2; ++i) {
    uintptr_t found;

    REQUIRE(paravirt_cpu_set_tls((uintptr_t)&areas[i]) == 0);
#ifdef __x86_64__
    __asm__ volatile("movq %%fs:0, %0" : "=r"(found));
#else
    __asm__ volatile("movl %%gs:0, %0" : "=r"(found));
#endif
    REQUIRE(found == areas[i]);
  }
#ifdef __x86_64__
  REQUIRE(paravirt_cpu_set_tls((uintptr_t)1 << 63) == PV_ERROR_INVALID_ARGUMENT);
#endif
  return NULL;
}
