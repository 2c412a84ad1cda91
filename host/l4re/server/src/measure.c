/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief What L4's own library needs to turn interrupts off and on, to compare with what a guest needs in the same run.
 */
#include <l4/sys/utcb.h>
#include <l4/vcpu/vcpu.h>

#include "wrapper.h"

enum { PAIRS = 100000 };

static uint64_t cycles(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

static void no_event(l4_vcpu_state_t *vcpu) {
  (void)vcpu;
}
static void no_preparation(l4_utcb_t *utcb) {
  (void)utcb;
}

void measure_libvcpu(void) {
  l4_vcpu_state_t *vcpu = vcpu_state();
  l4_utcb_t *utcb = l4_utcb();
  uint64_t start = cycles();
  for (int i = 0; i < PAIRS; ++i) {
    l4vcpu_irq_disable(vcpu);
    l4vcpu_irq_enable(vcpu, utcb, no_event, no_preparation);
  }
  uint64_t end = cycles();
  l4vcpu_irq_disable(vcpu);
  console_say("interrupts off and on, libvcpu: %llu cycles for %d pairs", (unsigned long long)(end - start), PAIRS);
}
