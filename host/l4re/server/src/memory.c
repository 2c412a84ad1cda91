/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The guest's memory: a dataspace for each range, attached at the guest's own addresses.
 *
 * All pages are mapped at once. A page that came on its first use would come by IPC to the pager, and an IRQ that
 * arrives during one waits for the next event.
 */
#include <l4/re/c/dataspace.h>
#include <l4/re/c/mem_alloc.h>
#include <l4/re/c/rm.h>
#include <l4/re/c/util/cap_alloc.h>

#include "wrapper.h"

/* Where guests may be: from a PC's first megabyte to below what L4Re has for itself. */
enum {
  GUESTS_START = 0x100000,
#if defined(__x86_64__)
  GUESTS_END = 0x60000000 /* this program */
#else
  GUESTS_END = 0x7ff00000 /* the stack */
#endif
};

enum { RANGES = 32 };

/* What has been mapped. */
static struct {
  uint64_t start, size;
  l4re_ds_t dataspace;
} ranges[RANGES];
static unsigned count;

void memory_reserve(void) {
  l4_addr_t start = GUESTS_START;
  /* If it fails the guest may still fit. */
  l4re_rm_reserve_area(&start, GUESTS_END - GUESTS_START, 0, L4_PAGESHIFT);
}

static int attach(uint64_t start, uint64_t size, l4re_ds_t dataspace, l4re_rm_flags_t rights) {
  void *address = (void *)(l4_addr_t)start;
  l4re_ds_t with_rights = dataspace | (rights & L4RE_RM_F_W ? L4_CAP_FPAGE_RW : L4_CAP_FPAGE_RO);
  return l4re_rm_attach(&address, size, rights | L4RE_RM_F_IN_AREA | L4RE_RM_F_EAGER_MAP, with_rights, 0, L4_PAGESHIFT);
}

int32_t memory_map(void *context, uint64_t start, uint64_t size) {
  (void)context;
  if (count == RANGES || start < GUESTS_START || start > GUESTS_END || size > GUESTS_END - start) {
    console_say("%#llx to %#llx is not where guests can be: %#x to %#x", (unsigned long long)start,
                (unsigned long long)(start + size), GUESTS_START, GUESTS_END);
    return -L4_EINVAL;
  }
  l4re_ds_t dataspace = l4re_util_cap_alloc();
  if (l4_is_invalid_cap(dataspace))
    return -L4_ENOMEM;
  int error = l4re_ma_alloc(size, dataspace, 0);
  if (!error)
    error = attach(start, size, dataspace, L4RE_RM_F_RW);
  if (error) {
    l4re_util_cap_free_um(dataspace);
    return error;
  }
  ranges[count].start = start;
  ranges[count].size = size;
  ranges[count].dataspace = dataspace;
  ++count;
  return 0;
}

int32_t memory_protect(void *context, uint64_t start, uint64_t size, uint32_t access) {
  (void)context;
  l4re_rm_flags_t rights = L4RE_RM_F_R;
  if (access & PVH_WRITE)
    rights |= L4RE_RM_F_W;
  if (access & PVH_EXECUTE)
    rights |= L4RE_RM_F_X;
  for (unsigned i = 0; i < count; ++i)
    if (ranges[i].start == start && ranges[i].size == size) {
      int error = l4re_rm_detach((void *)(l4_addr_t)start);
      return error < 0 ? error : attach(start, size, ranges[i].dataspace, rights);
    }
  return -L4_ENOENT;
}
