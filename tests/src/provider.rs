//! What every provider must compute, whoever fills its slots.

use std::io::{self, Read};

use blst::blst_fp12;
use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Scalar};
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use twinseal_driver::{Error, GT_BYTES, MAX_FACTORS, MAX_PAIRS, Provider, TransformJob, TransformOutput};
use twinseal_hdl::flow::tool::skipped;

use crate::Budget;
use crate::data::{Random, cavp_sha256};
use crate::reference::{sha256, tree_head};

/// Runs every check.
///
/// # Panics
/// If a check fails.
pub fn run(provider: &Provider, budget: &Budget) {
    for (name, check) in [
        ("hashes", hashes as fn(&Provider, &Budget)),
        ("hashes of streams", streams),
        ("tree heads", tree_heads),
        ("products of pairings", pairings),
        ("what is no group element", strange_elements),
        ("derived keys", derived_keys),
        ("entropy", entropy),
        ("several threads", threads),
    ] {
        println!("provider: {name} of {provider:?}");
        check(provider, budget);
    }
}

/// Runs the checks of keys and randomness alone.
///
/// # Panics
/// If a check fails.
pub fn secrets(provider: &Provider, budget: &Budget) {
    for (name, check) in [
        ("derived keys", derived_keys as fn(&Provider, &Budget)),
        ("entropy", entropy),
        ("threads", key_threads),
    ] {
        println!("provider: {name} of {provider:?}");
        check(provider, budget);
    }
}

/// Keys and hashes at the same time: on a board they share the engine.
fn key_threads(provider: &Provider, _: &Budget) {
    let key = provider.derive.derive(b"label").unwrap();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let key = key.clone();
            scope.spawn(move || {
                let mut random = Random::new(50 + seed);
                for _ in 0..8 {
                    let len = random.below(1_500);
                    let message = random.bytes(len);
                    assert_eq!(provider.hash.hash(&message).unwrap(), sha256(&message));
                    assert_eq!(provider.derive.derive(b"label").unwrap(), key);
                    provider.entropy.fill(&mut [0; 40]).unwrap();
                }
            });
        }
    });
}

fn hashes(provider: &Provider, budget: &Budget) {
    let mut random = Random::new(11);
    for len in budget.lengths().chain([1_021, 1_022, 1_023, 10_000]) {
        let message = random.bytes(len);
        assert_eq!(provider.hash.hash(&message).unwrap(), sha256(&message), "{len} bytes");
    }
    for vector in cavp_sha256().iter().step_by(budget.vector_step) {
        assert_eq!(provider.hash.hash(&vector.message).unwrap(), vector.digest);
    }
    assert!(!provider.hash.engine().is_empty());
}

/// A reader that gives a few bytes at a time, interrupts now and then, and fails at the end if told to.
struct Trickle<'a> {
    rest: &'a [u8],
    random: Random,
    fails: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.random.below(5) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.rest.is_empty() && self.fails {
            return Err(io::Error::other("the disk is gone"));
        }
        let len = (1 + self.random.below(200)).min(buffer.len());
        self.rest.read(&mut buffer[..len])
    }
}

fn streams(provider: &Provider, budget: &Budget) {
    let mut random = Random::new(12);
    let lengths = [0, 1, 510, 511, 512, 1_021, 1_022, 1_023, 20_000];
    for len in lengths.into_iter().step_by(budget.length_step.min(2)) {
        let message = random.bytes(len);
        let mut trickle = Trickle { rest: &message, random: random.clone(), fails: false };
        assert_eq!(provider.hash.hash_reader(&mut trickle).unwrap(), sha256(&message), "{len} bytes");
        let mut failing = Trickle { rest: &message, random: random.clone(), fails: true };
        let error = provider.hash.hash_reader(&mut failing).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
    }
    assert_eq!(provider.hash.hash(b"after").unwrap(), sha256(b"after"));
}

fn tree_heads(provider: &Provider, budget: &Budget) {
    let mut random = Random::new(13);
    let check = |leaves: &[Vec<u8>]| {
        let slices: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
        let head = provider.merkle.merkle_root(&slices).unwrap();
        assert_eq!(head, tree_head(leaves), "{} leaves", leaves.len());
    };
    for count in (0..=9).chain([15, 16, 17, 63, 64, 65]) {
        check(&(0..count).map(|_| random.bytes(32)).collect::<Vec<_>>());
    }
    for len in budget.lengths() {
        check(&[random.bytes(len), vec![], random.bytes(600 - len)]);
    }
    check(&[random.bytes(3_000)]);
    assert!(!provider.merkle.engine().is_empty());
}

fn transformed(
    provider: &Provider,
    pairs: &[(G1Affine, G2Affine)],
    factors: &[blst_fp12],
) -> TransformOutput {
    let job = TransformJob {
        pairs: pairs.iter().map(|(p, q)| (p.to_uncompressed(), q.to_uncompressed())).collect(),
        factors: factors.iter().map(blst_fp12::to_bendian).collect(),
    };
    provider.transform.transform(&job).unwrap()
}

/// e(p, q) by one Miller loop and one final exponentiation, without any encoding.
fn pairing(p: &G1Affine, q: &G2Affine) -> blst_fp12 {
    blst_fp12::miller_loop(q.as_ref(), p.as_ref()).final_exp()
}

fn scalar(random: &mut Random) -> Scalar {
    let limbs = random.bytes(24);
    let limb = |i: usize| limbs[8 * i..8 * i + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Option::from(Scalar::from_u64s_le(&[limb(0), limb(1), limb(2), 0])).unwrap()
}

/// e(g1, g2) of draft-irtf-cfrg-pairing-friendly-curves-11, appendix B: there all real coefficients of the tower come
/// before those with w.
fn published_pairing() -> [u8; GT_BYTES] {
    const TOWER: [&str; 12] = [
        "11619b45f61edfe3b47a15fac19442526ff489dcda25e59121d9931438907dfd448299a87dde3a649bdba96e84d54558",
        "153ce14a76a53e205ba8f275ef1137c56a566f638b52d34ba3bf3bf22f277d70f76316218c0dfd583a394b8448d2be7f",
        "095668fb4a02fe930ed44767834c915b283b1c6ca98c047bd4c272e9ac3f3ba6ff0b05a93e59c71fba77bce995f04692",
        "16deedaa683124fe7260085184d88f7d036b86f53bb5b7f1fc5e248814782065413e7d958d17960109ea006b2afdeb5f",
        "09c92cf02f3cd3d2f9d34bc44eee0dd50314ed44ca5d30ce6a9ec0539be7a86b121edc61839ccc908c4bdde256cd6048",
        "111061f398efc2a97ff825b04d21089e24fd8b93a47e41e60eae7e9b2a38d54fa4dedced0811c34ce528781ab9e929c7",
        "01ecfcf31c86257ab00b4709c33f1c9c4e007659dd5ffc4a735192167ce197058cfb4c94225e7f1b6c26ad9ba68f63bc",
        "08890726743a1f94a8193a166800b7787744a8ad8e2f9365db76863e894b7a11d83f90d873567e9d645ccf725b32d26f",
        "0e61c752414ca5dfd258e9606bac08daec29b3e2c57062669556954fb227d3f1260eedf25446a086b0844bcd43646c10",
        "0fe63f185f56dd29150fc498bbeea78969e7e783043620db33f75a05a0a2ce5c442beaff9da195ff15164c00ab66bdde",
        "10900338a92ed0b47af211636f7cfdec717b7ee43900eee9b5fc24f0000c5874d4801372db478987691c566a8c474978",
        "1454814f3085f0e6602247671bc408bbce2007201536818c901dbd4d2095dd86c1ec8b888e59611f60a301af7776be3d",
    ];
    let mut bytes = [0; GT_BYTES];
    for (i, coefficient) in bytes.chunks_exact_mut(96).enumerate() {
        let at = 2 * (i / 2 + 3 * (i % 2));
        coefficient[..48].copy_from_slice(&unhex(TOWER[at]));
        coefficient[48..].copy_from_slice(&unhex(TOWER[at + 1]));
    }
    bytes
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

fn pairings(provider: &Provider, _: &Budget) {
    let mut random = Random::new(31);
    let one = blst_fp12::default();
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let e = pairing(&g1, &g2);

    let nothing = transformed(provider, &[], &[]);
    assert_eq!((nothing.t, nothing.q), (one.to_bendian(), one.to_bendian()), "empty products are one");
    let identities = [(G1Affine::identity(), g2), (g1, G2Affine::identity())];
    assert_eq!(transformed(provider, &identities, &[one]), nothing, "identities contribute nothing");

    let generators = transformed(provider, &[(g1, g2)], &[]).t;
    assert_eq!(generators, e.to_bendian());
    let published = TransformJob { pairs: vec![], factors: vec![published_pairing(); 3] };
    let cubed = provider.transform.transform(&published).unwrap().q;
    assert_eq!(generators, cubed, "the published pairing of the generators, cubed as everybody computes it");

    for _ in 0..4 {
        let (a, b) = (scalar(&mut random), scalar(&mut random));
        let (p, q) =
            ((G1Projective::generator() * a).to_affine(), (G2Projective::generator() * b).to_affine());
        let both = (G1Projective::generator() * (a * b)).to_affine();
        let t = transformed(provider, &[(p, q)], &[]).t;
        assert_eq!(t, pairing(&p, &q).to_bendian());
        assert_eq!(t, transformed(provider, &[(both, g2)], &[]).t, "bilinear");
        assert_eq!(transformed(provider, &[(p, q), (-p, q)], &[]), nothing, "e(p, q) e(-p, q) is one");
        let pairs = [(p, q), (g1, g2), (both, q)];
        let product = pairing(&p, &q) * e * pairing(&both, &q);
        let factors = pairs.map(|(p, q)| pairing(&p, &q));
        let all = transformed(provider, &pairs, &factors);
        assert_eq!(all.t, product.to_bendian(), "a product of pairings");
        assert_eq!(all.q, all.t, "the same as a product of factors");
    }
    let many = vec![(g1, g2); 41];
    let weighted = (G1Projective::generator() * Scalar::from(41)).to_affine();
    assert_eq!(transformed(provider, &many, &[]).t, pairing(&weighted, &g2).to_bendian());
    assert!(!provider.transform.engine().is_empty());
}

fn strange_elements(provider: &Provider, _: &Budget) {
    let order =
        "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    let order = unhex(order);
    // The order of the field plus `bytes`: the same element, written in another way.
    let plus_order = |bytes: &mut [u8]| {
        let mut carry = 0;
        for (byte, order) in bytes.iter_mut().zip(&order).rev() {
            let sum = u16::from(*byte) + u16::from(*order) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
    };
    let (g1, g2) = (G1Affine::generator().to_uncompressed(), G2Affine::generator().to_uncompressed());
    let e = pairing(&G1Affine::generator(), &G2Affine::generator()).to_bendian();
    let refused = |pairs: Vec<([u8; 96], [u8; 192])>, factors: Vec<[u8; GT_BYTES]>, bad: &str, why: &str| {
        let error = provider.transform.transform(&TransformJob { pairs, factors }).unwrap_err();
        assert!(matches!(error, Error::TransformInput { index: 1, .. }), "{why}: {error}");
        assert!(error.to_string().contains(bad), "{why}: {error}");
    };
    let bad_g1 = |point, why| refused(vec![(g1, g2), (point, g2)], vec![], "G1", why);
    let bad_g2 = |point, why| refused(vec![(g1, g2), (g1, point)], vec![], "G2", why);
    let bad_gt = |element, why| refused(vec![], vec![e, element], "target group", why);
    let with = |mut bytes: [u8; 96], at: usize, byte| {
        bytes[at] = byte;
        bytes
    };

    bad_g1(with(g1, 95, g1[95] ^ 1), "off the curve");
    bad_g1(with([0; 96], 95, 2), "(0, 2), a point of order 3");
    bad_g1([0; 96], "(0, 0)");
    bad_g1(with(with([0; 96], 0, 0x40), 95, 1), "an identity with something behind it");
    bad_g1(with(g1, 0, g1[0] | 0x80), "marked as compressed");
    let mut compressed = [0x77; 96];
    compressed[..48].copy_from_slice(&G1Affine::generator().to_compressed());
    bad_g1(compressed, "the compressed form, and anything behind it");
    bad_g1(with(g1, 0, g1[0] | 0x20), "marked with a sign");
    bad_g1(with([0; 96], 0, 0x60), "an identity with a sign");
    let small = (1u64..).map(|k| (G1Projective::generator() * Scalar::from(k)).to_affine().to_uncompressed());
    let mut small = small.into_iter().find(|point| point[0] < 5).unwrap();
    plus_order(&mut small[..48]);
    bad_g1(small, "x is not below the field's order");

    let mut off = g2;
    off[191] ^= 1;
    bad_g2(off, "off the curve");
    let outside = (1..40).find_map(|x| {
        let mut bytes = [0; 96];
        (bytes[0], bytes[95]) = (0x80, x);
        Option::<G2Affine>::from(G2Affine::from_compressed_unchecked(&bytes))
    });
    bad_g2(outside.unwrap().to_uncompressed(), "on the curve, but not in the group");
    bad_g2([0; 192], "(0, 0)");
    let mut compressed = [0x77; 192];
    compressed[..96].copy_from_slice(&G2Affine::generator().to_compressed());
    bad_g2(compressed, "the compressed form, and anything behind it");
    let mut behind = g2;
    behind[..96].copy_from_slice(&G2Affine::generator().to_compressed());
    bad_g2(behind, "the compressed form, and a half that would fit");

    let mut element = e;
    plus_order(&mut element[48..96]);
    bad_gt(element, "a coefficient is not below the field's order");
    bad_gt([0; GT_BYTES], "zero");
    let mut minus_one = [0; GT_BYTES];
    minus_one[..48].copy_from_slice(&order);
    minus_one[47] -= 1;
    bad_gt(minus_one, "-1, of order 2");
    let before = blst_fp12::miller_loop(G2Affine::generator().as_ref(), G1Affine::generator().as_ref());
    bad_gt(before.to_bendian(), "before the final exponentiation");

    for job in [
        TransformJob { pairs: vec![(g1, g2); MAX_PAIRS + 1], factors: vec![] },
        TransformJob { pairs: vec![], factors: vec![e; MAX_FACTORS + 1] },
    ] {
        let error = provider.transform.transform(&job).unwrap_err();
        assert!(matches!(error, Error::TransformTooLarge { .. }), "{error}");
    }
}

fn derived_keys(provider: &Provider, _: &Budget) {
    let derive = &provider.derive;
    match derive.derive(b"one") {
        Err(Error::NoRoot) => skipped("no root secret in this provider: nothing to derive"),
        one => {
            let one = one.unwrap();
            assert_eq!(derive.derive(b"one").unwrap(), one);
            assert_ne!(derive.derive(b"two").unwrap(), one);
            assert_ne!(derive.derive(b"").unwrap(), one);
            assert_ne!(derive.derive(&[7; 128]).unwrap(), derive.derive(&[7; 127]).unwrap());
            let error = derive.derive(&[7; 129]).unwrap_err();
            assert!(matches!(error, Error::LabelTooLong { bytes: 129, max: 128 }), "{error}");
        }
    }
}

fn entropy(provider: &Provider, _: &Budget) {
    let (mut first, mut second) = ([0; 64], [0; 64]);
    provider.entropy.fill(&mut first).unwrap();
    provider.entropy.fill(&mut second).unwrap();
    assert_ne!(first, second);
    let zeros = first.iter().chain(&second).filter(|byte| **byte == 0).count();
    assert!(zeros < 16, "{zeros} of 128 bytes are zero");
    provider.entropy.fill(&mut []).unwrap();
}

fn threads(provider: &Provider, _: &Budget) {
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut random = Random::new(20 + seed);
                for _ in 0..8 {
                    let len = random.below(1_500);
                    let message = random.bytes(len);
                    assert_eq!(provider.hash.hash(&message).unwrap(), sha256(&message));
                    let root = provider.merkle.merkle_root(&[&message, b"leaf"]).unwrap();
                    assert_eq!(root, tree_head(&[&message[..], b"leaf"]));
                }
            });
        }
    });
}
