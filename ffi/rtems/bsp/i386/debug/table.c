/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief Where the kernel keeps its threads: for a debugger, or a host that reports a fault.
 *
 * It finds the table by the name of its section, and reads the kernel's data by what stands in it. The program itself
 * does not use it. README.md says what each word is; fields are only added, at the end.
 */

#include <bsp/context.h>
#include <bsp/stackcheck.h>

#include <rtems/score/isr.h>
#include <rtems/score/objectdata.h>
#include <rtems/score/objectimpl.h>
#include <rtems/score/percpu.h>
#include <rtems/score/schedulernodeimpl.h>
#include <rtems/score/statesimpl.h>
#include <rtems/score/sysstate.h>
#include <rtems/score/thread.h>

#include <stddef.h>
#include <stdint.h>

/** @brief The version of the table; another one means that words have another meaning. */
#define TABLE_VERSION 1

typedef struct {
  uint32_t version;
  uint32_t size;
  const void *system_state;
  const void *objects;
  const void *cpu;
  const void *interrupt_stack_begin;
  const void *interrupt_stack_end;
  volatile uint32_t *stack_check;
  uint32_t last_api;
  uint32_t cpu_isr_nest_level;
  uint32_t cpu_executing;
  uint32_t objects_maximum_id;
  uint32_t objects_local_table;
  uint32_t thread_id;
  uint32_t thread_name;
  uint32_t thread_text;
  uint32_t thread_state;
  uint32_t thread_priority;
  uint32_t thread_stack_size;
  uint32_t thread_stack_area;
  uint32_t thread_eflags;
  uint32_t thread_esp;
  uint32_t thread_ebp;
  uint32_t thread_ebx;
  uint32_t thread_esi;
  uint32_t thread_edi;
  uint32_t has_words;
  uint32_t words;
} debug_table;

#define THREAD(member) ((uint32_t) offsetof(Thread_Control, member))
#define MEMBER_SIZE(type, member) sizeof(((const type *) 0)->member)

/* 32-bit words, as README.md says and hosts read them. */
_Static_assert(sizeof(debug_table) == 28 * 4, "a word each");
_Static_assert(sizeof(void *) == 4, "pointers are words");

/* What is found by an offset has the size that version 1 says. */
_Static_assert(sizeof(System_state_Codes) == 4, "_System_state_Current");
_Static_assert(SYSTEM_STATE_UP == 2, "_System_state_Current");
_Static_assert(OBJECTS_INDEX_MASK == 0xffff, "Objects_Information::maximum_id");
_Static_assert(MEMBER_SIZE(Objects_Information, maximum_id) == 4, "Objects_Information::maximum_id");
_Static_assert(MEMBER_SIZE(Objects_Control, name) == 4, "Objects_Control::name");
_Static_assert(MEMBER_SIZE(Thread_Control, current_state) == 4, "Thread_Control::current_state");
_Static_assert(MEMBER_SIZE(Priority_Node, priority) == 8, "Priority_Node::priority");
_Static_assert(SCHEDULER_PRIORITY_MAP(1) == 2, "Priority_Node::priority");
_Static_assert(MEMBER_SIZE(Stack_Control, size) == 4, "Stack_Control::size");
_Static_assert(MEMBER_SIZE(Per_CPU_Control, isr_nest_level) == 4, "Per_CPU_Control::isr_nest_level");

/* The states that version 1 names. */
_Static_assert(STATES_READY == 0, "states");
_Static_assert(STATES_WAITING_FOR_MUTEX == 0x1, "states");
_Static_assert(STATES_WAITING_FOR_SEMAPHORE == 0x2, "states");
_Static_assert(STATES_WAITING_FOR_EVENT == 0x4, "states");
_Static_assert(STATES_WAITING_FOR_SYSTEM_EVENT == 0x8, "states");
_Static_assert(STATES_WAITING_FOR_MESSAGE == 0x10, "states");
_Static_assert(STATES_WAITING_FOR_CONDITION_VARIABLE == 0x20, "states");
_Static_assert(STATES_WAITING_FOR_FUTEX == 0x40, "states");
_Static_assert(STATES_WAITING_FOR_BSD_WAKEUP == 0x80, "states");
_Static_assert(STATES_WAITING_FOR_TIME == 0x100, "states");
_Static_assert(STATES_WAITING_FOR_PERIOD == 0x200, "states");
_Static_assert(STATES_WAITING_FOR_SIGNAL == 0x400, "states");
_Static_assert(STATES_WAITING_FOR_BARRIER == 0x800, "states");
_Static_assert(STATES_WAITING_FOR_RWLOCK == 0x1000, "states");
_Static_assert(STATES_WAITING_FOR_JOIN_AT_EXIT == 0x2000, "states");
_Static_assert(STATES_WAITING_FOR_JOIN == 0x4000, "states");
_Static_assert(STATES_SUSPENDED == 0x8000, "states");
_Static_assert(STATES_WAITING_FOR_SEGMENT == 0x10000, "states");
_Static_assert(STATES_LIFE_IS_CHANGING == 0x20000, "states");
_Static_assert(STATES_DEBUGGER == 0x8000000, "states");
_Static_assert(STATES_INTERRUPTIBLE_BY_SIGNAL == 0x10000000, "states");
_Static_assert(STATES_WAITING_FOR_RPC_REPLY == 0x20000000, "states");
_Static_assert(STATES_ZOMBIE == 0x40000000, "states");
_Static_assert(STATES_DORMANT == 0x80000000, "states");

extern const debug_table _Paravirt_Debug_table;

const debug_table _Paravirt_Debug_table __attribute__((section(".paravirt.rtems"))) = {
  .version = TABLE_VERSION,
  .size = sizeof(debug_table),
  .system_state = &_System_state_Current,
  .objects = &_Objects_Information_table,
  .cpu = &_Per_CPU_Information[0].per_cpu,
  .interrupt_stack_begin = &_ISR_Stack_area_begin,
  .interrupt_stack_end = &_ISR_Stack_area_end,
  .stack_check = &_Paravirt_Stack_check,
  .last_api = OBJECTS_APIS_LAST,
  .cpu_isr_nest_level = offsetof(Per_CPU_Control, isr_nest_level),
  .cpu_executing = offsetof(Per_CPU_Control, executing),
  .objects_maximum_id = offsetof(Objects_Information, maximum_id),
  .objects_local_table = offsetof(Objects_Information, local_table),
  .thread_id = THREAD(Object.id),
  .thread_name = THREAD(Object.name),
  .thread_text = THREAD(Join_queue.Queue.name),
  .thread_state = THREAD(current_state),
  .thread_priority = THREAD(Real_priority.priority),
  .thread_stack_size = THREAD(Start.Initial_stack.size),
  .thread_stack_area = THREAD(Start.Initial_stack.area),
  .thread_eflags = THREAD(Registers.eflags),
  .thread_esp = THREAD(Registers.esp),
  .thread_ebp = THREAD(Registers.ebp),
  .thread_ebx = THREAD(Registers.ebx),
  .thread_esi = THREAD(Registers.esi),
  .thread_edi = THREAD(Registers.edi),
  .has_words = PARAVIRT_CONTEXT_HAS_WORDS,
  .words = PARAVIRT_CONTEXT_WORDS
};
