//! CRC, COBS, frame check and receive queue against the codec of the wire crate.

mod link_bench;

use std::collections::VecDeque;

use link_bench::{Rng, encoded, fall, random_request, rise, settle, spoil, tick, verilated};
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::link::crc::CrcRegister;
use twinseal_hdl::link::deframe::{CLOCKS_PER_CHARACTER, CobsDecoder, FrameCheck};
use twinseal_hdl::link::queue::PacketQueue;
use twinseal_wire::cobs::{self, Step};
use twinseal_wire::{
    Crc32, Decoder, Frame, FrameError, HEADER_BYTES, MAX_PAYLOAD_BYTES, RX_BUFFER_BYTES, opcode, rx_cost,
};

#[test]
fn crc_is_that_of_the_wire() {
    let mut uut = CrcRegister::default();
    uut.connect_all();
    let mut trace = Trace::of(&uut);
    let mut rng = Rng(1);
    for len in 0..200 {
        uut.clear.next = true;
        tick!(uut, trace);
        uut.clear.next = false;
        let mut crc = Crc32::new();
        uut.shift_out.next = false;
        for byte in rng.bytes(len) {
            crc = crc.push(byte);
            for i in 0..8 {
                uut.step.next = rng.one_in(9);
                while !uut.step.next {
                    tick!(uut, trace);
                    uut.step.next = rng.one_in(2);
                }
                uut.data_bit.next = byte >> i & 1 == 1;
                tick!(uut, trace);
            }
        }
        uut.step.next = true;
        uut.shift_out.next = true;
        for i in 0..32 {
            uut.data_bit.next = rng.one_in(2);
            fall!(uut);
            assert_eq!(uut.crc_bit.val(), crc.finish() >> i & 1 == 1, "bit {i} after {len} bytes");
            tick!(uut, trace);
        }
        uut.step.next = false;
    }
    verilated("crc", &uut, &trace);
}

#[test]
fn cobs_is_that_of_the_wire() {
    let mut uut = CobsDecoder::default();
    uut.connect_all();
    let mut trace = Trace::of(&uut);
    let mut golden = cobs::Decoder::new();
    let mut rng = Rng(2);
    let mut line = VecDeque::new();
    // The byte whose bits come, and how many came.
    let (mut byte_out, mut bits_out) = (0, 8);
    let mut gap = 0;
    for _ in 0..200_000 {
        if line.is_empty() {
            // Long runs without a zero, so that blocks of 254 bytes occur.
            let len = rng.below(600);
            let mut frame = rng.bytes(len);
            if rng.one_in(2) {
                frame.iter_mut().filter(|b| **b == 0).for_each(|b| *b = 7);
            }
            let mut encoded = [0; 700];
            let n = cobs::encode(&frame, &mut encoded).unwrap();
            line.extend(&encoded[..n]);
            line.push_back(0);
            if rng.one_in(3) {
                let keep = rng.below(line.len());
                line.truncate(keep);
                line.push_back(0);
            }
        }
        gap += 1;
        let byte = if gap < CLOCKS_PER_CHARACTER || rng.one_in(4) { None } else { line.pop_front() };
        if byte.is_some() {
            gap = 0;
        }
        uut.valid.next = byte.is_some();
        uut.character.next = u64::from(byte.unwrap_or(0x55)).into();
        tick!(uut, trace);
        let got = match (uut.data_valid.val(), uut.delimiter.val(), uut.was_open.val(), uut.was_cut.val()) {
            (true, false, ..) => Step::Byte(uut.data.val().index() as u8),
            (false, true, true, false) => Step::End,
            (false, true, true, true) => Step::Broken,
            (false, ..) => Step::Pending,
            (true, true, ..) => panic!("a byte and a delimiter"),
        };
        assert_eq!(got, byte.map_or(Step::Pending, |b| golden.push(b)));
        if let Step::Byte(byte) = got {
            assert_eq!(bits_out, 8);
            (byte_out, bits_out) = (byte, 0);
        } else if bits_out < 8 {
            assert_eq!((uut.bit_valid.val(), uut.data_bit.val()), (true, byte_out >> bits_out & 1 == 1));
            bits_out += 1;
        } else {
            assert!(!uut.bit_valid.val());
        }
    }
    verilated("cobs decoder", &uut, &trace);
}

/// From characters to the head of the queue.
#[derive(LogicBlock, Default)]
struct Receiver {
    pub clock: Signal<In, Clock>,
    pub character: Signal<In, Bits<8>>,
    pub valid: Signal<In, Bit>,
    pub broken: Signal<In, Bit>,
    pub pop: Signal<In, Bit>,
    pub data: Signal<Out, Bits<8>>,
    pub available: Signal<Out, Bit>,
    pub bad: Signal<Out, Bit>,
    cobs: CobsDecoder,
    check: FrameCheck,
    queue: PacketQueue,
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, cobs, check, queue);
        self.cobs.character.next = self.character.val();
        self.cobs.valid.next = self.valid.val();
        self.check.data.next = self.cobs.data.val();
        self.check.data_valid.next = self.cobs.data_valid.val();
        self.check.data_bit.next = self.cobs.data_bit.val();
        self.check.bit_valid.next = self.cobs.bit_valid.val();
        self.check.delimiter.next = self.cobs.delimiter.val();
        self.check.was_open.next = self.cobs.was_open.val();
        self.check.was_cut.next = self.cobs.was_cut.val();
        self.check.broken.next = self.broken.val();
        self.queue.write.next = self.check.write.val();
        self.queue.write_data.next = self.cobs.data.val();
        self.queue.keep.next = self.check.keep.val();
        self.queue.forget.next = self.check.forget.val();
        self.queue.pop.next = self.pop.val();
        self.data.next = self.queue.data.val();
        self.available.next = self.queue.available.val();
        self.bad.next = self.check.forget.val() || self.queue.dropped.val();
    }
}

/// A [`Receiver`] with what came out of it.
struct Bench {
    uut: Receiver,
    trace: Trace,
    got: Vec<u8>,
    bad: usize,
}

impl Bench {
    fn new() -> Self {
        let mut uut = Receiver::default();
        uut.connect_all();
        let trace = Trace::of(&uut);
        Self { uut, trace, got: Vec::new(), bad: 0 }
    }

    /// A character and the clocks until the next may come; `pop` says in which of them a byte is taken from the queue.
    fn character(&mut self, byte: u8, mut pop: impl FnMut() -> bool) {
        self.clock(Some(byte), false, pop());
        for _ in 1..CLOCKS_PER_CHARACTER {
            self.clock(None, false, pop());
        }
    }

    fn clock(&mut self, byte: Option<u8>, broken: bool, pop: bool) {
        self.uut.character.next = u64::from(byte.unwrap_or(0xA5)).into();
        self.uut.valid.next = byte.is_some();
        self.uut.broken.next = broken;
        self.uut.pop.next = false;
        fall!(self.uut);
        self.uut.pop.next = pop && self.uut.available.val();
        settle(&mut self.uut);
        self.bad += usize::from(self.uut.bad.val());
        if self.uut.pop.val() {
            self.got.push(self.uut.data.val().index() as u8);
        }
        self.trace.sample(&self.uut);
        rise!(self.uut);
    }
}

/// Header and payload, as the queue keeps them.
fn kept(line: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut decoder = Decoder::new();
    let frame = line.iter().find_map(|&byte| match decoder.push(byte) {
        Some(Ok(f)) => {
            let mut bytes = vec![f.version, f.tag, f.opcode, f.status];
            bytes.extend((f.payload.len() as u16).to_le_bytes());
            bytes.extend(f.payload);
            Some(Ok(bytes))
        }
        Some(Err(error)) => Some(Err(error)),
        None => None,
    });
    frame.expect("a whole frame")
}

#[test]
fn good_frames_come_out_and_spoilt_ones_leave_no_trace() {
    let mut rng = Rng(3);
    let mut bench = Bench::new();
    let mut decoder = Decoder::new();
    let mut expected = Vec::new();
    let mut expected_bad = 0;
    let mut broken = false;
    for _ in 0..600 {
        let mut line = random_request(&mut rng, 300);
        if rng.one_in(12) {
            let len = rng.below(MAX_PAYLOAD_BYTES + 1);
            line = encoded(&Frame::request(5, opcode::ECHO, &vec![0xEE; len]));
        }
        if rng.one_in(2) {
            spoil(&mut rng, &mut line);
        }
        for &byte in &line {
            let is_broken = rng.one_in(1500);
            broken |= is_broken;
            bench.clock(None, is_broken, rng.one_in(2));
            bench.character(byte, || rng.one_in(2));
            let frame = decoder.push(byte);
            if byte != 0 {
                continue;
            }
            match frame {
                Some(Ok(f)) if !broken => {
                    expected.extend([f.version, f.tag, f.opcode, f.status]);
                    expected.extend((f.payload.len() as u16).to_le_bytes());
                    expected.extend(f.payload);
                }
                Some(_) => expected_bad += 1,
                None => expected_bad += usize::from(broken),
            }
            broken = false;
        }
    }
    for _ in 0..2 * RX_BUFFER_BYTES {
        bench.clock(None, false, true);
    }
    assert!(expected.len() > 10_000 && expected_bad > 100, "{} {expected_bad}", expected.len());
    assert_eq!(bench.bad, expected_bad);
    assert_eq!(bench.got, expected);
    verilated("receiver", &bench.uut, &bench.trace);
}

#[test]
fn a_lost_character_alone_between_delimiters_is_one_bad_frame() {
    let mut bench = Bench::new();
    let good = encoded(&Frame::request(1, opcode::ECHO, b"heard"));
    let mut expected = vec![];
    for (broken, counted) in [(true, 1), (false, 1), (true, 2), (true, 3)] {
        bench.clock(None, broken, true);
        for _ in 1..CLOCKS_PER_CHARACTER {
            bench.clock(None, false, true);
        }
        bench.character(0, || true);
        assert_eq!(bench.bad, counted);
        good.iter().for_each(|&byte| bench.character(byte, || true));
        expected.extend(kept(&good).unwrap());
        assert_eq!(bench.bad, counted, "of a good frame");
    }
    for _ in 0..expected.len() {
        bench.clock(None, false, true);
    }
    assert_eq!(bench.got, expected);
}

/// A frame with a right CRC around the given plain bytes of header and payload.
fn sealed(body: &[u8]) -> Vec<u8> {
    let crc = body.iter().fold(Crc32::new(), |crc, &byte| crc.push(byte)).finish();
    stuffed(&[body, &crc.to_le_bytes()].concat())
}

/// Plain bytes as they go over the line.
fn stuffed(plain: &[u8]) -> Vec<u8> {
    let mut line = vec![0; cobs::max_encoded_len(plain.len())];
    let n = cobs::encode(plain, &mut line).expect("room");
    line.truncate(n);
    line.push(0);
    line
}

#[test]
fn lengths_that_lie_are_refused_even_with_a_right_crc() {
    let mut bench = Bench::new();
    let lies: [&[u8]; 8] = [
        &[],
        &[1, 2, 3, 4, 0],
        &[1, 2, 3, 0, 1, 0],
        &[1, 2, 3, 0, 0, 0, 9],
        &[1, 2, 3, 0, 3, 0, 9, 9],
        &[1, 2, 3, 0, 0, 0x80],
        &[[1, 2, 3, 0, 1, 2].as_slice(), &[7; MAX_PAYLOAD_BYTES + 1]].concat(),
        &[[1, 2, 3, 0, 0, 3].as_slice(), &[7; 768]].concat(),
    ];
    for lie in lies {
        let line = sealed(lie);
        assert!(kept(&line).is_err());
        line.iter().for_each(|&byte| bench.character(byte, || true));
    }
    let longest = [[1, 2, 3, 0, 0, 2].as_slice(), &[7; MAX_PAYLOAD_BYTES]].concat();
    sealed(&longest).iter().for_each(|&byte| bench.character(byte, || true));
    for _ in 0..2 * RX_BUFFER_BYTES {
        bench.clock(None, false, true);
    }
    assert_eq!(bench.bad, lies.len());
    assert_eq!(bench.got, longest);
}

#[test]
fn a_byte_behind_the_crc_is_refused_whichever_it_is() {
    let mut bench = Bench::new();
    let body = [1, 2, 3, 0, 1, 0, 9];
    let crc = body.iter().fold(Crc32::new(), |crc, &byte| crc.push(byte)).finish();
    for extra in 0..=u8::MAX {
        stuffed(&[&body[..], &crc.to_le_bytes(), &[extra]].concat())
            .iter()
            .for_each(|&byte| bench.character(byte, || true));
        assert_eq!(bench.bad, usize::from(extra) + 1);
    }
    assert!(bench.got.is_empty());
}

#[test]
fn the_queue_holds_all_it_promises_and_drops_whole_frames_beyond() {
    let mut rng = Rng(4);
    let mut bench = Bench::new();
    let mut expected = Vec::new();
    for round in 0..6 {
        let mut room = RX_BUFFER_BYTES;
        let mut dropped = 0;
        let bad_before = bench.bad;
        for _ in 0..12 {
            // The first round fills the queue to the last byte.
            let len = if round == 0 {
                RX_BUFFER_BYTES / 4 - HEADER_BYTES
            } else {
                rng.below(MAX_PAYLOAD_BYTES + 1)
            };
            let payload = rng.bytes(len);
            let line = encoded(&Frame::request(rng.next() as u8, opcode::HASH, &payload));
            if rx_cost(len) <= room {
                room -= rx_cost(len);
                expected.extend(kept(&line).unwrap());
            } else {
                dropped += 1;
            }
            for byte in line {
                bench.character(byte, || false);
            }
        }
        for _ in 0..2 * RX_BUFFER_BYTES + 2 {
            bench.clock(None, false, true);
        }
        assert!(dropped > 0);
        assert_eq!(bench.bad - bad_before, dropped, "round {round}");
        assert_eq!(bench.got.len(), expected.len(), "round {round}");
    }
    assert_eq!(bench.got, expected);
}
