/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Interrupt vectors: the lines of the paravirtualization layer.
 */

#ifndef LIBBSP_SHARED_PARAVIRT_IRQ_H
#define LIBBSP_SHARED_PARAVIRT_IRQ_H

#ifndef ASM

#include <paravirt/abi.h>
#include <rtems/irq-extension.h>

/** @brief The vector that all timers raise. The clock driver has it. */
#define PARAVIRT_VECTOR_TIMER PV_LINE_TIMER

/** @brief The vector that console input raises. The console driver has it. */
#define PARAVIRT_VECTOR_CONSOLE PV_LINE_CONSOLE

/** @brief The first vector for software interrupts and devices. */
#define PARAVIRT_VECTOR_FIRST_FREE PV_LINE_FIRST_FREE

#define BSP_INTERRUPT_VECTOR_COUNT 31

#endif /* ASM */

#endif /* LIBBSP_SHARED_PARAVIRT_IRQ_H */
