/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Whether threads' stacks are filled when they are created, so that the host sees later how much was used.
 */

#ifndef LIBBSP_SHARED_PARAVIRT_STACKCHECK_H
#define LIBBSP_SHARED_PARAVIRT_STACKCHECK_H

#include <stdint.h>

/** @brief 0, or what the host has put here before the program's start: stacks are to be filled. */
extern volatile uint32_t _Paravirt_Stack_check;

#endif /* LIBBSP_SHARED_PARAVIRT_STACKCHECK_H */
