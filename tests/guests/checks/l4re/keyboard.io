-- vim:set ft=lua:
-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A bus with the keyboard that the machine's ACPI tables describe: its interrupt is edge-triggered.

Io.add_vbus("vbus", Io.Vi.System_bus(function()
  keyboard = wrap(Io.system_bus():match("PNP0303"));
end))
