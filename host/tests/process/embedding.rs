// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests in a program that has signals, timers and threads of its own.

use std::cell::Cell;
use std::env;
use std::fs::File;
use std::io;
use std::mem::{self, MaybeUninit};
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pvhost::process::{Exit, Finished, VmError};

use super::guests::{Running, again, each, output, pvhost, read_back, run, text, vm};

/// Set in a process that runs one test.
const ALONE: &str = "PVHOST_TEST_ALONE";

/// Has this test run in a process of its own, since it changes what all threads share. Returns whether this is that
/// process.
fn is_alone(test: &str) -> bool {
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut again = again(&format!("embedding::{test}"));
    let output = Running::start(again.env(ALONE, "1").stderr(Stdio::piped())).output();
    // What it needs and has not got is what this test needs.
    let (status, said) = (output.status, text(&output.stderr));
    assert!(status.success(), "{status}\n{said}");
    false
}

/// Runs a guest with that command line, for so long at most.
fn finish(guest: &std::path::Path, arguments: &str, timeout: Duration) -> (Finished, String) {
    let (console, written) = output();
    let finished = vm(guest, console)
        .command_line(arguments)
        .timeout(timeout)
        .handle_signals(true)
        .build()
        .expect("a guest for this host")
        .run()
        .expect("the guest runs");
    (finished, read_back(written))
}

/// What a program can have set up of its signals.
#[derive(Debug, PartialEq, Eq)]
struct Signals {
    /// Handler, flags and mask of each.
    actions: Vec<(i32, usize, i32, Vec<i32>)>,
    blocked: Vec<i32>,
    /// Address, size and flags of the stack.
    stack: (usize, usize, i32),
}

fn members(set: &libc::sigset_t) -> Vec<i32> {
    // SAFETY: a live variable.
    let is_in = |signal: &i32| unsafe { libc::sigismember(set, *signal) == 1 };
    (1..=libc::SIGRTMAX()).filter(is_in).collect()
}

impl Signals {
    fn now() -> Self {
        let action = |signal| {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: a live variable; what the call fills in, and all zeros, is a valid value.
            let action = unsafe {
                libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
                action.assume_init()
            };
            let mask = members(&action.sa_mask);
            (signal, action.sa_sigaction, action.sa_flags, mask)
        };
        let mut blocked = MaybeUninit::zeroed();
        let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: live variables, which the calls fill in.
        let (blocked, stack) = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), blocked.as_mut_ptr());
            libc::sigaltstack(ptr::null(), stack.as_mut_ptr());
            (blocked.assume_init(), stack.assume_init())
        };
        Self {
            actions: (1..=libc::SIGRTMAX()).map(action).collect(),
            blocked: members(&blocked),
            stack: (stack.ss_sp as usize, stack.ss_size, stack.ss_flags),
        }
    }
}

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// Sets a handler of the program's own, which has not heard of other stacks.
fn handle(signal: i32, handler: Handler, flags: i32, blocked: &[i32]) {
    // SAFETY: all zeros is a valid value; a live variable; the handler has the type that its flags say.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | flags;
        for &signal in blocked {
            libc::sigaddset(&mut action.sa_mask, signal);
        }
        assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
    }
}

extern "C" fn nothing(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

#[test]
fn a_run_leaves_signals_as_they_were() {
    if !is_alone("a_run_leaves_signals_as_they_were") {
        return;
    }
    let own = [
        (libc::SIGUSR1, libc::SA_RESTART, vec![libc::SIGUSR2]),
        (libc::SIGTERM, libc::SA_NODEFER, vec![]),
        (libc::SIGFPE, 0, vec![libc::SIGALRM]),
        (libc::SIGRTMIN(), libc::SA_RESTART, vec![libc::SIGRTMAX()]),
        (libc::SIGRTMAX(), 0, vec![]),
    ];
    for (signal, flags, mask) in &own {
        handle(*signal, nothing, *flags, mask);
    }
    let mut room = vec![0_u8; 64 * 1024];
    // SAFETY: live variables; the stack lives as long as this thread needs it.
    unsafe {
        libc::signal(libc::SIGTRAP, libc::SIG_IGN);
        libc::signal(libc::SIGRTMIN() + 1, libc::SIG_IGN);
        let mut blocked: libc::sigset_t = mem::zeroed();
        for signal in [libc::SIGSEGV, libc::SIGHUP, libc::SIGSTKFLT]
            .into_iter()
            .chain(libc::SIGRTMIN() + 2..=libc::SIGRTMAX())
        {
            libc::sigaddset(&mut blocked, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, ptr::null_mut());
        let stack = libc::stack_t {
            ss_sp: room.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: room.len(),
        };
        assert_eq!(libc::sigaltstack(&stack, ptr::null_mut()), 0);
    }
    let before = Signals::now();
    let (moment, long) = (Duration::from_millis(300), Duration::from_secs(60));
    for (arch, guest) in each("fault") {
        for (what, timeout) in [("hang", moment), ("spin", moment), ("null", long)] {
            let (finished, _) = finish(&guest, what, timeout);
            let expected = if timeout == long {
                matches!(finished.exit, Exit::Fault(_))
            } else {
                matches!(finished.exit, Exit::Timeout)
            };
            assert!(expected, "{arch} {what}: {:?}", finished.exit);
            assert_eq!(Signals::now(), before, "{arch} {what}");
        }
    }
    for (arch, guest) in each("timers") {
        let (finished, written) = finish(&guest, "count", long);
        let exit = finished.exit;
        assert!(matches!(exit, Exit::Exit(0)), "{arch}: {exit:?}: {written}");
        assert_eq!(Signals::now(), before, "{arch}");
    }
    // SAFETY: a live variable; nobody is on the stack.
    unsafe {
        let none = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        libc::sigaltstack(&none, ptr::null_mut());
    }
}

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(0) };
}
/// The lowest address of a local variable in the program's handler.
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static TIMER: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());

extern "C" fn tick(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let here = 0_u8;
    LOWEST.fetch_min(&raw const here as usize, Ordering::SeqCst);
    // SAFETY: no pointers but the timer's name.
    let missed = unsafe { libc::timer_getoverrun(TIMER.load(Ordering::SeqCst)) };
    TICKS.with(|ticks| ticks.set(ticks.get() + 1 + missed as u64));
}

/// A timer of this thread with a period of 1 ms.
fn start_ticking(signal: i32) -> libc::timer_t {
    handle(signal, tick, libc::SA_RESTART, &[]);
    let mut timer = ptr::null_mut();
    let ms = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    let setting = libc::itimerspec {
        it_interval: ms,
        it_value: ms,
    };
    // SAFETY: all zeros is a valid value; live variables.
    unsafe {
        let mut event: libc::sigevent = mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = libc::gettid();
        let made = libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer);
        assert_eq!(made, 0, "{}", io::Error::last_os_error());
        TIMER.store(timer, Ordering::SeqCst);
        assert_eq!(libc::timer_settime(timer, 0, &setting, ptr::null_mut()), 0);
    }
    timer
}

#[test]
fn the_program_s_own_timer_on_the_vcpu_s_thread_loses_no_tick() {
    if !is_alone("the_program_s_own_timer_on_the_vcpu_s_thread_loses_no_tick") {
        return;
    }
    let timer = start_ticking(libc::SIGRTMAX());
    // Behind the timer's start, which a loaded machine may put off.
    let start = Instant::now();
    for (arch, guest) in each("timers") {
        let (finished, written) = finish(&guest, "count", Duration::from_secs(60));
        let exit = finished.exit;
        assert!(matches!(exit, Exit::Exit(0)), "{arch}: {exit:?}: {written}");
        let (finished, _) = finish(&guest, "spin", Duration::from_millis(300));
        assert!(matches!(finished.exit, Exit::Timeout), "{arch}");
    }
    // What is due is delivered at the end of that call at the latest.
    let passed = start.elapsed();
    // SAFETY: the timer exists.
    unsafe { libc::timer_delete(timer) };
    let (ticks, ms) = (TICKS.get(), passed.as_millis() as u64);
    assert!(ticks + 2 >= ms, "{ticks} ticks in {ms} ms");
    let lowest = LOWEST.load(Ordering::SeqCst);
    assert!(lowest > u32::MAX as usize, "on the guest's stack: {lowest:#x}");
}

/// A page that faults once, as programs with garbage collectors and compilers have them.
static PAGE: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
const PAGE_SIZE: usize = 4096;

extern "C" fn open_page(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let page = PAGE.load(Ordering::SeqCst);
    // SAFETY: the kernel's information, and a mapping of that size.
    unsafe {
        if (*info).si_addr() != page {
            libc::abort();
        }
        libc::mprotect(page, PAGE_SIZE, libc::PROT_READ | libc::PROT_WRITE);
    }
}

#[test]
fn the_program_s_own_faults_are_handled_by_its_own_handler() {
    if !is_alone("the_program_s_own_faults_are_handled_by_its_own_handler") {
        return;
    }
    let (none, private) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping anywhere.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE_SIZE, none, private, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    PAGE.store(page, Ordering::SeqCst);
    handle(libc::SIGSEGV, open_page, 0, &[]);
    static ENDED: AtomicBool = AtomicBool::new(false);
    let other = thread::spawn(|| {
        let page = PAGE.load(Ordering::SeqCst);
        let mut faults = 0_u32;
        while !ENDED.load(Ordering::SeqCst) {
            // SAFETY: a mapping of that size, which the handler makes writable.
            unsafe {
                libc::mprotect(page, PAGE_SIZE, libc::PROT_NONE);
                page.cast::<u8>().write_volatile(1);
            }
            faults += 1;
        }
        faults
    });
    for (arch, guest) in each("timers") {
        let (finished, written) = finish(&guest, "count", Duration::from_secs(60));
        let exit = finished.exit;
        assert!(matches!(exit, Exit::Exit(0)), "{arch}: {exit:?}: {written}");
    }
    // The guest's own are its own all the same.
    for (arch, guest) in each("fault") {
        let (finished, _) = finish(&guest, "null", Duration::from_secs(60));
        assert!(matches!(finished.exit, Exit::Fault(_)), "{arch}");
    }
    ENDED.store(true, Ordering::SeqCst);
    assert!(other.join().expect("it only faults") > 0);
}

#[test]
fn guests_run_one_after_another_on_any_thread_whatever_it_blocks() {
    if !is_alone("guests_run_one_after_another_on_any_thread_whatever_it_blocks") {
        return;
    }
    let on_a_thread = |blocks: bool| {
        thread::spawn(move || {
            if blocks {
                // SAFETY: live variables.
                unsafe {
                    let mut all: libc::sigset_t = mem::zeroed();
                    libc::sigfillset(&mut all);
                    libc::pthread_sigmask(libc::SIG_SETMASK, &all, ptr::null_mut());
                }
            }
            let before = Signals::now();
            for (arch, guest) in each("timers") {
                let (finished, written) = finish(&guest, "count", Duration::from_secs(60));
                let exit = finished.exit;
                assert!(matches!(exit, Exit::Exit(0)), "{arch}: {exit:?}: {written}");
            }
            for (arch, guest) in each("fault") {
                let (finished, _) = finish(&guest, "hang", Duration::from_millis(100));
                assert!(matches!(finished.exit, Exit::Timeout), "{arch}");
            }
            assert_eq!(Signals::now(), before);
        })
        .join()
        .expect("its guests run");
    };
    on_a_thread(true);
    on_a_thread(false);
    on_a_thread(true);
}

#[test]
fn without_room_for_timers_the_limit_is_named_and_the_program_s_timer_left_alone() {
    let test = "without_room_for_timers_the_limit_is_named_and_the_program_s_timer_left_alone";
    if !is_alone(test) {
        return;
    }
    let timer = start_ticking(libc::SIGRTMIN());
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: a live variable.
    unsafe {
        libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut limit);
        limit.rlim_cur = 0;
        libc::setrlimit(libc::RLIMIT_SIGPENDING, &limit);
    }
    let before = Signals::now();
    for (arch, guest) in each("timers") {
        let console = File::create("/dev/null").expect("there is a /dev/null");
        let vm = vm(&guest, console).build().expect("a guest for this host");
        match vm.run() {
            Err(VmError::PendingSignals { limit: 0 }) => {}
            other => panic!("{arch}: {other:?}"),
        }
        assert_eq!(Signals::now(), before, "{arch}");
    }
    let ticks = TICKS.get();
    let start = Instant::now();
    while TICKS.get() == ticks {
        assert!(start.elapsed() < super::guests::SOON, "the timer is gone");
        thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: the timer exists.
    assert_eq!(unsafe { libc::timer_delete(timer) }, 0);
    let guest = each("hello").next().expect("there is one").1;
    let output = run(&guest, &[], &[]);
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("`ulimit -i"), "{messages}");
    let mut check = Command::new(env!("CARGO_BIN_EXE_pvhost"));
    let checked = check.arg("check").arg(&guest).args(["--host", "process"]).output();
    let checked = checked.expect("pvhost starts");
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("`ulimit -i"), "{said}");
}

/// As Rust's standard library does on a SIGSEGV that it does not know of.
extern "C" fn take_itself_away(signal: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: no pointers.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// The guest's own fault comes behind it, and is to be found.
#[test]
fn a_handler_of_the_program_s_that_takes_itself_away_leaves_the_host_s() {
    const FAULTS: [i32; 2] = [libc::SIGSEGV, libc::SIGBUS];
    if !is_alone("a_handler_of_the_program_s_that_takes_itself_away_leaves_the_host_s") {
        return;
    }
    for own in [false, true] {
        for (arch, guest) in each("fault") {
            for signal in FAULTS {
                if own {
                    handle(signal, take_itself_away, 0, &[]);
                }
                let before = Signals::now();
                let (console, _) = output();
                let mut is_sent = false;
                let vm = vm(&guest, console).command_line("null").on_step(move |_| {
                    if !mem::replace(&mut is_sent, true) {
                        // SAFETY: no pointers.
                        unsafe { libc::raise(signal) };
                    }
                });
                let finished = vm.build().expect("a guest for this host").run();
                let exit = finished.expect("the guest runs").exit;
                assert!(matches!(exit, Exit::Fault(_)), "{arch} {signal}: {exit:?}");
                assert_eq!(Signals::now(), before, "{arch} {signal}");
            }
        }
    }
}

/// As many starters do, and cron, and a shell's trap.
#[test]
fn whatever_whoever_started_it_blocks_or_ignores_a_guest_runs_and_ends() {
    use std::os::unix::process::CommandExt;

    let all: Vec<i32> = (1..=libc::SIGRTMAX()).collect();
    let real_time: Vec<i32> = (libc::SIGRTMIN()..=libc::SIGRTMAX()).collect();
    let inherit = |command: &mut Command, blocked: &[i32], ignored: &[i32]| {
        let (blocked, ignored) = (blocked.to_vec(), ignored.to_vec());
        // SAFETY: system calls that a forked child may make, with live variables.
        unsafe {
            command.pre_exec(move || {
                for &signal in &ignored {
                    libc::signal(signal, libc::SIG_IGN);
                }
                let mut set: libc::sigset_t = mem::zeroed();
                for &signal in &blocked {
                    libc::sigaddset(&mut set, signal);
                }
                libc::sigprocmask(libc::SIG_SETMASK, &set, ptr::null_mut());
                Ok(())
            });
        }
    };
    for (blocked, ignored) in [(&all, &vec![]), (&real_time, &real_time), (&vec![], &real_time)] {
        for (arch, guest) in each("timers") {
            let mut command = pvhost(&guest, &[], &["count"]);
            inherit(&mut command, blocked, ignored);
            let output = command.output().expect("pvhost starts");
            let printed = text(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{arch}: {printed}");
        }
        for (arch, guest) in each("fault") {
            let mut command = pvhost(&guest, &["--timeout", "0.3"], &["hang"]);
            inherit(&mut command, blocked, ignored);
            let status = Running::start(&mut command).ends();
            assert_eq!(status.code(), Some(124), "{arch}");

            let mut command = pvhost(&guest, &[], &["null"]);
            inherit(&mut command, blocked, ignored);
            let output = command.output().expect("pvhost starts");
            let messages = text(&output.stderr);
            assert_eq!(output.status.code(), Some(5), "{arch}: {messages}");

            let mut command = pvhost(&guest, &[], &["hang"]);
            inherit(&mut command, blocked, ignored);
            let mut running = Running::start_until(&mut command, "hanging\n");
            running.signal(libc::SIGTERM);
            let status = running.ends();
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(status.signal(), Some(libc::SIGTERM), "{arch}: {status}");
        }
    }
}
