/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Interrupt mechanisms for the tm27 test.
 */

#ifndef _RTEMS_TMTEST27
#error "This is an RTEMS internal file you must not include directly."
#endif

#ifndef __tm27_h
#define __tm27_h

#include <bsp/irq.h>
#include <rtems/irq-extension.h>

#define MUST_WAIT_FOR_INTERRUPT 0

/* A line does not nest in its own handler, so the nested interrupt has a vector of its own. */
#define TM27_VECTOR_OUTER PARAVIRT_VECTOR_FIRST_FREE
#define TM27_VECTOR_INNER (PARAVIRT_VECTOR_FIRST_FREE + 1)

static inline void Install_tm27_vector(rtems_interrupt_handler handler)
{
  static rtems_interrupt_entry outer;
  static rtems_interrupt_entry inner;

  rtems_interrupt_entry_initialize(&outer, handler, NULL, "tm27 outer");
  rtems_interrupt_entry_initialize(&inner, handler, NULL, "tm27 inner");
  (void) rtems_interrupt_entry_install(TM27_VECTOR_OUTER, RTEMS_INTERRUPT_UNIQUE, &outer);
  (void) rtems_interrupt_entry_install(TM27_VECTOR_INNER, RTEMS_INTERRUPT_UNIQUE, &inner);
}

static inline void Cause_tm27_intr(void)
{
  (void) rtems_interrupt_raise(rtems_interrupt_is_in_progress() ? TM27_VECTOR_INNER : TM27_VECTOR_OUTER);
}

#define Clear_tm27_intr() /* the dispatcher has taken it */

/* Handlers start with interrupts disabled. */
static inline void Lower_tm27_intr(void)
{
  _ISR_Set_level(0);
}

#endif
