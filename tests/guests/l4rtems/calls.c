/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Calls every L4RTEMS function with arguments that fill their types, for a host that has its own by these names and
 * prints them. Its exit status is the number of the first result that is wrong, 0 if none is.
 */
#include "current.h"

EXTERNAL(l4rtems_outch);
EXTERNAL(l4rtems_inch);
EXTERNAL(l4rtems_requestIrq);
EXTERNAL(l4rtems_detachIrq);
EXTERNAL(l4rtems_timer_start);
EXTERNAL(l4rtems_timer_stop);
EXTERNAL(l4rtems_timer_read);
EXTERNAL(l4rtems_inport);
EXTERNAL(l4rtems_outport);
EXTERNAL(pv_shutdown);

__attribute__((used)) void interrupted(void) {}

__attribute__((used)) void guest(const struct start_info *info) {
  __l4_external_resolver = info->resolver;
  l4rtems_outch((char)0x9a);
  if (l4rtems_inch() != -123456789)
    pv_shutdown(0, 1);
  if (!l4rtems_requestIrq(0x80000001))
    pv_shutdown(0, 2);
  if (l4rtems_requestIrq(0x80000002))
    pv_shutdown(0, 3);
  l4rtems_detachIrq(0xdeadbeef);
  l4rtems_timer_start(0x0123456789abcdefull, 0xfedcba9876543210ull);
  l4rtems_timer_stop();
  if (l4rtems_timer_read() != 0xfffffffe)
    pv_shutdown(0, 4);
  if (l4rtems_inport(0x3f8, 0x80000002) != 0x98765432)
    pv_shutdown(0, 5);
  l4rtems_outport(0x70, 0xa5a5a5a5, 0x80000001);
  pv_shutdown(0, 0);
}
