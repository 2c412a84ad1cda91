# SPDX-License-Identifier: MIT OR Apache-2.0
"""Simulates a plant together with two guests, which control it: co_simulation.py GUEST, where the guest is
`controller`. As the program in Rust beside it does, and it prints the same.

The module paravirt_vm is host/python/paravirt_vm.py, and where `cargo xtask install` puts it: name the folder in
PYTHONPATH.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile

import paravirt_vm

# How long the guests control the plant, from one row of the table to the next, and when the operator asks the first
# controller for its next set point, in ms.
END, ROW, NEXT_SET_POINT = 2000, 100, 1000
# The controllers' names, and their arguments up to when they end.
CONTROLLERS = [("inlet", "400000/600000 10 50"), ("outlet", "300000 -10 -50")]
# The guest's line for it.
NEXT_SET_POINT_LINE = 2
MS = 1_000_000


class Plant:
    """Two tanks in series: water comes into the first by a valve, flows from there into the second by a pipe, and out
    by another valve. Levels are in nanometres, valves in millionths."""

    OPEN = 1_000_000
    INFLOW = 2_000_000
    PIPE = 500
    OUTLET = 200

    def __init__(self):
        self.first = self.second = 0

    def levels(self):
        """What the sensors show, in micrometres."""
        return self.first // 1000, self.second // 1000

    def step(self, inlet, outlet):
        """A millisecond passes."""
        inflow = self.INFLOW * inlet // self.OPEN
        between = self.first // self.PIPE
        outflow = self.second // self.OUTLET * outlet // self.OPEN
        self.first += inflow - between
        self.second += between - outflow


def run_guest(connection, guest, command_line, time):
    """In a process of its own: runs the guest as the other end says, to its end or the other's."""
    level = valve = 0
    try:
        with tempfile.TemporaryFile() as file, paravirt_vm.Vm(
            guest, command_line, time=time, output=file, memory=1 << 20
        ) as vm:
            output = Output(file)

            @vm.provide("fn() -> i32")
            def plant_level():
                return level

            @vm.provide("fn(i32)")
            def plant_set_valve(opening):
                nonlocal valve
                valve = opening

            while vm.end is None:
                ms, level, is_raised = connection.recv()
                if is_raised:
                    vm.raise_line(NEXT_SET_POINT_LINE)
                vm.run_until(ms * MS)
                connection.send((output.lines(), valve, vm.end and vm.end.status))
            if vm.end.report:
                print(vm.end.report, file=sys.stderr)
    except (EOFError, ConnectionError):
        pass
    except paravirt_vm.Error as error:
        print(f"co_simulation: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


class Output:
    """What a guest prints."""

    def __init__(self, file):
        self.file = file
        self.read = 0

    def lines(self):
        """The lines that have become complete since it was asked last."""
        text = os.pread(self.file.fileno(), 1 << 20, self.read)
        complete = text.rfind(b"\n") + 1
        self.read += complete
        return text[:complete].decode(errors="replace").splitlines()


class Child:
    """A process with a guest, which stands."""

    def __init__(self, guest, name, command_line, time):
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.connection, other = context.Pipe()
        self.process = context.Process(target=run_guest, args=(other, guest, command_line, time), daemon=True)
        self.process.start()
        other.close()

    def go_on(self, ms, level, is_raised=False):
        """Lets the guest go on up to that guest time, with that level, and raises its line before if asked to."""
        try:
            self.connection.send((ms, level, is_raised))
        except OSError:
            self.has_gone()

    def turn(self):
        """Waits for the end of its turn, and prints what it said. Its valve, and its status if it has ended."""
        try:
            said, valve, status = self.connection.recv()
        except (EOFError, OSError):
            self.has_gone()
        for line in said:
            print(f"  {self.name}: {line}")
        return valve, status

    def has_gone(self):
        self.process.join()
        sys.exit(f"co_simulation: the process of {self.name} has ended with status {self.process.exitcode}")


def main():
    parser = argparse.ArgumentParser(description="Simulates two tanks together with the guests that control them")
    parser.add_argument("guest", help="the guest `controller`")
    parser.add_argument("--time", default="steps", help="how guest time passes: steps, steps=NS, fast, real, ..")
    options = parser.parse_args()

    children = [Child(options.guest, name, f"{words} {END}", options.time) for name, words in CONTROLLERS]
    plant = Plant()
    print("  time |  inlet level 1 | outlet level 2")
    for ms in range(1, END + 1):
        for child, level in zip(children, plant.levels()):
            child.go_on(ms, level, child is children[0] and ms == NEXT_SET_POINT + 1)
        # Both run at the same time.
        valves = []
        for child in children:
            valve, status = child.turn()
            if status is not None:
                sys.exit(f"co_simulation: {child.name} ended with status {status} in millisecond {ms}")
            valves.append(valve)
        plant.step(*valves)
        if ms % ROW == 0:
            (inlet, outlet), (first, second) = valves, plant.levels()
            print(f"{ms:>6} | {inlet:>6} {first:>7} | {outlet:>6} {second:>7}")
    for child, level in zip(children, plant.levels()):
        child.go_on(END + 1, level)
        _, status = child.turn()
        if status != 0:
            sys.exit(f"co_simulation: {child.name} ended with status {status}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
