// SPDX-License-Identifier: MIT OR Apache-2.0
//! A storm: a thread raises a line as fast as it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use pvhost::process::{Call, Exit};

use super::guests::{each, output, place, read_back, vm};

/// Time the storm rages in ms, unless `PARAVIRT_STORM_MS` says otherwise.
const MILLISECONDS: u64 = 300;

#[test]
fn the_guest_lives_through_a_storm() {
    let _place = place();
    let duration = env::var("PARAVIRT_STORM_MS")
        .map_or(MILLISECONDS, |text| text.parse().expect("a number of ms"));
    for (arch, guest) in each("storm") {
        let (console, written) = output();
        let rages = Arc::new(AtomicBool::new(false));
        let raises = Arc::new(AtomicU64::new(0));
        let vm = vm(&guest, console)
            .provide("storm_begin", {
                let (rages, raises) = (Arc::clone(&rages), Arc::clone(&raises));
                move |call: &mut Call, line: u32| {
                    let line = call.line(line).expect("the line exists");
                    let (rages, raises) = (Arc::clone(&rages), Arc::clone(&raises));
                    rages.store(true, Ordering::SeqCst);
                    thread::spawn(move || {
                        let end = Instant::now() + Duration::from_millis(duration);
                        while Instant::now() < end {
                            raises.fetch_add(1, Ordering::SeqCst);
                            line.raise();
                        }
                        rages.store(false, Ordering::SeqCst);
                    });
                }
            })
            .provide("storm_rages", {
                let rages = Arc::clone(&rages);
                move |_: &mut Call| {
                    let rages = rages.load(Ordering::SeqCst);
                    // The last raise is delivered by this call into the kernel at the latest.
                    thread::yield_now();
                    u32::from(rages)
                }
            })
            .provide("storm_raises", move |_: &mut Call| {
                raises.load(Ordering::SeqCst)
            })
            .build()
            .expect("a guest for this host");
        let finished = vm.run().expect("the guest runs");
        let written = read_back(written);
        println!("{arch}:\n{written}{}", finished.stats);
        assert!(
            matches!(finished.exit, Exit::Exit(0)),
            "{arch}: {:?}\n{written}",
            finished.exit
        );
    }
}
