/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief The ELF entry point. The paravirtualization layer takes the start info, or the processor as it comes out of
 * reset, sets the stack and calls paravirt_main().
 */

        .cfi_sections .debug_frame                              /* for debuggers: nothing of it is loaded */

        .text
        .globl  start
        .type   start, %function
        .globl  _start
        .type   _start, %function
start:
_start:
        .cfi_startproc
        .cfi_undefined x30                                      /* nobody called it */
        b       paravirt_start
        .cfi_endproc
        .size   start, . - start
        .size   _start, . - _start
