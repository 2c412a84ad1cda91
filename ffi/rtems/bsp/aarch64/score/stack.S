/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief Calling a function on another stack.
 */

        .cfi_sections .debug_frame                              /* for debuggers: nothing of it is loaded */

/*
 * void _Paravirt_Call_on_stack(const void *top, void (*function)(void *), void *argument)
 *
 * The frame record stays on the caller's stack: a debugger finds its way from the other one.
 */
        .text
        .p2align 4
        .globl  _Paravirt_Call_on_stack
        .type   _Paravirt_Call_on_stack, %function
_Paravirt_Call_on_stack:
        .cfi_startproc
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        mov     x29, sp
        .cfi_def_cfa_register x29
        and     x0, x0, #~15                                    /* as AAPCS64 wants it at a call */
        mov     sp, x0
        mov     x0, x2
        blr     x1
        mov     sp, x29
        .cfi_def_cfa_register sp
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   _Paravirt_Call_on_stack, . - _Paravirt_Call_on_stack
