/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * A host that sees the state in which its code runs, for the guests `state` and `alignment`: the functions of `state`,
 * accesses to addresses that are not aligned in the console and in a handler, and control words of its own.
 */
#define _GNU_SOURCE
#include <paravirt/host.h>
#include <stdio.h>
#include <unistd.h>

static const char words[2 * sizeof(uint32_t)];

/** Reads a word where none is aligned; with the alignment check on, the processor does not. */
static uint32_t read_unaligned(void) {
  uint32_t word;
  __asm__ volatile("movl %1, %0" : "=r"(word) : "m"(words[1]));
  return word;
}

/** Enters the guest with control words of the host's own, which are to be there again on return. */
static int32_t enter(struct pvh_guest *guest, struct pvh_end *end) {
  const uint16_t control = 0x27f; /* double precision */
  uint16_t default_control = 0x37f, after;
  __asm__ volatile("fldcw %0" : : "m"(control));
  const uint32_t mxcsr = 0x7f80; /* rounds towards zero */
  uint32_t default_mxcsr = 0x1f80, mxcsr_after;
  __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
  int32_t result = pvh_guest_enter(guest, end);
  __asm__ volatile("stmxcsr %0\n ldmxcsr %1" : "=m"(mxcsr_after) : "m"(default_mxcsr));
  if (mxcsr_after != mxcsr)
    printf("MXCSR on return: %#x\n", mxcsr_after);
  __asm__ volatile("fnstcw %0\n fldcw %1" : "=m"(after) : "m"(default_control));
  if (after != control)
    printf("x87 control word on return: %#x\n", after);
  return result;
}

#define pvh_guest_enter(guest, end) enter(guest, end)
#define write(file, bytes, size) (write)(file, bytes, (size) + read_unaligned())
#define pvh_guest_alarm(guest) (read_unaligned(), (pvh_guest_alarm)(guest))
#include "../../../examples/c-host/c-host.c"

static double check_quotient(double a, double b) {
  return a / b;
}

static uint32_t check_mxcsr(void) {
  uint32_t mxcsr;
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
  return mxcsr & ~UINT32_C(0x3f); /* without its status flags */
}

static int32_t check_latch(uint32_t line) {
  int32_t before = pvh_guest_ready(guest, line);
  pvh_guest_latch(guest, line);
  return before && !pvh_guest_ready(guest, line);
}

static void check_release(void) {
  pvh_guest_release(guest);
}

/* The guest knows it as a function that does not return. */
static void check_done(int32_t code) {
  pvh_guest_stop(guest, code);
}

#define DONE (UINT64_C(1) << 60 | L4_TYPE_I32 << 4 | L4_TYPE_NEVER)

const struct pvh_function host_functions[] = {
    PVH_TYPED_FUNCTION(double, check_quotient, double, double) PVH_TYPED_FUNCTION(uint32_t, check_mxcsr)
        PVH_TYPED_FUNCTION(int32_t, check_latch, uint32_t) PVH_TYPED_FUNCTION(void, check_release)
            PVH_FUNCTION(check_done, DONE)};
const size_t host_function_count = sizeof(host_functions) / sizeof(host_functions[0]);
