/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief External functions: functions that the host supplies.
 *
 *     L4_EXTERNAL_FUNC(int32_t, board_lamp_set, uint32_t, uint8_t);   // result, name, argument types
 *     L4_EXTERNAL_FUNC(void, board_wait_for_door);                    // no arguments
 *     L4_EXTERNAL_FUNC_NORETURN(board_power_off);                     // does not return
 *
 * Each line declares the function for calls and emits its entry in the jump table: the same sections, group, guard
 * and prototype word as `l4_external_func!` in Rust. So C, C++ and Rust declarations of one name become one entry,
 * and different prototypes for one name fail to link with a second definition of `NAME.has_one_prototype`. An entry
 * that nobody calls disappears with `--gc-sections`.
 *
 * Use it at file scope, in C++ at namespace scope. Arguments and results: integers of 8 to 64 bits, enumerations,
 * `float`, `double`, pointers to objects; at most 14 arguments. Qualifiers of the type itself, `restrict` too, mean
 * nothing. Anything else is a compile error: `bool`, structures, arrays (which C would pass as pointers), functions and
 * pointers to them, atomic types, references. The documentation of the Rust crate (`paravirt_abi::signature`) has the
 * types of all three languages side by side. A type that can only be written around a name, such as a pointer to an
 * array, needs a typedef to be a result.
 *
 * The L4RTEMS functions (`l4rtems_outch` and its kin) have their arguments in registers on i386, which hosts expect by
 * the name: append `__attribute__((regparm(3)))` to the line.
 *
 * A library that defines external functions itself defines L4_EXTERNAL_PROTOTYPES_ONLY before it includes this
 * header; then nothing but the prototypes is declared.
 *
 * The pointer to the resolver, `__l4_external_resolver`, comes with the Rust layer (crate paravirt-bsp). An image
 * without it defines `void *__l4_external_resolver` in section `.data.l4externals.resolver`, with attribute `used`.
 *
 * Needs GCC or clang, C11 or C++17, and i386, x86-64, AArch64, ARMv7 or 64-bit RISC-V. On i386 and ARMv7 the image is
 * linked at a fixed address.
 */
#ifndef PARAVIRT_EXTERNAL_H
#define PARAVIRT_EXTERNAL_H

#include "detail/assembly.h"
#include "detail/signature.h"

/** Declares a function: its result type, its name, and its argument types, if any. */
#define L4_EXTERNAL_FUNC(result, ...) \
  L4_CHECK_RESULT_(result) \
  L4_DECLARE_(L4_CODE_(result), result, __VA_ARGS__)

/** Declares a function that does not return: its name, and its argument types, if any. */
#define L4_EXTERNAL_FUNC_NORETURN(...) L4_DECLARE_(L4_TYPE_NEVER, void, __VA_ARGS__) __attribute__((noreturn))

/* Checks, entry, prototype. The prototype comes last and takes the caller's semicolon. */
#define L4_DECLARE_(result_code, result, ...) \
  L4_CHECK_(__VA_ARGS__) \
  L4_EMIT_(L4_FIRST_(__VA_ARGS__, 0), L4_SIGNATURE_(result_code, __VA_ARGS__)) \
  L4_PROTOTYPE_(result, __VA_ARGS__)
#define L4_FIRST_(name, ...) name

#ifdef __cplusplus
#define L4_LINKAGE_ extern "C"
#else
#define L4_LINKAGE_
#endif

/* `result name(argument types)`. */
#define L4_PROTOTYPE_(result, ...) L4_JOIN_(L4_PROTOTYPE_, L4_ARITY_(__VA_ARGS__))(result, __VA_ARGS__)
#define L4_PROTOTYPE_NONE(result, name) L4_LINKAGE_ result name(void)
#define L4_PROTOTYPE_SOME(result, name, ...) L4_LINKAGE_ result name(__VA_ARGS__)

#endif
