//! One node: the owner's identity, a cloud gateway in front of the object store, a solo ledger, attribute authorities
//! and whatever engines are plugged in. In this first form the roles of owner, doctor, cloud and orderer live in one
//! process, each with a key pair of its own; every check between them is made all the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::info;
use twinseal_abe as abe;
use twinseal_abe::outsource::TransformKey;
use twinseal_driver::MerkleSlot;
use twinseal_ledger::{
    Access, AccountId, Clock, Genesis, Kind, Ledger, Level, Member, Receipt, Record, Rules, SigningKey,
    SystemClock, Transaction, TreeHasher,
};
use twinseal_twin::Series;
use zeroize::Zeroizing;

use crate::Error;
use crate::answers::{
    Attestation, BoardStatus, Evidence, Health, LeaseReport, Method, PredictReport, PutReport, RecoverReport,
};
use crate::authority::request::Request;
use crate::authority::{Authorities, Authority, Report};
use crate::config::Config;
use crate::engines::Engines;
use crate::folder::{self, DataFolder};
use crate::identity::Identity;
use crate::policy;
use crate::record::{self, Header, RecordNumber, SealedRecord, SealedSection, SignedRecord};
use crate::recover::{Origin, Recovered};
use crate::root;
use crate::store::{ObjectHash, Objects};
use crate::transform::{self, TransformKeys, TransformedSection};
use crate::upload::Upload;

/// The authorities of a new node, and whether each is a clock.
pub const AUTHORITIES: [(&str, bool); 3] = [("hospital", false), ("institute", false), ("clock", true)];
/// What the owner starts with, in the ledger's smallest unit.
const OPENING_BALANCE: u64 = 1_000_000_000;
/// Codes of what the ledger understood and does not allow.
pub const REFUSALS: &str = "TSL-LED-1";
/// Price of a lease per mebibyte and day, rounded up.
const LEASE_PRICE: u64 = 1;
/// Fee of a time-sensitive registration.
const STREAM_FEE: u64 = 10;

/// What API requests carry: 64 hex digits each.
pub struct Tokens {
    /// May do everything.
    pub owner: Zeroizing<String>,
    /// May fetch what is sealed.
    pub reader: Zeroizing<String>,
}

/// An open node.
pub struct Node {
    engines: Engines,
    owner: Identity,
    doctor: Identity,
    cloud: AccountId,
    authorities: Mutex<Authorities>,
    recovery: Recovery,
    transform_keys: TransformKeys,
    ledger: Arc<Ledger>,
    objects: Objects,
    folder: DataFolder,
    /// One put at a time: a lease is checked against what is stored.
    put_lock: tokio::sync::Mutex<()>,
}

impl Node {
    /// Opens the node in `config.data_dir`, enrolling the board (or making a root secret) and creating authorities, ledger
    /// and object folder on first use. A folder from which something was lost is refused.
    pub fn open(config: &Config) -> Result<Self, Error> {
        root::check_name(&config.board)?;
        let files = [folder::LEDGER, folder::OBJECTS, folder::AUTHORITIES];
        let folder = DataFolder::open(&config.data_dir, &files)?;
        let objects = Objects::folder(&folder.path(folder::OBJECTS))?;

        let engines = Engines::open(&config.board, config.engine, &config.data_dir, folder.is_new())?;
        let identity = |role| Identity::new(engines.provider().derive.clone(), role);
        let (owner, doctor, cloud) = (identity("owner")?, identity("doctor")?, identity("cloud")?);
        let orderer = identity("orderer")?.into_signing();
        let mut authorities = Authorities::open(&folder.path(folder::AUTHORITIES), engines.at_rest())?;
        if folder.is_new() {
            let rng = &mut crate::entropy::Rng(&*engines.provider().entropy);
            for (name, clock) in AUTHORITIES {
                authorities.init(name, clock, rng)?;
            }
        }
        let recovery = Recovery::open(config, &authorities)?;
        let transform_keys = TransformKeys::open(&folder.path("transform-keys"))?;
        // Users who were revoked while the daemon was stopped.
        let dropped = transform_keys.retain(|user, key| not_revoked(&authorities, user, key))?;
        if dropped > 0 {
            info!(dropped, "transform keys of revoked users deleted");
        }

        let genesis_path = folder.path(folder::GENESIS);
        let genesis = if folder.is_new() {
            new_genesis(&owner, &doctor, &cloud, &orderer)
        } else {
            let bytes = std::fs::read(&genesis_path)
                .map_err(|e| Error::io("read the ledger's agreement", &genesis_path, e))?;
            Genesis::from_bytes(&bytes).map_err(|_| damaged(&genesis_path, "the ledger's agreement"))?
        };
        let genesis_bytes = genesis.to_bytes()?;
        let tree = Arc::new(SlotTree(engines.provider().merkle.clone()));
        let ledger =
            Ledger::open(&folder.path(folder::LEDGER), genesis, orderer, tree, Arc::new(SystemClock))?;
        if folder.is_new() {
            folder.complete(&genesis_bytes)?;
        }
        // Authorities and ledger have opened under this root.
        engines.keep_root_check()?;
        Ok(Self {
            cloud: cloud.account(),
            ledger: Arc::new(ledger),
            engines,
            owner,
            doctor,
            authorities: Mutex::new(authorities),
            recovery,
            transform_keys,
            objects,
            folder,
            put_lock: tokio::sync::Mutex::new(()),
        })
    }

    /// The engines this node computes with.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// One line per slot: which engine, and why.
    pub fn engine_lines(&self) -> Vec<String> {
        self.engines.explain()
    }

    /// The owner's identity.
    pub fn owner(&self) -> &Identity {
        &self.owner
    }

    /// The identity that signs records.
    pub fn doctor(&self) -> &Identity {
        &self.doctor
    }

    /// The account that rents out storage.
    pub fn cloud(&self) -> AccountId {
        self.cloud
    }

    /// The ledger.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The object store behind the gateway.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// This node's authorities, one caller at a time.
    pub fn authorities(&self) -> MutexGuard<'_, Authorities> {
        // Every change is whole or not made, so a panic elsewhere leaves nothing half done.
        self.authorities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Current public keys of this node's authorities, and those it was given for recovery.
    pub fn authority_keys(&self) -> Vec<Arc<abe::PublicKey>> {
        let of_others = self.recovery.authorities.iter().cloned();
        self.authorities().iter().map(Authority::public_key).chain(of_others).collect()
    }

    /// Who may read every record besides those its own policy names.
    pub fn recovery_policy(&self) -> Option<&abe::Policy> {
        self.recovery.policy.as_ref()
    }

    /// Lets the recovery policy open every section of `upload` too.
    pub fn add_recovery(&self, upload: &mut Upload) -> Result<(), Error> {
        let Some(recovery) = &self.recovery.policy else { return Ok(()) };
        for section in &mut upload.sections {
            section.policy = policy::with_recovery(&section.policy, recovery)?;
        }
        Ok(())
    }

    /// Answers a signed request for attribute keys to the authority called `name`.
    pub fn answer(&self, name: &str, request: &[u8], max_age_ms: u64) -> Result<Vec<u8>, Error> {
        let request = Request::open(request)?;
        let rng = &mut crate::entropy::Rng(&*self.engines.provider().entropy);
        blocking(|| self.authorities().get_mut(name)?.answer(&request, SystemClock.now_ms(), max_age_ms, rng))
    }

    /// A new authority.
    pub fn init_authority(&self, name: &str, clock: bool) -> Result<Report, Error> {
        let rng = &mut crate::entropy::Rng(&*self.engines.provider().entropy);
        Ok(self.authorities().init(name, clock, rng)?.report())
    }

    /// A new generation of the authority called `name`.
    pub fn rotate(&self, name: &str) -> Result<Report, Error> {
        let rng = &mut crate::entropy::Rng(&*self.engines.provider().entropy);
        let mut authorities = self.authorities();
        let authority = authorities.get_mut(name)?;
        authority.rotate(rng)?;
        Ok(authority.report())
    }

    /// The operator's word that `user` gets nothing more from the authority called `name`; the node does no more work with
    /// the user's transform keys either.
    pub fn revoke(&self, name: &str, user: &str) -> Result<(), Error> {
        self.authorities().get_mut(name)?.revoke(user, SystemClock.now_ms())?;
        info!(authority = name, user, "revoked");
        // Who typed the identity in capitals means the same person.
        self.transform_keys.delete_user(&user.to_ascii_lowercase())
    }

    /// The transform keys left here.
    pub fn transform_keys(&self) -> &TransformKeys {
        &self.transform_keys
    }

    /// Keeps a reader's transform key. Only for people some authority of this node vouches for, and without attributes of
    /// one that has revoked them.
    pub fn keep_transform_key(&self, name: &str, upload: &[u8]) -> Result<(), Error> {
        let may_keep = |user: &str, key: &TransformKey| {
            let authorities = self.authorities();
            not_revoked(&authorities, user, key)?;
            let is_known = authorities.iter().any(|authority| authority.vouches_for(user));
            if is_known { Ok(()) } else { Err(Error::UnknownUser) }
        };
        self.transform_keys.keep(name, upload, SystemClock.now_ms(), may_keep)
    }

    /// A section with the pairings of its opening done by the provider's engine, for the holder of a transform key.
    pub async fn transformed(
        &self,
        number: RecordNumber,
        name: &str,
        transform_key: &str,
    ) -> Result<TransformedSection, Error> {
        let (user, key) = self.transform_keys.get(transform_key)?;
        not_revoked(&self.authorities(), &user, &key)?;
        let record = self.fetch(number).await?;
        let section = record.section(name)?;
        let slot = &*self.engines.provider().transform;
        let transformed = blocking(|| transform::transform(&section.ciphertext()?, &key, slot))?;
        Ok(TransformedSection {
            blob: record.to_bytes()?,
            evidence: self.evidence(number)?,
            body: self.body(section).await?,
            transformed: transformed.to_bytes(),
            engine: slot.engine().into(),
        })
    }

    /// The tokens that API requests carry, created on first use with mode 0600.
    pub fn tokens(&self) -> Result<Tokens, Error> {
        Ok(Tokens { owner: self.token("api.token")?, reader: self.token("reader.token")? })
    }

    fn token(&self, file: &str) -> Result<Zeroizing<String>, Error> {
        let path = self.folder.path(file);
        if !path.exists() {
            let mut bytes = Zeroizing::new([0u8; 32]);
            self.engines.provider().entropy.fill(bytes.as_mut_slice())?;
            folder::write_secret(&path, Zeroizing::new(hex::encode(bytes.as_slice())).as_bytes())?;
        }
        let token = folder::read_secret(&path)?;
        let token = core::str::from_utf8(&token).unwrap_or_default().trim();
        if token.len() != 64 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            let expected = "64 hex digits; delete it, and the daemon makes a new one";
            return Err(Error::SecretMalformed { path: path.display().to_string(), expected });
        }
        Ok(Zeroizing::new(token.to_owned()))
    }

    /// Seals, stores and registers; with `recover`, so that the recovery policy opens it too. The blob is on disk before the registration is submitted, so a full store or a
    /// killed daemon never leaves a registered record without its blob.
    pub async fn put(&self, mut upload: Upload, recover: bool) -> Result<PutReport, Error> {
        if recover {
            self.add_recovery(&mut upload)?;
        }
        self.put_as(record::random_record_number(&*self.engines.provider().entropy)?, upload).await
    }

    async fn put_as(&self, number: RecordNumber, upload: Upload) -> Result<PutReport, Error> {
        let sealed = blocking(|| self.seal_as(number, &upload))?;
        let _one_at_a_time = self.put_lock.lock().await;
        let stored = self.store(&sealed).await?;
        let registered = self.register(&sealed.record, &stored).await;
        if is_refused(&registered) {
            // For good: without this the objects would use up the lease for ever.
            self.objects.delete(&stored.hash).await?;
            for section in &sealed.record.sections {
                self.objects.delete(&section.body_hash).await?;
            }
        }
        registered
    }

    /// Seals every section of `upload` as record `number`, under its own key and policy, and has the doctor sign.
    pub fn seal_as(&self, number: RecordNumber, upload: &Upload) -> Result<SealedRecord, Error> {
        let provider = self.engines.provider();
        let header = Header {
            version: Header::VERSION,
            suite: Header::SUITE.into(),
            record_number: number,
            owner: self.owner.account(),
            created_ms: SystemClock.now_ms(),
        };
        let authorities = self.authority_keys();
        let (mut sections, mut bodies) = (Vec::new(), Vec::new());
        for section in &upload.sections {
            let key = self.owner.section_key(&number, &section.name)?;
            let (hash, entropy) = (&*provider.hash, &*provider.entropy);
            let (sealed, body) = record::seal_section(&header, section, &key, &authorities, hash, entropy)?;
            sections.push(sealed);
            bodies.push(body);
        }
        Ok(SealedRecord { record: SignedRecord::sign(header, sections, self.doctor.signing())?, bodies })
    }

    /// The cloud's part: lease, then bodies, then the blob that names them.
    pub async fn store(&self, sealed: &SealedRecord) -> Result<Stored, Error> {
        let blob = sealed.record.to_bytes()?;
        let bytes = sealed.bodies.iter().chain([&blob]).map(|object| object.len() as u64).sum();
        self.check_lease(bytes).await?;
        for (section, body) in sealed.record.sections.iter().zip(&sealed.bodies) {
            self.objects.put(&section.body_hash, body.clone()).await?;
        }
        Ok(Stored { hash: self.store_blob(blob).await?, bytes })
    }

    async fn store_blob(&self, blob: Vec<u8>) -> Result<ObjectHash, Error> {
        let hash = blocking(|| self.engines.provider().hash.hash(&blob))?;
        self.objects.put(&hash, blob).await?;
        Ok(hash)
    }

    /// Gives one section another policy, or the same one under the authorities' current keys, and registers the record's
    /// next version; with `recover`, so that the recovery policy opens it too. No body is touched, and the version before stays where it is.
    pub async fn rewrap(
        &self,
        number: RecordNumber,
        name: &str,
        policy: Option<&str>,
        recover: bool,
    ) -> Result<PutReport, Error> {
        let _one_at_a_time = self.put_lock.lock().await;
        let mut record = self.fetch(number).await?;
        let header = record.header.clone();
        let section = record.section_mut(name)?;
        let mut policy = policy::parse(policy.unwrap_or(&section.access.policy))?;
        if let Some(recovery) = self.recovery.policy.as_ref().filter(|_| recover) {
            policy = policy::with_recovery(&policy, recovery)?;
        }
        let key = self.owner.section_key(&number, &section.name)?;
        let entropy = &*self.engines.provider().entropy;
        *section = blocking(|| section.rewrap(&header, &policy, &key, &self.authority_keys(), entropy))?;
        let blob = record.to_bytes()?;
        let bytes = blob.len() as u64;
        self.check_lease(bytes).await?;
        let stored = Stored { hash: self.store_blob(blob).await?, bytes };
        let registered = self.register(&record, &stored).await;
        if is_refused(&registered) {
            self.objects.delete(&stored.hash).await?;
        }
        registered
    }

    /// Puts anew what was opened under a recovery policy, with a section that says where it came from and proves it. The
    /// same record of the same ledger is put once.
    pub async fn recover(&self, recovered: Recovered) -> Result<RecoverReport, Error> {
        let (Origin { chain, record }, mut upload) = recovered.into_upload()?;
        let number = self.owner.recovered_number(&chain, &record)?;
        let is_new = self.ledger.record(&number)?.is_none();
        if is_new {
            self.add_recovery(&mut upload)?;
            self.put_as(number, upload).await?;
        }
        let signed = self.fetch(number).await?;
        Ok(RecoverReport {
            from_chain: chain.to_string(),
            from_record: record.to_string(),
            record: number.to_string(),
            is_new,
            sections: signed.sections.iter().map(|s| s.name.to_string()).collect(),
            policies: signed.sections.iter().map(|s| s.access.policy.clone()).collect(),
        })
    }

    /// The ledger's part: the registration of a stored record, and the owner's statement that its doctor may read it,
    /// ordered together.
    pub async fn register(&self, signed: &SignedRecord, stored: &Stored) -> Result<PutReport, Error> {
        let provider = self.engines.provider();
        let kind = Kind::RegisterRecord {
            record: signed.header.record_number,
            ciphertext_hashes: blocking(|| signed.ciphertext_hashes(&*provider.hash))?,
            blob_hash: stored.hash,
            timestamp_ms: signed.header.created_ms,
            level: Level::High,
            fee: STREAM_FEE,
        };
        let record = signed.header.record_number;
        let policies: Vec<&str> = signed.sections.iter().map(|s| s.access.policy.as_str()).collect();
        let access = Access::Policy(provider.hash.hash(policies.join("\n").as_bytes())?);
        let grant = Kind::Grant { record, reader: self.doctor.account(), access };
        let receipts = self.submit(&self.owner, vec![kind, grant]).await?;
        let receipt = receipts.first().ok_or(Error::Interrupted)?;
        let (header, proof) = self.ledger.proof(&receipt.id)?;
        Ok(PutReport {
            record: signed.header.record_number.to_string(),
            sections: signed.sections.iter().map(|s| s.name.to_string()).collect(),
            policies: signed.sections.iter().map(|s| s.access.policy.clone()).collect(),
            blob_bytes: stored.bytes,
            blob_hash: hex::encode(stored.hash),
            transaction: receipt.id.to_string(),
            height: receipt.height.0,
            tree_head: hex::encode(header.header.tree_head),
            proof_hashes: proof.path.len(),
            hash_engine: provider.hash.engine().to_string(),
            merkle_engine: provider.merkle.engine().to_string(),
        })
    }

    /// The cloud's side of an upload: is there a paid, unexpired lease with room for `needed_bytes` more?
    pub async fn check_lease(&self, needed_bytes: u64) -> Result<(), Error> {
        let now_ms = SystemClock.now_ms();
        let leased_bytes = self
            .ledger
            .leases(&self.owner.account(), &self.cloud)?
            .iter()
            .filter(|lease| lease.expires_ms > now_ms)
            .fold(0u64, |sum, lease| sum.saturating_add(lease.size_bytes));
        let used_bytes = self.objects.used_bytes().await?;
        if used_bytes.saturating_add(needed_bytes) > leased_bytes {
            return Err(Error::NoLease { needed_bytes });
        }
        Ok(())
    }

    /// Pays the cloud for storage.
    pub async fn pay_lease(&self, size_bytes: u64, duration_ms: u64) -> Result<LeaseReport, Error> {
        let mebibytes = size_bytes.div_ceil(1 << 20);
        let days = duration_ms.div_ceil(86_400_000);
        let amount = mebibytes.saturating_mul(days).saturating_mul(LEASE_PRICE);
        let kind = Kind::PayLease { cloud: self.cloud, size_bytes, duration_ms, amount };
        let receipts = self.submit(&self.owner, vec![kind]).await?;
        let receipt = receipts.first().ok_or(Error::Interrupted)?;
        Ok(LeaseReport {
            transaction: receipt.id.to_string(),
            height: receipt.height.0,
            amount,
            balance: self.ledger.balance(&self.owner.account())?,
            expires_ms: receipt.timestamp_ms.saturating_add(duration_ms),
        })
    }

    /// Signs and submits what belongs together, off the async threads because a commit waits for the disk and perhaps
    /// for a board. All of it took effect, or this is an error.
    pub async fn submit(&self, who: &Identity, kinds: Vec<Kind>) -> Result<Vec<Receipt>, Error> {
        let sign = |kind| {
            // Random, so that requests that run at the same time need not agree on the next one.
            let mut nonce = [0u8; 8];
            self.engines.provider().entropy.fill(&mut nonce)?;
            Ok(Transaction::sign(who.signing(), self.ledger.chain(), u64::from_le_bytes(nonce), kind)?)
        };
        let transactions = kinds.into_iter().map(sign).collect::<Result<Vec<_>, Error>>()?;
        let ledger = self.ledger.clone();
        let answers = tokio::task::spawn_blocking(move || ledger.submit_all(transactions))
            .await
            .map_err(|_| Error::Interrupted)?;
        answers.into_iter().map(|answer| Ok(answer?.applied()?)).collect()
    }

    /// What the ledger says about a record.
    pub fn registered(&self, number: RecordNumber) -> Result<Record, Error> {
        self.ledger.record(&number)?.ok_or_else(|| Error::NoSuchRecord { record: number.to_string() })
    }

    /// The sealed blob, checked against the ledger.
    pub async fn blob(&self, number: RecordNumber) -> Result<Vec<u8>, Error> {
        let registered = self.registered(number)?;
        self.objects.get(&registered.blob_hash).await
    }

    /// The sealed record: blob hash, signature and every ciphertext hash checked.
    pub async fn fetch(&self, number: RecordNumber) -> Result<SignedRecord, Error> {
        let registered = self.registered(number)?;
        let blob = self.objects.get(&registered.blob_hash).await?;
        let record = SignedRecord::from_bytes(&blob)?;
        let hash = &*self.engines.provider().hash;
        record.verify(self.doctor.signing().public_key())?;
        if record.header.record_number != number
            || record.header.owner != registered.owner
            || blocking(|| record.ciphertext_hashes(hash))? != registered.ciphertext_hashes
        {
            return Err(Error::LedgerMismatch { record: number.to_string() });
        }
        Ok(record)
    }

    /// The body of a section, checked against its hash.
    pub async fn body(&self, section: &SealedSection) -> Result<Vec<u8>, Error> {
        self.objects.get(&section.body_hash).await
    }

    /// The body of the section called `name`.
    pub async fn body_of(&self, number: RecordNumber, name: &str) -> Result<Vec<u8>, Error> {
        self.body(self.fetch(number).await?.section(name)?).await
    }

    /// Everything a third party needs to check a record against the ledger by itself.
    pub fn evidence(&self, number: RecordNumber) -> Result<Evidence, Error> {
        let registered = self.registered(number)?;
        let receipt = self
            .ledger
            .receipt(&registered.transaction)?
            .ok_or_else(|| Error::NoSuchRecord { record: number.to_string() })?;
        let (header, proof) = self.ledger.proof(&registered.transaction)?;
        let block = self.ledger.block(receipt.height)?.ok_or(Error::Malformed)?;
        let transaction = block.transactions.get(receipt.index as usize).ok_or(Error::Malformed)?;
        Evidence::new(self.ledger.genesis(), &header, transaction, &proof)
    }

    /// One section in the clear, by the owner's key.
    pub async fn open_section(&self, number: RecordNumber, name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let record = self.fetch(number).await?;
        let section = record.section(name)?;
        let key = self.owner.section_key(&number, &section.name)?;
        section.open_with_key(&record.header, &self.body(section).await?, &key)
    }

    /// The stream of a record with its gaps filled beside it.
    pub async fn predict(&self, number: RecordNumber, method: Method) -> Result<PredictReport, Error> {
        let record = self.fetch(number).await?;
        let section = record.stream()?;
        let key = self.owner.section_key(&number, &section.name)?;
        let series =
            Series::from_bytes(&section.open_with_key(&record.header, &self.body(section).await?, &key)?)?;
        Ok(PredictReport::new(
            &record.header.record_number,
            &section.name,
            method,
            &blocking(|| method.fill(&series))?,
        ))
    }

    /// What is plugged in and whether it answers, what keys grow from, and whether records outlive it.
    pub fn board_status(&self) -> BoardStatus {
        let recovery = self.recovery.policy.as_ref().map(ToString::to_string);
        let own: Vec<_> = self.authorities().iter().map(|a| a.name().to_owned()).collect();
        let own = self.recovery.authorities_named().into_iter().filter(|name| own.contains(name));
        blocking(|| self.engines.status(recovery, own.collect()))
    }

    /// The vault's answer to a challenge.
    pub fn attest(&self, challenge: &str) -> Result<Attestation, Error> {
        let challenge = root::challenge(Some(challenge))?;
        blocking(|| self.engines.attest(&challenge))
    }

    /// Alive, and with what.
    pub fn health(&self) -> Result<Health, Error> {
        let head = self.ledger.head()?.header;
        Ok(Health {
            version: env!("CARGO_PKG_VERSION").into(),
            chain: self.ledger.chain().to_string(),
            height: head.height.0,
            engines: self.engines.explain(),
        })
    }
}

/// The driver's Merkle slot as the ledger's tree hasher.
struct SlotTree(Arc<dyn MerkleSlot>);

impl TreeHasher for SlotTree {
    fn tree_head(&self, leaves: &[[u8; 32]]) -> Result<[u8; 32], Box<dyn core::error::Error + Send + Sync>> {
        let leaves: Vec<&[u8]> = leaves.iter().map(<[u8; 32]>::as_slice).collect();
        Ok(self.0.merkle_root(&leaves)?)
    }
}

/// Who may read every record besides those its own policy names.
struct Recovery {
    policy: Option<abe::Policy>,
    /// Public keys of authorities this node does not run.
    authorities: Vec<Arc<abe::PublicKey>>,
}

impl Recovery {
    fn open(config: &Config, own: &Authorities) -> Result<Self, Error> {
        let policy = Some(config.recovery_policy.trim()).filter(|text| !text.is_empty());
        let recovery = Self {
            policy: policy.map(policy::parse).transpose()?,
            authorities: config
                .recovery_authorities
                .iter()
                .map(|path| read_key(path))
                .collect::<Result<_, _>>()?,
        };
        let wrong = |reason| Err(Error::Config { reason });
        let mut given: Vec<&str> = own.iter().map(Authority::name).collect();
        for name in recovery.authorities.iter().map(|key| key.authority().as_str()) {
            if given.contains(&name) {
                return wrong(format!(
                    "recovery_authorities has {name} twice, or this node runs it; leave one out"
                ));
            }
            given.push(name);
        }
        match recovery.authorities_named().iter().find(|name| !given.contains(&name.as_str())) {
            Some(name) => wrong(format!(
                "recovery_policy names {name}, whose public key is not there; add its generation-N.pub to recovery_authorities"
            )),
            None => Ok(recovery),
        }
    }

    /// Names of the authorities in the policy.
    fn authorities_named(&self) -> Vec<String> {
        let named = self.policy.as_ref().map(crate::file::authorities).unwrap_or_default();
        named.iter().map(ToString::to_string).collect()
    }
}

fn read_key(path: &std::path::Path) -> Result<Arc<abe::PublicKey>, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read the public key", path, e))?;
    Ok(Arc::new(abe::PublicKey::from_bytes(&bytes)?))
}

/// An error if an authority of this node whose attributes are in `key` has revoked `user`.
fn not_revoked(authorities: &Authorities, user: &str, key: &TransformKey) -> Result<(), Error> {
    for authority in authorities.iter().filter(|authority| authority.has_revoked(user)) {
        if key.attributes().any(|(attribute, _)| attribute.authority().as_str() == authority.name()) {
            return Err(Error::UserRevoked { authority: authority.name().into() });
        }
    }
    Ok(())
}

fn new_genesis(owner: &Identity, doctor: &Identity, cloud: &Identity, orderer: &SigningKey) -> Genesis {
    let member = |name: &str, who: &Identity, balance| Member {
        name: name.into(),
        public_key: who.signing().public_key().clone(),
        balance,
    };
    Genesis {
        version: Genesis::VERSION,
        name: "twinseal".into(),
        created_ms: SystemClock.now_ms(),
        orderer: orderer.public_key().clone(),
        members: vec![
            member("owner", owner, OPENING_BALANCE),
            member(DOCTOR, doctor, 0),
            member("cloud", cloud, 0),
        ],
        rules: Rules::default(),
    }
}

/// Name of the member whose signature a record must carry.
pub const DOCTOR: &str = "doctor";

fn damaged(path: &std::path::Path, expected: &'static str) -> Error {
    Error::SecretMalformed { path: path.display().to_string(), expected }
}

/// The ledger understood the registration and does not allow it.
fn is_refused(registered: &Result<PutReport, Error>) -> bool {
    matches!(registered, Err(Error::Ledger(refusal)) if refusal.code().starts_with(REFUSALS))
}

/// Runs work of many milliseconds, on the processor or on a board, without holding up other requests.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// What a put left in the store.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// SHA-256 of the blob, and its name.
    pub hash: ObjectHash,
    /// Size of everything that was stored.
    pub bytes: u64,
}
