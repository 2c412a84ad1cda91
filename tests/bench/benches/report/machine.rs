// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine.

/// Model of the processor, and whether it is a virtual one.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value.trim())
    };
    let model = value("model name").unwrap_or("unknown");
    let is_virtual = value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    if is_virtual {
        format!("{model}, virtual machine")
    } else {
        model.to_owned()
    }
}
