/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief For programs on Linux that run guests in themselves: the library libparavirt_vm.
 *
 * A guest for x86-64 or i386 runs in the program's own process (x86-64), up to a guest time that the program says. Then
 * it stands, and so does its time, until it is let go on. Its host functions are the program's callbacks.
 *
 *     struct paravirt_vm_options options = {.size = sizeof options, .image = "guest", .time = "steps"};
 *     struct paravirt_vm *vm;
 *     if (paravirt_vm_create(&options, &vm) < 0)
 *       die(paravirt_vm_error());
 *     for (uint64_t ms = 1; paravirt_vm_run_until(vm, ms * 1000000) == PARAVIRT_VM_REACHED; ++ms)
 *       paravirt_vm_raise(vm, 5);
 *     paravirt_vm_free(vm);
 *
 * Guests are linked at fixed addresses from 1 MiB on, so a process has room for one at a time; a program that simulates
 * several starts a process for each. A program that is linked where the guest goes is refused: link it
 * position-independent (the default), or give the guest little memory.
 *
 * **Units.** Sizes are in bytes, times in nanoseconds. Texts are UTF-8 and end with a NUL.
 *
 * **Results.** Functions that return int32_t return 0 or above, or a negative number PARAVIRT_VM_ERROR_*; then
 * paravirt_vm_error() says in words what is wrong and what helps. NULL in place of a structure is such an error. A
 * pointer to what was freed, or was never made, is not found out.
 *
 * **Threads.** A guest has a thread of its own, on which its callbacks are called while the caller waits in
 * paravirt_vm_run_until(): so what callbacks share with the caller needs no lock. Each function may be called on any
 * thread; paravirt_vm_run_until() and paravirt_vm_free() on one at a time, and not in a callback. While a guest exists,
 * that is from paravirt_vm_create() to its end or paravirt_vm_free(), two real-time signals that nobody handles and
 * SIGSTKFLT are the library's, and the signals by which the processor reports faults; handlers that the program has are
 * called as ever. Only where the console's input is a terminal, as standard input may be, SIGINT, SIGTERM, SIGHUP,
 * SIGQUIT and SIGTSTP are the library's as well while the guest runs: they end it, and the program's handlers are not
 * called. A process that was made by fork() while a guest existed does not have it.
 *
 * **Trust.** The guest shares the process's memory. PARAVIRT_VM_SANDBOX keeps its thread from calling Linux, see there.
 */
#ifndef PARAVIRT_VM_H
#define PARAVIRT_VM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Errors. */
#define PARAVIRT_VM_ERROR_ARGUMENT (-1) /**< an argument is out of its range, or a structure has another size */
#define PARAVIRT_VM_ERROR_IMAGE (-2)    /**< the file is no guest, or its functions have other prototypes */
#define PARAVIRT_VM_ERROR_SYSTEM (-3)   /**< Linux refuses what a guest needs */
#define PARAVIRT_VM_ERROR_STATE (-4)    /**< not now: the guest runs, has ended, or was to go further */
#define PARAVIRT_VM_ERROR_FUNCTION (-5) /**< a callback has made a mistake, or called paravirt_vm_fail() */
#define PARAVIRT_VM_ERROR_ADDRESS (-6)  /**< the guest has no such memory */
#define PARAVIRT_VM_ERROR_INTERNAL (-7) /**< a mistake of the library's own */

/** Why the last function that failed on this thread did; valid until the next that fails on it. Never NULL. */
const char *paravirt_vm_error(void);

/* ---- Host functions ---- */

/** A call of a host function: valid until the callback returns. */
struct paravirt_vm_call;

/**
 * A host function. It is called on the guest's thread, and returns: no longjmp() and no C++ exception passes the
 * library. What it does wrong ends the guest, and paravirt_vm_run_until() returns PARAVIRT_VM_ERROR_FUNCTION: another
 * kind of argument or result than the prototype's, or no result where that has one.
 */
typedef void (*paravirt_vm_callback)(void *context, struct paravirt_vm_call *call);

/** A function that the program provides. One of the interface's own, as `pv_console_write`, is replaced. */
struct paravirt_vm_function {
  const char *name; /**< as the guest declares it */
  /** Its prototype as `pvhost list` prints it: `fn(u32, *const u8, usize) -> i32`. It must be the guest's; else there
   *  is no guest, and the error names both. */
  const char *prototype;
  paravirt_vm_callback callback;
  void *context; /**< first argument of the callback */
};

/**
 * The argument of that index, from 0: an integer, or the address that a pointer holds. One with a sign comes with its
 * sign in all 64 bits, so it may be converted to int64_t or to its own type.
 */
uint64_t paravirt_vm_argument(struct paravirt_vm_call *call, size_t index);

/** The argument of that index, from 0, if it is an `f32` or `f64`. */
double paravirt_vm_argument_float(struct paravirt_vm_call *call, size_t index);

/** Sets the result, an integer or an address; of one narrower than 64 bits the lower bits count. */
void paravirt_vm_set_result(struct paravirt_vm_call *call, uint64_t result);

/** Sets the result, if it is an `f32` or `f64`. */
void paravirt_vm_set_result_float(struct paravirt_vm_call *call, double result);

/** Copies `size` bytes of the guest's memory to `buffer`. PARAVIRT_VM_ERROR_ADDRESS if the guest may not read them all;
 *  that does not end the guest, which may be told by the result. */
int32_t paravirt_vm_read(struct paravirt_vm_call *call, uint64_t address, void *buffer, size_t size);

/** Copies `size` bytes to the guest's memory; the same for what the guest may write. */
int32_t paravirt_vm_write(struct paravirt_vm_call *call, uint64_t address, const void *bytes, size_t size);

/** Ends the guest with that exit status when the callback returns, as if it had ended itself. A function whose result
 *  is `!` calls this. */
void paravirt_vm_stop(struct paravirt_vm_call *call, int32_t status);

/** Ends the guest when the callback returns: paravirt_vm_run_until() returns PARAVIRT_VM_ERROR_FUNCTION, with this text
 *  and the function's name as the reason. The first reason counts. */
void paravirt_vm_fail(struct paravirt_vm_call *call, const char *text);

/* ---- Guests ---- */

/** A guest. */
struct paravirt_vm;

/* Flags. */
#define PARAVIRT_VM_CONSOLE (1u << 0) /**< the console is `input` and `output`; else standard input and output */
#define PARAVIRT_VM_SEED (1u << 1)    /**< steps of guest time have different lengths, by `seed` */
/** A seccomp filter keeps the guest's thread from calling Linux, but for what console, timers, signals and memory need.
 *  Callbacks are on that thread, so they are confined as well: what they may not call fails with ENOSYS or ends the
 *  guest as a fault. No privilege is needed. Where Linux refuses the filter, paravirt_vm_run_until() returns
 *  PARAVIRT_VM_ERROR_SYSTEM. Without this flag a weaker guard is in force, for guests that were built for Linux by
 *  mistake. */
#define PARAVIRT_VM_SANDBOX (1u << 2)
#define PARAVIRT_VM_EXECUTABLE_MEMORY (1u << 3) /**< the guest may execute its memory beside the image */

/** What a guest is to be given. Set it to zero first: a member that is 0 or NULL stands for its default. */
struct paravirt_vm_options {
  size_t size;              /**< sizeof(struct paravirt_vm_options) */
  const char *image;        /**< path of the guest's ELF file; there is no default */
  const char *command_line; /**< arguments, separated by single spaces */
  uint64_t memory;          /**< beside the image; 16 MiB by default */
  uint64_t timeout;         /**< after so long, by the host's clock, the guest is ended; 0: never */
  /**
   * How guest time passes:
   * - `real` (the default): as the host's clock does, but while the guest stands;
   * - `20`: so many times as fast, from 0.001 to 1000;
   * - `fast`: as fast as the guest can go, by the processor time that it takes; while it idles, at once to its next
   *   timer; `fast=N`: as on a processor that is N times slower, from 1 to 1000;
   * - `steps`, `steps=NS`: by a step of 1000 ns, or so many, at each call of the host; while it idles, at once to its
   *   next timer. Each run is the same, if callbacks and input are the same.
   */
  const char *time;
  uint64_t seed;    /**< with PARAVIRT_VM_SEED and time in steps: from 1 ns to twice the step, the same for the same */
  uint32_t flags;   /**< PARAVIRT_VM_* */
  int32_t input;    /**< with PARAVIRT_VM_CONSOLE: a file descriptor, -1 for none; the library makes a copy */
  int32_t output;   /**< with PARAVIRT_VM_CONSOLE: the same; with -1 the output is thrown away */
  int32_t reserved; /**< 0 */
  const struct paravirt_vm_function *functions; /**< the array is copied */
  size_t function_count;
};

/**
 * Makes a guest, which stands at guest time 0. PARAVIRT_VM_ERROR_IMAGE if the file is no guest for this host or
 * declares a function with another prototype; PARAVIRT_VM_ERROR_STATE if there is another guest in this process. A
 * function that the guest declares and nobody provides is no error: the guest's call of it ends the guest, which names
 * it on its console.
 */
int32_t paravirt_vm_create(const struct paravirt_vm_options *options, struct paravirt_vm **vm);

/** Ends the guest, if it has not ended, and frees it; NULL is nothing to do. PARAVIRT_VM_ERROR_STATE while it runs. */
int32_t paravirt_vm_free(struct paravirt_vm *vm);

#define PARAVIRT_VM_REACHED 0 /**< it stands at that time */
#define PARAVIRT_VM_ENDED 1   /**< it has ended */

/**
 * Runs the guest up to that guest time, or to its end if that comes before; with UINT64_MAX to its end. Returns
 * PARAVIRT_VM_REACHED or PARAVIRT_VM_ENDED. Where time cannot be stopped exactly, the guest stands a little later: in
 * steps by one step at most, else by what the host function takes that runs then; a time that has passed so does not
 * run it at all. PARAVIRT_VM_ERROR_STATE if the time is before the last one, or the guest has ended before.
 */
int32_t paravirt_vm_run_until(struct paravirt_vm *vm, uint64_t time);

/** Guest time at which the guest stands or, while it runs, stood last; at its end, if it has ended. 0 for NULL. */
uint64_t paravirt_vm_time(const struct paravirt_vm *vm);

/**
 * Raises a line of the guest, 0 to 31. While that is masked or not attached, and while the guest stands, it is latched.
 * Where time goes in steps, runs are the same only if lines are raised while the guest stands, or in a callback.
 */
int32_t paravirt_vm_raise(struct paravirt_vm *vm, uint32_t line);

/* How a guest ended. */
#define PARAVIRT_VM_END_EXIT 1u    /**< it is done; the code is its exit status */
#define PARAVIRT_VM_END_RESET 2u   /**< it asked for a reset */
#define PARAVIRT_VM_END_FATAL 3u   /**< it could not go on; the code is its own */
#define PARAVIRT_VM_END_UNBOUND 4u /**< it called a function that nobody provides */
#define PARAVIRT_VM_END_FAULT 5u   /**< it did what it may not; paravirt_vm_report() says what */
#define PARAVIRT_VM_END_TIMEOUT 6u /**< it ran longer than `timeout` */
#define PARAVIRT_VM_END_SIGNAL 7u  /**< the process was asked to end; the code is the signal */

/** A guest's end. */
struct paravirt_vm_end {
  uint32_t kind;      /**< PARAVIRT_VM_END_* */
  int32_t code;       /**< for PARAVIRT_VM_END_EXIT, PARAVIRT_VM_END_FATAL and PARAVIRT_VM_END_SIGNAL, else 0 */
  int32_t status;     /**< exit status of `pvhost run`: 0 to 255 */
  int32_t repeatable; /**< 1 if another run is the same, with the same callbacks and input */
};

/** How the guest ended. PARAVIRT_VM_ERROR_STATE if it has not. */
int32_t paravirt_vm_end(const struct paravirt_vm *vm, struct paravirt_vm_end *end);

/** What people should know of the end, one or more lines: of a fault address, function and instruction; why output was
 *  lost. Empty if there is nothing to say. Valid until the guest is freed. */
const char *paravirt_vm_report(const struct paravirt_vm *vm);

#ifdef __cplusplus
}
#endif

#endif
