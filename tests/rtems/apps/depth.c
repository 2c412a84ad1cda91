/* SPDX-License-Identifier: BSD-2-Clause */
/* A task with the smallest stack, which has used all of it but what an interrupt may take, while handlers and other
 * tasks that it is preempted by change every register of SSE and AVX. Exits with the number of the failed check, or 0.
 * */

#include <rtems.h>

#include <cpuid.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <paravirt/timer.h>

#define TIMER 1
#define TIMER_PERIOD_NS UINT64_C(100000)
#define PREEMPTIONS 2000
#define UNTOUCHED 0xa5
#define GUARD 4096
#define WIDTH 8 /* of a register of AVX, in words */

/* Most that an interrupt with a thread dispatch, during which another one comes, takes of the interrupted task's stack,
 * in bytes: two frames of 943, the most that their alignment takes, and between them the dispatch, which may call the
 * host for thread-local storage. It is more than half of the smallest stack; README.md of the BSP has it, too. */
#define MOST 2560

static struct {
  uint8_t guard[GUARD];
  RTEMS_ALIGNED(RTEMS_TASK_STORAGE_ALIGNMENT)
  uint8_t stack[RTEMS_TASK_STORAGE_SIZE(RTEMS_MINIMUM_STACK_SIZE, RTEMS_DEFAULT_ATTRIBUTES)];
} deep_task;

static rtems_id init;
static rtems_id waker;
static volatile uint32_t preemptions;
static bool has_avx;

static void check(uint32_t number, bool holds, const char *what)
{
  printf("%s: %s\n", what, holds ? "right" : "wrong");
  if (!holds) {
    exit((int) number);
  }
}

/* Whether there is AVX, and whoever owns the processor has turned it on. */
static bool find_avx(void)
{
  unsigned a;
  unsigned b;
  unsigned c;
  unsigned d;

  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0 || (c & bit_AVX) == 0) {
    return false;
  }
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));

  return (a & 6) == 6;
}

static void disturb(void)
{
  if (has_avx) {
    __asm__ volatile("vzeroall");
  } else {
    __asm__ volatile("xorps %xmm0, %xmm0\n\txorps %xmm1, %xmm1\n\txorps %xmm2, %xmm2\n\txorps %xmm3, %xmm3\n\t"
                     "xorps %xmm4, %xmm4\n\txorps %xmm5, %xmm5\n\txorps %xmm6, %xmm6\n\txorps %xmm7, %xmm7");
  }
}

static void on_timer(uint32_t timer, uint64_t expirations, void *argument)
{
  (void) timer;
  (void) expirations;
  (void) argument;
  disturb();
  (void) rtems_event_send(waker, RTEMS_EVENT_0);
}

/* Of higher priority than the deep task. */
static void wake(rtems_task_argument argument)
{
  rtems_event_set events;

  (void) argument;
  while (true) {
    (void) rtems_event_receive(RTEMS_EVENT_0, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &events);
    disturb();
    ++preemptions;
  }
}

/* Goes to the end of what it may use, and waits there with ones in a register. Returns what the register holds then. */
static void wait_deep_down(uint8_t *bottom, uint32_t found[WIDTH])
{
  uint8_t *stack = bottom + MOST;

  if (has_avx) {
    __asm__ volatile("vxorps %%ymm7, %%ymm7, %%ymm7\n\t"
                     "vcmpeqps %%ymm7, %%ymm7, %%ymm7\n\t"
                     "xchgl %%esp, %0\n"
                     "1: cmpl %2, %1\n\t"
                     "jb 1b\n\t"
                     "movl %0, %%esp\n\t"
                     "vmovups %%ymm7, (%3)\n\t"
                     "vzeroupper"
                     : "+b"(stack)
                     : "m"(preemptions), "i"(PREEMPTIONS), "S"(found)
                     : "memory", "cc");
  } else {
    __asm__ volatile("xorps %%xmm7, %%xmm7\n\t"
                     "cmpeqps %%xmm7, %%xmm7\n\t"
                     "xchgl %%esp, %0\n"
                     "1: cmpl %2, %1\n\t"
                     "jb 1b\n\t"
                     "movl %0, %%esp\n\t"
                     "movups %%xmm7, (%3)\n\t"
                     "movups %%xmm7, 16(%3)"
                     : "+b"(stack)
                     : "m"(preemptions), "i"(PREEMPTIONS), "S"(found)
                     : "memory", "cc");
  }
}

static void deep(rtems_task_argument argument)
{
  uint32_t *found = (uint32_t *) argument;

  wait_deep_down(deep_task.stack, found);
  (void) rtems_event_send(init, RTEMS_EVENT_1);
  rtems_task_exit();
}

static void Init(rtems_task_argument argument)
{
  static uint32_t found[WIDTH];
  const rtems_task_config config = {
    .name = rtems_build_name('D', 'E', 'E', 'P'),
    .initial_priority = 30,
    .storage_area = deep_task.stack,
    .storage_size = sizeof(deep_task.stack),
    .initial_modes = RTEMS_DEFAULT_MODES,
    .attributes = RTEMS_DEFAULT_ATTRIBUTES
  };
  rtems_event_set events;
  rtems_id id;
  size_t left = 0;
  bool kept = true;

  (void) argument;
  init = rtems_task_self();
  has_avx = find_avx();
  memset(&deep_task, UNTOUCHED, sizeof(deep_task));
  if (rtems_task_construct(&config, &id) != RTEMS_SUCCESSFUL ||
      rtems_task_create(
        rtems_build_name('W', 'A', 'K', 'E'), 20, RTEMS_MINIMUM_STACK_SIZE, RTEMS_DEFAULT_MODES,
        RTEMS_DEFAULT_ATTRIBUTES, &waker
      ) != RTEMS_SUCCESSFUL ||
      rtems_task_start(waker, wake, 0) != RTEMS_SUCCESSFUL ||
      rtems_task_start(id, deep, (rtems_task_argument) found) != RTEMS_SUCCESSFUL) {
    exit(99);
  }
  (void) paravirt_timer_attach(TIMER, on_timer, NULL);
  (void) paravirt_timer_start(TIMER, TIMER_PERIOD_NS, TIMER_PERIOD_NS);
  (void) rtems_event_receive(RTEMS_EVENT_1, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &events);
  (void) paravirt_timer_stop(TIMER);

  for (size_t word = 0; word < WIDTH; ++word) {
    kept = kept && found[word] == UINT32_MAX;
  }
  check(1, kept, has_avx ? "a register of AVX" : "a register of SSE");
  while (left < GUARD && deep_task.guard[left] == UNTOUCHED) {
    ++left;
  }
  check(2, left == GUARD, "what lies below the task's stack");
  for (left = 0; deep_task.stack[left] == UNTOUCHED; ++left) {
    /* what was never used */
  }
  printf("taken by interrupts: %zu bytes of %d\n", MOST - left, MOST);
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MICROSECONDS_PER_TICK 1000
#define CONFIGURE_MAXIMUM_TASKS 3
#define CONFIGURE_MINIMUM_TASKS_WITH_USER_PROVIDED_STORAGE 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
