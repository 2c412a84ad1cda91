/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The vCPU's entry on x86-32.
 *
 * The kernel comes here from "kernel mode" of the vCPU (L4_VCPU_F_USER_MODE is never set): eax holds the address of the
 * vCPU's state, esp is the interrupted stack pointer, flags are clear but for IF, nothing is pushed, gs and the FPU are
 * the interrupted code's. All registers are in the vCPU's state. The frame that the guest expects is written by the
 * library, if the guest is entered at all.
 */
	.text
	.globl	vcpu_entry
	.type	vcpu_entry, @function
vcpu_entry:
	movl	$events_stack_end, %esp	/* leave the interrupted stack alone: it may be the guest's, and bad */
	subl	$512, %esp		/* room for x87 and SSE state, a multiple of 16 */
	fxsave	(%esp)
	fninit				/* the library moves 64 bits at once by the x87 unit */
	subl	$12, %esp		/* with the argument, a multiple of 16 at the call */
	pushl	%eax
	call	events_handle		/* void events_handle(l4_vcpu_state_t *) */
	fxrstor	16(%esp)
	call	events_return		/* all other registers come from the vCPU's state */
	ud2				/* not reached */
	.size	vcpu_entry, . - vcpu_entry

	.section .bss.events_stack, "aw", @nobits
	.balign	16
	.zero	32768
events_stack_end:

	.section .note.GNU-stack, "", @progbits
