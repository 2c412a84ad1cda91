/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Console driver for Termios, and the kernel's character input and output.
 */

#include <bsp.h>
#include <bsp/console-termios.h>
#include <bsp/irq.h>

#include <paravirt/console.h>

#include <rtems/bspIo.h>
#include <rtems/termiostypes.h>

typedef struct {
  rtems_termios_device_context base;
  rtems_termios_tty *tty;
  size_t written; /* taken by the host, Termios is to be told */
} console_context;

static console_context console_instance = {.base = RTEMS_TERMIOS_DEVICE_CONTEXT_INITIALIZER("Paravirt console")};

/* Input has come, or the transmission that console_write() has begun is done. */
static void console_interrupt(void *argument)
{
  console_context *self = argument;
  char buffer[64];
  intptr_t length;

  if (self->written > 0) {
    size_t written = self->written;

    self->written = 0;
    (void) rtems_termios_dequeue_characters(self->tty, written);
  }

  while ((length = paravirt_console_read(buffer, sizeof(buffer))) > 0) {
    (void) rtems_termios_enqueue_raw_characters(self->tty, buffer, length);
  }
}

static bool console_first_open(
  rtems_termios_tty *tty, rtems_termios_device_context *base, struct termios *term, rtems_libio_open_close_args_t *args
)
{
  console_context *self = (console_context *) base;

  (void) args;
  self->tty = tty;
  self->written = 0;
  (void) rtems_termios_set_initial_baud(tty, B115200);
  (void) term;
  /* The attributes that Termios opens with ask a reader to wait for input. It follows them only from the first
   * tcsetattr() on. */
  tty->rawInBufSemaphoreWait = true;

  return rtems_interrupt_handler_install(
           PARAVIRT_VECTOR_CONSOLE, "Console", RTEMS_INTERRUPT_UNIQUE, console_interrupt, self
         ) == RTEMS_SUCCESSFUL;
}

static void console_last_close(
  rtems_termios_tty *tty, rtems_termios_device_context *base, rtems_libio_open_close_args_t *args
)
{
  (void) tty;
  (void) args;
  (void) rtems_interrupt_handler_remove(PARAVIRT_VECTOR_CONSOLE, console_interrupt, base);
}

/* The host takes everything at once. Termios expects the end of a transmission from an interrupt, not from within this
 * call. */
static void console_write(rtems_termios_device_context *base, const char *buffer, size_t length)
{
  console_context *self = (console_context *) base;

  if (length > 0) {
    paravirt_console_write(buffer, length);
    self->written = length;
    (void) rtems_interrupt_raise(PARAVIRT_VECTOR_CONSOLE);
  }
}

static bool console_set_attributes(rtems_termios_device_context *base, const struct termios *term)
{
  (void) base;
  (void) term;

  return true; /* the host has no line parameters */
}

static const rtems_termios_device_handler console_handler = {
  .first_open = console_first_open,
  .last_close = console_last_close,
  .write = console_write,
  .set_attributes = console_set_attributes,
  .mode = TERMIOS_IRQ_DRIVEN
};

const console_device console_device_table[] = {
  {.device_file = "/dev/ttyS0",
   .probe = console_device_probe_default,
   .handler = &console_handler,
   .context = &console_instance.base}
};

const size_t console_device_count = RTEMS_ARRAY_SIZE(console_device_table);

static void output_char(char c)
{
  paravirt_console_put((uint8_t) c);
}

static int poll_char(void)
{
  return paravirt_console_poll();
}

BSP_output_char_function_type BSP_output_char = output_char;

BSP_polling_getchar_function_type BSP_poll_char = poll_char;
