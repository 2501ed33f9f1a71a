//! Which side computes what: a board is used where it is faster than this processor, and the figures say why.
//!
//! The time of a call is modelled as `call + items * per_item + bytes * per_byte`, fitted to a few measured calls of
//! either side: what crosses the cable pays for the cable.
//!
//! Keys and randomness are not a matter of speed: keys come from the board whose vault is open, for no other board and no
//! software has its root; randomness comes from the board and the operating system together, if the board's rings pass
//! their health tests.

use std::fmt;
use std::hint::black_box;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use twinseal_wire::engines;

use crate::provider::{DeriveSlot, Digest, EntropySlot, HashSlot, MerkleSlot, Provider};
use crate::{Board, Error};

/// Message bytes of the long measured calls.
const LONG_BYTES: usize = 2048;
/// Leaves of the measured tree.
const LEAVES: usize = 16;
/// Measured calls of a kind; the fastest counts, for everything else was the machine's other work.
const RUNS: usize = 3;
/// A kind of call that has taken this long altogether is not repeated.
const PATIENCE: Duration = Duration::from_millis(50);
/// What a stream of unknown length is taken for.
const STREAM_BYTES: usize = 1 << 20;

/// Who decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The side that is predicted to be faster for each call.
    #[default]
    Measured,
    /// The board, for everything it has an engine for.
    Board,
    /// This processor.
    Software,
}

/// The time one side takes, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// For any call.
    pub call_ns: f64,
    /// For every leaf of a tree; zero for a hash.
    pub item_ns: f64,
    /// For every byte.
    pub byte_ns: f64,
}

impl Cost {
    /// Predicted time of a call.
    pub fn of(&self, items: usize, bytes: usize) -> f64 {
        self.call_ns + self.item_ns * items as f64 + self.byte_ns * bytes as f64
    }

    fn of_hash(slot: &dyn HashSlot) -> Result<Self, Error> {
        let message = vec![0xA5; LONG_BYTES];
        let short = fastest(|| slot.hash(&[]))?;
        let long = fastest(|| slot.hash(&message))?;
        Ok(Self { call_ns: short, item_ns: 0.0, byte_ns: (long - short).max(0.0) / LONG_BYTES as f64 })
    }

    fn of_merkle(slot: &dyn MerkleSlot) -> Result<Self, Error> {
        let message = vec![0xA5; LONG_BYTES];
        let none = fastest(|| slot.merkle_root(&[]))?;
        let many = fastest(|| slot.merkle_root(&[&[][..]; LEAVES]))?;
        let item_ns = (many - none).max(0.0) / LEAVES as f64;
        let long = fastest(|| slot.merkle_root(&[&message]))?;
        Ok(Self { call_ns: none, item_ns, byte_ns: (long - none - item_ns).max(0.0) / LONG_BYTES as f64 })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} us a call", self.call_ns / 1e3)?;
        if self.item_ns > 0.0 {
            write!(f, " and {:.2} us a leaf", self.item_ns / 1e3)?;
        }
        write!(f, " and {:.1} us a KiB", self.byte_ns * 1024.0 / 1e3)
    }
}

/// The shortest of a few calls, in nanoseconds.
fn fastest(call: impl Fn() -> Result<Digest, Error>) -> Result<f64, Error> {
    let (mut shortest, mut spent) = (Duration::MAX, Duration::ZERO);
    for _ in 0..RUNS {
        let from = Instant::now();
        black_box(call()?);
        let took = from.elapsed();
        shortest = shortest.min(took);
        spent += took;
        if spent > PATIENCE {
            break;
        }
    }
    Ok(shortest.as_nanos() as f64)
}

/// Decides between a board and software, for every slot the board has an engine for.
#[derive(Clone)]
pub struct Planner {
    hash: Arc<Plan<dyn HashSlot>>,
    merkle: Arc<Plan<dyn MerkleSlot>>,
    derive: Arc<dyn DeriveSlot>,
    entropy: Arc<dyn EntropySlot>,
    /// Why `derive` and `entropy` are what they are.
    secrets: [String; 2],
    software: Provider,
}

impl Planner {
    /// Measures both sides, which takes some calls on the board; with [`Choice::Software`] the board is left alone.
    ///
    /// # Errors
    /// Whatever a measured call says, among it [`Error::WrongResult`] of a board opened to be verified.
    pub fn new(board: Option<Arc<Board>>, software: Provider, choice: Choice) -> Result<Self, Error> {
        let with = |bit| board.clone().filter(|b| choice != Choice::Software && b.engines() & bit != 0);
        let hash_side = |slot: Arc<dyn HashSlot>| {
            Ok(Side { engine: slot.engine().into(), cost: Cost::of_hash(&*slot)?, slot })
        };
        let merkle_side = |slot: Arc<dyn MerkleSlot>| {
            Ok(Side { engine: slot.engine().into(), cost: Cost::of_merkle(&*slot)?, slot })
        };
        let sha256 = with(engines::SHA256).map(|b| hash_side(b)).transpose()?;
        let merkle = with(engines::MERKLE).map(|b| merkle_side(b)).transpose()?;
        let (derive, derive_reason) = derive_side(with(engines::VAULT), &software, choice);
        let (entropy, entropy_reason) = entropy_side(with(engines::ENTROPY), &software, choice)?;
        Ok(Self {
            secrets: [
                format!("derive: {}, {derive_reason}", derive.engine()),
                format!("entropy: {}, {entropy_reason}", entropy.engine()),
            ],
            derive,
            entropy,
            hash: Plan::new("hash", sha256, hash_side(software.hash.clone())?, choice).into(),
            merkle: Plan::new("merkle", merkle, merkle_side(software.merkle.clone())?, choice).into(),
            software,
        })
    }

    /// The provider that follows the plan, call by call.
    pub fn provider(&self) -> Provider {
        Provider {
            hash: self.hash.clone(),
            merkle: self.merkle.clone(),
            derive: self.derive.clone(),
            entropy: self.entropy.clone(),
            ..self.software.clone()
        }
    }

    /// One sentence for every planned slot: who computes, and the figures.
    pub fn explain(&self) -> Vec<String> {
        // Not measured: there is nothing to choose from as long as no register map has an engine for it.
        let transform = self.software.transform.engine();
        let transform = format!("transform: {transform}, because no board has an engine for pairings yet");
        let [derive, entropy] = self.secrets.clone();
        vec![self.hash.explanation.clone(), self.merkle.explanation.clone(), transform, derive, entropy]
    }
}

/// Who derives keys, and why.
fn derive_side(
    board: Option<Arc<Board>>,
    software: &Provider,
    choice: Choice,
) -> (Arc<dyn DeriveSlot>, &'static str) {
    match board {
        Some(board) if board.is_vault_open() => (board, "because its vault is open and its root stays in it"),
        Some(_) => (software.derive.clone(), "because the vault of the board is closed"),
        None if choice == Choice::Software => (software.derive.clone(), "because software was chosen"),
        None => (software.derive.clone(), "because no board has a vault"),
    }
}

/// Who gives random bytes, and why.
fn entropy_side(
    board: Option<Arc<Board>>,
    software: &Provider,
    choice: Choice,
) -> Result<(Arc<dyn EntropySlot>, String), Error> {
    let Some(board) = board else {
        let reason = match choice {
            Choice::Software => "because software was chosen",
            _ => "because no board has an engine for it",
        };
        return Ok((software.entropy.clone(), reason.into()));
    };
    let from = Instant::now();
    // The first seed, which is not lost.
    match board.fill(&mut []) {
        Ok(()) => {
            let ms = from.elapsed().as_millis();
            let reason = format!("mixed with the operating system's: a seed of the board takes {ms} ms");
            Ok((board, reason))
        }
        // The system alone is enough; a board that fails later, in use, is an error then.
        Err(error @ Error::EntropyFault { .. }) => {
            Ok((software.entropy.clone(), format!("because {error} ({})", error.code())))
        }
        Err(error) => Err(error),
    }
}

/// One of the two that can fill a slot.
struct Side<S: ?Sized> {
    slot: Arc<S>,
    engine: String,
    cost: Cost,
}

/// A slot's two sides, and when which is used.
struct Plan<S: ?Sized> {
    board: Option<Side<S>>,
    software: Side<S>,
    choice: Choice,
    label: String,
    explanation: String,
}

impl<S: ?Sized> Plan<S> {
    fn new(name: &str, board: Option<Side<S>>, software: Side<S>, choice: Choice) -> Self {
        let mut plan = Self { board, software, choice, label: String::new(), explanation: String::new() };
        let cost = plan.software.cost;
        let reason = match (choice, &plan.board) {
            (Choice::Software, _) => format!("because software was chosen: {cost}"),
            (_, None) => format!("because no board has an engine for it: {cost}"),
            (Choice::Board, Some(board)) => {
                format!("because the board was chosen: {}; software would take {cost}", board.cost)
            }
            (Choice::Measured, Some(board)) => {
                format!("by measurement: {} takes {}, software {cost}", board.engine, board.cost)
            }
        };
        plan.label = plan.describe();
        plan.explanation = format!("{name}: {}, {reason}", plan.label);
        plan
    }

    /// The side for a call of this size.
    fn side(&self, items: usize, bytes: usize) -> &S {
        match &self.board {
            Some(board) if self.is_for_board(items, bytes) => &board.slot,
            _ => &self.software.slot,
        }
    }

    fn is_for_board(&self, items: usize, bytes: usize) -> bool {
        self.board.as_ref().is_some_and(|board| match self.choice {
            Choice::Measured => board.cost.of(items, bytes) < self.software.cost.of(items, bytes),
            Choice::Board => true,
            Choice::Software => false,
        })
    }

    /// Costs are linear, so the smallest call and the largest of either shape decide whether the size ever matters.
    fn describe(&self) -> String {
        const LARGE: usize = 1 << 40;
        let extremes = [(0, 0), (0, LARGE), (LARGE, 0)].map(|(items, bytes)| self.is_for_board(items, bytes));
        let software = &self.software.engine;
        match &self.board {
            Some(board) if extremes == [true; 3] => board.engine.clone(),
            Some(board) if extremes != [false; 3] => format!("{} or {software}, by size", board.engine),
            _ => software.clone(),
        }
    }
}

impl HashSlot for Plan<dyn HashSlot> {
    fn hash(&self, message: &[u8]) -> Result<Digest, Error> {
        self.side(0, message.len()).hash(message)
    }

    fn hash_reader(&self, reader: &mut dyn Read) -> Result<Digest, Error> {
        self.side(0, STREAM_BYTES).hash_reader(reader)
    }

    fn engine(&self) -> &str {
        &self.label
    }
}

impl MerkleSlot for Plan<dyn MerkleSlot> {
    fn merkle_root(&self, leaves: &[&[u8]]) -> Result<Digest, Error> {
        self.side(leaves.len(), leaves.iter().map(|leaf| leaf.len()).sum()).merkle_root(leaves)
    }

    fn engine(&self) -> &str {
        &self.label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with its own number, so that a test sees who was asked.
    struct Fake(u8);

    impl HashSlot for Fake {
        fn hash(&self, _: &[u8]) -> Result<Digest, Error> {
            Ok([self.0; 32])
        }

        fn hash_reader(&self, _: &mut dyn Read) -> Result<Digest, Error> {
            Ok([self.0; 32])
        }

        fn engine(&self) -> &str {
            "fake"
        }
    }

    fn cost(call_ns: f64, byte_ns: f64) -> Cost {
        Cost { call_ns, item_ns: 0.0, byte_ns }
    }

    /// A plan for a board that costs this, against software that costs 10 ns and 1 ns a byte.
    fn plan(choice: Choice, board: Option<Cost>) -> Plan<dyn HashSlot> {
        let side = |number, engine: &str, cost| Side {
            slot: Arc::new(Fake(number)) as Arc<dyn HashSlot>,
            engine: engine.into(),
            cost,
        };
        let board = board.map(|cost| side(1, "board", cost));
        Plan::new("hash", board, side(0, "software", cost(10.0, 1.0)), choice)
    }

    fn asked(plan: &Plan<dyn HashSlot>, bytes: usize) -> u8 {
        plan.hash(&vec![0; bytes]).unwrap()[0]
    }

    #[test]
    fn the_cheaper_side_is_asked() {
        let pays_for_long = plan(Choice::Measured, Some(cost(110.0, 0.5)));
        assert_eq!([0, 200, 201].map(|bytes| asked(&pays_for_long, bytes)), [0, 0, 1]);
        assert_eq!(pays_for_long.hash_reader(&mut &[][..]).unwrap()[0], 1);
        assert_eq!(pays_for_long.engine(), "board or software, by size");

        let never = plan(Choice::Measured, Some(cost(11.0, 1.0)));
        assert_eq!([0, 100_000].map(|bytes| asked(&never, bytes)), [0, 0]);
        assert_eq!(never.engine(), "software");
        assert_eq!(
            never.explanation,
            "hash: software, by measurement: board takes 0.0 us a call and 1.0 us a KiB, \
             software 0.0 us a call and 1.0 us a KiB"
        );

        let always = plan(Choice::Measured, Some(cost(9.0, 1.0)));
        assert_eq!(([0, 100_000].map(|bytes| asked(&always, bytes)), always.engine()), ([1, 1], "board"));
    }

    #[test]
    fn a_choice_is_obeyed() {
        let board = plan(Choice::Board, Some(cost(1e9, 1e9)));
        assert_eq!((asked(&board, 0), board.engine()), (1, "board"));
        assert!(board.explanation.contains("because the board was chosen"), "{}", board.explanation);

        let software = plan(Choice::Software, Some(cost(0.0, 0.0)));
        assert_eq!((asked(&software, 0), software.engine()), (0, "software"));
        assert!(software.explanation.contains("because software was chosen"), "{}", software.explanation);

        let none = plan(Choice::Board, None);
        assert_eq!((asked(&none, 0), none.engine()), (0, "software"));
        assert!(none.explanation.contains("no board has an engine"), "{}", none.explanation);
    }

    #[test]
    fn transforms_stay_in_software_and_it_says_so() {
        let planner = Planner::new(None, Provider::software(), Choice::Board).unwrap();
        assert_eq!(planner.provider().transform.engine(), "software");
        let sentence = "transform: software, because no board has an engine for pairings yet";
        assert_eq!(planner.explain()[2], sentence);
    }

    #[test]
    fn a_tree_is_measured_by_leaves_and_bytes() {
        let cost = Cost::of_merkle(&crate::software::Software).unwrap();
        assert!(cost.call_ns > 0.0 && cost.item_ns > 0.0 && cost.byte_ns > 0.0, "{cost:?}");
        let doubled = Cost { call_ns: 1.0, item_ns: 2.0, byte_ns: 3.0 };
        assert_eq!(doubled.of(10, 100), 321.0);
        assert_eq!(doubled.to_string(), "0.0 us a call and 0.00 us a leaf and 3.1 us a KiB");
    }
}
