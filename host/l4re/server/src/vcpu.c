/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The vCPU: its flags, and fetching what came while they were off.
 *
 * The flags of L4's vCPU say whether the kernel may interrupt this thread (L4_VCPU_F_IRQ) and who handles its faults.
 * They are on in guest code and off in host code, whose system calls use the UTCB: an event between filling it and the
 * call would overwrite it. They are not the guest's virtual interrupt flag, which lies in the guest's own page.
 */
#include <l4/re/c/util/cap_alloc.h>
#include <l4/re/c/util/kumem_alloc.h>
#include <l4/re/env.h>
#include <l4/sys/compiler.h>
#include <l4/sys/factory.h>
#include <l4/sys/ipc.h>
#include <l4/sys/rcv_endpoint.h>
#include <l4/sys/thread.h>
#include <l4/sys/utcb.h>

#include "wrapper.h"

/** In guest code. */
enum { GUEST_FLAGS = L4_VCPU_F_IRQ | L4_VCPU_F_PAGE_FAULTS | L4_VCPU_F_EXCEPTIONS };

static l4_vcpu_state_t *vcpu;

l4_vcpu_state_t *vcpu_state(void) {
  return vcpu;
}

long vcpu_initialize(void) {
  const l4re_env_t *env = l4re_env();
  l4_addr_t page;
  long error = l4re_util_kumem_alloc(&page, 0, L4RE_THIS_TASK_CAP, env->rm);
  if (error < 0)
    return error;
  error = l4_error(l4_thread_vcpu_control(env->main_thread, page));
  if (error < 0)
    return error;
  vcpu = (l4_vcpu_state_t *)page;
  if (!l4_vcpu_check_version(vcpu))
    return -L4_EINVAL;
  vcpu->entry_ip = (l4_addr_t)vcpu_entry;
  vcpu->user_task = L4_INVALID_CAP;
  vcpu->state = 0;
  return 0;
}

l4_cap_idx_t vcpu_irq(l4_umword_t label) {
  const l4re_env_t *env = l4re_env();
  l4_cap_idx_t irq = l4re_util_cap_alloc();
  if (l4_is_invalid_cap(irq) || l4_error(l4_factory_create_irq(env->factory, irq)) < 0 ||
      l4_error(l4_rcv_ep_bind_thread(irq, env->main_thread, label)) < 0)
    return L4_INVALID_CAP;
  return irq;
}

/* Receives what is queued, and what comes until the timeout. */
static int receive(l4_timeout_t timeout) {
  l4_umword_t label = 0;
  l4_msgtag_t tag = l4_ipc_wait(l4_utcb(), &label, timeout);
  if (l4_msgtag_has_error(tag))
    return 0;
  events_message(label);
  return 1;
}

void vcpu_fetch(void) {
  if (!vcpu)
    return; /* what is written before it is made */
  while (vcpu->sticky_flags & L4_VCPU_SF_IRQ_PENDING && receive(L4_IPC_BOTH_TIMEOUT_0))
    ;
}

void vcpu_enter_host(void *context) {
  (void)context;
  vcpu->state = 0;
  l4_barrier();
  tls_enter_host();
}

void vcpu_leave_host(void *context) {
  (void)context;
  if (__builtin_expect(interrupts_masked, 0))
    interrupts_unmask();
  tls_leave_host();
  for (;;) {
    vcpu->state = GUEST_FLAGS;
    l4_barrier();
    /* A message that came while the flag was off is queued. The kernel does not hand it over when the flag is turned
     * on, nor any that its sender sends after it. */
    if (__builtin_expect(!(vcpu->sticky_flags & L4_VCPU_SF_IRQ_PENDING), 1))
      return;
    vcpu->state = 0;
    l4_barrier();
    vcpu_fetch();
  }
}

void vcpu_wait(void *context) {
  (void)context;
  if (interrupts_masked)
    interrupts_unmask();
  receive(L4_IPC_NEVER);
}
