/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The thread pointer on amd64: the base of fs, which only the kernel can change. A guest without thread-local
 * storage leaves the host's where it is. gs, through which the UTCB is found, is never touched.
 */
#include <l4/sys/segment.h>
#include <l4/sys/utcb.h>

#include "../wrapper.h"

static uint64_t host_base, guest_base;

static int32_t load(uint64_t base) {
  long result = fiasco_amd64_set_segment_base(L4_INVALID_CAP, L4_AMD64_SEGMENT_FS, base, l4_utcb());
  return result < 0 ? PV_ERROR_INVALID_ARGUMENT : 0;
}

/* The first word of libc's block is its own address (System V ABI for TLS, variant 2). */
void tls_initialize(void) {
  __asm__("movq %%fs:0, %0" : "=r"(host_base));
}

int32_t tls_set(void *context, uint64_t base) {
  (void)context;
  /* The kernel judges the address. */
  int32_t error = load(base);
  load(host_base);
  if (!error)
    guest_base = base;
  return error;
}

void tls_enter_host(void) {
  if (guest_base)
    load(host_base);
}

void tls_leave_host(void) {
  if (guest_base)
    load(guest_base);
}
