/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The entry that a declaration emits: the same text as `bsp/src/external/assembly.rs` and `arch/`, which explain
 *        it.
 *
 * Names that end in an underscore are for this project's headers only.
 */
#ifndef PARAVIRT_DETAIL_ASSEMBLY_H
#define PARAVIRT_DETAIL_ASSEMBLY_H

#include "signature.h"

#if !defined(__GNUC__)
#error "paravirt/external.h needs the extended assembly of GCC or clang"
#endif

/* Instructions of the thunks. `N` is the function's name as a string. */
#if defined(__x86_64__)

#define L4_POINTER_ ".8byte"
#define L4_POINTER_SIZE_ "8"
#define L4_THUNK_(N) \
  "jmp {*.Ll4external." N ".slot(%%rip)|QWORD PTR .Ll4external." N ".slot[rip]}\n" /* to where the slot points */
#define L4_RESOLVE_(N) \
  "lea {.Ll4external." N ".slot(%%rip), %%r11|r11, .Ll4external." N ".slot[rip]}\n" /* push the slot's address */ \
  "push {%%r11|r11}\n" \
  "lea {.Ll4external." N ".symbol(%%rip), %%r11|r11, .Ll4external." N ".symbol[rip]}\n" /* push the symtab entry's */ \
  "push {%%r11|r11}\n" \
  "jmp {*__l4_external_resolver(%%rip)|QWORD PTR __l4_external_resolver[rip]}\n" /* to the resolver */

#elif defined(__i386__)

/* In Intel syntax, GCC's and clang's assemblers read these operands differently: the bytes of the same instructions. */
#define L4_POINTER_ ".4byte"
#define L4_POINTER_SIZE_ "4"
#define L4_JUMP_(pointer) "{jmp *" pointer "|.byte 0xff, 0x25\n.4byte " pointer "}\n"
#define L4_PUSH_(address) "{pushl $" address "|.byte 0x68\n.4byte " address "}\n"
#define L4_THUNK_(N) L4_JUMP_(".Ll4external." N ".slot") /* to where the slot points */
#define L4_RESOLVE_(N) \
  L4_PUSH_(".Ll4external." N ".slot")   /* push the slot's address */ \
  L4_PUSH_(".Ll4external." N ".symbol") /* push the symtab entry's address */ \
  L4_JUMP_("__l4_external_resolver")    /* to the resolver */

#elif defined(__aarch64__)

#define L4_POINTER_ ".8byte"
#define L4_POINTER_SIZE_ "8"
#define L4_THUNK_(N) \
  "adrp x16, .Ll4external." N ".slot\n" /* load the slot */ \
  "ldr x16, [x16, #:lo12:.Ll4external." N ".slot]\n" \
  "br x16\n" /* to where it points */
#define L4_RESOLVE_(N) \
  "adrp x16, .Ll4external." N ".slot\n" /* the slot's address */ \
  "add x16, x16, #:lo12:.Ll4external." N ".slot\n" \
  "adrp x17, .Ll4external." N ".symbol\n" /* the symtab entry's address */ \
  "add x17, x17, #:lo12:.Ll4external." N ".symbol\n" \
  "stp x17, x16, [sp, #-16]!\n"        /* push both */ \
  "adrp x16, __l4_external_resolver\n" /* to the resolver */ \
  "ldr x16, [x16, #:lo12:__l4_external_resolver]\n" \
  "br x16\n" \
  ".pushsection .data.l4externals.linked." N ",\"aw?\",%%progbits\n" \
  ".balign 8\n" \
  ".8byte .Ll4external." N ".slot\n" /* where the slot is */ \
  ".8byte " N "\n"                   /* what the name means once all is linked */ \
  ".8byte " N ".resolve - 12\n"      /* the thunk */ \
  ".popsection\n"

#elif defined(__arm__) && __ARM_ARCH >= 7

#define L4_POINTER_ ".4byte"
#define L4_POINTER_SIZE_ "4"
#define L4_THUNK_(N) \
  "movw ip, #:lower16:.Ll4external." N ".slot\n" /* the slot's address */ \
  "movt ip, #:upper16:.Ll4external." N ".slot\n" \
  "ldr pc, [ip]\n" /* to where the slot points */
#define L4_RESOLVE_(N) \
  "movw ip, #:lower16:.Ll4external." N ".slot\n" /* push the slot's address */ \
  "movt ip, #:upper16:.Ll4external." N ".slot\n" \
  "str ip, [sp, #-4]!\n" \
  "movw ip, #:lower16:.Ll4external." N ".symbol\n" /* push the symtab entry's address */ \
  "movt ip, #:upper16:.Ll4external." N ".symbol\n" \
  "str ip, [sp, #-4]!\n" \
  "movw ip, #:lower16:__l4_external_resolver\n" /* to the resolver */ \
  "movt ip, #:upper16:__l4_external_resolver\n" \
  "ldr pc, [ip]\n"

#elif defined(__riscv) && __riscv_xlen == 64

#define L4_POINTER_ ".8byte"
#define L4_POINTER_SIZE_ "8"
#define L4_THUNK_(N) \
  "1: auipc t3, %%pcrel_hi(.Ll4external." N ".slot)\n" /* load the slot */ \
  "ld t3, %%pcrel_lo(1b)(t3)\n" \
  "jr t3\n" /* to where it points */
#define L4_RESOLVE_(N) \
  "lla t1, .Ll4external." N ".slot\n"   /* the slot's address */ \
  "lla t2, .Ll4external." N ".symbol\n" /* the symtab entry's address */ \
  "addi sp, sp, -16\n"                  /* push both */ \
  "sd t1, 8(sp)\n" \
  "sd t2, 0(sp)\n" \
  "2: auipc t3, %%pcrel_hi(__l4_external_resolver)\n" /* to the resolver */ \
  "ld t3, %%pcrel_lo(2b)(t3)\n" \
  "jr t3\n"

#else
#error "paravirt/external.h supports i386, x86-64, AArch64, ARMv7 and 64-bit RISC-V"
#endif

/* What precedes and follows the instructions. */
#if defined(__arm__)
#define L4_CODE_START_ ".syntax unified\n.balign 4\n"
#define L4_CODE_END_ ""
#elif defined(__aarch64__)
#define L4_CODE_START_ ".balign 4\n"
#define L4_CODE_END_ ""
#elif defined(__riscv) /* as written, whatever the linker could shorten */
#define L4_CODE_START_ ".option push\n.option norelax\n.balign 4\n"
#define L4_CODE_END_ ".option pop\n"
#else
#define L4_CODE_START_ ""
#define L4_CODE_END_ ""
#endif

/* A constant operand without punctuation. GCC for RISC-V writes none and does not know the modifier. */
#ifdef __riscv
#define L4_OPERAND_(name) "%[" name "]"
#else
#define L4_OPERAND_(name) "%c[" name "]"
#endif

/* The prototype word, 16 bits a piece, because compilers print operands as signed numbers. */
#define L4_WORD_TEXT_ L4_OPERAND_("w3") "." L4_OPERAND_("w2") "." L4_OPERAND_("w1") "." L4_OPERAND_("w0")

#define L4_SECTION_(section, N, flags) \
  ".pushsection " section "." N ",\"" flags "\",%%progbits,l4external." N "." L4_WORD_TEXT_ ",comdat\n"

/* A line of assembly is a line here. */
/* clang-format off */
#define L4_ENTRY_TEXT_(N) \
  ".ifndef .Ll4external." N "\n" \
  ".set .Ll4external." N ", 0\n" \
  ".set .Ll4external." N "." L4_WORD_TEXT_ ", 0\n" \
  L4_SECTION_(".data.l4externals.str", N, "awG") \
  ".Ll4external." N ".name:\n" \
  ".asciz \"" N "\"\n" \
  ".popsection\n" \
  L4_SECTION_(".data.l4externals.symtab", N, "awG") \
  ".balign " L4_POINTER_SIZE_ "\n" \
  ".Ll4external." N ".symbol:\n" \
  L4_POINTER_ " .Ll4external." N ".name\n" \
  ".popsection\n" \
  L4_SECTION_(".data.l4externals.jmptbl", N, "awG") \
  ".balign " L4_POINTER_SIZE_ "\n" \
  ".globl " N ".has_one_prototype\n" \
  ".type " N ".has_one_prototype,%%object\n" \
  ".size " N ".has_one_prototype, " L4_POINTER_SIZE_ "\n" \
  N ".has_one_prototype:\n" \
  ".Ll4external." N ".slot:\n" \
  L4_POINTER_ " " N ".resolve\n" \
  ".popsection\n" \
  L4_SECTION_(".data.l4externals.sig", N, "awG") \
  ".balign 8\n" \
  ".2byte " L4_OPERAND_("w0") ", " L4_OPERAND_("w1") ", " L4_OPERAND_("w2") ", " L4_OPERAND_("w3") "\n" \
  ".popsection\n" \
  L4_SECTION_(".data.l4externals.unbound", N, "awG") \
  ".balign " L4_POINTER_SIZE_ "\n" \
  L4_POINTER_ " " N ".resolve\n" \
  ".popsection\n" \
  L4_SECTION_(".text.l4externals", N, "axG") \
  L4_CODE_START_ \
  ".weak " N "\n" \
  ".type " N ",%%function\n" \
  ".type " N ".resolve,%%function\n" \
  N ":\n" \
  L4_THUNK_(N) \
  ".size " N ", . - " N "\n" \
  N ".resolve:\n" \
  L4_RESOLVE_(N) \
  L4_CODE_END_ \
  ".size " N ".resolve, . - " N ".resolve\n" \
  ".popsection\n" \
  ".else\n" \
  ".ifndef .Ll4external." N "." L4_WORD_TEXT_ "\n" \
  ".error \"external function " N " is declared twice, with different prototypes\"\n" \
  ".endif\n" \
  ".endif\n"
/* clang-format on */

/*
 * Assembly with operands must be in a function. This one is never called; the linker discards its section. (A variable
 * could not be in the same group, and GCC would emit it in another order.)
 */
#ifdef L4_EXTERNAL_PROTOTYPES_ONLY
#define L4_EMIT_(name, word)
#else
#define L4_EMIT_(name, word) L4_EMIT_NOW_(name, word)
#define L4_EMIT_NOW_(name, word) L4_EMIT_IN_(L4_JOIN_(l4_external_entry_, __COUNTER__), #name, word)
#define L4_EMIT_IN_(carrier, N, word) \
  __attribute__((used, noinline, section(".discard.l4externals"))) static void carrier(void) { \
    enum { \
      l4_w0 = (word) & 0xffff, \
      l4_w1 = (word) >> 16 & 0xffff, \
      l4_w2 = (word) >> 32 & 0xffff, \
      l4_w3 = (word) >> 48 \
    }; \
    __asm__ volatile(L4_ENTRY_TEXT_(N) : : [w0] "i"(l4_w0), [w1] "i"(l4_w1), [w2] "i"(l4_w2), [w3] "i"(l4_w3)); \
  }
#endif

#endif
