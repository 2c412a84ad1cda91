/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsSharedParavirt
 *
 * @brief Clock driver on timer 0 of the paravirtualization layer.
 */

#include <bsp.h>
#include <bsp/fatal.h>
#include <bsp/irq.h>

#include <paravirt/clock.h>
#include <paravirt/timer.h>

#include <rtems/clockdrv.h>
#include <rtems/timecounter.h>

#include <stdbool.h>

#define NS_PER_US 1000u

/* The kernel sees 32 bits of the time in ns: it must anchor its own before they wrap. Half of that is left for what
 * comes between. */
#define CLOCK_LONGEST_GAP UINT64_C(0x80000000)

static struct timecounter clock_timecounter;

/* Times of the paravirtual clock: when the tick was started, and its period. */
static uint64_t clock_start;
static uint64_t clock_period;

/* How many ticks the kernel was told of. */
static uint64_t clock_ticks;

/* The latest time to which we had the kernel anchor its own. What it anchored to by itself, as when the time of day is
 * set, lies
   between this and the last reading. This and what follows is changed with interrupts disabled. */
static uint64_t clock_anchor;

/* The last reading that was not for an anchor. */
static uint64_t clock_last;

/* The next reading of the time counter is the kernel's own, for the anchor. */
static bool clock_anchor_is_read;

/* Has the kernel anchor its time without a tick: installing the counter that it has does nothing else. */
static void clock_set_anchor(uint64_t time)
{
  clock_anchor = time;
  clock_anchor_is_read = true;
  rtems_timecounter_install(&clock_timecounter);
  clock_anchor_is_read = false;
}

/*
 * Sets anchors until the last is so near to a time that the kernel's 32 bits do not wrap: interrupts may be disabled
 * for long, and ticks be far between. An anchor set here is not before the last reading, because that came here first.
 */
static void clock_approach(uint64_t time)
{
  while (time > clock_anchor + CLOCK_LONGEST_GAP) {
    clock_set_anchor(clock_anchor + CLOCK_LONGEST_GAP);
  }
}

/*
 * At a tick the kernel anchors its time to this counter. It gets the time at which the tick was due, not the time at
 * which the host came round to it, so that the time of tick n is the same multiple of the period however late it came.
 * All other readings are precise; the kernel derives both from the same anchor. A reader whose anchor moves begins
 * again.
 */
static uint32_t clock_get_timecount(struct timecounter *tc)
{
  rtems_interrupt_level level;
  uint32_t count;

  (void) tc;

  rtems_interrupt_local_disable(level);
  if (clock_anchor_is_read) {
    clock_anchor_is_read = false;
    count = (uint32_t) clock_anchor;
  } else {
    uint64_t now = paravirt_clock_now();

    clock_approach(now);
    clock_last = now;
    count = (uint32_t) now;
  }
  rtems_interrupt_local_enable(level);

  return count;
}

/* All timers share a vector: this one finds out which have expired. Applications use timers 1 and up. */
static void clock_timer_vector(void *argument)
{
  paravirt_timer_dispatch(PARAVIRT_VECTOR_TIMER, argument);
}

/* The tick: one call of the handler for each expiration, also where the vector coalesced. As every handler, with
 * interrupts disabled. */
static void clock_tick(uint32_t timer, uint64_t expirations, void *argument)
{
  rtems_interrupt_handler handler = *(rtems_interrupt_handler *) argument;

  (void) timer;

  for (; expirations > 0; --expirations) {
    uint64_t due;
    uint64_t now;

    ++clock_ticks;
    due = clock_start + clock_ticks * clock_period;
    /* Not in the future, and not before a reading that the kernel may have anchored to: time never steps back. */
    now = paravirt_clock_now();
    due = due < now ? due : now;
    due = due > clock_last ? due : clock_last;
    clock_approach(due);
    clock_anchor = due;
    clock_anchor_is_read = true;
    (*handler)(NULL);
    clock_anchor_is_read = false;
  }
}

static void clock_install_isr(rtems_interrupt_handler handler)
{
  static rtems_interrupt_handler clock_isr;
  rtems_status_code sc;

  clock_isr = handler;
  sc =
    rtems_interrupt_handler_install(PARAVIRT_VECTOR_TIMER, "Timers", RTEMS_INTERRUPT_UNIQUE, clock_timer_vector, NULL);
  if (sc != RTEMS_SUCCESSFUL) {
    bsp_fatal(BSP_FATAL_INTERRUPT_INITIALIZATION);
  }
  (void) paravirt_timer_attach(PV_TIMER_TICK, clock_tick, &clock_isr);
}

static void clock_initialize_hardware(void)
{
  clock_timecounter.tc_get_timecount = clock_get_timecount;
  clock_timecounter.tc_counter_mask = 0xffffffff;
  clock_timecounter.tc_frequency = 1000000000;
  clock_timecounter.tc_quality = RTEMS_TIMECOUNTER_QUALITY_CLOCK_DRIVER;
  clock_set_anchor(paravirt_clock_now());

  clock_period = (uint64_t) rtems_configuration_get_microseconds_per_tick() * NS_PER_US;
  clock_start = paravirt_clock_now();
  (void) paravirt_timer_start(PV_TIMER_TICK, clock_period, clock_period);
}

#define Clock_driver_support_install_isr(isr) clock_install_isr(isr)
#define Clock_driver_support_initialize_hardware() clock_initialize_hardware()

/* The shared clock driver of RTEMS, around the functions above. */
#include <dev/clock/clockimpl.h>
