/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief Thread-local storage by a base that the host sets.
 */

#include <paravirt/cpu.h>

#include <rtems/fatal.h>
#include <rtems/score/cpuimpl.h>
#include <rtems/score/tls.h>

#include <inttypes.h>
#include <stdint.h>

/* An image without thread-local data has no use for the base, so it runs on hosts that cannot set one. */
void _CPU_Use_thread_local_storage(const Context_Control *context)
{
  static uintptr_t current;
  uintptr_t base = (uintptr_t) _CPU_Get_TLS_thread_pointer(context);
  uintptr_t size = (uintptr_t) _TLS_Configuration.size;

  if (size != 0 && base != current) {
    current = base;
    if (paravirt_cpu_set_tls(base) < 0) {
      rtems_panic(
        "paravirt: %" PRIuPTR " bytes of thread-local data, but this host offers no thread-local storage\n", size
      );
    }
  }
}
