/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Interrupts of devices, each at a line of the guest.
 *
 * A device that interrupts until its driver has answered it (level-triggered) is masked by the kernel each time it
 * does. It is unmasked when the guest has taken the line: earlier, it would interrupt again before the guest has run an
 * instruction, for ever. Drivers answer by functions of this program, and whenever one ends, this looks.
 */
#include <l4/re/env.h>
#include <l4/sys/icu.h>
#include <l4/sys/irq.h>

#include "wrapper.h"

static struct {
  l4_cap_idx_t irq; /* whose messages are the line's */
  l4_cap_idx_t icu; /* where the interrupt is unmasked; invalid: at the IRQ object */
  unsigned number;  /* there */
} devices[PV_LINES];

uint32_t interrupts_masked;

static void unmask(uint32_t line) {
  if (l4_is_invalid_cap(devices[line].icu))
    l4_irq_unmask(devices[line].irq);
  else
    l4_icu_unmask(devices[line].icu, devices[line].number, NULL, L4_IPC_NEVER);
}

void interrupts_message(uint32_t line) {
  interrupts_masked |= UINT32_C(1) << line;
  pvh_guest_latch(wrapper_guest, line);
}

void interrupts_unmask(void) {
  for (uint32_t rest = interrupts_masked; rest; rest &= rest - 1) {
    uint32_t line = __builtin_ctz(rest);
    if (!pvh_guest_ready(wrapper_guest, line))
      continue;
    interrupts_masked &= ~(UINT32_C(1) << line);
    unmask(line);
  }
}

/* Says why an interrupt cannot be had. */
static void report_failure(l4_cap_idx_t icu, const char *name, unsigned number, long error) {
  l4_icu_info_t info;
  if (error == -L4_ENOENT)
    console_say("no device at `%s` has interrupt %u", name, number);
  else if (l4_error(l4_icu_info(icu, &info)) >= 0 && number >= info.nr_irqs)
    console_say("there is no interrupt %u at `%s`: its numbers are below %u", number, name, info.nr_irqs);
  else
    console_say("interrupt %u at `%s` is not to be had, perhaps because somebody else has it: error %ld", number, name,
                error);
}

int interrupts_bind(uint32_t line, unsigned number) {
  if (line < PV_LINE_FIRST_FREE || line >= PV_LINES) {
    console_say("line %u is not for devices; lines %u to %u are", (unsigned)line, PV_LINE_FIRST_FREE, PV_LINES - 1);
    return -1;
  }
  if (devices[line].irq) {
    console_say("line %u has an interrupt already; give each a line of its own", (unsigned)line);
    return -1;
  }
  const char *name = "vbus";
  l4_cap_idx_t icu = l4re_env_get_cap(name);
  if (!l4_is_invalid_cap(icu)) {
    icu = vbus_icu(icu);
    if (l4_is_invalid_cap(icu))
      return -1;
  } else {
    name = "icu";
    icu = l4re_env_get_cap(name);
    if (l4_is_invalid_cap(icu)) {
      console_say("there is no capability `vbus` or `icu` to get interrupt %u from; Ned's script gives it", number);
      return -1;
    }
  }
  l4_cap_idx_t irq = vcpu_irq(LABEL_LINE + (line << LINE_SHIFT));
  if (l4_is_invalid_cap(irq)) {
    console_say("there is no IRQ object for interrupt %u", number);
    return -1;
  }
  long result = l4_error(l4_icu_bind(icu, number, irq));
  if (result < 0) {
    report_failure(icu, name, number, result);
    return -1;
  }
  devices[line].irq = irq;
  /* Bit 0 of the result: to be unmasked at the controller. */
  devices[line].icu = result & 1 ? icu : L4_INVALID_CAP;
  devices[line].number = number;
  unmask(line);
  return 0;
}
