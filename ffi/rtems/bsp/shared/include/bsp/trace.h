/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief What a host is told that wants to know what threads and interrupts do.
 */

#ifndef LIBBSP_SHARED_PARAVIRT_TRACE_H
#define LIBBSP_SHARED_PARAVIRT_TRACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @brief What has happened. */
typedef enum {
  /** @brief A thread begins to run; its identifier. */
  PARAVIRT_TRACE_SWITCH = 1,
  /** @brief A thread has a name; its identifier, and the name. */
  PARAVIRT_TRACE_NAME,
  /** @brief Handlers of interrupts begin to run. */
  PARAVIRT_TRACE_HANDLER_BEGIN,
  /** @brief They have run. */
  PARAVIRT_TRACE_HANDLER_END
} paravirt_trace_event;

/**
 * @brief A function of the host, or NULL.
 *
 * The host finds the variable by its symbol and writes it before the program's start.
 */
extern void (*volatile paravirt_trace_hook)(uint32_t event, uint32_t id, const char *text, uint32_t length);

/** @brief Tells the host, if it wants to know. */
static inline void paravirt_trace(paravirt_trace_event event, uint32_t id, const char *text, size_t length)
{
  void (*hook)(uint32_t, uint32_t, const char *, uint32_t) = paravirt_trace_hook;

  if (hook != NULL) {
    (*hook)(event, id, text, (uint32_t) length);
  }
}

#ifdef __cplusplus
}
#endif

#endif
