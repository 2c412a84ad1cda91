/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest of L4RTEMS: its external functions are declared without prototypes, in sections that the function's name is
 * not part of, and called by regparm(3). It has no identity note. The first word of the command line says what it does;
 * its first letter is enough, but of `ld`, `ls`, and those with `s`.
 */

#include "external.h"

/* An object that is linked to others may spell its sections as they do not. */
#ifndef OTHER_PREFIX
#define OTHER_PREFIX PREFIX
#endif

EXTERNAL(l4rtems_outch);
EXTERNAL(l4rtems_inch);
EXTERNAL(l4rtems_requestIrq);
EXTERNAL(l4rtems_detachIrq);
EXTERNAL(l4rtems_timer_start);
EXTERNAL(l4rtems_timer_stop);
EXTERNAL(l4rtems_timer_read);
EXTERNAL(l4rtems_inport);
/* A second entry for one name, as two objects made it. */
EXTERNAL_IN(OTHER_PREFIX, l4rtems_outch, outch_again);
/* The interface's functions, to be compared with and to end. */
EXTERNAL_IN(OTHER_PREFIX, pv_clock_now, pv_clock_now);
EXTERNAL_IN(OTHER_PREFIX, pv_shutdown, pv_shutdown);

FASTCALL void outch_again(char c);

struct multiboot {
  unsigned flags, lower, upper, boot_device;
  const char *command_line;
};

struct shared {
  unsigned short *vcpu;
  unsigned log;
  unsigned long fs, ds;
  void *environment;
  void *resolver;
};

void *__l4_external_resolver;
extern char _end[];
static char stack[4096] __attribute__((aligned(16), used));
/* What the host left in the stack pointer. */
unsigned initial_stack;

asm(".globl start\n"
    "start:\n"
    "cld\n"
    "mov %esp, initial_stack\n"
    "lea stack + 4096, %esp\n"
    "push %edx\n"
    "push %ebx\n"
    "push %eax\n"
    "call guest\n");

static void memory(const struct multiboot *info) {
  /* Down from the initial stack pointer to the image's end there is memory, as Multiboot says. */
  unsigned end = 0x100000 + info->upper * 1024;
  CHECK(info->flags & 1);
  CHECK(end == initial_stack);
  CHECK((unsigned)_end < end);
  for (volatile unsigned *word = (unsigned *)(((unsigned)_end + 3) & -4u); (unsigned)word < end; word += 256) {
    CHECK(*word == 0);
    *word = (unsigned)word;
    CHECK(*word == (unsigned)word);
  }
  print("memory is behind the image");
  l4rtems_outch(0);
}

static void echo(void) {
  int byte;
  while ((byte = l4rtems_inch()) != 'q')
    if (byte >= 0)
      l4rtems_outch(byte);
  /* None now, and none when input has ended. */
  for (int i = 0; i < 1000; ++i)
    CHECK(l4rtems_inch() == -1);
  print("\nend\n");
}

static void timer(void) {
  /* Microseconds and nanoseconds of one clock, as far as 32 bits go. */
  unsigned now = (unsigned)pv_clock_now();
  unsigned read = l4rtems_timer_read();
  CHECK(read * 1000 + 1000 - now < 50000000);
  /* A period of 10 ms, 100 ms from now for the first time: within 200 ms that makes 11, the other way round 2. */
  l4rtems_timer_start(10000, 100000);
  while (l4rtems_timer_read() - read < 205000)
    ;
  l4rtems_timer_stop();
  while (l4rtems_timer_read() - read < 300000)
    ;
  print("time passes\n");
}

static void interrupts(struct shared *shared) {
  /* The vCPU's state is memory: the guest turned interrupts on and off there. */
  shared->vcpu[100] = 1;
  CHECK(!l4rtems_requestIrq(0));
  CHECK(!l4rtems_requestIrq(1));
  l4rtems_detachIrq(0);
  /* What an L4RTEMS handler did first. */
  asm volatile("mov %0, %%ds\n"
               "mov %1, %%fs\n"
               :
               : "r"(shared->ds), "r"(shared->fs)
               : "memory");
  print("no interrupts\n");
}

/* Ends in a fault with segments that the host does not expect. */
static void segments(char which) {
  switch (which) {
  case 'd': asm volatile("mov %0, %%ds\nud2" : : "r"(0)); break;
  case 'e': asm volatile("mov %0, %%es\nud2" : : "r"(0)); break;
  case 'c': asm volatile("mov %%cs, %%eax\nmov %%eax, %%ds\nud2" : : : "eax"); break;
  case 'r': asm volatile("mov %0, %%ds\njmp *%1" : : "r"(0), "r"(__l4_external_resolver)); break;
  }
}

/* As L4 was asked: by the thread's own data, then by a system call. */
static void microkernel(char which) {
  void *own = 0;
  if (which == 'd')
    asm volatile("mov %%fs:0, %0" : "=r"(own));
  else
    ((void (*)(void *))0xaffff800)(own);
}

/* Calls do not change what the ABI preserves, nor the stack. */
static void registers(void) {
  unsigned before, after, ebx = 0x11111111, esi = 0x22222222, edi = 0x33333333;
  asm volatile("mov %%esp, %0\n"
               "xor %%eax, %%eax\n"
               "movb $'*', %%al\n"
               "call l4rtems_outch\n"
               "push $0\n"
               "push $20000\n"
               "mov $10000, %%eax\n"
               "xor %%edx, %%edx\n"
               "call l4rtems_timer_start\n"
               "add $8, %%esp\n"
               "call l4rtems_timer_stop\n"
               "mov %%esp, %1\n"
               : "=m"(before), "=m"(after), "+b"(ebx), "+S"(esi), "+D"(edi)
               :
               : "eax", "ecx", "edx", "memory", "cc");
  CHECK(before == after);
  CHECK(ebx == 0x11111111 && esi == 0x22222222 && edi == 0x33333333);
  print(" registers are preserved\n");
}

__attribute__((used)) void guest(unsigned magic, const struct multiboot *info, struct shared *shared) {
  __l4_external_resolver = shared->resolver;
  CHECK(magic == 0x2badb002);
  CHECK(info->flags & 4);
  switch (info->command_line[0]) {
  case 'm': memory(info); break;
  case 'e': echo(); break;
  case 't': timer(); break;
  case 'i': interrupts(shared); break;
  case 'r': registers(); break;
  case 'p': l4rtems_inport(0x60, 0); break;
  case 'l': microkernel(info->command_line[1]); break;
  case 's': segments(info->command_line[1]); break;
  case 'a': outch_again('a'); break;
  case 'w':
    memory(info);
    registers();
    interrupts(shared);
    timer();
    break;
  default: print("which?\n"); pv_shutdown(0, 2);
  }
  pv_shutdown(0, 0);
}
