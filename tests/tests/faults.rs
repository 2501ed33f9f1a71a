//! Cables that drop, flip, cut, stall, lie or come loose: the driver gives the right result or a clear error, never a
//! wrong result, and goes on afterwards.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use twinseal_driver::{Board, DeriveSlot, Error, HashSlot, Link, MerkleSlot, Options};
use twinseal_hdl::golden::board::GoldenBoard;
use twinseal_tests::data::Random;
use twinseal_tests::fault::{Direction, Fault, FaultyLink, LyingLink, Switch};
use twinseal_tests::golden::{self, GoldenLink};
use twinseal_tests::reference::{sha256, tree_head};
use twinseal_wire::{Decoder, MAX_IN_FLIGHT, MAX_PAYLOAD_BYTES, RX_BUFFER_BYTES, rx_cost};

const DIRECTIONS: [Direction; 2] = [Direction::ToBoard, Direction::ToHost];

fn options(retries: u32) -> Options {
    let silence = Duration::from_millis(20);
    Options { retries, silence, deadline: Duration::from_secs(5), ..Options::default() }
}

fn faulty_board(retries: u32) -> (Board, Switch) {
    let (link, switch) = FaultyLink::new(GoldenLink::new(golden::Options::default()));
    (Board::open(Box::new(link), options(retries)).unwrap(), switch)
}

/// Five frames: more than the window holds at once.
fn message() -> Vec<u8> {
    Random::new(41).bytes(2_500)
}

/// Bytes a hash of [`message`] sends each way when nothing goes wrong.
fn traffic() -> [usize; 2] {
    let (board, switch) = faulty_board(0);
    switch.arm(Direction::ToBoard, usize::MAX, Fault::Drop);
    board.hash(&message()).unwrap();
    switch.passed()
}

/// The faults that can befall a byte without the line going away.
fn passing_faults(random: &mut Random) -> [Fault; 5] {
    let extra = random.bytes(1)[0];
    [Fault::Drop, Fault::Truncate, Fault::Clog, Fault::Flip(1 << random.below(8)), Fault::Insert(extra)]
}

#[test]
fn one_fault_at_any_byte_is_mended_by_one_repetition() {
    let (message, mut random) = (message(), Random::new(42));
    let (board, switch) = faulty_board(1);
    for direction in DIRECTIONS {
        for nth in 0..traffic()[direction as usize] {
            for fault in passing_faults(&mut random) {
                switch.arm(direction, nth, fault);
                let digest = board.hash(&message);
                let digest = digest.unwrap_or_else(|e| panic!("{direction:?} {nth} {fault:?}: {e}"));
                assert_eq!(digest, sha256(&message), "{direction:?} {nth} {fault:?}");
                assert!(switch.has_happened(), "{direction:?} {nth} {fault:?} did not happen");
            }
        }
    }
}

#[test]
fn without_repetition_a_fault_is_an_error_and_the_next_call_works() {
    let (message, mut random) = (message(), Random::new(43));
    let (board, switch) = faulty_board(0);
    let leaves: [&[u8]; 3] = [&message, b"", b"leaf"];
    let mut failed = 0;
    for direction in DIRECTIONS {
        for nth in (0..traffic()[direction as usize]).step_by(3) {
            for fault in passing_faults(&mut random) {
                switch.arm(direction, nth, fault);
                match board.hash(&message) {
                    // A delimiter more is no fault.
                    Ok(digest) => assert_eq!(digest, sha256(&message), "{direction:?} {nth} {fault:?}"),
                    Err(Error::FrameLost { tries: 1, .. }) => failed += 1,
                    Err(other) => panic!("{direction:?} {nth} {fault:?}: {other}"),
                }
                let root = board.merkle_root(&leaves).unwrap();
                assert_eq!(root, tree_head(&leaves), "after {direction:?} {nth} {fault:?}");
            }
        }
    }
    assert!(failed > 3_000, "only {failed} faults were noticed");
}

#[test]
fn a_stream_is_never_repeated() {
    let (board, switch) = faulty_board(3);
    switch.arm(Direction::ToBoard, 700, Fault::Drop);
    let error = board.hash_reader(&mut &message()[..]).unwrap_err();
    assert!(matches!(error, Error::FrameLost { tries: 1, .. }), "{error}");
    assert_eq!(board.hash_reader(&mut &message()[..]).unwrap(), sha256(&message()));
}

#[test]
fn late_answers_are_not_taken_for_new_ones() {
    let message = message();
    for direction in DIRECTIONS {
        for nth in [0, 1, 5, 12, 30] {
            let (board, switch) = faulty_board(0);
            switch.arm(direction, nth, Fault::Stall);
            let error = board.hash(&message).unwrap_err();
            assert!(matches!(error, Error::FrameLost { .. }), "{error}");
            // Equal requests with unequal answers: a late answer would show.
            for i in 0..4_u8 {
                assert_eq!(board.hash(&[i]).unwrap(), sha256(&[i]), "{direction:?} {nth}");
                assert_eq!(board.echo(&[i; 8]).unwrap(), [i; 8]);
            }
        }
    }
}

#[test]
fn a_call_ends_at_its_deadline_and_the_board_goes_on() {
    let (link, switch) = FaultyLink::new(GoldenLink::new(golden::Options::default()));
    let limits = Options {
        deadline: Duration::from_millis(80),
        deadline_per_kib: Duration::ZERO,
        silence: Duration::from_secs(5),
        retries: 0,
        ..Options::default()
    };
    let board = Board::open(Box::new(link), limits).unwrap();
    switch.arm(Direction::ToHost, 3, Fault::Stall);
    let from = Instant::now();
    let error = board.hash(&message()).unwrap_err();
    let took = from.elapsed();
    assert!(matches!(&error, Error::Deadline { call: "hash", limit_ms: 80, .. }), "{error}");
    assert!((80..3_000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(board.hash(&message()).unwrap(), sha256(&message()));
}

#[test]
fn getting_back_in_step_takes_one_echo() {
    let bytes_to_board = |board: &Board, switch: &Switch| {
        switch.arm(Direction::ToBoard, usize::MAX, Fault::Drop);
        board.echo(b"").unwrap();
        switch.passed()[0]
    };
    for (direction, nth) in [(Direction::ToBoard, 0), (Direction::ToBoard, 300), (Direction::ToHost, 5)] {
        let (board, switch) = faulty_board(0);
        let in_step = bytes_to_board(&board, &switch);
        switch.arm(direction, nth, Fault::Truncate);
        board.hash(&message()).unwrap_err();
        // A delimiter, and an echo of eight bytes with header, CRC, COBS and its delimiter.
        assert_eq!(bytes_to_board(&board, &switch), in_step + 1 + (6 + 8 + 4 + 2), "{direction:?} {nth}");
    }
}

#[test]
fn a_reader_that_panics_leaves_a_usable_board() {
    struct Panicking(usize);
    impl std::io::Read for Panicking {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).expect("a reader that panics");
            Ok(buffer.len())
        }
    }
    let (board, _) = faulty_board(0);
    for frames in [0, 1, 3, 7] {
        let call = std::panic::AssertUnwindSafe(|| board.hash_reader(&mut Panicking(frames)));
        assert!(std::panic::catch_unwind(call).is_err());
        assert_eq!(board.hash(b"abc").unwrap(), sha256(b"abc"));
    }
}

/// Watches how much the host has asked and not yet been answered.
struct Watching {
    board: GoldenLink,
    requests: Decoder,
    answers: Decoder,
    open: VecDeque<usize>,
    most: Arc<Mutex<[usize; 2]>>,
}

impl Link for Watching {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        for &byte in bytes {
            if let Some(Ok(frame)) = self.requests.push(byte) {
                self.open.push_back(rx_cost(frame.payload.len()));
                let mut most = self.most.lock().unwrap();
                *most = [most[0].max(self.open.len()), most[1].max(self.open.iter().sum())];
            }
        }
        self.board.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        // A few bytes at a time, so that answers come one by one.
        let len = self.board.read(&mut buffer[..5], deadline)?;
        for &byte in &buffer[..len] {
            if self.answers.push(byte).is_some() {
                self.open.pop_front().unwrap();
            }
        }
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.board.discard_input()
    }

    fn describe(&self) -> String {
        "watched".into()
    }
}

#[test]
fn the_window_is_kept_and_used() {
    let most = Arc::new(Mutex::new([0; 2]));
    let link = Watching {
        board: GoldenLink::new(golden::Options::default()),
        requests: Decoder::new(),
        answers: Decoder::new(),
        open: VecDeque::new(),
        most: most.clone(),
    };
    let board = Board::open(Box::new(link), options(0)).unwrap();
    let message = Random::new(46).bytes(40 * (MAX_PAYLOAD_BYTES - 1));
    assert_eq!(board.hash(&message).unwrap(), sha256(&message));
    // Three full frames fit, a fourth does not.
    let bytes = std::mem::take(&mut *most.lock().unwrap())[1];
    assert_eq!(bytes, 3 * rx_cost(MAX_PAYLOAD_BYTES));
    assert!(bytes <= RX_BUFFER_BYTES);
    board.merkle_root(&[&b"leaf"[..]; 50]).unwrap();
    assert_eq!(most.lock().unwrap()[0], MAX_IN_FLIGHT);
}

/// A cable on which every write takes a while.
struct Slow(GoldenLink, Duration);

impl Link for Slow {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        std::thread::sleep(self.1);
        self.0.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        self.0.read(buffer, deadline)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.0.discard_input()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

#[test]
fn a_deadline_grows_with_the_bytes_and_leaves_out_the_caller() {
    let open = |deadline_per_kib| {
        let link = Slow(GoldenLink::new(golden::Options::default()), Duration::from_millis(10));
        let deadline = Duration::from_millis(100);
        let options =
            Options { deadline, deadline_per_kib, silence: Duration::from_secs(1), ..Options::default() };
        Board::open(Box::new(link), options).unwrap()
    };
    // About fourteen writes, some 140 ms.
    let message = Random::new(45).bytes(20_000);
    let error = open(Duration::ZERO).hash(&message).unwrap_err();
    assert!(matches!(error, Error::Deadline { limit_ms: 100, .. }), "{error}");
    assert_eq!(open(Duration::from_millis(200)).hash(&message).unwrap(), sha256(&message));

    struct Pausing<'a>(&'a [u8]);
    impl std::io::Read for Pausing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            std::thread::sleep(Duration::from_millis(150));
            self.0.read(buffer)
        }
    }
    let digest = open(Duration::ZERO).hash_reader(&mut Pausing(b"abc")).unwrap();
    assert_eq!(digest, sha256(b"abc"));
}

#[test]
fn noise_never_makes_a_wrong_result() {
    let (board, switch) = faulty_board(2);
    let mut random = Random::new(44);
    let (mut right, mut failed) = (0, 0);
    for round in 0..400 {
        let len = random.below(1_500);
        let message = random.bytes(len);
        switch.noise(60, 1_000 + round);
        match board.hash(&message) {
            Ok(digest) => {
                right += 1;
                assert_eq!(digest, sha256(&message), "round {round}");
            }
            Err(Error::FrameLost { .. } | Error::Silent { .. } | Error::Deadline { .. }) => failed += 1,
            Err(other) => panic!("round {round}: {other}"),
        }
        switch.noise(0, 0);
        assert_eq!(board.echo(b"quiet").unwrap(), b"quiet");
    }
    println!("{right} right, {failed} failed");
    assert!(right > 50 && failed > 10, "{right} right, {failed} failed: the noise is not what it should be");
}

#[test]
fn pulling_the_plug_is_said_at_once_and_stays_said() {
    let traffic = traffic();
    for direction in DIRECTIONS {
        for nth in (0..traffic[direction as usize]).step_by(7) {
            let (board, switch) = faulty_board(1);
            switch.arm(direction, nth, Fault::Unplug);
            let from = Instant::now();
            for _ in 0..2 {
                let error = board.hash(&message()).unwrap_err();
                assert!(matches!(error, Error::Disconnected { .. }), "{direction:?} {nth}: {error}");
                assert!(error.to_string().contains("faulty golden model"), "{error}");
            }
            assert!(from.elapsed() < Duration::from_secs(1), "{:?}", from.elapsed());
        }
    }
}

/// A board that loses power, and comes back, just before it gets its `nth` byte.
struct BrownOut {
    board: GoldenBoard,
    left: usize,
}

impl Link for BrownOut {
    fn write_all(&mut self, bytes: &[u8], _: Instant) -> Result<(), Error> {
        for &byte in bytes {
            if self.left == 0 {
                self.board = GoldenBoard::new(golden::Options::default());
            }
            self.left = self.left.wrapping_sub(1);
            self.board.push(byte);
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], _: Instant) -> Result<usize, Error> {
        Ok(buffer.iter_mut().map_while(|slot| self.board.pop().map(|byte| *slot = byte)).count())
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        while self.board.pop().is_some() {}
        Ok(())
    }

    fn describe(&self) -> String {
        "brown-out".into()
    }
}

#[test]
fn a_board_reset_within_a_message_is_started_over() {
    // Opening takes about 150 bytes, the message 2,600.
    for nth in 200..2_700 {
        let link = BrownOut { board: GoldenBoard::new(golden::Options::default()), left: nth };
        let board = Board::open(Box::new(link), options(1)).unwrap();
        assert_eq!(board.hash(&message()).unwrap(), sha256(&message()), "reset at byte {nth}");
    }
}

#[test]
fn a_lying_board_is_caught_when_results_are_verified() {
    let open = |verify| {
        let link = LyingLink::new(GoldenLink::new(golden::Options::default()));
        Board::open(Box::new(link), Options { verify, ..options(1) }).unwrap()
    };
    let (trusting, verifying) = (open(false), open(true));
    assert_ne!(trusting.hash(b"abc").unwrap(), sha256(b"abc"), "the link does not lie");
    for (error, engine) in [
        (verifying.hash(b"abc").unwrap_err(), "sha256"),
        (verifying.hash_reader(&mut &b"abc"[..]).unwrap_err(), "sha256"),
        (verifying.merkle_root(&[b"leaf"]).unwrap_err(), "merkle"),
    ] {
        assert!(matches!(&error, Error::WrongResult { engine: e, .. } if *e == engine), "{error}");
        assert!(error.to_string().contains("lying golden model 00000000"), "{error}");
    }
}

/// A line on which silence has to be waited out, as on a real one.
struct Waiting<L>(L);

impl<L: Link> Link for Waiting<L> {
    fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Error> {
        self.0.write_all(bytes, deadline)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Error> {
        let len = self.0.read(buffer, deadline)?;
        if len == 0 {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        }
        Ok(len)
    }

    fn discard_input(&mut self) -> Result<(), Error> {
        self.0.discard_input()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// A vault may take minutes to answer, but a byte lost on the way there or back is noticed at once.
#[test]
fn one_fault_at_any_byte_of_a_vault_call_is_mended_without_waiting_for_the_vault() {
    let (link, switch) = FaultyLink::new(GoldenLink::new(golden::Options::default()));
    let patient =
        Options { vault_time: Duration::from_secs(100), silence: Duration::from_millis(5), ..options(1) };
    let board = Board::open(Box::new(Waiting(link)), patient).unwrap();
    board.enrol().unwrap();
    let key = board.derive(b"label").unwrap();
    switch.arm(Direction::ToBoard, usize::MAX, Fault::Drop);
    board.derive(b"label").unwrap();
    let (traffic, mut random) = (switch.passed(), Random::new(44));
    let from = Instant::now();
    for direction in DIRECTIONS {
        for nth in 0..traffic[direction as usize] {
            // The others lose the guard along with what it guards.
            let one_byte = |fault: &Fault| !matches!(fault, Fault::Truncate | Fault::Clog);
            for fault in passing_faults(&mut random).into_iter().filter(one_byte) {
                switch.arm(direction, nth, fault);
                let again = board.derive(b"label");
                let again = again.unwrap_or_else(|e| panic!("{direction:?} {nth} {fault:?}: {e}"));
                assert_eq!(again, key, "{direction:?} {nth} {fault:?}");
                assert!(switch.has_happened(), "{direction:?} {nth} {fault:?} did not happen");
            }
        }
    }
    assert!(
        from.elapsed() < Duration::from_secs(50),
        "{:?}: the vault's limit was waited for",
        from.elapsed()
    );
}
