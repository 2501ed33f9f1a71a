//! `twinseal demo`: one record, end to end, step by step as in the design, with the evidence of each step and the attacks
//! it must withstand. The demo runs the same [`Node`] as the daemon, in a folder of its own.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use twinseal_abe::AttributeKey;
use twinseal_ledger::{LightClient, merkle};
use twinseal_twin::{Series, metrics, patient};

use crate::Error;
use crate::answers::Method;
use crate::config::{Config, EngineChoice};
use crate::node::{Node, Stored};
use crate::reader::ReaderKeys;
use crate::record::{self, RecordNumber, SectionName, SignedRecord};
use crate::report::{Recorder, Report, Step};
use crate::upload::{Upload, UploadKind};
use crate::verify;

/// Seed of the built-in patient, so that two runs tell the same story.
const PATIENT_SEED: u64 = 7;
/// Share of observed samples hidden to measure the predictions.
const HOLD_OUT_PERCENT: u32 = 10;

/// What to run on.
#[derive(Debug)]
pub struct DemoOptions {
    /// A Dexcom G6 export or an Empatica E4 file; the simulated patient when `None`.
    pub input: Option<PathBuf>,
    /// `sim`, `none` or a serial port.
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
        let node = self.open(options, data_dir)?;
        let upload = self.ingest(options)?;
        let number = record::random_record_number(&*node.engines().provider().entropy)?;
        self.keys(&node, number, &upload)?;
        let signed = self.seal(&node, number, &upload)?;
        self.encapsulate(&node, &signed)?;
        self.sign(&node, &signed)?;
        let stored = self.store(&node, &signed).await?;
        self.register(&node, &signed, &stored).await?;
        self.tokenize();
        self.read(&node, &signed).await?;
        self.finish(&node, &upload, number).await?;
        self.attack(&node, &signed, data_dir).await
    }

    fn end(&mut self, step: Recorder) {
        (self.on_step)(self.report.end(step));
    }

    fn open(&mut self, options: &DemoOptions, data_dir: &Path) -> Result<Node, Error> {
        let mut step = self.report.begin("0", "Open the node: board, identities, ledger");
        let config = Config {
            data_dir: data_dir.to_owned(),
            board: options.board.clone(),
            engine: options.engine,
            ..Config::default()
        };
        let node = Node::open(&config)?;
        for line in node.engine_lines() {
            step.evidence("engine", line);
        }
        step.evidence("chain", node.ledger().chain().to_string());
        step.evidence("owner account", node.owner().account().to_string());
        self.end(step);
        Ok(node)
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
        let mut step = self.report.begin("2", "Derive the record's section keys from the root secret");
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
        step.missing("the root from the board's PUF: this one is a file of 32 random bytes, mode 0600");
        self.end(step);
        Ok(())
    }

    fn seal(&mut self, node: &Node, number: RecordNumber, upload: &Upload) -> Result<SignedRecord, Error> {
        let mut step =
            self.report.begin("3", "Seal the sections (AES-256-GCM, key commitment), wrap their keys, sign");
        let signed = node.seal_as(number, upload)?;
        let mut opened = 0;
        for (plain, sealed) in upload.sections.iter().zip(&signed.sections) {
            step.evidence(
                sealed.name.as_str(),
                format!("{} bytes sealed to {}", plain.plaintext.len(), sealed.body.len()),
            );
            let key = node.owner().section_key(&number, &sealed.name)?;
            opened += usize::from(*sealed.open_with_key(&signed.header, &key)? == *plain.plaintext);
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
            section.open_with_key(&signed.header, &wrong),
            &["TSL-NOD-002"],
        );
        self.end(step);
        Ok(signed)
    }

    fn encapsulate(&mut self, node: &Node, signed: &SignedRecord) -> Result<(), Error> {
        let mut step = self.report.begin("4", "Encapsulate the keys under policies: RW15 on BLS12-381");
        let names: Vec<_> = node.authority_keys().iter().map(|k| k.authority().to_string()).collect();
        step.evidence("authorities", names.join(", "));
        let rng = &mut crate::entropy::Rng(&*node.engines().provider().entropy);
        let physician = ReaderKeys::from_bytes(&node.issue("self-test", &["physician@hospital".into()])?)?;
        let mut agreed = 0;
        for section in &signed.sections {
            let policy = section.policy.parse()?;
            let started = Instant::now();
            let (ciphertext, sent) =
                twinseal_abe::encapsulate(&policy, node.authority_keys(), b"demonstration", rng)?;
            let encapsulated = started.elapsed();
            let received =
                twinseal_abe::decapsulate(&ciphertext, b"demonstration", &physician.user, &physician.keys)?;
            let decapsulated = started.elapsed() - encapsulated;
            agreed += usize::from(sent == received);
            step.evidence(
                section.name.as_str(),
                format!(
                    "{} ({} bytes; encapsulate {:.1} ms, decapsulate {:.1} ms)",
                    section.policy,
                    section.encapsulation.len(),
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
        step.missing("X-Wing for named recipients: attribute encryption alone is not post-quantum");
        self.end(step);
        Ok(())
    }

    fn sign(&mut self, node: &Node, signed: &SignedRecord) -> Result<(), Error> {
        let mut step =
            self.report.begin("5", "The doctor signs record number and ciphertext hashes: ML-DSA-65");
        let hash = &*node.engines().provider().hash;
        for (section, digest) in signed.sections.iter().zip(signed.ciphertext_hashes(hash)?) {
            step.evidence(section.name.as_str(), format!("SHA-256 {}", hex::encode(digest)));
        }
        step.evidence("hashed by", hash.engine().to_string());
        step.evidence(
            "signature",
            format!("{} bytes by {}", signed.signature.len(), node.doctor().account()),
        );
        let verified = signed.verify(node.doctor().signing().public_key(), hash);
        step.check("the signature verifies", verified.is_ok(), outcome(&verified));
        self.end(step);
        Ok(())
    }

    async fn store(&mut self, node: &Node, signed: &SignedRecord) -> Result<Stored, Error> {
        let mut step =
            self.report.begin("6", "The cloud checks the paid lease and stores the blob under its hash");
        if node.ledger().leases(&node.owner().account(), &node.cloud())?.is_empty() {
            step.refused("an upload before the lease is paid", node.store(signed).await, &["TSL-NOD-015"]);
        }
        let lease = node.pay_lease(64 << 20, 30 * 86_400_000).await?;
        step.evidence("lease", lease.to_string());
        let stored = node.store(signed).await?;
        step.evidence("blob", format!("{} bytes, SHA-256 {}", stored.bytes, hex::encode(stored.hash)));
        step.evidence("hashed by", node.engines().provider().hash.engine().to_string());
        let back = node.objects().get(&stored.hash).await;
        let sent = signed.to_bytes()?;
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
        let issue = |uid: &str, attributes: &[&str]| {
            let attributes: Vec<String> = attributes.iter().map(|a| (*a).to_owned()).collect();
            ReaderKeys::from_bytes(&node.issue(uid, &attributes)?)
        };
        let fetched = node.fetch(signed.header.record_number).await?;
        let physician = issue("dr-lin", &["physician@hospital"])?;
        let started = Instant::now();
        let mut opened = 0u32;
        for section in &fetched.sections {
            opened += u32::from(section.open_with_attributes(&fetched.header, &physician).is_ok());
        }
        let per_section_ms = started.elapsed().as_secs_f64() * 1e3 / f64::from(opened.max(1));
        step.check(
            "the physician opens every section",
            opened as usize == fetched.sections.len(),
            format!("{opened} sections, {per_section_ms:.1} ms each"),
        );
        let stream = fetched.stream()?;
        let researcher = issue("mira", &["researcher@institute", "affiliate@hospital"])?;
        let read = stream.open_with_attributes(&fetched.header, &researcher);
        step.check(
            "the researcher, vouched for by two authorities, opens the stream",
            read.is_ok(),
            outcome(&read),
        );
        let refusal = &["TSL-ABE-010"];
        let personal = fetched.section("personal")?;
        step.refused(
            "the researcher asks for the personal section",
            personal.open_with_attributes(&fetched.header, &researcher),
            refusal,
        );
        let nurse = issue("noor", &["nurse@hospital"])?;
        step.refused(
            "a reader with the wrong attribute asks for the stream",
            stream.open_with_attributes(&fetched.header, &nurse),
            refusal,
        );
        let ivo = issue("ivo", &["researcher@institute"])?;
        let ada = issue("ada", &["affiliate@hospital"])?;
        let pool = |keys: Vec<AttributeKey>| {
            let pooled = ReaderKeys { user: ivo.user.clone(), keys };
            stream.open_with_attributes(&fetched.header, &pooled)
        };
        let keys = [&ivo.keys[..], &ada.keys[..]].concat();
        step.refused("two readers pool the keys that neither has alone", pool(keys), &["TSL-ABE-009"]);
        let relabelled = ada.keys.iter().map(|k| relabel(k, "ada", "ivo")).collect::<Result<Vec<_>, _>>()?;
        let keys = [&ivo.keys[..], &relabelled[..]].concat();
        step.refused(
            "the same with one reader's keys relabelled as the other's",
            pool(keys),
            &["TSL-ABE-011"],
        );
        step.missing("encrypted search, access requests and a blinded key for a gateway's board");
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
        let keys = node.issue("dr-lin", &["physician@hospital".into()])?;
        let fetched = SignedRecord::from_bytes(&blob)?;
        let name = &fetched.stream()?.name;
        let opened = verify::open(number, &blob, &evidence, Some(&chain), name, &keys)?;
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

    async fn attack(&mut self, node: &Node, signed: &SignedRecord, data_dir: &Path) -> Result<(), Error> {
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

        let hash = &*node.engines().provider().hash;
        let impostor =
            SignedRecord::sign(signed.header.clone(), signed.sections.clone(), node.owner().signing(), hash)?;
        let doctor = node.doctor().signing().public_key();
        step.refused("a record signed by somebody else", impostor.verify(doctor, hash), &["TSL-NOD-006"]);
        let mut forged = impostor;
        forged.signer.clone_from(&signed.signer);
        step.refused(
            "a forged signature under the doctor's name",
            forged.verify(doctor, hash),
            &["TSL-NOD-005"],
        );

        let mut swapped = signed.clone();
        swapped.sections.swap(0, 1);
        step.refused("sections in another order", swapped.verify(doctor, hash), &["TSL-NOD-005"]);

        let mut moved = signed.header.clone();
        moved.record_number = record::random_record_number(&*node.engines().provider().entropy)?;
        let key = node.owner().section_key(&number, &signed.sections[0].name)?;
        step.refused(
            "a section moved to another record",
            signed.sections[0].open_with_key(&moved, &key),
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

fn outcome<T, E: core::fmt::Display>(result: &Result<T, E>) -> String {
    result.as_ref().map_or_else(|e| e.to_string(), |_| "it does".into())
}
