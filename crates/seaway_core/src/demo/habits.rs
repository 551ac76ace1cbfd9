//! How the people of a service work, and the services whose stories the pages tell.

use super::random::Random;

const HOUR: u32 = 3600;
const MINUTE: u32 = 60;

/// When what was built goes to production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Train {
    /// At once.
    EachMerge,
    /// At noon of the next working day.
    Daily,
    /// At noon of the first day of the next week.
    Weekly,
    /// At noon of every 28th day.
    Monthly,
}

/// How the people of a service work. Shares are parts of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Habits {
    /// Changes that are started in 100 weeks.
    pub(super) changes: u32,
    pub(super) train: Train,
    /// How long a pull request waits for its first review: about the median, seconds.
    pub(super) review: u32,
    /// How long an approved one waits for a board to approve it too; 0 where there is no board.
    pub(super) board: u32,
    /// Pull requests that are merged with their commits; the others are squashed.
    pub(super) merges: u32,
    /// Builds that fail for no reason and are run again.
    pub(super) flaky: u32,
    /// Deployments that fail.
    pub(super) failing: u32,
    /// Deployments that customers suffer from.
    pub(super) troubled: u32,
    /// Changes that bots make.
    pub(super) bots: u32,
    /// Changes that are made with the help of AI.
    pub(super) assisted: u32,
    /// How many lines a commit touches: about the median. 0 where nobody tells it.
    pub(super) lines: u32,
}

/// The habits of most people.
const USUAL: Habits = Habits {
    changes: 1000,
    train: Train::EachMerge,
    review: 5 * HOUR,
    board: 0,
    merges: 300,
    flaky: 50,
    failing: 40,
    troubled: 25,
    bots: 0,
    assisted: 0,
    lines: 36,
};

impl Habits {
    /// Those of a service without a story: some rest, some are busy (from a quarter of the mean to
    /// seven quarters of it), and half of them deploy each merge.
    pub(super) fn drawn(changes_per_week: u32, random: &mut Random) -> Self {
        let percent = 25 + random.below(151);
        let train = if random.in_thousand(500) { Train::EachMerge } else { Train::Daily };
        Self { changes: changes_per_week.saturating_mul(percent), train, ..USUAL }
    }
}

/// A service with a story.
pub(super) struct Story {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    pub(super) architecture: &'static str,
    pub(super) runtime: &'static str,
    pub(super) tier: &'static str,
    /// What is to be seen.
    pub(super) about: &'static str,
    pub(super) habits: Habits,
    /// The habits of the second half of the time, where they are others.
    pub(super) later: Option<Habits>,
}

impl Story {
    const fn of(name: &'static str, group: &'static str, about: &'static str) -> Self {
        Self {
            name,
            group,
            architecture: "microservice",
            runtime: "container",
            tier: "2",
            about,
            habits: USUAL,
            later: None,
        }
    }

    const fn is(
        self,
        architecture: &'static str,
        runtime: &'static str,
        tier: &'static str,
    ) -> Self {
        Self { architecture, runtime, tier, ..self }
    }

    const fn with(self, habits: Habits) -> Self {
        Self { habits, ..self }
    }
}

/// The services with stories: three groups of four.
pub(super) const STORIES: [Story; 12] =
    [
        Story::of("shop-web", "storefront", "Deploys each merge, many times a day").with(Habits {
            changes: 1500,
            review: HOUR,
            merges: 0,
            lines: 18,
            ..USUAL
        }),
        Story::of("search", "storefront", "Most changes are made with the help of AI")
            .with(Habits { review: 2 * HOUR, assisted: 600, ..USUAL }),
        Story::of("basket", "storefront", "Small changes, reviewed at once")
            .is("microservice", "container", "1")
            .with(Habits {
                changes: 1200,
                review: 40 * MINUTE,
                merges: 0,
                troubled: 10,
                lines: 9,
                ..USUAL
            }),
        Story::of("recommendations", "storefront", "Bots make every second change")
            .is("function", "serverless", "3")
            .with(Habits { changes: 1600, review: 30 * MINUTE, bots: 500, ..USUAL }),
        Story {
            later: Some(Habits { changes: 1400, review: 3 * HOUR, merges: 0, lines: 24, ..USUAL }),
            ..Story::of("checkout", "payments", "Changed its ways in the middle of the time")
                .is("microservice", "container", "1")
                .with(Habits {
                    changes: 800,
                    train: Train::Weekly,
                    review: 40 * HOUR,
                    merges: 1000,
                    lines: 110,
                    ..USUAL
                })
        },
        Story::of("invoices", "payments", "A board approves what was approved")
            .is("microservice", "vm", "1")
            .with(Habits { changes: 500, train: Train::Daily, board: 50 * HOUR, ..USUAL }),
        Story::of("refunds", "payments", "Its builds fail for no reason").with(Habits {
            changes: 800,
            flaky: 450,
            ..USUAL
        }),
        Story::of("fraud-check", "payments", "A function: small and fast")
            .is("function", "serverless", "1")
            .with(Habits { changes: 600, review: 90 * MINUTE, lines: 20, ..USUAL }),
        Story::of("warehouse", "logistics", "A monolith, released by a monthly train")
            .is("monolith", "vm", "1")
            .with(Habits {
                changes: 2500,
                train: Train::Monthly,
                review: 10 * HOUR,
                merges: 800,
                lines: 140,
                ..USUAL
            }),
        Story::of("parcels", "logistics", "Pull requests wait long for a review")
            .is("microservice", "vm", "2")
            .with(Habits {
                changes: 700,
                train: Train::Daily,
                review: 34 * HOUR,
                // Nobody tells them.
                lines: 0,
                ..USUAL
            }),
        Story::of("routes", "logistics", "Incidents and rollbacks").with(Habits {
            failing: 90,
            troubled: 130,
            ..USUAL
        }),
        Story::of("maps", "logistics", "A daily train, and some bots")
            .is("microservice", "container", "3")
            .with(Habits { changes: 600, train: Train::Daily, bots: 300, ..USUAL }),
    ];
