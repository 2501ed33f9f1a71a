//! Attribute authorities as their operators meet them: a folder each, with the master key of the current generation, the
//! public keys of all, the roll of who may have which attributes, and a log of what was issued.
//!
//! ```text
//! authorities/hospital/settings.json      is it a clock?
//!                      generation-1.pub   every generation's public key stays
//!                      generation-2.key   the master key of the last one only, or one member's share of it, mode 0600;
//!                                         where keys grow in a board, sealed (crate::at_rest)
//!                      generation-2.group if it is a share: of which threshold group
//!                      roll.json          approvals and revocations
//!                      pending.json       what was asked for and is not approved
//!                      issued.log         a line for every answer, synced before it is sent; nothing is ever removed
//! ```
//!
//! Nothing here knows about patients or records. What revoking does and does not: no further key is issued to the user,
//! and a clock issues no further epoch; keys they have stay good for what they opened, until the owners re-encapsulate or
//! the authority rotates.

pub mod ceremony;
pub mod request;

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twinseal_abe::threshold::{Group, Share};
use twinseal_abe::time::{Clock, Epoch};
use twinseal_abe::{self as abe, Claim};
use utoipa::ToSchema;

use crate::Error;
use crate::at_rest::AtRest;
use crate::entropy::Rng;
use crate::folder;
use request::Request;

/// The name of the number that a clock certifies; see [`twinseal_abe::time`].
pub const EPOCH: &str = "epoch";
/// An operator may answer a request that travelled as a file this long after it was signed.
pub const MAX_FILE_AGE_MS: u64 = 30 * 86_400_000;
/// Most requests that wait for an operator.
const MAX_PENDING: usize = 256;
/// Most of them from one user; a further one pushes out that user's oldest.
const MAX_PENDING_PER_USER: usize = 4;
/// Lines of the log that a report shows.
const SHOWN: usize = 100;
/// What an authority's folder is called until it is whole; no authority's name begins so.
const UNFINISHED: &str = ".new-";
/// Largest file of an authority that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// All authorities under one folder, held for one process at a time.
#[derive(Debug)]
pub struct Authorities {
    dir: PathBuf,
    rest: AtRest,
    rooms: BTreeMap<String, Authority>,
    /// Locked for as long as this lives.
    _lock: File,
}

/// One authority.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    rest: AtRest,
    settings: Settings,
    generation: u32,
    issuer: Issuer,
    public_keys: BTreeMap<u32, Arc<abe::PublicKey>>,
    roll: BTreeMap<String, Member>,
    pending: Vec<Pending>,
    issued: Vec<Issued>,
    answered: HashSet<String>,
}

/// Who issues: an authority by itself, or one member of a threshold authority its part.
#[derive(Debug)]
enum Issuer {
    Whole(Box<abe::Authority>),
    Member { share: Box<Share>, group: Box<Group> },
}

impl Issuer {
    fn public_key(&self) -> &abe::PublicKey {
        match self {
            Self::Whole(authority) => authority.public_key(),
            Self::Member { group, .. } => group.public_key(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    clock: bool,
}

/// What an authority knows of one user.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Claims it vouches for, each until a time in Unix milliseconds or for good.
    pub claims: BTreeMap<String, Option<u64>>,
    /// Since when nothing is issued any more, Unix milliseconds.
    pub revoked_ms: Option<u64>,
}

/// A request that waits for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Who asked.
    pub user: String,
    /// For what.
    pub claims: Vec<String>,
    /// When it came, Unix milliseconds.
    pub time_ms: u64,
}

/// A line of the log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Issued {
    /// When, Unix milliseconds.
    pub time_ms: u64,
    /// To whom.
    pub user: String,
    /// For what; of a clock with the epoch.
    pub claims: Vec<String>,
    /// Under which generation.
    pub generation: u32,
    /// The mark of the request, in hex; none is answered twice.
    pub request: String,
}

/// A public key as it is published.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// Whose.
    pub authority: String,
    /// From 1, counting up.
    pub generation: u32,
    /// Hash of the public key, 32 hex digits; compare it with what the authority says elsewhere.
    pub key_id: String,
    /// Keys are issued under it, and owners should encapsulate under it.
    pub current: bool,
    /// It certifies the epoch, `epoch@NAME`.
    pub clock: bool,
    /// The public key, in hex.
    pub public_key: String,
}

/// A member of a threshold authority.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// Its number, from 1.
    pub index: u8,
    /// How many issue together.
    pub threshold: u8,
    /// How many there are.
    pub members: u8,
    /// Of the group, in hex; the same for all members.
    pub fingerprint: String,
}

/// An authority as its operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Its name.
    pub authority: String,
    /// All generations.
    pub generations: Vec<Published>,
    /// Users by id.
    pub approved: BTreeMap<String, Member>,
    /// Of a threshold authority: this member's number, how many issue together, of how many, and the fingerprint that the
    /// members compare.
    pub member: Option<Membership>,
    /// What waits.
    pub pending: Vec<Pending>,
    /// The last answers, newest last.
    pub issued: Vec<Issued>,
}

impl core::fmt::Display for Report {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "authority {}", self.authority)?;
        if let Some(m) = &self.member {
            let Membership { index, threshold, members, fingerprint } = m;
            writeln!(f, "  member {index} of {members}, {threshold} issue; compare {fingerprint}")?;
        }
        for key in &self.generations {
            let note = if key.current { " (current)" } else { "" };
            writeln!(f, "  generation {}: public key {}{note}", key.generation, key.key_id)?;
        }
        for (user, member) in &self.approved {
            let revoked = if member.revoked_ms.is_some() { " (revoked)" } else { "" };
            let claims: Vec<String> =
                member.claims.iter().map(|(claim, until)| lasting(claim, *until)).collect();
            writeln!(f, "  approved {user}: {}{revoked}", claims.join(", "))?;
        }
        for asked in &self.pending {
            writeln!(
                f,
                "  waits    {}: {}, since {}",
                asked.user,
                asked.claims.join(", "),
                day(asked.time_ms)
            )?;
        }
        for line in &self.issued {
            writeln!(f, "  issued   {}: {} on {}", line.user, line.claims.join(", "), day(line.time_ms))?;
        }
        Ok(())
    }
}

fn day(time_ms: u64) -> Epoch {
    Epoch::of_unix_time(time_ms / 1000)
}

/// A claim and, if it ends, the day on which it does.
fn lasting(claim: &str, until_ms: Option<u64>) -> String {
    until_ms.map_or_else(|| claim.into(), |until_ms| format!("{claim} (until {})", day(until_ms)))
}

impl Authorities {
    /// Opens every authority in `dir`, which is created if missing. Another process that has them open is an error.
    pub fn open(dir: &Path, rest: AtRest) -> Result<Self, Error> {
        folder::create_private(dir)?;
        Self::open_existing(dir, rest)
    }

    /// Opens every authority in `dir`, which must be there.
    pub fn open_existing(dir: &Path, rest: AtRest) -> Result<Self, Error> {
        std::fs::read_dir(dir).map_err(|e| Error::io("open the folder of authorities", dir, e))?;
        let path = dir.join(".lock");
        let lock = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        lock.try_lock().map_err(|_| Error::AuthoritiesBusy { path: dir.display().to_string() })?;
        let mut rooms = BTreeMap::new();
        let entries = std::fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))?;
        for entry in entries {
            let path = entry.map_err(|e| Error::io("list", dir, e))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED)) {
                // Cut off before anything was issued; nobody else is at work here, because the lock is ours.
                std::fs::remove_dir_all(&path).map_err(|e| Error::io("remove", &path, e))?;
            } else if path.is_dir() {
                let room = Authority::open(&path, rest.clone())?;
                rooms.insert(room.name().to_owned(), room);
            }
        }
        Ok(Self { dir: dir.to_owned(), rest, rooms, _lock: lock })
    }

    /// A new authority with a master key of its own.
    pub fn init(&mut self, name: &str, clock: bool, rng: &mut Rng<'_>) -> Result<&mut Authority, Error> {
        let id: abe::AuthorityId = name.parse()?;
        if self.rooms.contains_key(name) {
            return Err(Error::AuthorityExists { authority: name.into() });
        }
        let master = abe::Authority::setup(id, rng);
        let room = self.create(name, clock, |dir| write_generation(dir, &self.rest, 1, &master))?;
        Ok(self.rooms.entry(name.into()).or_insert(room))
    }

    /// Takes part in founding a threshold authority, or in starting the next generation of one; see [`ceremony`]. A
    /// generation may have other members and another threshold than the one before; a clock stays a clock.
    pub fn found(
        &mut self,
        shared: &Path,
        terms: &ceremony::Terms,
        clock: bool,
        rng: &mut Rng<'_>,
    ) -> Result<&mut Authority, Error> {
        let generation = match self.rooms.get(&terms.name) {
            None => 1,
            Some(room) if matches!(room.issuer, Issuer::Member { .. }) => room.generation + 1,
            Some(_) => return Err(Error::AuthorityExists { authority: terms.name.clone() }),
        };
        let (share, group) = ceremony::hold(shared, terms, rng)?;
        let room = if generation == 1 {
            self.create(&terms.name, clock, |dir| write_share(dir, &self.rest, 1, &share, &group))?
        } else {
            let dir = self.dir.join(&terms.name);
            write_share(&dir, &self.rest, generation, &share, &group)?;
            Authority::open(&dir, self.rest.clone())?
        };
        self.rooms.insert(terms.name.clone(), room);
        self.get_mut(&terms.name)
    }

    /// A new authority's folder, whole or not at all: it gets its name when all of it is on the disk.
    fn create(
        &self,
        name: &str,
        clock: bool,
        first_generation: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Authority, Error> {
        let (unfinished, dir) = (self.dir.join(format!("{UNFINISHED}{name}")), self.dir.join(name));
        folder::create_private(&unfinished)?;
        write_json(&unfinished.join("settings.json"), &Settings { clock })?;
        first_generation(&unfinished)?;
        std::fs::rename(&unfinished, &dir)
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .map_err(|e| Error::io("create the authority", &dir, e))?;
        Authority::open(&dir, self.rest.clone())
    }

    /// The authority called `name`.
    pub fn get(&self, name: &str) -> Result<&Authority, Error> {
        self.rooms.get(name).ok_or_else(|| unknown(name))
    }

    /// The authority called `name`, to work with.
    pub fn get_mut(&mut self, name: &str) -> Result<&mut Authority, Error> {
        self.rooms.get_mut(name).ok_or_else(|| unknown(name))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Authority> {
        self.rooms.values()
    }
}

fn unknown(name: &str) -> Error {
    Error::UnknownAuthority { authority: name.chars().take(abe::MAX_NAME_BYTES).collect() }
}

impl Authority {
    fn open(dir: &Path, rest: AtRest) -> Result<Self, Error> {
        let mut public_keys = BTreeMap::new();
        while let Some(bytes) = read(&generation_path(dir, public_keys.len() as u32 + 1, "pub"))? {
            let number = public_keys.len() as u32 + 1;
            let path = generation_path(dir, number, "pub");
            let key = abe::PublicKey::from_bytes(&bytes)
                .map_err(|_| damaged(&path, "the public key of an authority"))?;
            public_keys.insert(number, Arc::new(key));
        }
        let generation = public_keys.len() as u32;
        let path = generation_path(dir, generation.max(1), "key");
        if !path.exists() {
            return Err(Error::StateMissing { path: path.display().to_string() });
        }
        let expected = "the master key of the authority it is named after";
        let what = secret_name(generation, &dir.file_name().unwrap_or_default().to_string_lossy());
        let secret = rest.read(&what, &path)?;
        let issuer = match read(&generation_path(dir, generation, "group"))? {
            None => abe::Authority::from_bytes(&secret).map(|whole| Issuer::Whole(Box::new(whole))),
            Some(group) => Share::from_bytes(&secret).and_then(|share| {
                Ok(Issuer::Member { share: Box::new(share), group: Box::new(Group::from_bytes(&group)?) })
            }),
        };
        let issuer = issuer.map_err(|_| damaged(&path, expected))?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if public_keys.get(&generation).is_none_or(|public| **public != *issuer.public_key())
            || issuer.public_key().authority().as_str() != name
            || matches!(&issuer, Issuer::Member { share, group } if share.group() != group.fingerprint())
        {
            return Err(damaged(&path, expected));
        }
        // A rotation that was cut off after the new generation was complete.
        for old in 1..generation {
            folder::remove(&generation_path(dir, old, "key"))?;
        }
        let settings = read_json(&dir.join("settings.json"))?
            .ok_or_else(|| Error::StateMissing { path: dir.join("settings.json").display().to_string() })?;
        let issued = read_log(&dir.join("issued.log"))?;
        Ok(Self {
            settings,
            generation,
            issuer,
            public_keys,
            roll: read_json(&dir.join("roll.json"))?.unwrap_or_default(),
            pending: read_json(&dir.join("pending.json"))?.unwrap_or_default(),
            answered: issued.iter().map(|line| line.request.clone()).collect(),
            issued,
            dir: dir.to_owned(),
            rest,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.issuer.public_key().authority().as_str()
    }

    /// The public key to encapsulate under.
    pub fn public_key(&self) -> Arc<abe::PublicKey> {
        self.public_keys
            .get(&self.generation)
            .cloned()
            .unwrap_or_else(|| self.issuer.public_key().clone().into())
    }

    /// The public keys of all generations.
    pub fn published(&self) -> Vec<Published> {
        let publish = |(&generation, key): (&u32, &Arc<abe::PublicKey>)| Published {
            authority: self.name().into(),
            generation,
            key_id: key.id().to_string(),
            current: generation == self.generation,
            clock: self.settings.clock,
            public_key: hex::encode(key.to_bytes()),
        };
        self.public_keys.iter().map(publish).collect()
    }

    /// What the operator sees.
    pub fn report(&self) -> Report {
        Report {
            authority: self.name().into(),
            generations: self.published(),
            approved: self.roll.clone(),
            member: match &self.issuer {
                Issuer::Whole(_) => None,
                Issuer::Member { share, group } => Some(Membership {
                    index: share.index(),
                    threshold: group.threshold(),
                    members: group.participants(),
                    fingerprint: hex::encode(group.fingerprint()),
                }),
            },
            pending: self.pending.clone(),
            issued: self.issued.iter().skip(self.issued.len().saturating_sub(SHOWN)).cloned().collect(),
        }
    }

    /// Whether `user` is on the roll and not revoked.
    pub fn vouches_for(&self, user: &str) -> bool {
        self.roll.get(user).is_some_and(|member| member.revoked_ms.is_none())
    }

    /// Whether `user` was revoked.
    pub fn has_revoked(&self, user: &str) -> bool {
        self.roll.get(user).is_some_and(|member| member.revoked_ms.is_some())
    }

    /// Puts `claims` of `user` on the roll, until `until_ms` or for good. A user who was revoked must be
    /// [reinstated](Self::reinstate).
    pub fn approve(&mut self, user: &str, claims: &[String], until_ms: Option<u64>) -> Result<(), Error> {
        if self.has_revoked(&user_id(user)?) {
            return Err(Error::NeedsReinstating { authority: self.name().into(), user: user.into() });
        }
        self.reinstate(user, claims, until_ms)
    }

    /// As [`Self::approve`], and takes back a revocation of the user. What they had before it does not return.
    pub fn reinstate(&mut self, user: &str, claims: &[String], until_ms: Option<u64>) -> Result<(), Error> {
        let user = user_id(user)?;
        if claims.is_empty() {
            return Err(Error::BadClaim { claim: "nothing".into(), reason: "name at least one attribute" });
        }
        let claims = claims.iter().map(|text| self.approvable(text)).collect::<Result<Vec<_>, _>>()?;
        let mut roll = self.roll.clone();
        let member = roll.entry(user.clone()).or_default();
        if member.revoked_ms.take().is_some() {
            member.claims.clear();
        }
        member.claims.extend(claims.into_iter().map(|claim| (claim.to_string(), until_ms)));
        let member = member.clone();
        write_json(&self.dir.join("roll.json"), &roll)?;
        self.roll = roll;
        let waits = |p: &Pending| p.user == user && p.claims.iter().all(|c| member.claims.contains_key(c));
        self.pending.retain(|p| !waits(p));
        write_json(&self.dir.join("pending.json"), &self.pending)
    }

    /// Takes one claim of `user` from the roll; the others stay.
    pub fn withdraw(&mut self, user: &str, claim: &str) -> Result<(), Error> {
        let (user, claim) = (user_id(user)?, self.approvable(claim)?.to_string());
        let mut roll = self.roll.clone();
        if roll.get_mut(&user).and_then(|member| member.claims.remove(&claim)).is_none() {
            return Err(Error::NotOnRoll { authority: self.name().into(), claim });
        }
        write_json(&self.dir.join("roll.json"), &roll)?;
        self.roll = roll;
        Ok(())
    }

    /// From now on `user` gets nothing, and what they had is no longer on the roll; the log keeps what was issued.
    pub fn revoke(&mut self, user: &str, now_ms: u64) -> Result<(), Error> {
        let user = user_id(user)?;
        let mut roll = self.roll.clone();
        let member = roll.entry(user.clone()).or_default();
        member.revoked_ms.get_or_insert(now_ms);
        member.claims.clear();
        write_json(&self.dir.join("roll.json"), &roll)?;
        self.roll = roll;
        self.pending.retain(|p| p.user != user);
        write_json(&self.dir.join("pending.json"), &self.pending)
    }

    /// Starts a new generation and forgets the master key of the old one. Readers must ask again; owners re-encapsulate.
    pub fn rotate(&mut self, rng: &mut Rng<'_>) -> Result<(), Error> {
        if matches!(self.issuer, Issuer::Member { .. }) {
            return Err(Error::NeedsCeremony { authority: self.name().into() });
        }
        let master = abe::Authority::setup(self.name().parse()?, rng);
        write_generation(&self.dir, &self.rest, self.generation + 1, &master)?;
        *self = Self::open(&self.dir, self.rest.clone())?;
        Ok(())
    }

    /// Answers a request that is at most `max_age_ms` old with the keys it asks for; the roll decides. What is not on it
    /// waits for the operator.
    pub fn answer(
        &mut self,
        request: &Request,
        now_ms: u64,
        max_age_ms: u64,
        rng: &mut Rng<'_>,
    ) -> Result<Vec<u8>, Error> {
        if request.authority != self.name() {
            return Err(unknown(&request.authority));
        }
        request.stamp.check(now_ms, max_age_ms)?;
        let mark = hex::encode(request.stamp.nonce);
        if self.answered.contains(&mark) {
            return Err(Error::Replayed);
        }
        self.check_roll(request, now_ms)?;

        let today = Epoch::of_unix_time(now_ms / 1000);
        let held = request.held.as_ref().filter(|(_, key_id)| *key_id == self.public_key().id().to_string());
        let held = held.map(|(epoch, _)| Epoch::new(*epoch));
        let (mut claims, mut attributes) = (Vec::new(), Vec::new());
        for claim in &request.claims {
            if self.is_epoch(claim) {
                let clock = Clock::new(claim.authority().clone());
                attributes.extend(clock.renewal(held, today));
                claims.push(clock.claim(today).to_string());
            } else {
                attributes.extend(claim.attributes());
                claims.push(claim.to_string());
            }
        }
        let answer = match &self.issuer {
            Issuer::Whole(whole) => {
                request.answer(whole.public_key(), &whole.issue(&request.user, &attributes, rng)?)?
            }
            Issuer::Member { share, group } => {
                request.answer_in_part(group, &share.issue(&request.user, &attributes, rng)?)?
            }
        };
        self.log(Issued {
            time_ms: now_ms,
            user: request.user.to_string(),
            claims,
            generation: self.generation,
            request: mark,
        })?;
        Ok(answer)
    }

    fn check_roll(&mut self, request: &Request, now_ms: u64) -> Result<(), Error> {
        let authority = self.name().to_owned();
        let member = self.roll.get(request.user.as_str());
        if member.is_some_and(|member| member.revoked_ms.is_some()) {
            return Err(Error::UserRevoked { authority });
        }
        let approved = |claim: &Claim| {
            let until = member.and_then(|member| member.claims.get(&claim.to_string()));
            until.is_some_and(|until| until.is_none_or(|until_ms| now_ms < until_ms))
        };
        let missing: Vec<String> =
            request.claims.iter().filter(|c| !approved(c)).map(Claim::to_string).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // Only what could be approved may wait: the rest is refused by itself.
        missing.iter().try_for_each(|text| self.approvable(text).map(drop))?;
        let user = request.user.to_string();
        self.pending.retain(|p| p.user != user || p.claims != missing);
        self.make_room(&user);
        self.pending.push(Pending { user, claims: missing.clone(), time_ms: now_ms });
        write_json(&self.dir.join("pending.json"), &self.pending)?;
        Err(Error::NotApproved { authority, claims: missing.join(", ") })
    }

    /// Lets go of a waiting request if another one of `user` would be too many: of that user's own, or else of people
    /// who are not on the roll, of the one with the most. Of those with equally many the oldest goes, so somebody with
    /// many identities can push out strangers, but nobody on the roll.
    fn make_room(&mut self, user: &str) {
        let mut waiting = BTreeMap::<String, usize>::new();
        for asked in &self.pending {
            *waiting.entry(asked.user.clone()).or_default() += 1;
        }
        let own = waiting.get(user).copied().unwrap_or_default();
        let place = if own >= MAX_PENDING_PER_USER {
            self.pending.iter().position(|p| p.user == user)
        } else if self.pending.len() >= MAX_PENDING {
            let weight = |p: &Pending| (!self.roll.contains_key(&p.user), waiting.get(&p.user).copied());
            // From the newest on: of equals the last one looked at wins.
            self.pending.iter().enumerate().rev().max_by_key(|(_, p)| weight(p)).map(|(place, _)| place)
        } else {
            None
        };
        if let Some(place) = place {
            self.pending.remove(place);
        }
    }

    /// A claim that may stand on the roll.
    fn approvable(&self, text: &str) -> Result<Claim, Error> {
        let claim: Claim = text.parse()?;
        let bad = |reason| Err(Error::BadClaim { claim: claim.to_string(), reason });
        if claim.authority().as_str() != self.name() {
            return bad("it is of another authority; ask that one");
        }
        match &claim {
            Claim::Attribute(attribute) if attribute.prefix().is_some() => {
                bad("it is a part of a number; ask for the number, as name=value@authority")
            }
            Claim::Number(number) if self.settings.clock && number.subject().name() == EPOCH => {
                bad("a clock chooses the epoch by itself; ask for epoch without a value")
            }
            _ => Ok(claim),
        }
    }

    /// A clock's `epoch@NAME`, for which it issues the epoch of the day.
    fn is_epoch(&self, claim: &Claim) -> bool {
        self.settings.clock && matches!(claim, Claim::Attribute(attribute) if attribute.name() == EPOCH)
    }

    fn log(&mut self, line: Issued) -> Result<(), Error> {
        let path = self.dir.join("issued.log");
        let text = serde_json::to_string(&line).map_err(|_| Error::Malformed)?;
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(format!("{text}\n").as_bytes())?;
                file.sync_all()
            })
            .map_err(|e| Error::io("append to", &path, e))?;
        self.answered.insert(line.request.clone());
        self.issued.push(line);
        Ok(())
    }
}

/// A user id is an account in hex; anything else cannot be somebody's.
fn user_id(text: &str) -> Result<String, Error> {
    let account = text.parse::<twinseal_ledger::AccountId>();
    let bad = |_| Error::BadUserId { text: text.chars().take(64).collect() };
    Ok(account.map_err(bad)?.to_string())
}

/// The public key comes last: where it is, the generation is whole.
fn write_generation(dir: &Path, rest: &AtRest, number: u32, master: &abe::Authority) -> Result<(), Error> {
    let name = master.public_key().authority().as_str();
    rest.replace(&secret_name(number, name), &generation_path(dir, number, "key"), &master.to_bytes())?;
    folder::replace(&generation_path(dir, number, "pub"), &master.public_key().to_bytes())
}

/// The same of one member of a threshold authority.
fn write_share(dir: &Path, rest: &AtRest, number: u32, share: &Share, group: &Group) -> Result<(), Error> {
    let name = group.public_key().authority().as_str();
    rest.replace(&secret_name(number, name), &generation_path(dir, number, "key"), &share.to_bytes())?;
    folder::replace(&generation_path(dir, number, "group"), &group.to_bytes())?;
    folder::replace(&generation_path(dir, number, "pub"), &group.public_key().to_bytes())
}

/// What a master key or a share is called where it is sealed. A label of a board is at most 128 bytes long, a name 64.
pub(crate) fn secret_name(generation: u32, authority: &str) -> String {
    format!("authority/{generation}/{authority}")
}

fn generation_path(dir: &Path, number: u32, extension: &str) -> PathBuf {
    dir.join(format!("generation-{number}.{extension}"))
}

fn damaged(path: &Path, expected: &'static str) -> Error {
    Error::SecretMalformed { path: path.display().to_string(), expected }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.len() > MAX_FILE_BYTES => {
            return Err(Error::ObjectTooLarge { bytes: found.len(), limit: MAX_FILE_BYTES });
        }
        _ => {}
    }
    std::fs::read(path).map(Some).map_err(|e| Error::io("read", path, e))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| damaged(path, "JSON as this program writes it"))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    folder::replace(path, &serde_json::to_vec_pretty(value).map_err(|_| Error::Malformed)?)
}

/// The lines of the log. A last line without its end was cut off before its answer was sent, and is dropped.
fn read_log(path: &Path) -> Result<Vec<Issued>, Error> {
    let Some(bytes) = read(path)? else { return Ok(Vec::new()) };
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        let cut = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(whole as u64));
        cut.map_err(|e| Error::io("repair", path, e))?;
    }
    bytes[..whole]
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(|_| damaged(path, "a line for every answer")))
        .collect()
}

#[cfg(test)]
mod tests;
