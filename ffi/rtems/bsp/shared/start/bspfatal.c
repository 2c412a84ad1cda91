/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief The report of a fatal error, on a stack that has room for it.
 *
 * It needs about 2 KiB. The executing thread may have none left; the report would be written over what lies below, or
 * fault and be lost.
 */

#include <bsp.h>
#include <bsp/stack.h>

#include <paravirt/cpu.h>

#include <rtems/score/isr.h>

#include <stdint.h>

typedef struct {
  rtems_fatal_source source;
  rtems_fatal_code code;
} fatal_error;

static void report(void *argument)
{
  const fatal_error *error = argument;

  bsp_fatal_extension(error->source, false, error->code);
}

/*
 * The kernel disables interrupts before it calls the fatal extensions, of which this is the last. One of the
 * application's may have enabled them, and then a handler would be given the interrupt stack from its top. With
 * interrupts disabled nobody else uses it, unless this runs on it already.
 */
void bsp_fatal_on_interrupt_stack(rtems_fatal_source source, bool always_set_to_false, rtems_fatal_code code)
{
  fatal_error error = {.source = source, .code = code};
  uintptr_t here = (uintptr_t) &error;

  (void) always_set_to_false;
  (void) paravirt_cpu_disable_interrupts();

  if (here >= (uintptr_t) _ISR_Stack_area_begin && here < (uintptr_t) _ISR_Stack_area_end) {
    report(&error);
  } else {
    call_on_stack(_ISR_Stack_area_end, report, &error);
  }
}
