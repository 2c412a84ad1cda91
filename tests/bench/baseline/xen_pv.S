/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The line of the example `hello`, from a PV domain of Xen that only prints it and ends the machine: no handlers, no
 * clocks, no interrupts. The notes are Xen's (xen/include/public/elfnote.h) and, because `pvhost` asks for them, the
 * layer's.
 */
    .macro note owner, type, value:vararg
    .balign 4
    .long 8881f - 8880f, 8883f - 8882f, \type
8880: .asciz "\owner"
8881: .balign 4
8882: \value
8883: .balign 4
    .endm

    .section .note.Xen, "a", @note
    note Xen, 5, .asciz "xen-3.0"       /* XEN_ELFNOTE_XEN_VERSION */
    note Xen, 8, .asciz "generic"       /* XEN_ELFNOTE_LOADER */
    note Xen, 3, .quad 0                /* XEN_ELFNOTE_VIRT_BASE */
    note Xen, 4, .quad 0                /* XEN_ELFNOTE_PADDR_OFFSET */
    note Xen, 1, .quad _start           /* XEN_ELFNOTE_ENTRY */
    note Xen, 17, .quad 1 << 11         /* XEN_ELFNOTE_SUPPORTED_FEATURES: dom0 */

    .section .note.paravirt, "a", @note
    .balign 4
    .long 9, 24, 1                      /* identity */
    .asciz "paravirt"
    .balign 4
    .long 1, 62, 1, 0                   /* version 1, x86-64, no red zone */
    .quad page
    .balign 4
    .long 9, 4, 2                       /* backend */
    .asciz "paravirt"
    .balign 4
    .asciz "xen"

    .section .text.start, "ax"
    .globl _start
_start:
    movl $18, %eax                      /* console_io */
    xorl %edi, %edi                     /* CONSOLEIO_write */
    movl $(line_end - line), %esi
    leaq line(%rip), %rdx
    syscall
    movl $33, %eax                      /* physdev_op */
    movl $6, %edi                       /* PHYSDEVOP_set_iopl */
    leaq level(%rip), %rsi
    syscall
    leaq record(%rip), %rsi
    movl $(record_end - record), %ecx
    movw $0xe9, %dx                     /* QEMU's debug console: how the guest ended */
    rep outsb
    movw $0xf4, %dx                     /* QEMU's exit */
    xorl %eax, %eax
    outl %eax, %dx
    jmp .                               /* QEMU may end a moment later */

    .section .rodata
line:
    .ascii "Hello from a paravirtualized guest\n"
line_end:
record:
    .ascii "paravirt: shutdown exit 0\n"
record_end:
level:
    .long 3

    .data
    .balign 4096
page:
    .long 1                             /* version of the vCPU page */
    .zero 12
    .quad _start                        /* the upcall entry, where nobody goes; pvhost asks for code */
    .zero 4072

    .section .note.GNU-stack, "", @progbits
