//! What a load found out.

use std::fmt;
use std::time::Duration;

/// Durations, to tell quantiles of.
#[derive(Debug, Default, Clone)]
pub(super) struct Durations(Vec<Duration>);

impl Durations {
    /// Of durations in any order.
    pub(super) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The smallest that `percent` of all do not exceed; `None` of nothing.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

impl fmt::Display for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, percent) in [("p50", 50), (", p99", 99), (", max", 100)] {
            let found = self.percentile(percent).unwrap_or_default();
            write!(f, "{name} {:.1} ms", found.as_secs_f64() * 1000.0)?;
        }
        Ok(())
    }
}

/// What a load found out.
#[derive(Debug)]
pub(super) struct Figures {
    /// Events that the server said it has.
    pub(super) events: usize,
    /// Bytes of all bodies.
    pub(super) bytes: usize,
    /// From the first request to the last answer.
    pub(super) took: Duration,
    /// From each request to its answer.
    pub(super) answers: Durations,
    /// Requests that had to be sent again because the server was busy.
    pub(super) refused: usize,
    /// From each answer to the first look at which its events were in the reports.
    pub(super) lag: Option<Durations>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64().max(1e-9);
        let (rate, mebibytes) = (self.events as f64 / seconds, self.bytes as f64 / 1_048_576.0);
        writeln!(f, "events   {} in {seconds:.3} s: {rate:.0}/s, {mebibytes:.1} MiB", self.events)?;
        writeln!(f, "answers  {}; {} were told to wait", self.answers, self.refused)?;
        match &self.lag {
            Some(lag) => writeln!(f, "reports  {lag} after the answer"),
            None => Ok(()),
        }
    }
}
