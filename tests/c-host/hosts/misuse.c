/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * The functions of the guest `misuse`. While it is watched, the guest runs under single step, and so does what it
 * calls: the gates, the library, and this host. None of it behind the gates may find the direction flag set.
 */
#include "../../../examples/c-host/c-host.c"
#include "arguments.h"

/* Guests are below it. */
#define HOST (sizeof(void *) == 8 ? 0x40000000u : 0xa0000000u)
#define DIRECTION (1u << 10)

/* The gates, which begin with the guest's flags and move words only; see host/core/src/gate. */
extern const char pvh_gates_start[], pvh_gates_end[];

static volatile int32_t steps, wrong;

static void WITHOUT_TLS on_step(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  struct pvh_context registers = interrupted(context);
  if (registers.ip < HOST || (registers.ip >= (uintptr_t)pvh_gates_start && registers.ip < (uintptr_t)pvh_gates_end))
    return;
  ++steps;
  wrong += (registers.flags & DIRECTION) != 0;
}

#ifdef __x86_64__
#define READ_FLAGS() __builtin_ia32_readeflags_u64()
#else
#define READ_FLAGS() __builtin_ia32_readeflags_u32()
#endif

static int32_t check_watch(uint32_t on) {
  if (!on)
    return steps ? wrong : -1;
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_mask = event_signals(), .sa_sigaction = on_step};
  sigaction(SIGTRAP, &action, NULL);
  return 1;
}

static uint32_t check_flags(void) {
  return READ_FLAGS();
}

static double check_flags_float(double zero) {
  return zero + READ_FLAGS();
}

const struct pvh_function host_functions[] = {
    PVH_TYPED_FUNCTION(uint64_t, check_integers, uint8_t, int16_t, uint32_t, int64_t, uint64_t, const void *, size_t,
                       int32_t, uint64_t) PVH_TYPED_FUNCTION(double, check_floats, float, double, uint32_t, double,
                                                             double, double, double, double, double, double, float)
        PVH_TYPED_FUNCTION(uint32_t, check_flags) PVH_TYPED_FUNCTION(double, check_flags_float, double)
            PVH_TYPED_FUNCTION(int32_t, check_watch, uint32_t)};
const size_t host_function_count = sizeof(host_functions) / sizeof(host_functions[0]);
