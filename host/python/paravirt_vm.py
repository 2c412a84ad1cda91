# SPDX-License-Identifier: MIT OR Apache-2.0
"""Guests of the paravirtualization layer in a Python program, by the library libparavirt_vm.

A guest runs up to a guest time, stands, and runs on; its host functions are functions of Python:

    import paravirt_vm

    with paravirt_vm.Vm("guest", time="steps") as vm:

        @vm.provide("fn(u32) -> i32")
        def board_temperature(sensor):
            return 21500

        while vm.run_until(vm.time + 1_000_000):
            vm.raise_line(5)
    print(vm.end.status)

Times are in nanoseconds, sizes in bytes. One guest at a time fits into a process; a program that simulates several
starts a process for each (`subprocess`, or `multiprocessing` with the method "spawn"). Where the interpreter is not
linked position-independent, as Debian's, it lies at 4 MiB, and the guest must end below: give it `memory=1 << 20`.

The library is the file that PARAVIRT_VM_LIBRARY in the environment names, or else libparavirt_vm.so beside this module,
two folders up, where `cargo xtask install` puts it, or where the loader looks.
"""

import collections
import ctypes
import operator
import os
import pathlib

__all__ = ["End", "Error", "NotGuestMemory", "Vm"]

_CONSOLE, _SEED, _SANDBOX, _EXECUTABLE_MEMORY = 1, 2, 4, 8
_REACHED = 0
_ERROR_FUNCTION, _ERROR_ADDRESS = -5, -6
#: Until the guest's end.
_NEVER = 2**64 - 1

_KINDS = {1: "exit", 2: "reset", 3: "fatal", 4: "unbound", 5: "fault", 6: "timeout", 7: "signal"}

#: How a guest ended. `kind`: "exit", "reset", "fatal", "unbound", "fault", "timeout" or "signal"; `code`: exit status,
#: code of a fatal error, or signal; `status`: exit status of `pvhost run`; `repeatable`: whether another run is the
#: same; `report`: what people should know of it, often nothing.
End = collections.namedtuple("End", "kind code status repeatable report")


class Error(Exception):
    """What the library says. `number` is the one of paravirt/vm.h."""

    def __init__(self, number, text):
        super().__init__(text)
        self.number = number


class NotGuestMemory(Error):
    """The guest has no such memory."""


class _Function(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("prototype", ctypes.c_char_p),
        ("callback", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    ]


class _Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("image", ctypes.c_char_p),
        ("command_line", ctypes.c_char_p),
        ("memory", ctypes.c_uint64),
        ("timeout", ctypes.c_uint64),
        ("time", ctypes.c_char_p),
        ("seed", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("input", ctypes.c_int32),
        ("output", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("functions", ctypes.POINTER(_Function)),
        ("function_count", ctypes.c_size_t),
    ]


class _End(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("code", ctypes.c_int32),
        ("status", ctypes.c_int32),
        ("repeatable", ctypes.c_int32),
    ]


_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)

#: Results and arguments of the functions that return no number of an error.
_PLAIN = {
    "error": (ctypes.c_char_p, []),
    "report": (ctypes.c_char_p, [ctypes.c_void_p]),
    "time": (ctypes.c_uint64, [ctypes.c_void_p]),
    "argument": (ctypes.c_uint64, [ctypes.c_void_p, ctypes.c_size_t]),
    "argument_float": (ctypes.c_double, [ctypes.c_void_p, ctypes.c_size_t]),
    "set_result": (None, [ctypes.c_void_p, ctypes.c_uint64]),
    "set_result_float": (None, [ctypes.c_void_p, ctypes.c_double]),
    "stop": (None, [ctypes.c_void_p, ctypes.c_int32]),
    "fail": (None, [ctypes.c_void_p, ctypes.c_char_p]),
}
#: Arguments of those that do.
_NUMBERED = {
    "create": [ctypes.POINTER(_Options), ctypes.POINTER(ctypes.c_void_p)],
    "free": [ctypes.c_void_p],
    "run_until": [ctypes.c_void_p, ctypes.c_uint64],
    "raise": [ctypes.c_void_p, ctypes.c_uint32],
    "end": [ctypes.c_void_p, ctypes.POINTER(_End)],
    "read": [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t],
    "write": [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t],
}


def _load():
    """The library's functions by their names without the prefix."""
    name = "libparavirt_vm.so"
    here = pathlib.Path(__file__).resolve().parent
    named = os.environ.get("PARAVIRT_VM_LIBRARY")
    beside = [folder / name for folder in (here, here.parent.parent)]
    path = named or next((str(file) for file in beside if file.is_file()), name)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load {path}: {error}; `cargo xtask install` installs it; PARAVIRT_VM_LIBRARY names another file"
        ) from None
    functions = {}
    for name, (result, arguments) in _PLAIN.items():
        function = functions[name] = getattr(library, f"paravirt_vm_{name}")
        function.restype, function.argtypes = result, arguments
    for name, arguments in _NUMBERED.items():
        functions[name] = _checked(getattr(library, f"paravirt_vm_{name}"), arguments, functions["error"])
    return functions


def _checked(function, arguments, error):
    function.restype, function.argtypes = ctypes.c_int32, arguments

    def call(*values):
        number = function(*values)
        if number < 0:
            kind = NotGuestMemory if number == _ERROR_ADDRESS else Error
            raise kind(number, error().decode())
        return number

    return call


_library = _load()


def _text(value):
    return os.fsencode(value)


class Vm:
    """A guest, which stands at guest time 0 until `run_until` is called the first time.

    `image` is the path of its ELF file, `arguments` a list of words or the command line. `time` is "real", "fast",
    "fast=20" (by a slower processor), "20" (so many times as fast), "steps" or "steps=NS"; with steps, `seed` makes them
    of different lengths. `input` and `output` are files or file descriptors for the console; without them there is no
    input, and output goes to standard output, past Python's buffer. `timeout` is by the host's clock. With `sandbox` the guest's thread may hardly call
    Linux; so may host functions, which are on it.

    A function's type is given as `pvhost list` prints it: `fn(u32, *const u8, usize) -> i32`. Integers and addresses
    come as `int`, floats as `float`. An exception in a function ends the guest, and `run_until` raises it.
    """

    def __init__(
        self,
        image,
        arguments=(),
        *,
        time="real",
        seed=None,
        memory=0,
        input=None,
        output=1,
        timeout=0,
        sandbox=False,
        executable_memory=False,
    ):
        command_line = arguments if isinstance(arguments, str) else " ".join(str(word) for word in arguments)
        flags = _CONSOLE
        flags |= _SEED if seed is not None else 0
        flags |= _SANDBOX if sandbox else 0
        flags |= _EXECUTABLE_MEMORY if executable_memory else 0
        self._options = _Options(
            size=ctypes.sizeof(_Options),
            image=_text(image),
            command_line=command_line.encode(),
            memory=memory,
            timeout=timeout,
            time=str(time).encode(),
            seed=seed or 0,
            flags=flags,
            input=_descriptor(input),
            output=_descriptor(output),
        )
        # They are duplicated when the guest is made, and are not closed before.
        self._files = (input, output)
        self._provided = []
        self._vm = None
        self._call = None
        self._raised = None
        self._stopped = False
        self._end = None
        self._closed = False

    def provide(self, prototype, function=None, *, name=None):
        """Provides a host function before the guest first runs: as a decorator, or called with the function. Its name
        is the function's unless given. Returns the function."""
        if function is None:
            return lambda function: self.provide(prototype, function, name=name)
        if self._vm is not None or self._closed:
            raise ValueError("functions are provided before the guest runs")
        name = name or function.__name__
        self._provided.append((name, prototype, _Callback(self._callback(prototype, function))))
        return function

    def _callback(self, prototype, function):
        arguments, result = _types(prototype)
        takers = [_taker(index, ty) for index, ty in enumerate(arguments)]

        def callback(_context, call):
            before, self._call = self._call, call
            try:
                value = function(*[take(call) for take in takers])
                if result in ("()", "!") or self._stopped:
                    pass
                elif result in ("f32", "f64"):
                    _library["set_result_float"](call, value)
                else:
                    _library["set_result"](call, operator.index(value) & _NEVER)
            except BaseException as error:
                # Nothing may pass the library; it is raised again where the guest was let run.
                self._raised = self._raised or error
                _library["fail"](call, repr(error).encode())
            finally:
                self._call = before

        return callback

    def _make(self):
        if self._closed:
            raise ValueError("the guest is closed")
        if self._vm is None:
            functions = (_Function * len(self._provided))()
            for entry, (name, prototype, callback) in zip(functions, self._provided):
                entry.name, entry.prototype = name.encode(), prototype.encode()
                entry.callback = ctypes.cast(callback, ctypes.c_void_p)
            self._options.functions = functions
            self._options.function_count = len(self._provided)
            vm = ctypes.c_void_p()
            _library["create"](ctypes.byref(self._options), ctypes.byref(vm))
            self._vm, self._files = vm, None
        return self._vm

    def run_until(self, time=None):
        """Runs the guest up to that guest time, or to its end if that comes before; without a time to its end. Returns
        whether it has not ended. Python handles signals, as Ctrl-C, when this returns."""
        time = _NEVER if time is None else operator.index(time)
        if not 0 <= time <= _NEVER:
            raise ValueError(f"guest time is 0 to 2**64 - 1, in nanoseconds, not {time}")
        vm = self._make()
        try:
            reached = _library["run_until"](vm, time) == _REACHED
        except Error as error:
            self._note_end()
            raised, self._raised = self._raised, None
            if error.number == _ERROR_FUNCTION and raised is not None:
                raise raised from None
            raise
        if not reached:
            self._note_end()
        return reached

    def _note_end(self):
        if self._end is not None:
            return
        end = _End()
        try:
            _library["end"](self._vm, ctypes.byref(end))
        except Error:
            return
        report = _library["report"](self._vm).decode()
        self._end = End(_KINDS[end.kind], end.code, end.status, bool(end.repeatable), report)

    @property
    def time(self):
        """Guest time at which the guest stands, or has ended."""
        return _library["time"](self._vm) if self._vm is not None else 0

    @property
    def end(self):
        """How it ended, an `End`; `None` if it has not."""
        return self._end

    def raise_line(self, line):
        """Raises a line of the guest, 0 to 31, from any thread, but not beside `close`. While the guest stands, that is
        latched."""
        _library["raise"](self._make(), line)

    def read(self, address, size):
        """In a host function: bytes of the guest's memory. `NotGuestMemory` if it may not read them."""
        buffer = ctypes.create_string_buffer(size)
        _library["read"](self._in_call(), address, buffer, size)
        return buffer.raw

    def write(self, address, data):
        """In a host function: writes to the guest's memory. `NotGuestMemory` if the guest may not write there."""
        _library["write"](self._in_call(), address, bytes(data), len(data))

    def stop(self, status=0):
        """In a host function: ends the guest with that exit status when the function returns."""
        _library["stop"](self._in_call(), status)
        self._stopped = True

    def _in_call(self):
        if self._call is None:
            raise ValueError("no host function of the guest is running")
        return self._call

    def close(self):
        """Ends the guest, if it has not ended, and frees it. `end` stays."""
        if self._vm is not None:
            _library["free"](self._vm)
        self._vm, self._files, self._closed = None, None, True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        # Not made, if `__init__` has failed.
        if getattr(self, "_vm", None) is not None:
            self.close()


def _descriptor(file):
    if file is None:
        return -1
    return file if isinstance(file, int) else file.fileno()


def _types(prototype):
    """The types of the arguments and of the result, as words. The library checks them."""
    arguments, arrow, result = prototype.partition("->")
    arguments = arguments.partition("(")[2].rpartition(")")[0]
    words = [word.rpartition(":")[2].strip() for word in arguments.split(",")]
    return [word for word in words if word], result.strip() if arrow else "()"


def _taker(index, ty):
    if ty in ("f32", "f64"):
        return lambda call: _library["argument_float"](call, index)
    if ty.startswith("i"):
        return lambda call: ctypes.c_int64(_library["argument"](call, index)).value
    return lambda call: _library["argument"](call, index)
