/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Tells the host which thread runs, if it asks for that: pvhost run --trace.
 */

#include <bsp/trace.h>

#include <rtems/score/threadimpl.h>
#include <rtems/score/userextimpl.h>
#include <rtems/sysinit.h>

/* Longer names are cut. */
#define LONGEST_NAME 32

/* Not in .bss: the host writes it before the program's start, and start code may clear that. */
void (*volatile paravirt_trace_hook)(uint32_t, uint32_t, const char *, uint32_t)
  __attribute__((section(".data.paravirt_trace_hook"))) = NULL;

static void tell_name(const Thread_Control *thread)
{
  char name[LONGEST_NAME];
  size_t length = _Thread_Get_name(thread, name, sizeof(name));

  /* It is how long the name is, also where that does not fit with its end. */
  if (length > sizeof(name) - 1) {
    length = sizeof(name) - 1;
  }
  paravirt_trace(PARAVIRT_TRACE_NAME, thread->Object.id, name, length);
}

static bool thread_is_created(Thread_Control *executing, Thread_Control *created)
{
  (void) executing;
  tell_name(created);

  return true;
}

/* The first of all threads gets the processor from none. */
static void thread_begins(Thread_Control *executing)
{
  tell_name(executing);
  paravirt_trace(PARAVIRT_TRACE_SWITCH, executing->Object.id, NULL, 0);
}

static void threads_switch(Thread_Control *executing, Thread_Control *heir)
{
  (void) executing;
  paravirt_trace(PARAVIRT_TRACE_SWITCH, heir->Object.id, NULL, 0);
}

static User_extensions_Control extension = {
  .Callouts = {.thread_create = thread_is_created, .thread_switch = threads_switch, .thread_begin = thread_begins}
};

static void begin_trace(void)
{
  if (paravirt_trace_hook != NULL) {
    _User_extensions_Add_set(&extension);
  }
}

/* Before the first thread is created. */
RTEMS_SYSINIT_ITEM(begin_trace, RTEMS_SYSINIT_INITIAL_EXTENSIONS, RTEMS_SYSINIT_ORDER_LAST);
