//! What the driver must make of any sound board.

use std::sync::Arc;

use twinseal_driver::{
    Board, Choice, DeriveSlot, EntropySlot, Error, HashSlot, HelperData, HelperStore, Link, Options, Planner,
    Provider, Unlocked,
};
use twinseal_hdl::flow::tool::skipped;
use twinseal_wire::{engines, register, status};

use crate::data::Random;
use crate::fault::SwapLink;
use crate::reference::sha256;
use crate::vault::{Bench, Chip};
use crate::{Budget, provider};

/// Opens the board, drives every call, then runs the [`provider`] suite on it, results verified by the driver too.
///
/// # Panics
/// If a check fails.
pub fn run(open: impl Fn() -> Box<dyn Link>, budget: &Budget) {
    let board = Board::open(open(), Options { verify: true, ..Options::default() }).unwrap();
    println!("board: {board:?}");
    assert!(board.label().ends_with(&format!(" {:08x}", board.build_id())), "{}", board.label());
    assert_eq!(board.clock_hz(), board.read_register(register::CLOCK_HZ).unwrap());
    let hashing = engines::SHA256 | engines::MERKLE;
    assert_eq!(board.engines() & hashing, hashing);
    registers(&board);
    echoes(&board);
    messages_after_refusals(&board);

    let board = Arc::new(board);
    let provider = Provider { hash: board.clone(), merkle: board.clone(), ..Provider::software() };
    assert_eq!(provider.hash.engine(), board.label());
    provider::run(&provider, budget);
}

fn registers(board: &Board) {
    for value in [0xDEAD_BEEF, 0, u32::MAX] {
        board.write_register(register::SCRATCH, value).unwrap();
        assert_eq!(board.read_register(register::SCRATCH).unwrap(), value);
    }
    for error in
        [board.write_register(register::IDENT, 0).unwrap_err(), board.read_register(0x0FF0).unwrap_err()]
    {
        assert!(matches!(&error, Error::Refused { status: s, .. } if s.0 == status::BAD_ADDRESS), "{error}");
        assert!(error.to_string().contains("BAD_ADDRESS") && error.to_string().contains(board.label()));
    }
}

fn echoes(board: &Board) {
    let mut random = Random::new(31);
    for len in 0..=64 {
        let bytes = random.bytes(len);
        assert_eq!(board.echo(&bytes).unwrap(), bytes);
    }
    let error = board.echo(&[0; 65]).unwrap_err();
    assert!(matches!(error, Error::TooLong { bytes: 65, max: 64, .. }), "{error}");
}

fn messages_after_refusals(board: &Board) {
    board.write_register(register::BUILD_ID, 1).unwrap_err();
    assert_eq!(board.hash(b"abc").unwrap(), sha256(b"abc"));
}

/// Unlocks boards with helper data in `folder`, which is empty, loses them, swaps them, and derives keys meanwhile.
///
/// # Panics
/// If a check fails.
pub fn vault(bench: Bench<'_>, folder: &std::path::Path, budget: &Budget) {
    let options = || Options {
        name: Some("under test".into()),
        verify: true,
        vault_time: budget.vault_patience,
        ..Options::default()
    };
    let power_up = |chip| bench(chip).map(|powered| powered.link);
    let (link, swap) = SwapLink::new(power_up(Chip::Own).unwrap());
    let board = Board::open(Box::new(link), options()).unwrap();
    if board.engines() & engines::VAULT == 0 || !budget.rings_run {
        skipped("board: left out, for it has no vault or its rings do not run: keys of the vault");
        return;
    }
    let store = HelperStore::new(folder.join("boards"));

    println!("board: closed, enrolled, closed");
    for error in [board.derive(b"one").unwrap_err(), board.attest(&[0; 32]).unwrap_err()] {
        assert!(matches!(error, Error::VaultClosed { .. }), "{error}");
        assert!(error.to_string().contains(board.label()), "{error}");
    }
    assert_eq!(board.unlock(&store).unwrap(), Unlocked::Enrolled);
    let helper = store.load("under test").unwrap().unwrap();
    let one = board.derive(b"one").unwrap();
    let mac = board.attest(&[0; 32]).unwrap();
    assert!(*one != mac && mac != board.attest(&[1; 32]).unwrap());
    let error = board.derive(&[0; 129]).unwrap_err();
    assert!(matches!(error, Error::LabelTooLong { bytes: 129, max: 128 }), "{error}");
    board.derive(&[0; 128]).unwrap();
    board.close_vault().unwrap();
    assert!(!board.is_vault_open());
    let error = board.derive(b"one").unwrap_err();
    assert!(matches!(error, Error::VaultClosed { .. }), "a vault that was closed opened by itself: {error}");
    assert_eq!(board.unlock(&store).unwrap(), Unlocked::Opened);
    assert_eq!(board.derive(b"one").unwrap(), one);

    println!("board: reset, and opened again by itself, once");
    swap.to(power_up(Chip::Own).unwrap());
    assert_eq!(board.derive(b"one").unwrap(), one);
    assert_eq!(board.attest(&[0; 32]).unwrap(), mac);

    println!("board: planned with");
    let board = Arc::new(board);
    let planner = Planner::new(Some(board.clone()), Provider::software(), Choice::Board).unwrap();
    let provider = planner.provider();
    assert_eq!((provider.derive.engine(), provider.entropy.engine()), (board.label(), board.label()));
    provider::secrets(&provider, budget);
    assert_eq!(*provider.derive.derive(b"one").unwrap(), *one);
    let software = Planner::new(Some(board.clone()), Provider::software(), Choice::Software).unwrap();
    let software = software.provider();
    assert_eq!((software.derive.engine(), software.entropy.engine()), ("none", "software"));

    println!("board: helper data that are damaged");
    let path = store.path("under test");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() - 1]).unwrap();
    let error = board.unlock(&store).unwrap_err();
    assert!(matches!(error, Error::HelperDamaged { .. }), "{error}");
    assert_eq!(board.derive(b"one").unwrap(), one, "a damaged file closed an open vault");
    std::fs::write(&path, &good).unwrap();
    let mut bytes = *helper.as_bytes();
    bytes[40] ^= 1;
    let error = board.open_vault(&HelperData::from_bytes(bytes)).unwrap_err();
    assert!(matches!(error, Error::HelperRefused { .. }), "{error}");
    let error = board.derive(b"one").unwrap_err();
    assert!(matches!(error, Error::VaultClosed { .. }), "{error}");

    println!("board: another one in its place");
    let Some(other) = power_up(Chip::Other) else {
        skipped("board: left out, for there is no second board");
        return;
    };
    assert_eq!(board.unlock(&store).unwrap(), Unlocked::Opened);
    swap.to(other);
    let error = board.derive(b"one").unwrap_err();
    assert!(matches!(error, Error::HelperRefused { .. }), "{error}");
    let error = board.derive(b"one").unwrap_err();
    assert!(matches!(error, Error::VaultClosed { .. }), "refused once, and asked again: {error}");
    let error = board.unlock(&store).unwrap_err();
    assert!(
        matches!(&error, Error::HelperRefused { helper, .. } if *helper == path.display().to_string()),
        "{error}"
    );
    std::fs::rename(&path, folder.join("moved away")).unwrap();
    assert_eq!(board.unlock(&store).unwrap(), Unlocked::Enrolled);
    assert_ne!(board.derive(b"one").unwrap(), one, "two boards with one key");
    let mut bytes = [0; 100];
    board.fill(&mut bytes).unwrap();
    assert!(bytes.chunks(20).all(|part| part.iter().any(|byte| *byte != 0)));
}
