/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* External functions as they were declared in L4RTEMS: without prototypes, in sections that the function's name is not
 * part of. */
#pragma once

#ifndef PREFIX
#define PREFIX ".data.l4externals"
#endif

#ifdef __x86_64__
#define WORD ".quad"
#define FASTCALL
#else
#define WORD ".long"
#define FASTCALL __attribute__((regparm(3)))
#endif

/* The form of the L4RTEMS macro, with its sections, its thunk, and its way to the resolver. */
#define EXTERNAL(func) EXTERNAL_IN(PREFIX, func, func)
#define EXTERNAL_IN(prefix, func, thunk) \
  asm(".section " prefix ".str, \"aw\"\n" \
      "9: .string \"" #func "\"\n" \
      ".previous\n" \
      ".section " prefix ".symtab, \"aw\"\n" \
      "7: " WORD " 9b\n" \
      ".previous\n" \
      ".section " prefix ".jmptbl, \"aw\"\n" \
      "8: " WORD " " #thunk "_resolver\n" \
      ".previous\n" \
      ".text\n" \
      ".weak " #thunk "\n" \
      ".type " #thunk ", @function\n" #thunk ": jmp *8b\n" #thunk "_resolver: push $8b\n" \
      "push $7b\n" \
      "jmp *__l4_external_resolver\n")

FASTCALL void l4rtems_outch(char c);
FASTCALL int l4rtems_inch(void);
FASTCALL _Bool l4rtems_requestIrq(unsigned number);
FASTCALL void l4rtems_detachIrq(unsigned number);
FASTCALL void l4rtems_timer_start(unsigned long long period, unsigned long long first);
FASTCALL void l4rtems_timer_stop(void);
FASTCALL unsigned l4rtems_timer_read(void);
FASTCALL unsigned l4rtems_inport(unsigned port, unsigned size);
FASTCALL void l4rtems_outport(unsigned port, unsigned value, unsigned size);
unsigned long long pv_clock_now(void);
_Noreturn void pv_shutdown(unsigned reason, int code);

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      print("wrong: " #condition "\n"); \
      pv_shutdown(0, 1); \
    } \
  } while (0)

static inline void print(const char *text) {
  while (*text)
    l4rtems_outch(*text++);
}
