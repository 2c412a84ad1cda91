/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief What comes while the guest runs: messages of IRQ objects, page faults, exceptions.
 *
 * The kernel has put all registers into the vCPU's state and takes them from there on the way back. Nothing here uses the guest's
 * stack, nor the host's, nor thread-local storage.
 */
#include <l4/re/c/util/cap_alloc.h>
#include <l4/re/env.h>
#include <l4/sys/icu.h>
#include <l4/sys/ipc.h>
#include <l4/sys/irq.h>
#include <l4/sys/thread.h>
#include <l4/sys/utcb.h>
#include <stdlib.h>

#include "wrapper.h"

enum {
  LABEL_RIGHTS = 3, /* the label's low bits are not its own */
  LINE_SHIFT = 4    /* of a line in its label */
};

/* Exceptions (Intel SDM volume 3, 6.3.1), and what stands in their place for a message. */
enum { GENERAL_PROTECTION = 13, PAGE_FAULT = 14, MESSAGE = 0xfe };

/* Bits of error codes (Intel SDM volume 3, 4.7 and 6.13). */
enum {
  PRESENT = 1 << 0, /* page fault: there is a page */
  WRITE = 1 << 1,   /* page fault */
  FETCH = 1 << 4,   /* page fault: of an instruction; without the NX bit the processor does not say so */
  IDT = 1 << 1      /* general protection: by an `int` that user mode may not execute */
};

struct pvh_guest *wrapper_guest;
static l4_cap_idx_t irqs[PV_LINES];

long events_bind(uint32_t line, unsigned number) {
  l4_cap_idx_t icu = l4re_env_get_cap("icu");
  if (line >= PV_LINES || l4_is_invalid_cap(icu))
    return -L4_ENOENT;
  irqs[line] = vcpu_irq(LABEL_LINE + (line << LINE_SHIFT));
  if (l4_is_invalid_cap(irqs[line]))
    return -L4_ENOMEM;
  long error = l4_error(l4_icu_bind(icu, number, irqs[line]));
  if (error < 0)
    return error;
  /* Bit 0 of the result: to be unmasked at the ICU, not at the IRQ object. */
  l4_msgtag_t tag = error & 1 ? l4_icu_unmask(icu, number, 0, L4_IPC_NEVER) : l4_irq_unmask(irqs[line]);
  return l4_msgtag_has_error(tag) ? -L4_EIO : 0;
}

void events_message(l4_umword_t label) {
  label &= ~(l4_umword_t)LABEL_RIGHTS;
  if (label == LABEL_ALARM)
    pvh_guest_alarm(wrapper_guest);
  else if (label == LABEL_CONSOLE)
    pvh_guest_latch(wrapper_guest, PV_LINE_CONSOLE);
  else if (label >= LABEL_LINE) {
    uint32_t line = (label - LABEL_LINE) >> LINE_SHIFT;
    pvh_guest_latch(wrapper_guest, line);
    /* The line is latched until the guest takes it; the device may interrupt again. */
    l4_irq_unmask(irqs[line]);
  }
}

/* Whether a page is missing that ought to be there: maps it by using it. What the pager cannot map ends this program. */
static int map_page(const l4_vcpu_regs_t *r, int of_guest) {
  if (r->trapno != PAGE_FAULT || r->err & PRESENT)
    return 0;
  volatile char *byte = (volatile char *)r->pfa;
  int write = (r->err & WRITE) != 0;
  if (of_guest && !(write ? pvh_guest_writable : pvh_guest_readable)(wrapper_guest, (const void *)byte, 1))
    return 0;
  char value = *byte;
  if (write)
    *byte = value;
  return 1;
}

static void take(struct pvh_context *context, const l4_vcpu_regs_t *r) {
  uint16_t cs, ss;
  __asm__("mov %%cs, %0" : "=r"(cs));
  __asm__("mov %%ss, %0" : "=r"(ss));
  *context = (struct pvh_context){.ip = r->ip, .sp = r->sp, .flags = r->flags, .cs = cs, .ss = ss};
}

static void give(l4_vcpu_regs_t *r, const struct pvh_context *context) {
  r->ip = context->ip;
  r->sp = context->sp;
  r->flags = context->flags;
}

static void fault(l4_vcpu_regs_t *r) {
  if (r->trapno == PAGE_FAULT && r->pfa == r->ip && !(r->err & WRITE))
    r->err |= FETCH;
  int call = r->trapno == GENERAL_PROTECTION && r->err & IDT;
  struct pvh_fault fault = {
    .registers = {r->ax, r->bx, r->cx, r->dx, r->si, r->di, r->bp, r->sp,
#if defined(__x86_64__)
                  r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15
#endif
    },
    .address = r->pfa,
    .vector = call ? PVH_FAULT_SYSTEM_CALL : r->trapno,
    .error = r->err,
  };
  struct pvh_context context;
  take(&context, r);
  if (map_page(r, 1))
    return;
  if (pvh_guest_fault(wrapper_guest, &context, &fault) == 1)
    give(r, &context);
  else if (!map_page(r, 0)) {
    tls_enter_host();
    console_say("a fault in the host: exception %lu at %#lx, address %#lx, error %#lx", (unsigned long)r->trapno,
                (unsigned long)r->ip, (unsigned long)r->pfa, (unsigned long)r->err);
    exit(EXIT_FAILURE);
  }
}

void events_handle(l4_vcpu_state_t *vcpu) {
  if (vcpu->r.trapno != MESSAGE) {
    fault(&vcpu->r);
    return;
  }
  events_message(vcpu->i.label);
  struct pvh_context context;
  take(&context, &vcpu->r);
  if (pvh_guest_deliver(wrapper_guest, &context) == 1)
    give(&vcpu->r, &context);
}

void events_return(void) {
  /* What is queued meanwhile, the kernel hands over before it returns. */
  l4_msgtag_t tag = l4_thread_vcpu_resume_start();
  l4_thread_vcpu_resume_commit(L4_INVALID_CAP, tag);
}
