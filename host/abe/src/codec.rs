//! Canonical binary encodings: every value has one encoding and every other byte string is refused.
//!
//! Each starts with a version byte and a kind byte. Integers are big-endian; strings have a 16-bit
//! length. G1 and G2 points are in the usual compressed form (48 and 96 bytes). Target group elements are
//! in the torus-compressed form of `blstrs` (288 bytes, half of the plain one), because a public key
//! must carry e(g1,g2)^alpha itself: g1^alpha in its place would let anybody unmask every row with
//! e(g1^alpha, C2). All are checked to lie in the group of prime order and not to be its identity; the
//! torus form cannot even express the identity.
//!
//! What is not checked, because it is in the way of the work and found later: the elements of
//! [`crate::outsource::Rows`] (uncompressed, on their curves, or any numbers in range) before
//! [`crate::outsource::Pending::finish`]; and rows that [`crate::outsource::RetrievingKey::finish_encoded`] and
//! [`crate::decapsulate_encoded`] do not compute with, of which only the hash counts.

use crate::Error;
use crate::groups::Bls12381;
use crate::scheme::{Key, Row};
use blst::blst_fp12;
use blstrs::{Compress, Fp, Fp12, G1Projective, G2Projective, Gt, Scalar};
use ff::Field;
use group::Group;
use std::str::FromStr;

/// First byte of every encoding.
pub(crate) const VERSION: u8 = 2;

/// Second byte of every encoding. Values are never reused.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Kind {
    PublicKey = 1,
    Authority = 2,
    AttributeKey = 3,
    Ciphertext = 4,
    TransformKey = 5,
    RetrievingKey = 6,
    Transformed = 7,
    RowsJob = 8,
    Rows = 9,
    Pledge = 32,
    Dealing = 33,
    PrivateShare = 34,
    Group = 35,
    GroupShare = 36,
    PartialKey = 37,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::PublicKey => "public key",
            Kind::Authority => "secret key of an authority",
            Kind::AttributeKey => "attribute key",
            Kind::Ciphertext => "ciphertext",
            Kind::Pledge => "pledge of a dealing",
            Kind::Dealing => "dealing",
            Kind::PrivateShare => "private share",
            Kind::Group => "group",
            Kind::GroupShare => "share of a group",
            Kind::PartialKey => "partial key",
            Kind::TransformKey => "transform key",
            Kind::RetrievingKey => "retrieving key",
            Kind::Transformed => "transformed ciphertext",
            Kind::RowsJob => "job of an encryption",
            Kind::Rows => "rows of an encryption",
        }
    }
}

/// Appends the parts of an encoding. `capacity` covers all of it, so that secrets are not left behind in a
/// buffer that was outgrown; unit tests fail otherwise.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    capacity: usize,
}

impl Writer {
    pub(crate) fn new(kind: Kind, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend([VERSION, kind as u8]);
        Self { bytes, capacity }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        if cfg!(test) {
            assert!(self.bytes.len() <= self.capacity, "{} of {} bytes", self.bytes.len(), self.capacity);
        }
        self.bytes
    }

    /// `text` is at most 65,535 bytes by its own type's limit.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes.extend((text.len() as u16).to_be_bytes());
        self.bytes.extend(text.as_bytes());
    }

    pub(crate) fn count(&mut self, count: u16) {
        self.bytes.extend(count.to_be_bytes());
    }

    pub(crate) fn array(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(crate) fn scalar(&mut self, scalar: &Scalar) {
        self.bytes.extend(scalar.to_bytes_be());
    }

    pub(crate) fn g1(&mut self, point: &G1Projective) {
        self.bytes.extend(point.to_compressed());
    }

    pub(crate) fn g2(&mut self, point: &G2Projective) {
        self.bytes.extend(point.to_compressed());
    }

    pub(crate) fn key(&mut self, key: &Key<Bls12381>) {
        self.g1(&key.k);
        self.g2(&key.l);
    }

    pub(crate) fn row(&mut self, row: &Row<Bls12381>) {
        self.gt(&row.c1);
        self.g2(&row.c2);
        self.g2(&row.c3);
        self.g1(&row.c4);
    }

    pub(crate) fn gt(&mut self, element: &Gt) {
        self.bytes.extend(gt_bytes(element));
    }
}

pub(crate) const GT_BYTES: usize = 288;
pub(crate) const ROW_BYTES: usize = GT_BYTES + 96 + 96 + 48;

/// The torus-compressed form. The elements without one, 1 and -1, become zeros, which no parser accepts.
pub(crate) fn gt_bytes(element: &Gt) -> [u8; GT_BYTES] {
    let mut bytes = [0; GT_BYTES];
    if !bool::from(Fp12::from(*element).c1().is_zero()) {
        // Writing 288 bytes into a slice of 288 cannot fail.
        let written = element.write_compressed(&mut bytes[..]);
        debug_assert!(written.is_ok());
    }
    bytes
}

/// Undoes [`gt_bytes`]: b stands for (b + w) / (b - w), an element of norm 1 over Fp6. Few of them are in the
/// group of prime order.
fn unitary_from_bytes(bytes: &[u8; GT_BYTES]) -> Option<Gt> {
    let mut b = blst_fp12::default().fp6[0];
    for (i, bytes) in bytes.as_chunks::<48>().0.iter().enumerate() {
        let number: Option<Fp> = Fp::from_bytes_le(bytes).into();
        b.fp2[i / 2].fp[i % 2] = number?.into();
    }
    // The conjugate of b + w is b - w.
    let sum = Fp12::new(b.into(), blst_fp12::default().fp6[0].into());
    let mut difference = sum;
    difference.conjugate();
    let inverse: Option<Fp12> = difference.invert().into();
    let element = sum * inverse?;
    // Zeros would stand for -1, but nothing is written as zeros that is meant to be read.
    (bytes != &[0; GT_BYTES]).then_some(element.into())
}

fn in_group(element: &Gt) -> bool {
    blst_fp12::from(Fp12::from(*element)).in_group()
}

/// A point of G1, uncompressed: what engines take.
pub(crate) fn g1_to_bytes(point: &G1Projective) -> [u8; 96] {
    point.to_uncompressed()
}

/// A point of the group of prime order, the identity included.
pub(crate) fn g1_from_bytes(bytes: &[u8; 96]) -> Option<G1Projective> {
    is_uncompressed(bytes).then(|| G1Projective::from_uncompressed(bytes).into()).flatten()
}

/// A point of the curve, in whatever group, the identity included.
pub(crate) fn on_curve_of_g1(bytes: &[u8; 96]) -> Option<G1Projective> {
    is_uncompressed(bytes).then(|| G1Projective::from_uncompressed_unchecked(bytes).into()).flatten()
}

/// A point of G2, uncompressed.
pub(crate) fn g2_to_bytes(point: &G2Projective) -> [u8; 192] {
    point.to_uncompressed()
}

/// A point of the group of prime order, the identity included.
pub(crate) fn g2_from_bytes(bytes: &[u8; 192]) -> Option<G2Projective> {
    is_uncompressed(bytes).then(|| G2Projective::from_uncompressed(bytes).into()).flatten()
}

/// A point of the curve, in whatever group, the identity included.
pub(crate) fn on_curve_of_g2(bytes: &[u8; 192]) -> Option<G2Projective> {
    is_uncompressed(bytes).then(|| G2Projective::from_uncompressed_unchecked(bytes).into()).flatten()
}

/// Whether the three flags say what they must: nothing for a point, and all there is to say for the identity. To
/// be asked before `blst`, which reads the compressed form if the highest is set and ignores what follows it.
fn is_uncompressed(bytes: &[u8]) -> bool {
    match bytes {
        [0x40, rest @ ..] => rest.iter().all(|byte| *byte == 0),
        [first, ..] => first & 0xe0 == 0,
        [] => false,
    }
}

/// All twelve coefficients.
pub(crate) fn gt_to_bytes(element: &Gt) -> [u8; 576] {
    blst_fp12::from(Fp12::from(*element)).to_bendian()
}

/// An element of the group of prime order, the identity included.
pub(crate) fn gt_from_bytes(bytes: &[u8; 576]) -> Option<Gt> {
    number12(bytes).filter(in_group)
}

/// Any number of Fp12, without a check of membership in any group.
pub(crate) fn number12(bytes: &[u8; 576]) -> Option<Gt> {
    let mut element = blst_fp12::default();
    for (i, bytes) in bytes.as_chunks::<48>().0.iter().enumerate() {
        let number: Option<Fp> = Fp::from_bytes_be(bytes).into();
        element.fp6[i / 2 % 2].fp2[i / 4].fp[i % 2] = number?.into();
    }
    Some(Gt::from(Fp12::from(element)))
}

/// Takes an encoding apart.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
    kind: Kind,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(kind: Kind, bytes: &'b [u8]) -> Result<Self, Error> {
        let mut reader = Self { rest: bytes, kind };
        if reader.array::<1>()? != [VERSION] {
            return Err(reader.error("a version this software does not know"));
        }
        if reader.array::<1>()? != [kind as u8] {
            return Err(reader.error("bytes of another kind of object"));
        }
        Ok(reader)
    }

    /// A part of an encoding whose start was read before.
    pub(crate) fn part(kind: Kind, rest: &'b [u8]) -> Self {
        Self { rest, kind }
    }

    pub(crate) fn error(&self, problem: &'static str) -> Error {
        Error::Encoding { object: self.kind.name(), problem }
    }

    /// Refuses trailing bytes.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("trailing bytes")) }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk() {
            Some((array, rest)) => {
                self.rest = rest;
                Ok(*array)
            }
            None => Err(self.error("truncated")),
        }
    }

    fn text(&mut self) -> Result<&'b str, Error> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.error("truncated"))?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| self.error("text that is not UTF-8"))
    }

    /// A value with a validated text form, which must be the canonical one.
    pub(crate) fn parsed<T: FromStr<Err = Error> + ToString>(&mut self) -> Result<T, Error> {
        let text = self.text()?;
        let value: T = text.parse()?;
        if value.to_string() == text { Ok(value) } else { Err(self.error("text not in canonical form")) }
    }

    /// A scalar that is not zero.
    pub(crate) fn scalar(&mut self) -> Result<Scalar, Error> {
        let scalar = self.scalar_or_zero()?;
        if bool::from(scalar.is_zero()) { Err(self.error("a scalar out of range")) } else { Ok(scalar) }
    }

    pub(crate) fn scalar_or_zero(&mut self) -> Result<Scalar, Error> {
        let scalar: Option<Scalar> = Scalar::from_bytes_be(&self.array()?).into();
        scalar.ok_or_else(|| self.error("a scalar out of range"))
    }

    pub(crate) fn count(&mut self) -> Result<u16, Error> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn g1(&mut self) -> Result<G1Projective, Error> {
        let point: Option<G1Projective> = G1Projective::from_compressed(&self.array()?).into();
        point.filter(|p| !bool::from(p.is_identity())).ok_or_else(|| self.error("no valid point of G1"))
    }

    pub(crate) fn g2(&mut self) -> Result<G2Projective, Error> {
        let point: Option<G2Projective> = G2Projective::from_compressed(&self.array()?).into();
        point.filter(|p| !bool::from(p.is_identity())).ok_or_else(|| self.error("no valid point of G2"))
    }

    pub(crate) fn gt(&mut self) -> Result<Gt, Error> {
        let element = unitary_from_bytes(&self.array()?).filter(in_group);
        element.ok_or_else(|| self.error("no valid target group element"))
    }

    pub(crate) fn key(&mut self) -> Result<Key<Bls12381>, Error> {
        Ok(Key { k: self.g1()?, l: self.g2()? })
    }

    pub(crate) fn row(&mut self) -> Result<Row<Bls12381>, Error> {
        Ok(Row { c1: self.gt()?, c2: self.g2()?, c3: self.g2()?, c4: self.g1()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outsource::{Plan, tkgen};
    use crate::threshold::{Ceremony, Participant};
    use crate::{Attribute, Authority, Policy, UserId};
    use crate::{MAX_ATTRIBUTE_BYTES, MAX_NAME_BYTES, MAX_USER_ID_BYTES};
    use rand_core::{OsRng, RngCore};

    fn reader(rest: &[u8]) -> Reader<'_> {
        Reader { rest, kind: Kind::PublicKey }
    }

    #[test]
    fn elements_round_trip() {
        for _ in 0..8 {
            let s = Scalar::random(OsRng);
            let (p, q) = (G1Projective::generator() * s, G2Projective::generator() * s);
            let e = Gt::generator() * s;
            let mut writer = Writer::new(Kind::PublicKey, 2 + 32 + 48 + 96 + GT_BYTES);
            writer.scalar(&s);
            writer.g1(&p);
            writer.g2(&q);
            writer.gt(&e);
            let encoded = writer.finish();
            let mut reader = reader(&encoded[2..]);
            assert_eq!(reader.scalar().unwrap(), s);
            assert_eq!(reader.g1().unwrap(), p);
            assert_eq!(reader.g2().unwrap(), q);
            assert_eq!(reader.gt().unwrap(), e);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn identities_and_zero_are_refused() {
        assert!(reader(&[0; 32]).scalar().is_err());
        assert!(reader(&G1Projective::identity().to_compressed()).g1().is_err());
        assert!(reader(&G2Projective::identity().to_compressed()).g2().is_err());
        assert!(reader(&gt_bytes(&Gt::identity())).gt().is_err());
    }

    #[test]
    fn elements_outside_the_prime_order_groups_are_refused() {
        let (mut on_e1, mut on_e2) = (0, 0);
        for x in 1..40 {
            let mut bytes = [0; 96];
            (bytes[0], bytes[47], bytes[95]) = (0x80, x, x);
            let g1_bytes = bytes.first_chunk().unwrap();
            on_e1 += u8::from(bool::from(G1Projective::from_compressed_unchecked(g1_bytes).is_some()));
            on_e2 += u8::from(bool::from(G2Projective::from_compressed_unchecked(&bytes).is_some()));
            assert!(reader(g1_bytes).g1().is_err());
            assert!(reader(&bytes).g2().is_err());
        }
        assert!(on_e1 > 5 && on_e2 > 5, "the test must meet points on the curves outside the subgroups");

        // Any 288 bytes of small field elements are a torus element, almost never one of order q.
        for _ in 0..50 {
            let mut bytes = [0; GT_BYTES];
            OsRng.fill_bytes(&mut bytes);
            (47..GT_BYTES).step_by(48).for_each(|top| bytes[top] = 0);
            assert!(reader(&bytes).gt().is_err());
        }
    }

    /// [`Writer::finish`] checks the capacity. Public encodings are in no need of it, but are checked too.
    #[test]
    fn the_longest_encoding_of_every_secret_fits() {
        let name = "n".repeat(MAX_NAME_BYTES);
        let user: UserId = "u".repeat(MAX_USER_ID_BYTES).parse().unwrap();
        let attribute: Attribute = format!("{name}#{}@{name}", "1".repeat(32)).parse().unwrap();
        assert_eq!(attribute.to_string().len(), MAX_ATTRIBUTE_BYTES);

        let authority = Authority::setup(name.parse().unwrap(), &mut OsRng);
        authority.to_bytes();
        let keys = authority.issue(&user, [&attribute], &mut OsRng).unwrap();
        keys[0].to_bytes();
        let (transform_key, retrieving_key) = tkgen(&user, &keys, &mut OsRng).unwrap();
        transform_key.to_bytes();
        retrieving_key.to_bytes();
        let policy: Policy = vec![attribute.to_string(); 100].join(" or ").parse().unwrap();
        let plan = Plan::new(&policy, [authority.public_key()]).unwrap();
        plan.begin(b"", &mut OsRng).unwrap().1[0].to_bytes();

        let ceremony = Ceremony::generate(name.parse().unwrap(), 2, 2, &[1; 32]).unwrap();
        let joined = [1, 2].map(|i| Participant::join(&ceremony, i, &mut OsRng).unwrap());
        let pledges = joined.each_ref().map(|(_, pledge)| pledge.clone());
        let mut participants = joined.map(|(participant, _)| participant);
        let revealed = participants.each_mut().map(|participant| participant.reveal(&pledges).unwrap());
        revealed[0].1[0].to_bytes();
        let dealings = revealed.each_ref().map(|(dealing, _)| dealing.clone());
        let (share, _) = participants[0].finish(&dealings, &revealed[1].1).unwrap();
        share.to_bytes();
        share.issue(&user, [&attribute], &mut OsRng).unwrap()[0].to_bytes();
    }

    /// Every point has one uncompressed encoding. The compressed one, with whatever behind it, is none.
    #[test]
    fn flags_of_uncompressed_points_are_refused() {
        fn readings<const N: usize>(
            [point, identity]: [[u8; N]; 2],
            compressed: &[u8],
            reads: impl Fn(&[u8; N]) -> [bool; 2],
        ) {
            assert_eq!((reads(&point), reads(&identity)), ([true; 2], [true; 2]));
            let mut junk = [0x77; N];
            junk[..N / 2].copy_from_slice(compressed);
            assert_eq!(reads(&junk), [false; 2]);
            junk[N / 2..].copy_from_slice(&point[N / 2..]);
            assert_eq!(reads(&junk), [false; 2]);
            for honest in [point, identity] {
                for flags in (0x20..=0xe0).step_by(0x20) {
                    let mut altered = honest;
                    altered[0] ^= flags;
                    assert_eq!(reads(&altered), [false; 2], "{flags:#x}");
                }
            }
            let mut behind = identity;
            behind[N - 1] = 1;
            assert_eq!(reads(&behind), [false; 2]);
            assert_eq!(reads(&[0; N]), [false; 2]);
        }
        let (p, q) = (G1Projective::generator(), G2Projective::generator());
        readings(
            [p, G1Projective::identity()].map(|point| g1_to_bytes(&point)),
            &p.to_compressed(),
            |bytes| [g1_from_bytes(bytes).is_some(), on_curve_of_g1(bytes).is_some()],
        );
        readings(
            [q, G2Projective::identity()].map(|point| g2_to_bytes(&point)),
            &q.to_compressed(),
            |bytes| [g2_from_bytes(bytes).is_some(), on_curve_of_g2(bytes).is_some()],
        );
    }

    #[test]
    fn non_canonical_field_elements_are_refused() {
        let order = (-Scalar::ONE).to_bytes_be();
        let mut too_large = order;
        too_large[31] += 1;
        assert!(reader(&order).scalar().is_ok());
        assert!(reader(&too_large).scalar().is_err());
        assert!(reader(&[0xff; GT_BYTES]).gt().is_err());
    }
}
