//! The strategies of `forgeries_rabe.rs` against `twinseal-abe`.
//!
//! Each is linear algebra in the exponents and needs the discrete logarithms h(u), f(u) of H(u), F(u). Here the
//! hashes are RFC 9380's, and nobody knows those; the attacker puts in what it has (the hash of the text, as
//! in rabe, or 1, which is relabelling) and follows the same steps. That the steps are right is shown on the
//! same algebra with a hash of rabe's kind, g1 · SHA-256(u): there every one of them opens the ciphertext.
#![allow(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use blstrs::{Compress, G1Projective, G2Projective, Gt, Scalar};
use ff::Field;
use sha2::{Digest, Sha256};
use twinseal_abe::curve::{Curve, FixedBase};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::scheme::{Job, Key, Opening, Public, Row};
use twinseal_abe::{
    AttributeKey, Authority, Bls12381, Ciphertext, Error, Policy, SharedKey, UserId, decapsulate,
    encapsulate, outsource,
};

/// What the attacker takes for the discrete logarithm of a text's hash.
type Log = fn(&str) -> Scalar;

/// An integer of any length, modulo the group order.
fn reduced(bytes: &[u8]) -> Scalar {
    bytes.iter().fold(Scalar::ZERO, |sum, byte| sum * Scalar::from(256) + Scalar::from(u64::from(*byte)))
}

/// rabe's way, with the hash this crate uses elsewhere.
fn log_sha256(text: &str) -> Scalar {
    reduced(&Sha256::digest(text))
}

const GUESSES: [Log; 2] = [log_sha256, |_| Scalar::ONE];

/// BSW, GHW11 and BDABE: a key for one attribute becomes one for another.
///
/// F(from)^r = F(to)^(r · f(from)/f(to)), so K stays and L is raised to the ratio.
fn swap_attribute(key: &Key<Bls12381>, from: &str, to: &str, log: Log) -> Key<Bls12381> {
    Key { k: key.k, l: key.l * (log(from) * log(to).invert().unwrap()) }
}

/// AW11: two users' keys for an attribute become a third user's.
///
/// K_i = g1^(α + h_i y) · F^(r_i): with c1 + c2 = 1 and c1 h1 + c2 h2 = h3, the key K1^c1 · K2^c2 is the third
/// user's, with r = c1 r1 + c2 r2.
fn move_user(
    (key_1, user_1): (&Key<Bls12381>, &str),
    (key_2, user_2): (&Key<Bls12381>, &str),
    user_3: &str,
    log: Log,
) -> Key<Bls12381> {
    let distance = log(user_1) - log(user_2);
    // With all logarithms equal, any weights would do.
    let c1 = distance.invert().map(|inverse| (log(user_3) - log(user_2)) * inverse).unwrap_or(Scalar::ONE);
    let c2 = Scalar::ONE - c1;
    Key { k: key_1.k * c1 + key_2.k * c2, l: key_1.l * c1 + key_2.l * c2 }
}

/// AC17: a row of the ciphertext is rewritten for an attribute that the attacker has.
///
/// F(from)^t = F(to)^(t · f(from)/f(to)): C4 is raised to the inverse ratio.
fn move_row(row: &Row<Bls12381>, from: &str, to: &str, log: Log) -> Row<Bls12381> {
    Row { c4: row.c4 * (log(to) * log(from).invert().unwrap()), ..*row }
}

/// The mask under a conjunction of all rows, each opened with the key at its place.
fn mask(h: &G1Projective, keys: &[&Key<Bls12381>], rows: &[Row<Bls12381>]) -> Gt {
    let opening = |(key, row)| Opening { key, rows: vec![(Scalar::ONE, row)] };
    let openings: Vec<_> = keys.iter().copied().zip(rows).map(opening).collect();
    Job::new(h, &openings).transform().mask()
}

/// The same algebra with a hash of which everybody knows the logarithms: every strategy succeeds.
#[test]
fn with_a_hash_like_rabes_every_strategy_succeeds() {
    let log = log_sha256;
    let hash = |text: &str| Bls12381::g1_times(&log(text));
    let [alpha, y, z, lambda, omega] = [(); 5].map(|()| Scalar::random(OsRng));
    let public = Public::<Bls12381> {
        a: FixedBase::new(&Bls12381::gt_times(&alpha)),
        y: FixedBase::new(&Bls12381::g2_times(&y)),
    };
    let issue = |user: &str, attribute: &str| {
        Key::<Bls12381>::of_user(&alpha, &y, &hash(user))
            .for_attribute(&hash(attribute), &Scalar::random(OsRng))
    };
    let row = |attribute: &str, lambda: Scalar, omega: Scalar| {
        Row::new(&public, &hash(attribute), &lambda, &omega, &Scalar::random(OsRng))
    };
    let rows = [row("a", lambda, omega), row("b", z - lambda, -omega)];
    let right = Bls12381::gt_times(&z);
    let honest = [issue("carl", "a"), issue("carl", "b")];
    assert_eq!(mask(&hash("carl"), &honest.each_ref(), &rows), right);

    let own = issue("carl", "z");
    let swapped = ["a", "b"].map(|to| swap_attribute(&own, "z", to, log));
    assert_eq!(mask(&hash("carl"), &swapped.each_ref(), &rows), right);

    let (anna, bert) = (issue("anna", "a"), issue("bert", "a"));
    let moved = move_user((&anna, "anna"), (&bert, "bert"), "carl", log);
    assert_eq!(mask(&hash("carl"), &[&moved, &honest[1]], &rows), right);

    let rewritten = [move_row(&rows[0], "a", "z", log), move_row(&rows[1], "b", "z", log)];
    assert_eq!(mask(&hash("carl"), &[&own, &own], &rewritten), right);
}

/// A ciphertext under `a@x and b@x`, and whoever wants to read it.
struct World {
    authority: Authority,
    ciphertext: Ciphertext,
    key: SharedKey,
}

const HEADER: &[u8] = b"record 7";
const A: &str = "a@x";
const B: &str = "b@x";
const Z: &str = "z@x";

impl World {
    fn new() -> Self {
        let authority = Authority::setup("x".parse().unwrap(), &mut OsRng);
        let policy: Policy = "a@x and b@x".parse().unwrap();
        let (ciphertext, key) = encapsulate(&policy, [authority.public_key()], HEADER, &mut OsRng).unwrap();
        Self { authority, ciphertext, key }
    }

    fn issue(&self, user: &str, attribute: &str) -> AttributeKey {
        let issued = self.authority.issue(&user.parse().unwrap(), [&attribute.parse().unwrap()], &mut OsRng);
        issued.unwrap().remove(0)
    }

    /// The elements as anybody reads them from the encoding.
    fn rows(&self) -> Vec<Row<Bls12381>> {
        let bytes = self.ciphertext.to_bytes();
        let rows = &bytes[..bytes.len() - 32];
        rows[rows.len() - 2 * ROW_BYTES..].as_chunks::<ROW_BYTES>().0.iter().map(read_row).collect()
    }

    /// Whether the keys open: directly, and after a transform.
    fn refused(&self, user: &str, keys: &[AttributeKey]) {
        let user: UserId = user.parse().unwrap();
        for key in keys {
            // Keys that are the holder's own are genuine; at least the first of each list is not.
            if std::ptr::eq(key, &keys[0]) {
                let verified = key.verify(self.authority.public_key());
                assert!(matches!(verified, Err(Error::KeyInvalid { .. })), "{verified:?}");
            }
        }
        assert_eq!(decapsulate(&self.ciphertext, HEADER, &user, keys), Err(Error::Commitment));
        let (transform_key, retrieving_key) = outsource::tkgen(&user, keys, &mut OsRng).unwrap();
        let transformed = outsource::transform(&self.ciphertext, &transform_key).unwrap();
        let finished = retrieving_key.finish(&self.ciphertext, HEADER, &transformed);
        assert_eq!(finished, Err(Error::TransformRejected));
    }
}

const ROW_BYTES: usize = 288 + 96 + 96 + 48;

fn read_row(bytes: &[u8; ROW_BYTES]) -> Row<Bls12381> {
    let g2 = |at: usize| G2Projective::from_compressed(bytes[at..].first_chunk().unwrap()).unwrap();
    Row {
        c1: Gt::read_compressed(&bytes[..288]).unwrap(),
        c2: g2(288),
        c3: g2(384),
        c4: G1Projective::from_compressed(bytes[480..].first_chunk().unwrap()).unwrap(),
    }
}

/// K and L are the last 48 + 96 bytes of a key.
fn read_key(key: &AttributeKey) -> Key<Bls12381> {
    let bytes = key.to_bytes();
    let points = bytes.last_chunk::<144>().unwrap();
    Key {
        k: G1Projective::from_compressed(points.first_chunk().unwrap()).unwrap(),
        l: G2Projective::from_compressed(points.last_chunk().unwrap()).unwrap(),
    }
}

/// `genuine` with other points, user and attribute: a key that parses.
fn forged(genuine: &AttributeKey, user: &str, attribute: &str, points: &Key<Bls12381>) -> AttributeKey {
    let mut bytes = genuine.to_bytes()[..2].to_vec();
    for text in [user, attribute] {
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(genuine.key_id().as_bytes());
    bytes.extend(points.k.to_compressed());
    bytes.extend(points.l.to_compressed());
    AttributeKey::from_bytes(&bytes).unwrap()
}

/// H(uid) as RFC 9380 and the domain tag have it, so that masks can be compared without the commitment.
fn hash_user(user: &str) -> G1Projective {
    const DST: &[u8] = b"TWINSEAL-V02-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_H_";
    G1Projective::hash_to_curve(user.as_bytes(), DST, &[])
}

/// e^z, as honest readers get it.
fn right_mask(world: &World) -> Gt {
    let honest = |user: &str| {
        let keys = [A, B].map(|attribute| read_key(&world.issue(user, attribute)));
        mask(&hash_user(user), &keys.each_ref(), &world.rows())
    };
    assert_eq!(honest("dora"), honest("emil"));
    honest("dora")
}

#[test]
fn honest_keys_open_also_when_taken_apart_and_put_together() {
    let world = World::new();
    let keys = [A, B].map(|attribute| {
        let genuine = world.issue("dora", attribute);
        forged(&genuine, "dora", attribute, &read_key(&genuine))
    });
    keys.iter().for_each(|key| key.verify(world.authority.public_key()).unwrap());
    let opened = decapsulate(&world.ciphertext, HEADER, &"dora".parse().unwrap(), &keys).unwrap();
    assert_eq!(opened, world.key);
}

#[test]
fn a_key_for_z_does_not_open_a_and_b() {
    let world = World::new();
    let own = world.issue("carl", Z);
    let right = right_mask(&world);
    for log in GUESSES {
        let points = [A, B].map(|to| swap_attribute(&read_key(&own), Z, to, log));
        assert_ne!(mask(&hash_user("carl"), &points.each_ref(), &world.rows()), right);
        let [a, b] = [0, 1].map(|i| forged(&own, "carl", [A, B][i], &points[i]));
        world.refused("carl", &[a, b]);
    }
}

#[test]
fn three_colluders_do_not_forge_a_key() {
    let world = World::new();
    let (anna, bert, carl) = (world.issue("anna", A), world.issue("bert", A), world.issue("carl", B));
    let right = right_mask(&world);
    for log in GUESSES {
        let points = move_user((&read_key(&anna), "anna"), (&read_key(&bert), "bert"), "carl", log);
        assert_ne!(mask(&hash_user("carl"), &[&points, &read_key(&carl)], &world.rows()), right);
        world.refused("carl", &[forged(&anna, "carl", A, &points), carl.clone()]);
    }
    // Nor do they get further by pooling: two of them under the name of the third, or of either.
    for (user, first, second) in [("carl", &anna, &carl), ("anna", &bert, &carl)] {
        let keys =
            [(first, A), (second, B)].map(|(key, attribute)| forged(key, user, attribute, &read_key(key)));
        world.refused(user, &keys);
    }
}

#[test]
fn rows_cannot_be_rewritten_for_z() {
    let world = World::new();
    let own = world.issue("carl", Z);
    let right = right_mask(&world);
    for log in GUESSES {
        let rows = world.rows();
        let rewritten = [move_row(&rows[0], A, Z, log), move_row(&rows[1], B, Z, log)];
        let key = read_key(&own);
        assert_ne!(mask(&hash_user("carl"), &[&key, &key], &rewritten), right);

        // As bytes: it parses, and the commitment speaks for itself.
        let original = world.ciphertext.to_bytes();
        let mut bytes = String::from_utf8_lossy(&original[..16]).replace(A, Z).replace(B, Z).into_bytes();
        assert_eq!(bytes.len(), 16);
        bytes.extend(&original[16..original.len() - 32 - 2 * ROW_BYTES]);
        for row in &rewritten {
            row.c1.write_compressed(&mut bytes).unwrap();
            bytes.extend(row.c2.to_compressed());
            bytes.extend(row.c3.to_compressed());
            bytes.extend(row.c4.to_compressed());
        }
        bytes.extend(&original[original.len() - 32..]);
        let ciphertext = Ciphertext::from_bytes(&bytes).unwrap();
        assert_eq!(ciphertext.policy().to_string(), "z@x and z@x");
        let opened = decapsulate(&ciphertext, HEADER, &"carl".parse().unwrap(), [&own]);
        assert_eq!(opened, Err(Error::Commitment));
    }
}
