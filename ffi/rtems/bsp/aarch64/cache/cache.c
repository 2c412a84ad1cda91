/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief Caches: code that was written becomes what is executed. Everything else about them is the host's affair.
 */

#include <stddef.h>

#define CPU_CACHE_SUPPORT_PROVIDES_INSTRUCTION_SYNC_FUNCTION

/* User mode may do this. */
static void _CPU_cache_instruction_sync_after_code_change(const void *code, size_t size)
{
  char *begin = (char *) code;

  __builtin___clear_cache(begin, begin + size);
}

#include <cache/cacheimpl.h>
