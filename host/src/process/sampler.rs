// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes samples of a guest, for its [`Profile`]: a timer on the processor time of the vCPU's thread sends a signal,
//! whose handler copies registers and the top of the stack.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use paravirt_abi::signature::Width;

use super::functions::{Call, Erased};
use super::platform::Guest;
use super::signals::Interrupted;
use crate::debug::memory::{self, ReadMemory};
use crate::fault::{AnyRegisters, Registers};
use crate::image::Image;
use crate::profile::{Place, Profile, SAMPLES, STACK, Sample};

/// A sample in memory: registers, place and length of the stack, then the stack.
const HEAD: usize = 20 * size_of::<u64>();
const SIZE: usize = HEAD + STACK;

/// Numbers of places, beside those of functions.
const GUEST: u64 = u64::MAX;
const GATE: u64 = u64::MAX - 1;

const NOTHING: Registers = Registers {
    general: [0; 16],
    instruction: 0,
    flags: 0,
};
/// Where it is among them.
const STACK_POINTER: usize = 7;

/// Of one guest, on its vCPU's thread.
pub(super) struct Sampler {
    /// All of it there from the beginning; what is never written takes no memory. Only the handler uses it while the
    /// guest runs.
    samples: RefCell<Vec<u8>>,
    taken: Cell<u64>,
    random: Cell<u64>,
    functions: RefCell<Vec<String>>,
    /// The host function that runs, and the guest's stack pointer as it was called.
    call: Cell<Option<(u32, u64)>>,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self {
            samples: RefCell::new(vec![0; SAMPLES * SIZE]),
            taken: Cell::new(0),
            random: Cell::new(1),
            functions: RefCell::default(),
            call: Cell::new(None),
        }
    }

    /// Takes a sample. For the signal's handler: it allocates nothing.
    pub(super) fn sample(&self, guest: &Guest, interrupted: &Interrupted<'_>) {
        let Some(index) = self.choose() else { return };
        let Ok(mut samples) = self.samples.try_borrow_mut() else {
            return;
        };
        let Some(place) = samples.get_mut(index * SIZE..(index + 1) * SIZE) else {
            return;
        };
        let frame = interrupted.frame();
        let (registers, number) = if guest.in_guest(&frame) {
            // Of other machines no samples are taken yet.
            let AnyRegisters::X86(registers) = interrupted.guest_registers() else {
                return;
            };
            (registers, GUEST)
        } else {
            match self.call.get() {
                Some((function, stack)) => (behind_call(guest, stack), function.into()),
                None => (NOTHING, GATE),
            }
        };
        let (head, stack) = place.split_at_mut(HEAD);
        let length = ReadMemory::read(guest.memory(), registers.stack(), stack);
        let numbers =
            (registers.general.into_iter()).chain([registers.instruction, registers.flags, number, length as u64]);
        for (bytes, number) in head.chunks_exact_mut(8).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
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
        let samples = self.samples.borrow();
        let kept = self.taken.get().min(SAMPLES as u64) as usize;
        let samples: Vec<_> = samples.chunks_exact(SIZE).take(kept).map(sample).collect();
        Profile::new(image, &samples, self.taken.get(), &self.functions.borrow())
    }
}

/// Registers where a call returns, as far as they are known.
fn behind_call(guest: &Guest, stack: u64) -> Registers {
    let width = guest.width();
    let word = match width {
        Width::Bits32 => 4,
        Width::Bits64 => 8,
    };
    let mut registers = NOTHING;
    registers.instruction = memory::pointer(guest.memory(), stack, width).unwrap_or(0);
    registers.general[STACK_POINTER] = stack.wrapping_add(word);
    registers
}

fn sample(place: &[u8]) -> Sample {
    let (head, stack) = place.split_at(HEAD);
    let mut numbers = head.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || numbers.next().unwrap_or(0);
    let general = [(); 16].map(|()| next());
    let (instruction, flags, number, length) = (next(), next(), next(), next());
    let length = usize::try_from(length).unwrap_or(STACK).min(STACK);
    Sample {
        registers: Registers {
            general,
            instruction,
            flags,
        },
        place: match number {
            GUEST => Place::Guest,
            GATE => Place::Gate,
            function => Place::Function(function as u32),
        },
        stack: stack[..length].to_vec(),
    }
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
