/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 *
 * @ingroup RTEMSBSPsI386Paravirt
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

static struct timecounter clock_timecounter;

/* Times of the paravirtual clock: when the tick was started, its period, and when the last tick that was announced was due. */
static uint64_t clock_start;
static uint64_t clock_period;
static uint64_t clock_due;

/* The last reading that was not for a tick. */
static uint64_t clock_last;

/* The next reading of the time counter is the kernel's own at the tick. */
static bool clock_tick_reads;

/*
 * At a tick the kernel anchors its time to this counter. It gets the time at which the tick was due, not the time at which the
 * host came round to it, so that the time of tick n is the same multiple of the period however late it came. All other readings
 * are precise; the kernel derives both from the same anchor.
 */
static uint32_t clock_get_timecount(struct timecounter *tc)
{
  (void) tc;

  if (clock_tick_reads) {
    clock_tick_reads = false;
    return (uint32_t) clock_due;
  }

  clock_last = paravirt_clock_now();

  return (uint32_t) clock_last;
}

/* All timers share a vector: this one finds out which have expired. Applications use timers 1 and up. */
static void clock_timer_vector(void *argument)
{
  paravirt_timer_dispatch(PARAVIRT_VECTOR_TIMER, argument);
}

/* The tick: one call of the handler for each expiration, also where the vector coalesced. */
static void clock_tick(uint32_t timer, uint64_t expirations, void *argument)
{
  rtems_interrupt_handler handler = *(rtems_interrupt_handler *) argument;
  uint64_t ticks = paravirt_timer_expirations(timer) - expirations;
  uint64_t now = paravirt_clock_now();

  for (; expirations > 0; --expirations) {
    uint64_t due;

    ++ticks;
    due = clock_start + ticks * clock_period;
    /* Not before a reading that the kernel may have anchored to, and not in the future: time never steps back. */
    due = due > clock_last ? due : clock_last;
    clock_due = due < now ? due : now;
    clock_tick_reads = true;
    (*handler)(NULL);
  }
}

static void clock_install_isr(rtems_interrupt_handler handler)
{
  static rtems_interrupt_handler clock_isr;
  rtems_status_code sc;

  clock_isr = handler;
  sc = rtems_interrupt_handler_install(
    PARAVIRT_VECTOR_TIMER,
    "Timers",
    RTEMS_INTERRUPT_UNIQUE,
    clock_timer_vector,
    NULL
  );
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
  rtems_timecounter_install(&clock_timecounter);

  clock_period = (uint64_t) rtems_configuration_get_microseconds_per_tick() * NS_PER_US;
  clock_start = paravirt_clock_now();
  (void) paravirt_timer_start(PV_TIMER_TICK, clock_period, clock_period);
}

#define Clock_driver_support_install_isr(isr) clock_install_isr(isr)
#define Clock_driver_support_initialize_hardware() clock_initialize_hardware()

/* The shared clock driver of RTEMS, around the functions above. */
#include <dev/clock/clockimpl.h>
