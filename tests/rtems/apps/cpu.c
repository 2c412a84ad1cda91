/* SPDX-License-Identifier: BSD-2-Clause */
/* Processor state under RTEMS: floating point and thread-local storage across threads and interrupts, nested interrupts
 * with a thread dispatch at the end, and an application's timer beside the tick. Exits with the number of the failed
 * check, or 0. */

#include <rtems.h>
#include <rtems/irq-extension.h>

#include <bsp/irq.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <paravirt/timer.h>

#define WORKERS 3
#define ROUNDS 10000000
#define TIMER 1
#define TIMER_PERIOD_NS UINT64_C(1000000)
#define OUTER PARAVIRT_VECTOR_FIRST_FREE
#define INNER (PARAVIRT_VECTOR_FIRST_FREE + 1)

static __thread uint32_t own = 7;
static volatile bool wrong[WORKERS];
static volatile double handler_sum;
static volatile uint64_t told;
static rtems_id init;

/* What the nested handlers and the task saw, in order. */
static char order[8];
static size_t length;

static void note(char event)
{
  order[length++] = event;
}

static void check(uint32_t number, bool holds, const char *what)
{
  printf("%s: %s\n", what, holds ? "right" : "wrong");
  if (!holds) {
    exit((int) number);
  }
}

/* Uses the floating-point unit while it interrupts code that does, too. */
static void on_timer(uint32_t timer, uint64_t expirations, void *argument)
{
  (void) timer;
  (void) argument;
  told += expirations;
  handler_sum = handler_sum * 0.5 + 1.0 / 3.0;
}

/* The control word of a task, of the x87 unit or on AArch64 of its one unit: each worker has another rounding, which
 * its sums of small whole numbers do not show. */
#ifdef __aarch64__
static uint32_t control_word(rtems_task_argument number)
{
  return (uint32_t) number << 22;
}

static uint32_t read_control_word(void)
{
  uint64_t word;

  __asm__ volatile("mrs %0, fpcr" : "=r"(word));

  return (uint32_t) word;
}

static void set_control_word(uint32_t word)
{
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t) word));
}
#else
static uint16_t control_word(rtems_task_argument number)
{
  return (uint16_t) (0x037f | number << 10);
}

static uint16_t read_control_word(void)
{
  uint16_t word;

  __asm__ volatile("fnstcw %0" : "=m"(word));

  return word;
}

static void set_control_word(uint32_t number)
{
  uint16_t word = (uint16_t) number;

  __asm__ volatile("fldcw %0" : : "m"(word));
}
#endif

/* Keeps values in floating-point registers while others run, and a variable in thread-local storage. */
static void worker(rtems_task_argument number)
{
  double step = 1.0 + (double) number;
  double sum = 0.0;
  double ticks = 0.0;

  uint32_t word = control_word(number);

  set_control_word(word);
  own += (uint32_t) number;
  for (uint32_t round = 0; round < ROUNDS; ++round) {
    double before = sum;

    sum += step;
    ticks += sum - before;
    if (ticks != sum || own != 7 + number || read_control_word() != word) {
      wrong[number] = true;
    }
    if (round % 65536 == 0) {
      (void) rtems_task_wake_after(RTEMS_YIELD_PROCESSOR);
    }
  }
  if (sum != step * ROUNDS) {
    wrong[number] = true;
  }
  (void) rtems_event_send(init, RTEMS_EVENT_1 << number);
  rtems_task_exit();
}

static void on_inner(void *argument)
{
  (void) argument;
  note('i');
  (void) rtems_event_send(init, RTEMS_EVENT_0);
}

static void on_outer(void *argument)
{
  (void) argument;
  note('o');
  _ISR_Set_level(0);
  (void) rtems_interrupt_raise(INNER);
  note('O');
}

/* Of lower priority than the first task, which the inner handler wakes. */
static void raiser(rtems_task_argument argument)
{
  (void) argument;
  note('r');
  (void) rtems_interrupt_raise(OUTER);
  note('R');
  (void) rtems_event_send(init, RTEMS_EVENT_1);
  rtems_task_exit();
}

static void start(char letter, rtems_task_entry entry, rtems_task_argument argument)
{
  rtems_id id;

  if (rtems_task_create(
        rtems_build_name('W', 'O', 'R', letter), 20, RTEMS_MINIMUM_STACK_SIZE * 2, RTEMS_TIMESLICE,
        RTEMS_FLOATING_POINT, &id
      ) != RTEMS_SUCCESSFUL ||
      rtems_task_start(id, entry, argument) != RTEMS_SUCCESSFUL) {
    exit(99);
  }
}

static void Init(rtems_task_argument argument)
{
  static rtems_interrupt_entry outer = RTEMS_INTERRUPT_ENTRY_INITIALIZER(on_outer, NULL, "outer");
  static rtems_interrupt_entry inner = RTEMS_INTERRUPT_ENTRY_INITIALIZER(on_inner, NULL, "inner");
  rtems_event_set events;
  rtems_interval ticks;
  uint64_t expirations;
  bool none_wrong = true;

  (void) argument;
  init = rtems_task_self();

  (void) paravirt_timer_attach(TIMER, on_timer, NULL);
  (void) paravirt_timer_start(TIMER, TIMER_PERIOD_NS, TIMER_PERIOD_NS);
  for (rtems_task_argument number = 0; number < WORKERS; ++number) {
    start((char) ('1' + number), worker, number);
  }
  (void) rtems_event_receive(
    RTEMS_EVENT_1 | RTEMS_EVENT_2 | RTEMS_EVENT_3, RTEMS_WAIT | RTEMS_EVENT_ALL, RTEMS_NO_TIMEOUT, &events
  );
  for (uint32_t number = 0; number < WORKERS; ++number) {
    none_wrong = none_wrong && !wrong[number];
  }
  check(1, none_wrong, "floating point and thread-local storage of the tasks");
  check(2, own == 7, "thread-local storage of the first task");

  (void) rtems_task_wake_after(1);
  ticks = rtems_clock_get_ticks_since_boot();
  expirations = paravirt_timer_expirations(TIMER);
  (void) rtems_task_wake_after(20);
  ticks = rtems_clock_get_ticks_since_boot() - ticks;
  expirations = paravirt_timer_expirations(TIMER) - expirations;
  /* Ticks may come together. */
  check(3, ticks >= 20 && ticks < 200, "ticks beside the timer");
  /* A tick is 10 ms, and the task may wake late. */
  check(4, expirations + 10 >= 200 && expirations < 2000, "expirations beside the tick");
  (void) paravirt_timer_stop(TIMER);
  check(5, told == paravirt_timer_expirations(TIMER), "expirations that the handler was told of");

  (void) rtems_interrupt_entry_install(OUTER, RTEMS_INTERRUPT_UNIQUE, &outer);
  (void) rtems_interrupt_entry_install(INNER, RTEMS_INTERRUPT_UNIQUE, &inner);
  start('R', raiser, 0);
  (void) rtems_event_receive(RTEMS_EVENT_0, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &events);
  note('t');
  (void) rtems_event_receive(RTEMS_EVENT_1, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &events);
  order[length] = '\0';
  /* The inner handler runs within the outer one; the task that it wakes runs when both have ended. */
  printf("order: %s\n", order);
  check(6, strcmp(order, "roiOtR") == 0, "nested interrupts");
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS (2 + WORKERS)
#define CONFIGURE_EXTRA_TASK_STACKS (WORKERS * RTEMS_MINIMUM_STACK_SIZE * 2)
#define CONFIGURE_MICROSECONDS_PER_TICK 10000
#define CONFIGURE_TICKS_PER_TIMESLICE 1
#define CONFIGURE_INIT_TASK_ATTRIBUTES RTEMS_FLOATING_POINT
#define CONFIGURE_INIT_TASK_PRIORITY 10
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
