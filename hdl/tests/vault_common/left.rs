//! What requests leave behind: every word and register of vault and engine after each of them.

use std::collections::BTreeMap;

use twinseal_hdl::vault::assemble;
use twinseal_puf::reading::RECONSTRUCTION_SAMPLES;
use twinseal_puf::{PAIRS, RINGS};
use twinseal_wire::{opcode, status};

use super::pair::Pair;
use super::verilated::{Model, Verilated};
use super::{BUILD_ID, SLOW_CLOCK_HZ};

type Registers = BTreeMap<String, Vec<u8>>;

/// Words of memory, see `vault/program.rs`: helper data, what lasts of requests, of which bits, and what is wiped.
const HELPER: std::ops::Range<usize> = 287..336;
const LASTING: std::ops::Range<usize> = 428..442;
/// The last raw bit, how often it came, the first of its window: the health tests' (SP 800-90B sections 4.4.1 and 4.4.2).
const HEALTH: std::ops::Range<usize> = 437..440;
const MEMORY: &str = "vault.processor.memory.mem";

/// A change of the program, of an instruction, or of a word of memory.
pub type Poke = (bool, usize, u64);

/// Two boards of different chips that get the same requests.
struct Twins<'a> {
    model: &'a Model,
    pokes: &'a [Poke],
    pairs: [Pair; 2],
    memory: Vec<u64>,
    /// An engine that has only been scrubbed, once and twice, so long ago.
    clean: BTreeMap<u64, [Registers; 2]>,
}

fn power_up(model: &Model, number: u8, pokes: &[Poke]) -> Pair {
    let mut pair = Pair::new(model, number, SLOW_CLOCK_HZ);
    pokes.iter().for_each(|&(program, address, word)| pair.board.poke(program, address, word));
    pair
}

fn words(registers: &Registers) -> Vec<u64> {
    registers[MEMORY].chunks(2).map(|word| u64::from(word[0]) | u64::from(word[1]) << 8).collect()
}

fn engine(registers: &Registers) -> Registers {
    let of_engine = registers.iter().filter(|(name, _)| name.starts_with("engine."));
    of_engine.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn fault(board: &mut Verilated, opcode: u8, payload: &[u8]) {
    board.sample(&[0; RINGS]);
    assert_eq!(board.ask(opcode, payload).status, status::RING_FAULT);
}

impl Twins<'_> {
    /// An engine's state after scrubs alone; which page is next is the parity of its blocks.
    fn clean(&mut self, quiet: u64) -> &[Registers; 2] {
        self.clean.entry(quiet).or_insert_with(|| {
            [1, 2].map(|scrubs| {
                let mut board = power_up(self.model, 0, self.pokes).board;
                (0..scrubs).for_each(|_| fault(&mut board, opcode::VAULT_ENROL, &[]));
                loop {
                    let (now, registers) = board.registers();
                    if now == quiet {
                        break engine(&registers);
                    }
                    assert!(now < quiet);
                }
            })
        })
    }

    fn check(&mut self, helpers: &[Vec<u8>; 2], after: &str) {
        let states = [0, 1].map(|i| self.pairs[i].board.registers());
        let mut seen = vec![];
        for (i, (quiet, registers)) in states.into_iter().enumerate() {
            let memory = words(&registers);
            for (at, &word) in memory.iter().enumerate() {
                let left = if HELPER.contains(&at) {
                    let given = helpers[i].get(at - HELPER.start).copied().unwrap_or_default();
                    word != u64::from(given)
                } else if HEALTH.contains(&at) {
                    word > if at == HEALTH.start + 1 { 2 * PAIRS as u64 } else { 1 }
                } else {
                    !LASTING.contains(&at) && word != self.memory[at]
                };
                assert!(!left, "{after}: word {at} is {word:#x}");
            }
            let odd = &registers["engine.odd_page$q"];
            let engine = engine(&registers);
            let [once, twice] = self.clean(quiet);
            let clean = if once["engine.odd_page$q"] == *odd { once } else { twice };
            assert_eq!(clean["engine.odd_page$q"], *odd);
            for (name, value) in &engine {
                let differs = value.iter().zip(&clean[name]).position(|(one, other)| one != other);
                assert!(differs.is_none(), "{after}: a byte of {name} is not as after a scrub");
            }
            seen.push(registers);
        }
        // Nothing else is of the chip: but the root, the host's byte, health tests and helper data.
        for (name, value) in &seen[0] {
            let ours = name.starts_with("vault.root.") || name.starts_with("vault.reply_now");
            if name == MEMORY {
                let (one, other) = (words(&seen[0]), words(&seen[1]));
                for at in LASTING.filter(|at| !HEALTH.contains(at)) {
                    assert_eq!(one[at], other[at], "{after}: word {at}");
                }
            } else if !ours && !name.contains("memory$read_data") {
                assert!(seen[1][name] == *value, "{after}: {name} tells the chip");
            }
        }
    }
}

/// Every kind of request, and what it leaves behind.
///
/// # Panics
/// If it leaves anything but what is documented to last.
pub fn nothing_is_left(model: &Model, pokes: &[Poke]) {
    let mut memory = assemble(BUILD_ID, SLOW_CLOCK_HZ).1;
    memory.resize(1_024, 0);
    for &(_, address, word) in pokes.iter().filter(|poke| !poke.0) {
        memory[address] = word;
    }
    let pairs = [11, 12].map(|number| power_up(model, number, pokes));
    let twins = &mut Twins { model, pokes, pairs, memory, clean: BTreeMap::new() };
    let none = [vec![], vec![]];
    let helpers = [0, 1].map(|i| twins.pairs[i].enrol().0);
    twins.check(&none, "enrolment");
    twins.pairs.iter_mut().for_each(|pair| drop(pair.derive(&[7; 100])));
    twins.check(&none, "derivation");
    twins.pairs.iter_mut().for_each(|pair| drop(pair.attest(&[7; 32])));
    twins.check(&none, "attestation");
    for pair in &mut twins.pairs {
        assert_eq!(pair.board.ask_slowly(opcode::VAULT_ENROL, &[], false, 0).status, status::NOT_PERMITTED);
    }
    twins.check(&none, "an enrolment that is not permitted");
    for pair in &mut twins.pairs {
        assert_eq!(pair.board.ask(opcode::VAULT_ATTEST, &[0x55; 31]).status, status::BAD_LENGTH);
    }
    twins.check(&none, "a bad length");
    twins.pairs.iter_mut().for_each(|pair| fault(&mut pair.board, opcode::VAULT_ENROL, &[]));
    twins.check(&none, "faulty rings at enrolment");
    (0..2).for_each(|i| assert!(twins.pairs[i].open(&helpers[i]).0));
    twins.check(&helpers, "opening");
    twins.pairs.iter_mut().for_each(Pair::close);
    twins.check(&helpers, "closing");
    let mut bad = helpers.clone();
    bad.iter_mut().for_each(|helper| helper[40] ^= 1);
    (0..2).for_each(|i| assert!(!twins.pairs[i].open(&bad[i]).0));
    twins.check(&bad, "a refusal");
    for (pair, helper) in twins.pairs.iter_mut().zip(&helpers) {
        // Sound in all samples but the last.
        pair.board.samples(&pair.chip, SLOW_CLOCK_HZ, RECONSTRUCTION_SAMPLES - 1);
        fault(&mut pair.board, opcode::VAULT_OPEN, helper);
    }
    twins.check(&helpers, "faulty rings at opening");
    twins.pairs.iter_mut().for_each(|pair| assert_eq!(pair.entropy().status, status::OK));
    // The first 32 bytes behind the version held the reply.
    let mut wiped = helpers.clone();
    wiped.iter_mut().for_each(|helper| helper[1..33].fill(0));
    twins.check(&wiped, "random bits");
    let still = vec![20_000; RINGS];
    for pair in &mut twins.pairs {
        assert_eq!(pair.entropy_of(&vec![still.clone(); 1_024 / PAIRS]).status, status::ENTROPY_FAULT);
    }
    twins.check(&wiped, "an alarm");
    for pair in &mut twins.pairs {
        assert_eq!(pair.board.ask(opcode::ENTROPY, &[]).status, status::ENTROPY_FAULT);
    }
    twins.check(&wiped, "an alarm that stays");
}

/// Programs that wipe less than the vault's: what they do not wipe, and the change.
pub fn sloppy_programs() -> Vec<(&'static str, Vec<Poke>)> {
    const COUNTER: u64 = 429;
    const STORE_COUNTER: u64 = 0b10_0100 << 10 | COUNTER;
    const STORE_AT_X: u64 = 0b10_0100 << 10 | 1 << 9;
    const REST: u64 = 0b11_1000 << 10;
    const PUSH: u64 = 0b11_1000 << 10 | 2 << 5 | 1 << 3;
    const FREE: usize = 511;
    let (program, memory) = assemble(BUILD_ID, SLOW_CLOCK_HZ);
    assert_eq!(memory[FREE], 0);
    // The loop that counts down from `from` and has `instruction` within its first ones: where it begins, and that one.
    let place = |from: u64, instruction: u64| {
        let loops: Vec<(usize, usize)> = (0..program.len() - 8)
            .filter(|&at| program[at] < 512 && memory[program[at] as usize] == from)
            .filter(|&at| program[at + 1] == STORE_COUNTER)
            .filter_map(|at| (at + 2..at + 6).find(|&i| program[i] == instruction).map(|i| (at, i)))
            .collect();
        assert_eq!(loops.len(), 1, "the program has changed, nothing to replace");
        loops[0]
    };
    vec![
        ("a page of the message", vec![(false, FREE, 54), (true, place(127, PUSH).0, FREE as u64)]),
        ("x and stages", vec![(true, place(511, STORE_AT_X).1, REST)]),
        ("pairs, levels and scratch", vec![(true, place(286, STORE_AT_X).1, REST)]),
    ]
}
