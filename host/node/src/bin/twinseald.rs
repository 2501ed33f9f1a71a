//! The `twinseald` daemon: one node behind the HTTP API, until SIGTERM or SIGINT.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};
use twinseal_node::config::{Config, EngineChoice};
use twinseal_node::node::Node;
use twinseal_node::{Error, api};

/// Requests still running after a signal get this long.
const DRAIN: Duration = Duration::from_secs(10);

/// Serve a Twinseal node.
#[derive(Parser)]
#[command(name = "twinseald", version)]
struct Cli {
    /// Configuration; every key is optional.
    #[arg(long, env = "TWINSEAL_CONFIG")]
    config: Option<PathBuf>,
    /// Overrides `data_dir`.
    #[arg(long, env = "TWINSEAL_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Overrides `listen`; port 0 picks a free one and logs it.
    #[arg(long, env = "TWINSEAL_LISTEN")]
    listen: Option<SocketAddr>,
    /// Overrides `board`: `none`, `sim`, `sim:PATH` or the path of a serial port.
    #[arg(long, env = "TWINSEAL_BOARD")]
    board: Option<String>,
    /// Overrides `engine`.
    #[arg(long, env = "TWINSEAL_ENGINE", value_enum)]
    engine: Option<EngineChoice>,
    /// Overrides `max_body_bytes`.
    #[arg(long, env = "TWINSEAL_MAX_BODY_BYTES")]
    max_body_bytes: Option<usize>,
    /// Overrides `recovery_policy`; "" for none.
    #[arg(long, env = "TWINSEAL_RECOVERY_POLICY")]
    recovery_policy: Option<String>,
    /// Overrides `recovery_authorities`; several with commas.
    #[arg(long, env = "TWINSEAL_RECOVERY_AUTHORITIES", value_delimiter = ',')]
    recovery_authorities: Option<Vec<PathBuf>>,
    /// Print the OpenAPI document and leave.
    #[arg(long)]
    openapi: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.openapi {
        let written = writeln!(std::io::stdout(), "{}", api::openapi_json());
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(
            std::io::IsTerminal::is_terminal(&std::io::stderr())
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        )
        .init();
    match configure(cli).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!(code = e.code(), "{e}");
            ExitCode::FAILURE
        }
    }
}

fn configure(cli: Cli) -> Result<Config, Error> {
    let mut config = match &cli.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let Cli {
        data_dir, listen, board, engine, max_body_bytes, recovery_policy, recovery_authorities, ..
    } = cli;
    config.data_dir = data_dir.unwrap_or(config.data_dir);
    config.listen = listen.unwrap_or(config.listen);
    config.board = board.unwrap_or(config.board);
    config.engine = engine.unwrap_or(config.engine);
    config.max_body_bytes = max_body_bytes.unwrap_or(config.max_body_bytes);
    config.recovery_policy = recovery_policy.unwrap_or(config.recovery_policy);
    config.recovery_authorities = recovery_authorities.unwrap_or(config.recovery_authorities);
    Ok(config)
}

fn serve(config: Config) -> Result<(), Error> {
    let node = Arc::new(Node::open(&config)?);
    let tokens = node.tokens()?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|e| Error::io("start the runtime for", std::path::Path::new("twinseald"), e))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(config.listen).await.map_err(|e| Error::Config {
            reason: format!("cannot listen on {}: {e}; choose another address with listen or --listen", config.listen),
        })?;
        let address = listener.local_addr().unwrap_or(config.listen);
        // Before anyone hears the address: who then sends a signal is heard.
        let terminated = terminated()?;
        info!(%address, data_dir = %config.data_dir.display(), board = %config.board, "serving");
        for line in node.engine_lines() {
            info!("{line}");
        }
        for warning in node.board_status().warnings {
            warn!("{warning}");
        }
        let router = api::router(node.clone(), tokens, config.max_body_bytes);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let server = axum::serve(listener, router).with_graceful_shutdown({
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|s| *s).await;
            }
        });
        let mut server = tokio::spawn(server.into_future());
        tokio::select! {
            outcome = &mut server => {
                return match outcome {
                    Ok(Ok(())) => Ok(()),
                    _ => Err(Error::Config { reason: "the HTTP server stopped by itself; see the log above".into() }),
                };
            }
            () = terminated => info!("stopping: requests that run now are finished, new ones are refused"),
        }
        let _ = stop.send(true);
        if tokio::time::timeout(DRAIN, server).await.is_err() {
            info!("some requests did not finish in {DRAIN:?} and were dropped; nothing unacknowledged was kept");
        }
        Ok(())
    })?;
    info!("stopped");
    Ok(())
}

/// Ends with SIGTERM or SIGINT; both are caught from the call on.
fn terminated() -> Result<impl Future<Output = ()>, Error> {
    let caught =
        |kind| signal(kind).map_err(|e| Error::io("catch signals for", std::path::Path::new("twinseald"), e));
    let (mut term, mut int) = (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    })
}
