# SPDX-License-Identifier: MIT OR Apache-2.0
"""An interpreter that loads a host: program.py LIBRARY TIMERS FAULT. As program.c does, with what Python has of threads and timers."""

import ctypes
import signal
import sys
import threading

library, timers, fault = sys.argv[1:]
run = ctypes.CDLL(library).loaded_host_run
run.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint32]
run.restype = ctypes.c_int

ticks = 0
turns = 0
ended = threading.Event()


def on_tick(number, frame):
    global ticks
    ticks += 1


def work():
    global turns
    while not ended.wait(0.0001):
        turns += 1


def run_all():
    for guest, command_line, milliseconds, status in [
        (timers, b"count", 60000, 0),
        (fault, b"null", 60000, 5),
        (fault, b"hang", 200, 124),
        (fault, b"spin", 200, 124),
    ]:
        found = run(guest.encode(), command_line, milliseconds)
        if found != status:
            wrong.append(f"{guest} {command_line}: {found}")


def handlers():
    # Python knows what it has set itself, the kernel what is set.
    with open("/proc/self/status") as status:
        return [line for line in status if line.startswith(("SigBlk", "SigIgn", "SigCgt"))]


wrong = []
signal.signal(signal.SIGALRM, on_tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
worker = threading.Thread(target=work)
worker.start()
before = handlers()
run_all()
other = threading.Thread(target=run_all)
other.start()
other.join()
run_all()
if handlers() != before:
    wrong.append("handlers are not as they were")
# Python runs handlers between its own instructions only: how many ticks there were while a guest ran, it does not know.
seen, seen_turns = ticks, turns
while ticks < seen + 10 or turns < seen_turns + 10:
    pass
signal.setitimer(signal.ITIMER_REAL, 0)
ended.set()
worker.join()
sys.exit("\n".join(wrong) or 0)
