/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The parts of the wrapper: a platform for libparavirt_host.a that stands on L4Re.
 *
 * The program's main thread becomes the vCPU. "Host code" is everything that is not the guest's; the vCPU takes events
 * only in guest code and in the few instructions between it and enter_host() or leave_host().
 */
#ifndef PARAVIRT_L4RE_WRAPPER_H
#define PARAVIRT_L4RE_WRAPPER_H

#include <l4/sys/consts.h>
#include <l4/sys/err.h>
#include <l4/sys/types.h>
#include <l4/sys/vcpu.h>
#include <paravirt/host.h>

/** The guest that runs; NULL before and after. */
extern struct pvh_guest *wrapper_guest;

/* ---- memory.c: the guest's memory, dataspaces at its own addresses ---- */

/** Keeps the addresses where guests may be linked free of everything else. Before anything that allocates memory. */
void memory_reserve(void);
int32_t memory_map(void *context, uint64_t start, uint64_t size);
int32_t memory_protect(void *context, uint64_t start, uint64_t size, uint32_t access);

/* ---- console.c: a vcon ---- */

/** Takes the console: the capability `con`, else the log, which has no input. */
void console_initialize(void);
/** Binds the input's IRQ to the vCPU with this label. */
void console_attach(l4_umword_t label);
/** Takes all input that the console has, and latches the guest's line. With the vCPU's events off. */
void console_fetch(void);
/** Says how much input was lost since it was last said, if any was. In host code. */
void console_say_lost(void);
intptr_t console_write(void *context, const void *bytes, size_t size);
intptr_t console_read(void *context, void *buffer, size_t size, int32_t *more);
/** Writes a line: `paravirt: ` and the text. */
void console_line(const char *text);
/** The same for a text that is made here, of at most 511 bytes. */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- alarm.c: the clock, and a thread that waits for one absolute time ---- */

/** Starts the thread, which raises an IRQ with this label at the vCPU. Returns 0 or a negative error of L4. */
long alarm_initialize(l4_umword_t label);
uint64_t alarm_now(void *context);
void alarm_set(void *context, uint64_t deadline);

/* ---- vcpu.c: the vCPU ---- */

/** Makes the calling thread a vCPU that takes no events yet. Returns 0 or a negative error of L4. */
long vcpu_initialize(void);
/** Its state page, shared with the kernel. */
l4_vcpu_state_t *vcpu_state(void);
/** A new IRQ object whose messages come to the vCPU with `label`, whose two low bits are 0. Invalid if there is none.
 * */
l4_cap_idx_t vcpu_irq(l4_umword_t label);
void vcpu_enter_host(void *context);
void vcpu_leave_host(void *context);
void vcpu_wait(void *context);
/** Handles what has come while the events were off; for host code that takes long. */
void vcpu_fetch(void);

/* ---- events.c: what comes while the guest runs ---- */

/* Labels of the IRQ objects. */
enum {
  LABEL_ALARM = 0x10,
  LABEL_CONSOLE = 0x20,
  LABEL_LINE = 0x100, /**< of a device; the line's number, shifted by LINE_SHIFT, is added */
  LINE_SHIFT = 4
};

/** Latches what a message with that label stands for. */
void events_message(l4_umword_t label);
/** From the entry, on the events' stack, with events off: handles what has come. */
void events_handle(l4_vcpu_state_t *vcpu);
/** The same, after it: back to what was interrupted, or to where `events_handle` has sent it. Does not return. */
void events_return(void);

/* ---- interrupts.c: interrupts of devices ---- */

/** Binds interrupt `number` of the capability `vbus`, or of `icu` if there is no bus, to `line`. Returns 0, or a
 * negative number
 *  after a message. */
int interrupts_bind(uint32_t line, unsigned number);
/** Latches a line whose device has interrupted. */
void interrupts_message(uint32_t line);
/** The lines whose devices have interrupted and are not unmasked since: bit n is line n. */
extern uint32_t interrupts_masked;
/** Unmasks the devices among them whose lines the guest has taken. With the vCPU's events off. */
void interrupts_unmask(void);

/* ---- vbus.c, no-vbus.c ---- */

/** The interrupt controller of a virtual bus; invalid after a message. */
l4_cap_idx_t vbus_icu(l4_cap_idx_t bus);

/* ---- ARCH-.../entry.S ---- */

/** Where the kernel enters the vCPU. */
void vcpu_entry(void);

/* ---- ARCH-.../tls.c: the thread pointer, the host's and the guest's ---- */

void tls_initialize(void);
int32_t tls_set(void *context, uint64_t base);
/** Loads the host's. */
void tls_enter_host(void);
/** Loads the guest's. */
void tls_leave_host(void);

/* ---- table.c: the functions that the guest asks for ---- */

/** Those of them that this program has; how many. */
size_t table_functions(const struct pvh_function **functions);

/* ---- measure.c ---- */

/** Prints what a pair of interrupts off and on costs in libvcpu, in cycles of the time-stamp counter. */
void measure_libvcpu(void);

#endif
