/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A host as a library: the bodies of two external functions, and the program's entry, on Linux.
 *
 * The definitions here are strong, those of the guest layer weak, so the linker takes these.
 */
#define L4_EXTERNAL_PROTOTYPES_ONLY /* this file defines the functions, it does not ask a host for them */
#include <paravirt/interface.h>

#if defined(__x86_64__)
#define SYS_WRITE 1
#define SYS_EXIT_GROUP 231
static long system_call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
#define SYS_WRITE 64
#define SYS_EXIT_GROUP 94
static long system_call(long number, long a, long b, long c) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}
#else
#define SYS_WRITE 4
#define SYS_EXIT_GROUP 252
static long system_call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}
#endif

pv_ssize pv_console_write(const void *buffer, size_t length) {
  return system_call(SYS_WRITE, 1, (long)buffer, (long)length);
}

void pv_shutdown(uint32_t reason, int32_t code) {
  for (;;) {
    system_call(SYS_EXIT_GROUP, reason == PV_SHUTDOWN_EXIT ? code & 0xff : 3, 0, 0);
  }
}

static struct pv_start_info start_info = {
    .magic = PV_START_MAGIC,
    .size = sizeof(struct pv_start_info),
    .version = PV_ABI_VERSION,
};

/* Called by the entry below with the stack that Linux made: argc, argv. Passes the first argument on. */
__attribute__((used)) static struct pv_start_info *describe_host(const long *stack) {
  const char *argument = stack[0] > 1 ? (const char *)stack[2] : "";
  uint32_t length = 0;
  while (argument[length] != '\0') {
    ++length;
  }
  start_info.command_line = (uintptr_t)argument;
  start_info.command_line_length = length;
  return &start_info;
}

/* The program's entry. `paravirt_start` is where the guest layer's own entry is, which this one replaces. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "    movq %rsp, %rdi\n" /* argument: the stack, which Linux aligned to 16 bytes */
        "    call describe_host\n"
        "    movq %rax, %rdx\n"        /* the start info */
        "    movl $0x31525650, %eax\n" /* PV_START_MAGIC */
        "    jmp paravirt_start\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "    mov x0, sp\n"       /* argument: the stack, which Linux aligned to 16 bytes */
        "    bl describe_host\n" /* result, in x0: the start info */
        "    movz w1, #0x5650\n" /* PV_START_MAGIC */
        "    movk w1, #0x3152, lsl #16\n"
        "    b paravirt_start\n");
#else
__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "    movl %esp, %eax\n"
        "    subl $12, %esp\n" /* 16-byte alignment at the call */
        "    pushl %eax\n"     /* argument: the stack that Linux made */
        "    call describe_host\n"
        "    movl %eax, %edx\n"        /* the start info */
        "    movl $0x31525650, %eax\n" /* PV_START_MAGIC */
        "    jmp paravirt_start\n");
#endif
_Static_assert(PV_START_MAGIC == 0x31525650, "the magic in the entry above");
