//! `seaway demo`: a made-up company on a server of its own; or its events on standard output, or as
//! a load for a server.

mod catalog;
mod cloudevents;
mod figures;
mod http;
mod load;
#[cfg(test)]
mod tests;

use crate::app::{Clock, PlaceArguments};
use crate::error::Error;
use crate::serve::{self, Serve};
use clap::Args;
use http::Head;
use load::{Bodies, Load};
use seaway_core::demo::{Company, Service};
use seaway_core::time::DAY;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// Clients that fill the server of the demo, and events that each sends at once.
const FILLING: (u32, usize) = (4, 500);

/// The arguments of `seaway demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Services, each with a repository of its own; the first twelve have stories to tell
    #[arg(long, default_value_t = 12)]
    services: u32,
    /// Days that end yesterday
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// What the made-up world follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The address to listen on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7700")]
    listen: SocketAddr,
    /// The folder of the data, which stays; an empty or a new one [default: one that is removed at
    /// the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Changes that a service without a story starts in a week, on average
    #[arg(long, default_value_t = 10, hide_short_help = true)]
    changes_per_week: u32,
    /// Nobody opens pull requests: all commits of a day are pushed in its evening
    #[arg(long, hide_short_help = true)]
    direct: bool,
    /// The first day's start, Unix seconds [default: so that the last day is yesterday]
    #[arg(long, hide_short_help = true)]
    start: Option<i64>,
    /// Events at the most
    #[arg(long, hide_short_help = true)]
    limit: Option<usize>,
    /// Print the events, a line each, and start no server
    #[arg(long, conflicts_with_all = ["server", "data"])]
    print: bool,
    /// Print the catalog of the services, and start no server
    #[arg(long, conflicts_with_all = ["server", "data", "print"])]
    print_catalog: bool,
    /// Send the events to this server, and tell how fast it took them
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "data")]
    server: Option<SocketAddr>,
    /// Events that are sent at once
    #[arg(long, default_value_t = 500, requires = "server",
        value_parser = clap::value_parser!(u32).range(1..=10_000), hide_short_help = true)]
    batch: u32,
    /// Clients that send at the same time
    #[arg(long, default_value_t = 8, requires = "server",
        value_parser = clap::value_parser!(u32).range(1..=1024), hide_short_help = true)]
    clients: u32,
    /// Measure how long events take from the answer into the reports, too
    #[arg(long, requires = "server", hide_short_help = true)]
    watch: bool,
}

impl Demo {
    /// Makes the events, and serves, prints or sends them.
    pub(crate) async fn run(&self, clock: Clock) -> Result<(), Error> {
        let company = self.company(clock() / 1_000_000);
        let services = company.services();
        if self.print_catalog {
            return std::io::stdout()
                .write_all(catalog::yaml(&services).as_bytes())
                .or_else(unless_gone);
        }
        if self.print {
            return print(self.lines(&company, services));
        }
        if let Some(server) = self.server {
            let head = Head::to(server)?;
            let bodies = Bodies::of(head, self.lines(&company, services), self.batch as usize);
            let load = Load { server, clients: self.clients, watch: self.watch };
            return write!(anstream::stdout(), "{}", load.run(bodies).await?).or_else(unless_gone);
        }
        match &self.data {
            Some(folder) => {
                empty(folder)?;
                self.serve(folder, &company, clock).await
            }
            None => {
                let name = format!("seaway-demo-{}-{}", std::process::id(), clock());
                let folder = std::env::temp_dir().join(name);
                own(&folder)?;
                let served = self.serve(&folder, &company, clock).await;
                // What cannot be removed is left to whoever cleans such folders.
                let _ = std::fs::remove_dir_all(&folder);
                served
            }
        }
    }

    fn company(&self, now: i64) -> Company {
        let today = now - now.rem_euclid(DAY);
        Company {
            services: self.services,
            days: self.days,
            seed: self.seed,
            changes_per_week: self.changes_per_week,
            start: self.start.unwrap_or(today - i64::from(self.days) * DAY),
            direct: self.direct,
            stories: !self.direct,
        }
    }

    fn lines(
        &self,
        company: &Company,
        services: Vec<Service>,
    ) -> impl Iterator<Item = String> + Send + use<> {
        let events = company.days().flatten().take(self.limit.unwrap_or(usize::MAX));
        events.filter_map(move |event| {
            let service = services.get(event.service as usize)?;
            Some(cloudevents::json(&event, service).to_string())
        })
    }

    /// Serves the company from a folder, through the public intake, until it is told to stop.
    async fn serve(&self, folder: &Path, company: &Company, clock: Clock) -> Result<(), Error> {
        let files = folder.join("catalog");
        let services = company.services();
        write_catalog(&files, &services)?;
        let place = PlaceArguments::of_folder(folder.join("data"));
        let server = Serve::alone(place, self.listen, files);
        let (listening, address) = oneshot::channel();
        let head = Head::to(self.listen)?;
        let bodies = Bodies::of(head, self.lines(company, services), FILLING.1);
        let serving = serve::run(server, clock, Some(listening));
        let mut serving = std::pin::pin!(serving);
        let filling = async {
            // Nobody listens if it does not come up; then the server says why.
            let Ok(server) = address.await else { return Ok(()) };
            let load = Load { server, clients: FILLING.0, watch: true };
            let Self { days, seed, .. } = self;
            say(&format!("{days} days in the life of a made-up company, seed {seed}"))?;
            let figures = load.run(bodies).await?;
            say(&format!("{} events are in the reports; open http://{server}/", figures.events))
        };
        tokio::select! {
            served = &mut serving => return served,
            filled = filling => filled?,
        }
        serving.await
    }
}

fn say(what: &str) -> Result<(), Error> {
    let mut out = anstream::stdout();
    writeln!(out, "{what}").and_then(|()| out.flush()).or_else(unless_gone)
}

/// Sees to it that a folder is empty or not there: the days of two companies are no company.
fn empty(folder: &Path) -> Result<(), Error> {
    match std::fs::read_dir(folder).map(Iterator::count) {
        Ok(1..) => Err(Error::input(
            format!("{} is not empty", folder.display()),
            "name a new folder with --data; seaway serve goes on with the data of a demo: \
             --data FOLDER/data --catalog FOLDER/catalog",
        )),
        // What cannot be used is told when it is.
        _ => Ok(()),
    }
}

/// Makes a folder that nobody else has made, and that nobody else may look into.
fn own(folder: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        let what = format!("{} cannot be made: {error}", folder.display());
        Error::input(what, "name a folder with --data")
    })
}

fn write_catalog(folder: &Path, services: &[Service]) -> Result<(), Error> {
    let file = folder.join("company.yaml");
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, catalog::yaml(services)));
    written.map_err(|error| {
        let what = format!("{} cannot be written: {error}", file.display());
        Error::input(what, "choose another folder with --data")
    })
}

fn print(lines: impl Iterator<Item = String>) -> Result<(), Error> {
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    for line in lines {
        if let Err(error) = writeln!(out, "{line}") {
            return unless_gone(error);
        }
    }
    out.flush().or_else(unless_gone)
}

/// Who reads may stop reading.
fn unless_gone(error: std::io::Error) -> Result<(), Error> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::Failed { what: error.to_string(), hint: None }),
    }
}
