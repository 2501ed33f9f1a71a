//! The board at its pins: no driver, no terminal, only characters on two lines.

mod common;

use common::{ABC, request, responses};
use twinseal_sim::{QUEUE_BYTES, QUIET_CYCLES, SimBoard, bench};
use twinseal_wire::{IDENT, hash_flags, opcode, register, status};

/// Everything the board says until it is idle.
fn listen(board: &mut SimBoard) -> Vec<u8> {
    let mut said = Vec::new();
    let mut out = [0; 1024];
    while !board.is_idle() {
        let len = board.run(1 << 20, &mut out);
        said.extend_from_slice(&out[..len]);
    }
    assert_eq!(board.line_errors(), 0);
    said
}

fn read(board: &mut SimBoard, address: u16) -> u32 {
    board.send(&request(1, opcode::READ_REGISTER, &address.to_le_bytes()));
    let [(1, opcode::READ_REGISTER, status::OK, value)] = &responses(&listen(board))[..] else {
        panic!("no value of {address:#x}")
    };
    u32::from_le_bytes(value[..].try_into().expect("four bytes"))
}

#[test]
fn a_board_is_silent_until_spoken_to_and_then_costs_nothing() {
    let mut board = SimBoard::new().unwrap();
    assert!(!board.is_idle(), "just powered on");
    assert!(listen(&mut board).is_empty());
    let cycles = board.usage().cycles;
    assert!(cycles >= QUIET_CYCLES);
    assert_eq!(board.run(1 << 20, &mut [0; 8]), 0);
    assert_eq!(board.usage().cycles, cycles, "an idle board is not simulated");
}

#[test]
fn it_identifies_itself_echoes_and_hashes() {
    let mut board = SimBoard::new().unwrap();
    assert_eq!(read(&mut board, register::IDENT), IDENT);
    board.send(&request(2, opcode::ECHO, b"twin\0seal"));
    board.send(&request(3, opcode::HASH, &[&[hash_flags::BEGIN | hash_flags::END], &b"abc"[..]].concat()));
    let expected =
        [(2, opcode::ECHO, status::OK, b"twin\0seal".to_vec()), (3, opcode::HASH, status::OK, ABC.to_vec())];
    assert_eq!(responses(&listen(&mut board)), expected);
}

#[test]
fn a_run_ends_when_the_board_has_spoken_and_not_before() {
    let mut board = SimBoard::new().unwrap();
    let line = request(4, opcode::ECHO, &[7; 60]);
    board.send(&line);
    let mut out = [0; 256];
    let len = board.run(1 << 20, &mut out);
    assert_eq!(responses(&out[..len]), [(4, opcode::ECHO, status::OK, vec![7; 60])]);
    let characters = board.usage().cycles / 40;
    assert!((2 * line.len() as u64..4 * line.len() as u64).contains(&characters), "{characters} characters");
}

#[test]
fn a_small_output_buffer_loses_nothing() {
    let mut board = SimBoard::new().unwrap();
    board.send(&request(5, opcode::ECHO, b"one byte at a time"));
    let mut said = Vec::new();
    let mut out = [0; 1];
    while !board.is_idle() {
        let len = board.run(1000, &mut out);
        said.extend_from_slice(&out[..len]);
    }
    assert_eq!(responses(&said), [(5, opcode::ECHO, status::OK, b"one byte at a time".to_vec())]);
}

#[test]
fn garbage_and_broken_characters_cost_only_their_frame() {
    let mut board = SimBoard::new().unwrap();
    let garbage: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect();
    assert_eq!(board.send(&garbage), garbage.len());
    board.send(&[0]);
    for (at, &byte) in request(6, opcode::ECHO, b"lost").iter().enumerate() {
        if at == 5 { board.send_broken(byte) } else { assert_eq!(board.send(&[byte]), 1) }
    }
    board.send(&request(7, opcode::ECHO, b"heard"));
    assert_eq!(responses(&listen(&mut board)), [(7, opcode::ECHO, status::OK, b"heard".to_vec())]);
    assert!(read(&mut board, register::FRAMES_BAD) >= 2);
}

#[test]
fn the_queue_to_the_board_has_an_end() {
    let mut board = SimBoard::new().unwrap();
    listen(&mut board);
    assert_eq!(board.send(&vec![1; QUEUE_BYTES + 5]), QUEUE_BYTES);
    assert_eq!((board.send(&[1]), board.room()), (0, 0));
    board.run(41, &mut []);
    board.run(41, &mut [0]);
    assert_eq!(board.room(), 2);
}

#[test]
fn boards_do_not_share_anything() {
    let mut boards = [SimBoard::new().unwrap(), SimBoard::new().unwrap()];
    for (value, board) in boards.iter_mut().enumerate() {
        let payload = [&register::SCRATCH.to_le_bytes()[..], &[value as u8 + 1, 0, 0, 0]].concat();
        board.send(&request(1, opcode::WRITE_REGISTER, &payload));
        listen(board);
    }
    for (value, board) in boards.iter_mut().enumerate() {
        assert_eq!(read(board, register::SCRATCH), value as u32 + 1);
    }
}

/// The whole board, hashing, at the speed the project promises. Best of three, as the machine has other work.
#[test]
fn two_million_cycles_a_second() {
    let runs: Vec<_> = (0..3).map(|_| bench::hash(20_000).unwrap()).collect();
    let best = runs.iter().map(|r| r.usage.cycles_per_s()).fold(0.0, f64::max);
    println!("{:.2} M cycles/s", best / 1e6);
    assert!(best >= 2e6, "{best} cycles/s");
    let utilisation = runs[0].board_mb_per_s() / 0.3;
    assert!(utilisation > 0.9, "the line is idle {utilisation}");
}

/// Boards are freed in threads that made others, or none; Verilator keeps its context by thread.
#[test]
fn boards_may_end_in_any_thread_and_order() {
    let boards: Vec<SimBoard> = (0..4).map(|_| SimBoard::new().unwrap()).collect();
    let threads: Vec<_> = boards
        .into_iter()
        .map(|mut board| {
            std::thread::spawn(move || {
                let own = SimBoard::new().unwrap();
                assert_eq!(read(&mut board, register::IDENT), IDENT);
                drop(own);
                assert_eq!(read(&mut board, register::IDENT), IDENT);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let first = SimBoard::new().unwrap();
    let second = SimBoard::new().unwrap();
    drop(second);
    drop(first);
    SimBoard::new().unwrap();
}
