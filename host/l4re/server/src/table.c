/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The table of functions, from the list that `pvhost header` makes from a guest.
 *
 * A function that is nowhere in this program has the address 0 and stays out of the table, so that the check before the
 * start names it.
 */
#include "functions.h"

#include "wrapper.h"

#define WEAK(name, signature) extern __typeof__(name) name __attribute__((weak));
PARAVIRT_HOST_FUNCTIONS(WEAK)

static const struct pvh_function asked_for[] = {PARAVIRT_HOST_FUNCTIONS(PVH_FUNCTION)};
enum { COUNT = sizeof(asked_for) / sizeof(asked_for[0]) };
static struct pvh_function provided[COUNT];

size_t table_functions(const struct pvh_function **functions) {
  size_t count = 0;
  for (size_t i = 0; i < COUNT; ++i)
    if (asked_for[i].function)
      provided[count++] = asked_for[i];
  *functions = provided;
  return count;
}
