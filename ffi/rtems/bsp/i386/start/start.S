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

        .cfi_sections .debug_frame                              /* for debuggers: nothing of it is loaded */

        BEGIN_CODE

        PUBLIC (start)
        PUBLIC (_start)
SYM (start):
SYM (_start):
        .cfi_startproc
        .cfi_undefined eip                                      /* nobody called it */
        jmp     paravirt_start
        .cfi_endproc

        END_CODE
