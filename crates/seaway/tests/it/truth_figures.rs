//! Figures of a set of services over a span, a second way: written out from their definitions, with
//! every change in memory and exact durations.

use crate::truth_world::{Change, DAY, Deployment, Incident, Truth, World};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Fewer ends than these make wide steps.
const FEW: usize = 30;
const WEEK: f64 = 604_800.0;

/// A life under observation: from an age (`None`: from birth) to an age, and whether it ended there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    enters: Option<i64>,
    leaves: i64,
    ended: bool,
}

/// Kaplan and Meier's product, with lives that enter late.
pub(crate) struct Survival {
    lives: usize,
    /// At each age at which lives end: the share that is left after it. Then the least and the most
    /// that it can be for whoever knows ages to 1 % only.
    steps: Vec<(i64, [f64; 3])>,
}

impl Survival {
    pub(crate) fn of(lives: &[Life]) -> Self {
        let sorted = |mut ages: Vec<i64>| {
            ages.sort_unstable();
            ages
        };
        let enter = sorted(lives.iter().filter_map(|it| it.enters).collect());
        let of = |ended| lives.iter().filter(move |it| it.ended == ended).map(|it| it.leaves);
        let (end, give_up) = (sorted(of(true).collect()), sorted(of(false).collect()));
        let born = lives.iter().filter(|it| it.enters.is_none()).count();
        let before = |ages: &[i64], age: f64| ages.partition_point(|&it| (it as f64) < age);
        let mut left = [1.0; 3];
        let mut ages = end.clone();
        ages.dedup();
        let steps = ages.into_iter().map(|age| {
            let at = age as f64;
            let count = before(&end, at + 1.0) - before(&end, at);
            for (left, (entered, gone)) in
                left.iter_mut().zip([(1.0, 1.0), (0.98, 1.02), (1.02, 0.98)])
            {
                let there = born + before(&enter, at * entered);
                let at_risk = there.saturating_sub(before(&end, at) + before(&give_up, at * gone));
                *left *= 1.0 - count as f64 / at_risk.max(count) as f64;
            }
            (age, left)
        });
        let mut steps: Vec<(i64, [f64; 3])> = steps.collect();
        // Where it fell to 0 while others were yet to enter, it says nothing of these: what it said
        // before stands.
        for curve in 0..3 {
            let reaches = |left: f64| left <= 0.0;
            if steps.iter().rev().nth(1).is_some_and(|step| reaches(step.1[curve])) {
                let mut last = 1.0;
                for step in &mut steps {
                    match reaches(step.1[curve]) {
                        true => step.1[curve] = last,
                        false => last = step.1[curve],
                    }
                }
            }
        }
        Self { lives: end.len(), steps }
    }

    /// The first age at which so many have ended; `None`: it is not reached.
    pub(crate) fn quantile(&self, share: f64) -> Option<i64> {
        self.on(0, share)
    }

    fn on(&self, curve: usize, share: f64) -> Option<i64> {
        self.steps.iter().find(|(_, left)| 1.0 - left[curve] >= share - 1e-9).map(|it| it.0)
    }

    /// The least and the most that the server may tell for a quantile: where the exact curve is by
    /// at most `off` from the level; and where lives are so few that one of them is a wide step,
    /// where it may be if ages are known to 1 %.
    pub(crate) fn near(&self, share: f64, off: f64) -> (Option<i64>, Option<i64>) {
        if self.lives >= FEW {
            return (self.quantile(share - off), self.quantile(share + off));
        }
        let first = (0..3).filter_map(|curve| self.on(curve, share - off)).min();
        let last: Option<Vec<i64>> = (0..3).map(|curve| self.on(curve, share + off)).collect();
        (first, last.and_then(|all| all.into_iter().max()))
    }

    /// Whether the server may tell this for a quantile: what is within 1 % of what is [`near`].
    ///
    /// [`near`]: Self::near
    pub(crate) fn allows(&self, share: f64, off: f64, told: Option<f64>) -> bool {
        let (first, last) = self.near(share, off);
        match told {
            None => last.is_none(),
            Some(told) => {
                first.is_some_and(|first| told >= first as f64 * 0.99 - 0.5)
                    && last.is_none_or(|last| told <= last as f64 * 1.01 + 0.5)
            }
        }
    }
}

/// The middle of all; where there are two, both of them.
pub(crate) fn middles(mut all: Vec<i64>) -> Option<(i64, i64)> {
    all.sort_unstable();
    let last = all.len().checked_sub(1)?;
    Some((all[last / 2], all[all.len() / 2]))
}

/// What a report is about: some services, and a span.
pub(crate) struct Figures<'a> {
    services: Vec<&'a Truth>,
    /// The lines of the changes that are meant, if only some are.
    lines: Option<RangeInclusive<u64>>,
    /// The first moment; `None`: from the beginning.
    start: Option<i64>,
    /// The end of the span, or of the data.
    pub(crate) end: i64,
    /// The end of the data.
    as_of: i64,
}

/// What a stage costs the changes that were merged in a span.
pub(crate) struct Wait {
    pub(crate) seconds: i64,
    pub(crate) without: Survival,
}

impl<'a> Figures<'a> {
    /// `until` is the moment after the last one.
    pub(crate) fn of(
        world: &'a World,
        services: &[String],
        since: Option<i64>,
        until: Option<i64>,
    ) -> Self {
        let services = services.iter().map(|it| &world.services[it]).collect();
        let end = until.filter(|until| *until <= world.as_of).unwrap_or(world.as_of);
        Self { services, lines: None, start: since, end, as_of: world.as_of }
    }

    /// Of these the changes of so many lines.
    pub(crate) fn of_lines(self, lines: RangeInclusive<u64>) -> Self {
        Self { lines: Some(lines), ..self }
    }

    /// Whether the span has no start and ends with the data.
    pub(crate) fn is_whole(&self) -> bool {
        self.start.is_none() && self.end == self.as_of
    }

    /// Whether something happened in the span. What happens at its end does so after it, unless it
    /// ends with the data.
    fn has(&self, moment: i64) -> bool {
        self.start.is_none_or(|start| start <= moment) && self.is_before_end(moment)
    }

    fn is_before_end(&self, moment: i64) -> bool {
        moment < self.end || self.end == self.as_of
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = &'a Change> {
        let is_meant = |it: &&Change| match &self.lines {
            Some(meant) => it.lines.is_some_and(|lines| meant.contains(&lines)),
            None => true,
        };
        self.services.iter().flat_map(|it| &it.changes).filter(is_meant)
    }

    pub(crate) fn delivered(&self) -> impl Iterator<Item = &'a Change> {
        self.changes().filter(|it| it.deployed().is_some_and(|at| self.has(at)))
    }

    /// On the mainline at the end, and not delivered by then.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &'a Change> {
        self.changes().filter(|it| {
            self.is_before_end(it.merged())
                && it.deployed().is_none_or(|at| !self.is_before_end(at))
        })
    }

    pub(crate) fn merged(&self) -> impl Iterator<Item = &'a Change> {
        self.changes().filter(|it| self.has(it.merged()))
    }

    /// What a span sees of a life.
    fn seen(&self, born: i64, ended: Option<i64>) -> Option<Life> {
        let ended = ended.filter(|at| self.is_before_end(*at));
        let last = ended.unwrap_or(self.end);
        if self.start.is_some_and(|start| last < start) || born > last {
            return None;
        }
        let enters = self.start.map(|start| start - born).filter(|age| *age > 0);
        Some(Life { enters, leaves: last - born, ended: ended.is_some() })
    }

    /// Time to value of whatever is on the mainline by the end.
    pub(crate) fn survival(&self) -> Survival {
        let lives: Vec<Life> = self
            .changes()
            .filter(|it| self.is_before_end(it.merged()))
            .filter_map(|it| self.seen(it.authored(), it.deployed()))
            .collect();
        Survival::of(&lives)
    }

    /// DORA's change lead time: of commits, from when they were committed, on the mainline or not
    /// there yet.
    pub(crate) fn lead_time(&self) -> Survival {
        let of = |it: &'a Change| it.committed.iter().map(move |at| (*at, it));
        let lives: Vec<Life> = self
            .changes()
            .flat_map(of)
            .filter_map(|(born, it)| self.seen(born, it.deployed()))
            .collect();
        Survival::of(&lives)
    }

    /// By the milestone that ends it: how many delivered changes went through a stage, the seconds
    /// that they spent in it, and how long it took.
    pub(crate) fn stages(&self) -> BTreeMap<usize, (usize, i64, Survival)> {
        let mut all = BTreeMap::<usize, (usize, i64, Vec<Life>)>::new();
        for change in self.delivered() {
            for (to, from, at) in change.stages() {
                let stage = all.entry(to).or_default();
                (stage.0, stage.1) = (stage.0 + 1, stage.1 + at - from);
                stage.2.push(Life { enters: None, leaves: at - from, ended: true });
            }
        }
        for change in self.waiting().filter(|it| it.ready() <= self.end) {
            let leaves = self.end - change.ready();
            all.entry(6).or_default().2.push(Life { enters: None, leaves, ended: false });
        }
        all.into_iter().map(|(to, (n, sum, lives))| (to, (n, sum, Survival::of(&lives)))).collect()
    }

    /// The time that the changes merged in the span spent in each stage until now, and their time
    /// to value without it. At 0: of no stage.
    pub(crate) fn waits(&self) -> BTreeMap<usize, Wait> {
        let without = |stage: usize| {
            let mut seconds = 0;
            let lives: Vec<Life> = self
                .merged()
                .map(|change| {
                    let mut stages = change.stages();
                    if change.deployed().is_none() {
                        stages.push((6, change.ready(), self.as_of));
                    }
                    let took = |(_, from, at): &(usize, i64, i64)| at - from;
                    let within: i64 = stages.iter().filter(|it| it.0 == stage).map(took).sum();
                    let all: i64 = stages.iter().map(took).sum();
                    seconds += within;
                    // Without the last stage, what waits is delivered as soon as it is ready.
                    let ended = change.deployed().is_some() || stage == 6;
                    Life { enters: None, leaves: all - within, ended }
                })
                .collect();
            Wait { seconds, without: Survival::of(&lives) }
        };
        (0..7).map(|stage| (stage, without(stage))).collect()
    }

    /// Ages of what waits, at the end.
    pub(crate) fn ages(&self) -> Vec<i64> {
        self.waiting().map(|it| self.end - it.authored()).collect()
    }

    /// What waits under a day, under a week, under a month, and longer.
    pub(crate) fn by_age(&self) -> [usize; 4] {
        let mut bands = [0; 4];
        for age in self.ages() {
            bands[[DAY, 7 * DAY, 30 * DAY].iter().filter(|most| age >= **most).count()] += 1;
        }
        bands
    }

    /// All that ended in the span.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &'a Deployment> {
        let all = self.services.iter().flat_map(|it| &it.deployments);
        all.filter(|it| self.has(it.finished))
    }

    /// All that ever ended, whatever the span.
    pub(crate) fn ever_deployed(&self) -> impl Iterator<Item = &'a Deployment> {
        self.services.iter().flat_map(|it| &it.deployments)
    }

    /// Changes that a deployment delivered, and that stayed.
    pub(crate) fn carried(&self, by: &Deployment) -> usize {
        let is_its =
            |it: &&Change| it.service == by.service && it.deployment.as_ref() == Some(&by.name);
        self.changes().filter(is_its).count()
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &'a Deployment> {
        self.deployments().filter(|it| it.success)
    }

    pub(crate) fn of_kind(&self, kind: &str) -> usize {
        self.live().filter(|it| it.kind == kind).count()
    }

    /// Deployments that delivered changes which stayed.
    pub(crate) fn delivering(&self) -> usize {
        let by = |it: &'a Change| (it.service.as_str(), it.deployment.as_deref());
        self.delivered().map(by).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// How long it took from the end of each deployment that failed to its recovery.
    pub(crate) fn recovery(&self) -> Survival {
        let lives: Vec<Life> = self
            .live()
            .filter_map(|it| {
                let recovered = it.failed?.filter(|at| self.is_before_end(*at));
                let leaves = recovered.unwrap_or(self.end) - it.finished;
                Some(Life { enters: None, leaves, ended: recovered.is_some() })
            })
            .collect();
        Survival::of(&lives)
    }

    /// Deployments that failed, and recovered by the end.
    pub(crate) fn recovered(&self) -> usize {
        let is_over =
            |it: &&Deployment| it.failed.flatten().is_some_and(|at| self.is_before_end(at));
        self.live().filter(is_over).count()
    }

    pub(crate) fn incidents(&self) -> impl Iterator<Item = &'a Incident> {
        self.services.iter().flat_map(|it| &it.incidents)
    }

    /// Incidents that were opened in the span, and those that were resolved in it.
    pub(crate) fn troubles(&self) -> (usize, usize) {
        let opened = self.incidents().filter(|it| self.has(it.opened)).count();
        let is_over = |it: &&Incident| it.resolved.is_some_and(|at| self.has(at));
        (opened, self.incidents().filter(is_over).count())
    }

    /// The weeks since the span's start, or the day of the first deployment of all if that is later.
    pub(crate) fn weeks(&self) -> f64 {
        let from = self.first_day().max(self.start.unwrap_or(i64::MIN));
        (self.end - from) as f64 / WEEK
    }

    fn first(&self) -> i64 {
        let all = self.services.iter().flat_map(|it| &it.deployments);
        all.filter(|it| it.success).map(|it| it.finished).min().unwrap()
    }

    fn first_day(&self) -> i64 {
        self.first().div_euclid(DAY) * DAY
    }

    /// Successes a week, without the one that opens the time.
    pub(crate) fn per_week(&self) -> f64 {
        let first = self.first();
        let opens = self.has(first);
        (self.live().count() - usize::from(opens)) as f64 / self.weeks()
    }
}
