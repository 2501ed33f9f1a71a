//! Keys and ciphertexts that rabe 0.4.2 should not let anybody make, made from what any user has.
//!
//! All follow from one line: rabe maps a text u to the group element g · SHA3(u) (`utils::hash::sha3_hash`), so
//! everybody knows h(u) = SHA3(u) with H(u) = g^h(u), and H(v) = H(u)^(h(v)/h(u)). Each test asserts that the
//! stolen plaintext comes out of rabe's own `decrypt`; none uses a master key after set-up. The same
//! strategies against `twinseal-abe` are in `forgeries.rs`.
#![allow(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use rabe::schemes::{ac17, aw11, bdabe, bsw, ghw11};
use rabe::utils::hash::sha3_hash_fr;
use rabe::utils::policy::pest::PolicyLanguage::HumanPolicy;
use rabe_bn::{Fr, G1, Group};

const SECRET: &[u8] = b"blood group 0 negative";
const A_AND_B: &str = r#""A" and "B""#;

/// h(u): the discrete logarithm of rabe's hash.
fn h(text: &str) -> Fr {
    sha3_hash_fr(text).unwrap()
}

fn over(a: Fr, b: Fr) -> Fr {
    a * b.inverse().unwrap()
}

/// D_u = g2^r · H(u)^s, D'_u = g1^s with a fresh s. Put s' = s · h(Z)/h(A): then
/// g2^r · H(A)^s' = g2^r · H(Z)^s = D_Z, so (D_Z, D'_Z ^ (h(Z)/h(A))) is a key for A with the same r.
#[test]
fn bsw_a_key_for_z_opens_a_and_b() {
    let (public, master) = bsw::setup();
    let ciphertext = bsw::encrypt(&public, A_AND_B, HumanPolicy, SECRET).unwrap();
    let mut stolen = bsw::keygen(&public, &master, &["Z"]).unwrap();
    assert!(bsw::decrypt(&stolen, &ciphertext).is_err());

    let z = stolen.d_j[0].clone();
    stolen.d_j = ["A", "B"]
        .map(|u| bsw::CpAbeAttribute { string: u.into(), g1: z.g1 * over(h("Z"), h(u)), g2: z.g2 })
        .into();
    assert_eq!(bsw::decrypt(&stolen, &ciphertext).unwrap(), SECRET);
}

/// K_u = H(u)^r with L = g2^r in every key: K_A = L^h(A).
#[test]
fn ghw11_a_key_for_z_opens_a_and_b() {
    let (public, master) = ghw11::setup();
    let ciphertext = ghw11::encrypt(&public, A_AND_B, HumanPolicy, SECRET).unwrap();
    let mut stolen = ghw11::keygen(&public, &master, &["Z".into()]).unwrap();
    let (transform_key, _) = ghw11::tkgen(stolen.clone()).unwrap();
    assert!(ghw11::transform(ciphertext.clone(), transform_key).is_err());

    stolen.attr_key =
        ["A", "B"].map(|u| ghw11::Ghw11Attribute { string: u.into(), k_x: stolen.l * h(u) }).into();
    let (transform_key, retrieve_key) = ghw11::tkgen(stolen).unwrap();
    let transformed = ghw11::transform(ciphertext.clone(), transform_key).unwrap();
    assert_eq!(ghw11::decrypt_out(transformed, retrieve_key, ciphertext.data).unwrap(), SECRET);
}

/// Row i is, for l = 0, 1, 2, the product over t = 1, 2 of (H(π_i l t) · product of H(0 j l t)^M_ij)^s_t, that is
/// g^(c_l1 s_1 + c_l2 s_2) with known c. Two of the three give g^s_1 and g^s_2, and with these the row of
/// any attribute under any policy can be written: here that of Z under the policy `Z or Z`.
#[test]
fn ac17_cp_a_key_for_z_opens_a_and_b() {
    let (public, master) = ac17::setup();
    let mut ciphertext = ac17::cp_encrypt(&public, A_AND_B, SECRET, HumanPolicy).unwrap();
    let own = ac17::cp_keygen(&master, &["Z"]).unwrap();
    assert!(ac17::cp_decrypt(&own, &ciphertext).is_err());

    let coefficient = |attribute: &str, matrix_row: &[i8], l: usize, t: usize| {
        matrix_row.iter().zip(1..).fold(h(&format!("{attribute}{l}{t}")), |sum, (m, j)| {
            let column = h(&format!("0{j}{l}{t}"));
            match m {
                1 => sum + column,
                -1 => sum - column,
                _ => sum,
            }
        })
    };
    // `A and B` has the matrix rows (1, 1) and (0, -1), the first for A.
    let (name, row) = &ciphertext.ct.c[0];
    assert_eq!(name, "A");
    let [[c00, c01], [c10, c11]] = [0, 1].map(|l| [0, 1].map(|t| coefficient("A", &[1, 1], l, t)));
    let determinant = c00 * c11 - c01 * c10;
    let g_s = [
        (row[0] * c11 - row[1] * c01) * determinant.inverse().unwrap(),
        (row[1] * c00 - row[0] * c10) * determinant.inverse().unwrap(),
    ];
    // The third power of the row confirms it.
    assert!(g_s[0] * coefficient("A", &[1, 1], 2, 0) + g_s[1] * coefficient("A", &[1, 1], 2, 1) == row[2]);

    let row_of_z = [0, 1, 2].map(|l| {
        g_s.iter().zip(0..).fold(G1::zero(), |sum, (g_s, t)| sum + *g_s * coefficient("Z", &[1], l, t))
    });
    ciphertext.policy = (r#""Z" or "-""#.into(), HumanPolicy);
    ciphertext.ct.c = vec![("Z".into(), row_of_z.into())];
    assert_eq!(ac17::cp_decrypt(&own, &ciphertext).unwrap(), SECRET);
}

/// K_uid,A = g1^α · H(uid)^y = g1^(α + h(uid) y): a straight line over h(uid), and two users' keys are two
/// points of it. So the first two of these three give the third the key for A that was refused.
#[test]
fn aw11_three_colluders_forge_any_key() {
    let global = aw11::setup();
    let (public, master) = aw11::authgen(&global, &["A", "B"]).unwrap();
    let ciphertext = aw11::encrypt(&global, &[&public], A_AND_B, HumanPolicy, SECRET).unwrap();
    let key = |user: &str, attribute: &str| aw11::keygen(&global, &master, user, &[attribute]).unwrap();
    let (anna, bert, mut carl) = (key("anna", "A"), key("bert", "A"), key("carl", "B"));
    for alone in [&anna, &bert, &carl] {
        assert!(aw11::decrypt(&global, alone, &ciphertext).is_err());
    }

    let (k_anna, k_bert) = (anna.attr[0].1, bert.attr[0].1);
    let y = (k_anna - k_bert) * (h("anna") - h("bert")).inverse().unwrap();
    let alpha = k_anna - y * h("anna");
    carl.attr.push(("A".into(), alpha + y * h("carl")));
    assert_eq!(carl.attr[1], key("carl", "A").attr[0], "the forged key is the real one");
    assert_eq!(aw11::decrypt(&global, &carl, &ciphertext).unwrap(), SECRET);
}

/// A key for `aa1::A` is (u1, u2)^(h(aa1::A) · h(aa1) · a3), one for `aa1::B` the same with h(aa1::B).
#[test]
fn bdabe_a_key_for_a_becomes_one_for_b() {
    let (public, master) = bdabe::setup();
    let authority = bdabe::authgen(&public, &master, "aa1");
    let public_b = bdabe::request_attribute_pk(&public, &authority, "aa1::B").unwrap();
    let policy = r#""aa1::B" or "aa1::C""#;
    let ciphertext = bdabe::encrypt(&public, &[&public_b], policy, HumanPolicy, SECRET).unwrap();
    let mut user = bdabe::keygen(&public, &authority, "mallory");
    user.sk_a.push(bdabe::request_attribute_sk(&user.pk, &authority, "aa1::A").unwrap());
    assert!(bdabe::decrypt(&user, &ciphertext).is_err());

    let ratio = over(h("aa1::B"), h("aa1::A"));
    let a = user.sk_a.remove(0);
    user.sk_a.push(bdabe::BdabeSecretAttributeKey {
        attr: "aa1::B".into(),
        au1: a.au1 * ratio,
        au2: a.au2 * ratio,
    });
    assert_eq!(bdabe::decrypt(&user, &ciphertext).unwrap(), SECRET);
}
