/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * Functions of a host's own by the L4RTEMS names, for the guest `calls.c` of guests-l4rtems: each prints what it was
 * passed. With MISTAKE, one has another prototype than in L4RTEMS.
 */
#include <inttypes.h>
#include <stdio.h>

#include "functions.h"

static void own_outch(int8_t character) {
  printf("outch %d\n", character);
}

static int32_t own_inch(void) {
  printf("inch\n");
  return -123456789;
}

static uint8_t own_request_irq(uint32_t number) {
  printf("requestIrq %#" PRIx32 "\n", number);
  return number == 0x80000001;
}

static void own_detach_irq(uint32_t number) {
  printf("detachIrq %#" PRIx32 "\n", number);
}

static void own_timer_start(uint64_t period, uint64_t first) {
  printf("timer_start %#" PRIx64 " %#" PRIx64 "\n", period, first);
}

static void own_timer_stop(void) {
  printf("timer_stop\n");
}

static uint32_t own_timer_read(void) {
  printf("timer_read\n");
  return 0xfffffffe;
}

static uint32_t own_inport(uint32_t port, uint32_t size) {
  printf("inport %#" PRIx32 " %#" PRIx32 "\n", port, size);
  return 0x98765432;
}

static void own_outport(uint32_t port, uint32_t value, uint32_t size) {
  printf("outport %#" PRIx32 " %#" PRIx32 " %#" PRIx32 "\n", port, value, size);
}

#ifdef MISTAKE
#define INPORT_WORD L4_SIGNATURE_(L4_TYPE_U32, l4rtems_inport, uint64_t)
#else
#define INPORT_WORD 0 /* as the ABI has it */
#endif

#define OWN(name, signature, function) {#name, signature, (void (*)(void))function}

const struct pvh_function host_functions[] = {
    OWN(l4rtems_outch, 0, own_outch),
    OWN(l4rtems_inch, 0, own_inch),
    OWN(l4rtems_requestIrq, 0, own_request_irq),
    OWN(l4rtems_detachIrq, 0, own_detach_irq),
    OWN(l4rtems_timer_start, UINT64_C(0x1000000000000aa1), own_timer_start),
    OWN(l4rtems_timer_stop, 0, own_timer_stop),
    OWN(l4rtems_timer_read, 0, own_timer_read),
    OWN(l4rtems_inport, INPORT_WORD, own_inport),
    OWN(l4rtems_outport, 0, own_outport),
};
const size_t host_function_count = sizeof(host_functions) / sizeof(host_functions[0]);
