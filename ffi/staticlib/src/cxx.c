/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What compilers for C++ refer to by themselves, by the Itanium C++ ABI. Weak: those of objects, and of a library that
 * is named before, win. */
#include <stddef.h>

#include <paravirt/power.h>
#include <paravirt/printf.h>

#define WEAK __attribute__((weak))

#ifdef __x86_64__
#define SIZE "m"
#else
#define SIZE "j"
#endif

int atexit(void (*function)(void));
void __cxa_pure_virtual(void);
/* A virtual destructor refers to these, whether anybody deletes anything or not. */
void operator_delete(void *object) __asm__("_ZdlPv");
void operator_delete_sized(void *object, size_t size) __asm__("_ZdlPv" SIZE);

static void fatal(const char *what) {
  paravirt_printf("fatal: %s\n", what);
  paravirt_power_shutdown(PV_SHUTDOWN_FATAL, 1);
}

/* With -fno-use-cxa-atexit, clang registers destructors of objects that live as long as the guest. Nobody would run
 * them: the guest's memory ends with it. */
WEAK int atexit(void (*function)(void)) {
  (void)function;
  return -1;
}

WEAK void __cxa_pure_virtual(void) {
  fatal("a pure virtual function was called");
}

WEAK void operator_delete(void *object) {
  if (object != NULL)
    fatal("operator delete was called, and the guest has none of its own");
}

WEAK void operator_delete_sized(void *object, size_t size) {
  (void)size;
  operator_delete(object);
}
