/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Constructors by every way in which a C compiler asks for them. They say when they are called. */
#include <paravirt/interface.h>

void part(void);

#define PRINT(text) pv_console_write(text "\n", sizeof text)

static int zeroed;

__attribute__((constructor)) static void last(void) {
  PRINT("C, without a priority");
}

__attribute__((constructor(300))) static void second(void) {
  PRINT("C, priority 300");
}

__attribute__((constructor(101))) static void first(void) {
  zeroed += pv_clock_now() == 0 ? 2 : 1;
  PRINT("C, priority 101");
}

/* Where compilers without .init_array put them: the number is 65,535 less the priority. */
static void old(void) {
  PRINT("C, priority 200, of an old compiler");
}
static void older(void) {
  PRINT("C, priority 150, of an old compiler");
}
__attribute__((section(".ctors.65335"), used)) static void (*of_an_old_compiler)(void) = old;
__attribute__((section(".ctors.65385"), used)) static void (*another)(void) = older;

/* A program's alone, and before all others. */
static void before(void) {
  PRINT("C, before all others");
}
__attribute__((section(".preinit_array"), used)) static void (*of_the_program)(void) = before;

__attribute__((destructor)) static void never(void) {
  PRINT("a destructor");
}

/* Called by main: names what brings this object into the image. */
void part(void) {
  if (zeroed == 1) {
    PRINT("in C: constructed once");
  }
}
