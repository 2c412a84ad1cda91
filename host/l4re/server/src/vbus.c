/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief A virtual bus of the server io, asked for its interrupt controller. Only where L4Re was built with io's
 * libvbus.
 */
#include <l4/re/c/util/cap_alloc.h>
#include <l4/vbus/vbus.h>

#include "wrapper.h"

/* By this name the controller is a device like the others. */
static const char hardware_id[] = "L40009";

l4_cap_idx_t vbus_icu(l4_cap_idx_t bus) {
  l4_cap_idx_t icu = l4re_util_cap_alloc();
  if (l4_is_invalid_cap(icu)) {
    console_say("there is no room for a capability");
    return L4_INVALID_CAP;
  }
  l4vbus_device_handle_t device = L4VBUS_NULL;
  long error = l4vbus_get_device_by_hid(bus, L4VBUS_ROOT_BUS, &device, hardware_id, L4VBUS_MAX_DEPTH, NULL);
  if (error >= 0)
    error = l4vbus_vicu_get_cap(bus, device, icu);
  if (error >= 0)
    return icu;
  l4re_util_cap_free(icu);
  console_say(
      "the capability `vbus` has no interrupt controller (device %s): error %ld; it must be a bus of the server io",
      hardware_id, error);
  return L4_INVALID_CAP;
}
