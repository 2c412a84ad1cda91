/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief The functions that the host provides beside those of the interface.
 */
#ifndef C_HOST_FUNCTIONS_H
#define C_HOST_FUNCTIONS_H

#include <paravirt/host.h>

extern const struct pvh_function host_functions[];
extern const size_t host_function_count;

#endif
