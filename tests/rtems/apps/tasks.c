/* SPDX-License-Identifier: BSD-2-Clause */
/* Tasks in as many states as a host may see them in. With OVERFLOW one of them needs more stack than it has, and then
 * faults. Ends when all others wait. */

#define _GNU_SOURCE /* pthread_setname_np() */

#include <rtems.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STACK 8192
#define USED 3000

static rtems_id semaphore;

#ifdef OVERFLOW
static volatile uintptr_t nowhere = 16;
#endif

static rtems_id start(rtems_name name, rtems_task_priority priority, rtems_task_entry entry)
{
  rtems_id id;

  (void) rtems_task_create(name, priority, STACK, RTEMS_DEFAULT_MODES, RTEMS_DEFAULT_ATTRIBUTES, &id);
  (void) rtems_task_start(id, entry, 0);
  return id;
}

static void wait_for_semaphore(rtems_task_argument argument)
{
  (void) argument;
  (void) rtems_semaphore_obtain(semaphore, RTEMS_WAIT, RTEMS_NO_TIMEOUT);
}

static void wait_for_time(rtems_task_argument argument)
{
  (void) argument;
  (void) rtems_task_wake_after(1000000);
}

static void suspend(rtems_task_argument argument)
{
  (void) argument;
  (void) rtems_task_suspend(RTEMS_SELF);
}

static void __attribute__((noinline)) use(size_t size)
{
  char used[size];

  memset(used, 0, size);
  __asm__ volatile("" : : "r"(used) : "memory");
#ifdef OVERFLOW
  *(volatile int *) nowhere = 0;
#endif
}

static void use_stack(rtems_task_argument argument)
{
  (void) argument;
#ifdef OVERFLOW
  use(STACK + 100);
#else
  use(USED);
#endif
  (void) rtems_event_receive(RTEMS_EVENT_0, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &(rtems_event_set) {0});
}

static void *wait_as_thread(void *argument)
{
  wait_for_semaphore(0);
  return argument;
}

static void Init(rtems_task_argument argument)
{
  pthread_t thread;

  (void) argument;
  (void) rtems_semaphore_create(rtems_build_name('S', 'E', 'M', 'A'), 0, RTEMS_PRIORITY, 0, &semaphore);
  (void) start(rtems_build_name('S', 'E', 'M', ' '), 2, wait_for_semaphore);
  (void) start(rtems_build_name('T', 'I', 'M', 'E'), 3, wait_for_time);
  (void) start(rtems_build_name('S', 'T', 'O', 'P'), 4, suspend);
  (void) start(rtems_build_name('D', 'E', 'E', 'P'), 5, use_stack);
  (void) pthread_create(&thread, NULL, wait_as_thread, NULL);
  (void) pthread_setname_np(thread, "a thread");
  (void) rtems_task_set_priority(RTEMS_SELF, 200, &(rtems_task_priority) {0});
  exit(7);
}

#define CONFIGURE_MICROSECONDS_PER_TICK 10000
#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_SIMPLE_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS 5
#define CONFIGURE_MAXIMUM_POSIX_THREADS 1
#define CONFIGURE_MAXIMUM_SEMAPHORES 1
#define CONFIGURE_UNIFIED_WORK_AREAS
#define CONFIGURE_INIT_TASK_INITIAL_MODES RTEMS_DEFAULT_MODES
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
