/* SPDX-License-Identifier: BSD-2-Clause */
/* How floating point computes (x87 and SSE, on AArch64 its one unit), in threads and handlers: rounding and
 * masks belong to the thread that set them, with the attribute for floating point and without, and every handler begins
 * with those of a program's start. Exits with the number of the failed check, or 0. */

#include <rtems.h>
#include <rtems/irq-extension.h>

#include <bsp/irq.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <paravirt/timer.h>

#define TIMER 1
#define TIMER_PERIOD_NS UINT64_C(200000)
#define LINE PARAVIRT_VECTOR_FIRST_FREE
#define TASKS 3
#define ROUNDS 300

#ifdef __aarch64__

/* FPCR: rounding in bits 22 and 23, flushing of small numbers in 24. */
typedef uint32_t words;

static const words defaults = 0;

static const words of_task[TASKS] = {1u << 22, 2u << 22, 3u << 22 | 1u << 24};

static const words of_init = 3u << 22;

/* Of FPSR: divided by zero. */
#define FLAGS 0x2

static words current(void)
{
  uint64_t found;

  __asm__ volatile("mrs %0, fpcr" : "=r"(found));

  return (words) found;
}

static void set(const words *wanted)
{
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t) *wanted));
}

static bool are(const words *wanted)
{
  return current() == *wanted;
}

static uint16_t status_flags(void)
{
  uint64_t status;

  __asm__ volatile("mrs %0, fpsr" : "=r"(status));

  return status & FLAGS;
}

static void divide_by_zero(void)
{
  __asm__ volatile("fmov d0, #1.0\n\tmovi d1, #0\n\tfdiv d0, d0, d1" : : : "v0", "v1");
}

#else

/* Of the status word: what was computed so far was not exact, and divided by zero. */
#define FLAGS 0x24
#define MXCSR_FLAGS 0x3fu

typedef struct {
  uint16_t x87;
  uint32_t sse;
} words;

static const words defaults = {.x87 = 0x037f, .sse = 0x1f80};

/* The others round in another way each, to shorter numbers, and one has exceptions. */
static const words of_task[TASKS] = {
  {.x87 = 0x047f, .sse = 0x3f80}, {.x87 = 0x0b7b, .sse = 0x5d80}, {.x87 = 0x0c7f, .sse = 0x7f80}
};

static const words of_init = {.x87 = 0x077f, .sse = 0x7f80};

static words current(void)
{
  words found;

  __asm__ volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(found.x87), "=m"(found.sse));

  return found;
}

static void set(const words *wanted)
{
  __asm__ volatile("fldcw %0\n\tldmxcsr %1" : : "m"(wanted->x87), "m"(wanted->sse));
}

static bool are(const words *wanted)
{
  words found = current();

  return found.x87 == wanted->x87 && (found.sse & ~MXCSR_FLAGS) == wanted->sse;
}

static uint16_t status_flags(void)
{
  uint16_t status;

  __asm__ volatile("fnstsw %0" : "=m"(status));

  return status & FLAGS;
}

static void divide_by_zero(void)
{
  __asm__ volatile("fldz\n\tfld1\n\tfdiv %%st(1), %%st\n\tfstp %%st(0)\n\tfstp %%st(0)" : : : "st", "st(1)");
}

#endif

static volatile uint32_t handlers;
static volatile uint32_t bad_handlers;
static volatile uint32_t raised;
static volatile uint32_t bad_tasks[TASKS];
static volatile uint32_t lost_flags;
static volatile bool bad_start;
static rtems_id ids[TASKS];
static rtems_id init;

static void check(uint32_t number, bool holds, const char *what)
{
  printf("%s: %s\n", what, holds ? "right" : "wrong");
  if (!holds) {
    exit((int) number);
  }
}

/* Wakes one task after the other, in whatever thread it interrupts. */
static void on_timer(uint32_t timer, uint64_t expirations, void *argument)
{
  static size_t next;

  (void) timer;
  (void) expirations;
  (void) argument;
  ++handlers;
  if (!are(&defaults)) {
    ++bad_handlers;
  }
  next = (next + 1) % TASKS;
  (void) rtems_event_send(ids[next], RTEMS_EVENT_0);
}

static void on_line(void *argument)
{
  (void) argument;
  ++raised;
  if (!are(&defaults)) {
    ++bad_handlers;
  }
}

static void task(rtems_task_argument number)
{
  const words *own = &of_task[number];
  rtems_event_set events;
  uint32_t round;

  if (!are(&defaults)) {
    bad_start = true;
  }
  set(own);
  for (round = 0; round < ROUNDS; ++round) {
    (void) rtems_event_receive(RTEMS_EVENT_0, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &events);
    if (!are(own)) {
      ++bad_tasks[number];
      set(own);
    }
    if (number == 0) {
      /* Divides by zero and tells afterwards; the others never do. */
      if (round != 0 && status_flags() == 0) {
        ++lost_flags;
      }
      divide_by_zero();
    }
  }
  (void) rtems_event_send(init, RTEMS_EVENT_1 << number);
  rtems_task_exit();
}

/* Of lowest priority and without floating point, so that it is what the timer interrupts. */
static void busy(rtems_task_argument argument)
{
  volatile bool *wrong = (volatile bool *) argument;

  while (true) {
    if (!are(&defaults)) {
      *wrong = true;
    }
  }
}

static rtems_id start(
  rtems_task_priority priority, rtems_attribute attributes, rtems_task_entry entry, rtems_task_argument argument
)
{
  rtems_id id;

  if (rtems_task_create(
        rtems_build_name('C', 'W', ' ', ' '), priority, RTEMS_MINIMUM_STACK_SIZE * 2, RTEMS_DEFAULT_MODES, attributes,
        &id
      ) != RTEMS_SUCCESSFUL ||
      rtems_task_start(id, entry, argument) != RTEMS_SUCCESSFUL) {
    exit(99);
  }

  return id;
}

static void Init(rtems_task_argument argument)
{
  static rtems_interrupt_entry line = RTEMS_INTERRUPT_ENTRY_INITIALIZER(on_line, NULL, "line");
  static volatile bool busy_wrong;
  rtems_interrupt_level level;
  rtems_event_set events;
  uint32_t wrong = 0;

  (void) argument;
  init = rtems_task_self();
  (void) rtems_interrupt_entry_install(LINE, RTEMS_INTERRUPT_UNIQUE, &line);
  set(&of_init);

  rtems_interrupt_local_disable(level);
  (void) rtems_interrupt_raise(LINE);
  rtems_interrupt_local_enable(level);
  check(1, raised == 1 && bad_handlers == 0, "a handler that turning interrupts on runs");
  check(2, are(&of_init), "control words of who turned them on");

  for (rtems_task_argument number = 0; number < TASKS; ++number) {
    ids[number] = start(20, number == 1 ? RTEMS_DEFAULT_ATTRIBUTES : RTEMS_FLOATING_POINT, task, number);
  }
  (void) start(30, RTEMS_DEFAULT_ATTRIBUTES, busy, (rtems_task_argument) &busy_wrong);
  (void) paravirt_timer_attach(TIMER, on_timer, NULL);
  (void) paravirt_timer_start(TIMER, TIMER_PERIOD_NS, TIMER_PERIOD_NS);
  (void) rtems_event_receive(
    RTEMS_EVENT_1 | RTEMS_EVENT_2 | RTEMS_EVENT_3, RTEMS_WAIT | RTEMS_EVENT_ALL, RTEMS_NO_TIMEOUT, &events
  );
  (void) paravirt_timer_stop(TIMER);
  for (size_t number = 0; number < TASKS; ++number) {
    printf("task %zu: %" PRIu32 " of %d times wrong\n", number, bad_tasks[number], ROUNDS);
    wrong += bad_tasks[number];
  }
  check(3, bad_handlers == 0 && handlers != 0, "handlers that interrupt");
  check(4, !bad_start, "control words that a task begins with");
  check(5, wrong == 0, "control words of tasks that wait for each other's interrupts");
  check(6, !busy_wrong, "control words of the task that is interrupted");
  check(7, are(&of_init), "control words of the first task");
  check(8, lost_flags == 0, "exceptions that a task has seen");
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS (2 + TASKS)
#define CONFIGURE_EXTRA_TASK_STACKS ((1 + TASKS) * RTEMS_MINIMUM_STACK_SIZE * 2)
#define CONFIGURE_INIT_TASK_ATTRIBUTES RTEMS_FLOATING_POINT
#define CONFIGURE_INIT_TASK_PRIORITY 10
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
