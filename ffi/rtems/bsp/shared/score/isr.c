/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief The kernel's interrupt prologue and epilogue around the dispatcher of the paravirtualization layer.
 */

#include <bsp.h>
#include <bsp/bootcard.h>
#include <bsp/irq-generic.h>
#include <bsp/level.h>
#include <bsp/stack.h>
#include <bsp/trace.h>

#include <paravirt/cpu.h>
#include <paravirt/irq.h>

#include <rtems/score/percpu.h>
#include <rtems/score/thread.h>
#include <rtems/score/threaddispatch.h>

static void dispatch(void *argument)
{
  (void) argument;
  paravirt_irq_dispatch();
}

/*
 * Runs in place of the bare dispatcher, with interrupts disabled, on the stack of the interrupted code. The thread
 * dispatch that may be due at the end runs on that stack too, with the nest level back at zero.
 */
static void interrupt_body(void)
{
  Per_CPU_Control *cpu = _Per_CPU_Get();

  paravirt_trace(PARAVIRT_TRACE_HANDLER_BEGIN, 0, NULL, 0);
  ++cpu->thread_dispatch_disable_level;
  if (cpu->isr_nest_level++ == 0) {
    call_on_stack(cpu->interrupt_stack_high, dispatch, NULL);
  } else {
    paravirt_irq_dispatch();
  }
  --cpu->isr_nest_level;
  --cpu->thread_dispatch_disable_level;
  paravirt_trace(PARAVIRT_TRACE_HANDLER_END, 0, NULL, 0);

  if (cpu->thread_dispatch_disable_level != 0 || cpu->isr_dispatch_disable != 0 || !cpu->dispatch_necessary) {
    return;
  }

  cpu->isr_dispatch_disable = 1;
  do {
    cpu->thread_dispatch_disable_level = 1;
    _Thread_Do_dispatch(cpu, PARAVIRT_LEVEL_ENABLED); /* enables interrupts */
    (void) paravirt_cpu_disable_interrupts();
  } while (cpu->dispatch_necessary);
  cpu->isr_dispatch_disable = 0;
}

void bsp_start(void)
{
  bsp_interrupt_initialize();
  paravirt_upcall_set_body(interrupt_body);
}

void *bsp_idle_task_body(uintptr_t ignored)
{
  (void) ignored;

  while (true) {
    paravirt_cpu_idle();
  }

  return NULL;
}
