/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The C side of the benchmark guests. The compiler of this file cannot inline what is written in Rust. */
#include <stdint.h>

/* In Rust: the virtual interrupt flag, out of line. */
void bench_interrupts_off(void);
void bench_interrupts_on(void);

/* Turns interrupts off and on `count` times. */
void measure_interrupts_from_c(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    bench_interrupts_off();
    bench_interrupts_on();
  }
}

static volatile uint32_t word;

__attribute__((noinline)) void bench_store_off(void) {
  word = 0;
}
__attribute__((noinline)) void bench_store_on(void) {
  word = 1;
}

/* The baseline of the above: two volatile stores, out of line, too. */
void measure_stores_from_c(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    bench_store_off();
    bench_store_on();
  }
}

static int is_equal(const char *a, const char *b) {
  while (*a == *b) {
    if (*a == 0)
      return 1;
    a++;
    b++;
  }
  return 0;
}

/* How the L4RTEMS hosts find a function: one string comparison after the other. Its index, or `count`. */
uint32_t measure_strcmp_chain(const char *const *names, uint32_t count, const char *wanted) {
  for (uint32_t i = 0; i < count; i++) {
    if (is_equal(names[i], wanted))
      return i;
  }
  return count;
}
