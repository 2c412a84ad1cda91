/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The prototype word, computed from C or C++ types; see `paravirt_abi::signature` for its layout.
 *
 * Names that end in an underscore are for this project's headers only.
 */
#ifndef PARAVIRT_DETAIL_SIGNATURE_H
#define PARAVIRT_DETAIL_SIGNATURE_H

#include <stdint.h>

/* Type codes. */
#define L4_TYPE_UNIT 1
#define L4_TYPE_NEVER 2
#define L4_TYPE_I8 3
#define L4_TYPE_U8 4
#define L4_TYPE_I16 5
#define L4_TYPE_U16 6
#define L4_TYPE_I32 7
#define L4_TYPE_U32 8
#define L4_TYPE_I64 9
#define L4_TYPE_U64 10
#define L4_TYPE_POINTER 11
#define L4_TYPE_CONST_POINTER 12
#define L4_TYPE_F32 13
#define L4_TYPE_F64 14

/* The code of an integer type by its size in bytes. */
#define L4_SIGNED_CODE_(size) \
  ((size) == 1 ? L4_TYPE_I8 : (size) == 2 ? L4_TYPE_I16 : (size) == 4 ? L4_TYPE_I32 : L4_TYPE_I64)
#define L4_UNSIGNED_CODE_(size) \
  ((size) == 1 ? L4_TYPE_U8 : (size) == 2 ? L4_TYPE_U16 : (size) == 4 ? L4_TYPE_U32 : L4_TYPE_U64)

/*
 * L4_CROSSES_(T): whether the type can cross, as a result or an argument. L4_CODE_(T): its code, if it can.
 */
#ifdef __cplusplus

#include <type_traits>

namespace l4_external {

/* `restrict` is a qualifier of C, which compilers for C++ know by another name and their library does not take away. */
template <typename T>
struct without_restrict {
  using type = T;
};
template <typename T>
struct without_restrict<T *__restrict> {
  using type = T *;
};
template <typename T>
using unqualified = typename without_restrict<std::remove_cv_t<T>>::type;

template <typename T>
constexpr int code() {
  if constexpr (std::is_void_v<T>) {
    return L4_TYPE_UNIT;
  } else if constexpr (std::is_enum_v<T>) {
    return code<std::underlying_type_t<T>>();
  } else if constexpr (std::is_pointer_v<T>) {
    using Target = std::remove_pointer_t<T>;
    return std::is_function_v<Target> ? 0 : std::is_const_v<Target> ? L4_TYPE_CONST_POINTER : L4_TYPE_POINTER;
  } else if constexpr (std::is_same_v<T, float>) {
    return L4_TYPE_F32;
  } else if constexpr (std::is_same_v<T, double>) {
    return L4_TYPE_F64;
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    return sizeof(T) > 8 ? 0 : std::is_signed_v<T> ? L4_SIGNED_CODE_(sizeof(T)) : L4_UNSIGNED_CODE_(sizeof(T));
  } else {
    return 0;
  }
}

} // namespace l4_external

#define L4_CODE_(T) (::l4_external::code<::l4_external::unqualified<T>>())
#define L4_CROSSES_(T) (L4_CODE_(T) != 0)
#define L4_STATIC_ASSERT_ static_assert

#else

/* An expression of type `T`, for operators that do not evaluate it; of type `char` for `void`, which has no values. */
#define L4_VALUE_(T) (*L4_NOT_VOID_((__typeof__(T) *)0))

/* The pointer, to `char` instead of `void`, so that there is something behind it. */
#define L4_NOT_VOID_(pointer) \
  _Generic((pointer), \
      void *: (char *)0, \
      const void *: (const char *)0, \
      volatile void *: (volatile char *)0, \
      const volatile void *: (const volatile char *)0, \
      default: (pointer))
#define L4_IS_VOID_(T) \
  _Generic((__typeof__(T) *)0, void *: 1, const void *: 1, volatile void *: 1, const volatile void *: 1, default: 0)

/* A pointer of that type if it is one, else some pointer; so that other branches remain valid C. */
#define L4_IF_POINTER_(T) __builtin_choose_expr(L4_IS_POINTER_(T), ((void)0, L4_VALUE_(T)), (void *)0)
#define L4_IS_POINTER_(T) (__builtin_classify_type(L4_VALUE_(T)) == 5)

/* A conditional of `void *` and a pointer is a pointer to `void` with the qualifiers of the pointer's target. */
#define L4_POINTER_CODE_(T) \
  _Generic(0 ? (void *)1 : L4_IF_POINTER_(T), \
      const void *: L4_TYPE_CONST_POINTER, \
      const volatile void *: L4_TYPE_CONST_POINTER, \
      default: L4_TYPE_POINTER)

#define L4_CODE_(T) \
  (L4_IS_VOID_(T) ? L4_TYPE_UNIT \
                  : _Generic(L4_VALUE_(T), \
           _Bool: 0, \
           char: (char)-1 < 0 ? L4_TYPE_I8 : L4_TYPE_U8, \
           signed char: L4_TYPE_I8, \
           unsigned char: L4_TYPE_U8, \
           short: L4_SIGNED_CODE_(sizeof(short)), \
           unsigned short: L4_UNSIGNED_CODE_(sizeof(short)), \
           int: L4_SIGNED_CODE_(sizeof(int)), \
           unsigned int: L4_UNSIGNED_CODE_(sizeof(int)), \
           long: L4_SIGNED_CODE_(sizeof(long)), \
           unsigned long: L4_UNSIGNED_CODE_(sizeof(long)), \
           long long: L4_SIGNED_CODE_(sizeof(long long)), \
           unsigned long long: L4_UNSIGNED_CODE_(sizeof(long long)), \
           float: L4_TYPE_F32, \
           double: L4_TYPE_F64, \
           default: L4_IS_POINTER_(T) ? L4_POINTER_CODE_(T) : 0))

/*
 * Whether a value of type `T` has that type, but for qualifiers, and does not become a pointer, as those of an array
 * and of a function do, or lose something, as an atomic one does.
 */
#define L4_IS_VALUE_(T) \
  (__builtin_types_compatible_p(const volatile __typeof__(T) *, \
                                const volatile __typeof__(((void)0, L4_VALUE_(T))) *) || \
   __builtin_types_compatible_p(const volatile __typeof__(T) *, \
                                const volatile __typeof__(L4_IF_POINTER_(T)) __restrict *))

/* A function as an argument becomes a pointer to it: so its prototype tells whether the target of a pointer is one. */
#define L4_IS_CODE_(pointer) \
  __builtin_types_compatible_p(void (*)(__typeof__(*L4_NOT_VOID_(pointer))), void (*)(__typeof__(pointer)))

/* What L4_CODE_ does not see because it looks at values. Once is enough, so it does not burden each use of the code. */
#define L4_CROSSES_(T) (L4_IS_VOID_(T) || (L4_CODE_(T) != 0 && L4_IS_VALUE_(T) && !L4_IS_CODE_(L4_IF_POINTER_(T))))
#define L4_STATIC_ASSERT_ _Static_assert

#endif

#define L4_JOIN_(a, b) L4_JOIN_NOW_(a, b)
#define L4_JOIN_NOW_(a, b) a##b

/* How many arguments follow the name; L4_ARITY_ tells only whether any does. */
#define L4_COUNT_(...) \
  L4_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define L4_ARITY_(...) \
  L4_PICK_(__VA_ARGS__, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, SOME, \
           SOME, SOME, SOME, SOME, SOME, NONE, 0)
#define L4_PICK_(n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, picked, ...) picked

/* The arguments' part of the word, without a shift. */
#define L4_WORD_(...) L4_JOIN_(L4_WORD_, L4_COUNT_(__VA_ARGS__))(__VA_ARGS__)
#define L4_WORD_0(name) 0
#define L4_WORD_MANY(...) 0
#define L4_WORD_1(n, a) ((uint64_t)L4_CODE_(a))
#define L4_WORD_2(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_1(n, __VA_ARGS__) << 4)
#define L4_WORD_3(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_2(n, __VA_ARGS__) << 4)
#define L4_WORD_4(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_3(n, __VA_ARGS__) << 4)
#define L4_WORD_5(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_4(n, __VA_ARGS__) << 4)
#define L4_WORD_6(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_5(n, __VA_ARGS__) << 4)
#define L4_WORD_7(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_6(n, __VA_ARGS__) << 4)
#define L4_WORD_8(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_7(n, __VA_ARGS__) << 4)
#define L4_WORD_9(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_8(n, __VA_ARGS__) << 4)
#define L4_WORD_10(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_9(n, __VA_ARGS__) << 4)
#define L4_WORD_11(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_10(n, __VA_ARGS__) << 4)
#define L4_WORD_12(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_11(n, __VA_ARGS__) << 4)
#define L4_WORD_13(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_12(n, __VA_ARGS__) << 4)
#define L4_WORD_14(n, a, ...) (L4_WORD_1(n, a) | L4_WORD_13(n, __VA_ARGS__) << 4)

/* One assertion for the result and per argument, so that the compiler names the one that cannot cross. */
#define L4_CHECK_RESULT_(result) \
  L4_STATIC_ASSERT_(L4_CROSSES_(result), "external function: result of type " #result L4_CANNOT_CROSS_);
#define L4_CHECK_(...) L4_JOIN_(L4_CHECK_, L4_COUNT_(__VA_ARGS__))(__VA_ARGS__)
#define L4_CHECK_0(name)
#define L4_CHECK_MANY(n, ...) L4_STATIC_ASSERT_(0, "external function " #n " has more than 14 arguments");
#define L4_CHECK_1(n, a) \
  L4_STATIC_ASSERT_(L4_CROSSES_(a) && L4_CODE_(a) != L4_TYPE_UNIT, \
                    "external function " #n ": argument of type " #a L4_CANNOT_CROSS_);
#define L4_CHECK_2(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_1(n, __VA_ARGS__)
#define L4_CHECK_3(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_2(n, __VA_ARGS__)
#define L4_CHECK_4(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_3(n, __VA_ARGS__)
#define L4_CHECK_5(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_4(n, __VA_ARGS__)
#define L4_CHECK_6(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_5(n, __VA_ARGS__)
#define L4_CHECK_7(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_6(n, __VA_ARGS__)
#define L4_CHECK_8(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_7(n, __VA_ARGS__)
#define L4_CHECK_9(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_8(n, __VA_ARGS__)
#define L4_CHECK_10(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_9(n, __VA_ARGS__)
#define L4_CHECK_11(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_10(n, __VA_ARGS__)
#define L4_CHECK_12(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_11(n, __VA_ARGS__)
#define L4_CHECK_13(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_12(n, __VA_ARGS__)
#define L4_CHECK_14(n, a, ...) L4_CHECK_1(n, a) L4_CHECK_13(n, __VA_ARGS__)

#define L4_CANNOT_CROSS_ \
  " cannot cross the guest-host ABI; allowed are integers of 8 to 64 bits, float, double and pointers to objects" \
  " (instead of bool: uint8_t, instead of a struct or an array: a pointer to it)"

/* Assertions where an expression is expected; its value is 0. */
#ifdef __cplusplus
#define L4_CHECKED_(assertions) ([] { assertions return 0u; }())
#else
#define L4_CHECKED_(assertions) (0u * sizeof(struct { assertions char l4_checked; }))
#endif

/* The whole word; the result's code comes with the format number in the highest nibble. */
#define L4_SIGNATURE_(result_code, ...) \
  ((uint64_t)1 << 60 | (uint64_t)L4_WORD_(__VA_ARGS__) << 4 | (uint64_t)(result_code))

#endif
