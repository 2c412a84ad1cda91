/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
 *
 * @brief What the context switch leaves in a thread's context, for those that read it: the switch, and debuggers.
 */

#ifndef LIBBSP_I386_PARAVIRT_CONTEXT_H
#define LIBBSP_I386_PARAVIRT_CONTEXT_H

/**
 * @brief In what stands for EFLAGS: the words at the thread's stack pointer are its own, and the address to which it
 * returns is behind them. A thread that has not run yet has none.
 */
#define PARAVIRT_CONTEXT_HAS_WORDS 0x10000

/**
 * @brief Size of the words in bytes: control word of the x87 unit, above it the exception flags of its status word;
 * MXCSR.
 */
#define PARAVIRT_CONTEXT_WORDS 8

#endif /* LIBBSP_I386_PARAVIRT_CONTEXT_H */
