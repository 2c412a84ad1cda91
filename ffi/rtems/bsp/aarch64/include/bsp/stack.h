/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief Calling a function on another stack.
 */

#ifndef LIBBSP_AARCH64_PARAVIRT_STACK_H
#define LIBBSP_AARCH64_PARAVIRT_STACK_H

/** @brief As call_on_stack(). */
void _Paravirt_Call_on_stack(const void *top, void (*function)(void *), void *argument);

/** @brief Calls the function with the argument; `top` is the end of the stack that it gets. */
static inline void call_on_stack(const void *top, void (*function)(void *), void *argument)
{
  _Paravirt_Call_on_stack(top, function, argument);
}

#endif /* LIBBSP_AARCH64_PARAVIRT_STACK_H */
