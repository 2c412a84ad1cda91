/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The thread pointer on x86-32: gs. The kernel keeps a few descriptors for each thread; libc uses the first, the
 * guest gets the second. fs, through which the UTCB is found, is never touched.
 */
#include <l4/sys/segment.h>
#include <l4/sys/utcb.h>

#include "../wrapper.h"

enum { GUEST_ENTRY = 1 };

static uint16_t host_selector, guest_selector;

void tls_initialize(void) {
  __asm__("mov %%gs, %0" : "=r"(host_selector));
}

int32_t tls_set(void *context, uint64_t base) {
  (void)context;
  if (base > UINT32_MAX)
    return PV_ERROR_INVALID_ARGUMENT;
  /* A writable data segment of 4 GiB for user mode (Intel SDM volume 3, 3.4.5). */
  uint64_t descriptor = UINT64_C(0x00cff2000000ffff) | (base & 0xffffff) << 16 | (base >> 24) << 56;
  long selector = fiasco_gdt_set(L4_INVALID_CAP, &descriptor, sizeof(descriptor), GUEST_ENTRY, l4_utcb());
  if (selector <= 0)
    return PV_ERROR_DEVICE;
  guest_selector = selector;
  return 0;
}

void tls_enter_host(void) {
  __asm__ volatile("mov %0, %%gs" : : "r"(host_selector));
}

void tls_leave_host(void) {
  __asm__ volatile("mov %0, %%gs" : : "r"(guest_selector));
}
