//! The roll, the log and the generations, without a daemon.

use super::request::{Accepted, accept as accept_any};
use super::*;
use crate::identity::Identity;
use crate::statement::MAX_AGE_MS;
use twinseal_driver::Provider;
use zeroize::Zeroizing;

const DAY_MS: u64 = 86_400_000;
const NOW_MS: u64 = 20_000 * DAY_MS + 1;

fn person(seed: u8) -> Identity {
    let provider = Provider::software_with_root(Zeroizing::new([seed; 32]));
    Identity::new(provider.derive, "person").unwrap()
}

fn open(dir: &Path) -> Authorities {
    Authorities::open(dir, AtRest::plain()).unwrap()
}

fn ask(who: &Identity, authority: &str, claims: &[&str], now_ms: u64) -> Request {
    let claims: Vec<Claim> = claims.iter().map(|c| c.parse().unwrap()).collect();
    let entropy = Provider::software().entropy;
    Request::open(&Request::sign(who, authority, &claims, None, now_ms, &*entropy).unwrap()).unwrap()
}

fn answer(room: &mut Authority, request: &Request, now_ms: u64) -> Result<Vec<u8>, Error> {
    room.answer(request, now_ms, MAX_AGE_MS, &mut Rng(&*Provider::software().entropy))
}

fn approve(room: &mut Authority, who: &Identity, claims: &[&str], until_ms: Option<u64>) {
    let claims: Vec<String> = claims.iter().map(|c| (*c).into()).collect();
    room.approve(who.user().unwrap().as_str(), &claims, until_ms).unwrap();
}

/// The keys of an answer from one issuer.
fn accept(
    who: &Identity,
    answer: &[u8],
    key_id: Option<&str>,
) -> Result<(abe::PublicKey, crate::reader::ReaderKeys), Error> {
    match accept_any(who, answer, key_id)? {
        Accepted::Keys(public_key, keys) => Ok((*public_key, keys)),
        Accepted::Parts(..) => panic!("parts of keys"),
    }
}

fn code<T>(result: Result<T, Error>) -> String {
    result.err().unwrap().code().to_owned()
}

#[test]
fn the_roll_decides_and_the_log_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let entropy = Provider::software().entropy;
    let (mira, eve) = (person(1), person(2));
    let mut all = open(dir.path());
    let room = all.init("hospital", false, &mut Rng(&*entropy)).unwrap();

    let request = ask(&mira, "hospital", &["doctor@hospital", "grade=3@hospital"], NOW_MS);
    assert_eq!(code(answer(room, &request, NOW_MS)), "TSL-NOD-034");
    assert_eq!(room.report().pending.len(), 1, "it waits for the operator");
    assert_eq!(code(answer(room, &request, NOW_MS)), "TSL-NOD-034");
    assert_eq!(room.report().pending.len(), 1, "once");
    approve(room, &mira, &["doctor@hospital", "grade=3@hospital"], None);
    assert!(room.report().pending.is_empty());

    let sealed = answer(room, &request, NOW_MS).unwrap();
    let (public_key, keys) = accept(&mira, &sealed, None).unwrap();
    assert_eq!((public_key.id(), keys.keys.len()), (room.public_key().id(), 1 + 33));
    assert_eq!(code(accept(&eve, &sealed, None)), "TSL-NOD-038", "nobody else can open it");
    assert_eq!(code(accept(&mira, &sealed, Some("00"))), "TSL-NOD-039");

    assert_eq!(code(answer(room, &request, NOW_MS)), "TSL-NOD-033", "a replay");
    let late = ask(&mira, "hospital", &["doctor@hospital"], NOW_MS);
    assert_eq!(code(answer(room, &late, NOW_MS + MAX_AGE_MS + 1)), "TSL-NOD-032");
    let astray = ask(&mira, "institute", &["doctor@hospital"], NOW_MS);
    assert_eq!(code(answer(room, &astray, NOW_MS)), "TSL-NOD-025");
    let other = ask(&mira, "hospital", &["chief@hospital"], NOW_MS);
    assert_eq!(code(answer(room, &other, NOW_MS)), "TSL-NOD-034");
    let higher = ask(&mira, "hospital", &["grade=4@hospital"], NOW_MS);
    assert_eq!(code(answer(room, &higher, NOW_MS)), "TSL-NOD-034", "another value is another claim");
    for part in ["grade#0@hospital", "doctor@institute"] {
        let part = ask(&mira, "hospital", &[part], NOW_MS);
        assert_eq!(code(answer(room, &part, NOW_MS)), "TSL-NOD-043");
    }

    assert_eq!(code(Authorities::open(dir.path(), AtRest::plain())), "TSL-NOD-042", "one process at a time");
    drop(all);
    let mut all = open(dir.path());
    let room = all.get_mut("hospital").unwrap();
    assert_eq!(code(answer(room, &request, NOW_MS)), "TSL-NOD-033", "a replay after a restart");
    assert_eq!(room.report().issued.len(), 1);

    room.revoke(mira.user().unwrap().as_str(), NOW_MS).unwrap();
    let again = ask(&mira, "hospital", &["doctor@hospital"], NOW_MS);
    assert_eq!(code(answer(room, &again, NOW_MS)), "TSL-NOD-035");
    let user = mira.user().unwrap().to_string();
    let claims = ["doctor@hospital".to_owned()];
    assert_eq!(code(room.approve(&user, &claims, None)), "TSL-NOD-056");
    assert!(room.has_revoked(&user), "an approval does not undo a revocation");
    room.reinstate(&user, &claims, Some(NOW_MS + 1)).unwrap();
    answer(room, &again, NOW_MS).unwrap();
    let before = ask(&mira, "hospital", &["grade=3@hospital"], NOW_MS);
    assert_eq!(
        code(answer(room, &before, NOW_MS)),
        "TSL-NOD-034",
        "what was approved before does not return"
    );
    assert_eq!(room.report().issued.len(), 2, "the log keeps what was issued before");
    let after = ask(&mira, "hospital", &["doctor@hospital"], NOW_MS + 1);
    assert_eq!(code(answer(room, &after, NOW_MS + 1)), "TSL-NOD-034", "the approval has ended");
}

#[test]
fn one_claim_is_withdrawn_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mira = person(1);
    let user = mira.user().unwrap().to_string();
    let mut all = open(dir.path());
    let room = all.init("hospital", false, &mut Rng(&*Provider::software().entropy)).unwrap();
    approve(room, &mira, &["doctor@hospital", "grade=3@hospital"], Some(NOW_MS + DAY_MS));
    assert!(room.report().to_string().contains("doctor@hospital (until 2024-10-05)"), "{}", room.report());
    room.withdraw(&user, "doctor@hospital").unwrap();
    assert_eq!(code(room.withdraw(&user, "doctor@hospital")), "TSL-NOD-057");
    drop(all);
    let mut all = open(dir.path());
    let room = all.get_mut("hospital").unwrap();
    let code_of = |room: &mut Authority, claim: &str| {
        answer(room, &ask(&mira, "hospital", &[claim], NOW_MS), NOW_MS).err().map(|e| e.code().to_owned())
    };
    assert_eq!(code_of(room, "doctor@hospital").as_deref(), Some("TSL-NOD-034"));
    assert_eq!(code_of(room, "grade=3@hospital"), None);

    for wrong in ["mira", "", &user[1..]] {
        assert_eq!(code(room.approve(wrong, &["doctor@hospital".into()], None)), "TSL-NOD-055");
        assert_eq!(code(room.revoke(wrong, NOW_MS)), "TSL-NOD-055");
    }
    assert_eq!(code(room.approve(&user, &[], None)), "TSL-NOD-043");
}

#[test]
fn strangers_do_not_push_out_people_on_the_roll_nor_one_stranger_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = open(dir.path());
    let room = all.init("hospital", false, &mut Rng(&*Provider::software().entropy)).unwrap();
    let (known, quiet, eve) = (person(1), person(2), person(3));
    let wait = |room: &mut Authority, who: &Identity, claim: &str| {
        let request = ask(who, "hospital", &[claim], NOW_MS);
        assert_eq!(code(answer(room, &request, NOW_MS)), "TSL-NOD-034");
    };
    let waits = |room: &Authority, who: &Identity| {
        let user = who.user().unwrap();
        room.pending.iter().filter(|p| p.user == user.as_str()).count()
    };
    approve(room, &known, &["nurse@hospital"], None);
    wait(room, &known, "doctor@hospital");
    wait(room, &quiet, "doctor@hospital");
    for n in 0..20 {
        wait(room, &eve, &format!("c{n}@hospital"));
    }
    assert_eq!(waits(room, &eve), MAX_PENDING_PER_USER);
    let newest = &room.pending.last().unwrap().claims;
    assert_eq!(newest, &["c19@hospital"], "the newest of them stay");

    // As if many had asked; one identity with two requests goes before those with one.
    for n in room.pending.len()..MAX_PENDING {
        let claims = vec!["doctor@hospital".to_owned()];
        room.pending.push(Pending { user: format!("{n:064x}"), claims, time_ms: NOW_MS });
    }
    for n in 10..13 {
        wait(room, &person(n), "doctor@hospital");
        assert_eq!(room.pending.len(), MAX_PENDING);
    }
    assert_eq!((waits(room, &known), waits(room, &quiet), waits(room, &eve)), (1, 1, 1));
    for n in 20..24 {
        wait(room, &person(n), "doctor@hospital");
    }
    assert_eq!((waits(room, &known), waits(room, &quiet)), (1, 0), "of equals the oldest stranger goes");
}

#[test]
fn an_interrupted_beginning_leaves_the_others_alone_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let entropy = Provider::software().entropy;
    open(dir.path()).init("hospital", false, &mut Rng(&*entropy)).unwrap();
    let unfinished = dir.path().join(".new-clock");
    std::fs::create_dir(&unfinished).unwrap();
    write_json(&unfinished.join("settings.json"), &Settings { clock: true }).unwrap();
    let mut all = open(dir.path());
    assert!(!unfinished.exists());
    assert_eq!(all.iter().map(Authority::name).collect::<Vec<_>>(), ["hospital"]);
    all.init("clock", true, &mut Rng(&*entropy)).unwrap();
    assert!(!unfinished.exists(), "a whole one has its name");
    drop(all);
    assert_eq!(open(dir.path()).iter().count(), 2);

    let absent = dir.path().join("typo");
    assert_eq!(code(Authorities::open_existing(&absent, AtRest::plain())), "TSL-NOD-001");
    assert!(!absent.exists());
}

#[test]
fn a_rotation_keeps_the_public_key_and_forgets_the_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let entropy = Provider::software().entropy;
    let mira = person(1);
    let mut all = open(dir.path());
    all.init("hospital", false, &mut Rng(&*entropy)).unwrap();
    assert_eq!(code(all.init("hospital", false, &mut Rng(&*entropy))), "TSL-NOD-041");
    let room = all.get_mut("hospital").unwrap();
    approve(room, &mira, &["doctor@hospital"], None);
    let old = room.public_key();
    room.rotate(&mut Rng(&*entropy)).unwrap();
    assert_ne!(room.public_key().id(), old.id());
    let generations = room.published();
    assert_eq!(generations.iter().map(|g| g.current).collect::<Vec<_>>(), [false, true]);
    assert_eq!(generations[0].key_id, old.id().to_string());
    assert!(!dir.path().join("hospital/generation-1.key").exists());

    let request = ask(&mira, "hospital", &["doctor@hospital"], NOW_MS);
    let (public_key, keys) = accept(&mira, &answer(room, &request, NOW_MS).unwrap(), None).unwrap();
    assert_eq!(public_key.id(), room.public_key().id(), "the roll outlives the rotation");
    assert!(keys.keys[0].verify(&old).is_err());
    drop(all);
    assert_eq!(open(dir.path()).get("hospital").unwrap().published().len(), 2);

    let public = dir.path().join("hospital/generation-2.pub");
    let bytes = std::fs::read(&public).unwrap();
    std::fs::write(&public, old.to_bytes()).unwrap();
    assert_eq!(code(Authorities::open(dir.path(), AtRest::plain())), "TSL-NOD-017");
    std::fs::write(&public, bytes).unwrap();
    std::fs::remove_file(dir.path().join("hospital/generation-2.key")).unwrap();
    assert_eq!(code(Authorities::open(dir.path(), AtRest::plain())), "TSL-NOD-027");
}

#[test]
fn a_clock_gives_the_epoch_of_the_day_and_only_what_is_new_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let entropy = Provider::software().entropy;
    let mira = person(1);
    let mut all = open(dir.path());
    let room = all.init("clock", true, &mut Rng(&*entropy)).unwrap();
    approve(room, &mira, &["epoch@clock"], None);
    let request = ask(&mira, "clock", &["epoch@clock"], NOW_MS);
    let (_, keys) = accept(&mira, &answer(room, &request, NOW_MS).unwrap(), None).unwrap();
    let names: Vec<String> = keys.keys.iter().map(|k| k.attribute().to_string()).collect();
    assert_eq!(names.len(), 33);
    assert_eq!(names[32], format!("epoch#{:032b}@clock", 20_000));

    for chosen in ["epoch=20001@clock", "epoch=2030-01-01@clock", "epoch#0@clock"] {
        let request = ask(&mira, "clock", &[chosen], NOW_MS);
        assert_eq!(code(answer(room, &request, NOW_MS)), "TSL-NOD-043", "{chosen}");
        assert_eq!(code(room.approve(mira.user().unwrap().as_str(), &[chosen.into()], None)), "TSL-NOD-043");
    }

    let tomorrow_ms = NOW_MS + DAY_MS;
    let claims = ["epoch@clock".parse().unwrap()];
    let held = keys.newest_epoch("clock");
    assert_eq!(held, Some((20_000, room.public_key().id().to_string())));
    let renewal = Request::sign(&mira, "clock", &claims, held.clone(), tomorrow_ms, &*entropy).unwrap();
    let sealed = answer(room, &Request::open(&renewal).unwrap(), tomorrow_ms).unwrap();
    let (_, new) = accept(&mira, &sealed, None).unwrap();
    let new: Vec<String> = new.keys.iter().map(|k| k.attribute().to_string()).collect();
    // 20000 is even, so that 20001 differs in its last bit alone.
    assert_eq!(new, [format!("epoch#{:032b}@clock", 20_001)]);

    room.rotate(&mut Rng(&*entropy)).unwrap();
    let renewal = Request::sign(&mira, "clock", &claims, held, tomorrow_ms, &*entropy).unwrap();
    let sealed = answer(room, &Request::open(&renewal).unwrap(), tomorrow_ms).unwrap();
    let (_, all) = accept(&mira, &sealed, None).unwrap();
    assert_eq!(all.keys.len(), 33, "of the new generation nothing is at hand");

    room.revoke(mira.user().unwrap().as_str(), NOW_MS).unwrap();
    let request = ask(&mira, "clock", &["epoch@clock"], tomorrow_ms);
    assert_eq!(code(answer(room, &request, tomorrow_ms)), "TSL-NOD-035");
}

#[test]
fn nobody_asks_in_anothers_name() {
    let (mira, eve) = (person(1), person(2));
    let entropy = Provider::software().entropy;
    let claims = ["doctor@hospital".parse().unwrap()];
    let honest = Request::sign(&mira, "hospital", &claims, None, NOW_MS, &*entropy).unwrap();
    // Eve signs, with her own key, a request that names Mira.
    let said = crate::statement::Statement::from_bytes(&honest).unwrap();
    let forged = said.resigned(super::request::DOMAIN, &eve).to_bytes().unwrap();
    assert_eq!(code(Request::open(&forged)), "TSL-NOD-036");
    let mut altered = honest.clone();
    let at = altered.windows(6).position(|w| w == b"doctor").unwrap();
    altered[at] = b'D';
    assert_eq!(code(Request::open(&altered)), "TSL-NOD-031");
    assert_eq!(code(Request::open(&vec![0; super::request::MAX_REQUEST_BYTES + 1])), "TSL-NOD-030");
}

#[test]
fn a_line_that_was_cut_off_is_dropped_and_a_damaged_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("issued.log");
    let line = Issued { time_ms: 1, user: "u".into(), claims: vec![], generation: 1, request: "00".into() };
    let whole = format!("{}\n", serde_json::to_string(&line).unwrap());
    std::fs::write(&path, format!("{whole}{{\"time")).unwrap();
    assert_eq!(read_log(&path).unwrap().len(), 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    std::fs::write(&path, format!("{{}}\n{whole}")).unwrap();
    assert_eq!(code(read_log(&path)), "TSL-NOD-017");
}
