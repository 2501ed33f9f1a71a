//! The serial line: rates that are off, glitches, characters without a stop bit.

mod link_bench;

use link_bench::{LineOut, Rng, fall, rise, tick, verilated};
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::link::uart::{UartRx, UartTx};

#[derive(Debug, PartialEq)]
enum Event {
    Byte(u8),
    Broken,
}

/// Sends at `line_clocks` clocks a bit to a receiver built for `clocks_per_bit`.
fn receive<const T: usize>(clocks_per_bit: u64, line_clocks: f64, characters: usize, seed: u64) {
    let mut rng = Rng(seed);
    let mut line = LineOut::new(line_clocks);
    let mut expected = Vec::new();
    for _ in 0..characters {
        let byte = rng.next() as u8;
        match rng.below(8) {
            0 => line.idle(rng.below(300) as f64 / 100.0),
            1 => line.glitch(1.0 + rng.below(clocks_per_bit as usize / 2 - 1) as f64),
            2 => {
                line.send_broken(byte);
                expected.push(Event::Broken);
                continue;
            }
            _ => {}
        }
        line.send(byte);
        expected.push(Event::Byte(byte));
    }
    let mut uut = UartRx::<T>::new(clocks_per_bit);
    uut.connect_all();
    let mut trace = Trace::of(&uut);
    let mut got = Vec::new();
    for _ in 0..5 * clocks_per_bit {
        uut.rx.next = true;
        tick!(uut, trace);
    }
    while !line.done() {
        uut.rx.next = line.next_level();
        tick!(uut, trace);
        assert!(!(uut.valid.val() && uut.broken.val()));
        if uut.valid.val() {
            got.push(Event::Byte(uut.data.val().index() as u8));
        }
        if uut.broken.val() {
            got.push(Event::Broken);
        }
    }
    assert_eq!(got, expected, "{clocks_per_bit} clocks, line {line_clocks}");
    if line_clocks == 4.0 {
        verilated("uart receiver", &uut, &trace);
    }
}

#[test]
fn receives_at_four_clocks_a_bit_two_per_cent_off() {
    for (seed, rate) in [4.0, 3.92, 4.08].into_iter().enumerate() {
        receive::<2>(4, rate, 300, seed as u64);
    }
}

#[test]
fn receives_at_115200_baud_four_per_cent_off() {
    for (seed, rate) in [104.0, 99.9, 108.1].into_iter().enumerate() {
        receive::<7>(104, rate, 30, seed as u64);
    }
}

#[test]
fn a_line_that_is_low_from_the_start_is_no_character() {
    let mut uut = UartRx::<2>::new(4);
    uut.connect_all();
    for clock in 0..200 {
        uut.rx.next = clock > 100;
        tick!(uut);
        assert!(!uut.valid.val() && !uut.broken.val());
    }
}

/// Every level of the line, clock by clock.
fn transmit<const T: usize>(clocks_per_bit: usize, characters: usize) {
    let mut rng = Rng(clocks_per_bit as u64);
    let mut uut = UartTx::<T>::new(clocks_per_bit as u64);
    uut.connect_all();
    let mut trace = Trace::of(&uut);
    let mut expected = std::collections::VecDeque::new();
    let mut sent = 0;
    while sent < characters || !expected.is_empty() {
        let byte = rng.next() as u8;
        let offer = sent < characters && rng.one_in(3);
        uut.data.next = u64::from(byte).into();
        uut.valid.next = offer;
        fall!(uut);
        let taken = offer && uut.ready.val();
        assert_eq!(uut.ready.val(), expected.is_empty());
        trace.sample(&uut);
        rise!(uut);
        if taken {
            sent += 1;
            let bits = (0..8).map(|i| byte >> i & 1 == 1);
            let frame = std::iter::once(false).chain(bits).chain([true]);
            expected.extend(frame.flat_map(|bit| std::iter::repeat_n(bit, clocks_per_bit)));
            // One clock between characters.
            expected.push_back(true);
        }
        assert_eq!(uut.tx.val(), expected.pop_front().unwrap_or(true));
    }
    if clocks_per_bit == 4 {
        verilated("uart transmitter", &uut, &trace);
    }
}

#[test]
fn transmits_exact_waveforms() {
    transmit::<2>(4, 200);
    transmit::<7>(104, 10);
}
