//! The whole top in rust-hdl's simulation against the golden board, byte for byte.

mod link_bench;

use link_bench::{LineIn, LineOut, Rng, encoded, random_request, spoil, tick};
use twinseal_hdl::golden::board::{GoldenBoard, Options};
use twinseal_hdl::top;
use twinseal_wire::{self as wire, Frame, opcode, register};

const CLOCKS_PER_BIT: usize = 4;
/// More clocks than any request takes after its last byte.
const QUIET_CLOCKS: usize = 20_000;

/// Sends `script` to both boards and compares what comes back.
fn compare(script: &[Vec<u8>], options: Options) {
    let mut board = top::board("hx8k", options.build_id).unwrap();
    let mut golden = GoldenBoard::new(options);
    let mut out = LineOut::new(CLOCKS_PER_BIT as f64);
    let mut back = LineIn::new(CLOCKS_PER_BIT);
    for &byte in script.iter().flatten() {
        out.send(byte);
        golden.push(byte);
    }
    let mut expected = 0;
    let mut quiet = 0;
    while quiet < QUIET_CLOCKS {
        quiet = if out.done() { quiet + 1 } else { 0 };
        board.uart_rx.next = out.next_level();
        tick!(board);
        if let Some(byte) = back.push(board.uart_tx.val()) {
            assert_eq!(Some(byte), golden.pop(), "byte {expected} of the answers");
            expected += 1;
            quiet = 0;
        }
    }
    assert_eq!(golden.pop(), None, "an answer is missing after {expected} bytes");
}

fn options() -> Options {
    Options { build_id: 0x1234_5678, ..Options::default() }
}

#[test]
fn ident_reads_twsl() {
    let request = encoded(&Frame::request(1, opcode::READ_REGISTER, &register::IDENT.to_le_bytes()));
    compare(&[request], options());
}

#[test]
fn random_requests_good_and_spoilt() {
    for seed in 0..2 {
        let mut rng = Rng(seed);
        let mut script = Vec::new();
        for _ in 0..60 {
            let mut line = random_request(&mut rng, 20);
            if rng.one_in(5) {
                spoil(&mut rng, &mut line);
            }
            script.push(line);
        }
        // Brings the count of bad frames into the comparison.
        script.push(vec![wire::DELIMITER]);
        for r in register::ALL {
            script.push(encoded(&Frame::request(9, opcode::READ_REGISTER, &r.address.to_le_bytes())));
        }
        compare(&script, options());
    }
}
