/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief Calling a function on another stack.
 */

#ifndef LIBBSP_I386_PARAVIRT_STACK_H
#define LIBBSP_I386_PARAVIRT_STACK_H

#include <rtems/score/cpu.h>

#include <stdint.h>

/** @brief Calls the function with the argument; `top` is the end of the stack that it gets. */
static inline void call_on_stack(const void *top, void (*function)(void *), void *argument)
{
  void *interrupted;
  void *parameter = argument;

  __asm__ volatile(
    "movl %%esp, %0\n" /* into a register that the callee keeps */
    "movl %3, %%esp\n"
    "subl $12, %%esp\n" /* with the argument, the stack is aligned at the call */
    "pushl %1\n"
    "call *%2\n"
    "movl %0, %%esp\n"
    : "=&b"(interrupted), "+a"(parameter), "+d"(function)
    : "S"((uintptr_t) top & ~(uintptr_t) (CPU_STACK_ALIGNMENT - 1)),
      /* not used here: the compiler then finds its frame by ebp, and so does a debugger from the other stack */
      "m"(*(const char *) __builtin_frame_address(0))
    : "ecx", "memory", "cc"
  );
}

#endif /* LIBBSP_I386_PARAVIRT_STACK_H */
