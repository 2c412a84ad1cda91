/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief Stands in front of the i386 port's header of this name and redirects what touches the segment descriptor
 * table.
 *
 * The port loads gs through a descriptor of the board's table, which only ring 0 may do; here the host sets its base.
 * With `_CPU_Use_thread_local_storage()` left to the BSP under RTEMS_PARAVIRT, this file would be unnecessary.
 */

#ifndef PARAVIRT_RTEMS_SCORE_CPUIMPL_H
#define PARAVIRT_RTEMS_SCORE_CPUIMPL_H

#define _CPU_Use_thread_local_storage _CPU_Use_thread_local_storage_by_descriptor
#define _CPU_Get_TLS_thread_pointer _CPU_Get_TLS_thread_pointer_of_descriptor

#if __has_include(<i386-port/rtems/score/cpuimpl.h>)
#include <i386-port/rtems/score/cpuimpl.h> /* installed */
#else
#include_next <rtems/score/cpuimpl.h> /* in the source tree */
#endif

#undef _CPU_Use_thread_local_storage
#undef _CPU_Get_TLS_thread_pointer

#ifndef ASM

#ifdef __cplusplus
extern "C" {
#endif

/** @brief Returns the base of thread-local storage; the port returns where its descriptor lies. */
static inline void *_CPU_Get_TLS_thread_pointer(const Context_Control *context)
{
  return (void *) ((uintptr_t) context->gs.base_address_15_0 | (uintptr_t) context->gs.base_address_23_16 << 16 |
                   (uintptr_t) context->gs.base_address_31_24 << 24);
}

/** @brief Sets the base of thread-local storage to that of the context, if it is another one. */
void _CPU_Use_thread_local_storage(const Context_Control *context);

#ifdef __cplusplus
}
#endif

#endif /* ASM */

#endif /* PARAVIRT_RTEMS_SCORE_CPUIMPL_H */
