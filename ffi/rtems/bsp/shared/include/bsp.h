/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Global BSP definitions.
 */

#ifndef LIBBSP_SHARED_PARAVIRT_BSP_H
#define LIBBSP_SHARED_PARAVIRT_BSP_H

/**
 * @defgroup RTEMSBSPsSharedParavirt Paravirtualized guest
 *
 * @ingroup RTEMSBSPsShared
 *
 * @brief A guest whose console, timers, interrupts, idle and shutdown are functions of its host.
 *
 * @{
 */

/** @brief Interrupts are installed by the rtems_interrupt_*() directives. */
#define BSP_FEATURE_IRQ_EXTENSION

#ifndef ASM

#include <bspopts.h>
#include <bsp/default-initial-extension.h>

#include <rtems.h>

#ifndef RTEMS_PARAVIRT
#error "the BSPs of the family paravirt need RTEMS_PARAVIRT = True in config.ini"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** @brief Body of the idle task: waits for the host without using the processor. */
void *bsp_idle_task_body(uintptr_t ignored);

#define BSP_IDLE_TASK_BODY bsp_idle_task_body

/** @brief Reports a fatal error and asks the host to stop, on the interrupt stack: the thread's own may be used up. */
void bsp_fatal_on_interrupt_stack(rtems_fatal_source source, bool always_set_to_false, rtems_fatal_code code);

#undef BSP_INITIAL_EXTENSION
#define BSP_INITIAL_EXTENSION {NULL, NULL, NULL, NULL, NULL, NULL, NULL, bsp_fatal_on_interrupt_stack, NULL}

#ifdef __cplusplus
}
#endif

#endif /* ASM */

/** @} */

#endif /* LIBBSP_SHARED_PARAVIRT_BSP_H */
