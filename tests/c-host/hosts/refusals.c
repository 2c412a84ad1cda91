/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/** Makes the mistakes of a careless host with the guest `hello`; prints each with its result and the library's
 * messages. */
#define main c_host_main
#include "../../../examples/c-host/c-host.c"
#undef main

const struct pvh_function host_functions[] = {{NULL, 0, NULL}};
const size_t host_function_count = 0;

static void print(void *context, const char *text, size_t length) {
  (void)context;
  printf("  %.*s\n", (int)length, text);
}

#define SHOW(...) printf("= %d: %s\n", (int)(__VA_ARGS__), #__VA_ARGS__)

static int32_t refuse_map(void *context, uint64_t start, uint64_t size) {
  (void)context, (void)start, (void)size;
  return -12;
}

static int32_t refuse_rights(void *context, uint64_t start, uint64_t size, uint32_t access) {
  (void)context, (void)start, (void)size, (void)access;
  return -13;
}

static uint64_t no_time(void *context) {
  (void)context;
  return 0;
}

static void nothing(void *context) {
  (void)context;
}

static void no_alarm(void *context, uint64_t deadline) {
  (void)context, (void)deadline;
}

int main(int argc, char **argv) {
  struct pvh_image *image = NULL;
  SHOW(pvh_image_parse("early", "", 0, &image));
  SHOW(pvh_image_check(NULL, NULL, 0, 0));
  SHOW(pvh_initialize(NULL));
  struct pvh_environment environment = {.size = 1, .allocate = allocate, .release = release, .message = print};
  SHOW(pvh_initialize(&environment));
  environment.abort = give_up;
  SHOW(pvh_initialize(&environment));
  environment.size = sizeof(environment);
  SHOW(pvh_initialize(&environment));

  size_t size;
  void *bytes = read_file(argv[argc - 1], &size);
  image = bytes; /* nothing of its own */
  SHOW(pvh_image_parse(NULL, bytes, size, &image));
  SHOW(image != NULL);
  SHOW(pvh_image_parse("null", NULL, size, &image));
  SHOW(pvh_image_parse("hello", bytes, size, NULL));
  SHOW(pvh_image_parse("text", "text", 4, &image));
  SHOW(pvh_image_parse("half", bytes, size / 2, &image));
  SHOW(image != NULL);
  SHOW(pvh_image_parse("hello", bytes, size, &image));

  struct pvh_external external;
  SHOW(pvh_image_external(image, 99, &external));
  SHOW(pvh_image_external(NULL, 0, &external));
  SHOW(pvh_image_external(image, 0, &external));
  char text[16] = "";
  SHOW(pvh_image_symbol(image, 1, text, sizeof(text)) /* no code */);

  const struct pvh_function wrong[] = {{"pv_console_write", UINT64_C(0x10000000000000de), (void (*)(void))nothing}};
  const struct pvh_function no_word[] = {{"pv_console_write", 7, (void (*)(void))nothing}};
  const struct pvh_function no_function[] = {{"pv_console_write", 0, NULL}};
  SHOW(pvh_image_check(image, NULL, 0, 0));
  SHOW(pvh_image_check(image, NULL, 1, 0));
  SHOW(pvh_image_check(image, wrong, 1, 0));
  SHOW(pvh_image_check(image, no_word, 1, 0));
  SHOW(pvh_image_check(image, no_function, 1, 0));
  const struct pvh_function l4rtems[] = {{"l4rtems_outch", 0, (void (*)(void))nothing}};
  SHOW(pvh_image_check(image, l4rtems, 1, 0));
  SHOW(pvh_image_check(image, l4rtems, 1, PVH_COMPAT_L4RTEMS));
  SHOW(pvh_image_check(image, NULL, 0, 8));

  struct pvh_platform platform = {.size = sizeof(platform),
                                  .map = refuse_map,
                                  .protect = protect,
                                  .now = no_time,
                                  .wall = no_time,
                                  .set_alarm = no_alarm,
                                  .console_write = console_write};
  struct pvh_request request = {.size = sizeof(request), .platform = &platform, .memory = UINT64_C(1) << 33};
  SHOW(pvh_guest_create(image, &request, &guest) /* no wait */);
  platform.wait = nothing;
  SHOW(pvh_guest_create(image, &request, &guest) /* no map */);
  platform.map = map;
  platform.unmap = unmap;
  SHOW(pvh_guest_create(image, &request, &guest) /* 8 GiB */);
  request.memory = 0;
  platform.protect = refuse_rights;
  SHOW(pvh_guest_create(image, &request, &guest) /* no rights */);
  platform.protect = protect;
  request.flags = 10;
  SHOW(pvh_guest_create(image, &request, &guest));
  request.flags = 0;
  char long_text[70001] = "";
  memset(long_text, 'x', sizeof(long_text) - 1);
  request.command_line = long_text;
  SHOW(pvh_guest_create(image, &request, &guest) /* long */);
  request.command_line = NULL;
  request.functions = wrong;
  request.function_count = 1;
  SHOW(pvh_guest_create(image, &request, &guest));
  SHOW(guest != NULL);
  request.function_count = 0;
  SHOW(pvh_guest_create(image, &request, &guest));

  struct pvh_end end;
  struct pvh_guest *first = guest;
  SHOW(pvh_guest_enter(NULL, &end));
  SHOW(pvh_guest_enter(guest, NULL));
  fflush(stdout);
  SHOW(pvh_guest_enter(guest, &end));
  SHOW(pvh_end_status(&end));
  SHOW(pvh_guest_enter(guest, &end));
  SHOW(pvh_guest_latch(guest, PV_LINES));
  SHOW(pvh_guest_ready(guest, PV_LINES));
  SHOW(pvh_guest_ready(NULL, 0));
  SHOW(pvh_guest_create(image, &request, &guest) /* at the same addresses */);
  pvh_guest_release(first);
  SHOW(pvh_guest_create(image, &request, &guest));
  pvh_guest_stop(guest, 7);
  SHOW(pvh_guest_enter(guest, &end));
  SHOW(end.kind == PVH_END_STOPPED && end.code == 7);
  pvh_guest_release(guest);
  pvh_guest_release(NULL);
  pvh_image_release(image);
  pvh_image_release(NULL);
  return 0;
}
