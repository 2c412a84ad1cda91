/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Fills threads' stacks when they are created, if the host asks for it.
 *
 * The host finds out how much of each stack was used: pvhost run --stack-check. It fills the interrupt stack itself.
 */

#include <bsp/stackcheck.h>

#include <rtems/score/thread.h>
#include <rtems/score/userextimpl.h>
#include <rtems/sysinit.h>

#include <string.h>

/* That of the kernel's own stack checker, which may be in the program as well. */
#define FILL 0xa5

/* The kernel's own stack checker has marks in the lowest bytes, and it may have set them before. */
#define MARKS 16

/* Not in .bss: the host writes it before the program's start, and start code may clear that. */
volatile uint32_t _Paravirt_Stack_check __attribute__((section(".data.paravirt_stack_check"))) = 0;

static bool fill_stack(Thread_Control *executing, Thread_Control *created)
{
  const Stack_Control *stack = &created->Start.Initial_stack;

  (void) executing;

  if (stack->size > MARKS) {
    memset((char *) stack->area + MARKS, FILL, stack->size - MARKS);
  }

  return true;
}

static User_extensions_Control extension = {.Callouts = {.thread_create = fill_stack}};

static void begin_stack_check(void)
{
  if (_Paravirt_Stack_check != 0) {
    _User_extensions_Add_set(&extension);
  }
}

RTEMS_SYSINIT_ITEM(begin_stack_check, RTEMS_SYSINIT_USER_EXTENSIONS, RTEMS_SYSINIT_ORDER_LAST);
