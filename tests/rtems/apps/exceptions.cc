/* SPDX-License-Identifier: BSD-2-Clause */
/* C++ exceptions under RTEMS: thrown before main, in the first task, in a POSIX thread, and in two tasks that preempt
 * each other while they unwind. With the command line "uncaught" a task throws one that nobody catches. Exits with the
 * number of the failed check, or 0. */

#include <rtems.h>
#include <bsp/bootcard.h>

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace
{

constexpr int depth = 20;
constexpr int rounds = 3000;
constexpr rtems_task_argument workers = 2;

rtems_id init;
volatile int caught[workers];

/* Its destructor runs when the unwinder passes. */
struct Counted {
  explicit Counted(int &counter) : counter(counter)
  {
    ++counter;
  }
  ~Counted()
  {
    --counter;
  }
  int &counter;
};

[[gnu::noinline]] int descend(int levels, int &alive, int value)
{
  Counted here(alive);
  if (levels == 0) {
    throw std::runtime_error(std::to_string(value));
  }
  return descend(levels - 1, alive, value) + alive;
}

/* Whether the exception arrives with its value, and every destructor ran on its way. */
bool throws_and_catches(int value)
{
  int alive = 0;
  try {
    try {
      (void) descend(depth, alive, value);
    } catch (const std::logic_error &) {
      return false;
    }
  } catch (const std::exception &error) {
    return alive == 0 && error.what() == std::to_string(value);
  }
  return false;
}

const bool before_main = throws_and_catches(1);

void check(int number, bool holds, const char *what)
{
  std::printf("%s: %s\n", what, holds ? "right" : "wrong");
  if (!holds) {
    std::exit(number);
  }
}

void *thread(void *)
{
  return throws_and_catches(3) ? &init : nullptr;
}

void worker(rtems_task_argument number)
{
  for (int round = 0; round < rounds; ++round) {
    if (throws_and_catches(round)) {
      caught[number] = caught[number] + 1;
    }
  }
  (void) rtems_event_send(init, RTEMS_EVENT_0 << number);
  rtems_task_exit();
}

void careless(rtems_task_argument)
{
  throw 7;
}

void start(rtems_task_entry entry, rtems_task_argument argument)
{
  rtems_id id;

  if (rtems_task_create(
        rtems_build_name('W', 'O', 'R', 'K'), 20, RTEMS_MINIMUM_STACK_SIZE * 4, RTEMS_TIMESLICE, RTEMS_FLOATING_POINT,
        &id
      ) != RTEMS_SUCCESSFUL ||
      rtems_task_start(id, entry, argument) != RTEMS_SUCCESSFUL) {
    std::exit(99);
  }
}

} // namespace

extern "C" void Init(rtems_task_argument)
{
  rtems_event_set events;
  pthread_t other;
  void *result = nullptr;

  init = rtems_task_self();
  if (std::strcmp(bsp_boot_cmdline, "uncaught") == 0) {
    start(careless, 0);
    (void) rtems_event_receive(RTEMS_EVENT_0, RTEMS_WAIT, RTEMS_NO_TIMEOUT, &events);
  }
  check(1, before_main, "before main");
  check(2, throws_and_catches(2), "in the first task");
  if (pthread_create(&other, nullptr, thread, nullptr) != 0 || pthread_join(other, &result) != 0) {
    std::exit(98);
  }
  check(3, result == &init, "in a POSIX thread");
  for (rtems_task_argument number = 0; number < workers; ++number) {
    start(worker, number);
  }
  (void) rtems_event_receive(RTEMS_EVENT_0 | RTEMS_EVENT_1, RTEMS_WAIT | RTEMS_EVENT_ALL, RTEMS_NO_TIMEOUT, &events);
  check(4, caught[0] == rounds && caught[1] == rounds, "in two tasks at a time");
  std::exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_TASKS (1 + workers)
#define CONFIGURE_MAXIMUM_POSIX_THREADS 1
#define CONFIGURE_EXTRA_TASK_STACKS (8 * RTEMS_MINIMUM_STACK_SIZE * 4)
#define CONFIGURE_MICROSECONDS_PER_TICK 1000
#define CONFIGURE_TICKS_PER_TIMESLICE 1
#define CONFIGURE_INIT_TASK_ATTRIBUTES RTEMS_FLOATING_POINT
#define CONFIGURE_INIT_TASK_PRIORITY 10
#define CONFIGURE_INIT_TASK_STACK_SIZE (RTEMS_MINIMUM_STACK_SIZE * 4)
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
