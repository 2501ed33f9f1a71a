//! RW15 as the paper writes it, on the same curve and library: one scalar multiplication per power, one full
//! pairing per pairing, nothing precomputed, merged or checked. The baseline "original scheme" of the savings.

use crate::figures::{Figures, NAIVE};
use crate::measure::{Effort, measure as time};
use blstrs::{G1Projective, G2Projective, Gt, Scalar, pairing};
use ff::Field;
use group::{Curve, Group};
use rand::rngs::OsRng;

struct Row {
    c1: Gt,
    c2: G2Projective,
    c3: G2Projective,
    c4: G1Projective,
}

/// The identities of the group law are in `twinseal_abe::scheme`.
pub(crate) fn measure(n: usize, effort: Effort, figures: &mut Figures) {
    let random = || Scalar::random(OsRng);
    let hash = |text: String| G1Projective::hash_to_curve(text.as_bytes(), b"BENCH-H-OR-F", &[]);
    let (g1, g2, e) = (G1Projective::generator(), G2Projective::generator(), Gt::generator());
    let authorities: Vec<_> =
        (0..2).map(|_| (random(), random())).map(|(a, y)| (a, y, e * a, g2 * y)).collect();
    let h = hash("user".into());
    let f = |i: usize| hash(format!("a{i}"));

    let keygen = || -> Vec<_> {
        let key = |i: usize| {
            let (alpha, y, ..) = authorities[i % 2];
            let r = random();
            (g1 * alpha + hash("user".into()) * y + f(i) * r, g2 * r)
        };
        (0..n).map(key).collect()
    };
    let (times, keys) = time(effort, keygen);
    figures.add(NAIVE, "keygen", n, times);

    // The shares of an `and` of n: random but for the last.
    let shares = |sum: Scalar| {
        let mut shares: Vec<Scalar> = (1..n).map(|_| random()).collect();
        shares.push(shares.iter().fold(sum, |rest, share| rest - share));
        shares
    };
    let message = e * random();
    let encrypt = || {
        let z = random();
        let row = |(i, (lambda, omega)): (usize, (Scalar, Scalar))| {
            let (_, _, a, y) = authorities[i % 2];
            let t = random();
            Row { c1: e * lambda + a * t, c2: g2 * -t, c3: y * t + g2 * omega, c4: f(i) * t }
        };
        let rows = shares(z).into_iter().zip(shares(Scalar::ZERO)).enumerate().map(row);
        (message + e * z, rows.collect::<Vec<_>>())
    };
    let (times, (c0, rows)) = time(effort, encrypt);
    figures.add(NAIVE, "encrypt", n, times);

    let pair = |p: &G1Projective, q: &G2Projective| pairing(&p.to_affine(), &q.to_affine());
    let decrypt = || {
        let opened = rows
            .iter()
            .zip(&keys)
            .map(|(row, (k, l))| row.c1 + pair(k, &row.c2) + pair(&h, &row.c3) + pair(&row.c4, l));
        c0 - opened.fold(Gt::identity(), |product, factor| product + factor)
    };
    let (times, opened) = time(effort, decrypt);
    assert_eq!(opened, message);
    figures.add(NAIVE, "decrypt", n, times);
}
