//! The `twinseal` command: the demo, and a client of `twinseald`.
#![forbid(unsafe_code)]

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use serde_json::json;
use twinseal_abe::{AuthorityId, Claim, Policy, PublicKey};
use twinseal_ledger::{Clock, SystemClock};
use twinseal_node::answers::{
    BoardStatus, Evidence, Expected, LeaseReport, Method, PredictReport, PutReport, RecordSummary,
    RecoverySummary, Verdict,
};
use twinseal_node::api::{Approval, AuthorityRequest, LeaseRequest, RewrapRequest};
use twinseal_node::at_rest::{self, AtRest};
use twinseal_node::authority::ceremony::Terms;
use twinseal_node::authority::request::Request;
use twinseal_node::authority::{Authorities, MAX_FILE_AGE_MS, Report};
use twinseal_node::client::Client;
use twinseal_node::config::EngineChoice;
use twinseal_node::demo::{self, DemoOptions};
use twinseal_node::entropy::Rng;
use twinseal_node::home::{Home, entropy};
use twinseal_node::known::KnownAuthorities;
use twinseal_node::reader::ReaderKeys;
use twinseal_node::record::{RecordNumber, SectionName, parse_record_number};
use twinseal_node::recover::{Lost, Opened};
use twinseal_node::report::Style;
use twinseal_node::transform::{self, TransformedSection};
use twinseal_node::upload::UploadKind;
use twinseal_node::{Error, doctor, engines, file, folder, policy, root, verify};

const OCTETS: &str = "application/octet-stream";

/// Seal, share, verify and predict digital-twin data.
///
/// Exit status: 0 done; 1 refused, failed or a check failed; 2 wrong usage.
#[derive(Parser)]
#[command(name = "twinseal", version)]
struct Cli {
    /// Print results as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Where the daemon listens.
    #[arg(long, global = true, env = "TWINSEAL_URL", default_value = "http://127.0.0.1:7480")]
    url: String,
    /// The daemon's API token; its reader.token is enough for `verify`, `get --keys` and `get --outsource`.
    #[arg(long, global = true, env = "TWINSEAL_TOKEN_FILE", default_value = "/var/lib/twinseal/api.token")]
    token_file: PathBuf,
    /// Your own folder: the root of your identity, and the keys you were given.
    #[arg(long, global = true, env = "TWINSEAL_HOME")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take one record through the whole system, attacks included; needs no daemon and no board.
    Demo {
        /// A Dexcom G6 export or an Empatica E4 EDA file; a simulated patient when absent.
        #[arg(long)]
        cgm: Option<PathBuf>,
        /// `sim`, `sim:PATH`, `none` or the path of a serial port.
        #[arg(long, default_value = "sim")]
        board: String,
        /// Who computes. Unless told otherwise the demo shows the board's engines; without a board, software.
        #[arg(long, value_enum)]
        engine: Option<EngineChoice>,
        /// Keep ledger, objects and keys here instead of in a temporary folder.
        #[arg(long)]
        data_dir: Option<PathBuf>,
    },
    /// Seal a file, store it and register it.
    Put {
        /// A Dexcom G6 export, an Empatica E4 EDA file, or any file.
        file: PathBuf,
        /// How to read it; guessed when absent.
        #[arg(long, value_enum)]
        kind: Option<UploadKind>,
        /// Who may read the stream or file, e.g. `physician@hospital or researcher@institute`.
        #[arg(long)]
        policy: Option<String>,
        /// Leave the daemon's recovery policy out: the record is then lost with the board.
        #[arg(long)]
        no_recovery: bool,
    },
    /// Read one section, with a reader's keys or as the owner.
    Get {
        /// 32 hex digits.
        record: String,
        /// Which section.
        #[arg(long, default_value = "personal")]
        section: String,
        /// Your attribute keys, those in your home unless a file is named; the section is then opened here, not by the daemon.
        #[arg(long, value_name = "FILE", num_args = 0..=1)]
        keys: Option<Option<PathBuf>>,
        /// Let the daemon do the pairings, with the transform key `twinseal outsource` printed, or the only one you have; what
        /// it returns is checked here.
        #[arg(long, value_name = "KEY", num_args = 0..=1, conflicts_with = "keys")]
        outsource: Option<Option<String>>,
        /// With `--keys` or `--outsource`: refuse any ledger but this one (hex, as `twinseal verify` prints it).
        #[arg(long)]
        chain: Option<String>,
        /// Where to write; standard output when absent.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Check a record here: blob hash, signature, inclusion, block signature.
    Verify {
        /// 32 hex digits.
        record: String,
        /// Refuse any ledger but this one (hex, as `twinseal verify` prints it).
        #[arg(long)]
        chain: Option<String>,
    },
    /// Fill the gaps of a record's stream; nothing is overwritten.
    Predict {
        /// 32 hex digits.
        record: String,
        /// How.
        #[arg(long, value_enum, default_value_t)]
        method: Method,
    },
    /// Pay a storage lease.
    Lease {
        /// Room for blobs.
        #[arg(long, default_value_t = 1 << 30)]
        size_bytes: u64,
        /// How long.
        #[arg(long, default_value_t = 30)]
        days: u64,
    },
    /// Seal a file of any size under a policy, without a daemon: NAME.tsl, NAME.tsh and, for you alone, NAME.tsk.
    Seal {
        /// What to seal.
        file: PathBuf,
        /// Who may read, e.g. `physician@hospital and epoch@clock <= 2027-01-01`.
        #[arg(long)]
        policy: String,
        /// Public keys of the policy's authorities (`generation-N.pub`); the daemon's when absent.
        #[arg(long = "authority")]
        authorities: Vec<PathBuf>,
        /// Take the daemon's public key with this id, though it is not the one you know; once for each authority.
        #[arg(long, conflicts_with = "authorities")]
        key_id: Vec<String>,
        /// What the files are bound to; NAME when absent.
        #[arg(long)]
        name: Option<String>,
        /// NAME.
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Open a sealed file with your attribute keys, or as the owner.
    Open {
        /// NAME, as it was sealed.
        file: PathBuf,
        /// Open it with NAME.tsk, whatever the policy.
        #[arg(long, conflicts_with_all = ["keys", "name"])]
        owner: bool,
        /// Attribute keys; those in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// What the files are bound to; NAME when absent.
        #[arg(long)]
        name: Option<String>,
        /// Must not exist yet.
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Give a sealed file, or a section of your record, another policy without touching its body.
    #[command(group(clap::ArgGroup::new("what").required(true).args(["file", "record"])))]
    Rewrap {
        /// NAME of a sealed file.
        file: Option<PathBuf>,
        /// A record instead: 32 hex digits.
        #[arg(long, requires = "section")]
        record: Option<String>,
        /// Which section of the record.
        #[arg(long, requires = "record")]
        section: Option<String>,
        /// Who may read from now on; without it, the same under the authorities' current keys.
        #[arg(long)]
        policy: Option<String>,
        /// Of a record: leave the daemon's recovery policy out.
        #[arg(long, requires = "record")]
        no_recovery: bool,
        /// Public keys of the policy's authorities (`generation-N.pub`); the daemon's when absent.
        #[arg(long = "authority")]
        authorities: Vec<PathBuf>,
        /// Take the daemon's public key with this id, though it is not the one you know; once for each authority.
        #[arg(long, conflicts_with_all = ["authorities", "record"])]
        key_id: Vec<String>,
        /// Open the file with these attribute keys; with NAME.tsk when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// What the files are bound to; NAME when absent.
        #[arg(long)]
        name: Option<String>,
    },
    /// Open the records of a node that lost its board with keys that satisfy its recovery policy, and put them anew here. See
    /// docs/recovery.md.
    Recover {
        /// The lost node's data folder, or a copy of it; nothing in it is changed.
        #[arg(long, value_name = "DATA_DIR")]
        from: PathBuf,
        /// Refuse any ledger but this one (hex, as `twinseal verify` printed it).
        #[arg(long)]
        chain: Option<String>,
        /// Only these records; all when absent.
        #[arg(long = "record")]
        records: Vec<String>,
        /// Your attribute keys; those in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Verify and open, and put nothing: try it before you need it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show who you are to authorities; your identity is made on first use.
    Identity {
        /// What a new identity grows from: `sim`, `sim:PATH` or the path of a serial port; a file in your home when absent. For one
        /// that is there, where its board is now.
        #[arg(long)]
        board: Option<String>,
    },
    /// Your attribute keys: ask for them, renew them, list them.
    #[command(subcommand)]
    Attributes(Attributes),
    /// Leave a transform key with the daemon, so that it does the pairings of `twinseal get --outsource`.
    Outsource {
        /// Attribute keys; those in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Delete this transform key instead.
        #[arg(long)]
        forget: Option<String>,
    },
    /// Operate an attribute authority, of the daemon or in a folder.
    Authority {
        /// Work on this folder of authorities; through the daemon when absent.
        #[arg(long, global = true)]
        dir: Option<PathBuf>,
        /// With --dir, where it lies in the data folder of a node that is stopped: the board of that node, which sealed the master
        /// keys.
        #[arg(long, global = true)]
        board: Option<String>,
        #[command(subcommand)]
        command: AuthorityCommand,
    },
    /// Ring-oscillator PUFs, virtual or measured.
    #[command(subcommand)]
    Puf(twinseal_puf::cli::Command),
    /// Boards: list them, see what keys grow from, enrol, attest.
    #[command(subcommand)]
    Board(BoardCommand),
    /// Check this machine: tools, boards, permissions, the daemon.
    Doctor,
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum BoardCommand {
    /// List the boards that are plugged in.
    List,
    /// What is plugged into the daemon, what its keys grow from, and whether records outlive it; status 1 if the board does not
    /// answer.
    Status,
    /// Enrol a board before the first start of a daemon: makes vault.helper in its data folder. Hold the board's enrolment pin, if
    /// it has one, until this returns.
    ///
    /// Enrol at room temperature (about 25 C) with its core supply within one per cent of 1.20 V, after ten minutes under power: the
    /// figures of how seldom a board fails to find its keys again hold for boards that were enrolled so.
    Enrol {
        /// The daemon's data folder, not used before.
        #[arg(long)]
        data_dir: PathBuf,
        /// `sim`, `sim:PATH` or the path of a serial port.
        #[arg(long)]
        board: String,
    },
    /// Have the daemon's vault answer a challenge, and compare the answer with the one from before.
    ///
    /// Collect answers while you trust the host of the board, each to a challenge of its own, and keep them where that host
    /// does not see them. An answer that comes again shows that the root of the board is there. Each is good once: a daemon
    /// that has seen a challenge before can repeat the answer without any board. It does not show which gateware is running,
    /// only what it calls itself.
    Attest {
        /// 64 hex digits; drawn here when absent.
        #[arg(long)]
        challenge: Option<String>,
        /// The answer from before, 64 hex digits; status 1 unless it comes again.
        #[arg(long, requires_all = ["challenge", "build_id"], value_parser = mac)]
        mac: Option<[u8; 32]>,
        /// The build id from before, 8 hex digits; status 1 unless it comes again.
        #[arg(long, requires = "mac", value_parser = build_id)]
        build_id: Option<u32>,
    },
}

#[derive(Subcommand)]
enum Attributes {
    /// Ask authorities for keys, through the daemon.
    Request {
        /// `name@authority` or `name=value@authority`; at a clock `epoch@clock`.
        #[arg(required = true)]
        attributes: Vec<String>,
        /// Where keys are kept; in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Refuse keys under any public key but the one with this id; for one authority at a time.
        #[arg(long)]
        key_id: Option<String>,
        /// Write the request, for one authority, to this file instead of sending it.
        #[arg(long, short)]
        out: Option<PathBuf>,
    },
    /// Take the answer to a request that travelled as a file.
    Accept {
        /// From `twinseal authority issue`.
        answer: PathBuf,
        /// Where keys are kept; in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Refuse keys under any public key but the one with this id.
        #[arg(long)]
        key_id: Option<String>,
    },
    /// Ask every clock you have keys of for what is new of today's epoch.
    Renew {
        /// Where keys are kept; in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
    },
    /// List the attributes you have keys for.
    List {
        /// Where keys are kept; in your home when absent.
        #[arg(long)]
        keys: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum AuthorityCommand {
    /// Make an authority.
    Init {
        /// As it stands behind the `@`.
        name: String,
        /// It certifies the day: `epoch@NAME`.
        #[arg(long)]
        clock: bool,
    },
    /// Found a threshold authority with others, or start its next generation: every member runs this, and all wait for each
    /// other. Needs --dir.
    Ceremony {
        /// As it stands behind the `@`.
        name: String,
        /// A folder all members can write to, empty when the first of them begins.
        #[arg(long)]
        shared: PathBuf,
        /// How many issue together.
        #[arg(long)]
        threshold: u8,
        /// How many there are.
        #[arg(long)]
        members: u8,
        /// Which of them you are, from 1.
        #[arg(long)]
        index: u8,
        /// It certifies the day: `epoch@NAME`.
        #[arg(long)]
        clock: bool,
        /// How long to wait for the others in each round.
        #[arg(long, default_value_t = 3600)]
        wait_seconds: u64,
    },
    /// Put attributes of a user on the roll.
    Approve {
        /// Which authority.
        name: String,
        /// 64 hex digits, as `twinseal identity` prints them.
        user: String,
        /// `name@authority` or `name=value@authority`.
        #[arg(required = true)]
        attributes: Vec<String>,
        /// For so many days; for good when absent.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        days: Option<u64>,
        /// Take back a revocation of the user; what they had before it does not return.
        #[arg(long)]
        reinstate: bool,
    },
    /// Take an attribute of a user from the roll; the others stay.
    Withdraw {
        /// Which authority.
        name: String,
        /// 64 hex digits.
        user: String,
        /// As it was approved.
        attribute: String,
    },
    /// Answer a request that travelled as a file.
    Issue {
        /// Which authority.
        name: String,
        /// From `twinseal attributes request --out`.
        request: PathBuf,
        /// Where the answer goes.
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Show generations, roll, what waits and what was issued.
    List {
        /// Which authority.
        name: String,
    },
    /// Start a new generation: readers must ask again, owners re-encapsulate (`twinseal rewrap`).
    Rotate {
        /// Which authority.
        name: String,
    },
    /// Issue nothing more to a user, and take all they have from the roll.
    Revoke {
        /// Which authority.
        name: String,
        /// 64 hex digits.
        user: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if json {
                say(&json!({ "error": { "code": error.code(), "message": error.to_string() } }).to_string());
            } else {
                eprintln!("twinseal: {error} [{}]", error.code());
            }
            ExitCode::FAILURE
        }
    }
}

/// `false` when a check failed.
fn run(cli: Cli) -> Result<bool, Error> {
    let style = Style {
        colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    match cli.command {
        Command::Demo { cgm, board, engine, data_dir } => {
            let shown = if board == "none" { EngineChoice::Software } else { EngineChoice::Board };
            let options = DemoOptions { input: cgm, board, engine: engine.unwrap_or(shown), data_dir };
            let json = cli.json;
            let report = demo::run(&options, |step| {
                if !json {
                    say(step.render(style).trim_end());
                }
            })?;
            if json {
                print_json(&report)?;
            } else {
                let checks = report.steps.iter().map(|s| s.checks.len()).sum::<usize>();
                let failed = report.steps.iter().flat_map(|s| &s.checks).filter(|c| !c.passed).count();
                say(&format!("{checks} checks, {failed} failed"));
            }
            Ok(report.passed)
        }
        Command::Put { file, kind, policy, no_recovery } => {
            let bytes = read(&file)?;
            policy.as_deref().map(check).transpose()?;
            let mut path = String::from("/v1/records?");
            if let Some(kind) = kind {
                path += &format!("kind={kind}&");
            }
            if let Some(policy) = policy {
                path += &format!("policy={}&", percent(&policy));
            }
            path += &format!("no_recovery={no_recovery}");
            let client = client(&cli.url, &cli.token_file)?;
            let report: PutReport =
                client.json(&client.post(&path, "application/octet-stream", &bytes)?)?;
            show(cli.json, &report, || report.to_string())
        }
        Command::Get { record, section, keys, outsource, chain, output } => {
            let record = parse_record_number(&record)?;
            let section = SectionName::new(&section)?;
            let client = client(&cli.url, &cli.token_file)?;
            let at = section_path(&record.to_string(), &section);
            let chain = chain.as_deref();
            if chain.is_none() && (keys.is_some() || outsource.is_some()) {
                eprintln!(
                    "twinseal: the ledger is the daemon's word; pin it with --chain (`twinseal verify` prints it)"
                );
            }
            // The daemon and the store are not trusted: nothing is opened that was not verified here.
            let plaintext = match (outsource, keys) {
                (Some(name), _) => {
                    let home = home(cli.home.as_deref())?;
                    let name = name.map_or_else(|| home.only_transform_key(), Ok)?;
                    let key = home.retrieving(&name)?;
                    let path = format!("{at}/transformed?key={}", percent(&name));
                    let answer = TransformedSection::from_bytes(&client.get(&path)?)?;
                    verify::open_transformed(record, &answer, chain, &section, &key)?
                }
                (None, Some(keys)) => {
                    let keys = reader_keys(keys, cli.home.as_deref())?;
                    let evidence: Evidence =
                        client.json(&client.get(&format!("/v1/records/{record}/evidence"))?)?;
                    let blob = client.get(&format!("/v1/records/{record}"))?;
                    let body = client.get(&format!("{at}/body"))?;
                    verify::open(record, &blob, &body, &evidence, chain, &section, &keys)?
                }
                (None, None) => client.get(&at)?.into(),
            };
            match output {
                Some(path) => folder::write_secret(&path, &plaintext)?,
                None => emit(&plaintext),
            }
            Ok(true)
        }
        Command::Verify { record, chain } => {
            let record = parse_record_number(&record)?;
            let client = client(&cli.url, &cli.token_file)?;
            let evidence: Evidence = client.json(&client.get(&format!("/v1/records/{record}/evidence"))?)?;
            let blob = client.get(&format!("/v1/records/{record}"))?;
            let (verdict, signed) = verify::verify(record, &blob, &evidence, chain.as_deref())?;
            for section in &signed.sections {
                section.ciphertext()?;
                let at = section_path(&record.to_string(), &section.name);
                section.check_body(&client.get(&format!("{at}/body"))?)?;
            }
            show(cli.json, &verdict, || verdict.to_string())
        }
        Command::Predict { record, method } => {
            let record = parse_record_number(&record)?;
            let client = client(&cli.url, &cli.token_file)?;
            let path = format!("/v1/records/{record}/predict?method={method}");
            let report: PredictReport = client.json(&client.get(&path)?)?;
            show(cli.json, &report, || report.to_string())
        }
        Command::Lease { size_bytes, days } => {
            let client = client(&cli.url, &cli.token_file)?;
            let request = LeaseRequest { size_bytes, duration_ms: days.saturating_mul(86_400_000) };
            let report: LeaseReport = client.json(&post_json(&client, "/v1/leases", &request)?)?;
            show(cli.json, &report, || report.to_string())
        }
        Command::Seal { file: input, policy, authorities, key_id, name, output } => {
            let policy = check(&policy)?;
            let authorities = public_keys(&cli.url, cli.home.as_deref(), &authorities, &policy, &key_id)?;
            let sealed = file::seal(&input, &output, name.as_deref(), &policy, &authorities, &*entropy())?;
            show(cli.json, &sealed, || sealed.to_string())
        }
        Command::Open { file: base, owner, keys, name, output } => {
            let bytes = if owner {
                file::open_as_owner(&base, &output)?
            } else {
                file::open(&base, name.as_deref(), &reader_keys(keys, cli.home.as_deref())?, &output)?
            };
            let value = json!({ "bytes": bytes, "output": output.display().to_string() });
            show(cli.json, &value, || format!("{bytes} bytes in {}", output.display()))
        }
        Command::Rewrap { file: Some(base), policy, authorities, key_id, keys, name, .. } => {
            let keys = keys.map(|path| reader_keys(Some(path), None)).transpose()?;
            let policy = policy.map_or_else(|| file::policy(&base), |text| check(&text))?;
            let authorities = public_keys(&cli.url, cli.home.as_deref(), &authorities, &policy, &key_id)?;
            let sealed =
                file::rewrap(&base, name.as_deref(), keys.as_ref(), &policy, &authorities, &*entropy())?;
            show(cli.json, &sealed, || sealed.to_string())
        }
        Command::Rewrap { record, section, policy, no_recovery, .. } => {
            let record = parse_record_number(&record.unwrap_or_default())?;
            let section = SectionName::new(&section.unwrap_or_default())?;
            policy.as_deref().map(check).transpose()?;
            let client = client(&cli.url, &cli.token_file)?;
            let path = format!("{}/rewrap", section_path(&record.to_string(), &section));
            let report: PutReport =
                client.json(&post_json(&client, &path, &RewrapRequest { policy, no_recovery })?)?;
            show(cli.json, &report, || report.to_string())
        }
        Command::Recover { from, chain, records, keys, dry_run } => {
            let records =
                records.iter().map(|text| parse_record_number(text)).collect::<Result<Vec<_>, _>>()?;
            let client = if dry_run { None } else { Some(client(&cli.url, &cli.token_file)?) };
            let keys = reader_keys(keys, cli.home.as_deref())?;
            let report = recover_all(&from, chain.as_deref(), &records, &keys, client.as_ref())?;
            show(cli.json, &report, || report.to_string())?;
            Ok(report.is_whole())
        }
        Command::Identity { board } => {
            let home = Home::open(&home_dir(cli.home.as_deref())?, true, board.as_deref())?;
            let user = home.identity().user()?.to_string();
            show(cli.json, &json!({ "user": user }), || format!("user {user}"))
        }
        Command::Attributes(command) => attributes(command, &cli.url, cli.home.as_deref(), cli.json),
        Command::Outsource { keys, forget } => {
            let home = home(cli.home.as_deref())?;
            let client = Client::new(&cli.url, "");
            let (now_ms, entropy) = (SystemClock.now_ms(), entropy());
            let name = match forget {
                Some(name) => {
                    let wish = transform::forget(&name, home.identity(), now_ms, &*entropy)?;
                    let forgotten =
                        client.post(&format!("/v1/transform-keys/{}/forget", percent(&name)), OCTETS, &wish);
                    match forgotten {
                        Err(e) if !is_gone(&e) => return Err(e),
                        _ => home.forget(&name)?,
                    }
                    name
                }
                None => {
                    let path = keys.unwrap_or_else(|| home.keys_path());
                    let (name, key) = home.outsource(&home.keys(&path)?)?;
                    let upload = transform::keep(&key, home.identity(), now_ms, &*entropy)?;
                    if let Err(e) = client.put(&format!("/v1/transform-keys/{name}"), OCTETS, &upload) {
                        home.forget(&name)?;
                        return Err(e);
                    }
                    name
                }
            };
            show(cli.json, &json!({ "transform_key": name }), || format!("transform key {name}"))
        }
        Command::Authority { dir, board, command } => {
            let report = match dir {
                Some(dir) => operate_folder(command, &dir, board.as_deref())?,
                None if board.is_some() => {
                    let reason = "--board goes with --dir; the daemon has its own board".into();
                    return Err(Error::Config { reason });
                }
                None => operate_daemon(command, &client(&cli.url, &cli.token_file)?)?,
            };
            show(cli.json, &report, || report.to_string())
        }
        Command::Puf(twinseal_puf::cli::Command::Evaluate(evaluate)) => {
            let (report, plots) = evaluate.run()?;
            plots.iter().for_each(|path| eprintln!("wrote {}", path.display()));
            show(cli.json, &report, || report.to_string())?;
            Ok(report.passed())
        }
        Command::Board(command) => board(command, &cli.url, &cli.token_file, cli.json),
        Command::Doctor => {
            let report = doctor::run(&cli.url, &cli.token_file);
            if cli.json {
                print_json(&report)?;
            } else {
                for step in &report.steps {
                    say(step.render(style).trim_end());
                }
            }
            Ok(report.passed)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "twinseal", &mut script);
            emit(&script);
            Ok(true)
        }
    }
}

/// An answer of a vault as a person types it.
fn mac(text: &str) -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    let decoded = hex::decode_to_slice(text, &mut bytes);
    decoded
        .map(|()| bytes)
        .map_err(|_| "an answer is 64 hex digits, as `twinseal board attest` printed them".into())
}

/// A build id as a person types it.
fn build_id(text: &str) -> Result<u32, String> {
    let mut bytes = [0; 4];
    hex::decode_to_slice(text, &mut bytes)
        .map(|()| u32::from_be_bytes(bytes))
        .map_err(|_| "a build id is 8 hex digits, as `twinseal board attest` printed them".into())
}

fn board(command: BoardCommand, url: &str, token_file: &Path, json: bool) -> Result<bool, Error> {
    match command {
        BoardCommand::List => {
            let boards = engines::discover()?;
            show(json, &boards, || engines::render(&boards))
        }
        BoardCommand::Status => {
            let client = client(url, token_file)?;
            let status: BoardStatus = client.json(&client.get("/v1/board")?)?;
            show(json, &status, || status.to_string())?;
            Ok(status.fault.is_none())
        }
        BoardCommand::Enrol { data_dir, board } => {
            let board = root::enrol_new(&board, &data_dir)?;
            let helper = data_dir.join(folder::HELPER).display().to_string();
            let value = json!({ "board": board.label(), "helper": helper });
            show(json, &value, || {
                format!(
                    "{} enrolled; keep a copy of {helper}, which is public and without which its keys are lost",
                    board.label()
                )
            })
        }
        BoardCommand::Attest { challenge, mac, build_id } => {
            let challenge = root::challenge(challenge.as_deref())?;
            let expected = mac.zip(build_id).map(|(mac, build_id)| Expected { mac, build_id });
            let verdict = Verdict::new(client(url, token_file)?.attest(&challenge)?, expected);
            show(json, &verdict, || verdict.to_string())?;
            Ok(verdict.matches != Some(false))
        }
    }
}

/// Opens every record, or those of `only`, of the lost node in `from`, and puts them on the node behind `client`.
fn recover_all(
    from: &Path,
    chain: Option<&str>,
    only: &[RecordNumber],
    keys: &ReaderKeys,
    client: Option<&Client>,
) -> Result<RecoverySummary, Error> {
    let lost = Lost::open(from, chain)?;
    if chain.is_none() {
        eprintln!(
            "twinseal: which ledger this was is the folder's word; pin it with --chain (`twinseal verify` printed it)"
        );
    }
    let all = lost.records()?;
    let records = if only.is_empty() { &all[..] } else { only };
    let one = |number: &RecordNumber| {
        let Opened { recovered, refused } = lost.open_record(*number, keys)?;
        let opened = recovered.sections().map(str::to_owned).collect::<Vec<_>>();
        let mut line = RecordSummary::new(number, opened, &refused);
        if let Some(client) = client.filter(|_| !line.opened.is_empty()) {
            line.put = Some(client.json(&client.post("/v1/recovered", OCTETS, &recovered.to_bytes()?)?)?);
        }
        Ok(line)
    };
    // What is wrong with one record does not keep the others from being saved.
    let records =
        records.iter().map(|number| one(number).unwrap_or_else(|e| RecordSummary::failed(number, &e)));
    let records = records.collect();
    Ok(RecoverySummary { chain: lost.chain().to_string(), height: lost.height(), records })
}

/// A person's own commands.
fn attributes(command: Attributes, url: &str, dir: Option<&Path>, json: bool) -> Result<bool, Error> {
    let home = home(dir)?;
    let client = Client::new(url, "");
    let ask = |claims: &[Claim], path: &Path, key_id: Option<&str>| {
        let requests = home.requests(claims, &home.keys(path)?, SystemClock.now_ms())?;
        // One authority's refusal does not keep the others from being asked.
        let ask = |(authority, request): (String, Vec<u8>)| {
            let at = format!("/v1/authorities/{}/requests", percent(&authority));
            let take = || {
                let key_ids = key_id.map(str::to_owned);
                let known = known_keys(url, dir, &[authority.parse()?], key_ids.as_slice())?;
                let pinned = known.first().map(|key| key.id().to_string());
                home.accept(&client.post(&at, OCTETS, &request)?, pinned.as_deref(), path)
            };
            let taken = take();
            (authority, taken)
        };
        Ok::<Vec<_>, Error>(requests.into_iter().map(ask).collect())
    };
    let path = |keys: Option<PathBuf>| keys.unwrap_or_else(|| home.keys_path());
    let (taken, path) = match command {
        Attributes::Request { attributes, keys, key_id, out } => {
            let claims = attributes.iter().map(|a| a.parse()).collect::<Result<Vec<Claim>, _>>()?;
            let path = path(keys);
            if let Some(out) = out {
                let requests = home.requests(&claims, &home.keys(&path)?, SystemClock.now_ms())?;
                let [(authority, request)] = &requests[..] else {
                    let reason = "--out is for one authority; make a request for each".into();
                    return Err(Error::BadUpload { reason });
                };
                folder::write_secret(&out, request)?;
                let out = out.display().to_string();
                let value = json!({ "authority": authority, "request": out });
                return show(json, &value, || format!("request to {authority} written to {out}"));
            }
            (ask(&claims, &path, key_id.as_deref())?, path)
        }
        Attributes::Accept { answer, keys, key_id } => {
            let path = path(keys);
            let taken = home.accept(&read(&answer)?, key_id.as_deref(), &path)?;
            (vec![(taken.authority.clone(), Ok(taken))], path)
        }
        Attributes::Renew { keys } => {
            let path = path(keys);
            (ask(&home.renewals(&home.keys(&path)?)?, &path, None)?, path)
        }
        Attributes::List { keys } => {
            let held = home.keys(&path(keys))?;
            let list: Vec<_> = held
                .keys
                .iter()
                .map(|k| {
                    let (attribute, key_id) = (k.attribute().to_string(), k.key_id().to_string());
                    json!({ "attribute": attribute, "authority": k.attribute().authority().as_str(), "key_id": key_id })
                })
                .collect();
            let text = || {
                let line =
                    |k: &twinseal_abe::AttributeKey| format!("{}  under {}", k.attribute(), k.key_id());
                held.keys.iter().map(line).collect::<Vec<_>>().join("\n")
            };
            return show(json, &list, text);
        }
    };
    let asked = taken.len();
    let (mut answers, mut refusals) = (Vec::new(), Vec::new());
    for (authority, taken) in taken {
        match taken {
            Ok(taken) => answers.push(taken),
            Err(e) if asked == 1 => return Err(e),
            Err(e) => refusals.push((authority, e)),
        }
    }
    let refused: Vec<_> = refusals
        .iter()
        .map(|(of, e)| json!({ "authority": of, "code": e.code(), "message": e.to_string() }))
        .collect();
    if !json {
        refusals.iter().for_each(|(of, e)| eprintln!("twinseal: {of}: {e} [{}]", e.code()));
    }
    let value = json!({ "file": path.display().to_string(), "answers": answers, "refused": refused });
    show(json, &value, || {
        let lines: Vec<_> = answers.iter().map(ToString::to_string).collect();
        format!("{}\nin {}", lines.join("\n"), path.display())
    })?;
    Ok(refusals.is_empty())
}

fn operate_daemon(command: AuthorityCommand, client: &Client) -> Result<Report, Error> {
    let at = |name: &str, rest: &str| format!("/v1/authorities/{}{rest}", percent(name));
    let answer = match command {
        AuthorityCommand::Init { name, clock } => {
            post_json(client, "/v1/authorities", &AuthorityRequest { name, clock })?
        }
        AuthorityCommand::Ceremony { .. } => {
            let reason =
                "a ceremony needs --dir: stop the daemon, hold it, and start the daemon again".into();
            return Err(Error::Config { reason });
        }
        AuthorityCommand::Approve { name, user, attributes, days, reinstate } => {
            let approval = Approval { user, attributes, until_ms: days.map(in_days), reinstate };
            post_json(client, &at(&name, "/approvals"), &approval)?
        }
        AuthorityCommand::Issue { name, request, output } => {
            let answer = client.post(&at(&name, "/requests"), OCTETS, &read(&request)?)?;
            folder::write_secret(&output, &answer)?;
            client.get(&at(&name, ""))?
        }
        AuthorityCommand::List { name } => client.get(&at(&name, ""))?,
        AuthorityCommand::Rotate { name } => client.post(&at(&name, "/rotate"), OCTETS, b"")?,
        AuthorityCommand::Withdraw { name, user, attribute } => {
            let of_user = format!("/users/{}/claims/{}", percent(&user), percent(&attribute));
            client.delete(&at(&name, &of_user))?
        }
        AuthorityCommand::Revoke { name, user } => {
            client.delete(&at(&name, &format!("/users/{}", percent(&user))))?
        }
    };
    client.json(&answer)
}

fn operate_folder(command: AuthorityCommand, dir: &Path, board: Option<&str>) -> Result<Report, Error> {
    let data_dir = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let rest = match board {
        Some(board) => root::Root::open(board, data_dir, false)?.at_rest(),
        None => AtRest::plain(),
    };
    let makes_one = matches!(command, AuthorityCommand::Init { .. } | AuthorityCommand::Ceremony { .. });
    let mut authorities =
        if makes_one { Authorities::open(dir, rest)? } else { Authorities::open_existing(dir, rest)? };
    let entropy = entropy();
    let rng = &mut Rng(&*entropy);
    let now_ms = SystemClock.now_ms();
    let authority = match command {
        AuthorityCommand::Init { name, clock } => authorities.init(&name, clock, rng)?,
        AuthorityCommand::Ceremony { name, shared, threshold, members, index, clock, wait_seconds } => {
            let patience = Duration::from_secs(wait_seconds);
            let terms = Terms { name, threshold, members, index, patience };
            authorities.found(&shared, &terms, clock, rng)?
        }
        AuthorityCommand::Approve { name, user, attributes, days, reinstate } => {
            let authority = authorities.get_mut(&name)?;
            let until_ms = days.map(in_days);
            if reinstate {
                authority.reinstate(&user, &attributes, until_ms)?;
            } else {
                authority.approve(&user, &attributes, until_ms)?;
            }
            authority
        }
        AuthorityCommand::Withdraw { name, user, attribute } => {
            let authority = authorities.get_mut(&name)?;
            authority.withdraw(&user, &attribute)?;
            authority
        }
        AuthorityCommand::Issue { name, request, output } => {
            let authority = authorities.get_mut(&name)?;
            let request = Request::open(&read(&request)?)?;
            let answer = authority.answer(&request, now_ms, MAX_FILE_AGE_MS, rng)?;
            folder::write_secret(&output, &answer)?;
            authority
        }
        AuthorityCommand::List { name } => authorities.get_mut(&name)?,
        AuthorityCommand::Rotate { name } => {
            let authority = authorities.get_mut(&name)?;
            authority.rotate(rng)?;
            authority
        }
        AuthorityCommand::Revoke { name, user } => {
            let authority = authorities.get_mut(&name)?;
            authority.revoke(&user, now_ms)?;
            authority
        }
    };
    Ok(authority.report())
}

/// A policy as it was typed; where it is refused, the place is shown.
fn check(text: &str) -> Result<Policy, Error> {
    policy::parse(text).inspect_err(|_| {
        if let Some(place) = policy::complaint(text) {
            eprintln!("{place}");
        }
    })
}

/// Public keys of `policy`'s authorities: from files, or the daemon's current ones if they are the ones you know.
fn public_keys(
    url: &str,
    home: Option<&Path>,
    files: &[PathBuf],
    policy: &Policy,
    key_ids: &[String],
) -> Result<Vec<PublicKey>, Error> {
    if !files.is_empty() {
        return files.iter().map(|path| Ok(PublicKey::from_bytes(&read(path)?)?)).collect();
    }
    known_keys(url, home, &file::authorities(policy), key_ids)
}

/// The daemon's current public keys of `authorities`, compared with those that were seen before.
fn known_keys(
    url: &str,
    home: Option<&Path>,
    authorities: &[AuthorityId],
    key_ids: &[String],
) -> Result<Vec<PublicKey>, Error> {
    let compared = KnownAuthorities::new(&home_dir(home)?).fetch(url, authorities, key_ids)?;
    for new in &compared.unconfirmed {
        eprintln!(
            "twinseal: first use of {new}: it is the daemon's word; compare the id with what the authority says"
        );
    }
    Ok(compared.keys)
}

fn reader_keys(path: Option<PathBuf>, dir: Option<&Path>) -> Result<ReaderKeys, Error> {
    match path {
        Some(path) if at_rest::is_sealed(&path)? => home(dir)?.keys(&path),
        Some(path) => ReaderKeys::from_bytes(&folder::read_secret(&path)?),
        None => {
            let home = home(dir)?;
            home.keys(&home.keys_path())
        }
    }
}

/// There is no such transform key at the daemon: nothing is left to forget there.
fn is_gone(error: &Error) -> bool {
    error.code() == Error::NoTransformKey { name: String::new() }.code()
}

fn in_days(days: u64) -> u64 {
    SystemClock.now_ms().saturating_add(days.saturating_mul(86_400_000))
}

/// The home of whoever runs this.
fn home(dir: Option<&Path>) -> Result<Home, Error> {
    Home::open(&home_dir(dir)?, false, None)
}

/// `~/.twinseal` unless told otherwise.
fn home_dir(dir: Option<&Path>) -> Result<PathBuf, Error> {
    let default = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".twinseal"));
    dir.map(Path::to_owned)
        .or_else(default)
        .ok_or_else(|| Error::Config { reason: "there is no HOME; name your folder with --home".into() })
}

fn section_path(record: &str, section: &SectionName) -> String {
    format!("/v1/records/{record}/sections/{}", percent(section.as_str()))
}

fn post_json<T: serde::Serialize>(client: &Client, path: &str, value: &T) -> Result<Vec<u8>, Error> {
    let body = serde_json::to_vec(value).map_err(|_| Error::Malformed)?;
    client.post(path, "application/json", &body)
}

fn client(url: &str, token_file: &Path) -> Result<Client, Error> {
    let token = std::fs::read_to_string(token_file)
        .map_err(|e| Error::io("read the API token (--token-file)", token_file, e))?;
    let token = token.trim();
    if token.len() != 64 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        let path = token_file.display().to_string();
        return Err(Error::SecretMalformed { path, expected: "64 hex digits" });
    }
    Ok(Client::new(url, token))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

fn show<T: serde::Serialize>(json: bool, value: &T, text: impl FnOnce() -> String) -> Result<bool, Error> {
    if json {
        print_json(value)?;
    } else {
        say(text().trim_end());
    }
    Ok(true)
}

fn print_json<T: serde::Serialize>(value: &T) -> Result<(), Error> {
    say(&serde_json::to_string_pretty(value).map_err(|_| Error::Malformed)?);
    Ok(())
}

/// Prints a line.
fn say(text: &str) {
    emit(format!("{text}\n").as_bytes());
}

/// Writes to standard output. A reader that went away (`| head`) is not an error; anything else, such as a full disk, ends
/// the program with status 1, because what was asked for did not arrive.
fn emit(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!(
                "twinseal: could not write to standard output: {e}; free space or choose another output"
            );
            std::process::exit(1);
        }
        _ => {}
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |out, b| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            out + &char::from(b).to_string()
        }
        _ => out + &format!("%{b:02X}"),
    })
}
