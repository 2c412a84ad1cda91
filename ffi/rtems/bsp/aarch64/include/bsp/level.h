/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief The kernel's interrupt level.
 */

#ifndef LIBBSP_AARCH64_PARAVIRT_LEVEL_H
#define LIBBSP_AARCH64_PARAVIRT_LEVEL_H

/**
 * @defgroup RTEMSBSPsAArch64Paravirt AArch64
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief What differs by the processor.
 */

/** @brief The level with interrupts enabled, as `_ISR_Local_disable()` returns it: DAIF with its bit I clear. */
#define PARAVIRT_LEVEL_ENABLED 0

#endif /* LIBBSP_AARCH64_PARAVIRT_LEVEL_H */
