/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief Context switch with the control and exception flags of floating point for every thread.
 *
 * Stands in for the AArch64 port's file of this name, which leaves both registers as the last thread had them. A switch
 * is a call, so of the other registers those are kept that a function has to leave as they were. What an interrupted
 * thread has in the rest lies in its upcall's frame.
 *
 * The interrupt level is not part of it: the port has the kernel dispatch threads with interrupts enabled only
 * (CPU_ENABLE_ROBUST_THREAD_DISPATCH), and a new thread sets its own.
 */

#include <rtems/asm.h>
#include <rtems/score/cpu.h>
#include <rtems/score/percpu.h>

/* Where the port has x19 to x30, and the stack pointer behind them. */
#define REGISTERS 0x0
#define STACK_POINTER 0x60

/*
 * The port has a word of 64 bits for the 32 of the dispatch disable level, which is 0 or 1. FPSR stands above that bit,
 * without the flags of 32-bit programs, and FPCR in the upper half. Both are 0 in a new thread.
 */
#define WORD AARCH64_CONTEXT_CONTROL_ISR_DISPATCH_DISABLE
#define FPSR_BIT 1
#define FPSR_BITS 28
#define FPCR_BIT 32

        .cfi_sections .debug_frame                              /* for debuggers: nothing of it is loaded */

        .text

/*
 * void _CPU_Context_switch(Context_Control *executing, Context_Control *heir)
 */
        .p2align 4
        .globl  _CPU_Context_switch
        .type   _CPU_Context_switch, %function
        .globl  _CPU_Context_switch_no_return
        .type   _CPU_Context_switch_no_return, %function
_CPU_Context_switch:
_CPU_Context_switch_no_return:
        .cfi_startproc
        adrp    x8, _Per_CPU_Information
        add     x8, x8, #:lo12:_Per_CPU_Information
        ldr     w9, [x8, #PER_CPU_ISR_DISPATCH_DISABLE]
        mrs     x10, fpsr
        mrs     x11, fpcr
        bfi     x9, x10, #FPSR_BIT, #FPSR_BITS
        bfi     x9, x11, #FPCR_BIT, #32
        str     x9, [x0, #WORD]
        mov     x12, sp
        str     x12, [x0, #STACK_POINTER]
        stp     x19, x20, [x0, #REGISTERS]
        stp     x21, x22, [x0, #REGISTERS + 0x10]
        stp     x23, x24, [x0, #REGISTERS + 0x20]
        stp     x25, x26, [x0, #REGISTERS + 0x30]
        stp     x27, x28, [x0, #REGISTERS + 0x40]
        stp     x29, x30, [x0, #REGISTERS + 0x50]
        add     x0, x0, #AARCH64_CONTEXT_CONTROL_D8_OFFSET
        stp     d8, d9, [x0]
        stp     d10, d11, [x0, #0x10]
        stp     d12, d13, [x0, #0x20]
        stp     d14, d15, [x0, #0x30]
        mov     x0, x1

.L_paravirt_restore:                                            /* x0: the heir, x8: the processor's, x11: FPCR */
        ldr     x9, [x0, #WORD]
        ldr     x10, [x0, #AARCH64_CONTEXT_CONTROL_THREAD_ID_OFFSET]
        ldr     x12, [x0, #STACK_POINTER]
        and     w13, w9, #1
        str     w13, [x8, #PER_CPU_ISR_DISPATCH_DISABLE]
        msr     tpidr_el0, x10
        ubfx    x10, x9, #FPSR_BIT, #FPSR_BITS
        msr     fpsr, x10
        lsr     x9, x9, #FPCR_BIT
        cmp     x9, x11
        b.eq    1f                                              /* as is usual; a write is slow on some processors */
        msr     fpcr, x9
1:      ldp     x19, x20, [x0, #REGISTERS]
        ldp     x21, x22, [x0, #REGISTERS + 0x10]
        ldp     x23, x24, [x0, #REGISTERS + 0x20]
        ldp     x25, x26, [x0, #REGISTERS + 0x30]
        ldp     x27, x28, [x0, #REGISTERS + 0x40]
        ldp     x29, x30, [x0, #REGISTERS + 0x50]
        add     x0, x0, #AARCH64_CONTEXT_CONTROL_D8_OFFSET
        ldp     d8, d9, [x0]
        ldp     d10, d11, [x0, #0x10]
        ldp     d12, d13, [x0, #0x20]
        ldp     d14, d15, [x0, #0x30]
        mov     sp, x12
        ret
        .cfi_endproc
        .size   _CPU_Context_switch, . - _CPU_Context_switch

/*
 * void _CPU_Context_restore(Context_Control *heir)
 */
        .p2align 4
        .globl  _CPU_Context_restore
        .type   _CPU_Context_restore, %function
_CPU_Context_restore:
        .cfi_startproc
        adrp    x8, _Per_CPU_Information
        add     x8, x8, #:lo12:_Per_CPU_Information
        mrs     x11, fpcr
        b       .L_paravirt_restore
        .cfi_endproc
        .size   _CPU_Context_restore, . - _CPU_Context_restore
