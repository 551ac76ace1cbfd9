//! `seaway serve`: listening, and stopping without losing anything.

use crate::access::{Access, Peer};
use crate::app::{App, Clock, Opened, PlaceArguments, Secrets};
use crate::backfill::Schedule;
use crate::catalog::{Source, Watcher, names_of};
use crate::config::{AskForTokens, Config};
use crate::delivery::projector::Progress;
use crate::error::Error;
use crate::flags::Ramps;
use crate::ledger::Ledger;
use crate::mirrors::Mirrors;
use crate::router::router;
use crate::unread::Impatient;
use axum::body::Body;
use axum::extract::Request;
use clap::Args;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use seaway_core::catalog::History;
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tower::ServiceExt;

/// Connections that are served at once, at most; more wait to be accepted.
const CONNECTIONS_MAX: usize = 30_000;
/// Files that the process asks to be let open: those of so many connections, and as many again by half
/// for the databases and what else there is.
const FILES_MAX: u64 = 45_000;
/// How long the head of a request may take to arrive.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long requests may take to end once the server is told to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// The arguments of `seaway serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: PlaceArguments,
    /// The address to listen on; where others can reach it, every request needs a token (see
    /// seaway token)
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    /// A folder with files of the catalog, or a repository: git+URL#BRANCH:FOLDER; may be given
    /// several times [default: $SEAWAY_CATALOG, or catalog.folders of the configuration]
    #[arg(long, value_name = "DIR")]
    catalog: Vec<OsString>,
    /// Fetches nothing from elsewhere.
    #[arg(skip)]
    is_alone: bool,
}

impl Serve {
    /// A server with one folder of catalog files, which fetches nothing from elsewhere.
    pub(crate) fn alone(place: PlaceArguments, listen: SocketAddr, catalog: PathBuf) -> Self {
        Self { place, listen, catalog: vec![catalog.into()], is_alone: true }
    }

    /// Where the files of the catalog are.
    fn catalog_sources(&self, config: &Config) -> Result<Vec<Source>, Error> {
        let named = || std::env::var_os("SEAWAY_CATALOG").filter(|names| !names.is_empty());
        let names = match (&self.catalog[..], named()) {
            ([], Some(names)) => names_of(&names),
            ([], None) => config.catalog_folders.iter().cloned().map(OsString::from).collect(),
            (given, _) => given.to_vec(),
        };
        let copies = self.place.folder().join("catalog");
        let source = |name: &OsString| {
            Source::of(name, &copies, config.catalog_every).map_err(|wrong| {
                let what = format!("{} cannot be a catalog: {wrong}", name.to_string_lossy());
                Error::input(what, "write git+URL#BRANCH:FOLDER, or the path of a folder")
            })
        };
        names.iter().map(source).collect()
    }
}

/// Runs a server until it is told to stop by Ctrl-C or SIGTERM. `listening` is told where, once it
/// does.
pub(crate) async fn run(
    arguments: Serve,
    clock: Clock,
    listening: Option<oneshot::Sender<SocketAddr>>,
) -> Result<(), Error> {
    log_to_stderr();
    raise_files();
    let mut config = arguments.place.config()?;
    if arguments.is_alone {
        config.mirror_catalogued = false;
        config.repositories.clear();
        config.github.backfill.clear();
        config.access.tokens = AskForTokens::Auto;
    }
    let config = Arc::new(config);
    let sources = arguments.catalog_sources(&config)?;
    let opened = Opened::at(&arguments.place.place()).await?;
    let access = match Access::start(&opened, &config.access, arguments.listen, clock).await {
        Ok(access) => access,
        Err(error) => {
            opened.close().await;
            return Err(error);
        }
    };
    let asks = access.asks();
    let flags = opened.flags(clock).await?;
    let projector = opened.projector(&config).await?;
    let exposures = opened.exposures(clock).await?;
    let watcher = watcher(sources, opened.ledger.clone(), projector.progress(), clock);
    let app = Arc::new(App::new(
        &opened,
        &config,
        projector.progress(),
        watcher.state(),
        (Secrets::of_environment(), access),
        (Arc::clone(&flags), exposures.clone()),
        clock,
    ));
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        Error::failed(
            format!("the server cannot listen on {}: {error}", arguments.listen),
            "end what listens there, or choose another port with --listen",
        )
    })?;
    let address = listener.local_addr().unwrap_or(arguments.listen);
    let (stop, stopped) = watch::channel(false);
    let mirrors = Mirrors {
        ledger: opened.ledger.clone(),
        store: opened.store(),
        config: Arc::clone(&config),
        clock,
        folder: arguments.place.folder().join("mirrors"),
        progress: projector.progress(),
    };
    let schedule = Schedule {
        ledger: opened.ledger.clone(),
        config: Arc::clone(&config),
        clock,
        folder: arguments.place.folder(),
    };
    // On a thread of its own: what it waits for may be long to read.
    let (runtime, stop_filling) = (tokio::runtime::Handle::current(), stopped.clone());
    let filling =
        tokio::task::spawn_blocking(move || runtime.block_on(schedule.follow(stop_filling)));
    let mirroring = tokio::spawn(mirrors.follow(stopped.clone()));
    let following = tokio::spawn(projector.follow(stopped.clone()));
    let ramping = Ramps::new(Arc::clone(&flags), exposures.clone()).follow(stopped.clone());
    let ramping = tokio::spawn(ramping);
    let (telling, evaluating) = (Arc::clone(&flags), Arc::clone(&app));
    let (stop_telling, stop_evaluating) = (stopped.clone(), stopped.clone());
    let telling = tokio::spawn(async move { telling.tell(stop_telling).await });
    let evaluating = tokio::spawn(async move { evaluating.access.follow(stop_evaluating).await });
    let flagging = tokio::spawn(flags.follow(stopped.clone()));
    let counting = tokio::spawn(exposures.follow(stopped.clone()));
    let watching = tokio::spawn(watcher.follow(stopped));
    // Whoever started the server may wait for this line.
    let mut out = anstream::stdout();
    let _ = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
    if let Some(listening) = listening {
        let _ = listening.send(address);
    }
    match asks {
        true => tracing::info!(%address, "every request needs a token"),
        false => tracing::info!(%address, "this server is for this machine only, and asks nobody"),
    }
    let served = serve(app, listener, told_to_stop()).await;
    let _ = stop.send(true);
    let _ = tokio::join!(
        watching, filling, mirroring, flagging, ramping, counting, telling, evaluating
    );
    let _ = following.await;
    opened.close().await;
    served
}

/// What watches the catalog's sources. What the log has of the catalog is known from the views once
/// they have come as far as the log.
fn watcher(
    sources: Vec<Source>,
    ledger: Ledger,
    progress: watch::Receiver<Progress>,
    clock: Clock,
) -> Watcher<impl Fn(i64) -> KnownCatalog> {
    let known = move |position| -> KnownCatalog {
        let mut progress = progress.clone();
        Box::pin(async move {
            let there = progress.wait_for(|progress| progress.settled >= position).await;
            there.ok().map(|progress| Arc::clone(&progress.catalog))
        })
    };
    Watcher::new(sources, ledger, known, clock)
}

/// The catalog as the log has it, when it is known.
type KnownCatalog = Pin<Box<dyn Future<Output = Option<Arc<History>>> + Send>>;

fn log_to_stderr() {
    let wanted = std::env::var("SEAWAY_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(wanted).unwrap_or_default();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second server in one process would find the first one's; that is as good.
    let _ = match std::env::var("SEAWAY_LOG_FORMAT").is_ok_and(|format| format == "json") {
        true => log.json().flatten_event(true).try_init(),
        false => log.try_init(),
    };
}

async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        },
        Err(_) => drop(interrupted.await),
    }
}

/// Lets this process open as many files as the system lets it, up to [`FILES_MAX`]: each connection is
/// one, and shells commonly begin with 1,024. Where that is refused, fewer connections are taken.
fn raise_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// Three quarters of the files that the process may open, where a system tells it: databases that
/// find none left could not be written.
pub(crate) fn connections_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok()
    });
    files.map_or(CONNECTIONS_MAX, |files| (files / 4 * 3).clamp(1, CONNECTIONS_MAX))
}

/// Serves until `stop` is ready, then lets the requests that are under way end.
async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let routes = router(Arc::clone(&app));
    let slots = Arc::new(Semaphore::new(connections_max()));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, Peer(peer.ip())),
                Err(error) => {
                    // Out of file descriptors, most likely: some will be given back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let connection = graceful.watch(connection(stream, peer, routes.clone()));
        tokio::spawn(async move {
            // A client that breaks off is no concern of anyone else.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    app.live.stop();
    app.flags.end_streams();
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(STOP_TIME_MAX) => {
            tracing::warn!("requests that did not end within 10 seconds were broken off");
        }
    }
    Ok(())
}

fn connection(
    stream: TcpStream,
    peer: Peer,
    routes: axum::Router,
) -> hyper::server::conn::http1::Connection<
    TokioIo<Impatient<TcpStream>>,
    impl hyper::service::HttpService<
        hyper::body::Incoming,
        ResBody = Body,
        Error = std::convert::Infallible,
        Future: Send,
    >,
> {
    // Small answers must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let service = routes.map_request(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(Impatient::new(stream)), TowerToHyperService::new(service))
}
