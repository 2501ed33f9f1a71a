//! The gate itself under test: the engine's Verilog with one defect each, which replaying a session must find.

mod defects;
mod engine_common;

use defects::Defect;
use engine_common::bench::Bench;
use rust_hdl_core::prelude::*;
use twinseal_hdl::engine::command::*;
use twinseal_hdl::golden::hmac::hmac;
use twinseal_hdl::golden::merkle::tree_head;
use twinseal_hdl::golden::sha256::sha256;

const DEFECTS: [Defect; 11] = [
    ("a round constant with one bit flipped", "= 32'h428a2f98;", "= 32'h428a2f99;"),
    ("H4 not taken off a again", "delta_sum = b$q - g;", "delta_sum = b$q;"),
    (
        "K + W of the block before led in with the next",
        "clear_kw$d = leads_in || (led_in$q && (step$q < 32'h4));",
        "clear_kw$d = 1'b0;",
    ),
    ("H1 not added to b", "if (add_b$q) begin", "if (1'b0) begin"),
    (
        "the copy of H1 stored a clock late",
        "copy_b$write_enable = store_b$q;",
        "copy_b$write_enable = keep_delta$q;",
    ),
    ("the outer key the inner one", "pages$read_data ^ 32'h6a6a6a6a", "pages$read_data"),
    ("the length of a node as of 64 bytes", "mem[47] = 32'h00000208;", "mem[47] = 32'h00000200;"),
    (
        "a length that counts padding",
        "if (push && last_byte && in_text) begin",
        "if (push && last_byte) begin",
    ),
    ("subtrees of unlike height merged", "|used$q && (~tree_open$q || same_height)", "|used$q"),
    ("a block counted as 256 bits", "addend = 32'h2;", "addend = 32'h1;"),
    (
        "the right child read from the left one's slot",
        "core$digest_slot = used_next;",
        "core$digest_slot = used$q;",
    ),
];

/// A message of three blocks without a pause, one whose first block comes while the last message drains, a tree with
/// nodes and a MAC.
fn session() -> Bench<24> {
    let mut bench = Bench::recording();
    let message: Vec<u8> = (0..150).collect();
    assert_eq!(bench.hash(&message), sha256(&message));
    bench.accept(HASH_BEGIN);
    bench.accept_data(&message[..128]);
    assert_eq!(bench.hash(b"abc"), sha256(b"abc"));
    let leaves = [vec![1; 3], vec![2; 60], vec![3; 70]];
    assert_eq!(bench.tree(&leaves), tree_head(&leaves));
    assert_eq!(bench.mac(b"key", &message), hmac(b"key", &message));
    bench
}

#[test]
fn every_defect_is_found() {
    let mut bench = session();
    let trace = bench.trace.take().unwrap();
    let verilog = generate_verilog(&bench.uut);
    defects::all_are_found(&trace, &verilog, &DEFECTS);
}
