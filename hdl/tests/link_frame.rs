//! Responses on their way out, against the encoder of the wire crate.

mod link_bench;

use link_bench::{Rng, encoded, fall, rise, settle, verilated};
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::link::frame::{Framer, LENT_BITS};
use twinseal_wire::{Frame, MAX_RESPONSE_BYTES};

#[test]
fn every_response_is_encoded_as_the_wire_does() {
    let mut rng = Rng(5);
    let mut lent = rng.bytes(1 << LENT_BITS);
    let mut uut = Framer::new(&lent);
    uut.connect_all();
    let mut trace = Trace::of(&uut);
    let mut times_taken = 0;
    for round in 0..300 {
        let len = if round <= MAX_RESPONSE_BYTES { round } else { rng.below(MAX_RESPONSE_BYTES + 1) };
        let mut payload = rng.bytes(len);
        match rng.below(4) {
            0 => payload.fill(0),
            1 => payload.iter_mut().for_each(|b| *b |= 1),
            _ => {}
        }
        let mut byte = || if rng.one_in(3) { 0 } else { rng.next() as u8 };
        let frame = Frame { version: byte(), tag: byte(), opcode: byte(), status: byte(), payload: &payload };
        let expected = encoded(&frame);
        let mut plain = vec![frame.version, frame.tag, frame.opcode, frame.status, len as u8, 0];
        plain.extend(&payload);
        let mut plain = plain.into_iter();
        let mut got = Vec::new();
        let mut finished = false;
        let mut clocks = 0;
        while got.len() < expected.len() {
            let go = rng.one_in(2);
            let next = if go && uut.ready.val() && !finished { plain.next() } else { None };
            let finish = go && uut.ready.val() && !finished && next.is_none();
            uut.push.next = next.is_some();
            uut.data.next = u64::from(next.unwrap_or(0x5A)).into();
            uut.finish.next = finish;
            let take = rng.one_in(3);
            uut.line_ready.next = take;
            // Whoever has the rest of the memory reads or writes in every clock that is left to him.
            let (address, write) = (rng.below(lent.len()), rng.one_in(4));
            let byte = rng.next() as u8;
            uut.lent_address.next = (address as u64).into();
            uut.lent_data.next = u64::from(byte).into();
            uut.lent_write.next = false;
            fall!(uut);
            let taken = uut.taken.val();
            uut.lent_write.next = write && !taken;
            settle(&mut uut);
            times_taken += usize::from(taken);
            if take && uut.line_valid.val() {
                got.push(uut.line_data.val().index() as u8);
            }
            trace.sample(&uut);
            rise!(uut);
            if write && !taken {
                lent[address] = byte;
            } else if !taken {
                assert_eq!(uut.memory.val().index(), usize::from(lent[address]), "lent byte {address}");
            }
            finished |= finish;
            clocks += 1;
            assert!(clocks < 5000, "stuck after {got:?}");
        }
        assert_eq!(got, expected, "round {round}");
    }
    assert!(times_taken > 10_000);
    verilated("framer", &uut, &trace);
}
