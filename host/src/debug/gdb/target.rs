// SPDX-License-Identifier: MIT OR Apache-2.0
//! What gdbstub asks of a machine.

use std::fmt::Write;
use std::ops::Range;

use gdbstub::common::{Pid, Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume, MultiThreadResumeOps,
    MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints as BreakpointsExtension, BreakpointsOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind,
};
use gdbstub::target::ext::exec_file::{ExecFile, ExecFileOps};
use gdbstub::target::ext::host_io::{
    FsKind, HostIo, HostIoClose, HostIoCloseOps, HostIoErrno, HostIoError, HostIoFstat, HostIoFstatOps, HostIoOpen,
    HostIoOpenFlags, HostIoOpenMode, HostIoOpenOps, HostIoOps, HostIoPread, HostIoPreadOps, HostIoResult, HostIoSetfs,
    HostIoSetfsOps, HostIoStat,
};
use gdbstub::target::ext::memory_map::{MemoryMap, MemoryMapOps};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{TargetError, TargetResult};
use paravirt_abi::signature::Width;

use super::architecture::{self, Shown, X86};
use super::breakpoints::Breakpoints;
use super::file::{self, File};
use super::threads::{self, Thread};
use super::{End, Machine, Resume, State, Stop, Watched};
use crate::debug::core::Area;

/// Says that the target has these extensions of the protocol.
macro_rules! supports {
    ($($function:ident: $operations:ident),+ $(,)?) => {$(
        fn $function(&mut self) -> Option<$operations<'_, Self>> {
            Some(self)
        }
    )+};
}

/// The guest has ended behind the debugger's back.
#[derive(Debug, thiserror::Error)]
#[error("the guest has ended")]
pub(super) struct Gone;

/// Why a machine stands or has ended, in the debugger's words.
pub(super) type Reason = MultiThreadStopReason<u64>;

/// A machine, and what the debugger has done to it.
pub(super) struct Target<'m, M> {
    machine: &'m mut M,
    width: Width,
    breakpoints: Breakpoints,
    watched: Vec<Watched>,
    file: File,
    description: String,
    memory_map: String,
    /// While the machine stands, the one that runs first.
    threads: Vec<Thread>,
    /// What it is about to do.
    step: Option<(Tid, Range<u64>)>,
    faults: bool,
    /// A breakpoint of our own, for the step of a thread that does not run.
    temporary: Option<(u64, Tid)>,
    /// Whether one that another thread has come to is being stepped over.
    is_passing: bool,
}

impl<'m, M: Machine> Target<'m, M> {
    pub(super) fn new(machine: &'m mut M) -> Self {
        let width = machine.image().machine().width();
        let mut target = Self {
            width,
            breakpoints: Breakpoints::default(),
            watched: Vec::new(),
            file: File::new(machine),
            description: architecture::description(width),
            memory_map: memory_map(machine.regions()),
            threads: Vec::new(),
            step: None,
            faults: false,
            temporary: None,
            is_passing: false,
            machine,
        };
        target.look();
        target
    }

    pub(super) const fn machine(&mut self) -> &mut M {
        self.machine
    }

    /// Finds out which threads there are.
    fn look(&mut self) {
        self.threads = match self.machine.state() {
            State::Stands(_) => threads::threads(self.machine),
            State::Runs | State::Ended(_) => Vec::new(),
        };
    }

    fn current(&self) -> Tid {
        self.threads.first().map_or(Tid::MIN, |thread| thread.tid)
    }

    /// Takes back all that the debugger has done to a machine that stands.
    pub(super) fn clear(&mut self) {
        if matches!(self.machine.state(), State::Stands(_)) {
            self.breakpoints.clear(self.machine);
            self.temporary = None;
            for watched in std::mem::take(&mut self.watched) {
                self.machine.unwatch(watched);
            }
        }
    }

    /// What there is to tell of a machine that was resumed; `None`: it runs, or again.
    pub(super) fn stopped(&mut self) -> Option<Reason> {
        let stop = match self.machine.state() {
            State::Runs => return None,
            State::Ended(End::Exit(status)) => return Some(Reason::Exited(status)),
            State::Ended(End::Signal(signal)) => return Some(Reason::Terminated(Signal(signal))),
            State::Stands(stop) => stop,
        };
        self.look();
        let tid = self.current();
        let signal = |signal| Reason::SignalWithThread { tid, signal };
        if std::mem::take(&mut self.is_passing)
            && let Some((address, _)) = self.temporary
        {
            self.breakpoints.add(self.machine, address);
            if stop == Stop::Stepped {
                self.machine.resume(&Resume::Continue { faults: false });
                return None;
            }
        }
        let is_ours = stop == Stop::Breakpoint && self.step_back();
        if let Some((address, wanted)) = self.temporary {
            self.breakpoints.remove(self.machine, address);
            if is_ours && self.machine.registers().general.instruction == address && tid != wanted {
                self.is_passing = true;
                self.machine.resume(&Resume::Step(0..0));
                return None;
            }
            self.temporary = None;
        }
        Some(match stop {
            Stop::Interrupted => signal(Signal::SIGINT),
            Stop::Breakpoint if is_ours => Reason::SwBreak(tid),
            // One of the guest's own.
            Stop::Breakpoint | Stop::Stepped => signal(Signal::SIGTRAP),
            Stop::Watch(Watched { address, kind, .. }) => Reason::Watch {
                tid,
                kind,
                addr: address,
            },
            Stop::Fault(number) => signal(gdb_signal(number)),
        })
    }

    /// If there is a breakpoint of the debugger's before the next instruction: goes back to it. Returns whether there
    /// is.
    fn step_back(&mut self) -> bool {
        let mut registers = self.machine.registers();
        let before = registers.general.instruction.wrapping_sub(1);
        let is_ours = self.breakpoints.has(before);
        if is_ours {
            registers.general.instruction = before;
            self.machine.set_registers(&registers);
        }
        is_ours
    }

    fn check(&self) -> TargetResult<(), Self> {
        match self.machine.state() {
            State::Stands(_) => Ok(()),
            State::Runs | State::Ended(_) => Err(TargetError::Fatal(Gone)),
        }
    }

    fn thread(&self, tid: Tid) -> TargetResult<&Thread, Self> {
        let found = self.threads.iter().find(|thread| thread.tid == tid);
        found.ok_or(TargetError::NonFatal)
    }
}

/// Signals have other numbers in the protocol than in Linux.
const fn gdb_signal(number: u8) -> Signal {
    match number as i32 {
        libc::SIGBUS => Signal::SIGBUS,
        libc::SIGSYS => Signal::SIGSYS,
        _ => Signal(number),
    }
}

/// For gdb, which then asks for nothing else. To it, read-only memory is one in which it cannot set a breakpoint.
fn memory_map(regions: &[Area]) -> String {
    let mut text =
        "<?xml version=\"1.0\"?><!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map V1.0//EN\" \
        \"http://sourceware.org/gdb/gdb-memory-map.dtd\"><memory-map>"
            .to_owned();
    for Area { range, .. } in regions {
        let (start, size) = (range.start, range.end - range.start);
        // Writing to a string does not fail.
        let _ = write!(text, "<memory type=\"ram\" start=\"{start:#x}\" length=\"{size:#x}\"/>");
    }
    text.push_str("</memory-map>");
    text
}

impl<M: Machine> gdbstub::target::Target for Target<'_, M> {
    type Arch = X86;
    type Error = Gone;

    fn base_ops(&mut self) -> BaseOps<'_, X86, Gone> {
        BaseOps::MultiThread(self)
    }

    supports! {
        support_breakpoints: BreakpointsOps,
        support_target_description_xml_override: TargetDescriptionXmlOverrideOps,
        support_memory_map: MemoryMapOps,
        support_exec_file: ExecFileOps,
        support_host_io: HostIoOps,
    }
}

impl<M: Machine> MultiThreadBase for Target<'_, M> {
    fn read_registers(&mut self, registers: &mut Shown, tid: Tid) -> TargetResult<(), Self> {
        self.check()?;
        *registers = match &self.thread(tid)?.registers {
            Some(saved) => saved.clone(),
            None => Shown {
                width: self.width,
                registers: self.machine.registers(),
                unknown: 0,
            },
        };
        Ok(())
    }

    fn write_registers(&mut self, registers: &Shown, tid: Tid) -> TargetResult<(), Self> {
        self.check()?;
        // Those of others lie in their memory, where the guest's code loads them from.
        let is_current = self.thread(tid)?.registers.is_none();
        let fits = registers.width == self.width;
        (is_current && fits && self.machine.set_registers(&registers.registers))
            .then_some(())
            .ok_or(TargetError::NonFatal)
    }

    fn read_addrs(&mut self, address: u64, data: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        self.check()?;
        let size = self.machine.read(address, data);
        if size == 0 && !data.is_empty() {
            return Err(TargetError::NonFatal);
        }
        self.breakpoints.hide(address, &mut data[..size]);
        Ok(size)
    }

    fn write_addrs(&mut self, address: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        self.check()?;
        (self.breakpoints.write(self.machine, address, data))
            .then_some(())
            .ok_or(TargetError::NonFatal)
    }

    fn list_active_threads(&mut self, thread_is_active: &mut dyn FnMut(Tid)) -> Result<(), Gone> {
        for thread in &self.threads {
            thread_is_active(thread.tid);
        }
        Ok(())
    }

    supports!(support_resume: MultiThreadResumeOps, support_thread_extra_info: ThreadExtraInfoOps);
}

impl<M: Machine> ThreadExtraInfo for Target<'_, M> {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, Gone> {
        let description = self.thread(tid).map_or("", |thread| &thread.description);
        Ok(file::copy(description.as_bytes(), 0, buffer.len(), buffer))
    }
}

impl<M: Machine> MultiThreadResume for Target<'_, M> {
    fn resume(&mut self) -> Result<(), Gone> {
        self.check().map_err(|_| Gone)?;
        let how = match self.step.take() {
            _ if self.faults => Resume::Continue { faults: true },
            Some((tid, range)) if tid == self.current() => Resume::Step(range),
            // Another thread's step is done when it runs again.
            Some((tid, _)) => {
                let saved = self.thread(tid).ok().and_then(|thread| thread.registers.as_ref());
                let at = saved.map(|saved| saved.registers.general.instruction);
                if let Some(at) = at.filter(|&at| !self.breakpoints.has(at))
                    && self.breakpoints.add(self.machine, at)
                {
                    self.temporary = Some((at, tid));
                }
                Resume::Continue { faults: false }
            }
            None => Resume::Continue { faults: false },
        };
        self.threads.clear();
        self.machine.resume(&how);
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Gone> {
        self.step = None;
        self.faults = false;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, _: Tid, signal: Option<Signal>) -> Result<(), Gone> {
        self.faults |= signal.is_some();
        Ok(())
    }

    supports! {
        support_single_step: MultiThreadSingleStepOps,
        support_range_step: MultiThreadRangeSteppingOps,
        support_scheduler_locking: MultiThreadSchedulerLockingOps,
    }
}

impl<M: Machine> MultiThreadSingleStep for Target<'_, M> {
    fn set_resume_action_step(&mut self, tid: Tid, signal: Option<Signal>) -> Result<(), Gone> {
        self.faults |= signal.is_some();
        self.step = Some((tid, 0..0));
        Ok(())
    }
}

impl<M: Machine> MultiThreadRangeStepping for Target<'_, M> {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Gone> {
        self.step = Some((tid, start..end));
        Ok(())
    }
}

impl<M: Machine> MultiThreadSchedulerLocking for Target<'_, M> {
    /// It is the guest that switches between its tasks, and nobody else can.
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Gone> {
        Ok(())
    }
}

impl<M: Machine> BreakpointsExtension for Target<'_, M> {
    supports!(support_sw_breakpoint: SwBreakpointOps, support_hw_watchpoint: HwWatchpointOps);
}

impl<M: Machine> SwBreakpoint for Target<'_, M> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.check()?;
        Ok(self.breakpoints.add(self.machine, address))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.check()?;
        Ok(self.breakpoints.remove(self.machine, address))
    }
}

impl<M: Machine> HwWatchpoint for Target<'_, M> {
    fn add_hw_watchpoint(&mut self, address: u64, size: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        self.check()?;
        let watched = Watched { address, size, kind };
        let is_watched = self.machine.watch(watched);
        if is_watched {
            self.watched.push(watched);
        }
        Ok(is_watched)
    }

    fn remove_hw_watchpoint(&mut self, address: u64, size: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        self.check()?;
        let watched = Watched { address, size, kind };
        let Some(index) = self.watched.iter().position(|&other| other == watched) else {
            return Ok(false);
        };
        self.watched.swap_remove(index);
        Ok(self.machine.unwatch(watched))
    }
}

impl<M: Machine> TargetDescriptionXmlOverride for Target<'_, M> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        Ok(file::copy(self.description.as_bytes(), offset, length, buffer))
    }
}

impl<M: Machine> MemoryMap for Target<'_, M> {
    fn memory_map_xml(&self, offset: u64, length: usize, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(file::copy(self.memory_map.as_bytes(), offset, length, buffer))
    }
}

impl<M: Machine> ExecFile for Target<'_, M> {
    fn get_exec_file(
        &self,
        _: Option<Pid>,
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        Ok(file::copy(self.file.name().as_bytes(), offset, length, buffer))
    }
}

impl<M: Machine> HostIo for Target<'_, M> {
    supports! {
        support_open: HostIoOpenOps,
        support_close: HostIoCloseOps,
        support_pread: HostIoPreadOps,
        support_fstat: HostIoFstatOps,
        support_setfs: HostIoSetfsOps,
    }
}

impl<M: Machine> HostIoOpen for Target<'_, M> {
    fn open(&mut self, name: &[u8], flags: HostIoOpenFlags, _: HostIoOpenMode) -> HostIoResult<u32, Self> {
        if flags.intersects(HostIoOpenFlags::O_WRONLY | HostIoOpenFlags::O_RDWR) {
            return Err(HostIoError::Errno(HostIoErrno::EROFS));
        }
        self.file.open(name).map_err(HostIoError::Errno)
    }
}

impl<M: Machine> HostIoClose for Target<'_, M> {
    fn close(&mut self, descriptor: u32) -> HostIoResult<(), Self> {
        self.file.close(descriptor).map_err(HostIoError::Errno)
    }
}

impl<M: Machine> HostIoPread for Target<'_, M> {
    fn pread(&mut self, descriptor: u32, count: usize, offset: u64, buffer: &mut [u8]) -> HostIoResult<usize, Self> {
        self.file.check(descriptor).map_err(HostIoError::Errno)?;
        Ok(file::copy(self.machine.image().file(), offset, count, buffer))
    }
}

impl<M: Machine> HostIoFstat for Target<'_, M> {
    fn fstat(&mut self, descriptor: u32) -> HostIoResult<HostIoStat, Self> {
        self.file.check(descriptor).map_err(HostIoError::Errno)?;
        Ok(File::stat(self.machine.image().file().len() as u64))
    }
}

impl<M: Machine> HostIoSetfs for Target<'_, M> {
    fn setfs(&mut self, _: FsKind) -> HostIoResult<(), Self> {
        Ok(())
    }
}
