/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief Context switch with the virtual interrupt flag and a thread-local storage base that the host sets.
 *
 * Stands in for the i386 port's file of this name. The port's exception entries are not here: the host reports exceptions, and
 * the port's table of them is left out by the linker's section garbage collection.
 */

#include <rtems/asm.h>
#include <rtems/score/cpu.h>
#include <rtems/score/percpu.h>

/* The virtual interrupt flag in the vCPU page, see <paravirt/abi.h>. */
.set FLAG, __paravirt_vcpu + 4

/* EFLAGS_INTR_ENABLE is bit 9. */
.set FLAG_TO_EFLAGS, 9

        BEGIN_CODE

/*
 * void _CPU_Context_switch(Context_Control *executing, Context_Control *heir)
 */
        .p2align 4
        PUBLIC (_CPU_Context_switch)
        PUBLIC (_CPU_Context_switch_no_return)
SYM (_CPU_Context_switch):
SYM (_CPU_Context_switch_no_return):
        movl    4(esp), eax                                     /* executing */
        movl    8(esp), ecx                                     /* heir */
        movl    FLAG, edx                                       /* interrupt level in the form of EFLAGS */
        shll    $FLAG_TO_EFLAGS, edx
        movl    edx, I386_CONTEXT_CONTROL_EFLAGS_OFFSET(eax)
        movl    esp, I386_CONTEXT_CONTROL_ESP_OFFSET(eax)
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
        subl    $4, esp                                         /* 16-byte alignment at the calls */
        pushl   I386_CONTEXT_CONTROL_EFLAGS_OFFSET(eax)         /* the heir's level */
        pushl   eax                                             /* argument: the context */
        call    _CPU_Use_thread_local_storage
        movl    4(esp), edx
        movl    edx, (esp)                                      /* argument: the level */
        call    i386_enable_interrupts                          /* leaves interrupts as they are if bit 9 is clear */
        movl    4(esp), eax
        addl    $12, esp
        testl   $EFLAGS_INTR_ENABLE, eax
        jne     1f
        movl    $0, FLAG                                        /* the heir runs with interrupts disabled */
1:      ret

/*
 * void _CPU_Context_restore(Context_Control *heir)
 */
        .p2align 4
        PUBLIC (_CPU_Context_restore)
SYM (_CPU_Context_restore):
        movl    4(esp), eax
        jmp     .L_paravirt_restore

#ifndef __SSE__
/*
 * void _CPU_Context_save_fp(Context_Control_fp **area)
 * void _CPU_Context_restore_fp(Context_Control_fp **area)
 */
        .p2align 4
        PUBLIC (_CPU_Context_save_fp)
SYM (_CPU_Context_save_fp):
        movl    4(esp), eax
        movl    (eax), eax
        fnsave  (eax)
        ret

        .p2align 4
        PUBLIC (_CPU_Context_restore_fp)
SYM (_CPU_Context_restore_fp):
        movl    4(esp), eax
        movl    (eax), eax
        frstor  (eax)
        ret
#endif

        END_CODE
