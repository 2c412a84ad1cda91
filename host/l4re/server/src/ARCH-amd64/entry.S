/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The vCPU's entry on amd64.
 *
 * The kernel comes here from "kernel mode" of the vCPU (L4_VCPU_F_USER_MODE is never set): rdi holds the address of the
 * vCPU's state, rsp is the interrupted stack pointer, whose red zone is in use, flags are clear but for IF, nothing is
 * pushed, fs and the FPU are the interrupted code's. All registers are in the vCPU's state. The frame that the guest
 * expects is written by the library, if the guest is entered at all.
 */
	.text
	.globl	vcpu_entry
	.type	vcpu_entry, @function
vcpu_entry:
	movl	$events_stack_end, %esp	/* leave the interrupted stack alone; this program lies below 4 GiB */
	subq	$512, %rsp		/* room for x87 and SSE state, a multiple of 16 */
	fxsave64 (%rsp)
	fninit				/* the C ABI's control words */
	ldmxcsr	default_mxcsr
	call	events_handle		/* void events_handle(l4_vcpu_state_t *) */
	fxrstor64 (%rsp)
	call	events_return		/* all other registers come from the vCPU's state */
	ud2				/* not reached */
	.size	vcpu_entry, . - vcpu_entry

	.section .rodata
	.balign	4
default_mxcsr:
	.long	0x1f80			/* all exceptions masked, round to nearest (System V ABI, 3.2.1) */

	.section .bss.events_stack, "aw", @nobits
	.balign	16
	.zero	32768
events_stack_end:

	.section .note.GNU-stack, "", @progbits
