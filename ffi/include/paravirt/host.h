/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief For authors of hosts in C: the library libparavirt_host.a.
 *
 * It scans, checks, loads, binds and runs a guest for i386 or x86-64 without an operating system below it. What it
 * needs (memory, a console, a clock, an alarm) it asks of the host by callbacks. The host is a program of the guest's
 * width in the same flat address space, in user mode: a guest for i386 needs a host for i386. Link the host where the
 * guest is not, and on i386 without PIE.
 *
 *     pvh_initialize(&environment);
 *     pvh_image_parse("guest", bytes, size, &image);
 *     pvh_image_check(image, functions, count, 0);   // what is missing or does not fit, by name
 *     pvh_guest_create(image, &request, &guest);     // maps, loads, binds
 *     pvh_guest_enter(guest, &end);                  // runs it to its end
 *
 * **Trust.** What an image's file says is checked, and so are pointers that a guest passes. But nothing keeps a running
 * guest from the host's memory, or from calling the host with other segments in `ds`, `es` and the host's thread
 * pointer than it was entered with: such a guest can end the host. Faults of a guest are reported whatever its segments
 * are.
 *
 * **Units.** Sizes are in bytes, times in nanoseconds, addresses are 64 bits wide in structures. Texts are UTF-8.
 *
 * **Results.** Functions that return int32_t return 0 or above, or a negative number PVH_ERROR_* after a message that
 * names the culprit and the fix (`message` of struct pvh_environment). Handlers get no messages, see there.
 *
 * **Threads.** Everything that concerns an image or a guest is called from one thread at a time; pvh_guest_enter()
 * makes it the vCPU's thread. While the guest runs, pvh_guest_latch() and pvh_guest_stop() may be called from any
 * thread and at any instruction; the functions of section "Events" on the vCPU's thread, at any instruction, from a
 * handler (of a signal, of a vCPU event), but not nested in each other. One guest runs at a time in a program.
 *
 * **Who runs** is told by the instruction pointer. Guest code is the image's and the stubs and tails that the library
 * puts into the guest's memory; host code is everything else. What comes in host code is latched, and the guest's tail
 * delivers it: so a handler may come at any instruction and no event is lost.
 *
 * examples/c-host is a host for Linux: c-host.c is all of it but the functions of its own.
 */
#ifndef PARAVIRT_HOST_H
#define PARAVIRT_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "detail/signature.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Errors. */
#define PVH_ERROR_ARGUMENT (-1)  /**< an argument is out of its range, or a structure has another size */
#define PVH_ERROR_IMAGE (-2)     /**< the file is no guest, or none that this host can load */
#define PVH_ERROR_FIT (-3)       /**< functions are missing or have another prototype */
#define PVH_ERROR_MEMORY (-4)    /**< the host did not map what the guest needs */
#define PVH_ERROR_BUSY (-5)      /**< a guest runs already, or this one has run */
#define PVH_ERROR_NOT_GUEST (-6) /**< the fault is the host's own */

/* ---- The library's environment ---- */

/**
 * What the library stands on. All members are needed. The functions are called on the thread that called the library;
 * while a guest runs, also from its host functions, but not from a handler.
 */
struct pvh_environment {
  size_t size;   /**< sizeof(struct pvh_environment) */
  void *context; /**< first argument of the functions */
  /** Memory of `size` bytes, at least 1, aligned to `alignment`, a power of two. NULL if there is none: then the
   * library says so
   *  and calls `abort`. */
  void *(*allocate)(void *context, size_t size, size_t alignment);
  /** Takes such memory back; size and alignment are those it was allocated with. */
  void (*release)(void *context, void *memory, size_t size, size_t alignment);
  /** A message for people: one or more lines, without a line feed at the end and without a NUL. */
  void (*message)(void *context, const char *text, size_t length);
  /** Ends the program; must not return. Called when memory is exhausted, or the library has found a mistake of its own.
   * */
  void (*abort)(void *context);
};

/** Sets the environment, which is copied. The first call of all; what was allocated before another call cannot be
 * released.
 *  PVH_ERROR_ARGUMENT, without a message, if a member is missing or the structure has another size. */
int32_t pvh_initialize(const struct pvh_environment *environment);

/* ---- Images ---- */

/** A guest's ELF file, parsed and checked. */
struct pvh_image;

/**
 * Parses the `size` bytes of a guest's file, which are copied. `name`, NUL-terminated, is for messages. An image that
 * any host could use is accepted; whether this one can, pvh_image_check() says.
 */
int32_t pvh_image_parse(const char *name, const void *bytes, size_t size, struct pvh_image **image);

/** Releases an image. Guests that were made of it are released before. */
void pvh_image_release(struct pvh_image *image);

/* Flags of an image. */
#define PVH_IMAGE_NOTE (1u << 0)              /**< it has an identity note; L4RTEMS images have none */
#define PVH_IMAGE_NO_RED_ZONE (1u << 1)       /**< no code keeps data below its stack pointer */
#define PVH_IMAGE_EXECUTABLE_MEMORY (1u << 2) /**< it asks to execute its memory beside the image, and may */

/** What an image is. */
struct pvh_image_info {
  uint64_t entry;     /**< entry point */
  uint64_t vcpu_page; /**< address of its struct pv_vcpu_page, 0 without identity note */
  uint32_t machine;   /**< ELF machine number: 3 i386, 62 x86-64, others are not for this library */
  uint32_t flags;     /**< PVH_IMAGE_* */
  uint32_t segments;  /**< number of loadable segments, at least 1 */
  uint32_t externals; /**< number of external functions */
};

/** Tells what an image is. */
int32_t pvh_image_info(const struct pvh_image *image, struct pvh_image_info *info);

/* Rights. */
#define PVH_READ (1u << 0)
#define PVH_WRITE (1u << 1)
#define PVH_EXECUTE (1u << 2)

/** A loadable segment; they are sorted by address and do not overlap. */
struct pvh_segment {
  uint64_t address;   /**< first address in the guest */
  uint64_t size;      /**< size in memory; what the file does not give is zero */
  uint64_t file_size; /**< number of bytes that the file gives */
  const void *bytes;  /**< these; valid as long as the image */
  uint32_t access;    /**< PVH_READ, PVH_WRITE, PVH_EXECUTE */
};

/** The segment of that index, from 0. */
int32_t pvh_image_segment(const struct pvh_image *image, uint32_t index, struct pvh_segment *segment);

/** An external function. */
struct pvh_external {
  const char *name;   /**< NUL-terminated; valid as long as the image */
  uint64_t slot;      /**< address of its slot in the guest */
  uint64_t signature; /**< prototype word, 0 if the image does not say it */
};

/** The external function of that index, from 0, in the order of the slots. */
int32_t pvh_image_external(const struct pvh_image *image, uint32_t index, struct pvh_external *external);

/**
 * Writes the name of the function that holds `address`, with the offset in it, as `main+0x12`: NUL-terminated, cut if
 * `size` bytes are too few, but not within a character. Returns the length without the NUL of what was not cut; 0 if
 * the image's symbols do not tell.
 */
size_t pvh_image_symbol(const struct pvh_image *image, uint64_t address, char *text, size_t size);

/* ---- Host functions ---- */

/**
 * A function that the host provides: an ordinary C function with the prototype that the guest declares. It runs on the
 * host's stack, the one on which pvh_guest_enter() was called, and with the control words that are told there. Pointers
 * of the guest are pointers of the host; ask pvh_guest_readable() and pvh_guest_writable() before using one. It returns
 * (no longjmp past the library) and does not block.
 *
 * An L4RTEMS name (l4rtems_outch() and its kin) needs PVH_COMPAT_L4RTEMS, and has the prototype that the ABI's document
 * says. The function is an ordinary C function, too: on i386, where guests pass its arguments in registers, the library
 * puts them where C has them.
 *
 * The library's own functions, pv_ names and L4RTEMS names, are symbols of the program. A function of the host's own in
 * the place of one has another symbol, and an entry that is written out:
 *
 *     static int32_t own_inch(void) { ... }
 *     static const struct pvh_function functions[] = {{"l4rtems_inch", 0, (void (*)(void))own_inch}};
 */
struct pvh_function {
  const char *name; /**< NUL-terminated */
  /** Prototype word. 0: not compared with the guest's; if the guest does not declare it either, as in L4RTEMS, it is
   *  that of the ABI, which knows the names of the interface and those of L4RTEMS only. */
  uint64_t signature;
  void (*function)(void); /**< the function, cast */
};

/**
 * An element of a table of functions, for the list that `pvhost header GUEST --format c` generates from a guest:
 *
 *     static const struct pvh_function functions[] = {PARAVIRT_HOST_FUNCTIONS(PVH_FUNCTION)};
 *
 * The interface functions that it names (pv_console_write() and its kin, except the ports) are functions of the
 * library, and so are those of L4RTEMS; the others are the host's to write. So a function that is missing does not
 * link.
 */
#define PVH_FUNCTION(name, signature) {#name, signature, (void (*)(void))name},

/**
 * An element for a function whose prototype is written by hand, as for L4_EXTERNAL_FUNC(): result type, name, argument
 * types.
 *
 *     PVH_TYPED_FUNCTION(int32_t, board_temperature, uint32_t)
 */
#define PVH_TYPED_FUNCTION(result, ...) \
  PVH_TYPED_FUNCTION_(PVH_FIRST_(__VA_ARGS__, 0), L4_SIGNATURE_(L4_CODE_(result), __VA_ARGS__) | \
                                                      L4_CHECKED_(L4_CHECK_RESULT_(result) L4_CHECK_(__VA_ARGS__)))
#define PVH_TYPED_FUNCTION_(name, signature) PVH_FUNCTION(name, signature)
#define PVH_FIRST_(name, ...) name

/* Flags of a request. */
/** Each function is bound on its first call, through a resolver, instead of all before the start. */
#define PVH_LAZY (1u << 0)
/**
 * L4RTEMS images are accepted, for i386, which have neither identity note nor prototypes, and the library has the
 * L4RTEMS functions. Such an image is entered as it was then, see the ABI's document. It gets console and time, no
 * interrupts: it has no vCPU page, and l4rtems_requestIrq() refuses. Ports (l4rtems_inport(), l4rtems_outport()) are
 * provided by the table only. What it asks L4 for by system calls of its own is not served.
 *
 * An image with an identity note, for either architecture, may call these functions as well. It is entered as ever, and
 * gets interrupts.
 */
#define PVH_COMPAT_L4RTEMS (1u << 1)
#define PVH_COMPAT_2013 PVH_COMPAT_L4RTEMS /**< its name before */

/** The guest may execute its memory beside the image, as an image may ask for itself (PVH_IMAGE_EXECUTABLE_MEMORY). If
 * neither does, it
 *  may read and write it only: `protect` of struct pvh_platform decides with what effect. */
#define PVH_EXECUTABLE_MEMORY (1u << 2)

/**
 * Compares what the image asks for with a table of `count` functions and the interface functions, which need not be in
 * the table and are replaced by functions of the same name; ports (pv_port_in(), pv_port_out()) are provided by the
 * table only. Says by name what is missing or has another prototype, and whether the image can be loaded by this host
 * at all (machine, identity note). `flags` are those of the request for which it is asked. Returns 0, PVH_ERROR_IMAGE,
 * PVH_ERROR_FIT or PVH_ERROR_ARGUMENT.
 */
int32_t pvh_image_check(const struct pvh_image *image, const struct pvh_function *functions, size_t count,
                        uint32_t flags);

/* ---- The platform ---- */

#define PVH_NEVER UINT64_MAX /**< a deadline that does not come */

/**
 * What a guest stands on. Members that say so may be NULL. All are called on the vCPU's thread (map, protect and unmap
 * on that of pvh_guest_create() and pvh_guest_release()). Between enter_host and leave_host means: on the host's stack,
 * and no event handler of the host need come.
 */
struct pvh_platform {
  size_t size;   /**< sizeof(struct pvh_platform) */
  void *context; /**< first argument of the functions */

  /**
   * Maps `size` bytes of zeroed memory at `start`, both multiples of 4096, for the host to read and write. Returns 0,
   * or a negative number if that cannot be, also if something is there already. Pages should be there at once and not
   * on their first use, if a page fault may hold up events.
   */
  int32_t (*map)(void *context, uint64_t start, uint64_t size);
  /** Sets the rights (PVH_READ, PVH_WRITE, PVH_EXECUTE) of memory that was mapped with that start and size. Returns 0
   * or a
   *  negative number. */
  int32_t (*protect)(void *context, uint64_t start, uint64_t size, uint32_t access);
  /** Takes memory back that was mapped with that start and size. May be NULL: it stays. */
  void (*unmap)(void *context, uint64_t start, uint64_t size);

  /** Monotonic time in ns since any moment; at any instruction. */
  uint64_t (*now)(void *context);
  /** Unix time in ns; between enter_host and leave_host, and in pvh_guest_create(). */
  uint64_t (*wall)(void *context);
  /**
   * Sets the one alarm to that time of `now`, in place of what it was set to before: then, or as soon after as can be,
   * the host calls pvh_guest_alarm() and pvh_guest_deliver() on the vCPU's thread. A time that has passed means at
   * once; PVH_NEVER means no more. An alarm too many does no harm. Called between enter_host and leave_host, and by
   * pvh_guest_alarm().
   */
  void (*set_alarm)(void *context, uint64_t deadline);
  /**
   * Sleeps until something has been latched or the alarm has come, or the guest is to be stopped. What came before the
   * call but after the last return of `wait` must end it at once; to return for no reason is allowed. Events that come
   * while it sleeps are latched (pvh_guest_latch(), pvh_guest_alarm()) by it or by a handler. Between enter_host and
   * leave_host.
   */
  void (*wait)(void *context);

  /** Writes to the console: number of bytes taken, or PV_ERROR_*. `size` is at least 1. Between enter_host and
   * leave_host. */
  intptr_t (*console_write)(void *context, const void *bytes, size_t size);
  /**
   * Reads up to `size` bytes of input without waiting: their number, 0 if there are none now, PV_ERROR_END_OF_INPUT
   * after the last, or another PV_ERROR_*. Sets `*more` to 1 if more input is there already, and leaves it 0 otherwise.
   * When input comes or ends, the host latches PV_LINE_CONSOLE. NULL: there is no input, its end is reached. Between
   * enter_host and leave_host.
   */
  intptr_t (*console_read)(void *context, void *buffer, size_t size, int32_t *more);
  /** Sets the base of the guest's thread-local storage (fs on x86-64, gs on i386), from leave_host on: 0 or PV_ERROR_*.
   * NULL: not
   *  offered. Between enter_host and leave_host. */
  int32_t (*set_tls)(void *context, uint64_t base);

  /**
   * From guest to host: called before every host function, and when the guest has been left. Keeps events from nesting
   * if need be, loads the host's thread pointer. Runs on the host's stack but with the guest's thread pointer and with
   * events still on: compile it without a stack protector, and use no thread-local storage in it. May be NULL.
   */
  void (*enter_host)(void *context);
  /** From host to guest: called before the guest is entered, and after every host function; the reverse of enter_host.
   * May be NULL.
   *  An event that comes from it on, or in it, is latched or delivered as in any other code. */
  void (*leave_host)(void *context);
};

/* ---- Guests ---- */

/** A guest with its vCPU. */
struct pvh_guest;

/** What a guest is to be given. */
struct pvh_request {
  size_t size;                          /**< sizeof(struct pvh_request) */
  const struct pvh_platform *platform;  /**< copied */
  const struct pvh_function *functions; /**< as for pvh_image_check(); copied; NULL if `function_count` is 0 */
  size_t function_count;                /**< their number */
  const char *command_line;             /**< arguments separated by single spaces, at most 65536 bytes; NULL: none */
  uint64_t memory;                      /**< memory beside the image, rounded up to pages; may be 0 */
  uint32_t flags;                       /**< PVH_LAZY, PVH_COMPAT_L4RTEMS, PVH_EXECUTABLE_MEMORY */
};

/**
 * Makes a guest: maps its memory (the image at its own addresses; above it, with gaps, the start info, the library's
 * stubs, and the memory asked for), loads the image, binds its slots. A function with another prototype is an error.
 * One that nobody provides ends the guest when it is called, so call pvh_image_check() before: with PVH_LAZY as
 * PVH_END_UNBOUND; without, its slot stays as it is, so the guest's own resolver names it on the console and ends as
 * PVH_END_FATAL; that of an L4RTEMS image leads to the library, as with PVH_LAZY. The image must outlive the guest.
 */
int32_t pvh_guest_create(const struct pvh_image *image, const struct pvh_request *request, struct pvh_guest **guest);

/** Unmaps and releases a guest. One that runs is left alone, with a message. */
void pvh_guest_release(struct pvh_guest *guest);

/* How a guest ended. */
#define PVH_END_EXIT 1u    /**< it is done; the code is its exit status */
#define PVH_END_RESET 2u   /**< it asked for a reset */
#define PVH_END_FATAL 3u   /**< it could not go on; the code is its own */
#define PVH_END_UNBOUND 4u /**< bound lazily, it called a function that nobody provides; reported */
#define PVH_END_FAULT 5u   /**< it did what it may not; reported */
#define PVH_END_STOPPED 6u /**< pvh_guest_stop(); the code is the one given there */

/** A guest's end. */
struct pvh_end {
  uint32_t kind; /**< PVH_END_* */
  int32_t code;  /**< for PVH_END_EXIT, PVH_END_FATAL and PVH_END_STOPPED, else 0 */
};

/**
 * Runs the guest on this thread to its end, once. Until the guest has a stack of its own, the stack pointer is the
 * host's. The stack of this call is that of the host functions; 64 KiB are plenty for the library's. A report of a
 * fault has been given as a message on return.
 *
 * The guest starts with the control words of the C ABI, x87 0x37f and MXCSR 0x1f80, and on return the host has its own
 * again. Host functions run with the default of the unit that the ABI computes with, whatever the guest has set: on
 * x86-64 MXCSR, on i386 the x87 unit. The other stays as the guest has set it: a host whose code uses it (long double
 * on x86-64, SSE on i386) exchanges it in enter_host and leave_host. On i386, where a processor may have no SSE, the
 * library leaves MXCSR alone: call this with its default.
 */
int32_t pvh_guest_enter(struct pvh_guest *guest, struct pvh_end *end);

/** The exit status for that end: the guest's own modulo 256, 3 fatal or unbound, 4 reset, 5 fault, as of `pvhost run`;
 * 1 stopped. */
int32_t pvh_end_status(const struct pvh_end *end);

/** The guest that runs, NULL if none; for host functions. */
struct pvh_guest *pvh_guest_current(void);

/** Whether the guest may read `size` bytes from `address` on: 1 or 0. */
int32_t pvh_guest_readable(const struct pvh_guest *guest, const void *address, size_t size);

/** Whether the guest may write `size` bytes from `address` on: 1 or 0. */
int32_t pvh_guest_writable(const struct pvh_guest *guest, const void *address, size_t size);

/* ---- From any thread, at any instruction ---- */

/**
 * Latches a line, 0 to PV_LINES - 1, as raised. Returns 1 if the vCPU's thread has to be interrupted, so that it calls
 * pvh_guest_deliver(), or woken from `wait`; 0 if that is under way already; PVH_ERROR_ARGUMENT if there is no such
 * line, without a message.
 */
int32_t pvh_guest_latch(struct pvh_guest *guest, uint32_t line);

/**
 * Asks for the guest's end with PVH_END_STOPPED and that code; the first reason of all counts. It takes effect when a
 * host function returns, or at the next pvh_guest_deliver() in guest code: interrupt or wake the vCPU's thread.
 */
void pvh_guest_stop(struct pvh_guest *guest, int32_t code);

/* ---- Events: on the vCPU's thread, from a handler or from `wait` ---- */

/* The library uses the floating-point and SSE registers: a handler saves those of the interrupted code before, if the
 * system has not. Flags of the interrupted code that C code does not expect, direction and alignment check (1 << 10, 1
 * << 18), are off in a handler: it clears them, if the system has not. */

/** The alarm has come: counts what has expired, latches the timer line, sets the alarm anew. In host code it is done
 * when the host
 *  function ends. */
void pvh_guest_alarm(struct pvh_guest *guest);

/** Where the vCPU's thread was interrupted. Changes are to take effect when the handler returns. */
struct pvh_context {
  uint64_t ip;    /**< eip or rip */
  uint64_t sp;    /**< esp or rsp, of the interrupted code: without what the host may have pushed */
  uint64_t flags; /**< eflags or rflags */
  uint64_t cs;    /**< code selector */
  uint64_t ss;    /**< stack selector */
};

/**
 * Delivers what is latched: if a line is pending, interrupts are on and guest code was interrupted, writes the upcall
 * frame to the guest's stack, turns interrupts off, and changes `ip` and `sp`. If the guest is to be stopped, leaves it
 * by changing them (and `flags`, and `cs` and `ss`, since user code can make a far jump to code of the other width
 * where the system has a segment for it). Returns 1 if the context was changed, else 0. On x86-64 the bytes from sp -
 * 128 on are left alone.
 */
int32_t pvh_guest_deliver(struct pvh_guest *guest, struct pvh_context *context);

/**
 * Whether the guest would notice that a line is raised: 1 if it is unmasked and the guest has taken what was raised
 * before; 0 if not, or if there is no such line. Also in `wait`, enter_host and leave_host. A device that interrupts
 * until the guest's driver has answered it is masked when it does; the host unmasks it once its line is ready again,
 * and looks when a host function ends, before it sleeps, and after an event. Unmasked earlier, it would interrupt again
 * before the guest has run an instruction.
 */
int32_t pvh_guest_ready(const struct pvh_guest *guest, uint32_t line);

/** A fault of the processor. */
struct pvh_fault {
  /** i386: eax, ebx, ecx, edx, esi, edi, ebp, esp, then zeros; x86-64: rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to
   * r15. */
  uint64_t registers[16];
  uint64_t address; /**< for page faults: the address that was accessed */
  /** Number of the exception (Intel SDM volume 3, 6.3.1): 0 division, 3 breakpoint, 6 invalid opcode, 13 general
   * protection, 14 page fault, ...; PVH_FAULT_SYSTEM_CALL */
  uint32_t vector;
  uint32_t error; /**< the processor's error code, 0 if it has none */
};

#define PVH_FAULT_SYSTEM_CALL 256u /**< not the processor's: guest code made a system call of the host */

/**
 * The processor reported a fault. If it is the guest's, it is recorded for the report, and the context changed so that
 * the guest is left: returns 1. If it is the host's own: returns PVH_ERROR_NOT_GUEST without a message, nothing is
 * changed, and the host had better end.
 */
int32_t pvh_guest_fault(struct pvh_guest *guest, struct pvh_context *context, const struct pvh_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
