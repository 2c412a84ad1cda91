/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief The kernel's interrupt level.
 */

#ifndef LIBBSP_I386_PARAVIRT_LEVEL_H
#define LIBBSP_I386_PARAVIRT_LEVEL_H

#include <rtems/score/cpu.h>

/**
 * @defgroup RTEMSBSPsI386Paravirt i386
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief What differs by the processor.
 */

/** @brief The level with interrupts enabled, as `_ISR_Local_disable()` returns it. */
#define PARAVIRT_LEVEL_ENABLED EFLAGS_INTR_ENABLE

#endif /* LIBBSP_I386_PARAVIRT_LEVEL_H */
