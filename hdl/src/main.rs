//! The gateware's command line: from a board's name to its Verilog.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use twinseal_hdl::{Error, top};

#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a board's Verilog, top module `top`, to DIR/BOARD.v
    Verilog {
        /// A name from boards.toml
        #[arg(long)]
        board: String,
        /// Made if missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Verilog { board, out } => write_verilog(&board, &out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            ExitCode::FAILURE
        }
    }
}

fn write_verilog(board: &str, out: &Path) -> Result<(), Error> {
    let text = top::verilog(board)?;
    std::fs::create_dir_all(out).map_err(|source| Error::File { path: out.to_owned(), source })?;
    let path = out.join(format!("{board}.v"));
    std::fs::write(&path, text).map_err(|source| Error::File { path: path.clone(), source })?;
    println!("{}", path.display());
    Ok(())
}
