-- vim:set ft=lua:
-- SPDX-License-Identifier: MIT OR Apache-2.0
-- A bus with the keyboard's controller, whose interrupt stays until it is answered.

local Res = Io.Res

Io.hw_add_devices(function()
  keyboard = Io.Hw.Device(function()
    Property.hid = "keyboard";
    Resource.interrupt = Res.irq(1, Io.Resource.Irq_type_level_high);
    Resource.data = Res.io(0x60);
    Resource.command = Res.io(0x64);
  end);
end)

Io.add_vbus("vbus", Io.Vi.System_bus(function()
  keyboard = wrap(Io.system_bus():match("keyboard"));
end))
