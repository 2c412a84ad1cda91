/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief The ELF entry point. The paravirtualization layer takes the start info, sets the stack and calls
 * paravirt_main().
 */

#include <rtems/asm.h>

        BEGIN_CODE

        PUBLIC (start)
        PUBLIC (_start)
SYM (start):
SYM (_start):
        jmp     paravirt_start

        END_CODE
