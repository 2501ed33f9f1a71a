//! `twinseal-puf evaluate`: the evaluation of the PUF without the rest of Twinseal.

use std::process::ExitCode;

use clap::Parser;
use twinseal_puf::cli::Command;

/// Evaluates ring-oscillator PUFs, virtual or measured.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// One JSON document instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Command::Evaluate(evaluate) = cli.command;
    match evaluate.run() {
        Ok((report, plots)) => {
            if cli.json {
                // Numbers, strings and lists: always representable.
                println!("{}", serde_json::json!(report));
            } else {
                print!("{report}");
                plots.iter().for_each(|path| println!("wrote {}", path.display()));
            }
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            if cli.json {
                let error = serde_json::json!({ "code": error.code(), "message": error.to_string() });
                println!("{}", serde_json::json!({ "error": error }));
            } else {
                eprintln!("twinseal-puf: {error} [{}]", error.code());
            }
            ExitCode::FAILURE
        }
    }
}
