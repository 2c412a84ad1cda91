/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief CPU counter: the monotonic clock, in ns.
 */

#include <rtems/counter.h>
#include <rtems/score/cpu.h>

#include <paravirt/clock.h>

uint32_t _CPU_Counter_frequency(void)
{
  return 1000000000;
}

CPU_Counter_ticks _CPU_Counter_read(void)
{
  return (CPU_Counter_ticks) paravirt_clock_now();
}
