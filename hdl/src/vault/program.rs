//! The vault's program. Each routine is named after the function of the golden models that it computes.
//!
//! # Memory
//! | words | |
//! |---|---|
//! | 0 to 255 | of each pair: the difference plus 2^15; then both levels, sign's in the low byte, size's in the high one, twice the level plus 128 |
//! | 256 to 286 | scratch |
//! | 287 to 335 | helper data as encoded, a byte a word; a digest from 288 on |
//! | 336 to 511 | what lasts, tables, constants |
//! | 512 to 1,023 | bit 0 of word 512 + i: bit i of x; the rest: twice a level, of stage s in words 512 + 2^s and the 2^s - 1 behind it |
//!
//! Scratch and the first and last region are wiped at the end of every request that used them, before the answer.
//!
//! # Time
//! Jumps depend on the request, on counters, on the table of frozen places, on health tests and on whether helper data
//! were accepted, and on nothing else.

use twinseal_puf::entropy::{PROPORTION_CUTOFF, REPETITION_CUTOFF, SEED_RAW_BITS};
use twinseal_puf::polar::{FROZEN, MAX_LEVEL, SYNDROME_BYTES};
use twinseal_puf::reading::{
    ENROLMENT_SAMPLES, MAX_COUNT, MAX_RELIABILITY, MIN_COUNT, MIN_MEDIAN, RECONSTRUCTION_SAMPLES,
    window_clocks,
};
use twinseal_puf::vault::{
    BACKOFF_CLOCKS_AT_12_MHZ, CHALLENGE_BYTES, HELPER_BYTES, HELPER_VERSION, MAX_FAILURES, MAX_LABEL_BYTES,
    TAG_BYTES,
};
use twinseal_puf::{PAIRS, RESPONSE_BITS, SYNDROME_BITS};
use twinseal_wire::status;

use super::assembler::{AT_X, Assembler, CLOCKS_PER_INSTRUCTION, If, Operand, Word};
use super::io::{POP, action, port, wait};
use crate::engine::command;
use crate::golden::sha256::DIGEST_BYTES;

/// First word of scratch; those before it are of the pairs.
const SCRATCH: u16 = 256;
/// Helper data. Syndrome, tag and digest begin at multiples of 32, so that X is also the index of a digest's byte.
const HELPER: u16 = 287;
const SYNDROME: u16 = HELPER + 1;
const TAG: u16 = SYNDROME + SYNDROME_BYTES as u16;
const DIGEST: u16 = SYNDROME;
/// What lasts.
const KEPT: u16 = HELPER + HELPER_BYTES as u16;
/// Levels of the stages and bits of x.
const STAGES: u16 = 512;
/// All of the words behind [`STAGES`].
const STAGE_WORDS: u16 = 512;

const ROOT_DOMAIN: &[u8; 16] = b"twinseal/root/v1";
const DOMAIN_TAG: i32 = 1;
const DOMAIN_DERIVE: i32 = 2;
const DOMAIN_ATTEST: i32 = 3;

/// Bits of the request and where the length begins, in [`port::REQUEST`].
const REQUEST_MASK: i32 = 7;
const LENGTH_SHIFT: usize = 3;
const LENGTH_MASK: i32 = 0x3FF << LENGTH_SHIFT;

/// In a pair's word once its levels are known: what stands for a level of zero.
const LEVEL_BIAS: i32 = 128;
/// A wait is made of so many parts of its shortest.
const BACKOFF_PARTS: u32 = 16;
/// Bytes of zeros that overwrite what the engine has seen: its key page, then both message pages.
const SCRUB_KEY_BYTES: u16 = 64;
const SCRUB_MESSAGE_BYTES: u16 = 128;

/// Words with a name. The first ones are scratch.
struct Words {
    pair: Word,
    samples: Word,
    second: Word,
    low: Word,
    high: Word,
    fault: Word,
    median: Word,
    step: Word,
    above: Word,
    size: Word,
    distance: Word,
    increment: Word,
    magnitude: Word,
    turn: Word,
    packed: Word,
    leaf: Word,
    half: Word,
    place: Word,
    out: Word,
    left: Word,
    right: Word,
    mode: Word,
    bit: Word,
    both: Word,
    frozen_bits: Word,
    frozen: Word,
    frozen_before: Word,
    syndrome_bits: Word,
    byte: Word,
    different: Word,
    equal: Word,
    request: Word,
    counter: Word,
    answer: Word,
    from: Word,
    waits: Word,
    open: Word,
    failures: Word,
    alarm: Word,
    started: Word,
    last: Word,
    run: Word,
    first: Word,
    link: Word,
    inner_link: Word,
    domain: Word,
    build: Word,
    frozen_table: Word,
    lengths: Word,
    shorter: Word,
    routines: Word,
}

/// The program and the first contents of memory, of a vault with this build id and clock.
pub fn assemble(build_id: u32, clock_hz: u32) -> (Vec<u64>, Vec<u64>) {
    let mut assembler = Assembler::new(KEPT);
    let a = &mut assembler;
    let w = &words(a, build_id);
    begin(a, w);
    requests(a, w);
    read(a, w);
    count(a, w, clock_hz);
    median(a, w);
    soft(a, w);
    decode(a, w);
    stage(a, w);
    combine(a, w);
    frozen(a, w);
    transform_and_syndrome(a, w);
    root(a, w);
    mac(a, w);
    random(a, w);
    refuse(a, w);
    finish(a, w, clock_hz);
    assembler.finish()
}

fn words(a: &mut Assembler, build_id: u32) -> Words {
    let mut next = SCRATCH;
    let mut scratch = || {
        next += 1;
        assert!(next <= HELPER, "scratch is full");
        Word(next - 1)
    };
    let bytes =
        |bytes: &[u8]| -> Vec<Operand> { bytes.iter().map(|&b| Operand::from(i32::from(b))).collect() };
    let frozen: Vec<Operand> =
        FROZEN.iter().flat_map(|w| (0..4).map(move |i| Operand::from((w >> (16 * i)) as u16))).collect();
    // In the order of the opcodes. No request has the last two numbers.
    let names = ["enrol", "open", "close", "derive", "attest", "entropy", "bad length", "bad length"];
    let lengths = [0, HELPER_BYTES, 0, MAX_LABEL_BYTES, CHALLENGE_BYTES, 0, 0, 0];
    let lengths = lengths.map(|length| Operand::from((length << LENGTH_SHIFT) as u16));
    // A label may be shorter.
    let shorter = [-1, -1, -1, 0, -1, -1, -1, -1].map(Operand::from);
    let routines = names.map(|name| Operand::from(a.named(name)));
    Words {
        pair: scratch(),
        samples: scratch(),
        second: scratch(),
        low: scratch(),
        high: scratch(),
        fault: scratch(),
        median: scratch(),
        step: scratch(),
        above: scratch(),
        size: scratch(),
        distance: scratch(),
        increment: scratch(),
        magnitude: scratch(),
        turn: scratch(),
        packed: scratch(),
        leaf: scratch(),
        half: scratch(),
        place: scratch(),
        out: scratch(),
        left: scratch(),
        right: scratch(),
        mode: scratch(),
        bit: scratch(),
        both: scratch(),
        frozen_bits: scratch(),
        frozen: scratch(),
        frozen_before: scratch(),
        syndrome_bits: scratch(),
        byte: scratch(),
        different: scratch(),
        equal: scratch(),
        frozen_table: a.table(32, &frozen),
        lengths: a.table(8, &lengths),
        shorter: a.table(8, &shorter),
        routines: a.table(8, &routines),
        domain: a.table(1, &bytes(ROOT_DOMAIN)),
        build: a.table(1, &bytes(&build_id.to_le_bytes())),
        request: a.kept(0),
        counter: a.kept(0),
        answer: a.kept(0),
        from: a.kept(0),
        waits: a.kept(0),
        open: a.kept(0),
        failures: a.kept(0),
        alarm: a.kept(0),
        started: a.kept(0),
        last: a.kept(0),
        run: a.kept(0),
        first: a.kept(0),
        link: a.kept(0),
        inner_link: a.kept(0),
    }
}

/// Length, then the request's routine.
fn begin(a: &mut Assembler, w: &Words) {
    a.load(0);
    a.store(w.waits);
    a.input(port::REQUEST, 0);
    a.store(w.request);
    a.and(REQUEST_MASK);
    a.add_to_x(0);
    a.load(w.request);
    a.and(LENGTH_MASK);
    a.sub(Operand::AtIndex(w.lengths.0));
    // What is left is zero, or below zero where the payload may be shorter.
    a.skip(If::NotNegative);
    a.and(Operand::AtIndex(w.shorter.0));
    a.skip(If::NotNegative);
    a.go("bad length");
    a.sub(1);
    a.skip(If::Below);
    a.go("bad length");
    a.jump_by(Operand::AtIndex(w.routines.0));
    a.entry("bad length");
    answer_now(a, w, status::BAD_LENGTH);
}

/// Answers what has read nothing and used nothing.
fn answer_now(a: &mut Assembler, w: &Words, status: u8) {
    a.load(i32::from(status));
    a.store(w.answer);
    a.go("answer");
}

/// Cleans up and answers; the reply is in memory.
fn answer(a: &mut Assembler, w: &Words, status: u8, from: u16, length: u16) {
    a.load(u16::from(status) | length << 4);
    a.store(w.answer);
    if length > 0 {
        a.load(from);
        a.store(w.from);
    }
    a.go("finish");
}

fn requests(a: &mut Assembler, w: &Words) {
    a.entry("enrol");
    a.load(w.failures);
    a.sub(i32::from(MAX_FAILURES));
    a.skip(If::Below);
    a.go("refuse");
    a.load(w.request);
    a.skip(If::Negative);
    a.go("not permitted");
    a.load(ENROLMENT_SAMPLES as u16 - 1);
    a.store(w.samples);
    a.go("read");
    a.go("median");
    a.load(w.fault);
    a.sub(1);
    a.skip(If::Below);
    a.go("ring fault");
    a.go("soft");
    harden(a, w);
    a.go("root");
    a.load(1);
    a.store(w.open);
    a.go("syndrome");
    a.load(i32::from(HELPER_VERSION));
    a.store(Word(HELPER));
    a.go("tag");
    a.count_up(w.counter, TAG_BYTES as u16, |a| {
        a.load(w.counter);
        a.add_to_x(TAG);
        a.rest();
        a.input(port::BYTE, 0);
        a.store(AT_X);
    });
    answer(a, w, status::OK, HELPER, HELPER_BYTES as u16);
    a.entry("not permitted");
    answer_now(a, w, status::NOT_PERMITTED);
    a.entry("ring fault");
    answer(a, w, status::RING_FAULT, HELPER, 0);

    a.entry("open");
    a.go("forget");
    a.count_up(w.counter, HELPER_BYTES as u16, |a| {
        a.load(w.counter);
        a.add_to_x(HELPER);
        a.input(port::BYTE, wait::PAYLOAD | POP);
        a.store(AT_X);
    });
    a.load(RECONSTRUCTION_SAMPLES as u16 - 1);
    a.store(w.samples);
    a.go("read");
    a.go("median");
    // A closed vault refuses whatever it reads.
    a.load(w.failures);
    a.sub(i32::from(MAX_FAILURES));
    a.load(w.fault);
    a.skip(If::Below);
    a.load(0);
    a.sub(1);
    a.skip(If::Below);
    a.go("ring fault");
    a.go("soft");
    a.go("decode");
    a.go("root");
    a.go("tag");
    a.load(Word(HELPER));
    a.sub(i32::from(HELPER_VERSION));
    a.absolute();
    a.store(w.different);
    a.count_up(w.counter, TAG_BYTES as u16, |a| {
        a.load(w.counter);
        a.add_to_x(TAG);
        a.rest();
        a.input(port::BYTE, 0);
        a.sub(AT_X);
        a.absolute();
        a.add(w.different);
        a.store(w.different);
    });
    a.load(w.failures);
    a.sub(i32::from(MAX_FAILURES));
    a.load(w.different);
    a.skip(If::Below);
    a.add(1);
    a.sub(1);
    a.skip(If::Below);
    a.go("refuse");
    a.load(1);
    a.store(w.open);
    answer(a, w, status::OK, HELPER, 0);

    a.entry("close");
    a.go("forget");
    answer_now(a, w, status::OK);

    a.routine("forget", w.link);
    a.load(0);
    a.store(w.open);
    a.count_down(w.counter, DIGEST_BYTES as u16, |a| a.output(action::ROOT_FORGET, 0));
    a.jump_by(w.link);

    a.entry("derive");
    closed_unless_open(a, w);
    a.go("key");
    a.load(DOMAIN_DERIVE);
    a.push();
    a.go("payload");
    a.entry("closed");
    answer_now(a, w, status::CLOSED);

    a.entry("attest");
    closed_unless_open(a, w);
    a.go("key");
    a.load(DOMAIN_ATTEST);
    a.push();
    for byte in 0..4 {
        a.load(Word(w.build.0 + byte));
        a.push();
    }
    payload(a, w);
}

fn closed_unless_open(a: &mut Assembler, w: &Words) {
    a.load(w.open);
    a.sub(1);
    a.skip(If::NotBelow);
    a.go("closed");
}

/// The payload to the engine, the digest to the host.
fn payload(a: &mut Assembler, w: &Words) {
    let (next, end) = (a.label(), a.label());
    a.entry("payload");
    a.load(w.request);
    a.and(LENGTH_MASK);
    a.halve(LENGTH_SHIFT);
    a.store(w.counter);
    a.here(next);
    a.load(w.counter);
    a.sub(1);
    a.store(w.counter);
    a.skip(If::NotBelow);
    a.jump(end);
    a.input(port::BYTE, wait::PAYLOAD | POP);
    a.push();
    a.jump(next);
    a.here(end);
    a.command(command::HASH_END);
    a.go("digest");
}

/// `Differences::read`: sums of differences, plus 2^15, of `samples` + 1 samples; `fault` if a count is out of range.
fn read(a: &mut Assembler, w: &Words) {
    const ZERO: i32 = 0x8000;
    let (sample, end) = (a.label(), a.label());
    a.routine("read", w.link);
    a.count_down(w.pair, PAIRS as u16, |a| {
        a.load_x(w.pair);
        a.load(ZERO);
        a.store(AT_X);
    });
    a.load(0);
    a.store(w.fault);
    a.here(sample);
    a.count_up(w.pair, PAIRS as u16, |a| {
        a.go("count");
        for ring in [port::SECOND, port::FIRST] {
            a.input(ring, 0);
            if ring == port::SECOND {
                a.store(w.second);
            }
            a.sub(MIN_COUNT as u16);
            a.sub((MAX_COUNT - MIN_COUNT + 1) as u16);
            a.load(1);
            a.skip(If::Below);
            a.store(w.fault);
        }
        // The sum so far is one of 17 bits and a sign; `high` is its part above 16 bits, plus one.
        a.input(port::FIRST, 0);
        a.add(AT_X);
        a.store(w.low);
        a.load(2);
        a.skip(If::NotBelow);
        a.load(1);
        a.store(w.high);
        a.load(w.low);
        a.sub(w.second);
        a.store(w.low);
        a.load(w.high);
        a.skip(If::NotBelow);
        a.sub(1);
        a.store(w.high);
        a.sub(2);
        a.load(w.low);
        a.skip(If::Below);
        a.load(-1);
        a.store(w.low);
        a.load(w.high);
        a.sub(1);
        a.load(w.low);
        a.skip(If::NotBelow);
        a.load(0);
        a.store(w.low);
        a.sub(1);
        a.load(w.low);
        a.skip(If::NotBelow);
        a.load(1);
        a.store(AT_X);
    });
    // After a fault nothing more is read.
    a.load(w.fault);
    a.sub(1);
    a.skip(If::Below);
    a.jump(end);
    a.load(w.samples);
    a.sub(1);
    a.store(w.samples);
    a.skip(If::Below);
    a.jump(sample);
    a.here(end);
    a.jump_by(w.link);
}

/// `reading::count`: lets the rings of `pair` run for a window. Leaves the pair in X.
fn count(a: &mut Assembler, w: &Words, clock_hz: u32) {
    a.routine("count", w.inner_link);
    a.load_x(w.pair);
    a.output(action::RINGS_RUN, 0);
    a.pause(window_clocks(clock_hz) / CLOCKS_PER_INSTRUCTION - 1);
    a.output(action::RINGS_STOP, 0);
    a.rest();
    a.jump_by(w.inner_link);
}

/// `Differences::median`, and `Differences::check`: `fault` if it is too small.
fn median(a: &mut Assembler, w: &Words) {
    let next = a.label();
    a.routine("median", w.link);
    a.load(0);
    a.store(w.median);
    a.load(1 << 14);
    a.store(w.step);
    a.here(next);
    a.load(w.median);
    a.add(w.step);
    a.store(w.size);
    a.load(0);
    a.store(w.above);
    a.count_down(w.pair, PAIRS as u16, |a| {
        a.load_x(w.pair);
        a.load(AT_X);
        a.sub(0x8000);
        a.absolute();
        // |d| > median + step - 1.
        a.sub(w.size);
        a.load(w.above);
        a.skip(If::Below);
        a.add(1);
        a.store(w.above);
    });
    a.load(w.above);
    a.sub(PAIRS as u16 / 2 + 1);
    a.load(w.median);
    a.skip(If::Below);
    a.add(w.step);
    a.store(w.median);
    a.load(w.step);
    a.halve(1);
    a.store(w.step);
    a.sub(1);
    a.skip(If::Below);
    a.jump(next);
    a.load(w.median);
    a.sub(MIN_MEDIAN);
    a.load(1);
    a.skip(If::NotBelow);
    a.store(w.fault);
    a.jump_by(w.link);
}

/// `Differences::soft`: differences become levels.
fn soft(a: &mut Assembler, w: &Words) {
    const SIGN_INCREMENT: i32 = 4;
    const SIZE_INCREMENT: i32 = SIGN_INCREMENT << 8;
    const BIASES: i32 = LEVEL_BIAS << 8 | LEVEL_BIAS;
    a.routine("soft", w.link);
    a.load(w.median);
    a.halve(4);
    a.store(w.step);
    a.sub(1);
    a.load(w.step);
    a.skip(If::NotBelow);
    a.load(1);
    a.store(w.step);
    a.count_down(w.pair, PAIRS as u16, |a| {
        a.load_x(w.pair);
        a.load(AT_X);
        a.sub(0x8000);
        a.absolute();
        a.store(w.size);
        a.store(w.distance);
        a.load(SIGN_INCREMENT);
        a.store(w.increment);
        a.go("level");
        // d > 0.
        a.load(AT_X);
        a.sub(0x8001);
        a.load(w.magnitude);
        a.skip(If::Below);
        a.negate();
        a.add(BIASES);
        a.store(w.packed);
        a.load(w.size);
        a.sub(w.median);
        a.absolute();
        a.store(w.distance);
        a.load(SIZE_INCREMENT);
        a.store(w.increment);
        a.go("level");
        // |d| > m.
        a.load(w.median);
        a.sub(w.size);
        a.load(w.magnitude);
        a.skip(If::NotBelow);
        a.negate();
        a.add(w.packed);
        a.store(AT_X);
    });
    a.jump_by(w.link);

    // `reading::level` without the sign, times `increment` / 2.
    a.routine("level", w.inner_link);
    a.load(w.increment);
    a.halve(1);
    a.store(w.magnitude);
    a.count_down(w.turn, u16::from(MAX_RELIABILITY), |a| {
        a.load(w.distance);
        a.sub(w.step);
        a.skip(If::Below);
        a.store(w.distance);
        a.load(w.magnitude);
        a.skip(If::Below);
        a.add(w.increment);
        a.store(w.magnitude);
    });
    a.jump_by(w.inner_link);
}

/// The level of a pair's sign, in A.
fn sign_level(a: &mut Assembler, flip: u16) {
    a.load(Operand::AtIndex(flip));
    a.and(0x00FF);
    a.sub(LEVEL_BIAS);
}

/// The level of a pair's size, in A.
fn size_level(a: &mut Assembler, flip: u16) {
    a.load(Operand::AtIndex(flip));
    a.halve(8);
    a.sub(LEVEL_BIAS);
}

/// A = 1 if A is negative, else 0.
fn is_negative(a: &mut Assembler, w: &Words) {
    a.store(w.bit);
    a.add(w.bit);
    a.load(1);
    a.skip(If::NotBelow);
    a.load(0);
}

/// `SoftResponse::bits`, into x.
fn harden(a: &mut Assembler, w: &Words) {
    a.count_down(w.pair, PAIRS as u16, |a| {
        a.load_x(w.pair);
        sign_level(a, 0);
        is_negative(a, w);
        a.store(w.both);
        size_level(a, 0);
        is_negative(a, w);
        a.store(w.bit);
        // `sign_index`, `size_index`.
        a.load(w.pair);
        a.add_to_x(STAGES);
        a.load(w.both);
        a.store(AT_X);
        a.load(w.bit);
        a.store(Operand::AtIndex(RESPONSE_BITS as u16 - 1));
    });
}

/// `polar::decode`, leaf by leaf.
fn decode(a: &mut Assembler, w: &Words) {
    let (leaf, checks, free, same, set) = (a.label(), a.label(), a.label(), a.label(), a.label());
    a.routine("decode", w.link);
    a.load(0);
    a.store(w.leaf);
    a.store(w.frozen_before);
    a.here(leaf);
    a.load(w.leaf);
    a.sub(1);
    a.load(RESPONSE_BITS as u16);
    a.store(w.half);
    a.skip(If::NotBelow);
    a.jump(checks);
    // Of the stage of the lowest set bit, the left half is decided.
    a.load_negative(w.leaf);
    a.and(w.leaf);
    a.store(w.half);
    let repeat = a.named("repeat");
    a.load(repeat);
    a.store(w.mode);
    a.go("stage");
    a.here(checks);
    let decided = a.label();
    a.load(w.half);
    a.halve(1);
    a.store(w.half);
    a.sub(1);
    a.skip(If::NotBelow);
    a.jump(decided);
    let check = a.named("check");
    a.load(check);
    a.store(w.mode);
    a.go("stage");
    a.jump(checks);

    a.here(decided);
    a.go("frozen");
    a.load(w.frozen);
    a.sub(1);
    a.skip(If::NotBelow);
    a.jump(free);
    // The next bit of the syndrome.
    a.load(w.frozen_before);
    a.and(7);
    a.sub(1);
    a.skip(If::Below);
    a.jump(same);
    a.load(w.frozen_before);
    a.halve(3);
    a.add_to_x(SYNDROME);
    a.load(AT_X);
    a.store(w.syndrome_bits);
    a.here(same);
    a.load(w.syndrome_bits);
    a.and(1);
    a.store(w.bit);
    a.load(w.syndrome_bits);
    a.halve(1);
    a.store(w.syndrome_bits);
    a.load(w.frozen_before);
    a.add(1);
    a.store(w.frozen_before);
    a.jump(set);
    a.here(free);
    a.load_x(STAGES + 1);
    a.load(AT_X);
    is_negative(a, w);
    a.store(w.bit);
    a.here(set);
    a.load(w.leaf);
    a.add_to_x(STAGES);
    a.load(AT_X);
    a.and(-2);
    a.add(w.bit);
    a.store(AT_X);
    a.go("combine");
    a.load(w.leaf);
    a.add(1);
    a.store(w.leaf);
    a.sub(RESPONSE_BITS as u16);
    a.skip(If::NotBelow);
    a.jump(leaf);
    a.jump_by(w.link);
}

/// The `half` levels of a stage, from those of the one before by `polar::check` or `polar::repeat`.
fn stage(a: &mut Assembler, w: &Words) {
    let (next, channel, put) = (a.label(), a.label(), a.label());
    a.routine("stage", w.inner_link);
    a.load(w.half);
    a.sub(1);
    a.store(w.place);
    a.here(next);
    a.load(w.place);
    a.add(w.half);
    a.add(STAGES);
    a.store(w.out);
    a.load(w.half);
    a.sub(RESPONSE_BITS as u16 / 2);
    a.skip(If::Below);
    a.jump(channel);
    a.load(w.out);
    a.add_to_x(w.half);
    a.load(AT_X);
    a.and(-2);
    a.store(w.left);
    a.load(w.out);
    a.add(w.half);
    a.add_to_x(w.half);
    a.load(AT_X);
    a.and(-2);
    a.store(w.right);
    a.jump_by(w.mode);
    // Level j of the first stage is made from those of places j and 256 + j.
    a.here(channel);
    a.load_x(w.place);
    sign_level(a, 0);
    a.store(w.left);
    size_level(a, PAIRS as u16 - 1);
    a.store(w.right);
    a.jump_by(w.mode);

    a.entry("check");
    a.load(w.left);
    a.absolute();
    a.store(w.size);
    a.load(w.right);
    a.absolute();
    a.store(w.distance);
    a.sub(w.size);
    a.load(w.distance);
    a.skip(If::Below);
    a.load(w.size);
    a.store(w.magnitude);
    for side in [w.left, w.right] {
        a.load(side);
        a.add(side);
        a.load(w.magnitude);
        a.skip(If::Below);
        a.negate();
        a.store(w.magnitude);
    }
    a.jump(put);

    a.entry("repeat");
    a.load(w.leaf);
    a.sub(w.half);
    a.add(w.place);
    a.add_to_x(STAGES);
    a.load(AT_X);
    a.and(1);
    a.sub(1);
    a.load(w.left);
    a.skip(If::Below);
    a.negate();
    a.add(w.right);
    // Saturates at twice the highest level.
    a.sub(2 * i32::from(MAX_LEVEL));
    a.skip(If::Negative);
    a.load(0);
    a.add(4 * i32::from(MAX_LEVEL));
    a.skip(If::NotNegative);
    a.load(0);
    a.sub(2 * i32::from(MAX_LEVEL));
    a.store(w.magnitude);

    a.here(put);
    a.load_x(w.out);
    a.load(AT_X);
    a.and(1);
    a.add(w.magnitude);
    a.store(AT_X);
    a.load(w.place);
    a.sub(1);
    a.store(w.place);
    a.skip(If::Below);
    a.jump(next);
    a.jump_by(w.inner_link);
}

/// The right half of x onto the left one in every node that ends with `leaf`.
fn combine(a: &mut Assembler, w: &Words) {
    let (node, next) = (a.label(), a.label());
    a.routine("combine", w.inner_link);
    a.load(1);
    a.store(w.half);
    a.here(node);
    a.load(w.leaf);
    a.and(w.half);
    a.sub(1);
    a.skip(If::NotBelow);
    a.jump_by(w.inner_link);
    a.load(w.half);
    a.sub(1);
    a.store(w.place);
    a.here(next);
    a.load(w.leaf);
    a.sub(w.place);
    a.store(w.out);
    a.add_to_x(STAGES);
    a.load(AT_X);
    a.and(1);
    a.store(w.bit);
    a.load(w.out);
    a.sub(w.half);
    a.add_to_x(STAGES);
    // a ^ b = a + b - 2 (a & b).
    a.load(w.bit);
    a.and(AT_X);
    a.store(w.both);
    a.load(AT_X);
    a.add(w.bit);
    a.sub(w.both);
    a.sub(w.both);
    a.store(AT_X);
    a.load(w.place);
    a.sub(1);
    a.store(w.place);
    a.skip(If::Below);
    a.jump(next);
    a.load(w.half);
    a.add(w.half);
    a.store(w.half);
    a.jump(node);
}

/// `polar::is_frozen`, of places in ascending order from 0 on, into `frozen`.
fn frozen(a: &mut Assembler, w: &Words) {
    let same = a.label();
    a.routine("frozen", w.inner_link);
    a.load(w.leaf);
    a.and(15);
    a.sub(1);
    a.skip(If::Below);
    a.jump(same);
    a.load(w.leaf);
    a.halve(4);
    a.add_to_x(w.frozen_table.0);
    a.load(AT_X);
    a.store(w.frozen_bits);
    a.here(same);
    a.load(w.frozen_bits);
    a.and(1);
    a.store(w.frozen);
    a.load(w.frozen_bits);
    a.halve(1);
    a.store(w.frozen_bits);
    a.jump_by(w.inner_link);
}

/// `byte` takes the bit in A, 0 or 1, from above.
fn shift_into_byte(a: &mut Assembler, w: &Words) {
    a.sub(1);
    a.load(w.byte);
    a.halve(1);
    a.skip(If::Below);
    a.add(128);
    a.store(w.byte);
}

/// `polar::transform`, then `polar::syndrome` of what was x.
fn transform_and_syndrome(a: &mut Assembler, w: &Words) {
    let places = a.label();
    a.routine("syndrome", w.link);
    a.count_up(w.leaf, RESPONSE_BITS as u16, |a| a.go("combine"));
    a.load(0);
    a.store(w.frozen_before);
    a.count_up(w.leaf, RESPONSE_BITS as u16, |a| {
        a.go("frozen");
        a.load(w.frozen);
        a.sub(1);
        a.skip(If::NotBelow);
        a.jump(places);
        a.load(w.leaf);
        a.add_to_x(STAGES);
        a.load(AT_X);
        a.and(1);
        shift_into_byte(a, w);
        // Right when its eighth bit is in.
        a.load(w.frozen_before);
        a.halve(3);
        a.add_to_x(SYNDROME);
        a.load(w.byte);
        a.store(AT_X);
        a.load(w.frozen_before);
        a.add(1);
        a.store(w.frozen_before);
        a.here(places);
    });
    a.jump_by(w.link);
}

/// `vault::root` of x.
fn root(a: &mut Assembler, w: &Words) {
    a.routine("root", w.link);
    a.command(command::HASH_BEGIN);
    a.count_up(w.counter, ROOT_DOMAIN.len() as u16, |a| {
        a.load(w.counter);
        a.add_to_x(w.domain.0);
        a.load(AT_X);
        a.push();
    });
    a.count_up(w.counter, RESPONSE_BITS as u16, |a| {
        a.load(w.counter);
        a.add_to_x(STAGES);
        a.load(AT_X);
        a.and(1);
        shift_into_byte(a, w);
        push_eighth(a, w);
    });
    a.command(command::HASH_END);
    a.await_engine();
    a.count_up(w.counter, DIGEST_BYTES as u16, |a| {
        a.load_x(w.counter);
        a.rest();
        a.output(action::ROOT_LOAD, wait::ENGINE);
    });
    a.jump_by(w.link);
}

/// Gives the engine `byte` after every eighth value of `counter`.
fn push_eighth(a: &mut Assembler, w: &Words) {
    a.load(w.counter);
    a.and(7);
    a.sub(7);
    a.load(w.byte);
    a.skip(If::Below);
    a.push();
}

/// `vault::mac`: the root as a key; then, for a tag, `vault::tag`, left in the engine.
fn mac(a: &mut Assembler, w: &Words) {
    a.routine("key", w.inner_link);
    a.command(command::KEY_BEGIN);
    a.count_down(w.counter, DIGEST_BYTES as u16, |a| a.output(action::ROOT, wait::ENGINE));
    a.command(command::KEY_END);
    a.jump_by(w.inner_link);

    a.routine("tag", w.link);
    a.go("key");
    a.load(DOMAIN_TAG);
    a.push();
    a.count_up(w.counter, 1 + SYNDROME_BYTES as u16, |a| {
        a.load(w.counter);
        a.add_to_x(HELPER);
        a.load(AT_X);
        a.push();
    });
    a.command(command::HASH_END);
    a.await_engine();
    a.jump_by(w.link);
}

/// `entropy`: raw bits, their health tests and their digest.
fn random(a: &mut Assembler, w: &Words) {
    let (pass, sound) = (a.label(), a.label());
    a.entry("entropy");
    a.load(w.alarm);
    a.sub(1);
    a.skip(If::Below);
    a.go("entropy fault");
    a.here(pass);
    a.command(command::HASH_BEGIN);
    a.load(0);
    a.store(w.equal);
    a.count_up(w.counter, SEED_RAW_BITS as u16, |a| {
        a.load(w.counter);
        a.and(PAIRS as u16 - 1);
        a.store(w.pair);
        a.go("count");
        a.input(port::FIRST, 0);
        a.store(w.bit);
        a.input(port::SECOND, 0);
        a.add(w.bit);
        a.and(1);
        a.store(w.bit);
        // Repetition count.
        a.add(w.last);
        a.and(1);
        a.sub(1);
        a.load(w.run);
        a.skip(If::Below);
        a.load(0);
        a.add(1);
        a.store(w.run);
        a.sub(REPETITION_CUTOFF as u16);
        a.load(1);
        a.skip(If::Below);
        a.store(w.alarm);
        a.load(w.bit);
        a.store(w.last);
        // Adaptive proportion, whose window is a pass.
        a.load(w.counter);
        a.sub(1);
        a.load(w.first);
        a.skip(If::NotBelow);
        a.load(w.bit);
        a.store(w.first);
        a.add(w.bit);
        a.and(1);
        a.sub(1);
        a.load(w.equal);
        a.skip(If::NotBelow);
        a.add(1);
        a.store(w.equal);
        a.sub(PROPORTION_CUTOFF as u16);
        a.load(1);
        a.skip(If::Below);
        a.store(w.alarm);
        a.load(w.bit);
        shift_into_byte(a, w);
        push_eighth(a, w);
        // After a sample with an alarm nothing more is read.
        a.load(w.pair);
        a.sub(PAIRS as u16 - 1);
        a.load(w.alarm);
        a.skip(If::NotBelow);
        a.load(0);
        a.sub(1);
        a.skip(If::NotBelow);
        a.jump(sound);
        a.go("alarm");
        a.here(sound);
    });
    a.command(command::HASH_END);
    // The first pass is the start-up test.
    a.load(w.started);
    a.sub(1);
    a.load(1);
    a.store(w.started);
    a.skip(If::NotBelow);
    a.jump(pass);

    // The digest, to the host.
    a.entry("digest");
    a.await_engine();
    a.count_up(w.counter, DIGEST_BYTES as u16, |a| {
        a.load(w.counter);
        a.add_to_x(DIGEST);
        a.rest();
        a.input(port::BYTE, wait::ENGINE);
        a.store(AT_X);
    });
    answer(a, w, status::OK, DIGEST, DIGEST_BYTES as u16);
    a.entry("alarm");
    answer(a, w, status::ENTROPY_FAULT, DIGEST, 0);
    a.entry("entropy fault");
    answer_now(a, w, status::ENTROPY_FAULT);
}

/// One more failure, and its wait.
fn refuse(a: &mut Assembler, w: &Words) {
    let (next, end) = (a.label(), a.label());
    a.entry("refuse");
    a.go("forget");
    a.load(w.failures);
    a.sub(i32::from(MAX_FAILURES));
    a.load(w.failures);
    a.skip(If::NotBelow);
    a.add(1);
    a.store(w.failures);
    a.sub(1);
    a.store(w.counter);
    a.load(BACKOFF_PARTS as u16);
    a.store(w.waits);
    a.here(next);
    a.load(w.counter);
    a.sub(1);
    a.store(w.counter);
    a.skip(If::NotBelow);
    a.jump(end);
    a.load(w.waits);
    a.add(w.waits);
    a.store(w.waits);
    a.jump(next);
    a.here(end);
    answer(a, w, status::REFUSED, HELPER, 0);
}

/// Overwrites what the engine and the memory have seen, waits, answers.
fn finish(a: &mut Assembler, w: &Words, clock_hz: u32) {
    let zeros = |a: &mut Assembler, count| {
        a.count_down(w.counter, count, |a| {
            a.load(0);
            a.push();
        });
    };
    a.entry("finish");
    a.command(command::KEY_BEGIN);
    zeros(a, SCRUB_KEY_BYTES);
    a.command(command::KEY_END);
    zeros(a, SCRUB_MESSAGE_BYTES);
    a.command(command::HASH_END);
    a.await_engine();
    a.count_down(w.counter, HELPER, |a| {
        a.load_x(w.counter);
        a.load(0);
        a.store(AT_X);
    });
    a.count_down(w.counter, STAGE_WORDS, |a| {
        a.load(w.counter);
        a.add_to_x(STAGES);
        a.load(0);
        a.store(AT_X);
    });

    // Counting and jumping is part of the wait.
    const LOOP: u32 = 6;
    let (part, waited) = (a.label(), a.label());
    let part_clocks = (u64::from(BACKOFF_CLOCKS_AT_12_MHZ) * u64::from(clock_hz))
        .div_ceil(12_000_000 * u64::from(BACKOFF_PARTS)) as u32;
    a.here(part);
    a.load(w.waits);
    a.sub(1);
    a.store(w.waits);
    a.skip(If::NotBelow);
    a.jump(waited);
    a.pause(part_clocks.div_ceil(CLOCKS_PER_INSTRUCTION).saturating_sub(LOOP));
    a.jump(part);
    a.here(waited);

    let (next, end) = (a.label(), a.label());
    a.entry("answer");
    a.load(w.answer);
    a.output(action::ANSWER, 0);
    a.halve(4);
    a.store(w.counter);
    a.here(next);
    a.load(w.counter);
    a.sub(1);
    a.store(w.counter);
    a.skip(If::NotBelow);
    a.jump(end);
    a.load_x(w.from);
    a.load(AT_X);
    a.output(action::REPLY, wait::REPLY);
    a.load(0);
    a.store(AT_X);
    a.load(w.from);
    a.add(1);
    a.store(w.from);
    a.jump(next);
    a.here(end);
    a.output(action::DONE, wait::REPLY);
    // Not reached: the program stops with `busy`.
    a.jump(end);
}

const _: () = {
    assert!(SYNDROME_BITS == 8 * SYNDROME_BYTES && SYNDROME.is_multiple_of(32) && TAG.is_multiple_of(32));
    assert!(HELPER_BYTES < 64 && DIGEST_BYTES == 32 && PAIRS == 256 && RESPONSE_BITS == 512);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_and_memory_fit() {
        let (program, memory) = assemble(0x1234_5678, 12_000_000);
        println!("{} instructions, {} words of memory below 512 in use", program.len(), memory.len());
        assert!(program.len() <= 1_024 && memory.len() <= 512);
        assert!(program.iter().chain(&memory).all(|word| *word < 1 << 16));
    }
}
