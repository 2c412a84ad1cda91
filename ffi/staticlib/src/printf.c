/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <paravirt/printf.h>. */
#include <stdbool.h>
#include <stdint.h>

#include <paravirt/console.h>
#include <paravirt/printf.h>
#include <paravirt/string.h>

/* Digits of the longest number. */
#define DIGITS 20
/* No width or precision is larger. */
#define WIDEST 1000000000

/* Where text goes: to the console, or to `buffer`, as far as it has room. */
struct output {
  bool is_console;
  char *buffer;
  size_t room;
  size_t length;
};

/* A va_list can be passed on only once, unless it is in something. */
struct arguments {
  va_list list;
};

/* What stands between `%` and the conversion. */
struct directive {
  bool left;
  bool zeros;
  int width;
  int precision; /* negative: none */
  size_t size;   /* of the argument, in bytes */
};

static void put(struct output *output, char byte) {
  if (output->is_console)
    paravirt_console_put((uint8_t)byte);
  else if (output->length < output->room)
    output->buffer[output->length] = byte;
  ++output->length;
}

static void put_all(struct output *output, const char *text, size_t length) {
  for (size_t i = 0; i < length; ++i)
    put(output, text[i]);
}

/* Text behind a sign or a prefix; zeros go between the two, blanks around both. */
static void put_field(struct output *output, const struct directive *directive, const char *prefix, const char *text,
                      size_t length) {
  size_t whole = strlen(prefix) + length;
  size_t padding = directive->width > 0 && (size_t)directive->width > whole ? (size_t)directive->width - whole : 0;
  size_t zeros = directive->zeros && !directive->left ? padding : 0;

  if (zeros == 0 && !directive->left)
    for (size_t i = 0; i < padding; ++i)
      put(output, ' ');
  put_all(output, prefix, strlen(prefix));
  for (size_t i = 0; i < zeros; ++i)
    put(output, '0');
  put_all(output, text, length);
  if (directive->left)
    for (size_t i = 0; i < padding; ++i)
      put(output, ' ');
}

static void put_number(struct output *output, const struct directive *directive, const char *prefix, uintmax_t number,
                       unsigned base, const char *digits) {
  char text[DIGITS];
  size_t first = DIGITS;

  do {
    text[--first] = digits[number % base];
    number /= base;
  } while (number != 0);
  put_field(output, directive, prefix, text + first, DIGITS - first);
}

static void put_text(struct output *output, struct directive *directive, const char *text) {
  size_t length = 0;

  if (text == NULL)
    text = "(null)";
  while ((directive->precision < 0 || length < (size_t)directive->precision) && text[length] != '\0')
    ++length;
  directive->zeros = false;
  put_field(output, directive, "", text, length);
}

/* An argument of that many bytes. One that is smaller than an int was passed as an int. */
static uintmax_t unsigned_argument(struct arguments *arguments, size_t size) {
  uintmax_t number;

  if (size == sizeof(long long))
    return va_arg(arguments->list, unsigned long long);
  number = va_arg(arguments->list, unsigned int);
  return size < sizeof(int) ? number & ((1u << 8 * size) - 1) : number;
}

/* The number after `*`, or as it stands there. */
static int number_or_argument(const char **format, struct arguments *arguments) {
  int number = 0;

  if (**format == '*') {
    ++*format;
    return va_arg(arguments->list, int);
  }
  for (; **format >= '0' && **format <= '9'; ++*format)
    if (number < WIDEST / 10)
      number = 10 * number + (**format - '0');
  return number;
}

/* The size of the argument that the letters of a length stand for. */
static size_t argument_size(const char **format) {
  static const struct {
    char letters[3];
    unsigned char size;
  } lengths[] = {
      {"hh", sizeof(char)},    {"h", sizeof(short)},     {"ll", sizeof(long long)}, {"l", sizeof(long)},
      {"j", sizeof(intmax_t)}, {"t", sizeof(ptrdiff_t)}, {"z", sizeof(size_t)},
  };

  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {
    size_t length = strlen(lengths[i].letters);

    if (**format == lengths[i].letters[0] && (length == 1 || (*format)[1] == lengths[i].letters[1])) {
      *format += length;
      return lengths[i].size;
    }
  }
  return sizeof(int);
}

/* Reads what is behind `%` up to the conversion. */
static struct directive read_directive(const char **format, struct arguments *arguments) {
  struct directive directive = {.precision = -1};

  for (; **format == '-' || **format == '0'; ++*format) {
    directive.left |= **format == '-';
    directive.zeros |= **format == '0';
  }
  directive.width = number_or_argument(format, arguments);
  if (directive.width < 0) {
    directive.left = true;
    directive.width = directive.width < -__INT_MAX__ ? __INT_MAX__ : -directive.width;
  }
  if (**format == '.') {
    ++*format;
    directive.precision = number_or_argument(format, arguments);
  }
  directive.size = argument_size(format);
  return directive;
}

/* Whether there is such a conversion. */
static bool convert(struct output *output, char conversion, struct directive *directive, struct arguments *arguments) {
  static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
  uintmax_t number, sign;
  char byte;

  if (directive->precision >= 0 && conversion != 's')
    return false;
  switch (conversion) {
  case 'd':
  case 'i':
    number = unsigned_argument(arguments, directive->size);
    sign = (uintmax_t)1 << (8 * directive->size - 1);
    if (number & sign)
      put_number(output, directive, "-", (number ^ (sign - 1) ^ sign) + 1, 10, lower);
    else
      put_number(output, directive, "", number, 10, lower);
    return true;
  case 'u': put_number(output, directive, "", unsigned_argument(arguments, directive->size), 10, lower); return true;
  case 'x':
  case 'X':
    number = unsigned_argument(arguments, directive->size);
    put_number(output, directive, "", number, 16, conversion == 'x' ? lower : upper);
    return true;
  case 'p': put_number(output, directive, "0x", (uintptr_t)va_arg(arguments->list, void *), 16, lower); return true;
  case 'c':
    byte = (char)va_arg(arguments->list, int);
    directive->zeros = false;
    put_field(output, directive, "", &byte, 1);
    return true;
  case 's': put_text(output, directive, va_arg(arguments->list, const char *)); return true;
  case '%': put(output, '%'); return true;
  default: return false;
  }
}

static int print(struct output *output, const char *format, struct arguments *arguments) {
  for (; *format != '\0'; ++format) {
    struct directive directive;

    if (*format != '%') {
      put(output, *format);
      continue;
    }
    ++format;
    directive = read_directive(&format, arguments);
    if (!convert(output, *format, &directive, arguments))
      return -1;
  }
  return output->length > __INT_MAX__ ? -1 : (int)output->length;
}

int paravirt_vprintf(const char *format, va_list list) {
  struct output output = {.is_console = true};
  struct arguments arguments;
  int result;

  va_copy(arguments.list, list);
  result = print(&output, format, &arguments);
  va_end(arguments.list);
  return result;
}

int paravirt_vsnprintf(char *buffer, size_t size, const char *format, va_list list) {
  struct output output = {.buffer = buffer, .room = size > 0 ? size - 1 : 0};
  struct arguments arguments;
  int result;

  va_copy(arguments.list, list);
  result = print(&output, format, &arguments);
  va_end(arguments.list);
  if (size > 0)
    buffer[output.length < output.room ? output.length : output.room] = '\0';
  return result;
}

int paravirt_printf(const char *format, ...) {
  va_list list;
  int result;

  va_start(list, format);
  result = paravirt_vprintf(format, list);
  va_end(list);
  return result;
}

int paravirt_snprintf(char *buffer, size_t size, const char *format, ...) {
  va_list list;
  int result;

  va_start(list, format);
  result = paravirt_vsnprintf(buffer, size, format, list);
  va_end(list);
  return result;
}
