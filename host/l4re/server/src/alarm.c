/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The clock, and the thread that waits for the alarm.
 *
 * A vCPU that runs a guest cannot wait. So another thread does, in an open wait with an absolute timeout, and raises an
 * IRQ at the vCPU when it expires. A message from the vCPU tells it another time. Its priority is above the vCPU's: it
 * always waits when the vCPU runs, so that the message never blocks.
 */
#include <l4/re/c/util/cap_alloc.h>
#include <l4/re/c/util/kumem_alloc.h>
#include <l4/re/env.h>
#include <l4/sys/factory.h>
#include <l4/sys/ipc.h>
#include <l4/sys/irq.h>
#include <l4/sys/kip.h>
#include <l4/sys/scheduler.h>
#include <l4/sys/thread.h>
#include <l4/sys/utcb.h>

#include "wrapper.h"

enum {
  PRIORITY = 0x20,     /* Ned starts programs with less */
  TIMEOUT_REGISTER = 8 /* buffer registers from here on hold the absolute timeout */
};

static l4_cap_idx_t thread, irq;
static char stack[4096] __attribute__((aligned(16)));

uint64_t alarm_now(void *context) {
  (void)context;
  return l4_kip_clock_ns(l4re_kip());
}

/* The kernel's timeouts are in microseconds: never too early. */
static uint64_t microseconds(uint64_t deadline) {
  return deadline / 1000 + (deadline % 1000 != 0);
}

/* A thread without libc: no errno, no stdio. */
static void wait_for_alarms(void) {
  l4_utcb_t *utcb = l4_utcb();
  uint64_t deadline = PVH_NEVER;
  for (;;) {
    l4_timeout_t timeout = L4_IPC_NEVER;
    if (deadline != PVH_NEVER)
      timeout = l4_timeout(L4_IPC_TIMEOUT_NEVER, l4_timeout_abs_u(microseconds(deadline), TIMEOUT_REGISTER, utcb));
    l4_umword_t sender;
    l4_msgtag_t tag = l4_ipc_wait(utcb, &sender, timeout);
    if (!l4_msgtag_has_error(tag)) {
      deadline = l4_utcb_mr_u(utcb)->mr64[0];
      continue;
    }
    deadline = PVH_NEVER;
    l4_irq_trigger(irq);
  }
}

void alarm_set(void *context, uint64_t deadline) {
  (void)context;
  l4_utcb_t *utcb = l4_utcb();
  l4_utcb_mr_u(utcb)->mr64[0] = deadline;
  l4_ipc_send(thread, utcb, l4_msgtag(0, sizeof(deadline) / sizeof(l4_umword_t), 0, 0), L4_IPC_NEVER);
}

long alarm_initialize(l4_umword_t label) {
  const l4re_env_t *env = l4re_env();
  irq = vcpu_irq(label);
  thread = l4re_util_cap_alloc();
  if (l4_is_invalid_cap(irq) || l4_is_invalid_cap(thread))
    return -L4_ENOMEM;
  /* Memory for the thread's UTCB; those that L4Re has are libpthread's. */
  l4_addr_t utcb;
  long error = l4re_util_kumem_alloc(&utcb, 0, L4RE_THIS_TASK_CAP, env->rm);
  if (error < 0)
    return error;
  error = l4_error(l4_factory_create_thread(env->factory, thread));
  if (error < 0)
    return error;
  l4_thread_control_start();
  l4_thread_control_pager(env->rm);
  l4_thread_control_exc_handler(env->rm);
  l4_thread_control_bind((l4_utcb_t *)utcb, L4RE_THIS_TASK_CAP);
  error = l4_error(l4_thread_control_commit(thread));
  if (error < 0)
    return error;
  /* As after a call: the return address, which is none, lies below a multiple of 16. */
  l4_addr_t top = (l4_addr_t)stack + sizeof(stack) - sizeof(l4_addr_t);
  error = l4_error(l4_thread_ex_regs(thread, (l4_addr_t)wait_for_alarms, top, 0));
  if (error < 0)
    return error;
  l4_sched_param_t parameters = l4_sched_param(PRIORITY, 0);
  return l4_error(l4_scheduler_run_thread(env->scheduler, thread, &parameters));
}
