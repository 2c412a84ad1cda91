/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * A program that runs guests in itself and checks what the library says: `program CONTROLLER CALLS FAULT`, for C11 and
 * C++17.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <paravirt/abi.h>
#include <paravirt/vm.h>

#define MS UINT64_C(1000000)
/** The controller's line for applications. */
#define LINE 2

#define CHECK(condition) check(!!(condition), #condition, __LINE__)

static void check(int is_so, const char *condition, int line) {
  if (!is_so) {
    printf("line %d: %s; last error: %s\n", line, condition, paravirt_vm_error());
    exit(1);
  }
}

/** The call was refused with that number, and the reason holds those words. */
#define REFUSED(call, number, words) check((call) == (number) && strstr(paravirt_vm_error(), words), #call, __LINE__)

static struct paravirt_vm_options options_for(const char *image) {
  struct paravirt_vm_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.image = image;
  options.flags = PARAVIRT_VM_CONSOLE;
  options.input = options.output = -1;
  options.time = "steps";
  return options;
}

static struct paravirt_vm_function function(const char *name, const char *prototype, paravirt_vm_callback callback,
                                            void *context) {
  struct paravirt_vm_function function = {name, prototype, callback, context};
  return function;
}

/* ---- The controller ---- */

struct plant {
  int32_t level, valve;
  uint64_t samples;
  struct paravirt_vm *vm;
};

static void level(void *context, struct paravirt_vm_call *call) {
  struct plant *plant = (struct plant *)context;
  ++plant->samples;
  /* What belongs to the caller of paravirt_vm_run_until() is refused. */
  REFUSED(paravirt_vm_run_until(plant->vm, 0), PARAVIRT_VM_ERROR_STATE, "the guest runs");
  REFUSED(paravirt_vm_free(plant->vm), PARAVIRT_VM_ERROR_STATE, "the guest runs");
  if (plant->samples == 100)
    CHECK(paravirt_vm_raise(plant->vm, LINE) == 0);
  paravirt_vm_set_result(call, (uint64_t)(int64_t)plant->level);
}

static void set_valve(void *context, struct paravirt_vm_call *call) {
  ((struct plant *)context)->valve = (int32_t)paravirt_vm_argument(call, 0);
}

static void control(const char *image) {
  struct plant plant = {-7, -1, 0, NULL};
  struct paravirt_vm_function functions[] = {function("plant_level", "fn() -> i32", level, &plant),
                                             function("plant_set_valve", "fn(i32)", set_valve, &plant)};
  struct paravirt_vm_options options = options_for(image);
  /* The valve is 10 millionths for each micrometre. */
  options.command_line = "93/193/293 10 0 200";
  options.functions = functions;
  options.function_count = 2;
  struct paravirt_vm *vm = NULL;
  struct paravirt_vm_end end;
  CHECK(paravirt_vm_create(&options, &vm) == 0 && vm);
  plant.vm = vm;
  CHECK(paravirt_vm_time(vm) == 0 && plant.samples == 0);
  REFUSED(paravirt_vm_end(vm, &end), PARAVIRT_VM_ERROR_STATE, "has not ended");
  struct paravirt_vm *other;
  REFUSED(paravirt_vm_create(&options, &other), PARAVIRT_VM_ERROR_STATE, "one at a time");
  CHECK(!other);
  for (uint64_t ms = 1; ms <= 200; ++ms) {
    if (ms == 50)
      CHECK(paravirt_vm_raise(vm, LINE) == 0);
    CHECK(paravirt_vm_run_until(vm, ms * MS) == PARAVIRT_VM_REACHED);
    CHECK(paravirt_vm_time(vm) >= ms * MS && paravirt_vm_time(vm) < ms * MS + 1000);
    /* A sample is taken some calls behind the millisecond. */
    CHECK(plant.samples == ms - 1);
    if (ms > 1)
      CHECK(plant.valve == (ms < 50 ? 1000 : ms < 101 ? 2000 : 3000));
  }
  REFUSED(paravirt_vm_run_until(vm, MS), PARAVIRT_VM_ERROR_STATE, "does not go back");
  CHECK(paravirt_vm_run_until(vm, UINT64_MAX) == PARAVIRT_VM_ENDED);
  CHECK(paravirt_vm_end(vm, &end) == 0 && end.kind == PARAVIRT_VM_END_EXIT && end.status == 0 && end.repeatable == 1);
  CHECK(plant.samples == 200 && *paravirt_vm_report(vm) == 0 && paravirt_vm_time(vm) > 200 * MS);
  REFUSED(paravirt_vm_run_until(vm, UINT64_MAX), PARAVIRT_VM_ERROR_STATE, "has ended");
  CHECK(paravirt_vm_raise(vm, LINE) == 0);
  CHECK(paravirt_vm_free(vm) == 0);

  /* One that stands is ended. */
  CHECK(paravirt_vm_create(&options, &vm) == 0);
  plant.vm = vm;
  CHECK(paravirt_vm_run_until(vm, 5 * MS) == PARAVIRT_VM_REACHED);
  CHECK(paravirt_vm_free(vm) == 0);
  /* In the other ways of time it is not exact. */
  static const char *const ways[] = {"fast", "real", "20", "steps=300", NULL};
  for (unsigned i = 0; i < sizeof ways / sizeof *ways; ++i) {
    options.time = ways[i];
    CHECK(paravirt_vm_create(&options, &vm) == 0);
    plant.vm = vm;
    plant.samples = 0;
    CHECK(paravirt_vm_run_until(vm, 50 * MS) == PARAVIRT_VM_REACHED);
    CHECK(paravirt_vm_time(vm) >= 50 * MS);
    CHECK(paravirt_vm_free(vm) == 0);
  }
  /* With a seed the steps differ; the filter lets these callbacks do what they do. */
  uint64_t times[3];
  for (uint64_t i = 0; i < 3; ++i) {
    options.time = "steps";
    options.seed = i / 2;
    options.flags = PARAVIRT_VM_CONSOLE | PARAVIRT_VM_SEED | PARAVIRT_VM_SANDBOX;
    CHECK(paravirt_vm_create(&options, &vm) == 0);
    plant.vm = vm;
    CHECK(paravirt_vm_run_until(vm, UINT64_MAX) == PARAVIRT_VM_ENDED);
    CHECK(paravirt_vm_end(vm, &end) == 0 && end.kind == PARAVIRT_VM_END_EXIT);
    times[i] = paravirt_vm_time(vm);
    CHECK(paravirt_vm_free(vm) == 0);
  }
  CHECK(times[0] == times[1] && times[1] != times[2]);
}

/* ---- Calls of every type ---- */

static void integers(void *context, struct paravirt_vm_call *call) {
  (void)context;
  int is_so = paravirt_vm_argument(call, 0) == 200 && (int16_t)paravirt_vm_argument(call, 1) == -300 &&
              paravirt_vm_argument(call, 2) == 4000000000u && (int64_t)paravirt_vm_argument(call, 3) == -5 &&
              paravirt_vm_argument(call, 4) == UINT64_C(6) << 40 && paravirt_vm_argument(call, 5) == 0x1234 &&
              paravirt_vm_argument(call, 6) == 7 && (int64_t)paravirt_vm_argument(call, 7) == -8 &&
              paravirt_vm_argument(call, 8) == UINT64_C(9) << 50;
  paravirt_vm_set_result(call, is_so);
}

static void floats(void *context, struct paravirt_vm_call *call) {
  (void)context;
  int is_so = paravirt_vm_argument(call, 2) == 2;
  for (size_t i = 0; i < 11; ++i)
    if (i != 2 && fabs(paravirt_vm_argument_float(call, i) - ((double)i + 0.5)) > 0)
      is_so = 0;
  paravirt_vm_set_result_float(call, is_so ? 0.1 : 0);
}

static void narrow(void *context, struct paravirt_vm_call *call) {
  (void)context;
  paravirt_vm_set_result(call, paravirt_vm_argument(call, 0) + paravirt_vm_argument(call, 1));
}

static void single(void *context, struct paravirt_vm_call *call) {
  (void)context;
  paravirt_vm_set_result_float(call, paravirt_vm_argument_float(call, 0) / 2);
}

static void constant(void *context, struct paravirt_vm_call *call) {
  paravirt_vm_set_result(call, *(const uint64_t *)context);
}

static void negative(void *context, struct paravirt_vm_call *call) {
  (void)context;
  paravirt_vm_set_result(call, -paravirt_vm_argument(call, 0));
}

static void read_bytes(void *context, struct paravirt_vm_call *call) {
  (void)context;
  unsigned char bytes[8];
  size_t size = (size_t)paravirt_vm_argument(call, 1);
  /* No program copies more than it has room for. */
  if (size > sizeof bytes || paravirt_vm_read(call, paravirt_vm_argument(call, 0), bytes, size) < 0) {
    REFUSED(paravirt_vm_read(call, 0, bytes, 1), PARAVIRT_VM_ERROR_ADDRESS, "0x0");
    paravirt_vm_set_result(call, *(const uint64_t *)context);
    return;
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < size; ++i)
    sum += bytes[i];
  paravirt_vm_set_result(call, sum);
}

static void write_bytes(void *context, struct paravirt_vm_call *call) {
  size_t size = (size_t)paravirt_vm_argument(call, 1);
  int32_t number = paravirt_vm_write(call, paravirt_vm_argument(call, 0), "yyyyy", size);
  CHECK(number == 0 || number == PARAVIRT_VM_ERROR_ADDRESS);
  paravirt_vm_set_result(call, number ? *(const uint64_t *)context : 0);
}

static void done(void *context, struct paravirt_vm_call *call) {
  (void)context;
  paravirt_vm_stop(call, (int32_t)paravirt_vm_argument(call, 0) + 40);
}

/** Prototypes and callbacks of the guest `calls`, in which `mistake`, if it is given, takes the place of one. */
static void calls(const char *image, const char *name, const char *prototype, paravirt_vm_callback mistake,
                  const char *words) {
  static uint64_t five = (uint64_t)-5, wide = UINT64_C(0x0123456789abcdef), bad = (uint64_t)PV_ERROR_BAD_ADDRESS;
  struct paravirt_vm_function functions[] = {
      function("check_integers", "fn(u8, i16, u32, i64, u64, *const u8, usize, i32, u64) -> u64", integers, NULL),
      function("check_floats", "fn(f32, f64, u32, f64, f64, f64, f64, f64, f64, f64, f32) -> f64", floats, NULL),
      function("check_narrow", "fn(a: i8, b: u16) -> i32", narrow, NULL),
      function("check_single", "fn(f32) -> f32", single, NULL),
      function("check_byte", "fn() -> i8", constant, &five),
      function("check_wide", "fn() -> u64", constant, &wide),
      function("check_negative", "fn(isize) -> isize", negative, NULL),
      function("check_read", "fn(*const u8, usize) -> i32", read_bytes, &bad),
      function("check_write", "fn(*mut u8, usize) -> i32", write_bytes, &bad),
      function("check_done", "fn(i32) -> !", done, NULL),
  };
  struct paravirt_vm_options options = options_for(image);
  options.functions = functions;
  options.function_count = sizeof functions / sizeof *functions;
  for (size_t i = 0; i < options.function_count; ++i) {
    if (name && strcmp(functions[i].name, name) == 0) {
      functions[i].prototype = prototype ? prototype : functions[i].prototype;
      functions[i].callback = mistake;
    }
  }
  struct paravirt_vm *vm;
  struct paravirt_vm_end end;
  int32_t made = paravirt_vm_create(&options, &vm);
  if (prototype) {
    REFUSED(made, PARAVIRT_VM_ERROR_IMAGE, words);
    CHECK(strstr(paravirt_vm_error(), prototype) && !vm);
    return;
  }
  if (!mistake && name) {
    REFUSED(made, PARAVIRT_VM_ERROR_ARGUMENT, words);
    return;
  }
  CHECK(made == 0);
  if (mistake) {
    REFUSED(paravirt_vm_run_until(vm, UINT64_MAX), PARAVIRT_VM_ERROR_FUNCTION, words);
    CHECK(strstr(paravirt_vm_error(), name));
    CHECK(paravirt_vm_end(vm, &end) == 0);
    CHECK(end.kind == PARAVIRT_VM_END_FATAL || end.kind == PARAVIRT_VM_END_EXIT);
  } else {
    CHECK(paravirt_vm_run_until(vm, UINT64_MAX) == PARAVIRT_VM_ENDED);
    CHECK(paravirt_vm_end(vm, &end) == 0 && end.kind == PARAVIRT_VM_END_EXIT && end.code == 40 && end.status == 40);
  }
  CHECK(paravirt_vm_free(vm) == 0);
}

static void nothing(void *context, struct paravirt_vm_call *call) {
  (void)context, (void)call;
}

static void as_float(void *context, struct paravirt_vm_call *call) {
  (void)context;
  CHECK(paravirt_vm_argument_float(call, 0) == 0);
  paravirt_vm_set_result(call, 1);
}

static void as_integer(void *context, struct paravirt_vm_call *call) {
  (void)context;
  CHECK(paravirt_vm_argument(call, 0) == 0);
  paravirt_vm_set_result_float(call, 1);
}

static void too_many(void *context, struct paravirt_vm_call *call) {
  (void)context;
  CHECK(paravirt_vm_argument(call, 2) == 0);
  paravirt_vm_set_result(call, 1);
}

static void other_result(void *context, struct paravirt_vm_call *call) {
  (void)context;
  paravirt_vm_set_result_float(call, 1);
}

static void fails(void *context, struct paravirt_vm_call *call) {
  (void)context;
  paravirt_vm_fail(call, "the sensor is broken");
  paravirt_vm_fail(call, "and something else");
}

/* ---- What is refused, and other ends ---- */

static void refusals(const char *image, const char *fault) {
  struct paravirt_vm_options options = options_for(image);
  struct paravirt_vm *vm;
  REFUSED(paravirt_vm_create(NULL, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options is NULL");
  REFUSED(paravirt_vm_create(&options, NULL), PARAVIRT_VM_ERROR_ARGUMENT, "vm is NULL");
  REFUSED(paravirt_vm_run_until(NULL, 0), PARAVIRT_VM_ERROR_ARGUMENT, "vm is NULL");
  REFUSED(paravirt_vm_raise(NULL, 0), PARAVIRT_VM_ERROR_ARGUMENT, "vm is NULL");
  REFUSED(paravirt_vm_end(NULL, NULL), PARAVIRT_VM_ERROR_ARGUMENT, "vm is NULL");
  REFUSED(paravirt_vm_read(NULL, 0, NULL, 0), PARAVIRT_VM_ERROR_ARGUMENT, "call is NULL");
  CHECK(paravirt_vm_free(NULL) == 0 && paravirt_vm_time(NULL) == 0 && *paravirt_vm_report(NULL) == 0);
  CHECK(paravirt_vm_argument(NULL, 0) == 0 && strstr(paravirt_vm_error(), "call is NULL"));

  options.size = 8;
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.size is 8");
  options = options_for(NULL);
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.image is NULL");
  options.image = "/nowhere";
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_IMAGE, "/nowhere");
  options.image = "/dev/null";
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_IMAGE, "/dev/null");
  options = options_for(image);
  options.time = "slow";
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.time \"slow\"");
  options.time = "fast";
  options.flags |= PARAVIRT_VM_SEED;
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "PARAVIRT_VM_SEED");
  options.flags = 1u << 31;
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.flags");
  options = options_for(image);
  options.output = 999;
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.output 999");
  options = options_for(image);
  options.command_line = "\xff";
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.command_line is not UTF-8");
  options = options_for(image);
  options.function_count = 1;
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "options.functions is NULL");
  struct paravirt_vm_function one = function("plant level", "fn()", nothing, NULL);
  options.functions = &one;
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "no name of a function");
  one = function("plant_level", "int plant_level(void)", nothing, NULL);
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "the prototype of plant_level");
  one = function("plant_level", NULL, nothing, NULL);
  REFUSED(paravirt_vm_create(&options, &vm), PARAVIRT_VM_ERROR_ARGUMENT, "the prototype of plant_level is NULL");

  /* Nobody provides what this one calls. */
  struct paravirt_vm_end end;
  options = options_for(image);
  options.command_line = "1 1 1 10";
  CHECK(paravirt_vm_create(&options, &vm) == 0);
  REFUSED(paravirt_vm_raise(vm, 32), PARAVIRT_VM_ERROR_ARGUMENT, "no line 32");
  CHECK(paravirt_vm_run_until(vm, UINT64_MAX) == PARAVIRT_VM_ENDED);
  CHECK(paravirt_vm_end(vm, &end) == 0 && end.kind == PARAVIRT_VM_END_FATAL && end.status == 3);
  REFUSED(paravirt_vm_end(vm, NULL), PARAVIRT_VM_ERROR_ARGUMENT, "end is NULL");
  CHECK(paravirt_vm_free(vm) == 0);

  options = options_for(fault);
  options.command_line = "null";
  CHECK(paravirt_vm_create(&options, &vm) == 0);
  CHECK(paravirt_vm_run_until(vm, UINT64_MAX) == PARAVIRT_VM_ENDED);
  CHECK(paravirt_vm_end(vm, &end) == 0 && end.kind == PARAVIRT_VM_END_FAULT && end.status == 5);
  CHECK(strstr(paravirt_vm_report(vm), "0x"));
  CHECK(paravirt_vm_free(vm) == 0);

  options.command_line = "hang";
  options.timeout = 50 * MS;
  options.time = "real";
  CHECK(paravirt_vm_create(&options, &vm) == 0);
  CHECK(paravirt_vm_run_until(vm, UINT64_MAX) == PARAVIRT_VM_ENDED);
  CHECK(paravirt_vm_end(vm, &end) == 0 && end.kind == PARAVIRT_VM_END_TIMEOUT && end.status == 124);
  CHECK(paravirt_vm_free(vm) == 0);
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  const char *controller = argv[1], *image = argv[2];
  CHECK(*paravirt_vm_error() == 0);
  refusals(controller, argv[3]);
  control(controller);
  calls(image, NULL, NULL, NULL, NULL);
  calls(image, "check_narrow", "fn(i8, i16) -> i32", narrow, "check_narrow");
  calls(image, "check_narrow", NULL, NULL, "the callback of check_narrow is NULL");
  calls(image, "check_narrow", NULL, nothing, "sets no result of fn(i8, u16) -> i32");
  calls(image, "check_narrow", NULL, as_float, "asks for argument 0 of fn(i8, u16) -> i32 as a float");
  calls(image, "check_narrow", NULL, too_many, "asks for argument 2 of fn(i8, u16) -> i32, counted from 0");
  calls(image, "check_narrow", NULL, other_result, "sets a float as the result of fn(i8, u16) -> i32");
  calls(image, "check_narrow", NULL, fails, "the sensor is broken");
  calls(image, "check_single", NULL, as_integer, "asks for argument 0 of fn(f32) -> f32 as an integer");
  calls(image, "check_done", NULL, nothing, "returns without paravirt_vm_stop()");
  calls(image, NULL, NULL, NULL, NULL);
  puts("ok");
  return 0;
}
