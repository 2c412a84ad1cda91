/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * @brief Example host in C, for Linux on x86-64 or i386:
 *
 *     c-host [--lazy] [--partial] [--compat l4rtems] [--memory BYTES] GUEST [-- ARGUMENT...]
 *
 * Runs guests of its own width, with the console on standard input and output, and provides the functions of
 * functions.c. host/README.md says how it is built.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <paravirt/host.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "functions.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define STACK_SIZE 65536
/* Set by hand: the code runs with the guest's thread pointer, which a stack protector would use. */
#define WITHOUT_TLS __attribute__((no_stack_protector))

static struct pvh_guest *guest;
static pthread_t vcpu, reader;
/* Whether something has come since `wait` returned. */
static volatile sig_atomic_t events;

static void __attribute__((noreturn)) fail(const char *what) {
  perror(what);
  exit(1);
}

/* ---- What the library stands on ---- */

static void *allocate(void *context, size_t size, size_t alignment) {
  (void)context;
  void *memory;
  if (alignment < sizeof(void *))
    alignment = sizeof(void *);
  return posix_memalign(&memory, alignment, size) ? NULL : memory;
}

static void release(void *context, void *memory, size_t size, size_t alignment) {
  (void)context, (void)size, (void)alignment;
  free(memory);
}

static void message(void *context, const char *text, size_t length) {
  (void)context;
  fprintf(stderr, "c-host: %.*s\n", (int)length, text);
}

static void give_up(void *context) {
  (void)context;
  _exit(1);
}

/* ---- Memory: mapped where the guest was linked ---- */

static int32_t map(void *context, uint64_t start, uint64_t size) {
  (void)context;
  void *wanted = (void *)(uintptr_t)start;
  void *mapped = mmap(wanted, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (mapped == wanted)
    return 0;
  if (mapped == MAP_FAILED)
    return -errno;
  munmap(mapped, size); /* a kernel before 4.17 takes the address as a wish */
  return -EEXIST;
}

static int32_t protect(void *context, uint64_t start, uint64_t size, uint32_t access) {
  (void)context;
  int rights = (access & PVH_READ ? PROT_READ : 0) | (access & PVH_WRITE ? PROT_WRITE : 0) |
               (access & PVH_EXECUTE ? PROT_EXEC : 0);
  return mprotect((void *)(uintptr_t)start, size, rights) ? -errno : 0;
}

static void unmap(void *context, uint64_t start, uint64_t size) {
  (void)context;
  munmap((void *)(uintptr_t)start, size);
}

/* ---- Thread-local storage: the host's and, once it has asked for some, the guest's ---- */

#ifdef __x86_64__
#include <asm/prctl.h>
typedef uint64_t thread_pointer; /* base of fs */

static thread_pointer WITHOUT_TLS get_tls(void) {
  thread_pointer base;
  syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
  return base;
}

static void WITHOUT_TLS load_tls(thread_pointer base) {
  syscall(SYS_arch_prctl, ARCH_SET_FS, base);
}

static int make_tls(uint64_t base, thread_pointer *pointer) {
  *pointer = base;
  return base < UINT64_C(1) << 47;
}
#else
#include <asm/ldt.h>
typedef uint32_t thread_pointer; /* selector in gs */

static thread_pointer WITHOUT_TLS get_tls(void) {
  thread_pointer selector;
  __asm__ volatile("mov %%gs, %0" : "=r"(selector));
  return selector;
}

static void WITHOUT_TLS load_tls(thread_pointer selector) {
  __asm__ volatile("mov %0, %%gs" : : "r"(selector));
}

static int make_tls(uint64_t base, thread_pointer *pointer) {
  static struct user_desc entry = {
      .entry_number = -1, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
  entry.base_addr = base;
  if (syscall(SYS_set_thread_area, &entry))
    return 0;
  *pointer = entry.entry_number << 3 | 3;
  return 1;
}
#endif

static thread_pointer host_tls, guest_tls;
static volatile int guest_has_tls;

static int32_t set_tls(void *context, uint64_t base) {
  (void)context;
  if (!make_tls(base, &guest_tls))
    return PV_ERROR_INVALID_ARGUMENT;
  guest_has_tls = 1;
  return 0;
}

static void WITHOUT_TLS enter_host(void *context) {
  (void)context;
  if (guest_has_tls)
    load_tls(host_tls);
}

static void WITHOUT_TLS leave_host(void *context) {
  (void)context;
  if (guest_has_tls)
    load_tls(guest_tls);
}

/* ---- Time ---- */

static timer_t alarm_clock;

static uint64_t read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static uint64_t now(void *context) {
  (void)context;
  return read_clock(CLOCK_MONOTONIC);
}

static uint64_t wall(void *context) {
  (void)context;
  return read_clock(CLOCK_REALTIME);
}

/* No sooner from now on, in ns: however many timers are due, the guest's main loop is to go on. */
#define SOONEST 20000

static void set_alarm(void *context, uint64_t deadline) {
  struct itimerspec setting = {0}; /* stops it */
  uint64_t soonest = now(context) + SOONEST;
  if (deadline < soonest)
    deadline = soonest;
  if (deadline != PVH_NEVER && deadline / NS_PER_SECOND < INT32_MAX) {
    setting.it_value.tv_sec = deadline / NS_PER_SECOND;
    setting.it_value.tv_nsec = deadline % NS_PER_SECOND;
  }
  timer_settime(alarm_clock, TIMER_ABSTIME, &setting, NULL);
}

/* ---- Events: signals of the vCPU's thread ---- */

#define ALARM SIGRTMIN      /* the alarm has come */
#define KICK (SIGRTMIN + 1) /* another thread has latched a line */

static sigset_t event_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, ALARM);
  sigaddset(&set, KICK);
  return set;
}

static void wait_for_event(void *context) {
  (void)context;
  sigset_t blocked = event_signals(), before;
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if (!events)
    sigsuspend(&before);
  events = 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

#ifdef __x86_64__
#define REGISTER(context, name64, name32) ((context)->uc_mcontext.gregs[REG_##name64])
static const int general[16] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define FAULT_ADDRESS(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_CR2])
#else
#define REGISTER(context, name64, name32) ((context)->uc_mcontext.gregs[REG_##name32])
static const int general[8] = {REG_EAX, REG_EBX, REG_ECX, REG_EDX, REG_ESI, REG_EDI, REG_EBP, REG_ESP};
#define FAULT_ADDRESS(context) ((uint64_t)(context)->uc_mcontext.cr2)
#endif

static struct pvh_context WITHOUT_TLS interrupted(const ucontext_t *context) {
  struct pvh_context registers = {
      .ip = (uintptr_t)REGISTER(context, RIP, EIP),
      .sp = (uintptr_t)REGISTER(context, RSP, ESP),
      .flags = (uintptr_t)REGISTER(context, EFL, EFL),
#ifdef __x86_64__
      .cs = context->uc_mcontext.gregs[REG_CSGSFS] & 0xffff,
      .ss = (uint64_t)context->uc_mcontext.gregs[REG_CSGSFS] >> 48,
#else
      .cs = context->uc_mcontext.gregs[REG_CS] & 0xffff,
      .ss = context->uc_mcontext.gregs[REG_SS] & 0xffff,
#endif
  };
  return registers;
}

static void WITHOUT_TLS go_on(ucontext_t *context, const struct pvh_context *registers) {
  REGISTER(context, RIP, EIP) = registers->ip;
  REGISTER(context, RSP, ESP) = registers->sp;
  REGISTER(context, EFL, EFL) = registers->flags;
#ifdef __x86_64__
  uint64_t others = context->uc_mcontext.gregs[REG_CSGSFS] & 0x0000ffffffff0000;
  context->uc_mcontext.gregs[REG_CSGSFS] = registers->ss << 48 | others | registers->cs;
#else
  context->uc_mcontext.gregs[REG_CS] = registers->cs;
  context->uc_mcontext.gregs[REG_SS] = registers->ss;
#endif
}

/* A guest may have turned on the alignment check, which the kernel leaves on. */
#ifdef __x86_64__
#define RESET_FLAGS() __builtin_ia32_writeeflags_u64(2)
#else
#define RESET_FLAGS() __builtin_ia32_writeeflags_u32(2)
#endif

/* The kernel saves the floating-point registers, but enters a handler with thread pointer and flags of what it
 * interrupted. */
static void WITHOUT_TLS on_event(int signal, siginfo_t *info, void *context) {
  (void)info;
  RESET_FLAGS();
  thread_pointer before = get_tls();
  load_tls(host_tls);
  int error = errno;
  struct pvh_context registers = interrupted(context);
  events = 1;
  if (signal == ALARM)
    pvh_guest_alarm(guest);
  if (pvh_guest_deliver(guest, &registers))
    go_on(context, &registers);
  errno = error;
  load_tls(before);
}

static void WITHOUT_TLS on_fault(int number, siginfo_t *info, void *context) {
  RESET_FLAGS();
  thread_pointer before = get_tls();
  load_tls(host_tls);
  const ucontext_t *state = context;
  struct pvh_context registers = interrupted(context);
  struct pvh_fault fault = {
      .vector = REGISTER(state, TRAPNO, TRAPNO),
      .error = REGISTER(state, ERR, ERR),
      .address = FAULT_ADDRESS(state),
  };
  for (size_t i = 0; i < sizeof(general) / sizeof(general[0]); ++i)
    fault.registers[i] = (uintptr_t)state->uc_mcontext.gregs[general[i]];
  /* Anybody may send these signals; only the kernel, for a fault, gives them a positive code. */
  if (info->si_code > 0 && pvh_guest_fault(guest, &registers, &fault) > 0) {
    go_on(context, &registers);
  } else { /* the host's own, or sent: it is the end when this handler returns */
    signal(number, SIG_DFL);
    raise(number);
  }
  load_tls(before);
}

/* On a stack of their own: the guest's may be small, or may not be there. */
static void handle_signals(void) {
  stack_t stack = {.ss_sp = malloc(STACK_SIZE), .ss_size = STACK_SIZE};
  if (!stack.ss_sp || sigaltstack(&stack, NULL))
    fail("sigaltstack");
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART, .sa_mask = event_signals()};
  action.sa_sigaction = on_event;
  sigaction(ALARM, &action, NULL);
  sigaction(KICK, &action, NULL);
  action.sa_sigaction = on_fault;
  static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  sigset_t ours = event_signals();
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); ++i) {
    sigaction(faults[i], &action, NULL);
    sigaddset(&ours, faults[i]);
  }
  pthread_sigmask(SIG_UNBLOCK, &ours, NULL); /* whoever started us may have them blocked */
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ALARM};
  event._sigev_un._tid = gettid();
  if (timer_create(CLOCK_MONOTONIC, &event, &alarm_clock))
    fail("timer_create (each timer counts for `ulimit -i`)");
}

/* ---- The console; input comes by a thread ---- */

/* Why output was lost, 0 if none was. */
static int lost;

/* Who shares a stream may have made it one that does not wait. */
static void wait_for(int file, short direction) {
  struct pollfd ready = {.fd = file, .events = direction};
  poll(&ready, 1, -1);
}

static struct {
  pthread_mutex_t lock;
  pthread_cond_t empty;
  unsigned char bytes[4096];
  size_t first, count;
  int ended;
} input = {.lock = PTHREAD_MUTEX_INITIALIZER, .empty = PTHREAD_COND_INITIALIZER};

static void *read_input(void *unused) {
  (void)unused;
  unsigned char bytes[sizeof(input.bytes)];
  ssize_t count;
  do {
    count = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
      wait_for(STDIN_FILENO, POLLIN);
      count = 1;
      continue;
    }
    pthread_mutex_lock(&input.lock);
    while (input.count)
      pthread_cond_wait(&input.empty, &input.lock);
    if (count > 0) {
      memcpy(input.bytes, bytes, count);
      input.first = 0;
      input.count = count;
    } else {
      input.ended = 1;
    }
    pthread_mutex_unlock(&input.lock);
    if (pvh_guest_latch(guest, PV_LINE_CONSOLE) > 0)
      pthread_kill(vcpu, KICK);
  } while (count > 0);
  return NULL;
}

/* Its thread takes none of the vCPU's signals. */
static void start_input(void) {
  sigset_t blocked = event_signals(), before;
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if (pthread_create(&reader, NULL, read_input, NULL))
    fail("pthread_create");
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static intptr_t console_read(void *context, void *buffer, size_t size, int32_t *more) {
  (void)context;
  pthread_mutex_lock(&input.lock);
  size_t count = size < input.count ? size : input.count;
  memcpy(buffer, input.bytes + input.first, count);
  input.first += count;
  input.count -= count;
  *more = input.count > 0;
  intptr_t result = count || !input.ended ? (intptr_t)count : PV_ERROR_END_OF_INPUT;
  if (!input.count)
    pthread_cond_signal(&input.empty);
  pthread_mutex_unlock(&input.lock);
  return result;
}

static intptr_t console_write(void *context, const void *bytes, size_t size) {
  (void)context;
  ssize_t count = write(STDOUT_FILENO, bytes, size);
  if (count >= 0)
    return count;
  int error = errno;
  if (error == EAGAIN)
    wait_for(STDOUT_FILENO, POLLOUT);
  if (error == EAGAIN || error == EINTR)
    return 0;
  if (error == EPIPE) /* whoever started us wants SIGPIPE ignored; nobody will read again */
    fail("c-host: cannot write the guest's output");
  lost = lost ? lost : error;
  return PV_ERROR_DEVICE;
}

/* ---- From the command line to the end ---- */

static void *read_file(const char *name, size_t *size) {
  FILE *file = fopen(name, "rb");
  if (!file || fseek(file, 0, SEEK_END))
    fail(name);
  long length = ftell(file);
  rewind(file);
  void *bytes = length < 0 ? NULL : malloc(length + 1);
  if (!bytes || fread(bytes, 1, length, file) != (size_t)length)
    fail(name);
  fclose(file);
  *size = length;
  return bytes;
}

/* The arguments with single spaces between. */
static char *join(char **arguments) {
  size_t length = 1;
  for (char **argument = arguments; *argument; ++argument)
    length += strlen(*argument) + 1;
  char *text = calloc(1, length);
  if (!text)
    fail("arguments");
  for (char **argument = arguments; *argument; ++argument)
    strcat(strcat(text, argument == arguments ? "" : " "), *argument);
  return text;
}

/* A number of bytes, decimal or, with 0x, hexadecimal. */
static uint64_t parse_size(const char *text) {
  char *end;
  errno = 0;
  unsigned long long size = strtoull(text, &end, 0);
  if (*text < '0' || *text > '9' || *end || errno) {
    fprintf(stderr, "c-host: `%s` is no number of bytes; write `16777216` for 16 MiB\n", text);
    exit(2);
  }
  return size;
}

int main(int argc, char **argv) {
  static const struct pvh_platform platform = {
      .size = sizeof(platform),
      .map = map,
      .protect = protect,
      .unmap = unmap,
      .now = now,
      .wall = wall,
      .set_alarm = set_alarm,
      .wait = wait_for_event,
      .console_write = console_write,
      .console_read = console_read,
      .set_tls = set_tls,
      .enter_host = enter_host,
      .leave_host = leave_host,
  };
  struct pvh_request request = {
      .size = sizeof(request),
      .platform = &platform,
      .functions = host_functions,
      .function_count = host_function_count,
      .memory = 16 << 20,
  };
  int partial = 0;
  char **argument = argv + 1;
  for (; *argument && strncmp(*argument, "--", 2) == 0; ++argument) {
    if (strcmp(*argument, "--lazy") == 0)
      request.flags |= PVH_LAZY;
    else if (strcmp(*argument, "--partial") == 0)
      partial = 1;
    else if (strcmp(*argument, "--compat") == 0 && argument[1] && strcmp(argument[1], "l4rtems") == 0)
      request.flags |= PVH_COMPAT_L4RTEMS, ++argument;
    else if (strcmp(*argument, "--executable-memory") == 0)
      request.flags |= PVH_EXECUTABLE_MEMORY;
    else if (strcmp(*argument, "--memory") == 0 && argument[1])
      request.memory = parse_size(*++argument);
    else
      break;
  }
  const char *name = *argument;
  if (!name || name[0] == '-' || (argument[1] && strcmp(argument[1], "--") != 0)) {
    fprintf(
        stderr,
        "usage: %s [--lazy] [--partial] [--compat l4rtems] [--executable-memory] [--memory BYTES] GUEST [-- ARGUMENT...]\n",
        argc ? argv[0] : "c-host");
    return 2;
  }
  request.command_line = argument[1] ? join(argument + 2) : "";

  static const struct pvh_environment environment = {
      .size = sizeof(environment), .allocate = allocate, .release = release, .message = message, .abort = give_up};
  if (pvh_initialize(&environment) < 0)
    return 1;
  size_t size;
  void *bytes = read_file(name, &size);
  struct pvh_image *image;
  if (pvh_image_parse(name, bytes, size, &image) < 0)
    return 1;
  free(bytes);
  int32_t fits = pvh_image_check(image, host_functions, host_function_count, request.flags);
  if (fits < 0 && !(partial && fits == PVH_ERROR_FIT))
    return 1;
  if (pvh_guest_create(image, &request, &guest) < 0)
    return 1;
  vcpu = pthread_self();
  host_tls = get_tls();
  handle_signals();
  start_input();
  struct pvh_end end;
  if (pvh_guest_enter(guest, &end) < 0)
    return 1;
  pthread_cancel(reader);
  pthread_join(reader, NULL);
  pvh_guest_release(guest);
  pvh_image_release(image);
  int status = pvh_end_status(&end);
  if (lost) {
    fprintf(stderr, "c-host: cannot write the guest's output: %s\n", strerror(lost));
    return status ? status : 1;
  }
  return status;
}
