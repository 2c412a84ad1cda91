/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The line of the example `hello`, from a guest for AArch64 that only prints it and ends: no page tables, no vectors, no
 * clocks, no interrupts. Then it says when that was, as the guest `bench-start` does. It knows the devices of QEMU's
 * machine `virt`, which `pvhost` gives a domain of Xen, too. The notes are the layer's, because `pvhost` asks for them.
 */
    .section .note.paravirt, "a", @note
    .balign 4
    .long 9, 24, 1                      /* identity */
    .asciz "paravirt"
    .balign 4
    .long 1, 183, 0, 0                  /* version 1, AArch64 */
    .quad page
    .balign 4
    .long 9, 5, 2                       /* backend, for QEMU's machine */
    .asciz "paravirt"
    .balign 4
    .asciz "bare"
    .balign 4
    .long 9, 4, 2                       /* backend, for Xen */
    .asciz "paravirt"
    .balign 4
    .asciz "xen"

    .macro put text, to
    adr x1, \text
    adr x2, \text\()_end
    mov x3, \to
    bl write
    .endm

    .section .text.start, "ax"
    .globl _start
_start:
    mov x20, #0x09000000                /* the serial port, a PL011; QEMU's is ready at once */
    movz x21, #0x1108                   /* emergency output of the virtio console by which pvhost learns of the end */
    movk x21, #0x0a00, lsl #16
    put line, x20
    isb
    mrs x19, cntpct_el0                 /* since the machine's start, under Xen too */
    put name, x20
    mov x0, #1000                       /* in thousandths */
    mul x19, x19, x0
    bl decimal
    put record, x21
    movz x0, #0x8400, lsl #16           /* PSCI: SYSTEM_OFF */
    movk x0, #0x0008
    hvc #0
    b .

/* Writes what is from x1 to x2 to the register at x3, byte by byte. */
write:
    ldrb w0, [x1], #1
    str w0, [x3]
    cmp x1, x2
    b.ne write
    ret

/* Writes x19 and the end of a line to the serial port. */
decimal:
    adr x1, digits_end
    mov x2, x1
    mov x4, #10
1:  udiv x5, x19, x4
    msub x6, x5, x4, x19
    add w6, w6, #'0'
    strb w6, [x1, #-1]!
    mov x19, x5
    cbnz x19, 1b
    add x2, x2, #1
    mov x3, x20
    b write

    .section .rodata, "a"
line:
    .ascii "Hello from a paravirtualized guest\n"
line_end:
name:
    .ascii "first_line 0 "
name_end:
record:
    .ascii "paravirt: shutdown exit 0\n"
record_end:

    .data
digits:
    .zero 20
digits_end:
    .ascii "\n"
    .balign 4096
page:
    .long 1                             /* version of the vCPU page */
    .zero 12
    .quad _start                        /* the upcall entry, where nobody goes; pvhost asks for code */
    .zero 4072

    .section .note.GNU-stack, "", @progbits
