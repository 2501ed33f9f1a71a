//! The properties of `hdl/formal` hold of the gateware, and of gateware with one defect they do not.

use twinseal_hdl::flow::formal::{Outcome, PROOFS, Proof, Verdict, run_all};
use twinseal_hdl::flow::tool::skipped;
use twinseal_hdl::{Error, top};

const BOARD: &str = "hx8k";

/// Skips, with the reason, where the tools are missing.
fn outcomes(jobs: &[(Proof, &str, &str)]) -> Option<Vec<Outcome>> {
    match run_all(jobs, |outcome| println!("{outcome}")) {
        Err(error @ Error::ToolMissing { .. }) => {
            skipped(error);
            None
        }
        Err(error) => panic!("{error}"),
        Ok(outcomes) => Some(outcomes),
    }
}

#[test]
fn every_property_holds_and_is_not_vacuous() {
    let verilog = top::verilog(BOARD).unwrap();
    let tasks = |proof: Proof| proof.tasks.iter().map(move |&task| (proof, task));
    let jobs: Vec<_> =
        PROOFS.into_iter().flat_map(tasks).map(|(proof, task)| (proof, task, verilog.as_str())).collect();
    for outcome in outcomes(&jobs).into_iter().flatten() {
        outcome.holds().unwrap();
    }
}

/// A defect: the proof that must find it, one of the properties it must name, the module it is in, a text of the module's
/// Verilog and what stands there instead.
type Defect = (&'static str, &'static str, &'static str, &'static str, &'static str);

const RECEIVER: &str = "top$core$link$receiver";
const QUEUE: &str = "top$core$link$queue";
const FRAMER: &str = "top$core$link$framer";
const COBS: &str = "top$core$link$cobs";
const CHECK: &str = "top$core$link$check";
const ROOT: &str = "top$core$vault$root";
const VAULT: &str = "top$core$vault";
const CORE: &str = "top$core";

const DEFECTS: [Defect; 25] = [
    // The first bit is sampled a clock late; a good stop bit is a bad one.
    ("uart", "i_begin", RECEIVER, "timer$d = half_bit;", "timer$d = 32'h1;"),
    ("uart", "a_broken", RECEIVER, "is_valid$d = 1'b1;", "is_broken$d = 1'b1;"),
    // Bytes are written over those not read yet.
    ("queue", "i_stored", QUEUE, "full = difference[32'hb] && ~|difference[(32'h0)+:(11)];", "full = 1'b0;"),
    // A frame that lost a byte is kept in silence.
    ("queue", "a_dropped", QUEUE, "dropped = keep && lost$q;", "dropped = 1'b0;"),
    // Bytes are shown before the verdict.
    ("queue", "i_pending", QUEUE, "if (keep && ~lost$q) begin", "if (write && ~lost$q) begin"),
    // The byte before is shown again after a pop.
    ("queue", "a_available", QUEUE, "~popped$q;", "~(popped$q && kept$q[0]);"),
    // A zero goes out as it is.
    ("framer", "i_code", FRAMER, "if (~|shift$q) begin", "if (1'b0) begin"),
    // Codes lead one place too far.
    ("framer", "i_code", FRAMER, "code = ((distance) & 8'hff);", "code = ((distance) & 8'hff) + 8'h1;"),
    // What is lent reaches the frame.
    (
        "framer",
        "i_end",
        FRAMER,
        "lent_place = ((lent_address) & 8'hff) | 32'h80;",
        "lent_place = lent_address;",
    ),
    // The CRC goes on from the frame before.
    ("framer", "i_collect", FRAMER, "crc$clear = 1'b1;", "crc$clear = 1'b0;"),
    // A block of 254 bytes is followed by a zero.
    ("cobs", "i_zero", COBS, "zero_due$d = ~&character;", "zero_due$d = 1'b1;"),
    // Half the wrong bits of a CRC do no harm.
    ("check", "i_bad", CHECK, "(data_bit != crc$crc_bit)", "data_bit && ~crc$crc_bit"),
    // The length limit is 1023.
    ("check", "i_bad", CHECK, "too_long = |(data >> 32'h2) ||", "too_long = |(data >> 32'h2) && "),
    // Frames that lost a character are kept.
    ("check", "i_none", CHECK, "if (broken) begin", "if (1'b0) begin"),
    // A lost character that was all there was of a frame is not counted.
    ("check", "a_forget", CHECK, "(was_open && ~good) || bad$q;", "was_open && ~good;"),
    // Forgetting turns the root instead.
    ("rootkey", "a_key", ROOT, "last = 32'h0;", "last = first;"),
    // A request finds the key open that the one before left.
    ("guard", "a_key", VAULT, "key_open$d = 1'b0;", "key_open$d = key_open$q;"),
    // A command counts that the engine, not being ready, does not take.
    ("guard", "a_key", VAULT, "if (engine_ready) begin", "if (1'b1) begin"),
    // A KEY_END that the engine refuses counts.
    ("guard", "i_shown", VAULT, "((command == key_end) && key_open$q)", "(command == key_end)"),
    // A digest may be seen before its message has ended, or without a key.
    ("guard", "a_visible", VAULT, "(command == hash_end) && shown$q;", "(command == hash_end) || shown$q;"),
    // A bit of the root goes into the reply; the processor waits for one; root bytes go out with no key open.
    ("root", "vault.reply_now.d", VAULT, "reply_now$d = a[(32'h0)+:(8)];", "reply_now$d = a ^ root$first;"),
    (
        "root",
        "vault.processor.acts.d",
        VAULT,
        "processor$stall = stall;",
        "processor$stall = stall || root$first[0];",
    ),
    ("root", "stored", VAULT, "if (key_open$q) begin", "if (1'b1) begin"),
    // The processor sees every digest; so does the link, of the vault's hashes.
    (
        "digest",
        "vault.processor.accumulator.d",
        VAULT,
        "if (visible$q && engine_ready) begin",
        "if (engine_ready) begin",
    ),
    (
        "digest",
        "link",
        CORE,
        "link$engine_digest_byte = 32'h0;",
        "link$engine_digest_byte = engine$digest_byte;",
    ),
];

/// `verilog` with `instead` in the place of the one `text` in `module`.
fn with_defect(verilog: &str, (_, _, module, text, instead): Defect) -> String {
    let start = verilog.find(&format!("module {module}(")).unwrap_or_else(|| panic!("no module {module}"));
    let length = verilog[start..].find("endmodule").unwrap_or_else(|| panic!("{module} does not end"));
    let (before, rest) = verilog.split_at(start);
    let (body, after) = rest.split_at(length);
    assert_eq!(body.matches(text).count(), 1, "{module}: {text}");
    [before, &body.replacen(text, instead, 1), after].concat()
}

#[test]
fn every_defect_is_found() {
    let verilog = top::verilog(BOARD).unwrap();
    let broken = DEFECTS.map(|defect| with_defect(&verilog, defect));
    let jobs: Vec<_> = DEFECTS
        .iter()
        .zip(&broken)
        .map(|(&(name, ..), verilog)| {
            let proof = Proof::named(name).unwrap();
            (proof, proof.tasks[0], verilog.as_str())
        })
        .collect();
    for (outcome, (name, property, _, text, _)) in outcomes(&jobs).into_iter().flatten().zip(DEFECTS) {
        let Verdict::Fail(properties) = &outcome.verdict else { panic!("{name} holds without `{text}`") };
        assert!(properties.iter().any(|found| found.contains(property)), "{name}, `{text}`: {properties:?}");
    }
}
