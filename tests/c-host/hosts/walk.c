/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * Raises a line at every instruction of the paths on which it could be lost: the guest's, the stubs', the gates', and
 * one in eight of the library's and this host's own. The guest `walk` walks a path again and again under single step.
 * In each round the line is raised at instructions at which it has not been raised before, but not before the last
 * raise was delivered, until a round finds none.
 */
#define sigsuspend sleep_in_walk
#define main c_host_main
#include "../../../examples/c-host/c-host.c"
#undef main

enum {
  LINE = PV_LINE_FIRST_FREE, /* raised here */
  OTHER = LINE + 1,          /* the guest's own; raised here to end an idle */
  PATHS = 6,
  RAISE = 1,           /* a path through a host function, on which host code is of interest */
  IDLE = 3,            /* and the one that sleeps */
  MASK_IN_HANDLER = 5, /* the path that raises LINE itself */
  KNOWN = 1 << 14,     /* room for addresses, a power of two */
  SAMPLE = 8,          /* of host code, one instruction in so many */
};

/* Guests are below it. */
#define HOST (sizeof(void *) == 8 ? 0x40000000u : 0xa0000000u)

static struct pvh_image *walked;
static uintptr_t end_stub;
static volatile const uint32_t *calls;
static volatile int walking;
static uint32_t raises, calls_before; /* in this round; and of the handler, when it was raised last */
static uint32_t current, rounds[PATHS], in_guest[PATHS], in_gates[PATHS], in_host[PATHS], failures;
static uintptr_t known[KNOWN], where;

/* The gates' own code, see host/core/src/gate. */
extern const char pvh_gates_start[], pvh_gates_end[];

static void wrong(const char *how) {
  if (++failures <= 10)
    fprintf(stderr, "path %u, raised at %#lx: %s\n", current, (unsigned long)where, how);
}

/* Whether that is new. */
static int note(uintptr_t address) {
  for (size_t i = address * 31 % KNOWN;; i = (i + 1) % KNOWN) {
    if (known[i] == address)
      return 0;
    if (!known[i])
      return known[i] = address, 1;
  }
}

/* Whether a raise has not been delivered. */
static int outstanding(void) {
  return raises > 0 && *calls == calls_before;
}

/* The guest sleeps: the other line ends it. With a line raised and not delivered, it must not. */
int sleep_in_walk(const sigset_t *mask) {
  (void)mask;
  if (walking && outstanding())
    wrong("slept");
  pvh_guest_latch(guest, OTHER);
  return 0;
}

/* Whether the line is to be raised there; counts where. */
static int wanted(uintptr_t address) {
  int gate = address >= (uintptr_t)pvh_gates_start && address < (uintptr_t)pvh_gates_end;
  int host = !gate && address >= HOST;
  if ((host && address % SAMPLE) || ((gate || host) && current != RAISE && current != IDLE) || !note(address))
    return 0;
  ++(gate ? in_gates : host ? in_host : in_guest)[current];
  return 1;
}

static void WITHOUT_TLS on_step(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  thread_pointer before = get_tls();
  load_tls(host_tls);
  int error = errno;
  struct pvh_context registers = interrupted(context);
  if (registers.ip == end_stub) {
    /* Interrupts are on here, and no call is under way: what was raised has been delivered. */
    if (walking && outstanding())
      wrong("still pending");
    walking = 0;
  }
  /* A step comes also where the host has blocked its events. */
  int blocked = sigismember(&((ucontext_t *)context)->uc_sigmask, ALARM);
  if (walking && !blocked && !outstanding() && wanted(registers.ip)) {
    where = registers.ip;
    calls_before = *calls;
    ++raises;
    events = 1;
    pvh_guest_latch(guest, LINE);
    if (pvh_guest_deliver(guest, &registers))
      go_on(context, &registers);
  }
  errno = error;
  load_tls(before);
}

static void step(int on) {
#ifdef __x86_64__
  if (on)
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  else
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
#else
  if (on)
    __asm__ volatile("pushfl; orl $0x100, (%%esp); popfl" ::: "memory", "cc");
  else
    __asm__ volatile("pushfl; andl $~0x100, (%%esp); popfl" ::: "memory", "cc");
#endif
}

static uint32_t walk_begin(uint32_t path, const void *count) {
  step(0);
  if (path != current || rounds[path] == 0) {
    memset(known, 0, sizeof(known));
    raises = 1; /* the first round of a path has something to do */
  }
  current = path;
  calls = count;
  if (!raises)
    return 0;
  ++rounds[path];
  raises = 0;
  walking = 1;
  step(1);
  return 1;
}

static void walk_end(void) {
  walking = 0;
}

static void walk_report(uint32_t delivered, uint32_t early, uintptr_t lowest) {
  (void)lowest;
  uint32_t own = current == MASK_IN_HANDLER;
  if (early)
    wrong("delivered while off");
  if (raises && delivered <= calls_before)
    wrong("lost");
  if (delivered > raises + own)
    wrong("delivered twice");
}

const struct pvh_function host_functions[] = {
    PVH_TYPED_FUNCTION(uint32_t, walk_begin, uint32_t, const void *) PVH_TYPED_FUNCTION(void, walk_end)
        PVH_TYPED_FUNCTION(void, walk_report, uint32_t, uint32_t, uintptr_t)};
const size_t host_function_count = sizeof(host_functions) / sizeof(host_functions[0]);

int main(int argc, char **argv) {
  static const struct pvh_environment environment = {
      .size = sizeof(environment), .allocate = allocate, .release = release, .message = message, .abort = give_up};
  static const struct pvh_platform platform = {
      .size = sizeof(platform),
      .map = map,
      .protect = protect,
      .now = now,
      .wall = wall,
      .set_alarm = set_alarm,
      .wait = wait_for_event,
      .console_write = console_write,
      .set_tls = set_tls,
      .enter_host = enter_host,
      .leave_host = leave_host,
  };
  const struct pvh_request request = {.size = sizeof(request),
                                      .platform = &platform,
                                      .functions = host_functions,
                                      .function_count = host_function_count,
                                      .flags = argc > 2 ? PVH_LAZY : 0};
  size_t size;
  void *bytes = read_file(argv[1], &size);
  if (pvh_initialize(&environment) < 0 || pvh_image_parse("walk", bytes, size, &walked) < 0 ||
      pvh_guest_create(walked, &request, &guest) < 0)
    return 1;
  struct pvh_external external;
  for (uint32_t i = 0; pvh_image_external(walked, i, &external) == 0; ++i)
    if (strcmp(external.name, "walk_end") == 0) {
      end_stub = *(uintptr_t *)(uintptr_t)external.slot;
      break;
    }
  host_tls = get_tls();
  handle_signals();
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_mask = event_signals(), .sa_sigaction = on_step};
  sigaction(SIGTRAP, &action, NULL);
  struct pvh_end end;
  if (pvh_guest_enter(guest, &end) < 0 || end.kind != PVH_END_EXIT)
    return 1;
  for (unsigned i = 0; i < PATHS; ++i)
    printf("path %u: %u rounds, raised at %u instructions of guest, stubs and tail, %u of gates, %u of the host\n", i,
           rounds[i], in_guest[i], in_gates[i], in_host[i]);
  printf("%u wrong\n", failures);
  return failures != 0;
}
