/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Numbers and layouts of the guest-host ABI, version 1; the C view of the Rust crate `paravirt-abi`, whose
 *        README.md says what they mean. Version 1 is frozen.
 *
 * Little-endian. Addresses are 64 bits wide on every architecture. Sizes are in bytes, times in nanoseconds.
 */
#ifndef PARAVIRT_ABI_H
#define PARAVIRT_ABI_H

#include <stdint.h>

#define PV_ABI_VERSION 1u

/* Errors of the interface functions. */
#define PV_ERROR_NOT_OFFERED (-1)      /**< the host does not offer this function */
#define PV_ERROR_INVALID_ARGUMENT (-2) /**< an argument is out of its range */
#define PV_ERROR_BAD_ADDRESS (-3)      /**< a buffer is not wholly inside the guest's memory */
#define PV_ERROR_NO_SUCH_DEVICE (-4)   /**< no such line, timer or device */
#define PV_ERROR_BUSY (-5)             /**< the line is attached already */
#define PV_ERROR_NOT_ATTACHED (-6)     /**< the line is not attached */
#define PV_ERROR_END_OF_INPUT (-7)     /**< no byte will come any more */
#define PV_ERROR_NOT_PERMITTED (-8)    /**< the host does not grant this to the guest */
#define PV_ERROR_DEVICE (-9)           /**< the host's device failed */

/* Interrupt lines and timers. */
#define PV_LINES 31u          /**< number of lines */
#define PV_LINE_TIMER 0u      /**< the line that every timer raises */
#define PV_LINE_CONSOLE 1u    /**< the line that console input raises */
#define PV_LINE_FIRST_FREE 2u /**< the first line for software interrupts and devices */
#define PV_TIMERS 8u          /**< number of timers */
#define PV_TIMER_TICK 0u      /**< the timer of the operating system's tick */

/* First argument of pv_shutdown(). */
#define PV_SHUTDOWN_EXIT 0u  /**< the guest is done; the code is its exit status */
#define PV_SHUTDOWN_RESET 1u /**< the guest asks for a reset */
#define PV_SHUTDOWN_FATAL 2u /**< the guest cannot go on; the code is its own */

/* The identity note, by which a host knows a guest before it loads it. */
#define PV_NOTE_SECTION ".note.paravirt"
#define PV_NOTE_OWNER "paravirt"
#define PV_NOTE_TYPE 1u                   /**< type of the identity note */
#define PV_NOTE_BACKEND_TYPE 2u           /**< type of the notes that name the in-guest backends */
#define PV_NOTE_EXECUTABLE_MEMORY_TYPE 3u /**< type of the notes that ask for free memory that can be executed */
#define PV_NOTE_NO_RED_ZONE (1u << 0)     /**< no code keeps data below its stack pointer */

/** Descriptor of the identity note. */
struct pv_identity_note {
  uint32_t version;   /**< PV_ABI_VERSION of the guest */
  uint32_t machine;   /**< ELF machine number */
  uint32_t flags;     /**< PV_NOTE_* */
  uint32_t reserved;  /**< zero */
  uint64_t vcpu_page; /**< address of the boot vCPU's struct pv_vcpu_page */
};

/* What the host tells the guest at its entry point. */
#define PV_START_MAGIC 0x31525650u   /**< `PVR1` in memory order; in eax (rax), too */
#define PV_START_CLOCK_TSC (1u << 0) /**< the host keeps the clock in the vCPU page */
#define PV_START_LAZY (1u << 1)      /**< slots are resolved on their first call */

/** The start info; its address is in edx (rdx) at the entry point. */
struct pv_start_info {
  uint32_t magic;               /**< PV_START_MAGIC */
  uint32_t size;                /**< size of this block; a later version only appends */
  uint32_t version;             /**< ABI version of the host */
  uint32_t features;            /**< PV_START_* */
  uint64_t resolver;            /**< address of the host's resolver, 0 if there is none */
  uint64_t memory;              /**< address of an array of struct pv_memory_range */
  uint32_t memory_count;        /**< number of memory ranges */
  uint32_t command_line_length; /**< without the NUL that follows */
  uint64_t command_line;        /**< address of the command line, UTF-8 */
  uint64_t wall_clock;          /**< Unix time at start */
  uint64_t reserved;            /**< zero */
};

#define PV_MEMORY_RAM 1u   /**< free for the guest's use; what it holds is undefined */
#define PV_MEMORY_IMAGE 2u /**< holds the image */

/** One range of the guest's memory; sorted, without overlap. */
struct pv_memory_range {
  uint64_t start;    /**< first address */
  uint64_t size;     /**< length */
  uint32_t kind;     /**< PV_MEMORY_* */
  uint32_t reserved; /**< zero */
};

/* What the stack holds when the host enters the guest's upcall entry; the stack pointer points to the first field. */

/** i386; behind it, the interrupted stack. */
struct pv_upcall_frame_i386 {
  uint32_t eip;    /**< address of the interrupted instruction */
  uint32_t cs;     /**< interrupted code selector */
  uint32_t eflags; /**< interrupted flags */
};

/** x86-64; behind it, up to 15 bytes of padding and the interrupted code's red zone. */
struct pv_upcall_frame_x86_64 {
  uint64_t rip;    /**< address of the interrupted instruction */
  uint64_t cs;     /**< interrupted code selector */
  uint64_t rflags; /**< interrupted flags */
  uint64_t rsp;    /**< interrupted stack pointer */
  uint64_t ss;     /**< interrupted stack selector */
};

/* The vCPU page. */
#define PV_VCPU_SIZE 4096u /**< size and alignment */
#define PV_VCPU_VERSION 1u
#define PV_VCPU_RED_ZONE 128u          /**< bytes below the stack pointer that an upcall leaves alone on x86-64 */
#define PV_VCPU_HOST_MASKED (1u << 31) /**< bit of `pending` that is the guest's own */
#define PV_CLOCK_VALID (1u << 0)       /**< flag of the clock: its fields are valid; else call pv_clock_now() */

/** The paravirtual clock; `paravirt_abi::vcpu::Clock` has the formula. */
struct pv_clock {
  uint32_t sequence;   /**< odd while the host changes the fields */
  uint32_t flags;      /**< PV_CLOCK_* */
  uint32_t multiplier; /**< ns per (shifted) cycle, as a fraction of 2^32 */
  int32_t shift;       /**< shift of the cycles, -31 to 31 */
  uint64_t base_tsc;   /**< cycles at the anchor */
  uint64_t base_ns;    /**< guest time at the anchor */
};

/** The page. Access its fields as volatile, `pending` by atomic operations. */
struct pv_vcpu_page {
  uint32_t version;                      /**< PV_VCPU_VERSION */
  uint32_t interrupts_enabled;           /**< the virtual interrupt flag: 1 on, 0 off */
  uint32_t pending;                      /**< bit n: line n is pending */
  uint32_t spurious;                     /**< interrupts without a handler */
  uint64_t upcall_entry;                 /**< where the host enters the guest for an upcall */
  struct pv_clock clock;                 /**< the clock */
  uint64_t reserved;                     /**< zero */
  uint64_t timer_expirations[PV_TIMERS]; /**< expirations since the guest's start */
};

#endif
