//! What every fuzz target asserts, apart from not panicking. Shared by the targets, which need a nightly
//! compiler, and by `tests/fuzz_corpus.rs`, which replays their corpus with a stable one.
//!
//! Parsers accept canonical encodings only: what they accept encodes to the same bytes. And of all inputs
//! only the honest one opens: a ciphertext, a transform, a header or a body that a fuzzer could make
//! acceptable would be a forgery.

#![allow(dead_code, reason = "each fuzz target uses one function of these")]

use std::io::{Cursor, Read, Write};
use std::sync::LazyLock;
use twinseal_abe::envelope::Header;
use twinseal_abe::outsource::{
    Plan, RetrievingKey, Rows, RowsJob, TransformKey, Transformed, encrypt_rows, tkgen, transform,
};
use twinseal_abe::policy::excerpt;
use twinseal_abe::rand_core::{self, CryptoRng, RngCore};
use twinseal_abe::stream::{BodyKey, ChunkSize, Opener, Sealer, SeekOpener};
use twinseal_abe::threshold::{
    Ceremony, Dealing, Group, PartialKey, Participant, Pledge, PrivateShare, Share,
};
use twinseal_abe::{
    AttributeKey, Authority, Ciphertext, Error, Policy, PublicKey, UserId, decapsulate, encapsulate,
};

const AAD: &[u8] = b"record 7";

/// The names of all targets, with inputs to start from.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let texts = [
        "doctor@hospital",
        "a@x and (b@x or c@y) or 2 of (a@x, b@x, d@y)",
        "age@registry >= 18 and valid@clock <= 2027-01-01",
        "level@x in 18..65 or level@x > 7 or level@x = 3 or level@x < 2",
        "2 of (a@x, (b@y",
    ];
    let json = texts.iter().filter_map(|text| text.parse::<Policy>().ok());
    let world = &*WORLD;
    vec![
        ("policy_text", texts.iter().map(|text| text.as_bytes().to_vec()).collect()),
        ("policy_json", json.map(|policy| policy.to_json().into_bytes()).collect()),
        ("public_key", vec![world.authority.public_key().to_bytes()]),
        ("attribute_key", vec![world.keys[0].to_bytes().to_vec()]),
        ("ciphertext", vec![world.ciphertext.to_bytes()]),
        ("transform_key", vec![world.tk.to_bytes()]),
        ("transformed", vec![world.transformed.clone()]),
        ("envelope_header", vec![world.header.to_bytes()]),
        ("stream_body", vec![world.body.clone()]),
        ("threshold_messages", world.threshold.clone()),
        ("helper_rows", world.rows.clone()),
    ]
}

/// Runs the target of that name. False if there is none.
pub(crate) fn run(target: &str, bytes: &[u8]) -> bool {
    match target {
        "policy_text" => policy_text(bytes),
        "policy_json" => policy_json(bytes),
        "public_key" => public_key(bytes),
        "attribute_key" => attribute_key(bytes),
        "ciphertext" => ciphertext(bytes),
        "transform_key" => transform_key(bytes),
        "transformed" => transformed(bytes),
        "envelope_header" => envelope_header(bytes),
        "stream_body" => stream_body(bytes),
        "threshold_messages" => threshold_messages(bytes),
        "helper_rows" => helper_rows(bytes),
        _ => return false,
    }
    true
}

/// Policies in text: what is accepted has one normal form, in text and in JSON; what is refused points
/// into the text.
pub(crate) fn policy_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Policy>() {
        Ok(policy) => normal_forms(&policy),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            excerpt(text, &error);
        }
    }
}

/// Policies in JSON.
pub(crate) fn policy_json(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    match Policy::from_json(json) {
        Ok(policy) => normal_forms(&policy),
        Err(error) => {
            excerpt(json, &error);
        }
    }
}

fn normal_forms(policy: &Policy) {
    assert_eq!(policy.as_str().parse::<Policy>().as_ref(), Ok(policy));
    assert_eq!(Policy::from_json(&policy.to_json()).as_ref(), Ok(policy));
}

/// Public keys.
pub(crate) fn public_key(bytes: &[u8]) {
    canonical(bytes, PublicKey::from_bytes(bytes), PublicKey::to_bytes);
}

/// Attribute keys.
pub(crate) fn attribute_key(bytes: &[u8]) {
    let key = canonical(bytes, AttributeKey::from_bytes(bytes), |key| key.to_bytes().to_vec());
    if let Some(key) = key {
        let genuine = key.verify(WORLD.authority.public_key()).is_ok();
        assert!(!genuine || bytes == WORLD.keys[0].to_bytes().as_slice());
    }
}

/// Ciphertexts: opened by their reader, and finished without parsing the rows.
pub(crate) fn ciphertext(bytes: &[u8]) {
    let finished = Transformed::from_bytes(&WORLD.transformed)
        .and_then(|transformed| WORLD.rk.finish_encoded(bytes, AAD, &transformed));
    assert_eq!(finished.is_ok(), bytes == WORLD.ciphertext.to_bytes());
    if let Some(ciphertext) = canonical(bytes, Ciphertext::from_bytes(bytes), Ciphertext::to_bytes) {
        let opened = decapsulate(&ciphertext, AAD, &WORLD.user, &WORLD.keys);
        assert_eq!(opened.is_ok(), ciphertext == WORLD.ciphertext);
    }
}

/// Transform keys.
pub(crate) fn transform_key(bytes: &[u8]) {
    if let Some(tk) = canonical(bytes, TransformKey::from_bytes(bytes), TransformKey::to_bytes)
        && let Ok(transformed) = transform(&WORLD.ciphertext, &tk)
    {
        let finished = WORLD.rk.finish(&WORLD.ciphertext, AAD, &transformed);
        assert!(finished.is_err() || transformed.to_bytes() == WORLD.transformed);
    }
}

/// Results of helpers.
pub(crate) fn transformed(bytes: &[u8]) {
    if let Some(transformed) = canonical(bytes, Transformed::from_bytes(bytes), Transformed::to_bytes) {
        let finished = WORLD.rk.finish(&WORLD.ciphertext, AAD, &transformed);
        assert_eq!(finished.is_ok(), bytes == WORLD.transformed);
    }
}

/// Envelope headers.
pub(crate) fn envelope_header(bytes: &[u8]) {
    if let Some(header) = canonical(bytes, Header::from_bytes(bytes), Header::to_bytes) {
        assert_eq!(header.open(AAD, &WORLD.user, &WORLD.keys).is_ok(), header == WORLD.header);
    }
}

/// Bodies: read from front to end, and from the end.
pub(crate) fn stream_body(bytes: &[u8]) {
    let mut plain = Vec::new();
    let read = Opener::new(bytes, &WORLD.body_key).and_then(|mut opener| Ok(opener.read_to_end(&mut plain)?));
    assert_eq!(read.is_ok(), bytes == WORLD.body);
    if let Ok(mut opener) = SeekOpener::new(Cursor::new(bytes), &WORLD.body_key) {
        let mut last = [0; 64];
        let at = opener.length_bytes().saturating_sub(64);
        assert!(opener.read_at(at, &mut last).is_err() || bytes.len() == WORLD.body.len());
    }
}

/// Every message of a threshold authority.
pub(crate) fn threshold_messages(bytes: &[u8]) {
    canonical(bytes, Pledge::from_bytes(bytes), Pledge::to_bytes);
    canonical(bytes, Dealing::from_bytes(bytes), Dealing::to_bytes);
    canonical(bytes, PrivateShare::from_bytes(bytes), |share| share.to_bytes().to_vec());
    canonical(bytes, Group::from_bytes(bytes), Group::to_bytes);
    canonical(bytes, Share::from_bytes(bytes), |share| share.to_bytes().to_vec());
    canonical(bytes, PartialKey::from_bytes(bytes), |key| key.to_bytes().to_vec());
}

/// What an owner and the helpers of an encryption send each other.
pub(crate) fn helper_rows(bytes: &[u8]) {
    canonical(bytes, RowsJob::from_bytes(bytes), |job| job.to_bytes().to_vec());
    canonical(bytes, Rows::from_bytes(bytes), Rows::to_bytes);
}

fn canonical<T>(bytes: &[u8], parsed: Result<T, Error>, encode: impl Fn(&T) -> Vec<u8>) -> Option<T> {
    let value = parsed.ok()?;
    assert_eq!(encode(&value), bytes);
    Some(value)
}

/// One honest instance of everything, the same in every run, so that the corpus fits.
struct World {
    authority: Authority,
    user: UserId,
    keys: Vec<AttributeKey>,
    ciphertext: Ciphertext,
    tk: TransformKey,
    rk: RetrievingKey,
    transformed: Vec<u8>,
    header: Header,
    body: Vec<u8>,
    body_key: BodyKey,
    threshold: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
}

static WORLD: LazyLock<World> =
    LazyLock::new(|| World::new(&mut Repeating(7)).expect("honest operations do not fail"));

impl World {
    fn new(rng: &mut Repeating) -> Result<Self, Error> {
        let authority = Authority::setup("x".parse()?, rng);
        let public_key = authority.public_key().clone();
        let user: UserId = "alice".parse()?;
        let keys = authority.issue(&user, &["a@x".parse()?, "b@x".parse()?], rng)?;
        let policy: Policy = "a@x and (b@x or c@x)".parse()?;
        let (ciphertext, _) = encapsulate(&policy, [&public_key], AAD, rng)?;
        let (tk, rk) = tkgen(&user, &keys, rng)?;
        let transformed = transform(&ciphertext, &tk)?.to_bytes();
        let (mut sealer, body_key) = Sealer::new(Vec::new(), AAD, ChunkSize::new(4096)?, rng)?;
        sealer.write_all(&[5; 4200])?;
        let body = sealer.finish()?;
        let header = Header::new(&body_key, &policy, [&public_key], rng)?;

        let ceremony = Ceremony::generate("x".parse()?, 2, 2, &[7; 32])?;
        let (mut one, pledge) = Participant::join(&ceremony, 1, rng)?;
        let (mut two, other_pledge) = Participant::join(&ceremony, 2, rng)?;
        let pledges = [pledge, other_pledge];
        let ((dealing, private), (other_dealing, received)) = (one.reveal(&pledges)?, two.reveal(&pledges)?);
        let (share, group) = one.finish(&[dealing.clone(), other_dealing], &received)?;
        let partial = share.issue(&user, [&"a@x".parse()?], rng)?.remove(0);
        let threshold = vec![
            pledges[0].to_bytes(),
            dealing.to_bytes(),
            private[0].to_bytes().to_vec(),
            group.to_bytes(),
            share.to_bytes().to_vec(),
            partial.to_bytes().to_vec(),
        ];
        let plan = Plan::new(&policy, [&public_key])?;
        let [job, _] = plan.begin(AAD, rng)?.1;
        let rows = vec![job.to_bytes().to_vec(), encrypt_rows(&job, [&public_key])?.to_bytes()];
        Ok(Self {
            authority,
            user,
            keys,
            ciphertext,
            tk,
            rk,
            transformed,
            header,
            body,
            body_key,
            threshold,
            rows,
        })
    }
}

/// SplitMix64: the same numbers in every run. For these tests only.
struct Repeating(u64);

impl RngCore for Repeating {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.next_u64() as u8);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Repeating {}
