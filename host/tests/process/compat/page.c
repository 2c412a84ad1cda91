/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A guest of today, with identity note and vCPU page, that calls functions by their names of 2013 and as they were called then.
 */
#include "external.h"

EXTERNAL(l4rtems_outch);
EXTERNAL(l4rtems_requestIrq);
EXTERNAL(l4rtems_detachIrq);
EXTERNAL(l4rtems_timer_start);
EXTERNAL(l4rtems_timer_stop);
EXTERNAL(pv_shutdown);

void *__l4_external_resolver;

/* The identity note: ABI version 1, EM_386, no red zone, the page. */
asm(".pushsection .note.paravirt, \"a\", @note\n"
    ".long 9, 24, 1\n"
    ".asciz \"paravirt\"\n"
    ".balign 4\n"
    ".long 1, 3, 1, 0, page, 0\n"
    ".popsection\n");

/* The beginning of the vCPU page. */
struct page {
	unsigned version;
	volatile unsigned enabled;
	volatile unsigned pending;
	volatile unsigned spurious;
	void (*upcall)(void);
	unsigned upcall_high;
};

extern void upcall(void);
union {
	struct page head;
	char bytes[4096];
} page __attribute__((aligned(4096))) = { .head = { .version = 1, .upcall = upcall } };

static volatile unsigned interrupts;

__attribute__((used)) void interrupted(void)
{
	if (__atomic_fetch_and(&page.head.pending, ~1u, __ATOMIC_SEQ_CST) & 1)
		interrupts++;
}

/* An interrupt enters here with the processor's frame on the stack and the flag off. The timer is slow: none comes between the
 * store that turns it on and the return. */
asm(".globl upcall\n"
    "upcall:\n"
    "pusha\n"
    "cld\n"
    "call interrupted\n"
    "popa\n"
    "movl $1, page + 4\n"
    "iret\n");

asm(".globl start\n"
    "start:\n"
    "lea stack + 4096, %esp\n"
    "push %edx\n"
    "call guest\n");

static char stack[4096] __attribute__((aligned(16), used));

struct start_info {
	unsigned magic, size, version, features;
	void *resolver;
};

__attribute__((used)) void guest(const struct start_info *info)
{
	__l4_external_resolver = info->resolver;
	CHECK(info->magic == 0x31525650);
	CHECK(l4rtems_requestIrq(0));
	/* It is taken. */
	CHECK(!l4rtems_requestIrq(0));
	page.head.enabled = 1;
	l4rtems_timer_start(5000, 0);
	while (interrupts < 10)
		;
	l4rtems_timer_stop();
	l4rtems_detachIrq(0);
	CHECK(l4rtems_requestIrq(0));
	print("10 interrupts\n");
	pv_shutdown(0, 0);
}
