// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests, from their making to their end.

use std::ffi::{CString, c_char};
use std::fmt::Write;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

use paravirt_abi::line::LINES;
use pvhost::process::{Builder, Exit, Finished, LineHandle, Progress, Repeatable, Runner};

use crate::argument::{Error, Number, c_text, number, there};
use crate::functions::Failure;
use crate::options::OptionsOfC;

/// Results of `paravirt_vm_run_until`.
const REACHED: i32 = 0;
const ENDED: i32 = 1;

/// `struct paravirt_vm`
pub struct Vm {
    /// Taken while the guest runs.
    runner: Mutex<Runner>,
    lines: Vec<LineHandle>,
    /// Guest time in ns when it stood last.
    time: AtomicU64,
    failure: Failure,
    end: OnceLock<(End, CString)>,
}

/// `struct paravirt_vm_end`
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct End {
    kind: u32,
    code: i32,
    status: i32,
    repeatable: i32,
}

impl End {
    const fn new(finished: &Finished) -> Self {
        let (kind, code) = match finished.exit {
            Exit::Exit(code) => (1, code),
            Exit::Reset => (2, 0),
            Exit::Fatal(code) => (3, code),
            Exit::Unbound(_) => (4, 0),
            Exit::Fault(_) => (5, 0),
            Exit::Timeout => (6, 0),
            Exit::Signal(signal) => (7, signal),
        };
        Self {
            kind,
            code,
            status: finished.exit.status() as i32,
            repeatable: matches!(finished.stats.repeatable, Repeatable::Yes) as i32,
        }
    }
}

/// What people should know of an end, in lines.
fn report(finished: &Finished) -> CString {
    let mut text = String::new();
    if let Exit::Fault(fault) | Exit::Unbound(fault) = &finished.exit {
        text += &fault.to_string();
    }
    for (what, error) in [
        ("cannot write the guest's output", &finished.lost),
        ("cannot read the guest's input", &finished.unread),
    ] {
        if let Some(error) = error {
            let separator = if text.is_empty() { "" } else { "\n" };
            // A text takes it all.
            let _ = write!(text, "{separator}{what}: {error}");
        }
    }
    c_text(&text)
}

impl Vm {
    fn new(build: impl FnOnce(&Failure) -> Builder + Send + 'static) -> Result<Self, Error> {
        let failure = Failure::default();
        let seen = Failure::clone(&failure);
        let runner = Runner::new(move || build(&seen))?;
        let lines = (0..LINES).filter_map(|line| runner.line(line).ok()).collect();
        Ok(Self {
            runner: Mutex::new(runner),
            lines,
            time: AtomicU64::new(0),
            failure,
            end: OnceLock::new(),
        })
    }

    /// While this is held, nobody else has the guest run.
    fn runner(&self, wanted: &str) -> Result<MutexGuard<'_, Runner>, Error> {
        match self.runner.try_lock() {
            Ok(runner) => Ok(runner),
            // A panic was reported, and whether the guest has ended, the runner knows.
            Err(TryLockError::Poisoned(error)) => Ok(error.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                Number::State,
                format_args!(
                    "{wanted}: the guest runs; wait until paravirt_vm_run_until() returns, and call neither in a \
                     callback"
                ),
            )),
        }
    }

    fn run_until(&self, time: u64) -> Result<i32, Error> {
        let mut runner = self.runner("paravirt_vm_run_until")?;
        let progress = runner.run_until(Duration::from_nanos(time))?;
        let (result, now) = match progress {
            Progress::Reached => (REACHED, runner.time()),
            Progress::Ended(finished) => {
                let now = finished.stats.guest_time;
                // It ends once.
                let _ = self.end.set((End::new(&finished), report(&finished)));
                (ENDED, now)
            }
        };
        self.time
            .store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(result), |failure| Err(Error::new(Number::Function, failure)))
    }
}

/// `paravirt_vm_create`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_create(options: *const OptionsOfC, vm: Option<&mut MaybeUninit<*mut Vm>>) -> i32 {
    number(|| {
        let vm = there(vm, "vm")?;
        vm.write(ptr::null_mut());
        // SAFETY: the caller's.
        let options = unsafe { there(options.as_ref(), "options")?.check()? };
        vm.write(Box::into_raw(Box::new(Vm::new(options)?)));
        Ok(0)
    })
}

/// `paravirt_vm_free`
///
/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_vm_free(vm: *mut Vm) -> i32 {
    number(|| {
        // SAFETY: the caller's.
        if let Some(alive) = unsafe { vm.as_ref() } {
            drop(alive.runner("paravirt_vm_free")?);
            // SAFETY: it came from `paravirt_vm_create`, and is not used any more.
            drop(unsafe { Box::from_raw(vm) });
        }
        Ok(0)
    })
}

/// `paravirt_vm_run_until`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_run_until(vm: Option<&Vm>, time: u64) -> i32 {
    number(|| there(vm, "vm")?.run_until(time))
}

/// `paravirt_vm_time`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_time(vm: Option<&Vm>) -> u64 {
    let mut time = 0;
    number(|| {
        time = there(vm, "vm")?.time.load(Ordering::SeqCst);
        Ok(0)
    });
    time
}

/// `paravirt_vm_raise`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_raise(vm: Option<&Vm>, line: u32) -> i32 {
    number(|| {
        let handle = there(vm, "vm")?.lines.get(line as usize);
        handle
            .ok_or_else(|| Error::argument(format_args!("there is no line {line}; lines are 0 to {}", LINES - 1)))?
            .raise();
        Ok(0)
    })
}

/// `paravirt_vm_end`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_end(vm: Option<&Vm>, end: Option<&mut MaybeUninit<End>>) -> i32 {
    number(|| {
        let (vm, end) = (there(vm, "vm")?, there(end, "end")?);
        let reached = vm.end.get();
        let (reached, _) = reached.ok_or_else(|| Error::new(Number::State, "the guest has not ended"))?;
        end.write(*reached);
        Ok(0)
    })
}

/// `paravirt_vm_report`
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_vm_report(vm: Option<&Vm>) -> *const c_char {
    let mut report = c"".as_ptr();
    number(|| {
        if let Some((_, text)) = there(vm, "vm")?.end.get() {
            report = text.as_ptr();
        }
        Ok(0)
    });
    report
}
