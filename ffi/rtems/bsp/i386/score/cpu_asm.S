/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief Context switch with the virtual interrupt flag, a thread-local storage base that the host sets, and control
 * words of x87 and SSE for every thread.
 *
 * Stands in for the i386 port's file of this name. The port's exception entries are not here: the host reports
 * exceptions, and the port's table of them is left out by the linker's section garbage collection.
 */

#include <bsp/context.h>

#include <rtems/asm.h>
#include <rtems/score/cpu.h>
#include <rtems/score/percpu.h>

/* The virtual interrupt flag in the vCPU page, see <paravirt/abi.h>. */
.set FLAG, __paravirt_vcpu + 4

/* EFLAGS_INTR_ENABLE is bit 9. */
.set FLAG_TO_EFLAGS, 9

.set HAS_WORDS, PARAVIRT_CONTEXT_HAS_WORDS

/* What the layer keeps of the processor: SSE? */
#define COMPONENTS __paravirt_components
.set SSE, 1 << 1

.set WORDS, PARAVIRT_CONTEXT_WORDS
.set WORDS_KEPT, 0x007fffff
.set MXCSR, 4

/* Size of what fnstenv stores; in it the status word, whose upper half tells where the register stack begins. */
.set ENVIRONMENT, 28
.set STATUS, 4

        .cfi_sections .debug_frame                              /* for debuggers: nothing of it is loaded */

        BEGIN_CODE

/*
 * A switch is a call, at which the x87 register stack is empty and no register of SSE or AVX is in use. What an
 * interrupted thread has in them lies in its upcall's frame. So a thread's state is what a function has to leave as it
 * was, rounding and masks, and the exception flags.
 *
 * void _CPU_Context_switch(Context_Control *executing, Context_Control *heir)
 */
        .p2align 4
        PUBLIC (_CPU_Context_switch)
        PUBLIC (_CPU_Context_switch_no_return)
SYM (_CPU_Context_switch):
SYM (_CPU_Context_switch_no_return):
        .cfi_startproc
        movl    4(esp), eax                                     /* executing */
        movl    8(esp), ecx                                     /* heir */
        movl    FLAG, edx                                       /* interrupt level in the form of EFLAGS */
        shll    $FLAG_TO_EFLAGS, edx
        orl     $HAS_WORDS, edx
        movl    edx, I386_CONTEXT_CONTROL_EFLAGS_OFFSET(eax)
        subl    $WORDS, esp
        .cfi_adjust_cfa_offset WORDS
        fnstcw  (esp)
        fnstsw  2(esp)
        andl    $WORDS_KEPT, (esp)
        testb   $SSE, COMPONENTS
        je      1f
        stmxcsr MXCSR(esp)
1:      movl    esp, I386_CONTEXT_CONTROL_ESP_OFFSET(eax)
        movl    ebp, I386_CONTEXT_CONTROL_EBP_OFFSET(eax)
        movl    ebx, I386_CONTEXT_CONTROL_EBX_OFFSET(eax)
        movl    esi, I386_CONTEXT_CONTROL_ESI_OFFSET(eax)
        movl    edi, I386_CONTEXT_CONTROL_EDI_OFFSET(eax)
        movl    _Per_CPU_Information + PER_CPU_ISR_DISPATCH_DISABLE, edx
        movl    edx, I386_CONTEXT_CONTROL_ISR_DISPATCH_DISABLE(eax)
        movl    ecx, eax                                        /* the heir */

.L_paravirt_restore:
        movl    I386_CONTEXT_CONTROL_ISR_DISPATCH_DISABLE(eax), edx
        movl    edx, _Per_CPU_Information + PER_CPU_ISR_DISPATCH_DISABLE
        movl    I386_CONTEXT_CONTROL_ESP_OFFSET(eax), esp
        movl    I386_CONTEXT_CONTROL_EBP_OFFSET(eax), ebp
        movl    I386_CONTEXT_CONTROL_EBX_OFFSET(eax), ebx
        movl    I386_CONTEXT_CONTROL_ESI_OFFSET(eax), esi
        movl    I386_CONTEXT_CONTROL_EDI_OFFSET(eax), edi

        testl   $HAS_WORDS, I386_CONTEXT_CONTROL_EFLAGS_OFFSET(eax)
        je      3f                                              /* a new thread */
        testb   $SSE, COMPONENTS
        je      1f
        ldmxcsr MXCSR(esp)
1:      pushl   $0
        .cfi_adjust_cfa_offset 4
        fnstcw  (esp)
        fnstsw  2(esp)
        popl    edx
        .cfi_adjust_cfa_offset -4
        andl    $WORDS_KEPT, edx
        xorl    (esp), edx
        je      2f                                              /* those that are loaded, as is usual */
        subl    $ENVIRONMENT, esp
        .cfi_adjust_cfa_offset ENVIRONMENT
        fnstenv (esp)
        movl    ENVIRONMENT(esp), edx
        movw    dx, (esp)
        shrl    $16, edx
        movw    dx, STATUS(esp)
        fldenv  (esp)                      /* loads flags that no mask hides any more without an exception */
        addl    $ENVIRONMENT, esp
        .cfi_adjust_cfa_offset -ENVIRONMENT
2:      addl    $WORDS, esp
        .cfi_adjust_cfa_offset -WORDS
        jmp     4f
3:      fninit
        testb   $SSE, COMPONENTS
        je      4f
        ldmxcsr .L_paravirt_mxcsr
4:
        subl    $4, esp                                         /* 16-byte alignment at the calls */
        .cfi_adjust_cfa_offset 4
        pushl   I386_CONTEXT_CONTROL_EFLAGS_OFFSET(eax)         /* the heir's level */
        .cfi_adjust_cfa_offset 4
        pushl   eax                                             /* argument: the context */
        .cfi_adjust_cfa_offset 4
        call    _CPU_Use_thread_local_storage
        movl    4(esp), edx
        movl    edx, (esp)                                      /* argument: the level */
        call    i386_enable_interrupts                          /* leaves interrupts as they are if bit 9 is clear */
        movl    4(esp), eax
        addl    $12, esp
        .cfi_adjust_cfa_offset -12
        testl   $EFLAGS_INTR_ENABLE, eax
        jne     1f
        movl    $0, FLAG                                        /* the heir runs with interrupts disabled */
1:      ret
        .cfi_endproc

/*
 * void _CPU_Context_restore(Context_Control *heir)
 */
        .p2align 4
        PUBLIC (_CPU_Context_restore)
SYM (_CPU_Context_restore):
        .cfi_startproc
        movl    4(esp), eax
        jmp     .L_paravirt_restore
        .cfi_endproc

#ifndef __SSE__
/*
 * void _CPU_Context_save_fp(Context_Control_fp **area)
 * void _CPU_Context_restore_fp(Context_Control_fp **area)
 *
 * Nothing is left to do. RTEMS calls these late, when another thread with the attribute for floating point runs, with
 * the state of whoever ran last.
 */
        .p2align 4
        PUBLIC (_CPU_Context_save_fp)
        PUBLIC (_CPU_Context_restore_fp)
SYM (_CPU_Context_save_fp):
SYM (_CPU_Context_restore_fp):
        .cfi_startproc
        ret
        .cfi_endproc
#endif

        END_CODE

        .section .rodata.paravirt_mxcsr, "a", @progbits
        .p2align 2
.L_paravirt_mxcsr:
        .long   0x1f80                                          /* of a program's start: all masked, round to nearest */
