//! Attacks with nothing but the public interface and the bytes it takes. (That keys cannot be forged from
//! known discrete logarithms, and that flipped bits are noticed, is in `scheme.rs`.)
#![allow(clippy::unwrap_used, reason = "shared set-up of tests; a panic is a failed test")]

mod common;

use blst::{blst_fp6, blst_fp12};
use blstrs::{Compress, Fp, Fp12, G1Affine, G1Projective, G2Affine, G2Projective, Gt, Scalar};
use common::parts;
use ff::Field;
use group::Group as _;
use group::prime::PrimeCurveAffine;
use std::error::Error as StdError;
use twinseal_abe::outsource::{
    RetrievingKey, Software, TransformEngine, TransformJob, TransformKey, TransformOutput, Transformed,
    tkgen, transform, transform_with,
};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::threshold::{Ceremony, Dealing, Group, PartialKey, Participant};
use twinseal_abe::{
    Attribute, AttributeKey, Authority, Ciphertext, Error, Policy, PublicKey, SharedKey, UserId, decapsulate,
    decapsulate_checked, encapsulate,
};

const HEADER: &[u8] = b"record 7, section symptoms";

fn authority(id: &str) -> Authority {
    Authority::setup(id.parse().unwrap(), &mut OsRng)
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn issue(authority: &Authority, holder: &str, attribute: &str) -> AttributeKey {
    let attribute: Attribute = attribute.parse().unwrap();
    authority.issue(&user(holder), [&attribute], &mut OsRng).unwrap().remove(0)
}

fn seal(policy: &str, authorities: &[&Authority]) -> (Ciphertext, SharedKey) {
    let publics = authorities.iter().map(|authority| authority.public_key());
    encapsulate(&policy.parse().unwrap(), publics, HEADER, &mut OsRng).unwrap()
}

/// Every way to open there is: directly, with re-encryption, and through a helper.
fn open_all(
    ciphertext: &Ciphertext,
    holder: &str,
    keys: &[AttributeKey],
    authorities: &[&Authority],
) -> [Result<SharedKey, Error>; 3] {
    let publics = authorities.iter().map(|authority| authority.public_key());
    let (tk, rk) = tkgen(&user(holder), keys, &mut OsRng).unwrap();
    [
        decapsulate(ciphertext, HEADER, &user(holder), keys),
        decapsulate_checked(ciphertext, HEADER, &user(holder), keys, publics),
        transform(ciphertext, &tk).and_then(|transformed| {
            let finished = rk.finish(ciphertext, HEADER, &transformed);
            assert_eq!(rk.finish_encoded(&ciphertext.to_bytes(), HEADER, &transformed), finished);
            finished
        }),
    ]
}

#[track_caller]
fn refused(results: [Result<SharedKey, Error>; 3]) {
    for result in results {
        assert!(matches!(result, Err(Error::Commitment | Error::TransformRejected)), "{result:?}");
    }
}

/// A key's encoding, rewritten: names and generation may be any, K and L are where they were.
fn relabel(key: &AttributeKey, holder: &str, attribute: &str, generation: &PublicKey) -> AttributeKey {
    let (k, l) = parts(&key.to_bytes());
    forge(holder, attribute, generation, k, l)
}

fn forge(holder: &str, attribute: &str, generation: &PublicKey, k: G1Affine, l: G2Affine) -> AttributeKey {
    let mut bytes = vec![2, 3];
    for text in [holder, attribute] {
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(generation.id().as_bytes());
    bytes.extend(k.to_compressed());
    bytes.extend(l.to_compressed());
    AttributeKey::from_bytes(&bytes).unwrap()
}

// Collusion.

/// `scheme.rs` pools keys directly; here two users pool what they gave to their helpers.
#[test]
fn pooled_transform_keys_do_not_open() {
    let (x, y) = (authority("x"), authority("y"));
    let (ciphertext, key) = seal("a@x and b@y", &[&x, &y]);
    let (alice, bob) = (issue(&x, "alice", "a@x"), issue(&y, "bob", "b@y"));
    let (alice_tk, alice_rk) = tkgen(&user("alice"), [&alice], &mut OsRng).unwrap();
    let (bob_tk, bob_rk) = tkgen(&user("bob"), [&bob], &mut OsRng).unwrap();
    // One transform key of all entries, under either user's H(uid)^(1/b).
    let (alice_bytes, bob_bytes) = (alice_tk.to_bytes(), bob_tk.to_bytes());
    let entries = [&alice_bytes[52..], &bob_bytes[52..]].concat();
    let pooled = |h: &[u8]| TransformKey::from_bytes(&[h, &[0, 2], &entries].concat()).unwrap();
    for tk in [pooled(&alice_bytes[..50]), pooled(&bob_bytes[..50])] {
        let transformed = transform(&ciphertext, &tk).unwrap();
        for rk in [&alice_rk, &bob_rk] {
            assert_eq!(rk.finish(&ciphertext, HEADER, &transformed), Err(Error::TransformRejected));
        }
    }
    // Put together the same way, the entries of one user do open: the attack is carried out right.
    let both = [issue(&x, "alice", "a@x"), issue(&y, "alice", "b@y")];
    let (tk, rk) = tkgen(&user("alice"), &both, &mut OsRng).unwrap();
    let bytes = tk.to_bytes();
    let again = TransformKey::from_bytes(&[&bytes[..50], &[0, 2], &bytes[52..]].concat()).unwrap();
    let transformed = transform(&ciphertext, &again).unwrap();
    assert_eq!(rk.finish(&ciphertext, HEADER, &transformed).unwrap(), key);
}

/// Products of keys: of two users, of two attributes, of two keys for one attribute.
#[test]
fn multiplied_keys_open_nothing_more() {
    let x = authority("x");
    let x_key = x.public_key();
    let (ciphertext, key) = seal("c@x", &[&x]);
    let product = |terms: &[(&AttributeKey, Scalar)]| {
        let sum =
            terms.iter().fold((G1Projective::identity(), G2Projective::identity()), |sum, (key, weight)| {
                let (k, l) = parts(&key.to_bytes());
                (sum.0 + k * weight, sum.1 + l * weight)
            });
        (G1Affine::from(sum.0), G2Affine::from(sum.1))
    };
    let (a, b, c) = (issue(&x, "alice", "a@x"), issue(&x, "alice", "b@x"), issue(&x, "alice", "c@x"));
    let bobs = issue(&x, "bob", "c@x");
    let half = Scalar::from(2).invert().unwrap();
    let two = Scalar::from(2);
    for terms in [
        vec![(&a, half), (&b, half)],
        vec![(&a, two), (&b, -Scalar::ONE)],
        vec![(&bobs, Scalar::ONE)],
        vec![(&bobs, two), (&a, -Scalar::ONE)],
        vec![(&bobs, Scalar::ONE), (&a, Scalar::ONE), (&b, -Scalar::ONE)],
    ] {
        let (k, l) = product(&terms);
        let forged = forge("alice", "c@x", x_key, k, l);
        assert!(forged.verify(x_key).is_err());
        refused(open_all(&ciphertext, "alice", &[forged], &[&x]));
    }
    // Keys for the same user and attribute do combine, to another key for the same.
    let other = issue(&x, "alice", "c@x");
    let (k, l) = product(&[(&c, two), (&other, -Scalar::ONE)]);
    let again = forge("alice", "c@x", x_key, k, l);
    again.verify(x_key).unwrap();
    assert_eq!(decapsulate(&ciphertext, HEADER, &user("alice"), [&again]).unwrap(), key);
}

/// The authority has rotated its key. The old key under the new generation's name, and halves of
/// either, open nothing.
#[test]
fn generations_do_not_mix() {
    let (old, new) = (authority("x"), authority("x"));
    let (of_old, of_new) = (issue(&old, "alice", "a@x"), issue(&new, "alice", "a@x"));
    let (ciphertext, key) = seal("a@x", &[&new]);
    assert_eq!(decapsulate(&ciphertext, HEADER, &user("alice"), [&of_old, &of_new]).unwrap(), key);
    let rotated = decapsulate(&ciphertext, HEADER, &user("alice"), [&of_old]);
    assert!(matches!(rotated, Err(Error::AuthorityRotated { .. })), "{rotated:?}");

    let ((old_k, old_l), (new_k, new_l)) = (parts(&of_old.to_bytes()), parts(&of_new.to_bytes()));
    for (k, l) in [(old_k, old_l), (old_k, new_l), (new_k, old_l)] {
        let mixed = forge("alice", "a@x", new.public_key(), k, l);
        assert!(mixed.verify(new.public_key()).is_err());
        refused(open_all(&ciphertext, "alice", &[mixed], &[&new]));
    }
    // Renaming the generation in the ciphertext instead: the commitment covers it.
    let bytes = ciphertext.to_bytes();
    let id = new.public_key().id();
    let at = bytes.windows(16).position(|window| window == id.as_bytes()).unwrap();
    let renamed = [&bytes[..at], old.public_key().id().as_bytes(), &bytes[at + 16..]].concat();
    let renamed = Ciphertext::from_bytes(&renamed).unwrap();
    refused(open_all(&renamed, "alice", &[of_old], &[&old]));
    refused(open_all(&renamed, "alice", &[relabel(&of_new, "alice", "a@x", old.public_key())], &[&old]));
}

// Corrupted authorities.

/// An authority that turned bad gives anybody its own attributes, and nobody another's.
#[test]
fn a_corrupted_authority_is_worth_its_own_attributes_only() {
    let (x, y, w) = (authority("x"), authority("y"), authority("w"));
    let all = [&x, &y, &w];
    let forged = issue(&x, "mallory", "a@x");
    let (ciphertext, key) = seal("a@x or c@w", &all);
    assert_eq!(decapsulate(&ciphertext, HEADER, &user("mallory"), [&forged]).unwrap(), key);

    for policy in ["a@x and b@y", "2 of (a@x, b@y, c@w)", "a@x and (b@y or c@w)", "b@y"] {
        let (ciphertext, _) = seal(policy, &all);
        let short = decapsulate(&ciphertext, HEADER, &user("mallory"), [&forged]);
        assert_eq!(short.unwrap_err().code(), "TSL-ABE-010", "{policy}");
        // Made with x's secret, under y's and w's names.
        let mut keys = vec![forged.clone()];
        for (attribute, of) in [("b@y", &y), ("c@w", &w)] {
            let (k, l) = parts(&issue(&x, "mallory", &attribute.replace(['y', 'w'], "x")).to_bytes());
            keys.push(forge("mallory", attribute, of.public_key(), k, l));
        }
        assert!(keys[1].verify(y.public_key()).is_err());
        refused(open_all(&ciphertext, "mallory", &keys, &all));
    }
}

/// The corrupted authority divides its own secret out of a user's keys, and multiplies another's in.
#[test]
fn a_corrupted_authority_learns_nothing_from_another_ones_keys() {
    let (x, y) = (authority("x"), authority("y"));
    let (ciphertext, key) = seal("b@y", &[&y]);
    let (of_x, of_y) = (issue(&x, "mallory", "b@x"), issue(&y, "alice", "b@y"));
    let ((xk, xl), (yk, yl)) = (parts(&of_x.to_bytes()), parts(&of_y.to_bytes()));
    for (k, l) in [
        (yk, yl),
        ((yk + G1Projective::from(xk)).into(), (yl + G2Projective::from(xl)).into()),
        ((yk - G1Projective::from(xk)).into(), (yl - G2Projective::from(xl)).into()),
        (xk, yl),
    ] {
        let forged = forge("mallory", "b@y", y.public_key(), k, l);
        refused(open_all(&ciphertext, "mallory", &[forged], &[&y]));
    }
    assert_eq!(decapsulate(&ciphertext, HEADER, &user("alice"), [&of_y]).unwrap(), key);
}

/// A sender who was given a forged public key has encrypted for its forger: keys must be authentic.
#[test]
fn a_forged_public_key_opens_what_is_encrypted_under_it_and_nothing_else() {
    let (genuine, forged) = (authority("x"), authority("x"));
    let keys = [issue(&forged, "mallory", "a@x")];
    let (under_forged, key) = seal("a@x", &[&forged]);
    assert_eq!(decapsulate(&under_forged, HEADER, &user("mallory"), &keys).unwrap(), key);
    let (under_genuine, _) = seal("a@x", &[&genuine]);
    assert!(decapsulate(&under_genuine, HEADER, &user("mallory"), &keys).is_err());
}

// Malleated ciphertexts.

const ROW: usize = 288 + 96 + 96 + 48;

/// Ciphertext bytes: head (all before C0), C0, rows, commitment.
fn split(ciphertext: &Ciphertext) -> (Vec<u8>, Vec<u8>, Vec<Vec<u8>>, Vec<u8>) {
    let bytes = ciphertext.to_bytes();
    let rows = ciphertext.policy().rows().len();
    let (rest, commitment) = bytes.split_at(bytes.len() - 32);
    let (rest, body) = rest.split_at(rest.len() - rows * ROW);
    let (head, c0) = rest.split_at(rest.len() - 288);
    (head.into(), c0.into(), body.chunks(ROW).map(<[u8]>::to_vec).collect(), commitment.into())
}

fn join(head: &[u8], c0: &[u8], rows: &[Vec<u8>], commitment: &[u8]) -> Ciphertext {
    Ciphertext::from_bytes(&[head, c0, &rows.concat(), commitment].concat()).unwrap()
}

fn gt(element: Gt) -> Vec<u8> {
    let mut bytes = Vec::new();
    element.write_compressed(&mut bytes).unwrap();
    bytes
}

fn read_gt(bytes: &[u8]) -> Gt {
    Gt::read_compressed(bytes).unwrap()
}

#[test]
fn rearranged_ciphertexts_are_refused() {
    let x = authority("x");
    let keys = [issue(&x, "alice", "a@x"), issue(&x, "alice", "b@x")];
    let (one, key) = seal("a@x and b@x", &[&x]);
    let (other, _) = seal("a@x and b@x", &[&x]);
    let (head, c0, rows, commitment) = split(&one);
    let (_, other_c0, other_rows, other_commitment) = split(&other);
    assert_eq!(
        decapsulate(&join(&head, &c0, &rows, &commitment), HEADER, &user("alice"), &keys).unwrap(),
        key
    );

    let swapped = [rows[1].clone(), rows[0].clone()];
    let repeated = [rows[0].clone(), rows[0].clone()];
    let foreign = [rows[0].clone(), other_rows[1].clone()];
    for rows in [&swapped, &repeated, &foreign] {
        refused(open_all(&join(&head, &c0, rows, &commitment), "alice", &keys, &[&x]));
    }
    refused(open_all(&join(&head, &other_c0, &rows, &commitment), "alice", &keys, &[&x]));
    refused(open_all(&join(&head, &c0, &rows, &other_commitment), "alice", &keys, &[&x]));
    refused(open_all(&join(&head, &other_c0, &other_rows, &commitment), "alice", &keys, &[&x]));
    // A value moved from one region to another, of the same group.
    let mut moved = rows.clone();
    moved[0][288..480].rotate_left(96);
    refused(open_all(&join(&head, &c0, &moved, &commitment), "alice", &keys, &[&x]));
    let mut moved = rows.clone();
    let c1 = moved[0].splice(..288, c0.clone()).collect::<Vec<_>>();
    refused(open_all(&join(&head, &c1, &moved, &commitment), "alice", &keys, &[&x]));
}

/// The scheme without its checks is malleable: these leave R, or change it in a known way.
#[test]
fn homomorphic_changes_are_refused() {
    let x = authority("x");
    let keys = [issue(&x, "alice", "a@x"), issue(&x, "alice", "b@x")];
    let (ciphertext, _) = seal("a@x and b@x", &[&x]);
    let (head, c0, rows, commitment) = split(&ciphertext);
    let shift = Gt::generator() * Scalar::random(OsRng);
    let shifted = |bytes: &[u8]| gt(read_gt(bytes) + shift);
    // C0 multiplied: R is.
    refused(open_all(&join(&head, &shifted(&c0), &rows, &commitment), "alice", &keys, &[&x]));
    // z moved, in C0 and in a row: R is the same.
    let mut moved = rows.clone();
    moved[0].splice(..288, shifted(&rows[0][..288]));
    refused(open_all(&join(&head, &shifted(&c0), &moved, &commitment), "alice", &keys, &[&x]));
    // λ moved from one row to the other: R is the same, z too.
    moved[1].splice(..288, gt(read_gt(&rows[1][..288]) - shift));
    refused(open_all(&join(&head, &c0, &moved, &commitment), "alice", &keys, &[&x]));
    // ω moved likewise.
    let g2 = |bytes: &[u8]| G2Projective::from_compressed(bytes.try_into().unwrap()).unwrap();
    let point = G2Projective::generator() * Scalar::random(OsRng);
    let mut moved = rows.clone();
    for (row, sign) in [(0, Scalar::ONE), (1, -Scalar::ONE)] {
        let c3 = (g2(&rows[row][384..480]) + point * sign).to_compressed();
        moved[row].splice(384..480, c3);
    }
    refused(open_all(&join(&head, &c0, &moved, &commitment), "alice", &keys, &[&x]));
}

/// A policy that says more, less or something else than the rows were made for.
#[test]
fn a_lying_policy_is_refused() {
    let x = authority("x");
    let keys = [issue(&x, "alice", "a@x"), issue(&x, "alice", "b@x")];
    let eve = [issue(&x, "eve", "a@x")];
    let (ciphertext, _) = seal("a@x and b@x", &[&x]);
    let (head, c0, rows, commitment) = split(&ciphertext);
    let text = ciphertext.policy().as_str();
    let at = head.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    let relabelled = |policy: &str, rows: &[Vec<u8>]| {
        let policy: Policy = policy.parse().unwrap();
        let text_bytes = policy.as_str().as_bytes();
        let length = (text_bytes.len() as u16).to_be_bytes();
        let head = [&head[..at - 2], &length, text_bytes, &head[at + text.len()..]].concat();
        join(&head, &c0, rows, &commitment)
    };
    for policy in ["a@x or b@x", "b@x and a@x", "a@x and a@x", "b@x or a@x", "a@x and c@x", "a@x or c@x"] {
        let lying = relabelled(policy, &rows);
        match policy.contains("c@x") && policy.contains("and") {
            true => assert!(open_all(&lying, "alice", &keys, &[&x]).iter().all(Result::is_err)),
            false => refused(open_all(&lying, "alice", &keys, &[&x])),
        }
        // Whoever lies to get in: eve has only a@x.
        assert!(open_all(&lying, "eve", &eve, &[&x]).iter().all(Result::is_err), "{policy}");
    }
    refused(open_all(&relabelled("a@x", &rows[..1]), "eve", &eve, &[&x]));
    let longer = [&rows[..], &rows[..1]].concat();
    refused(open_all(&relabelled("(a@x and b@x) or a@x", &longer), "eve", &eve, &[&x]));
}

// Wrong transforms.

struct Outsourced {
    ciphertext: Ciphertext,
    key: SharedKey,
    tk: TransformKey,
    rk: RetrievingKey,
    x: Authority,
    keys: Vec<AttributeKey>,
}

impl Outsourced {
    fn new() -> Self {
        let x = authority("x");
        let keys = vec![issue(&x, "alice", "a@x"), issue(&x, "alice", "b@x")];
        let (tk, rk) = tkgen(&user("alice"), &keys, &mut OsRng).unwrap();
        let (ciphertext, key) = seal("a@x and b@x", &[&x]);
        Self { ciphertext, key, tk, rk, x, keys }
    }

    fn right(&self) -> (Gt, Gt) {
        let bytes = transform(&self.ciphertext, &self.tk).unwrap().to_bytes();
        (read_gt(&bytes[2..290]), read_gt(&bytes[290..]))
    }

    fn finish(&self, t: Gt, q: Gt) -> Result<SharedKey, Error> {
        let bytes = [&[2, 7][..], &gt(t), &gt(q)].concat();
        self.rk.finish(&self.ciphertext, HEADER, &Transformed::from_bytes(&bytes).unwrap())
    }
}

#[test]
fn wrong_transforms_are_refused() {
    let world = Outsourced::new();
    let (t, q) = world.right();
    assert_eq!(world.finish(t, q).unwrap(), world.key);

    let e = Gt::generator();
    let s = Scalar::random(OsRng);
    let (other, _) = seal("a@x and b@x", &[&world.x]);
    let of_other = transform(&other, &world.tk).unwrap().to_bytes();
    let (other_t, other_q) = (read_gt(&of_other[2..290]), read_gt(&of_other[290..]));
    let (other_tk, _) = tkgen(&user("alice"), &world.keys, &mut OsRng).unwrap();
    let blinded = transform(&world.ciphertext, &other_tk).unwrap().to_bytes();
    for (what, t, q) in [
        ("exchanged", q, t),
        ("random", e * s, e * s),
        ("inverted", -t, -q),
        ("T inverted", -t, q),
        ("squared", t.double(), q.double()),
        ("T multiplied", t + e * s, q),
        ("Q multiplied", t, q + e * s),
        ("moved from T to Q", t - e * s, q + e * s),
        ("of another ciphertext", other_t, other_q),
        ("T of another ciphertext", other_t, q),
        ("Q of another ciphertext", t, other_q),
        ("of another transform key", read_gt(&blinded[2..290]), read_gt(&blinded[290..])),
    ] {
        assert_eq!(world.finish(t, q), Err(Error::TransformRejected), "{what}");
    }
    // With b one can put it differently, and the result is the right one: T^b · Q is all that counts.
    let b = Scalar::from_bytes_be(world.rk.to_bytes().last_chunk().unwrap()).unwrap();
    assert_eq!(world.finish(t + e * s, q - e * (s * b)).unwrap(), world.key);
    // A right transform, with another header or for another ciphertext.
    let right = transform(&world.ciphertext, &world.tk).unwrap();
    assert_eq!(world.rk.finish(&world.ciphertext, b"record 8", &right), Err(Error::TransformRejected));
    assert_eq!(world.rk.finish(&other, HEADER, &right), Err(Error::TransformRejected));
}

/// An engine that returns whatever `lie` makes of the job and the right output.
struct Liar<F>(F);

impl<F: Fn(&TransformJob, TransformOutput) -> TransformOutput> TransformEngine for Liar<F> {
    fn transform(&self, job: &TransformJob) -> Result<TransformOutput, Box<dyn StdError + Send + Sync>> {
        Ok((self.0)(job, Software.transform(job)?))
    }
}

#[test]
fn engines_that_lie_are_refused() {
    let world = Outsourced::new();
    let run = |lie: &dyn Fn(&TransformJob, TransformOutput) -> TransformOutput| {
        transform_with(&world.ciphertext, &world.tk, &Liar(lie))
            .and_then(|transformed| world.rk.finish(&world.ciphertext, HEADER, &transformed))
    };
    assert_eq!(run(&|_, right| right).unwrap(), world.key);
    let swapped = run(&|_, right| TransformOutput { t: right.q, q: right.t });
    assert_eq!(swapped, Err(Error::TransformRejected));
    let lazy = run(&|job, right| TransformOutput { q: job.factors[0], ..right });
    assert_eq!(lazy, Err(Error::TransformRejected));
    let shortened = run(&|job, right| {
        let job = TransformJob { pairs: job.pairs[1..].to_vec(), factors: job.factors.clone() };
        TransformOutput { t: Software.transform(&job).unwrap().t, ..right }
    });
    assert_eq!(shortened, Err(Error::TransformRejected));
    for bytes in [[0; 576], [0xff; 576]] {
        for lie in [&(|right| TransformOutput { t: bytes, ..right }) as &dyn Fn(_) -> _, &|right| {
            TransformOutput { q: bytes, ..right }
        }] {
            assert!(matches!(run(&|_, right| lie(right)), Err(Error::Engine { .. })));
        }
    }
}

// Elements of small order.

/// r · (1 - x) and r · h2, of which the orders of all points of E(Fp) and E'(Fp2) are divisors (x is the
/// curve's parameter, h2 the cofactor of G2).
const G1_EXPONENT: &str = "5f19672fdf76ce50d28e776116d47d5841f8c5f1fba8d33881bfa40089fc5bffd1ffffff00010001";
const G2_EXPONENT: &str = "02a437a4b8c35fc74bd278eaa22f25e9e2dc90e50e7046b466e59e49349e8bd050a62cfd16ddca6ef53149330978ef0137697386\
     bf984315744a2d5eb3dd4d213f2484c55b94474ab096de2c62640b2643116b1e2788e6a8b2a9fffe1c7238e5";

/// `number` (big-endian hexadecimal) divided by `divisor`, which must go into it.
fn divided(number: &str, divisor: u32) -> Vec<u8> {
    let number = hex::decode(number).unwrap();
    let mut rest = 0;
    let quotient = number.iter().map(|byte| {
        rest = rest << 8 | u32::from(*byte);
        let digit = (rest / divisor) as u8;
        rest %= divisor;
        digit
    });
    let quotient = quotient.collect();
    assert_eq!(rest, 0);
    quotient
}

/// By doubling and adding: the library's own multiplication is for the prime-order subgroup only.
fn times<P: group::Group>(point: P, number: &[u8]) -> P {
    number.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).fold(
        P::identity(),
        |product, bit| if bit == 1 { product.double() + point } else { product.double() },
    )
}

/// Points of prime order `order` on `E(Fp)`.
fn small_g1(order: u32) -> G1Projective {
    let points = (0u8..).filter_map(|x| {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (0x80, x);
        Option::<G1Affine>::from(G1Affine::from_compressed_unchecked(&bytes))
    });
    let mut small = points.map(|p| times(G1Projective::from(p), &divided(G1_EXPONENT, order)));
    let found = small.find(|point| !bool::from(point.is_identity())).unwrap();
    assert!(bool::from(times(found, &order.to_be_bytes()).is_identity()));
    found
}

/// Points of prime order `order` on the twist.
fn small_g2(order: u32) -> G2Projective {
    let points = (0u8..).filter_map(|x| {
        let mut bytes = [0; 96];
        (bytes[0], bytes[95]) = (0x80, x);
        Option::<G2Affine>::from(G2Affine::from_compressed_unchecked(&bytes))
    });
    let mut small = points.map(|p| times(G2Projective::from(p), &divided(G2_EXPONENT, order)));
    let found = small.find(|point| !bool::from(point.is_identity())).unwrap();
    assert!(bool::from(times(found, &order.to_be_bytes()).is_identity()));
    found
}

/// An element of Fp12 of small order, from `vectors/small_order_gt.txt`.
struct SmallGt {
    order: u32,
    /// As engines return it.
    plain: [u8; 576],
    /// As it would stand in an encoding; not every order has this form.
    torus: Option<[u8; 288]>,
}

fn small_gts() -> Vec<SmallGt> {
    let lines = include_str!("../vectors/small_order_gt.txt").lines().filter(|line| !line.starts_with('#'));
    let parse = |line: &str| {
        let [order, plain, torus] = line.split(' ').collect::<Vec<_>>()[..] else { panic!() };
        let bytes = |hex: &str| hex::decode(hex).unwrap();
        SmallGt {
            order: order.parse().unwrap(),
            plain: bytes(plain).try_into().unwrap(),
            torus: (torus != "-").then(|| bytes(torus).try_into().unwrap()),
        }
    };
    lines.map(parse).collect()
}

/// The element of Fp12 with the coefficients `numbers` (real and imaginary part) of the given powers of w.
fn fp12(powers: &[usize], numbers: &[[u8; 48]]) -> Fp12 {
    let mut element = blst_fp12 { fp6: [blst_fp6::default(); 2] };
    for (power, pair) in powers.iter().zip(numbers.chunks(2)) {
        for (part, number) in pair.iter().enumerate() {
            element.fp6[power % 2].fp2[power / 2].fp[part] = Fp::from_bytes_be(number).unwrap().into();
        }
    }
    element.into()
}

/// The vectors are what they say: of that order exactly (which is prime), and the same in both forms.
#[test]
fn the_elements_of_small_order_have_it() {
    let numbers = |bytes: &[u8]| -> Vec<[u8; 48]> { bytes.as_chunks().0.to_vec() };
    let mut one = [[0; 48]; 2];
    one[0][47] = 1;
    let w = fp12(&[1], &one);
    let mut orders = Vec::new();
    for SmallGt { order, plain, torus } in small_gts() {
        let plain = fp12(&[0, 1, 2, 3, 4, 5], &numbers(&plain));
        assert!(plain != Fp12::ONE && plain.pow_vartime([u64::from(order)]) == Fp12::ONE);
        if let Some(torus) = torus {
            let mut numbers = numbers(&torus);
            numbers.iter_mut().for_each(|number| number.reverse());
            let b = fp12(&[0, 2, 4], &numbers);
            assert_eq!(plain * (b - w), b + w);
        }
        orders.push(order);
    }
    assert_eq!(orders, [2, 3, 11, 5, 37, 73, 89, 4513]);
}

/// A place in an encoding where an element stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    G1(usize),
    G2(usize),
    Gt(usize),
}

type Parse = fn(&[u8]) -> bool;

/// Every encoding with elements, where they stand, and its parser.
fn encodings() -> Vec<(&'static str, Vec<u8>, Vec<Place>, Parse)> {
    use Place::{G1, G2, Gt};
    let x = authority("x");
    let key = issue(&x, "alice", "a@x");
    let (ciphertext, _) = seal("a@x", &[&x]);
    let (tk, _) = tkgen(&user("alice"), [&key], &mut OsRng).unwrap();
    let transformed = transform(&ciphertext, &tk).unwrap();

    let ceremony = Ceremony::generate("x".parse().unwrap(), 2, 2, &[7; 32]).unwrap();
    let (mut participants, pledges): (Vec<_>, Vec<_>) =
        [1, 2].map(|i| Participant::join(&ceremony, i, &mut OsRng).unwrap()).into_iter().unzip();
    let (dealings, shares): (Vec<_>, Vec<_>) =
        participants.iter_mut().map(|p| p.reveal(&pledges).unwrap()).unzip();
    let (share, group) = participants[0].finish(&dealings, &shares[1]).unwrap();
    let attribute: Attribute = "a@x".parse().unwrap();
    let partial = share.issue(&user("alice"), [&attribute], &mut OsRng).unwrap().remove(0);

    let (public_key, key) = (x.public_key().to_bytes(), key.to_bytes().to_vec());
    let (ciphertext, tk) = (ciphertext.to_bytes(), tk.to_bytes());
    let (dealing, group, partial) = (dealings[0].to_bytes(), group.to_bytes(), partial.to_bytes().to_vec());
    let (end, key_end, tk_end) = (ciphertext.len() - 32, key.len(), tk.len());
    let (public_key_end, group_end, partial_end) = (public_key.len(), group.len(), partial.len());
    vec![
        ("public key", public_key, vec![Gt(public_key_end - 384), G2(public_key_end - 96)], |b| {
            PublicKey::from_bytes(b).is_ok()
        }),
        ("attribute key", key, vec![G1(key_end - 144), G2(key_end - 96)], |b| {
            AttributeKey::from_bytes(b).is_ok()
        }),
        (
            "ciphertext",
            ciphertext,
            vec![Gt(end - ROW - 288), Gt(end - ROW), G2(end - 240), G2(end - 144), G1(end - 48)],
            |b| Ciphertext::from_bytes(b).is_ok(),
        ),
        ("transform key", tk, vec![G1(2), G1(tk_end - 144), G2(tk_end - 96)], |b| {
            TransformKey::from_bytes(b).is_ok()
        }),
        ("transformed", transformed.to_bytes(), vec![Gt(2), Gt(290)], |b| Transformed::from_bytes(b).is_ok()),
        ("dealing", dealing, vec![Gt(37), G2(37 + 288), Gt(37 + 384), G2(37 + 672)], |b| {
            Dealing::from_bytes(b).is_ok()
        }),
        (
            "group",
            group,
            vec![Gt(group_end - 768), G2(group_end - 480), Gt(group_end - 384), G2(group_end - 96)],
            |b| Group::from_bytes(b).is_ok(),
        ),
        ("partial key", partial, vec![G1(partial_end - 144), G2(partial_end - 96)], |b| {
            PartialKey::from_bytes(b).is_ok()
        }),
    ]
}

fn put(bytes: &[u8], at: usize, element: &[u8]) -> Vec<u8> {
    [&bytes[..at], element, &bytes[at + element.len()..]].concat()
}

#[test]
fn no_encoding_takes_an_element_of_small_order() {
    // Of small order, and of small order times a good one: on the curve, outside the subgroup.
    let (mut bad_g1, mut bad_g2, mut bad_gt) = (Vec::new(), Vec::new(), Vec::new());
    for order in [3, 11, 10177] {
        let small = small_g1(order);
        bad_g1.extend([small, small + G1Projective::generator()].map(|point| point.to_compressed()));
    }
    for order in [2713, 11953, 262_069] {
        let small = small_g2(order);
        bad_g2.extend([small, small + G2Projective::generator()].map(|point| point.to_compressed()));
    }
    bad_g1.push(G1Projective::identity().to_compressed());
    bad_g2.push(G2Projective::identity().to_compressed());
    // Off the curve; and the good generators with the wrong flags.
    let off = |x: u8, bytes: &mut [u8]| {
        bytes.fill(0);
        bytes[0] = 0x80;
        *bytes.last_mut().unwrap() = x;
    };
    let on_e1 = |b: &[u8; 48]| bool::from(G1Affine::from_compressed_unchecked(b).is_some());
    let on_e2 = |b: &[u8; 96]| bool::from(G2Affine::from_compressed_unchecked(b).is_some());
    for x in 0..20 {
        let (mut one, mut two) = ([0; 48], [0; 96]);
        off(x, &mut one);
        off(x, &mut two);
        bad_g1.extend((!on_e1(&one)).then_some(one));
        bad_g2.extend((!on_e2(&two)).then_some(two));
    }
    assert!(bad_g1.len() > 10 && bad_g2.len() > 10);
    for flag in [0x80, 0x40] {
        let (mut one, mut two) =
            (G1Affine::generator().to_compressed(), G2Affine::generator().to_compressed());
        one[0] ^= flag;
        two[0] ^= flag;
        bad_g1.push(one);
        bad_g2.push(two);
    }
    bad_gt.extend(small_gts().iter().filter_map(|small| small.torus));
    assert_eq!(bad_gt.len(), 6);
    bad_gt.push([0xff; 288]);

    let good_g1 = (G1Projective::generator() * Scalar::from(9)).to_compressed();
    let good_g2 = (G2Projective::generator() * Scalar::from(9)).to_compressed();
    let good_gt = gt(Gt::generator() * Scalar::from(9));
    for (what, bytes, places, parses) in encodings() {
        for place in places {
            // Another good element shows that the place is right.
            let (good, bad): (Vec<u8>, Vec<Vec<u8>>) = match place {
                Place::G1(at) => {
                    (put(&bytes, at, &good_g1), bad_g1.iter().map(|b| put(&bytes, at, b)).collect())
                }
                Place::G2(at) => {
                    (put(&bytes, at, &good_g2), bad_g2.iter().map(|b| put(&bytes, at, b)).collect())
                }
                Place::Gt(at) => {
                    (put(&bytes, at, &good_gt), bad_gt.iter().map(|b| put(&bytes, at, b)).collect())
                }
            };
            assert!(good != bytes && parses(&good), "{what}");
            assert!(!bad.iter().any(|bad| parses(bad)), "{what}");
        }
    }
}

/// An element of order n in the place of T, or multiplied to it, would tell b mod n by whether the reader
/// accepts. The engine's bytes are the way in for those that have no compressed form.
#[test]
fn no_engine_can_return_an_element_of_small_order() {
    let world = Outsourced::new();
    for SmallGt { order, plain, .. } in small_gts() {
        let small = fp12(&[0, 1, 2, 3, 4, 5], plain.as_chunks().0);
        let multiplied = |bytes: [u8; 576]| {
            let product = blst_fp12::from(fp12(&[0, 1, 2, 3, 4, 5], bytes.as_chunks().0) * small);
            let mut bytes = [0; 576];
            for (i, number) in bytes.as_chunks_mut::<48>().0.iter_mut().enumerate() {
                *number = Fp::from(product.fp6[i / 2 % 2].fp2[i / 4].fp[i % 2]).to_bytes_be();
            }
            bytes
        };
        let lies: [&dyn Fn(TransformOutput) -> TransformOutput; 4] = [
            &|right| TransformOutput { t: plain, ..right },
            &|right| TransformOutput { q: plain, ..right },
            &|right| TransformOutput { t: multiplied(right.t), ..right },
            &|right| TransformOutput { q: multiplied(right.q), ..right },
        ];
        for lie in lies {
            let liar = Liar(|_: &TransformJob, right| lie(right));
            let refused = transform_with(&world.ciphertext, &world.tk, &liar);
            assert!(matches!(refused, Err(Error::Engine { .. })), "order {order}: {refused:?}");
        }
    }
}
