/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsAArch64Paravirt
 *
 * @brief The AArch64 part of RTEMS' dynamic loader, as it is, with the note by which the image asks to execute its
 * memory.
 *
 * Every loader of object files refers to this part, and nothing else does: so the images that load code have the note.
 */

#include <rtl-mdreloc-aarch64.c>

#include <paravirt/start.h>

PARAVIRT_EXECUTABLE_MEMORY;
