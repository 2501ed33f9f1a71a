//! The founding of a threshold authority, or of its next generation: n members generate its key together, each on a machine of its own, and t of them
//! issue; none ever holds the secret ([`twinseal_abe::threshold`]). Every member runs [`hold`] with a folder that all of
//! them can write to; the rounds are files in it, and what a member must keep to itself lives in memory until its share
//! is written. A member that is interrupted spoils the ceremony: begin another in an empty folder.
//!
//! ```text
//! ceremony.json      name, t, n and a nonce, by whoever comes first; the others compare it with what they were told
//! hello-I            member I's X-Wing key and pledge
//! dealing-I          member I's dealing, after all pledges
//! share-I-J          what member I tells member J alone, sealed to J's X-Wing key
//! ```
//!
//! The folder is not believed to be honest about who wrote what. Before the authority is used, its members compare the
//! fingerprint of the result by other means; one that put itself between others would show there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use twinseal_abe::threshold::{Ceremony, Dealing, Group, Participant, Pledge, PrivateShare, Share};
use zeroize::Zeroizing;

use crate::Error;
use crate::entropy::Rng;
use crate::folder;
use crate::mail::{self, MailKey};

/// How often a member looks for the others' files.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Largest file of a ceremony.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the members agreed on before.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The authority.
    pub name: String,
    /// How many issue together.
    pub threshold: u8,
    /// How many there are.
    pub members: u8,
    /// Which of them this one is, from 1.
    pub index: u8,
    /// How long to wait for the others in each round.
    pub patience: Duration,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    name: String,
    threshold: u8,
    members: u8,
    nonce: String,
}

#[derive(Serialize, Deserialize)]
struct Hello {
    mail_key: Vec<u8>,
    pledge: Vec<u8>,
}

/// Takes part in the ceremony in `shared`; this member's share, and the group.
pub fn hold(shared: &Path, terms: &Terms, rng: &mut Rng<'_>) -> Result<(Share, Group), Error> {
    // An ordinary folder, as its maker's umask has it; one that is there stays as it is.
    std::fs::create_dir_all(shared).map_err(|e| Error::io("create the folder", shared, e))?;
    let nonce = agree(shared, terms, rng)?;
    let ceremony = Ceremony::generate(terms.name.parse()?, terms.threshold, terms.members, &nonce)?;
    let (mut participant, pledge) = Participant::join(&ceremony, terms.index, rng)?;
    let mut seed = Zeroizing::new([0; 32]);
    rng.0.fill(seed.as_mut_slice())?;
    let mail_key = MailKey::from_seed(&seed);

    let hello = Hello { mail_key: mail_key.public().to_vec(), pledge: pledge.to_bytes() };
    put(shared, &format!("hello-{}", terms.index), &encode(&hello)?)?;
    let (mut mail_keys, mut pledges) = (Vec::new(), Vec::new());
    for member in 1..=terms.members {
        let hello: Hello = decode(&wait(shared, &format!("hello-{member}"), terms)?)?;
        pledges.push(Pledge::from_bytes(&hello.pledge)?);
        mail_keys.push(hello.mail_key);
    }

    let (dealing, shares) = participant.reveal(&pledges)?;
    for share in &shares {
        let to = share.to();
        let key = mail_keys.get(usize::from(to).wrapping_sub(1)).ok_or(Error::Malformed)?;
        let sealed = mail::seal(key, &info(&nonce, terms.index, to), &share.to_bytes())?;
        put(shared, &format!("share-{}-{to}", terms.index), &sealed)?;
    }
    put(shared, &format!("dealing-{}", terms.index), &dealing.to_bytes())?;
    let (mut dealings, mut received) = (Vec::new(), Vec::new());
    for member in 1..=terms.members {
        dealings.push(Dealing::from_bytes(&wait(shared, &format!("dealing-{member}"), terms)?)?);
        if member != terms.index {
            let sealed = wait(shared, &format!("share-{member}-{}", terms.index), terms)?;
            let opened = mail_key.open(&info(&nonce, member, terms.index), &sealed)?;
            received.push(PrivateShare::from_bytes(&opened)?);
        }
    }
    Ok(participant.finish(&dealings, &received)?)
}

/// The nonce of the ceremony, on whose terms all agree.
fn agree(shared: &Path, terms: &Terms, rng: &mut Rng<'_>) -> Result<[u8; 32], Error> {
    let mut nonce = [0; 32];
    rng.0.fill(&mut nonce)?;
    let opening = |nonce: String| Opening {
        name: terms.name.clone(),
        threshold: terms.threshold,
        members: terms.members,
        nonce,
    };
    let mine = serde_json::to_vec(&opening(hex::encode(nonce))).map_err(|_| Error::Malformed)?;
    match put(shared, "ceremony.json", &mine) {
        Ok(()) => return Ok(nonce),
        Err(Error::Exists { .. }) => {}
        Err(e) => return Err(e),
    }
    let found: Opening =
        serde_json::from_slice(&wait(shared, "ceremony.json", terms)?).map_err(|_| other_terms(shared))?;
    if found != opening(found.nonce.clone()) {
        return Err(other_terms(shared));
    }
    hex::decode_to_slice(&found.nonce, &mut nonce).map_err(|_| other_terms(shared))?;
    Ok(nonce)
}

fn other_terms(shared: &Path) -> Error {
    Error::CeremonyTerms { path: shared.display().to_string() }
}

fn info(nonce: &[u8; 32], from: u8, to: u8) -> Vec<u8> {
    [&b"twinseal/v1/ceremony\0"[..], nonce, &[from, to]].concat()
}

/// Writes a file for all to see, since members may be different accounts: nothing in it is secret that is not sealed. One
/// that is there was written by somebody else.
fn put(shared: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    folder::publish(&shared.join(name), bytes)
}

fn wait(shared: &Path, name: &str, terms: &Terms) -> Result<Vec<u8>, Error> {
    let path: PathBuf = shared.join(name);
    let begun = Instant::now();
    while !path.exists() {
        if begun.elapsed() >= terms.patience {
            return Err(Error::CeremonyStalled { path: path.display().to_string() });
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    let found = std::fs::metadata(&path).map_err(|e| Error::io("read", &path, e))?;
    if found.len() > MAX_FILE_BYTES {
        return Err(Error::ObjectTooLarge { bytes: found.len(), limit: MAX_FILE_BYTES });
    }
    std::fs::read(&path).map_err(|e| Error::io("read", &path, e))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|_| Error::Malformed)
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes).map_err(|_| Error::Malformed)
}
