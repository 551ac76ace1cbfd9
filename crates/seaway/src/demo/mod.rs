//! `seaway demo`: a made-up company, as events on standard output or as a load for a server.

mod cloudevents;
mod figures;
mod http;
mod load;
#[cfg(test)]
mod tests;

use crate::error::Error;
use clap::Args;
use load::{Bodies, Load};
use seaway_core::demo::Company;
use seaway_core::time::DAY;
use std::io::Write;
use std::net::SocketAddr;

/// The arguments of `seaway demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Services, each with a repository of its own
    #[arg(long, default_value_t = 50)]
    services: u32,
    /// Days that end yesterday
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// What the made-up world follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Changes that a service starts in a week, on average
    #[arg(long, default_value_t = 10)]
    changes_per_week: u32,
    /// Nobody opens pull requests: all commits of a day are pushed in its evening
    #[arg(long)]
    direct: bool,
    /// The first day's start, Unix seconds [default: so that the last day is yesterday]
    #[arg(long)]
    start: Option<i64>,
    /// Events at the most
    #[arg(long)]
    limit: Option<usize>,
    /// A server to send the events to, by address and port; else they go to standard output
    #[arg(long, value_name = "ADDR:PORT")]
    server: Option<SocketAddr>,
    /// Events that are sent at once
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// Clients that send at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    clients: u32,
    /// Measure how long events take from the answer into the reports, too
    #[arg(long, requires = "server")]
    watch: bool,
}

impl Demo {
    /// Makes the events, and prints or sends them. `now` is the moment in Unix microseconds.
    pub(crate) async fn run(&self, now: i64) -> Result<(), Error> {
        let today = now / 1_000_000 - (now / 1_000_000).rem_euclid(DAY);
        let start = self.start.unwrap_or(today - i64::from(self.days) * DAY);
        let company = Company {
            services: self.services,
            days: self.days,
            seed: self.seed,
            changes_per_week: self.changes_per_week,
            start,
            direct: self.direct,
        };
        let services = company.services();
        let events = company.days().flatten().take(self.limit.unwrap_or(usize::MAX));
        let lines = events.filter_map(|event| {
            let service = services.get(event.service as usize)?;
            Some(cloudevents::json(&event, service).to_string())
        });
        let Some(server) = self.server else { return print(lines) };
        let bodies = Bodies::of(lines, self.batch as usize);
        let load = Load { server, clients: self.clients, watch: self.watch };
        write!(anstream::stdout(), "{}", load.run(bodies).await?).or_else(unless_gone)
    }
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
