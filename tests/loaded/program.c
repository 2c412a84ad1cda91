/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * A program with a timer, handlers and a thread of its own, which loads a host while it runs:
 *
 *     program LIBRARY TIMERS FAULT
 *
 * Runs the guests `timers` and `fault` one after another on this thread and on others, and says what is not as it was.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS INT64_C(1000000)

static int (*run)(const char *guest, const char *command_line, uint32_t milliseconds);
static timer_t timer;
static atomic_long ticks, turns;
static atomic_int ended;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void on_tick(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  ticks += 1 + info->si_overrun;
}

static void on_request(int signal) {
  (void)signal;
}

/* Comes and goes as threads of programs do, and takes memory. */
static void *work(void *unused) {
  (void)unused;
  while (!ended) {
    const struct timespec moment = {.tv_nsec = MS / 10};
    nanosleep(&moment, NULL);
    free(memset(malloc(100000), 1, 100000));
    ++turns;
  }
  return NULL;
}

enum { SIGNALS = 64 };

/* Signals by number, as bits. */
static uint64_t members(const sigset_t *set) {
  uint64_t bits = 0;
  for (int signal = 1; signal <= SIGNALS; ++signal)
    if (sigismember(set, signal) == 1)
      bits |= UINT64_C(1) << (signal - 1);
  return bits;
}

struct signals {
  uint64_t handlers[SIGNALS], flags[SIGNALS], masks[SIGNALS], blocked, stack, stack_flags;
};

static void look(struct signals *signals) {
  memset(signals, 0, sizeof(*signals));
  for (int i = 0; i < SIGNALS; ++i) {
    struct sigaction action;
    if (sigaction(i + 1, NULL, &action))
      continue; /* the C library keeps some to itself */
    signals->handlers[i] = (uintptr_t)action.sa_handler;
    signals->flags[i] = (unsigned)action.sa_flags;
    signals->masks[i] = members(&action.sa_mask);
  }
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  signals->blocked = members(&blocked);
  stack_t stack;
  sigaltstack(NULL, &stack);
  signals->stack = (uintptr_t)stack.ss_sp;
  signals->stack_flags = (unsigned)stack.ss_flags;
}

static const char *timers, *fault;

/* What is wrong is not NULL. */
static void *run_all(void *unused) {
  (void)unused;
  struct signals before, after;
  look(&before);
  if (run(timers, "count", 60000) != 0)
    return "timers count";
  if (run(fault, "null", 60000) != 5)
    return "fault null";
  if (run(fault, "hang", 200) != 124)
    return "fault hang";
  if (run(fault, "spin", 200) != 124)
    return "fault spin";
  look(&after);
  if (memcmp(&before, &after, sizeof(before)) != 0)
    return "signals are not as they were";
  return NULL;
}

static void check(const char *where, void *wrong) {
  if (wrong) {
    fprintf(stderr, "%s: %s\n", where, (const char *)wrong);
    exit(1);
  }
}

int main(int argc, char **argv) {
  void *library = argc == 4 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  *(void **)&run = library ? dlsym(library, "loaded_host_run") : NULL;
  if (!run) {
    fprintf(stderr, "%s\n", argc == 4 ? dlerror() : "usage: program LIBRARY TIMERS FAULT");
    return 2;
  }
  timers = argv[2];
  fault = argv[3];

  struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGRTMAX, &action, NULL);
  action = (struct sigaction){.sa_handler = on_request};
  sigaction(SIGTERM, &action, NULL);
  signal(SIGHUP, SIG_IGN);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX};
  const struct itimerspec period = {.it_interval.tv_nsec = MS, .it_value.tv_nsec = MS};
  pthread_t worker, other;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) || pthread_create(&worker, NULL, work, NULL))
    return 2;
  timer_settime(timer, 0, &period, NULL);
  int64_t start = now();

  void *wrong;
  check("on the first thread", run_all(NULL));
  for (int i = 0; i < 2; ++i) {
    long turns_before = turns;
    if (pthread_create(&other, NULL, run_all, NULL) || pthread_join(other, &wrong))
      return 2;
    check("on another thread", wrong);
    if (turns == turns_before)
      check("meanwhile", "the program's own thread stands still");
  }
  check("on the first thread again", run_all(NULL));

  int64_t due = (now() - start) / MS;
  /* The last may not have been delivered yet. */
  if (ticks + 2 < due) {
    fprintf(stderr, "%ld of %ld ticks\n", (long)ticks, (long)due);
    return 1;
  }
  timer_delete(timer);
  ended = 1;
  pthread_join(worker, NULL);
  return 0;
}
