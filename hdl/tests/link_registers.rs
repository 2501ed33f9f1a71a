//! Registers read and written while frames are being counted: dispatcher, register file and framer, without a line.

mod defects;
mod link_bench;

use std::collections::VecDeque;

use defects::Defect;
use link_bench::{fall, rise};
use rust_hdl_core::prelude::*;
use twinseal_hdl::cosim::Trace;
use twinseal_hdl::link::dispatch::Dispatcher;
use twinseal_hdl::link::frame::Framer;
use twinseal_hdl::link::registers::{Identity, REGISTERS, RegisterFile};
use twinseal_wire::{self as wire, Access, Decoder, RESPONSE_BIT, opcode, register, status};

const IDENTITY: Identity = Identity { build_id: 0xB111_D1D0, engines: 0, clock_hz: 12_000_000 };
/// More than a request takes.
const PATIENCE_CLOCKS: usize = 1_000;
/// A carry into the second byte, through two bytes, and out of the register.
const CARRIES: [u32; 3] = [0xFF, 0xFFFF, 0xFFFF_FFFF];

/// From the head of the queue to the characters of the answer.
#[derive(LogicBlock)]
struct Desk {
    pub clock: Signal<In, Clock>,
    pub queue_data: Signal<In, Bits<8>>,
    pub queue_available: Signal<In, Bit>,
    pub queue_pop: Signal<Out, Bit>,
    pub count_bad: Signal<In, Bit>,
    pub line_data: Signal<Out, Bits<8>>,
    pub line_valid: Signal<Out, Bit>,
    dispatcher: Dispatcher,
    registers: RegisterFile<REGISTERS>,
    framer: Framer,
}

impl Logic for Desk {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, dispatcher, registers, framer);
        self.dispatcher.queue_data.next = self.queue_data.val();
        self.dispatcher.queue_available.next = self.queue_available.val();
        self.queue_pop.next = self.dispatcher.queue_pop.val();
        self.registers.data.next = self.queue_data.val();
        self.registers.set_low.next = self.dispatcher.register_set_low.val();
        self.registers.set_high.next = self.dispatcher.register_set_high.val();
        self.registers.advance.next = self.dispatcher.register_advance.val();
        self.registers.write.next = self.dispatcher.register_write.val();
        self.registers.hold.next = self.dispatcher.register_hold.val();
        self.registers.count_ok.next = self.dispatcher.count_ok.val();
        self.registers.count_bad.next = self.count_bad.val();
        self.dispatcher.register_known.next = self.registers.known.val();
        self.dispatcher.register_writable.next = self.registers.writable.val();
        self.dispatcher.register_value.next = self.registers.value.val();
        self.dispatcher.register_counting.next = self.registers.counting.val();
        self.framer.lent_address.next = self.registers.memory_address.val();
        self.framer.lent_write.next = self.registers.memory_write.val();
        self.framer.lent_data.next = self.registers.memory_write_data.val();
        self.registers.memory_taken.next = self.framer.taken.val();
        self.registers.memory_data.next = self.framer.memory.val();
        self.framer.data.next = self.dispatcher.reply_data.val();
        self.framer.push.next = self.dispatcher.reply_push.val();
        self.framer.finish.next = self.dispatcher.reply_finish.val();
        self.dispatcher.reply_ready.next = self.framer.ready.val();
        self.line_data.next = self.framer.line_data.val();
        self.line_valid.next = self.framer.line_valid.val();
        self.framer.line_ready.next = true;
        self.dispatcher.engine_digest_byte.next = 0.into();
        self.dispatcher.engine_ready.next = false;
        self.dispatcher.engine_refused.next = false;
        self.dispatcher.engine_full.next = false;
        self.dispatcher.vault_pop.next = false;
        self.dispatcher.vault_busy.next = false;
        self.dispatcher.vault_answered.next = false;
        self.dispatcher.vault_status.next = 0.into();
        self.dispatcher.vault_reply_length.next = 0.into();
        self.dispatcher.vault_reply.next = 0.into();
        self.dispatcher.vault_reply_valid.next = false;
    }
}

/// A desk, and what is recorded of it.
struct Bench {
    uut: Desk,
    trace: Trace,
}

impl Bench {
    /// A board that has counted so many frames.
    fn after(frames_ok: u32, frames_bad: u32) -> Self {
        let mut memory = IDENTITY.memory();
        for (address, count) in [(register::FRAMES_OK, frames_ok), (register::FRAMES_BAD, frames_bad)] {
            memory[usize::from(address)..][..4].copy_from_slice(&count.to_le_bytes());
        }
        let mut uut = Desk {
            clock: Default::default(),
            queue_data: Default::default(),
            queue_available: Default::default(),
            queue_pop: Default::default(),
            count_bad: Default::default(),
            line_data: Default::default(),
            line_valid: Default::default(),
            dispatcher: Dispatcher::new(IDENTITY.engines),
            registers: Default::default(),
            framer: Framer::new(&memory),
        };
        uut.connect_all();
        let trace = Trace::of(&uut);
        Self { uut, trace }
    }

    /// Status and payload of the answer, and how long it took; a bad frame ends in clock `bad_at`.
    fn ask(&mut self, code: u8, payload: &[u8], bad_at: Option<usize>) -> (u8, Vec<u8>, usize) {
        let mut queue: VecDeque<u8> = [wire::WIRE_VERSION, 9, code, 0, payload.len() as u8, 0].into();
        queue.extend(payload);
        let mut decoder = Decoder::new();
        for clock in 0..PATIENCE_CLOCKS {
            self.uut.queue_data.next = u64::from(queue.front().copied().unwrap_or(0xA5)).into();
            self.uut.queue_available.next = !queue.is_empty();
            self.uut.count_bad.next = bad_at == Some(clock);
            fall!(self.uut);
            if self.uut.queue_pop.val() {
                queue.pop_front();
            }
            let character = self.uut.line_valid.val().then(|| self.uut.line_data.val().index() as u8);
            self.trace.sample(&self.uut);
            rise!(self.uut);
            if let Some(frame) = character.and_then(|byte| decoder.push(byte)) {
                let frame = frame.expect("a sound frame");
                assert_eq!((frame.tag, frame.opcode), (9, code | RESPONSE_BIT));
                assert!(queue.is_empty());
                return (frame.status, frame.payload.to_vec(), clock);
            }
        }
        panic!("no answer");
    }

    fn read(&mut self, address: u16, bad_at: Option<usize>) -> u32 {
        let (status, payload, _) = self.ask(opcode::READ_REGISTER, &address.to_le_bytes(), bad_at);
        assert_eq!(status, status::OK);
        u32::from_le_bytes(payload.try_into().expect("four bytes"))
    }
}

#[test]
fn a_counter_is_read_whole_whenever_it_counts() {
    let address = register::FRAMES_BAD.to_le_bytes();
    let (_, _, clocks) = Bench::after(0, 0).ask(opcode::READ_REGISTER, &address, None);
    for count in CARRIES {
        let next = count.wrapping_add(1);
        let mut seen = [false; 2];
        for bad_at in 0..clocks {
            let mut bench = Bench::after(0, count);
            let got = bench.read(register::FRAMES_BAD, Some(bad_at));
            assert!([count, next].contains(&got), "{got:#x} at {count:#x}, a bad frame in clock {bad_at}");
            seen[usize::from(got == next)] = true;
            assert_eq!(bench.read(register::FRAMES_BAD, None), next, "a bad frame in clock {bad_at}");
        }
        assert_eq!(seen, [true; 2]);
    }
}

#[test]
fn accepted_frames_are_counted_with_every_carry_and_nothing_else_changes() {
    for count in CARRIES {
        let mut bench = Bench::after(count, 7);
        assert_eq!(bench.read(register::FRAMES_OK, None), count.wrapping_add(1));
        assert_eq!(bench.read(register::FRAMES_BAD, None), 7);
        assert_eq!(bench.read(register::CLOCK_HZ, None), IDENTITY.clock_hz);
        assert_eq!(bench.read(register::FRAMES_OK, None), count.wrapping_add(4));
    }
}

#[test]
fn a_register_is_written_whole_whatever_is_counted_meanwhile() {
    let payload = [&register::SCRATCH.to_le_bytes()[..], &0x8967_4523_u32.to_le_bytes()].concat();
    let (_, _, clocks) = Bench::after(0, 0).ask(opcode::WRITE_REGISTER, &payload, None);
    for bad_at in 0..clocks {
        let mut bench = Bench::after(0xFFFF, 0xFFFF);
        assert_eq!(bench.ask(opcode::WRITE_REGISTER, &payload, Some(bad_at)).0, status::OK);
        assert_eq!(bench.read(register::SCRATCH, None), 0x8967_4523, "a bad frame in clock {bad_at}");
        assert_eq!(bench.read(register::FRAMES_BAD, None), 0x1_0000, "a bad frame in clock {bad_at}");
        assert_eq!(bench.read(register::FRAMES_OK, None), 0x1_0003, "a bad frame in clock {bad_at}");
    }
}

#[test]
fn every_bit_of_an_address_counts() {
    let mut bench = Bench::after(0, 0);
    for r in register::ALL {
        for bit in 0..16 {
            let address = r.address ^ 1 << bit;
            let known = register::ALL.iter().find(|other| other.address == address);
            let expected = |allowed| if allowed { status::OK } else { status::BAD_ADDRESS };
            let read = bench.ask(opcode::READ_REGISTER, &address.to_le_bytes(), None).0;
            assert_eq!(read, expected(known.is_some()), "reading {address:#06x}");
            let payload = [&address.to_le_bytes()[..], &[0x11; 4]].concat();
            let written = bench.ask(opcode::WRITE_REGISTER, &payload, None).0;
            let writable = known.is_some_and(|known| known.access == Access::ReadWrite);
            assert_eq!(written, expected(writable), "writing {address:#06x}");
        }
    }
}

const DEFECTS: [Defect; 5] = [
    ("a count without carry", "if (~&memory_data || ", "if (1'b1 || "),
    ("a carry out of the register", "|| &count_at$q[(32'h0)+:(2)]) begin", ") begin"),
    ("counting while a value is read", "else if (~hold && ~write) begin", "else if (~write) begin"),
    ("an address of its lower byte", "if (set_high && |data) begin", "if (1'b0) begin"),
    ("what was fetched and lost is written", "if (memory_taken) begin", "if (1'b0) begin"),
];

#[test]
fn every_defect_is_found() {
    let mut bench = Bench::after(0xFF, 0xFFFF_FFFF);
    // A bad frame in every phase of a read; the first of them carries.
    for bad_at in 0..200 {
        bench.read(register::FRAMES_BAD, Some(bad_at));
    }
    let address = (register::SCRATCH | 0x0100).to_le_bytes();
    assert_eq!(bench.ask(opcode::READ_REGISTER, &address, None).0, status::BAD_ADDRESS);
    defects::all_are_found(&bench.trace, &generate_verilog(&bench.uut), &DEFECTS);
}
