/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief From the host's start info to RTEMS, and back to the host.
 */

#include <bsp.h>
#include <bsp/bootcard.h>

#include <paravirt/power.h>
#include <paravirt/start.h>

#include <rtems/score/memory.h>
#include <rtems/sysinit.h>

int32_t paravirt_main(void);

/* Called with interrupts disabled. */
int32_t paravirt_main(void)
{
  const char *command_line = (const char *) (uintptr_t) paravirt_start_info()->command_line;

  /* A Linux program by itself has none, and neither applications nor RTEMS ask whether bsp_boot_cmdline is null. */
  boot_card(command_line != NULL ? command_line : "");
}

/* The workspace and the C program heap take one area; it is the largest range of free memory that the host gives. */
static Memory_Area memory_areas[1];

static const Memory_Information memory_information = MEMORY_INFORMATION_INITIALIZER(memory_areas);

static void find_memory(void)
{
  const struct pv_start_info *info = paravirt_start_info();
  const struct pv_memory_range *range = (const struct pv_memory_range *) (uintptr_t) info->memory;
  const struct pv_memory_range *end = range + info->memory_count;
  uint64_t size = 0;

  for (; range < end; ++range) {
    if (range->kind == PV_MEMORY_RAM && range->size > size) {
      size = range->size;
      _Memory_Initialize(
        &memory_areas[0], (void *) (uintptr_t) range->start, (void *) (uintptr_t) (range->start + range->size)
      );
    }
  }
}

RTEMS_SYSINIT_ITEM(find_memory, RTEMS_SYSINIT_MEMORY, RTEMS_SYSINIT_ORDER_MIDDLE);

const Memory_Information *_Memory_Get(void)
{
  return &memory_information;
}

void bsp_reset(rtems_fatal_source source, rtems_fatal_code code)
{
  paravirt_power_shutdown(source == RTEMS_FATAL_SOURCE_EXIT ? PV_SHUTDOWN_EXIT : PV_SHUTDOWN_FATAL, (int32_t) code);
}
