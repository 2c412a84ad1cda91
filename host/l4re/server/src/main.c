/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief A guest of libparavirt_host.a as a task of L4Re: options, and the order of things.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wrapper.h"

enum {
  DEFAULT_MEMORY = 16 << 20, /* bytes beside the image */
  LINES_OF_DEVICES = 8       /* that may be given */
};

static const uint64_t SECOND = 1000000000; /* ns */

static const char usage[] =
    "usage: paravirt [OPTION]... GUEST [ARGUMENT]...\n"
    "  --memory=BYTES       memory for the guest beside its image, 16 MiB without\n"
    "  --lazy               bind each function on its first call\n"
    "  --partial            start a guest although functions are missing\n"
    "  --compat=l4rtems        accept images of L4RTEMS, and the names of its functions\n"
    "  --executable-memory  let the guest execute its memory beside the image\n"
    "  --wall-clock=SECONDS Unix time at the start, if there is no clock chip's\n"
    "  --irq=LINE:NUMBER    interrupt NUMBER of the capability `vbus`, else `icu`, raises LINE\n"
    "  --measure            compare with libvcpu";

static struct {
  uint64_t memory;
  uint64_t wall_clock; /* ns; 0: libc's */
  int lazy, partial, l4rtems, executable_memory, measure;
  unsigned devices;
  struct {
    uint32_t line;
    unsigned number;
  } device[LINES_OF_DEVICES];
} options = {.memory = DEFAULT_MEMORY};

static uint64_t started;

static void *allocate(void *context, size_t size, size_t alignment) {
  (void)context;
  void *memory;
  if (alignment < sizeof(void *))
    alignment = sizeof(void *);
  return posix_memalign(&memory, alignment, size) ? NULL : memory;
}

static void release(void *context, void *memory, size_t size, size_t alignment) {
  (void)context;
  (void)size;
  (void)alignment;
  free(memory);
}

static void message(void *context, const char *text, size_t length) {
  (void)context;
  console_write(NULL, "paravirt: ", 10);
  console_write(NULL, text, length);
  console_write(NULL, "\n", 1);
}

static void give_up(void *context) {
  (void)context;
  exit(EXIT_FAILURE);
}

static uint64_t wall(void *context) {
  if (options.wall_clock)
    return options.wall_clock + (alarm_now(context) - started);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * SECOND + now.tv_nsec;
}

static void __attribute__((noreturn)) refuse(const char *text) {
  console_line(text);
  exit(EXIT_FAILURE);
}

/* A number up to `most`, and `stop` behind it. Returns what follows that. */
static const char *number(const char *text, char stop, uint64_t most, uint64_t *value) {
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 0);
  if (end == text || *text == '-' || *end != stop || errno || *value > most)
    refuse(usage);
  return end + 1;
}

static void device(const char *text) {
  uint64_t line, interrupt;
  if (options.devices == LINES_OF_DEVICES)
    refuse("too many options --irq");
  number(number(text, ':', UINT32_MAX, &line), '\0', UINT_MAX, &interrupt);
  options.device[options.devices].line = line;
  options.device[options.devices++].number = interrupt;
}

static void parse(int argc, char **argv) {
  static const struct option long_options[] = {
      {"memory", required_argument, NULL, 'm'},
      {"lazy", no_argument, NULL, 'l'},
      {"partial", no_argument, NULL, 'p'},
      {"compat", required_argument, NULL, 'o'},
      {"irq", required_argument, NULL, 'i'},
      {"wall-clock", required_argument, NULL, 'w'},
      {"measure", no_argument, NULL, 'c'},
      {"executable-memory", no_argument, NULL, 'x'},
      {NULL, 0, NULL, 0},
  };
  int option;
  while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
    switch (option) {
    case 'm': number(optarg, '\0', UINT64_MAX, &options.memory); break;
    case 'l': options.lazy = 1; break;
    case 'p': options.partial = 1; break;
    case 'o':
      if (strcmp(optarg, "l4rtems") != 0 && strcmp(optarg, "2013") != 0)
        refuse(usage);
      options.l4rtems = 1;
      break;
    case 'x': options.executable_memory = 1; break;
    case 'w':
      number(optarg, '\0', UINT64_MAX / SECOND, &options.wall_clock);
      options.wall_clock *= SECOND;
      break;
    case 'i': device(optarg); break;
    case 'c': options.measure = 1; break;
    default: refuse(usage);
    }
  if (optind == argc)
    refuse(usage);
}

/* The whole file, and its size. */
static void *read_file(const char *name, size_t *size) {
  FILE *file = fopen(name, "rb");
  if (!file || fseek(file, 0, SEEK_END) || (long)(*size = ftell(file)) < 0) {
    console_say("cannot open %s; is it a module of this boot entry?", name);
    exit(EXIT_FAILURE);
  }
  rewind(file);
  void *bytes = malloc(*size ? *size : 1);
  if (!bytes || fread(bytes, 1, *size, file) != *size)
    refuse("cannot read the guest");
  fclose(file);
  return bytes;
}

static struct pvh_image *open_image(const char *name) {
  size_t size;
  void *bytes = read_file(name, &size);
  struct pvh_image *image;
  if (pvh_image_parse(name, bytes, size, &image) < 0)
    exit(EXIT_FAILURE);
  free(bytes);
  return image;
}

/* The arguments with single spaces between. */
static char *join(char **arguments) {
  size_t length = 1;
  for (char **argument = arguments; *argument; ++argument)
    length += strlen(*argument) + 1;
  char *text = calloc(1, length);
  if (!text)
    refuse("out of memory");
  for (char **argument = arguments; *argument; ++argument) {
    if (argument != arguments)
      strcat(text, " ");
    strcat(text, *argument);
  }
  return text;
}

static struct pvh_guest *create(const struct pvh_image *image, char **arguments) {
  static const struct pvh_platform platform = {
      .size = sizeof(platform),
      .map = memory_map,
      .protect = memory_protect,
      .now = alarm_now,
      .wall = wall,
      .set_alarm = alarm_set,
      .wait = vcpu_wait,
      .console_write = console_write,
      .console_read = console_read,
      .set_tls = tls_set,
      .enter_host = vcpu_enter_host,
      .leave_host = vcpu_leave_host,
  };
  struct pvh_request request = {
      .size = sizeof(request),
      .platform = &platform,
      .command_line = join(arguments),
      .memory = options.memory,
      .flags = (options.lazy ? PVH_LAZY : 0) | (options.l4rtems ? PVH_COMPAT_L4RTEMS : 0) |
               (options.executable_memory ? PVH_EXECUTABLE_MEMORY : 0),
  };
  request.function_count = table_functions(&request.functions);
  int32_t result = pvh_image_check(image, request.functions, request.function_count, request.flags);
  if (result < 0 && !(result == PVH_ERROR_FIT && options.partial))
    exit(EXIT_FAILURE);
  struct pvh_guest *guest;
  if (pvh_guest_create(image, &request, &guest) < 0)
    exit(EXIT_FAILURE);
  return guest;
}

/* A line that a script can look for. */
static void say_end(const struct pvh_end *end) {
  switch (end->kind) {
  case PVH_END_EXIT: console_say("shutdown exit %d", end->code); break;
  case PVH_END_RESET: console_say("shutdown reset"); break;
  case PVH_END_FATAL: console_say("shutdown fatal %d", end->code); break;
  case PVH_END_UNBOUND: console_say("shutdown unbound"); break;
  case PVH_END_FAULT: console_say("shutdown fault"); break;
  default: console_say("shutdown stopped %d", end->code); break;
  }
}

static void attach_devices(void) {
  console_attach(LABEL_CONSOLE);
  for (unsigned i = 0; i < options.devices; ++i)
    if (interrupts_bind(options.device[i].line, options.device[i].number) < 0)
      exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
  memory_reserve();
  console_initialize();
  tls_initialize();
  started = alarm_now(NULL);
  parse(argc, argv);

  const struct pvh_environment environment = {
      .size = sizeof(environment), .allocate = allocate, .release = release, .message = message, .abort = give_up};
  if (pvh_initialize(&environment) < 0)
    return EXIT_FAILURE;
  struct pvh_image *image = open_image(argv[optind]);
  long error = vcpu_initialize();
  if (error == 0)
    error = alarm_initialize(LABEL_ALARM);
  if (error < 0) {
    console_say("no vCPU or no thread for its alarm: error %ld", error);
    return EXIT_FAILURE;
  }
  wrapper_guest = create(image, argv + optind + 1);
  attach_devices();
  if (options.measure)
    measure_libvcpu();

  console_say("starting %s", argv[optind]);
  struct pvh_end end;
  if (pvh_guest_enter(wrapper_guest, &end) < 0)
    return EXIT_FAILURE;
  console_say_lost();
  say_end(&end);
  return pvh_end_status(&end);
}
