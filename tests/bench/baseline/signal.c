/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a signal costs the code that it interrupts, by the time-stamp counter: delivery, handler, sigreturn. The guest
 * `bench-upcall` measures an upcall in the same way.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { PERIOD = 100000, PAUSE = 30000, GAPS = 4000 };

static volatile uint32_t handled;
static uint32_t gaps[GAPS];

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    (void)context;
    handled = handled + 1;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t narrow(uint64_t cycles)
{
    return cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
}

/* Cycles in which the handler ran, as a loop that reads the counter all the time sees them. */
static void take_gaps(void)
{
    uint32_t seen = handled;
    uint64_t last = __rdtsc();
    for (int count = 0; count < GAPS;) {
        uint64_t now = __rdtsc();
        uint32_t current = handled;
        if (current == seen) {
            last = now;
            continue;
        }
        /* The handler ran before `now` was read, or after it. */
        uint64_t before = now - last, after = __rdtsc() - now;
        gaps[count++] = narrow(before > after ? before : after);
        seen = current;
        last = __rdtsc();
    }
}

/* Cycles for a signal to oneself. */
static void take_signals(void)
{
    pid_t process = getpid(), thread = (pid_t)syscall(SYS_gettid);
    for (int count = 0; count < GAPS; count++) {
        uint64_t next = now() + PAUSE;
        while (now() < next)
            ;
        uint64_t begin = __rdtsc();
        syscall(SYS_tgkill, process, thread, SIGRTMIN);
        gaps[count] = narrow(__rdtsc() - begin);
    }
}

/* Prints what a tenth of the durations that `take` takes down do not exceed. */
static void report(const char *name, void (*take)(void))
{
    uint64_t begin = now(), begin_cycles = __rdtsc();
    take();
    uint64_t end = now(), end_cycles = __rdtsc();
    qsort(gaps, GAPS, sizeof gaps[0], compare);
    double ns = (double)(end - begin) / (double)(end_cycles - begin_cycles);
    printf("%s %.0f\n", name, gaps[GAPS / 10] * ns * 1000);
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    struct itimerspec times = { { 0, PERIOD }, { 0, PERIOD } };
    timer_t timer;

    if (sigaction(SIGRTMIN, &action, NULL) != 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) != 0
        || timer_settime(timer, 0, &times, NULL) != 0)
        return 1;
    report("timer", take_gaps);
    timer_delete(timer);
    report("signal", take_signals);
    return 0;
}
