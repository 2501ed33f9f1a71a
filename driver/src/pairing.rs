//! The software twin of a transform engine: products of BLS12-381 pairings on this processor, with `blst`. Every input is
//! checked to be canonical, on its curve and in the group of prime order, because it comes from outside: a transform of
//! a point of small order tells about the key that is hidden in the others.

use blst::{blst_fp, blst_fp2, blst_fp6, blst_fp12, blst_p1_affine, blst_p2_affine, min_pk, min_sig};

use crate::Error;
use crate::provider::{GT_BYTES, MAX_FACTORS, MAX_PAIRS, TransformJob, TransformOutput, TransformSlot};
use crate::software::{ENGINE, Software};

impl TransformSlot for Software {
    fn transform(&self, job: &TransformJob) -> Result<TransformOutput, Error> {
        for (what, count, max) in
            [("pairs", job.pairs.len(), MAX_PAIRS), ("factors", job.factors.len(), MAX_FACTORS)]
        {
            if count > max {
                return Err(Error::TransformTooLarge { what, count, max });
            }
        }
        let (mut g1s, mut g2s) = (Vec::new(), Vec::new());
        for (index, (g1, g2)) in job.pairs.iter().enumerate() {
            let g1 = g1_point(g1).map_err(|problem| bad("G1 point", index, problem))?;
            let g2 = g2_point(g2).map_err(|problem| bad("G2 point", index, problem))?;
            // A pair with an identity contributes nothing.
            if let (Some(g1), Some(g2)) = (g1, g2) {
                g1s.push(g1);
                g2s.push(g2);
            }
        }
        let t = match g1s.is_empty() {
            true => blst_fp12::default(),
            false => blst_fp12::miller_loop_n(&g2s, &g1s).final_exp(),
        };
        let mut q = blst_fp12::default();
        for (index, factor) in job.factors.iter().enumerate() {
            q *= gt_element(factor).map_err(|problem| bad("target group element", index, problem))?;
        }
        Ok(TransformOutput { t: t.to_bendian(), q: q.to_bendian() })
    }

    fn engine(&self) -> &str {
        ENGINE
    }
}

fn bad(what: &'static str, index: usize, problem: &'static str) -> Error {
    Error::TransformInput { what, index, problem }
}

const NOT_A_POINT: &str = "not the canonical encoding of a point on the curve";
const NOT_IN_GROUP: &str = "not in the group of prime order";

/// `None` is the identity.
fn g1_point(bytes: &[u8; 96]) -> Result<Option<blst_p1_affine>, &'static str> {
    let point = min_pk::PublicKey::deserialize(bytes).map_err(|_| NOT_A_POINT)?;
    if blst_p1_affine::from(point) == blst_p1_affine::default() {
        return Ok(None);
    }
    point.validate().map_err(|_| NOT_IN_GROUP)?;
    Ok(Some(point.into()))
}

/// `None` is the identity.
fn g2_point(bytes: &[u8; 192]) -> Result<Option<blst_p2_affine>, &'static str> {
    let point = min_sig::PublicKey::deserialize(bytes).map_err(|_| NOT_A_POINT)?;
    if blst_p2_affine::from(point) == blst_p2_affine::default() {
        return Ok(None);
    }
    point.validate().map_err(|_| NOT_IN_GROUP)?;
    Ok(Some(point.into()))
}

/// Inverse of `blst_fp12::to_bendian`, which `blst` lacks: the coefficient of w^i is at i/2 in the (i mod 2)th half.
fn gt_element(bytes: &[u8; GT_BYTES]) -> Result<blst_fp12, &'static str> {
    let mut element = blst_fp12 { fp6: [blst_fp6 { fp2: [blst_fp2::default(); 3] }; 2] };
    for (i, coefficient) in bytes.chunks_exact(96).enumerate() {
        for (j, bytes) in coefficient.chunks_exact(48).enumerate() {
            element.fp6[i % 2].fp2[i / 2].fp[j] =
                field_element(bytes).ok_or("a coefficient is not below the field's order")?;
        }
    }
    if element.in_group() { Ok(element) } else { Err(NOT_IN_GROUP) }
}

type Limbs = [u64; 6];

/// p, the order of the base field, lowest limb first.
const ORDER: Limbs = [
    0xb9fe_ffff_ffff_aaab,
    0x1eab_fffe_b153_ffff,
    0x6730_d2a0_f6b0_f624,
    0x6477_4b84_f385_12bf,
    0x4b1b_a7b6_434b_acd7,
    0x1a01_11ea_397f_e69a,
];
/// 2^768 mod p.
const R_SQUARED: Limbs = [
    0xf4df_1f34_1c34_1746,
    0x0a76_e6a6_09d1_04f1,
    0x8de5_476c_4c95_b6d5,
    0x67eb_88a9_939d_83c0,
    0x9a79_3e85_b519_952d,
    0x1198_8fe5_92ca_e3aa,
];
/// -1/p mod 2^64.
const INVERSE: u64 = 0x89f3_fffc_fffc_fffd;

/// A field element as `blst` keeps it, in Montgomery form with R = 2^384; `None` if it is not below p. The values are
/// ciphertexts, so this need not hide them.
fn field_element(big_endian: &[u8]) -> Option<blst_fp> {
    let mut limbs = [0; 6];
    for (limb, bytes) in limbs.iter_mut().zip(big_endian.rchunks_exact(8)) {
        *limb = u64::from_be_bytes(bytes.try_into().ok()?);
    }
    limbs.iter().rev().lt(ORDER.iter().rev()).then(|| blst_fp { l: montgomery_product(&limbs, &R_SQUARED) })
}

/// a * b / 2^384 mod p, for a and b below p.
fn montgomery_product(a: &Limbs, b: &Limbs) -> Limbs {
    let mut sum = [0; 6];
    for &digit in a {
        let high = add_multiple(&mut sum, b, digit);
        let factor = sum[0].wrapping_mul(INVERSE);
        // p is so far below 2^384 that a seventh limb takes both carries.
        let high = high + add_multiple(&mut sum, &ORDER, factor);
        sum.rotate_left(1);
        sum[5] = high;
    }
    if sum.iter().rev().ge(ORDER.iter().rev()) {
        let mut borrow = false;
        for (limb, order) in sum.iter_mut().zip(ORDER) {
            let (difference, first) = limb.overflowing_sub(order);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (difference, first | second);
        }
    }
    sum
}

/// sum += b * digit; the seventh limb.
fn add_multiple(sum: &mut Limbs, b: &Limbs, digit: u64) -> u64 {
    let mut carry = 0;
    for (limb, b) in sum.iter_mut().zip(b) {
        let value = u128::from(*limb) + u128::from(*b) * u128::from(digit) + u128::from(carry);
        (*limb, carry) = (value as u64, (value >> 64) as u64);
    }
    carry
}
