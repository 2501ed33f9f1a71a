//! The `twinseal` command: the demo, and a client of `twinseald`.
#![forbid(unsafe_code)]

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use serde_json::json;
use twinseal_node::answers::{Evidence, LeaseReport, Method, PredictReport, PutReport};
use twinseal_node::api::{LeaseRequest, ReaderRequest};
use twinseal_node::client::Client;
use twinseal_node::config::EngineChoice;
use twinseal_node::demo::{self, DemoOptions};
use twinseal_node::record::{SectionName, parse_record_number};
use twinseal_node::report::Style;
use twinseal_node::upload::UploadKind;
use twinseal_node::{Error, doctor, engines, folder, verify};

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
    /// The daemon's API token.
    #[arg(long, global = true, env = "TWINSEAL_TOKEN_FILE", default_value = "/var/lib/twinseal/api.token")]
    token_file: PathBuf,
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
        /// `sim`, `none` or the path of a serial port.
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
    },
    /// Read one section, with a reader's keys or as the owner.
    Get {
        /// 32 hex digits.
        record: String,
        /// Which section.
        #[arg(long, default_value = "personal")]
        section: String,
        /// Attribute keys from `twinseal reader`; the section is then opened here, not by the daemon.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// With `--keys`: refuse any ledger but this one (hex, as `twinseal verify` prints it).
        #[arg(long, requires = "keys")]
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
    /// Issue attribute keys to a reader and write them to a file only you can read.
    Reader {
        /// Unique name of the reader.
        uid: String,
        /// `name@authority`; repeat for more.
        #[arg(long = "attribute", required = true)]
        attributes: Vec<String>,
        /// Must not exist yet.
        #[arg(long, short)]
        output: PathBuf,
    },
    /// List the boards that are plugged in.
    Boards,
    /// Check this machine: tools, boards, permissions, the daemon.
    Doctor,
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
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
        Command::Put { file, kind, policy } => {
            let bytes = read(&file)?;
            let mut path = String::from("/v1/records?");
            if let Some(kind) = kind {
                path += &format!("kind={kind}&");
            }
            if let Some(policy) = policy {
                path += &format!("policy={}", percent(&policy));
            }
            let client = client(&cli.url, &cli.token_file)?;
            let report: PutReport =
                client.json(&client.post(&path, "application/octet-stream", &bytes)?)?;
            show(cli.json, &report, || report.to_string())
        }
        Command::Get { record, section, keys, chain, output } => {
            let record = parse_record_number(&record)?;
            let section = SectionName::new(&section)?;
            let client = client(&cli.url, &cli.token_file)?;
            let plaintext = match keys {
                Some(keys) => {
                    if chain.is_none() {
                        eprintln!(
                            "twinseal: the ledger is the daemon's word; pin it with --chain (`twinseal verify` prints it)"
                        );
                    }
                    // The daemon and the store are not trusted: nothing is opened that was not verified here.
                    let evidence: Evidence =
                        client.json(&client.get(&format!("/v1/records/{record}/evidence"))?)?;
                    let blob = client.get(&format!("/v1/records/{record}"))?;
                    verify::open(
                        record,
                        &blob,
                        &evidence,
                        chain.as_deref(),
                        &section,
                        &folder::read_secret(&keys)?,
                    )?
                }
                None => client.get(&format!("/v1/records/{record}/sections/{section}"))?.into(),
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
            let verdict = verify::verify(record, &blob, &evidence, chain.as_deref())?;
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
            let body = serde_json::to_vec(&request).map_err(|_| Error::Malformed)?;
            let report: LeaseReport =
                client.json(&client.post("/v1/leases", "application/json", &body)?)?;
            show(cli.json, &report, || report.to_string())
        }
        Command::Reader { uid, attributes, output } => {
            let client = client(&cli.url, &cli.token_file)?;
            let body =
                serde_json::to_vec(&ReaderRequest { uid, attributes }).map_err(|_| Error::Malformed)?;
            let keys = zeroize::Zeroizing::new(client.post("/v1/readers", "application/json", &body)?);
            folder::write_secret(&output, &keys)?;
            let written = json!({ "keys": output.display().to_string() });
            show(cli.json, &written, || format!("attribute keys written to {}", output.display()))
        }
        Command::Boards => {
            let boards = engines::discover()?;
            show(cli.json, &boards, || engines::render(&boards))
        }
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
