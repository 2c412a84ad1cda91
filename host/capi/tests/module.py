# SPDX-License-Identifier: MIT OR Apache-2.0
"""Checks the module: module.py CONTROLLER CALLS FAULT HELLO."""

import os
import sys
import tempfile
import threading

import paravirt_vm
from paravirt_vm import Vm

controller, calls, fault, hello = sys.argv[1:]
MS = 1_000_000
# The interpreter may lie at 4 MiB.
MEMORY = 1 << 20


def vm(image, arguments=(), **options):
    return Vm(image, arguments, memory=MEMORY, output=options.pop("output", None), **options)


def refused(kind, words, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        assert words in str(error), error
        return error
    raise AssertionError(f"not refused: {words}")


# A guest's output, and its end.
with tempfile.TemporaryFile() as output:
    with vm(hello, time="fast", output=output) as guest:
        assert guest.time == 0 and guest.end is None
        assert not guest.run_until()
    assert guest.end == ("exit", 0, 0, False, ""), guest.end
    output.seek(0)
    assert output.read() == b"Hello from a paravirtualized guest\n"
guest.close()
refused(ValueError, "closed", guest.run_until)

# Guest time, lines, functions, and threads that do other things meanwhile.
turns = 0
ended = threading.Event()


def work():
    global turns
    while not ended.wait(0.0001):
        turns += 1


worker = threading.Thread(target=work)
worker.start()
levels, valves = [], []
with vm(controller, ["100/200", 10, 0, 50], time="steps") as guest:

    @guest.provide("fn() -> i32")
    def plant_level():
        levels.append(guest.time)
        return -1

    guest.provide("fn(opening: i32)", valves.append, name="plant_set_valve")
    refused(ValueError, "no host function", guest.read, 0, 1)
    refused(ValueError, "not -1", guest.run_until, -1)
    refused(TypeError, "float", guest.run_until, 0.5)
    ms = 1
    while guest.run_until(ms * MS):
        assert ms * MS <= guest.time < ms * MS + 1000
        assert len(levels) == len(valves) == ms - 1
        if ms == 20:
            guest.raise_line(2)
        ms += 1
    refused(ValueError, "before the guest runs", guest.provide, "fn()", print)
    refused(paravirt_vm.Error, "the guest has ended", guest.run_until)
    refused(paravirt_vm.Error, "no line 32", guest.raise_line, 32)
assert ms == 51 and guest.end.repeatable and guest.end.kind == "exit", (ms, guest.end)
assert valves == [1010] * 19 + [2010] * 31, valves
ended.set()
worker.join()
assert turns > 0

# What a function raises comes out where the guest was let run.
for broken, kind, words in [
    (lambda: 1 // 0, ZeroDivisionError, "zero"),
    (lambda: None, TypeError, "NoneType"),
    (lambda: 0.5, TypeError, "float"),
    (lambda: guest.run_until(), paravirt_vm.Error, "the guest runs"),
    (lambda: sys.exit("enough"), SystemExit, "enough"),
]:
    with vm(controller, ["1", 1, 1, 5], time="steps") as guest:
        guest.provide("fn() -> i32", broken, name="plant_level")
        guest.provide("fn(i32)", lambda opening: None, name="plant_set_valve")
        refused(kind, words, guest.run_until)
        assert guest.end.kind == "fatal"


# Arguments and results of every type, and the guest's memory.
def read(address, size):
    try:
        return sum(guest.read(address, size)) if size < 100 else -3
    except paravirt_vm.NotGuestMemory:
        return -3


def write(address, size):
    try:
        guest.write(address, b"y" * size)
        return 0
    except paravirt_vm.NotGuestMemory:
        return -3


functions = {
    "check_integers": (
        "fn(u8, i16, u32, i64, u64, *const u8, usize, i32, u64) -> u64",
        lambda *values: values == (200, -300, 4_000_000_000, -5, 6 << 40, 0x1234, 7, -8, 9 << 50),
    ),
    "check_floats": (
        "fn(f32, f64, u32, f64, f64, f64, f64, f64, f64, f64, f32) -> f64",
        lambda *values: 0.1 if values == (0.5, 1.5, 2, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5) else 0,
    ),
    "check_narrow": ("fn(i8, u16) -> i32", lambda a, b: a + b),
    "check_single": ("fn(f32) -> f32", lambda a: a / 2),
    "check_byte": ("fn() -> i8", lambda: -5),
    "check_wide": ("fn() -> u64", lambda: 0x0123456789ABCDEF),
    "check_negative": ("fn(isize) -> isize", lambda a: -a),
    "check_read": ("fn(*const u8, usize) -> i32", read),
    "check_write": ("fn(*mut u8, usize) -> i32", write),
    "check_done": ("fn(i32) -> !", lambda code: guest.stop(code + 40)),
}
for sandbox in False, True:
    with vm(calls, sandbox=sandbox) as guest:
        for name, (prototype, function) in functions.items():
            guest.provide(prototype, function, name=name)
        assert not guest.run_until()
    assert guest.end.kind == "exit" and guest.end.status == 40, guest.end
with vm(calls) as guest:
    guest.provide("fn(i8, i16) -> i32", print, name="check_narrow")
    refused(paravirt_vm.Error, "check_narrow", guest.run_until)

# A fault is reported, and what is wrong is said.
with vm(fault, "null") as guest:
    guest.run_until()
    assert guest.end.kind == "fault" and guest.end.status == 5 and "0x" in guest.end.report
with vm("/nowhere") as guest:
    refused(paravirt_vm.Error, "/nowhere", guest.run_until)
with vm(hello, time="slow") as guest:
    refused(paravirt_vm.Error, "slow", guest.run_until)
with vm(hello, seed=1) as guest:
    refused(paravirt_vm.Error, "SEED", guest.run_until)
# One that stands, and is forgotten.
guest = vm(hello)
guest.run_until(0)
with vm(hello) as other:
    refused(paravirt_vm.Error, "one at a time", other.run_until)
del guest
with vm(hello) as guest:
    assert not guest.run_until()
print("ok")
