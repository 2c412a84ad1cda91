// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes samples of a guest, for its [`Profile`]: a timer on the processor time of the vCPU's thread sends a signal,
//! whose handler copies registers and the top of the stack.

use std::cell::{Cell, RefCell};
use std::collections::TryReserveError;
use std::rc::Rc;

use super::functions::{Call, Erased};
use super::platform::Guest;
use super::signals::Interrupted;
use crate::debug::memory::{self, ReadMemory};
use crate::fault::{AnyRegisters, Registers};
use crate::image::{Image, pointer_size};
use crate::profile::{Place, Profile, SAMPLES, STACK, Sample};

/// Where the stack pointer is among the general registers.
const STACK_POINTER: usize = 7;

/// Room for all samples from the beginning; what is never written takes no memory.
struct Samples {
    /// Registers, place, and bytes of the stack; never more than there is room for.
    heads: Vec<(Registers, Place, usize)>,
    /// [`STACK`] bytes for each; never more than there is room for.
    stacks: Vec<u8>,
}

/// Of one guest, on its vCPU's thread.
pub(super) struct Sampler {
    /// Only the handler uses it while the guest runs.
    samples: RefCell<Samples>,
    taken: Cell<u64>,
    random: Cell<u64>,
    functions: RefCell<Vec<String>>,
    /// The host function that runs, and the guest's stack pointer as it was called.
    call: Cell<Option<(u32, u64)>>,
}

impl Sampler {
    /// # Errors
    /// There is no memory for samples.
    pub(super) fn new() -> Result<Self, TryReserveError> {
        let mut samples = Samples {
            heads: Vec::new(),
            stacks: Vec::new(),
        };
        samples.heads.try_reserve_exact(SAMPLES)?;
        samples.stacks.try_reserve_exact(SAMPLES * STACK)?;
        Ok(Self {
            samples: RefCell::new(samples),
            taken: Cell::new(0),
            random: Cell::new(1),
            functions: RefCell::default(),
            call: Cell::new(None),
        })
    }

    /// Takes a sample. For the signal's handler: it allocates nothing.
    pub(super) fn sample(&self, guest: &Guest, interrupted: &Interrupted<'_>) {
        let Some(index) = self.choose() else { return };
        let Ok(mut samples) = self.samples.try_borrow_mut() else {
            return;
        };
        let Samples { heads, stacks } = &mut *samples;
        let frame = interrupted.frame();
        let (registers, place) = if guest.in_guest(&frame) {
            // Of other machines no samples are taken yet.
            let AnyRegisters::X86(registers) = interrupted.guest_registers() else {
                return;
            };
            (registers, Place::Guest)
        } else {
            match self.call.get() {
                Some((function, stack)) => (behind_call(guest, stack), Place::Function(function)),
                None => (Registers::default(), Place::Gate),
            }
        };
        // Of those before, some may not have been taken.
        let index = index.min(heads.len());
        if index == heads.len() {
            stacks.resize((index + 1) * STACK, 0);
        }
        let stack = &mut stacks[index * STACK..][..STACK];
        let length = ReadMemory::read(guest.memory(), registers.stack(), stack);
        match heads.get_mut(index) {
            Some(head) => *head = (registers, place, length),
            None => heads.push((registers, place, length)),
        }
    }

    /// The place for the next sample, if it is to be kept: so that each has the same chance (Vitter, Random Sampling
    /// with a Reservoir, 1985, algorithm R).
    fn choose(&self) -> Option<usize> {
        let before = self.taken.replace(self.taken.get() + 1);
        if before < SAMPLES as u64 {
            return Some(before as usize);
        }
        // Xorshift (Marsaglia, 2003).
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        let index = random % (before + 1);
        (index < SAMPLES as u64).then_some(index as usize)
    }

    /// What there is, when the guest has ended.
    pub(super) fn finish(&self, image: &Image) -> Profile {
        let Samples { heads, stacks } = &*self.samples.borrow();
        let samples: Vec<_> = (heads.iter().zip(stacks.chunks_exact(STACK)))
            .map(|(&(registers, place, length), stack)| Sample {
                registers,
                place,
                stack: stack[..length].to_vec(),
            })
            .collect();
        Profile::new(image, &samples, self.taken.get(), &self.functions.borrow())
    }
}

/// Registers where a call returns, as far as they are known.
fn behind_call(guest: &Guest, stack: u64) -> Registers {
    let width = guest.width();
    let mut registers = Registers {
        instruction: memory::pointer(guest.memory(), stack, width).unwrap_or(0),
        ..Registers::default()
    };
    registers.general[STACK_POINTER] = stack.wrapping_add(pointer_size(width));
    registers
}

/// The function of that name, and around it what says that it runs.
pub(super) fn sampled(sampler: &Rc<Sampler>, name: &str, function: Erased) -> Erased {
    let mut functions = sampler.functions.borrow_mut();
    let index = functions.len() as u32;
    functions.push(name.to_owned());
    let sampler = Rc::clone(sampler);
    Rc::new(Box::new(move |call: &mut Call| {
        sampler.call.set(Some((index, call.stack())));
        function(call);
        sampler.call.set(None);
    }))
}
