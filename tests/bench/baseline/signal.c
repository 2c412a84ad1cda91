/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a signal costs the code that it interrupts, by the processor's counter: delivery, handler, sigreturn. The guest
 * `bench-upcall` measures an upcall in the same way. On AArch64 an upcall has a sigreturn of its own, as no instruction
 * goes back to interrupted code; so has what is handled here.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

enum { PERIOD = 100000, PAUSE = 30000, GAPS = 4000 };

static volatile uint32_t handled;
static uint32_t gaps[GAPS];

#ifdef __aarch64__
/* What begins behind the signal's own return, with a frame as that one's at the stack pointer. */
void second(void);
__asm__(".globl second\n"
        "second:\n"
        "    bl count\n"
        "    mov x8, #139\n" /* rt_sigreturn */
        "    svc #0\n");

__attribute__((used)) void count(void) {
  handled = handled + 1;
}

/*
 * Bytes of a frame: siginfo, ucontext up to its records, that of the floating-point registers, and the end of the list.
 */
enum { RECORDS = 592, FRAME = RECORDS + 528 + 16 };

/* Has a copy of the frame where the interrupted stack ends, and `second` with it. */
static void handle(int signal, siginfo_t *info, void *context) {
  ucontext_t *interrupted = context;
  char *frame = (char *)((interrupted->uc_mcontext.sp - FRAME) & ~15ull);
  (void)signal;
  memcpy(frame, info, FRAME - 16);
  memset(frame + FRAME - 16, 0, 16);
  interrupted->uc_mcontext.sp = (uintptr_t)frame;
  interrupted->uc_mcontext.pc = (uintptr_t)second;
}

static uint64_t counter(void) {
  uint64_t count;
  __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count) : : "memory");
  return count;
}
#else
static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  (void)context;
  handled = handled + 1;
}

static uint64_t counter(void) {
  return __rdtsc();
}
#endif

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static uint32_t narrow(uint64_t cycles) {
  return cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
}

/* Cycles in which the handler ran, as a loop that reads the counter all the time sees them. */
static void take_gaps(void) {
  uint32_t seen = handled;
  uint64_t last = counter();
  for (int count = 0; count < GAPS;) {
    uint64_t now = counter();
    uint32_t current = handled;
    if (current == seen) {
      last = now;
      continue;
    }
    /* The handler ran before `now` was read, or after it. */
    uint64_t before = now - last, after = counter() - now;
    gaps[count++] = narrow(before > after ? before : after);
    seen = current;
    last = counter();
  }
}

/* Cycles for a signal to oneself. */
static void take_signals(void) {
  pid_t process = getpid(), thread = (pid_t)syscall(SYS_gettid);
  for (int count = 0; count < GAPS; count++) {
    uint64_t next = now() + PAUSE;
    while (now() < next)
      ;
    uint64_t begin = counter();
    syscall(SYS_tgkill, process, thread, SIGRTMIN);
    gaps[count] = narrow(counter() - begin);
  }
}

/* Prints what a tenth of the durations that `take` takes down do not exceed. */
static void report(const char *name, void (*take)(void)) {
  uint64_t begin = now(), begin_cycles = counter();
  take();
  uint64_t end = now(), end_cycles = counter();
  qsort(gaps, GAPS, sizeof gaps[0], compare);
  double ns = (double)(end - begin) / (double)(end_cycles - begin_cycles);
  printf("%s %.0f\n", name, gaps[GAPS / 10] * ns * 1000);
}

int main(void) {
  static char handlers_stack[1 << 16];
  stack_t stack = {.ss_sp = handlers_stack, .ss_size = sizeof handlers_stack};
  /* On a stack of its own, as the process host has one. */
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
  struct itimerspec times = {{0, PERIOD}, {0, PERIOD}};
  timer_t timer;

  if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGRTMIN, &action, NULL) != 0 ||
      timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &times, NULL) != 0)
    return 1;
  report("timer", take_gaps);
  timer_delete(timer);
  report("signal", take_signals);
  return 0;
}
