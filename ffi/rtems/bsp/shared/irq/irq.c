/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Interrupt controller support: vectors are lines of the paravirtualization layer.
 *
 * A vector that is disabled stays attached and masked. What is raised meanwhile, by software or by a device, the host
 * remembers. It tells that only by making the line pending, so who asks for it, or clears it, unmasks the line for a
 * moment with interrupts disabled.
 */

#include <bsp/irq.h>
#include <bsp/irq-generic.h>

#include <paravirt/irq.h>

/* Bit n stands for vector n. Changed with interrupts disabled. */
static uint32_t attached;
static uint32_t enabled;

static void dispatch(uint32_t line, void *argument)
{
  (void) argument;
  bsp_interrupt_handler_dispatch_unchecked(line);
}

static rtems_status_code status(int32_t error)
{
  return error == 0 ? RTEMS_SUCCESSFUL : RTEMS_IO_ERROR;
}

void bsp_interrupt_facility_initialize(void)
{
  /* All lines are masked. */
}

rtems_status_code bsp_interrupt_get_attributes(rtems_vector_number vector, rtems_interrupt_attributes *attributes)
{
  (void) vector;
  attributes->is_maskable = true;
  attributes->can_enable = true;
  attributes->maybe_enable = true;
  attributes->can_disable = true;
  attributes->maybe_disable = true;
  attributes->can_raise = true;
  attributes->can_clear = true;
  attributes->cleared_by_acknowledge = true;

  return RTEMS_SUCCESSFUL;
}

rtems_status_code bsp_interrupt_vector_is_enabled(rtems_vector_number vector, bool *is_enabled)
{
  *is_enabled = (enabled & UINT32_C(1) << vector) != 0;

  return RTEMS_SUCCESSFUL;
}

rtems_status_code bsp_interrupt_vector_enable(rtems_vector_number vector)
{
  uint32_t bit = UINT32_C(1) << vector;
  rtems_interrupt_level level;
  int32_t error;

  rtems_interrupt_local_disable(level);
  error = (attached & bit) != 0 ? paravirt_irq_unmask(vector) : paravirt_irq_attach(vector, dispatch, NULL);
  if (error == 0) {
    attached |= bit;
    enabled |= bit;
  }
  rtems_interrupt_local_enable(level);

  return status(error);
}

rtems_status_code bsp_interrupt_vector_disable(rtems_vector_number vector)
{
  uint32_t bit = UINT32_C(1) << vector;
  rtems_interrupt_level level;
  int32_t error;

  rtems_interrupt_local_disable(level);
  error = paravirt_irq_mask(vector);
  enabled &= ~bit;
  rtems_interrupt_local_enable(level);

  return status(error);
}

/* Between these two, which are called with interrupts disabled, what the host remembers for the vector is pending. */
static int32_t reveal(rtems_vector_number vector)
{
  return (enabled & UINT32_C(1) << vector) != 0 ? 0 : paravirt_irq_unmask(vector);
}

static int32_t hide(rtems_vector_number vector)
{
  return (enabled & UINT32_C(1) << vector) != 0 ? 0 : paravirt_irq_mask(vector);
}

rtems_status_code bsp_interrupt_is_pending(rtems_vector_number vector, bool *pending)
{
  rtems_interrupt_level level;
  int32_t error;

  rtems_interrupt_local_disable(level);
  error = reveal(vector);
  *pending = paravirt_irq_is_pending(vector);
  if (error == 0) {
    error = hide(vector);
  }
  rtems_interrupt_local_enable(level);

  return status(error);
}

rtems_status_code bsp_interrupt_raise(rtems_vector_number vector)
{
  return status(paravirt_irq_raise(vector));
}

rtems_status_code bsp_interrupt_clear(rtems_vector_number vector)
{
  rtems_interrupt_level level;
  int32_t error;

  rtems_interrupt_local_disable(level);
  error = reveal(vector);
  paravirt_irq_clear(vector);
  if (error == 0) {
    error = hide(vector);
  }
  rtems_interrupt_local_enable(level);

  return status(error);
}

/* Lines have no priorities: the host delivers what is pending, and the lowest line comes first. */
rtems_status_code bsp_interrupt_get_priority(rtems_vector_number vector, uint32_t *priority)
{
  (void) vector;
  (void) priority;

  return RTEMS_UNSATISFIED;
}

rtems_status_code bsp_interrupt_set_priority(rtems_vector_number vector, uint32_t priority)
{
  (void) vector;
  (void) priority;

  return RTEMS_UNSATISFIED;
}
