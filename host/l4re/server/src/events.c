/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief What comes while the guest runs: messages of IRQ objects, page faults, exceptions.
 *
 * The kernel has put all registers into the vCPU's state and takes them from there on the way back. Nothing here uses
 * the guest's stack, nor the host's, nor thread-local storage.
 */
#include <l4/sys/ipc.h>
#include <l4/sys/thread.h>
#include <l4/sys/utcb.h>
#include <stdlib.h>

#include "wrapper.h"

enum { LABEL_RIGHTS = 3 }; /* a label's low bits are not its own */

/* Exceptions (Intel SDM volume 3, 6.3.1), and what stands in their place for a message. */
enum { OVERFLOW = 4, GENERAL_PROTECTION = 13, PAGE_FAULT = 14, MESSAGE = 0xfe };

/* Bits of error codes (Intel SDM volume 3, 4.7 and 6.13). */
enum {
  PRESENT = 1 << 0, /* page fault: there is a page */
  WRITE = 1 << 1,   /* page fault */
  FETCH = 1 << 4,   /* page fault: of an instruction; without the NX bit the processor does not say so */
  IDT = 1 << 1,     /* general protection: by an `int` that user mode may not execute, or by `into` */
  IDT_NUMBER = 3    /* its number begins at this bit */
};

struct pvh_guest *wrapper_guest;

void events_message(l4_umword_t label) {
  label &= ~(l4_umword_t)LABEL_RIGHTS;
  if (label == LABEL_ALARM)
    pvh_guest_alarm(wrapper_guest);
  else if (label == LABEL_CONSOLE)
    console_fetch();
  else if (label >= LABEL_LINE)
    interrupts_message((label - LABEL_LINE) >> LINE_SHIFT);
}

/* Whether a page is missing that ought to be there: maps it by using it. What the pager cannot map ends this program.
 * */
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

/* The code selector. On x86-32 the kernel's has no name, since user mode has one only; and so it is not to be changed.
 * */
#if defined(__x86_64__)
static uint16_t code_selector(const l4_vcpu_regs_t *r) {
  return r->cs;
}
static void set_code_selector(l4_vcpu_regs_t *r, uint16_t cs) {
  r->cs = cs;
}
#else
static uint16_t code_selector(const l4_vcpu_regs_t *r) {
  (void)r;
  uint16_t cs;
  __asm__("mov %%cs, %0" : "=r"(cs));
  return cs;
}
static void set_code_selector(l4_vcpu_regs_t *r, uint16_t cs) {
  (void)r, (void)cs;
}
#endif

static void take(struct pvh_context *context, const l4_vcpu_regs_t *r) {
  *context = (struct pvh_context){
      .ip = r->ip, .sp = r->sp, .flags = r->flags, .cs = code_selector(r), .ss = r->ss & UINT16_MAX};
}

static void give(l4_vcpu_regs_t *r, const struct pvh_context *context) {
  r->ip = context->ip;
  r->sp = context->sp;
  r->flags = context->flags;
  set_code_selector(r, context->cs);
  r->ss = context->ss;
}

static void fault(l4_vcpu_regs_t *r) {
  if (r->trapno == PAGE_FAULT && r->pfa == r->ip && !(r->err & WRITE))
    r->err |= FETCH;
  uint32_t vector = r->trapno;
  if (vector == GENERAL_PROTECTION && r->err & IDT)
    /* `into` is refused like any `int`, with the number of what it found. */
    vector = r->err >> IDT_NUMBER == OVERFLOW ? OVERFLOW : PVH_FAULT_SYSTEM_CALL;
  struct pvh_fault fault = {
      .registers = {r->ax, r->bx, r->cx, r->dx, r->si, r->di, r->bp, r->sp,
#if defined(__x86_64__)
                    r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15
#endif
      },
      .address = r->pfa,
      .vector = vector,
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
  if (interrupts_masked)
    interrupts_unmask();
}

void events_return(void) {
  /* What is queued meanwhile, the kernel hands over before it returns. */
  l4_msgtag_t tag = l4_thread_vcpu_resume_start();
  l4_thread_vcpu_resume_commit(L4_INVALID_CAP, tag);
}
