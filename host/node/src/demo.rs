//! `twinseal demo`: one record, end to end, step by step as in the design, with the evidence of each step and the attacks
//! it must withstand. The demo runs the same [`Node`] as the daemon, in a folder of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use twinseal_abe::outsource::{self, Plan, Transformed};
use twinseal_abe::time::Epoch;
use twinseal_abe::{AttributeKey, Claim, Policy};
use twinseal_driver::{EntropySlot, HelperData, HelperStore, Provider};
use twinseal_ledger::{Clock, LightClient, SystemClock, merkle};
use twinseal_twin::{Series, metrics, patient};
use zeroize::Zeroizing;

use crate::Error;
use crate::answers::Method;
use crate::at_rest::{self, AtRest};
use crate::authority::ceremony::Terms;
use crate::authority::request::{Accepted, Request, accept};
use crate::authority::{Authorities, Authority};
use crate::config::{Config, EngineChoice};
use crate::folder;
use crate::home::Home;
use crate::identity::Identity;
use crate::node::{Node, Stored};
use crate::reader::ReaderKeys;
use crate::record::{self, RecordNumber, SealedRecord, SectionName, SignedRecord};
use crate::recover::Lost;
use crate::report::{Recorder, Report, Step};
use crate::root::{HELPER_NAME, Kind};
use crate::statement::MAX_AGE_MS;
use crate::transform::{self, TransformedSection};
use crate::upload::{Upload, UploadKind};
use crate::verify;

/// Seed of the built-in patient, so that two runs tell the same story.
const PATIENT_SEED: u64 = 7;
/// Share of observed samples hidden to measure the predictions.
const HOLD_OUT_PERCENT: u32 = 10;

/// Who may read every record of the demo, so that it outlives the board.
const RECOVERY_POLICY: &str = "kin@registry and notary@registry";

/// What to run on.
#[derive(Debug)]
pub struct DemoOptions {
    /// A Dexcom G6 export or an Empatica E4 file; the simulated patient when `None`.
    pub input: Option<PathBuf>,
    /// `sim`, `sim:PATH`, `none` or a serial port.
    pub board: String,
    /// Who computes.
    pub engine: EngineChoice,
    /// Kept when given, else temporary.
    pub data_dir: Option<PathBuf>,
}

/// Runs every step and hands each to `on_step` when it is done. A step that cannot go on is an error; a check that does
/// not hold is in the report.
pub fn run(options: &DemoOptions, on_step: impl FnMut(&Step)) -> Result<Report, Error> {
    let temporary;
    let data_dir = match &options.data_dir {
        Some(dir) => dir.as_path(),
        None => {
            temporary =
                tempfile::tempdir().map_err(|e| Error::io("create", Path::new("a temporary folder"), e))?;
            temporary.path()
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::io("start", Path::new("the async runtime"), e))?;
    let mut demo = Demo { report: Report::default(), on_step };
    runtime.block_on(demo.run(options, data_dir))?;
    Ok(demo.report)
}

struct Demo<F> {
    report: Report,
    on_step: F,
}

impl<F: FnMut(&Step)> Demo<F> {
    async fn run(&mut self, options: &DemoOptions, data_dir: &Path) -> Result<(), Error> {
        let mut elsewhere = Elsewhere::new()?;
        let config = Config {
            data_dir: data_dir.to_owned(),
            board: options.board.clone(),
            engine: options.engine,
            recovery_policy: RECOVERY_POLICY.into(),
            recovery_authorities: vec![elsewhere.at("authorities/registry/generation-1.pub")],
            ..Config::default()
        };
        // Meanwhile somebody else gets a board and enrols it.
        let second = Second::start(elsewhere.node(&config));
        let node = self.open(&config)?;
        self.vault(&node, data_dir)?;
        let mut upload = self.ingest(options)?;
        node.add_recovery(&mut upload)?;
        let number = record::random_record_number(&*node.engines().provider().entropy)?;
        self.keys(&node, number, &upload)?;
        let sealed = self.seal(&node, number, &upload)?;
        let signed = &sealed.record;
        self.encapsulate(&node, signed)?;
        self.sign(&node, signed)?;
        let stored = self.store(&node, &sealed).await?;
        self.register(&node, signed, &stored).await?;
        self.tokenize();
        self.read(&node, signed).await?;
        self.outsource(&node, signed).await?;
        self.finish(&node, &upload, number).await?;
        self.attack(&node, &sealed, data_dir).await?;
        self.time_and_revocation(&node, number).await?;
        self.threshold(&node)?;
        let second = second.join()?;
        self.lose_the_board(node, second, config, &mut elsewhere, &upload, number).await
    }

    fn end(&mut self, step: Recorder) {
        (self.on_step)(self.report.end(step));
    }

    fn open(&mut self, config: &Config) -> Result<Node, Error> {
        let mut step = self.report.begin("0", "Open the node: board, identities, ledger");
        let node = Node::open(config)?;
        for line in node.engine_lines() {
            step.evidence("engine", line);
        }
        step.evidence("chain", node.ledger().chain().to_string());
        step.evidence("owner account", node.owner().account().to_string());
        self.end(step);
        Ok(node)
    }

    fn vault(&mut self, node: &Node, data_dir: &Path) -> Result<(), Error> {
        let mut step =
            self.report.begin("P", "The root key grows in the board's silicon and never leaves it");
        let status = node.board_status();
        let Some(board) = node.engines().board().filter(|_| status.root == Kind::Vault) else {
            step.evidence("keys", "grow from root.key, a file of 32 random bytes, mode 0600");
            step.warn(
                "no board with a vault: choose --board sim or a serial port to see keys that are on no disk",
            );
            self.end(step);
            return Ok(());
        };
        step.evidence("board", board.label());
        step.evidence("engines", status.engines.join(", "));
        step.evidence("random bytes", status.entropy);
        let helper = HelperStore::new(data_dir).load(HELPER_NAME)?.ok_or(Error::NoVault)?;
        step.evidence(
            "helper data",
            format!("{} bytes, public: {}", HelperData::BYTES, hex::encode(helper.as_bytes())),
        );
        let root = data_dir.join(folder::ROOT);
        step.check("no root is on the disk", !root.exists(), format!("{} does not exist", root.display()));
        let master = data_dir.join("authorities/hospital/generation-1.key");
        step.check(
            "what others must not read and no root gives (authorities' master keys) is sealed under the board",
            at_rest::is_sealed(&master)?,
            "authorities/hospital/generation-1.key",
        );

        let key = || Ok::<_, Error>(node.engines().provider().derive.derive(b"demonstration")?);
        let before = key()?;
        board.close_vault()?;
        step.refused("a key asked of the closed vault", key(), &["TSL-DRV-025"]);
        let mut altered = *helper.as_bytes();
        altered[7] ^= 1;
        let opened = board.open_vault(&HelperData::from_bytes(altered)).map_err(Error::from);
        step.refused("helper data with one bit changed", opened, &["TSL-DRV-024"]);
        let started = Instant::now();
        board.open_vault(&helper)?;
        let opened_ms = started.elapsed().as_secs_f64() * 1e3;
        step.check(
            "read anew, with new noise, the silicon gives the same keys",
            before == key()?,
            format!("1024 pair readings corrected and opened in {opened_ms:.0} ms of this machine's time"),
        );
        let challenge = [0x5a; 32];
        let answers = [node.engines().attest(&challenge)?, node.engines().attest(&challenge)?];
        step.evidence("attestation", format!("{} by build {}", answers[0].mac, answers[0].build_id));
        step.check(
            "the vault answers a challenge the same way again",
            answers[0] == answers[1],
            "symmetric: nobody can check it without the same answer from before",
        );
        self.end(step);
        Ok(())
    }

    fn ingest(&mut self, options: &DemoOptions) -> Result<Upload, Error> {
        let mut step = self.report.begin("1", "Parse a stream into a record with a mask");
        let (source, bytes) = match &options.input {
            Some(path) => {
                (path.display().to_string(), std::fs::read(path).map_err(|e| Error::io("read", path, e))?)
            }
            None => (
                format!("simulated patient, seed {PATIENT_SEED}, as a Dexcom G6 export"),
                patient::simulate(PATIENT_SEED)?.to_dexcom_csv().into_bytes(),
            ),
        };
        let kind = UploadKind::guess(&bytes);
        let mut upload = Upload::parse(&bytes, Some(kind), None)?;
        let (_, series) = upload.stream().ok_or_else(|| Error::BadUpload {
            reason: "the demo needs a sensor stream; give a Dexcom G6 export or an Empatica E4 EDA file"
                .into(),
        })?;
        step.evidence("source", source);
        step.evidence("read as", format!("{kind}, {} bytes", bytes.len()));
        step.evidence("signal", format!("{} every {} ms", series.kind(), series.step_ms()));
        let (total, observed) = (series.len(), series.observed_count());
        step.evidence(
            "samples",
            format!("{total}: {observed} observed, {} missing or censored", total - observed),
        );
        step.evidence("gaps", series.gaps().len());
        let range = series.kind().range();
        let outside = series.observed().filter(|(_, v)| !range.contains(v)).count();
        let silent = (0..total).filter(|&i| series.get(i).is_none()).count();
        step.check(
            "every sample is a value the sensor can give, or masked: no NaN, no filler",
            outside == 0 && silent + observed == total,
            format!("{observed} between {} and {}, {silent} masked", range.start(), range.end()),
        );
        let note = symptoms(&series);
        upload.add_text("symptoms", &note)?;
        upload
            .add_text("prescriptions", "demonstration text: continue sensor monitoring; review in 14 days")?;
        let names: Vec<_> = upload.sections.iter().map(|s| s.name.to_string()).collect();
        step.evidence("sections", names.join(", "));
        self.end(step);
        Ok(upload)
    }

    fn keys(&mut self, node: &Node, number: RecordNumber, upload: &Upload) -> Result<(), Error> {
        let mut step = self.report.begin("2", "Derive the record's section keys from the root");
        step.evidence("record number", number.to_string());
        step.evidence("derived by", node.engines().provider().derive.engine().to_string());
        let again = |n, name: &SectionName| node.owner().section_key(&n, name);
        let other = record::random_record_number(&*node.engines().provider().entropy)?;
        let mut seen = Vec::new();
        let mut regenerated = true;
        for section in &upload.sections {
            let key = again(number, &section.name)?;
            regenerated &= key.as_bytes() == again(number, &section.name)?.as_bytes();
            seen.push(key.as_bytes().to_owned());
            seen.push(again(other, &section.name)?.as_bytes().to_owned());
        }
        let expected = seen.len();
        seen.sort_unstable();
        seen.dedup();
        step.check(
            "each key is regenerated bit for bit",
            regenerated,
            format!("{} keys", upload.sections.len()),
        );
        step.check(
            "no two sections or records share a key",
            seen.len() == expected,
            format!("{} keys, all different", seen.len()),
        );
        self.end(step);
        Ok(())
    }

    fn seal(&mut self, node: &Node, number: RecordNumber, upload: &Upload) -> Result<SealedRecord, Error> {
        let mut step =
            self.report.begin("3", "Seal the sections (AES-256-GCM, key commitment), wrap their keys, sign");
        let sealed = node.seal_as(number, upload)?;
        let SealedRecord { record: signed, bodies } = &sealed;
        let mut opened = 0;
        for ((plain, section), body) in upload.sections.iter().zip(&signed.sections).zip(bodies) {
            step.evidence(
                section.name.as_str(),
                format!("{} bytes sealed to {}", plain.plaintext.len(), body.len()),
            );
            let key = node.owner().section_key(&number, &section.name)?;
            opened += usize::from(*section.open_with_key(&signed.header, body, &key)? == *plain.plaintext);
        }
        step.check(
            "the owner opens every section again",
            opened == upload.sections.len(),
            format!("{opened} of {} plaintexts equal", upload.sections.len()),
        );
        let section = &signed.sections[0];
        let wrong = node.owner().section_key(&number, &signed.sections[1].name)?;
        step.refused(
            "another section's key fails at the commitment",
            section.open_with_key(&signed.header, &bodies[0], &wrong),
            &["TSL-NOD-002"],
        );
        self.end(step);
        Ok(sealed)
    }

    fn encapsulate(&mut self, node: &Node, signed: &SignedRecord) -> Result<(), Error> {
        let mut step = self.report.begin("4", "Encapsulate the keys under policies: RW15 on BLS12-381");
        let names: Vec<_> = node.authority_keys().iter().map(|k| k.authority().to_string()).collect();
        step.evidence("authorities", names.join(", "));
        let rng = &mut crate::entropy::Rng(&*node.engines().provider().entropy);
        let publics = node.authority_keys();
        let physician = Reader::new(node, &["physician@hospital"])?.keys;
        let mut agreed = 0;
        for section in &signed.sections {
            let policy = section.access.policy.parse()?;
            let started = Instant::now();
            let (ciphertext, sent) =
                twinseal_abe::encapsulate(&policy, publics.iter().map(|key| &**key), b"demonstration", rng)?;
            let encapsulated = started.elapsed();
            let received =
                twinseal_abe::decapsulate(&ciphertext, b"demonstration", &physician.user, &physician.keys)?;
            let decapsulated = started.elapsed() - encapsulated;
            agreed += usize::from(sent == received);
            step.evidence(
                section.name.as_str(),
                format!(
                    "{} ({} bytes; encapsulate {:.1} ms, decapsulate {:.1} ms)",
                    section.access.policy,
                    section.access.encapsulation.len(),
                    encapsulated.as_secs_f64() * 1e3,
                    decapsulated.as_secs_f64() * 1e3
                ),
            );
        }
        step.check(
            "a permitted reader decapsulates the key that was encapsulated",
            agreed == signed.sections.len(),
            format!("{agreed} of {} policies", signed.sections.len()),
        );

        let policy = signed.stream()?.access.policy.parse()?;
        let plan = Plan::new(&policy, publics.iter().map(|key| &**key))?;
        let (pending, jobs) = plan.begin(b"demonstration", rng)?;
        let work = |job| outsource::encrypt_rows(job, publics.iter().map(|key| &**key));
        let rows = [work(&jobs[0])?, work(&jobs[1])?];
        let started = Instant::now();
        let (ciphertext, sent) = pending.finish(&rows, rng)?;
        step.evidence(
            "outsourced",
            format!(
                "two helpers made the rows of the stream's policy, checked and joined in {:.1} ms",
                started.elapsed().as_secs_f64() * 1e3
            ),
        );
        let received =
            twinseal_abe::decapsulate(&ciphertext, b"demonstration", &physician.user, &physician.keys);
        step.check(
            "what two helpers encrypted opens like any other",
            received.as_ref().is_ok_and(|received| *received == sent),
            outcome(&received),
        );
        let (pending, _) = plan.begin(b"demonstration", rng)?;
        step.refused(
            "helpers that return rows of other coins",
            pending.finish(&rows, rng).map_err(Error::from),
            &["TSL-ABE-035"],
        );
        step.missing("X-Wing for named recipients: attribute encryption alone is not post-quantum");
        self.end(step);
        Ok(())
    }

    fn sign(&mut self, node: &Node, signed: &SignedRecord) -> Result<(), Error> {
        let mut step =
            self.report.begin("5", "The doctor signs record number and ciphertext hashes: ML-DSA-65");
        for section in &signed.sections {
            step.evidence(section.name.as_str(), format!("SHA-256 {}", hex::encode(section.body_hash)));
        }
        step.evidence("hashed by", node.engines().provider().hash.engine().to_string());
        step.evidence(
            "signature",
            format!("{} bytes by {}", signed.signature.len(), node.doctor().account()),
        );
        let verified = signed.verify(node.doctor().signing().public_key());
        step.check("the signature verifies", verified.is_ok(), outcome(&verified));
        self.end(step);
        Ok(())
    }

    async fn store(&mut self, node: &Node, sealed: &SealedRecord) -> Result<Stored, Error> {
        let mut step =
            self.report.begin("6", "The cloud checks the paid lease and stores each object under its hash");
        if node.ledger().leases(&node.owner().account(), &node.cloud())?.is_empty() {
            step.refused("an upload before the lease is paid", node.store(sealed).await, &["TSL-NOD-015"]);
        }
        let lease = node.pay_lease(64 << 20, 30 * 86_400_000).await?;
        step.evidence("lease", lease.to_string());
        let stored = node.store(sealed).await?;
        step.evidence("stored", format!("{} bytes in {} objects", stored.bytes, sealed.bodies.len() + 1));
        step.evidence("blob", format!("SHA-256 {}", hex::encode(stored.hash)));
        step.evidence("hashed by", node.engines().provider().hash.engine().to_string());
        let back = node.objects().get(&stored.hash).await;
        let sent = sealed.record.to_bytes()?;
        let same = back.as_ref().is_ok_and(|b| *b == sent);
        step.check("the store gives the same bytes back", same, outcome(&back));
        self.end(step);
        Ok(stored)
    }

    async fn register(&mut self, node: &Node, signed: &SignedRecord, stored: &Stored) -> Result<(), Error> {
        let mut step = self.report.begin("7", "Register on the ledger; the block's Merkle root covers it");
        let report = node.register(signed, stored).await?;
        step.evidence("transaction", format!("{} in block {}", report.transaction, report.height));
        step.evidence("tree head", format!("{} by {}", report.tree_head, report.merkle_engine));
        let registered = node.registered(signed.header.record_number)?;
        let receipt = node.ledger().receipt(&registered.transaction)?.ok_or(Error::Malformed)?;
        let block = node.ledger().block(receipt.height)?.ok_or(Error::Malformed)?;
        let leaves = block.leaves()?;
        step.check(
            "the tree head equals the one computed in software",
            merkle::tree_head(&leaves) == block.header.header.tree_head,
            format!("{} leaves", leaves.len()),
        );
        let mut light = LightClient::new(node.ledger().genesis())?;
        for height in 1..=report.height {
            let header = node.ledger().header(twinseal_ledger::Height(height))?.ok_or(Error::Malformed)?;
            light.push(&header)?;
        }
        let (_, proof) = node.ledger().proof(&registered.transaction)?;
        let included = light.verify_inclusion(receipt.height, &registered.transaction, &proof);
        step.check(
            "a light node that holds headers alone accepts the inclusion proof",
            included.is_ok(),
            format!("{} headers, {} proof hashes", report.height + 1, proof.path.len()),
        );
        self.end(step);
        Ok(())
    }

    fn tokenize(&mut self) {
        let mut step = self.report.begin("8", "Tokenize, agree on terms, hold the money until delivery");
        step.missing(
            "tokens, contracts and escrow come with the ledger's own issue; nothing is pretended here",
        );
        self.end(step);
    }

    async fn read(&mut self, node: &Node, signed: &SignedRecord) -> Result<(), Error> {
        let mut step = self.report.begin("9", "Readers open what their attributes permit, and nothing else");
        let fetched = node.fetch(signed.header.record_number).await?;
        let header = &fetched.header;
        let mut bodies = Vec::new();
        for section in &fetched.sections {
            bodies.push(node.body(section).await?);
        }
        let physician = Reader::new(node, &["physician@hospital"])?.keys;
        let started = Instant::now();
        let mut opened = 0u32;
        for (section, body) in fetched.sections.iter().zip(&bodies) {
            opened += u32::from(section.open_with_attributes(header, body, &physician).is_ok());
        }
        let per_section_ms = started.elapsed().as_secs_f64() * 1e3 / f64::from(opened.max(1));
        step.check(
            "the physician opens every section",
            opened as usize == fetched.sections.len(),
            format!("{opened} sections, {per_section_ms:.1} ms each"),
        );
        let stream = fetched.stream()?;
        let body = node.body(stream).await?;
        let researcher = Reader::new(node, &["researcher@institute", "affiliate@hospital"])?.keys;
        let read = stream.open_with_attributes(header, &body, &researcher);
        step.check(
            "the researcher, vouched for by two authorities, opens the stream",
            read.is_ok(),
            outcome(&read),
        );
        let refusal = &["TSL-ABE-010"];
        step.refused(
            "the researcher asks for the personal section",
            fetched.section("personal")?.open_with_attributes(header, &body, &researcher),
            refusal,
        );
        let nurse = Reader::new(node, &["nurse@hospital"])?.keys;
        step.refused(
            "a reader with the wrong attribute asks for the stream",
            stream.open_with_attributes(header, &body, &nurse),
            refusal,
        );
        let ivo = Reader::new(node, &["researcher@institute"])?.keys;
        let ada = Reader::new(node, &["affiliate@hospital"])?.keys;
        let pool = |keys: Vec<AttributeKey>| {
            let pooled = ReaderKeys { user: ivo.user.clone(), keys };
            stream.open_with_attributes(header, &body, &pooled)
        };
        let keys = [&ivo.keys[..], &ada.keys[..]].concat();
        step.refused("two readers pool the keys that neither has alone", pool(keys), &["TSL-ABE-009"]);
        let relabel = |key| relabel(key, ada.user.as_str(), ivo.user.as_str());
        let relabelled = ada.keys.iter().map(relabel).collect::<Result<Vec<_>, _>>()?;
        let keys = [&ivo.keys[..], &relabelled[..]].concat();
        step.refused(
            "the same with one reader's keys relabelled as the other's",
            pool(keys),
            &["TSL-ABE-011"],
        );
        step.missing("encrypted search and access requests");
        self.end(step);
        Ok(())
    }

    async fn outsource(&mut self, node: &Node, signed: &SignedRecord) -> Result<(), Error> {
        let mut step =
            self.report.begin("9b", "A helper does the pairings and learns no key and no plaintext");
        let entropy = &*node.engines().provider().entropy;
        let reader = Reader::new(node, &["researcher@institute", "affiliate@hospital"])?;
        let (transform_key, retrieving) =
            outsource::tkgen(&reader.keys.user, &reader.keys.keys, &mut crate::entropy::Rng(entropy))?;
        let name = transform::name_of(&transform_key);
        let now_ms = SystemClock.now_ms();
        node.keep_transform_key(&name, &transform::keep(&transform_key, &reader.identity, now_ms, entropy)?)?;
        step.evidence("transform key", format!("{name}, {} bytes", transform_key.to_bytes().len()));

        let (number, stream) = (signed.header.record_number, signed.stream()?);
        let started = Instant::now();
        let answer = node.transformed(number, stream.name.as_str(), &name).await?;
        let helper_ms = started.elapsed().as_secs_f64() * 1e3;
        step.evidence("transformed by", answer.engine.clone());
        let chain = node.ledger().chain().to_string();
        let open = |answer: &TransformedSection| {
            verify::open_transformed(number, answer, Some(&chain), &stream.name, &retrieving)
        };
        let opened = open(&answer);
        let key = node.owner().section_key(&number, &stream.name)?;
        let plaintext = stream.open_with_key(&signed.header, &node.body(stream).await?, &key)?;
        step.check(
            "the reader finishes alone and has what the owner sealed",
            opened.as_ref().is_ok_and(|o| *o == plaintext),
            outcome(&opened),
        );
        let ciphertext = stream.ciphertext()?;
        let transformed = Transformed::from_bytes(&answer.transformed)?;
        // The header is wrong on purpose: how long the arithmetic takes does not depend on it.
        let times = [
            timed(|| drop(retrieving.finish_encoded(&stream.access.encapsulation, b"", &transformed))),
            timed(|| drop(twinseal_abe::decapsulate(&ciphertext, b"", &reader.keys.user, &reader.keys.keys))),
        ];
        step.evidence(
            "time",
            format!(
                "helper {helper_ms:.1} ms with the ledger's evidence; reader {:.1} ms, alone {:.1} ms",
                times[0], times[1]
            ),
        );

        let doctored = |transformed: Transformed| TransformedSection {
            transformed: transformed.to_bytes(),
            ..answer.clone()
        };
        let other = signed.section("prescriptions")?;
        let physician = Reader::new(node, &["physician@hospital"])?;
        let (wrong_key, _) =
            outsource::tkgen(&physician.keys.user, &physician.keys.keys, &mut crate::entropy::Rng(entropy))?;
        let slot = &*node.engines().provider().transform;
        step.refused(
            "a helper that worked with another reader's transform key",
            open(&doctored(transform::transform(&ciphertext, &wrong_key, slot)?)),
            &["TSL-ABE-033"],
        );
        step.refused(
            "a helper that worked on another section",
            open(&doctored(transform::transform(&other.ciphertext()?, &wrong_key, slot)?)),
            &["TSL-ABE-033"],
        );
        step.refused(
            "a helper that is asked for what the attributes do not open",
            node.transformed(number, "personal", &name).await,
            &["TSL-ABE-010"],
        );
        let eve = Reader::new(node, &["nurse@hospital"])?;
        step.refused(
            "a stranger wants the transform key deleted",
            node.transform_keys().forget(
                &name,
                &transform::forget(&name, &eve.identity, now_ms, entropy)?,
                now_ms,
            ),
            &["TSL-NOD-036"],
        );
        node.transform_keys().forget(
            &name,
            &transform::forget(&name, &reader.identity, now_ms, entropy)?,
            now_ms,
        )?;
        step.refused(
            "the helper is asked after its key was deleted",
            node.transformed(number, stream.name.as_str(), &name).await,
            &["TSL-NOD-045"],
        );
        self.end(step);
        Ok(())
    }

    async fn time_and_revocation(&mut self, node: &Node, number: RecordNumber) -> Result<(), Error> {
        let mut step =
            self.report.begin("T", "Deadlines, revocation, rotation: the body stays, the access changes");
        let before = node.fetch(number).await?;
        let body_hash = before.section("symptoms")?.body_hash;
        let today = Epoch::of_unix_time(SystemClock.now_ms() / 1000);
        let deadline = Epoch::new(today.days().saturating_add(30));
        let clock = twinseal_abe::time::Clock::new("clock".parse()?);
        let policy = "nurse@hospital".parse::<Policy>()?.within(&clock, today..=deadline)?.to_string();
        let report = node.rewrap(number, "symptoms", Some(&policy), true).await?;
        let record = node.fetch(number).await?;
        let section = record.section("symptoms")?;
        step.evidence("policy", section.access.policy.clone());
        step.evidence(
            "registered",
            format!("version {} in block {}", node.registered(number)?.version, report.height),
        );
        let body = node.body(section).await?;
        step.check(
            "the owner re-encapsulated without touching the body",
            section.body_hash == body_hash && section.access != before.section("symptoms")?.access,
            format!("{} bytes stay under {}", body.len(), hex::encode(&body_hash[..8])),
        );
        let mut nurse = Reader::new(node, &["nurse@hospital", "epoch@clock"])?;
        let open = |reader: &Reader| section.open_with_attributes(&record.header, &body, &reader.keys);
        step.check("a nurse with today's epoch opens it", open(&nurse).is_ok(), outcome(&open(&nurse)));
        let late = Reader::new(node, &["nurse@hospital"])?;
        step.refused("a nurse without the epoch asks", open(&late), &["TSL-ABE-010"]);

        let (clock, request) = nurse.request(node, "epoch@clock")?;
        node.answer(&clock, &request, MAX_AGE_MS)?;
        step.refused("a request is sent twice", node.answer(&clock, &request, MAX_AGE_MS), &["TSL-NOD-033"]);
        let mut forged = nurse.request(node, "epoch@clock")?.1;
        let middle = forged.len() / 2;
        forged[middle] ^= 1;
        step.refused("a forged request", node.answer(&clock, &forged, MAX_AGE_MS), &["TSL-NOD-031"]);
        step.refused("an attribute nobody approved", nurse.ask(node, "chief@hospital"), &["TSL-NOD-034"]);
        node.revoke("clock", nurse.keys.user.as_str())?;
        step.refused(
            "a revoked nurse asks for the next epoch",
            nurse.ask(node, "epoch@clock"),
            &["TSL-NOD-035"],
        );

        let mut researcher = Reader::new(node, &["researcher@institute", "affiliate@hospital"])?;
        node.rotate("institute")?;
        let name = record.stream()?.name.to_string();
        node.rewrap(number, &name, None, true).await?;
        let record = node.fetch(number).await?;
        let (stream, header) = (record.section(&name)?, &record.header);
        let body = node.body(stream).await?;
        step.refused(
            "keys from before the rotation of their authority",
            stream.open_with_attributes(header, &body, &researcher.keys),
            &["TSL-ABE-031"],
        );
        researcher.ask(node, "researcher@institute")?;
        let opened = stream.open_with_attributes(header, &body, &researcher.keys);
        step.check("the researcher asks again and opens it", opened.is_ok(), outcome(&opened));
        self.end(step);
        Ok(())
    }

    fn threshold(&mut self, node: &Node) -> Result<(), Error> {
        let mut step = self.report.begin("H", "A threshold authority: any two of three members issue");
        let folder =
            tempfile::tempdir().map_err(|e| Error::io("create", Path::new("a temporary folder"), e))?;
        let at = |name: &str| folder.path().join(name);
        let entropy = &*node.engines().provider().entropy;
        let found = |index: u8| {
            let mut member = Authorities::open(&at(&format!("member-{index}")), AtRest::plain())?;
            let patience = Duration::from_secs(60);
            let terms = Terms { name: "ministry".into(), threshold: 2, members: 3, index, patience };
            member.found(&at("shared"), &terms, false, &mut crate::entropy::Rng(entropy))?;
            Ok(member)
        };
        let mut members = std::thread::scope(|scope| {
            let found = &found;
            let threads: Vec<_> = (1..=3).map(|index| scope.spawn(move || found(index))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or(Err(Error::Interrupted))
            };
            threads.into_iter().map(join).collect::<Result<Vec<Authorities>, Error>>()
        })?;
        let mut fingerprints = Vec::new();
        for member in &members {
            fingerprints.extend(member.get("ministry")?.report().member.map(|m| m.fingerprint));
        }
        step.check(
            "all three ended with the same group, and nobody with its secret",
            fingerprints.len() == 3 && fingerprints.iter().all(|f| *f == fingerprints[0]),
            fingerprints.first().cloned().unwrap_or_default(),
        );

        let home = Home::open(&at("home"), true, None)?;
        let (path, now_ms) = (home.keys_path(), SystemClock.now_ms());
        let claim = "inspector@ministry";
        let requests = home.requests(&[claim.parse()?], &home.keys(&path)?, now_ms)?;
        let request = requests.first().ok_or(Error::Malformed)?;
        let mut counts = Vec::new();
        for index in [0, 2] {
            let ministry = members[index].get_mut("ministry")?;
            ministry.approve(home.identity().user()?.as_str(), &[claim.into()], None)?;
            let rng = &mut crate::entropy::Rng(entropy);
            let answer = ministry.answer(&Request::open(&request.1)?, now_ms, MAX_AGE_MS, rng)?;
            counts.push(home.accept(&answer, None, &path)?.keys);
        }
        step.check(
            "one member's part is no key, two members' parts are one",
            counts == [0, 1],
            format!("{counts:?} keys"),
        );
        let public_key = members[1].get("ministry")?.public_key();
        let rng = &mut crate::entropy::Rng(entropy);
        let (ciphertext, sent) = twinseal_abe::encapsulate(&claim.parse()?, [&*public_key], b"", rng)?;
        let keys = home.keys(&path)?;
        let received = twinseal_abe::decapsulate(&ciphertext, b"", &keys.user, &keys.keys);
        step.check(
            "it opens what was encapsulated under the group's public key",
            received.as_ref().is_ok_and(|received| *received == sent),
            outcome(&received),
        );
        self.end(step);
        Ok(())
    }

    async fn lose_the_board(
        &mut self,
        node: Node,
        second: Node,
        config: Config,
        elsewhere: &mut Elsewhere,
        upload: &Upload,
        number: RecordNumber,
    ) -> Result<(), Error> {
        let mut step = self
            .report
            .begin("B", "The disk without its board is of no use; the recovery policy outlives the board");
        let (chain, in_vault) = (node.ledger().chain().to_string(), node.engines().root() == Kind::Vault);
        drop(node);
        if in_vault {
            let stolen =
                |board: &str| Config { board: board.into(), engine: EngineChoice::Auto, ..config.clone() };
            let board = elsewhere.node(&config).board;
            step.refused("the same folder with no board", Node::open(&stolen("none")), &["TSL-NOD-059"]);
            step.refused("the same folder with another board", Node::open(&stolen(&board)), &["TSL-NOD-060"]);
            step.refused(
                "an authority's master key read from the disk",
                Authorities::open(&config.data_dir.join(folder::AUTHORITIES), AtRest::plain()),
                &["TSL-NOD-058"],
            );
        }
        if let Some(board) = second.engines().board() {
            step.evidence("second board", format!("{}, with a chip of its own", board.label()));
        }
        let lost = Lost::open(&config.data_dir, Some(&chain))?;
        step.evidence(
            "the lost ledger",
            format!("{chain} verified to block {}, without any key of it", lost.height()),
        );

        let mut kin = Reader::stranger(&*second.engines().provider().entropy)?;
        let room = elsewhere.authorities.get_mut("registry")?;
        kin.ask_of(room, "kin@registry")?;
        let alone = lost.open_record(number, &kin.keys)?;
        step.check(
            "one of the two attributes of the recovery policy opens nothing",
            alone.recovered.sections().count() == 0
                && alone.refused.iter().all(|(_, e)| e.code() == "TSL-ABE-010"),
            alone.refused.first().map(|(_, e)| e.to_string()).unwrap_or_default(),
        );
        kin.ask_of(room, "notary@registry")?;
        let opened = lost.open_record(number, &kin.keys)?;
        step.check(
            "both open every section of the record",
            opened.refused.is_empty() && opened.recovered.sections().count() == upload.sections.len(),
            format!("{RECOVERY_POLICY}: {}", opened.recovered.sections().collect::<Vec<_>>().join(", ")),
        );
        let old = SignedRecord::from_bytes(opened.recovered.blob())?;
        let stream = old.stream()?;
        let body = crate::store::read_object(&config.data_dir.join(folder::OBJECTS), &stream.body_hash)?;
        let theirs = second.owner().section_key(&number, &stream.name)?;
        step.refused(
            "the second board derives the old record's section key",
            stream.open_with_key(&old.header, &body, &theirs),
            &["TSL-NOD-002"],
        );

        second.pay_lease(64 << 20, 30 * 86_400_000).await?;
        let report = second.recover(opened.recovered).await?;
        let name = stream.name.as_str();
        let new = record::parse_record_number(&report.record)?;
        let ours = second.open_section(new, name).await?;
        let expected = upload.sections.iter().find(|s| s.name == stream.name).map(|s| &s.plaintext);
        step.check(
            "put anew, the second board's own key opens what the first one sealed",
            Some(&ours) == expected,
            format!("record {} is now {}", report.from_record, report.record),
        );
        let origin = second.open_section(new, "recovered-from/1").await?;
        let origin: serde_json::Value = serde_json::from_slice(&origin).map_err(|_| Error::Malformed)?;
        step.check(
            "the new record names the old one, with the proof of its registration",
            origin["record"] == number.to_string()
                && origin["chain"] == chain
                && origin["evidence"].is_object(),
            "section recovered-from/1",
        );
        self.end(step);
        Ok(())
    }

    async fn finish(&mut self, node: &Node, upload: &Upload, number: RecordNumber) -> Result<(), Error> {
        let mut step = self.report.begin("10", "The reader checks everything and the twin fills the gaps");
        let evidence = node.evidence(number)?;
        let blob = node.blob(number).await?;
        let chain = node.ledger().chain().to_string();
        let verdict = verify::verify(number, &blob, &evidence, Some(&chain));
        step.check(
            "blob hash, signature, inclusion and block signature, from bytes alone",
            verdict.is_ok(),
            outcome(&verdict),
        );
        let keys = Reader::new(node, &["physician@hospital"])?.keys;
        let fetched = SignedRecord::from_bytes(&blob)?;
        let section = fetched.stream()?;
        let body = node.body(section).await?;
        let opened = verify::open(number, &blob, &body, &evidence, Some(&chain), &section.name, &keys)?;
        let series = Series::from_bytes(&opened)?;
        let original = upload.stream().map(|(_, series)| series);
        step.check(
            "the decrypted series equals the ingested one",
            Some(&series) == original.as_ref(),
            format!("{} samples", series.len()),
        );
        for method in [Method::Pchip, Method::Lsh] {
            let started = Instant::now();
            let filled = method.fill(&series)?;
            let elapsed_ms = started.elapsed().as_secs_f64() * 1e3;
            let missing = series.len() - series.observed_count();
            step.evidence(
                &format!("{method}"),
                format!(
                    "{} of {missing} samples without a value filled, marked, in {elapsed_ms:.0} ms",
                    filled.predictions().len()
                ),
            );
            step.check(
                &format!("{method} overwrites nothing"),
                filled.series() == &series
                    && filled.predictions().iter().all(|p| series.get(p.index).is_none()),
                "predictions stand beside the data",
            );
            let error = metrics::hold_out(&series, HOLD_OUT_PERCENT, PATIENT_SEED, |s| method.fill(s))?;
            step.evidence(
                &format!("{method} hold-out"),
                match error.count {
                    0 => format!("no prediction for any of {} hidden samples", error.hidden),
                    count => format!(
                        "MAE {:.3} {} over {count} of {} hidden samples ({HOLD_OUT_PERCENT} %)",
                        error.mae,
                        series.kind().unit(),
                        error.hidden
                    ),
                },
            );
        }
        step.missing("early warnings, what-if, and the predictor that beats interpolation");
        self.end(step);
        Ok(())
    }

    async fn attack(&mut self, node: &Node, sealed: &SealedRecord, data_dir: &Path) -> Result<(), Error> {
        let signed = &sealed.record;
        let mut step = self.report.begin("A", "Attacks, each of which must be refused");
        let number = signed.header.record_number;
        let registered = node.registered(number)?;
        let evidence = node.evidence(number)?;
        let blob = node.blob(number).await?;

        let name = hex::encode(registered.blob_hash);
        let path = data_dir.join("objects").join(&name[..2]).join(&name);
        let mut bad = blob.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        overwrite(&path, &bad)?;
        step.refused(
            "one bit of the stored blob is flipped on disk",
            node.fetch(number).await,
            &["TSL-NOD-012"],
        );
        overwrite(&path, &blob)?;
        let healed = node.fetch(number).await;
        step.check("the blob, restored, is accepted again", healed.is_ok(), outcome(&healed));

        let mut bad = sealed.bodies[0].clone();
        bad[0] ^= 1;
        step.refused(
            "a section's body is replaced by another",
            signed.sections[0].check_body(&bad),
            &["TSL-NOD-012"],
        );

        let impostor =
            SignedRecord::sign(signed.header.clone(), signed.sections.clone(), node.owner().signing())?;
        let doctor = node.doctor().signing().public_key();
        step.refused("a record signed by somebody else", impostor.verify(doctor), &["TSL-NOD-006"]);
        let mut forged = impostor;
        forged.signer.clone_from(&signed.signer);
        step.refused("a forged signature under the doctor's name", forged.verify(doctor), &["TSL-NOD-005"]);

        let mut swapped = signed.clone();
        swapped.sections.swap(0, 1);
        step.refused("sections in another order", swapped.verify(doctor), &["TSL-NOD-005"]);

        let mut moved = signed.header.clone();
        moved.record_number = record::random_record_number(&*node.engines().provider().entropy)?;
        let key = node.owner().section_key(&number, &signed.sections[0].name)?;
        step.refused(
            "a section moved to another record",
            signed.sections[0].open_with_key(&moved, &sealed.bodies[0], &key),
            &["TSL-NOD-002"],
        );

        node.pay_lease(1 << 20, 86_400_000).await?;
        let other = node.ledger().leases(&node.owner().account(), &node.cloud())?;
        let (header, proof) = node.ledger().proof(&registered.transaction)?;
        let claimed = other.last().ok_or(Error::Malformed)?.transaction;
        step.refused(
            "an inclusion proof shown for another transaction",
            twinseal_ledger::verify_inclusion(&header.header, &claimed, &proof).map_err(Error::from),
            &["TSL-LED-017"],
        );
        let mut rewritten = header.clone();
        rewritten.header.tree_head[0] ^= 1;
        step.refused(
            "a rewritten block header",
            rewritten.verify(&node.ledger().genesis().orderer).map_err(Error::from),
            &["TSL-LED-002"],
        );
        let elsewhere = "00".repeat(32);
        step.refused(
            "evidence from a ledger the reader did not ask for",
            verify::verify(number, &blob, &evidence, Some(&elsewhere)),
            &["TSL-NOD-026"],
        );
        self.end(step);
        Ok(())
    }
}

/// A node that is opened beside everything else; nobody leaves before it is.
struct Second(Option<std::thread::JoinHandle<Result<Node, Error>>>);

impl Second {
    fn start(config: Config) -> Self {
        Self(Some(std::thread::spawn(move || Node::open(&config))))
    }

    fn join(mut self) -> Result<Node, Error> {
        self.0
            .take()
            .map_or(Err(Error::Interrupted), |thread| thread.join().map_err(|_| Error::Interrupted)?)
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // What goes wrong there is of no interest to whoever already leaves with an error.
        let _ = self.0.take().map(std::thread::JoinHandle::join);
    }
}

/// Where the board is not: an authority of its own, and the node that the records go to.
struct Elsewhere {
    folder: tempfile::TempDir,
    authorities: Authorities,
}

impl Elsewhere {
    fn new() -> Result<Self, Error> {
        let folder =
            tempfile::tempdir().map_err(|e| Error::io("create", Path::new("a temporary folder"), e))?;
        let mut authorities = Authorities::open(&folder.path().join("authorities"), AtRest::plain())?;
        authorities.init("registry", false, &mut crate::entropy::Rng(&*Provider::software().entropy))?;
        Ok(Self { folder, authorities })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// With a virtual board of its own, or as the first node without any.
    fn node(&self, first: &Config) -> Config {
        let board = match first.board.as_str() {
            "none" => "none".into(),
            _ => format!("sim:{}", self.at("second-chip").display()),
        };
        // Its keys come from the board all the same.
        Config { data_dir: self.at("node"), board, engine: EngineChoice::Software, ..first.clone() }
    }
}

/// Somebody with an identity of their own, and what the node's authorities gave them.
struct Reader {
    identity: Identity,
    keys: ReaderKeys,
}

impl Reader {
    /// A new person, vouched for by the authorities of `claims`, asks them for keys.
    fn new(node: &Node, claims: &[&str]) -> Result<Self, Error> {
        let mut reader = Self::stranger(&*node.engines().provider().entropy)?;
        for text in claims {
            let claim: Claim = text.parse()?;
            let user = reader.keys.user.as_str();
            let name = claim.authority().as_str();
            node.authorities().get_mut(name)?.approve(user, &[claim.to_string()], None)?;
            reader.ask(node, text)?;
        }
        Ok(reader)
    }

    /// A new person nobody vouches for.
    fn stranger(entropy: &dyn EntropySlot) -> Result<Self, Error> {
        let mut root = Zeroizing::new([0; 32]);
        entropy.fill(root.as_mut_slice())?;
        let identity = Identity::new(Provider::software_with_root(root).derive, "person")?;
        Ok(Self { keys: ReaderKeys { user: identity.user()?, keys: Vec::new() }, identity })
    }

    /// An authority elsewhere vouches for the person, and answers.
    fn ask_of(&mut self, authority: &mut Authority, claim: &str) -> Result<(), Error> {
        authority.approve(self.keys.user.as_str(), &[claim.into()], None)?;
        let entropy = Provider::software().entropy;
        let now_ms = SystemClock.now_ms();
        let request =
            Request::sign(&self.identity, authority.name(), &[claim.parse()?], None, now_ms, &*entropy)?;
        let rng = &mut crate::entropy::Rng(&*entropy);
        let answer = authority.answer(&Request::open(&request)?, now_ms, MAX_AGE_MS, rng)?;
        self.take(&answer)
    }

    fn take(&mut self, answer: &[u8]) -> Result<(), Error> {
        match accept(&self.identity, answer, None)? {
            Accepted::Keys(_, keys) => self.keys.merge(keys),
            Accepted::Parts(..) => Err(Error::BadReaderKeys),
        }
    }

    /// A signed request, answered and opened.
    fn ask(&mut self, node: &Node, claim: &str) -> Result<(), Error> {
        let (authority, request) = self.request(node, claim)?;
        self.take(&node.answer(&authority, &request, MAX_AGE_MS)?)
    }

    fn request(&self, node: &Node, claim: &str) -> Result<(String, Vec<u8>), Error> {
        let claim: Claim = claim.parse()?;
        let name = claim.authority().to_string();
        let entropy = &*node.engines().provider().entropy;
        let request = Request::sign(&self.identity, &name, &[claim], None, SystemClock.now_ms(), entropy)?;
        Ok((name, request))
    }
}

/// A key that claims to be `to`'s: what somebody would try who edits the key file. The names have equal length.
fn relabel(key: &AttributeKey, from: &str, to: &str) -> Result<AttributeKey, Error> {
    let mut bytes = key.to_bytes();
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).ok_or(Error::BadReaderKeys)?;
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    Ok(AttributeKey::from_bytes(&bytes)?)
}

/// What the demo's doctor writes down: figures of the series itself.
fn symptoms(series: &Series) -> String {
    let values: Vec<f32> = series.observed().map(|(_, v)| v).collect();
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    json!({
        "signal": series.kind().to_string(),
        "unit": series.kind().unit(),
        "observed": values.len(),
        "lowest": low,
        "highest": high,
        "mean": values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64,
    })
    .to_string()
}

fn overwrite(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|e| Error::io("overwrite, for the attack,", path, e))
}

fn timed(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e3
}

fn outcome<T, E: core::fmt::Display>(result: &Result<T, E>) -> String {
    result.as_ref().map_or_else(|e| e.to_string(), |_| "it does".into())
}
