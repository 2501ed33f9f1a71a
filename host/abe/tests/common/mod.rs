//! What several tests share: two authorities, and a key taken apart.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test binary uses its own part

use blstrs::{G1Affine, G2Affine};
use twinseal_abe::rand_core::OsRng;
use twinseal_abe::{Attribute, AttributeKey, Authority, PublicKey, UserId};

/// Two authorities that know nothing of each other.
pub struct World {
    pub x: Authority,
    pub y: Authority,
}

impl World {
    pub fn new() -> Self {
        let setup = |id: &str| Authority::setup(id.parse().unwrap(), &mut OsRng);
        Self { x: setup("x"), y: setup("y") }
    }

    pub fn publics(&self) -> [&PublicKey; 2] {
        [self.x.public_key(), self.y.public_key()]
    }

    /// The authority called `id`, `x` or `y`.
    pub fn authority(&self, id: &str) -> &Authority {
        match id {
            "x" => &self.x,
            "y" => &self.y,
            other => panic!("no authority {other}"),
        }
    }

    /// A key for each of `attributes`, in their order.
    pub fn issue(&self, user: &UserId, attributes: &[impl AsRef<str>]) -> Vec<AttributeKey> {
        let issue_one = |text: &str| {
            let attribute: Attribute = text.parse().unwrap();
            let authority = self.authority(attribute.authority().as_str());
            authority.issue(user, [&attribute], &mut OsRng).unwrap().remove(0)
        };
        attributes.iter().map(|text| issue_one(text.as_ref())).collect()
    }
}

/// K and L, with which the encoding of a key or of a part of one ends.
pub fn parts(key: &[u8]) -> (G1Affine, G2Affine) {
    let (rest, l) = key.split_last_chunk::<96>().unwrap();
    let k = rest.last_chunk::<48>().unwrap();
    (G1Affine::from_compressed(k).unwrap(), G2Affine::from_compressed(l).unwrap())
}
