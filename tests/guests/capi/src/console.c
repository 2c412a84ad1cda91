/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <paravirt/console.h>. What is expected on the console shows the order: the interface's own function goes past
 * what was put. */
#include <paravirt/clock.h>
#include <paravirt/console.h>
#include <paravirt/interface.h>

#include "check.h"

static void past(const char *text, size_t length) {
  (void)pv_console_write(text, length);
}

const char *check_console_order(void) {
  paravirt_console_write(NULL, 0);
  /* What is put waits for the end of the line, or for a flush, a write or a read. */
  paravirt_console_put('2');
  past("1", 1);
  paravirt_console_flush();
  past("3", 1);
  paravirt_console_put('4');
  paravirt_console_write("5", 1);
  paravirt_console_put('6');
  paravirt_console_put('\n');
  past("7", 1);
  paravirt_console_put('8');
  (void)paravirt_console_poll();
  past("9\n", 2);
  return NULL;
}

/* The input is `in` and its end. */
const char *check_console_input(void) {
  uint64_t end = paravirt_clock_now() + 20 * SECOND;
  char buffer[3] = {'-', '-', '-'};
  intptr_t length;
  int32_t first;

  REQUIRE(paravirt_console_read(NULL, 0) == 0);
  do
    first = paravirt_console_poll();
  while (first < 0 && paravirt_clock_now() < end);
  REQUIRE(first == 'i');
  do
    length = paravirt_console_read(buffer, 2);
  while (length == 0 && paravirt_clock_now() < end);
  REQUIRE(length == 1 && buffer[0] == 'n' && buffer[1] == '-');
  do
    length = paravirt_console_read(buffer, 2);
  while (length == 0 && paravirt_clock_now() < end);
  REQUIRE(length == PV_ERROR_END_OF_INPUT);
  REQUIRE(paravirt_console_poll() == -1);
  return NULL;
}
