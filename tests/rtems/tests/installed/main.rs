// SPDX-License-Identifier: MIT OR Apache-2.0
//! The BSP with the RTEMS that a user has: `RTEMS_PREFIX` and `RTEMS_SOURCE` name it, and `cargo xtask rtems` has built
//! the BSP.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod aarch64;
mod ci;
mod cores;
mod debugger;
mod emulated;
mod real;
mod steps;
mod tasks;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use test_support::need::User;
use test_support::trial;

/// A test for each function, with its path as the name.
macro_rules! trials {
    ($($module:ident::$test:ident),* $(,)?) => {
        vec![$(trial(
            concat!(stringify!($module), "::", stringify!($test)),
            &[User::RtemsPrefix, User::RtemsSource],
            || {
                $module::$test();
                Ok(())
            },
        )),*]
    };
}

fn main() -> ExitCode {
    let trials = trials![
        aarch64::the_contract_is_that_of_rtems_headers,
        aarch64::the_bsp_library_defines_its_part_of_the_contract,
        aarch64::hello_prints_the_same_everywhere,
        aarch64::ticker_prints_the_same_everywhere,
        aarch64::processor_state_survives_threads_and_interrupts,
        aarch64::cpp_exceptions_are_caught,
        aarch64::control_words_belong_to_threads,
        aarch64::what_is_raised_is_pending_and_can_be_cleared,
        aarch64::the_time_of_day_is_the_hosts,
        aarch64::code_runs_in_memory_of_images_with_the_dynamic_loader,
        ci::workflows_see_whether_the_example_is_right,
        ci::the_example_runs_on_its_host,
        cores::every_task_is_a_thread_of_a_core,
        cores::every_task_is_a_thread_of_a_core_of_qemu,
        debugger::a_waiting_task_is_stepped,
        debugger::tickers_tasks_are_threads,
        real::the_contract_is_that_of_rtems_headers,
        real::the_bsp_library_defines_its_part_of_the_contract,
        real::all_that_the_interrupt_headers_declare_is_defined,
        real::cpp_exceptions_are_caught,
        real::an_application_links_and_runs,
        real::a_new_project_runs,
        real::an_application_links_without_collection_of_sections,
        real::processor_state_survives_threads_and_interrupts,
        real::control_words_belong_to_threads,
        real::the_smallest_stack_has_room_for_interrupts,
        real::thread_local_data_without_a_base_for_it_is_told,
        real::what_is_raised_is_pending_and_can_be_cleared,
        real::the_time_of_day_is_the_hosts,
        real::getchark_polls_the_console,
        real::code_runs_in_memory_of_images_with_the_dynamic_loader,
        real::hello_runs,
        real::a_fatal_error_is_reported_from_a_small_stack,
        real::a_fatal_error_is_reported_with_interrupts_coming,
        real::ticks_and_memory_are_right_after_three_seconds,
        real::the_uptime_is_right_without_ticks,
        real::ticker_prints_the_same_without_waiting,
        real::a_trace_has_the_tasks_and_the_interrupts,
        real::an_idle_hour_passes_in_seconds_and_every_tick_counts,
        real::fileio_writes_and_lists_a_file,
        real::privileged_instructions_are_listed,
        ci::gcovr_reports_what_the_examples_test_executes,
        tasks::tasks_have_names_states_priorities_and_places,
        tasks::a_task_that_overflows_its_stack_is_named,
        steps::twenty_programs_are_the_same_in_each_run,
        emulated::hello_runs,
        emulated::processor_state_survives_threads_and_interrupts,
        emulated::control_words_belong_to_threads,
        emulated::the_smallest_stack_has_room_for_interrupts,
        emulated::cpp_exceptions_are_caught,
        emulated::what_is_raised_is_pending_and_can_be_cleared,
        emulated::the_time_of_day_is_the_hosts,
        emulated::code_runs_in_memory_of_images_with_the_dynamic_loader,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
