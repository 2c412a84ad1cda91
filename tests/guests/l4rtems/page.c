/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest with identity note and vCPU page, that calls functions by their L4RTEMS names and as they were
 * called then.
 */
#include "current.h"

EXTERNAL(l4rtems_outch);
EXTERNAL(l4rtems_inch);
EXTERNAL(l4rtems_requestIrq);
EXTERNAL(l4rtems_detachIrq);
EXTERNAL(l4rtems_timer_start);
EXTERNAL(l4rtems_timer_stop);
EXTERNAL(l4rtems_timer_read);
EXTERNAL(pv_shutdown);

static volatile unsigned interrupts;

__attribute__((used)) void interrupted(void) {
  if (__atomic_fetch_and(&page.head.pending, ~1u, __ATOMIC_SEQ_CST) & 1)
    interrupts++;
}

__attribute__((used)) void guest(const struct start_info *info) {
  __l4_external_resolver = info->resolver;
  CHECK(info->magic == 0x31525650);
  CHECK(l4rtems_inch() < 0);
  CHECK(l4rtems_requestIrq(0));
  /* It is taken. */
  CHECK(!l4rtems_requestIrq(0));
  page.head.enabled = 1;
  unsigned before = l4rtems_timer_read();
  /* The first after one period, too. */
  l4rtems_timer_start(5000, 0);
  while (interrupts < 10)
    ;
  l4rtems_timer_stop();
  /* Late ones may come together, but none comes early. */
  CHECK(l4rtems_timer_read() - before >= 50000);
  /* Who gives up the timer's interrupt stops it, too. */
  unsigned taken = interrupts;
  l4rtems_timer_start(200000, 0);
  l4rtems_detachIrq(0);
  CHECK(l4rtems_requestIrq(0));
  before = l4rtems_timer_read();
  while (l4rtems_timer_read() - before < 300000)
    ;
  CHECK(interrupts == taken);
  print("10 interrupts\n");
  pv_shutdown(0, 0);
}
