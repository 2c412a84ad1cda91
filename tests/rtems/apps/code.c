/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs code that it writes to memory of the C library; with LOADER defined, in an image that has RTEMS' dynamic loader.
 * */

#include <rtems.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __aarch64__
static const unsigned char code[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6}; /* mov w0, #42; ret */
#else
static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
#endif

static void Init(rtems_task_argument argument)
{
  void *memory = malloc(sizeof(code));
  int (*function)(void);

  (void) argument;
#if defined(LOADER)
  if (dlopen("/no-such.o", RTLD_NOW) != NULL) {
    exit(1);
  }
  printf("the loader says: %s\n", dlerror());
#endif
  if (memory == NULL) {
    exit(2);
  }
  memcpy(memory, code, sizeof(code));
  /* Tells the compiler, too, that the memory is used. */
  __builtin___clear_cache(memory, (char *) memory + sizeof(code));
  memcpy(&function, &memory, sizeof(function));
  printf("code in memory gives %d\n", function());
  exit(0);
}

#define CONFIGURE_APPLICATION_NEEDS_CLOCK_DRIVER
#define CONFIGURE_APPLICATION_NEEDS_CONSOLE_DRIVER
#define CONFIGURE_MAXIMUM_FILE_DESCRIPTORS 4
#define CONFIGURE_MAXIMUM_TASKS 1
#define CONFIGURE_RTEMS_INIT_TASKS_TABLE
#define CONFIGURE_INIT

#include <rtems/confdefs.h>
