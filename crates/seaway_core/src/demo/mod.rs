//! A made-up company at work: what its forges, pipelines and pagers tell, in order of time.
//!
//! The same seed makes the same events on every machine: nothing is drawn from anywhere else, and
//! no figure depends on how a machine rounds. Services are independent of each other, so a longer
//! span or more services only add to what was there.

mod change;
mod habits;
mod random;
mod service;
#[cfg(test)]
mod tests;

pub use service::{Commit, Deployed, Event, Lines, Nature, Service, What};

use service::Work;

/// How large the company is and how long it is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Company {
    /// Services, each with a repository of its own.
    pub services: u32,
    /// Days that are watched.
    pub days: u32,
    /// What the made-up world follows from.
    pub seed: u64,
    /// Changes that a service starts in a week, on average over all services.
    pub changes_per_week: u32,
    /// The first moment, Unix seconds.
    pub start: i64,
    /// Nobody opens pull requests: all commits of a day are pushed in its evening. Ten times as
    /// many changes in as many bytes of events.
    pub direct: bool,
    /// The first twelve services are those whose stories the pages tell: three groups of four, each
    /// service with ways of its own. All others are like most, and draw theirs.
    pub stories: bool,
}

impl Company {
    /// All services, in the order of the numbers that events name them by.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        (0..self.services).map(|number| Service::of(self, number)).collect()
    }

    /// What happened, day by day: the events of each day in order of time. Pull requests that are
    /// open at the end stay open. Keeps what is under way in memory, and one day of events.
    pub fn days(&self) -> impl Iterator<Item = Vec<Event>> + use<> {
        let company = *self;
        let mut works: Vec<Work> =
            (0..company.services).map(|service| Work::new(&company, service)).collect();
        (0..company.days).map(move |day| {
            let mut events = Vec::new();
            for work in &mut works {
                work.day(day, &mut events);
            }
            // Stable: events of one service at one second keep their order.
            events.sort_by_key(|event| (event.at, event.service));
            events
        })
    }
}
