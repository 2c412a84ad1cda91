/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What makes a guest one of this ABI: identity note, vCPU page, an upcall entry that calls interrupted(), and the entry
 * point, which calls guest() with the start info.
 */
#pragma once

#include "external.h"

#ifdef __x86_64__
#define MACHINE "62"
#else
#define MACHINE "3"
#endif

void *__l4_external_resolver;

/* ABI version 1, the machine, no red zone, the page. */
asm(".pushsection .note.paravirt, \"a\", @note\n"
    ".long 9, 24, 1\n"
    ".asciz \"paravirt\"\n"
    ".balign 4\n"
    ".long 1, " MACHINE ", 1, 0, page, 0\n"
    ".popsection\n");

/* The beginning of the vCPU page; the entry is 64 bits wide on both. */
struct page {
  unsigned version;
  volatile unsigned enabled;
  volatile unsigned pending;
  volatile unsigned spurious;
  void (*upcall)(void);
  void *upcall_high[sizeof(void *) == 4];
};

extern void upcall(void);
union {
  struct page head;
  char bytes[4096];
} page __attribute__((aligned(4096))) = {.head = {.version = 1, .upcall = upcall}};

/* An interrupt enters here with the processor's frame on the stack and the flag off. The timer is slow: none comes
 * between the store that turns it on and the return. */
#ifdef __x86_64__
asm(".globl upcall\n"
    "upcall:\n"
    "push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11\n"
    "cld\n"
    "call interrupted\n"
    "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
    "movl $1, page + 4\n"
    "iretq\n"
    ".globl start\n"
    "start:\n"
    "lea stack + 4096, %rsp\n"
    "mov %rdx, %rdi\n"
    "call guest\n");
#else
asm(".globl upcall\n"
    "upcall:\n"
    "pusha\n"
    "cld\n"
    "call interrupted\n"
    "popa\n"
    "movl $1, page + 4\n"
    "iret\n"
    ".globl start\n"
    "start:\n"
    "lea stack + 4096, %esp\n"
    "push %edx\n"
    "call guest\n");
#endif

static char stack[4096] __attribute__((aligned(16), used));

struct start_info {
  unsigned magic, size, version, features;
  void *resolver;
};
