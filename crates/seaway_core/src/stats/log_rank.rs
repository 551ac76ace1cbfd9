//! The log-rank test: whether groups differ in how fast their events come.

use super::life_table::LifeTable;
use super::risk::{Observation, sweep};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// The part of its variance that a group must keep, once other groups are accounted for, to count
/// as a degree of freedom. A dependent group keeps nothing but rounding errors.
const INDEPENDENT: f64 = 1e-8;

/// The result of a log-rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogRank {
    /// The statistic, at least 0.
    pub chi_squared: f64,
    /// Its degrees of freedom: groups less one, where all groups can be compared.
    pub degrees: usize,
    /// The probability of a statistic at least as large where the groups do not differ.
    pub p: f64,
}

impl LogRank {
    /// Whether a difference with such a `p` is called more than noise: it is less likely than 5 %
    /// where there is none.
    #[must_use]
    pub fn is_beyond_noise(p: f64) -> bool {
        p < 0.05
    }
}

/// Compares groups by the log-rank test (Mantel 1966, Peto and Peto 1972), with the hypergeometric
/// variance for ties and with delayed entry: only those under observation at an age count at it.
///
/// Observations that cover no age (see [`Observation`]) are left out. `None` when nothing can be
/// compared: fewer than two groups, no events, or never two groups under observation at an age of
/// an event that somebody survives. Groups that are never under observation together with others
/// take no part in the degrees of freedom.
#[must_use]
pub fn log_rank<G: AsRef<[Observation]>>(groups: &[G]) -> Option<LogRank> {
    let groups: Vec<_> = groups.iter().map(AsRef::as_ref).collect();
    let mut score = Score::new(groups.len());
    let mut counts = Vec::with_capacity(groups.len());
    sweep(&groups, |moment| {
        counts.clear();
        let both = moment.at_risk.iter().zip(moment.events);
        counts.extend(both.map(|(&at_risk, &events)| (at_risk as f64, events as f64)));
        score.add(&counts);
    });
    score.result()
}

/// Compares groups of which only life tables are known by the log-rank test, with those of an
/// interval of ages treated like those of one age (ties, as grouped times are in Mantel 1966), and
/// those who come or go within it at risk for half of it. `None` as for [`log_rank`].
///
/// In each interval the events that a group is expected to have are off by no more than the events
/// in it times the share of those at risk who come or go in it.
#[must_use]
pub fn log_rank_of_tables(tables: &[&LifeTable]) -> Option<LogRank> {
    Score::of_tables(tables).result()
}

/// Events beyond those expected by group, and the covariance of these numbers.
struct Score {
    excess: Vec<f64>,
    covariance: Vec<Vec<f64>>,
}

impl Score {
    fn new(groups: usize) -> Self {
        Self { excess: vec![0.0; groups], covariance: vec![vec![0.0; groups]; groups] }
    }

    fn of_tables(tables: &[&LifeTable]) -> Self {
        let longest = tables.iter().map(|table| table.rows().len()).max().unwrap_or(0);
        let mut score = Self::new(tables.len());
        let mut counts = Vec::with_capacity(tables.len());
        for bucket in 0..longest {
            counts.clear();
            counts.extend(tables.iter().map(|table| {
                table.rows().get(bucket).map_or((0.0, 0.0), |row| (row.at_risk, row.events as f64))
            }));
            score.add(&counts);
        }
        score
    }

    /// Adds an age, given the lives at risk and the events of each group.
    fn add(&mut self, groups: &[(f64, f64)]) {
        let d: f64 = groups.iter().map(|(_, events)| events).sum();
        if d <= 0.0 {
            return;
        }
        let n: f64 = groups.iter().map(|(at_risk, _)| at_risk).sum();
        for ((at_risk, events), excess) in groups.iter().zip(&mut self.excess) {
            *excess += events - d * at_risk / n;
        }
        if n <= d {
            return; // All had their event, so its distribution over the groups was certain.
        }
        let scale = d * (n - d) / (n - 1.0);
        for ((i, row), (at_risk, _)) in self.covariance.iter_mut().enumerate().zip(groups) {
            for ((j, cell), (other, _)) in row.iter_mut().enumerate().zip(groups) {
                let same = if i == j { 1.0 } else { 0.0 };
                *cell += scale * (at_risk / n) * (same - other / n);
            }
        }
    }

    fn result(self) -> Option<LogRank> {
        let (chi_squared, degrees) = self.statistic();
        let distribution = ChiSquared::new(degrees as f64).ok()?;
        Some(LogRank { chi_squared, degrees, p: distribution.sf(chi_squared) })
    }

    /// The quadratic form of the excess with a generalized inverse of the covariance, and the rank
    /// of the latter, by elimination of one group after the other.
    ///
    /// The covariance is always singular, as the excesses sum to 0, and more so where groups cannot
    /// be compared; the form is the same for every choice of independent groups.
    fn statistic(mut self) -> (f64, usize) {
        let whole: Vec<_> = (0..self.excess.len()).map(|i| self.covariance[i][i]).collect();
        let mut open: Vec<_> = (0..self.excess.len()).filter(|&i| whole[i] > 0.0).collect();
        let (mut form, mut rank) = (0.0, 0);
        while let Some(place) = self.most_independent(&open, &whole) {
            let pivot = open.swap_remove(place);
            let variance = self.covariance[pivot][pivot];
            form += self.excess[pivot].powi(2) / variance;
            rank += 1;
            let pivot_row = self.covariance[pivot].clone();
            for &i in &open {
                let factor = pivot_row[i] / variance;
                self.excess[i] -= factor * self.excess[pivot];
                for &j in &open {
                    self.covariance[i][j] -= factor * pivot_row[j];
                }
            }
        }
        (form, rank)
    }

    /// The place in `open` of the group that keeps most of its variance, if that is enough.
    fn most_independent(&self, open: &[usize], whole: &[f64]) -> Option<usize> {
        let kept = |&i: &usize| self.covariance[i][i] / whole[i];
        let best = (0..open.len()).max_by(|&a, &b| kept(&open[a]).total_cmp(&kept(&open[b])))?;
        (kept(&open[best]) > INDEPENDENT).then_some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::bucket_of;
    use super::super::life_table::Tally;
    use super::super::samples::{close, control, from_birth, mercaptopurine, observation};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Published as 16.79; public tests of other programs have these digits from R's `survdiff`.
    #[test]
    fn freireich_6_mp_against_placebo() {
        let test = log_rank(&[mercaptopurine(), control()]).unwrap();
        close(test.chi_squared, 16.792_940_989_216_5, 1e-9);
        assert_eq!(test.degrees, 1);
        close(test.p, 4.168_809_109_3e-5, 1e-12);
    }

    /// Maintained against not maintained of R's `aml` data, as R's `survdiff` gives it (survival
    /// 3.8.3; the numbers are in the test data of the crate `survival` 1.1.1).
    #[test]
    fn aml_by_maintenance() {
        let maintained = from_birth(&[9, 13, 18, 23, 31, 34, 48], &[13, 28, 45, 161]);
        let others = from_birth(&[5, 5, 8, 8, 12, 23, 27, 30, 33, 43, 45], &[16]);
        let test = log_rank(&[maintained, others]).unwrap();
        close(test.chi_squared, 3.396_388_699, 1e-8);
        close(test.p, 0.065_339_322_041, 1e-9);
    }

    /// Three groups, from the tests of JuliaStats/Survival.jl (`logrank_tests.jl`).
    #[test]
    fn three_groups() {
        let groups = [
            from_birth(&[1, 1], &[2]),
            from_birth(&[1, 2, 3], &[2]),
            from_birth(&[1, 2, 5], &[2, 4]),
        ];
        let test = log_rank(&groups).unwrap();
        close(test.chi_squared, 1.507_214, 1e-5);
        assert_eq!(test.degrees, 2);
        close(test.p, (-test.chi_squared / 2.0).exp(), 1e-12); // the tail of chi-squared(2)
    }

    #[test]
    fn nothing_to_compare_gives_nothing() {
        let some = || from_birth(&[1, 2, 3], &[4]);
        assert_eq!(log_rank::<Vec<Observation>>(&[]), None);
        assert_eq!(log_rank(&[some()]), None);
        assert_eq!(log_rank(&[some(), Vec::new()]), None);
        assert_eq!(log_rank(&[from_birth(&[], &[1, 2]), from_birth(&[], &[3])]), None);
        assert_eq!(log_rank(&[from_birth(&[0, 0], &[]), from_birth(&[0], &[])]), None);
        let later = vec![observation(10, 12, true), observation(10, 13, true)];
        assert_eq!(log_rank(&[some(), later]), None);
    }

    #[test]
    fn groups_that_cannot_be_compared_cost_no_degree() {
        let two = [mercaptopurine(), control()];
        let later = vec![observation(100, 112, true), observation(100, 113, true)];
        let mut four = two.to_vec();
        four.extend([Vec::new(), later]);
        let (two, four) = (log_rank(&two).unwrap(), log_rank(&four).unwrap());
        assert_eq!(four.degrees, 1);
        close(four.chi_squared, two.chi_squared, 1e-9);
    }

    #[test]
    fn equal_groups_do_not_differ() {
        let test = log_rank(&[control(), control(), control()]).unwrap();
        close(test.chi_squared, 0.0, 1e-12);
        close(test.p, 1.0, 1e-9);
    }

    /// Excess and covariance by a plain scan of all observations for every age of an event.
    fn naive_score(groups: &[Vec<Observation>]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let k = groups.len();
        let (mut excess, mut covariance) = (vec![0.0; k], vec![vec![0.0; k]; k]);
        for t in 0..=30 {
            let count = |group: &Vec<Observation>, which: fn(&Observation, i64) -> bool| {
                group.iter().filter(|o| o.is_usable() && which(o, t)).count() as f64
            };
            let at_risk = |g| count(g, |o, t| (o.entry == 0 || o.entry < t) && t <= o.time);
            let events = |g| count(g, |o, t| o.event && o.time == t);
            let n: f64 = groups.iter().map(at_risk).sum();
            let d: f64 = groups.iter().map(events).sum();
            if d == 0.0 {
                continue;
            }
            for i in 0..k {
                let ni = at_risk(&groups[i]);
                excess[i] += events(&groups[i]) - d * ni / n;
                for j in (0..k).filter(|_| n > 1.0) {
                    let nj = at_risk(&groups[j]);
                    let spread = if i == j { ni / n * (1.0 - ni / n) } else { -ni * nj / (n * n) };
                    covariance[i][j] += spread * d * (n - d) / (n - 1.0);
                }
            }
        }
        (excess, covariance)
    }

    /// The life table of some lives, as summaries have it.
    fn table(seen: &[Observation]) -> LifeTable {
        let tally = |ages: &mut dyn Iterator<Item = i64>| {
            let mut tally = Tally::default();
            tally.add(&ages.collect());
            tally
        };
        let seen = || seen.iter().filter(|it| it.is_usable());
        let born = seen().filter(|it| it.entry == 0).count() as i64;
        let entered = tally(&mut seen().filter(|it| it.entry > 0).map(|it| it.entry + 1));
        let ends = |event| tally(&mut seen().filter(move |it| it.event == event).map(|it| it.time));
        LifeTable::of(born, &entered, &ends(true), &ends(false))
    }

    /// The events of each group, without those expected, by the exact ages and by tables.
    fn excesses(groups: &[Vec<Observation>]) -> (Vec<f64>, Vec<f64>) {
        let mut exact = Score::new(groups.len());
        let lives: Vec<&[Observation]> = groups.iter().map(Vec::as_slice).collect();
        sweep(&lives, |moment| {
            let both = moment.at_risk.iter().zip(moment.events);
            exact.add(&both.map(|(&n, &d)| (n as f64, d as f64)).collect::<Vec<_>>());
        });
        let tables: Vec<LifeTable> = groups.iter().map(|group| table(group)).collect();
        let score = Score::of_tables(&tables.iter().collect::<Vec<_>>());
        (exact.excess, score.excess)
    }

    /// By how much the excess of each group by tables can be off: in each bucket its share of those
    /// at risk is between that where all of it that come or go are there and none of the others'
    /// that do, and the opposite.
    fn bounds(groups: &[Vec<Observation>]) -> Vec<f64> {
        let mut bounds = vec![0.0; groups.len()];
        let seen = |group: &Vec<Observation>| -> Vec<(Option<usize>, usize, bool)> {
            let usable = group.iter().filter(|it| it.is_usable());
            let entry = |it: &Observation| (it.entry > 0).then(|| bucket_of(it.entry + 1));
            usable.map(|it| (entry(it), bucket_of(it.time), it.event)).collect()
        };
        let groups: Vec<_> = groups.iter().map(seen).collect();
        let ends = groups.iter().flatten().filter(|it| it.2).map(|it| it.1);
        for bucket in ends.collect::<BTreeSet<_>>() {
            // By group: those there in any of it, those there in all of it, and events.
            let counts = groups.iter().map(|group| {
                let count = |of: &dyn Fn(Option<usize>, usize, bool) -> bool| {
                    group.iter().filter(|it| of(it.0, it.1, it.2)).count() as f64
                };
                [
                    count(&|entry, end, _| entry <= Some(bucket) && end >= bucket),
                    count(&|entry, end, _| entry < Some(bucket) && end > bucket),
                    count(&|_, end, event| event && end == bucket),
                ]
            });
            let counts: Vec<[f64; 3]> = counts.collect();
            let total = |place: usize| counts.iter().map(|it| it[place]).sum::<f64>();
            let share =
                |mine: f64, theirs: f64| if mine > 0.0 { mine / (mine + theirs) } else { 0.0 };
            for (bound, [all, stay, _]) in bounds.iter_mut().zip(&counts) {
                let most = share(*all, total(1) - stay);
                *bound += total(2) * (most - share(*stay, total(0) - all));
            }
        }
        bounds
    }

    /// Two sets of deliveries as servers see them, some hours to some weeks after their start, in a
    /// span that began after the start of some and ended before the delivery of others. The z score
    /// of the tables is that of the exact ages but for a twentieth.
    #[test]
    fn tables_of_many_lives_say_what_observations_say() {
        let mut seed = 7_u64;
        let mut uniform = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        for slower in [1.0, 1.05, 1.2, 1.5, 3.0] {
            let mut lives = |scale: f64| -> Vec<Observation> {
                let mut life = |i: i64| {
                    let lasts = (scale * 90_000.0 * -(1.0 - uniform()).ln()) as i64;
                    let (entry, seen) = ((i % 3) * (uniform() * 40_000.0) as i64, i % 5 != 0);
                    let left = (uniform() * 300_000.0) as i64;
                    observation(
                        entry,
                        if seen { lasts } else { lasts.min(left) },
                        seen || lasts <= left,
                    )
                };
                (0..1_500).map(&mut life).collect()
            };
            let groups = [lives(1.0), lives(slower)];
            let exact = log_rank(&groups).unwrap();
            let tables = groups.each_ref().map(|group| table(group));
            let found = log_rank_of_tables(&[&tables[0], &tables[1]]).unwrap();
            let (found, exact) = (found.chi_squared.sqrt(), exact.chi_squared.sqrt());
            assert!((found - exact).abs() <= 0.05 * exact.max(1.0), "{slower}: {found} {exact}");
        }
    }

    /// Lives long enough for wide buckets.
    fn old_group() -> impl Strategy<Value = Vec<Observation>> {
        let entry = prop_oneof![2 => Just(0_i64), 1 => 0..40_000_i64];
        let life = (entry, 0..90_000_i64, any::<bool>());
        prop::collection::vec(life.prop_map(|(e, t, event)| observation(e, t, event)), 0..40)
    }

    fn group() -> impl Strategy<Value = Vec<Observation>> {
        let entry = prop_oneof![2 => Just(0_i64), 1 => 0..12_i64];
        let life = (entry, 0..20_i64, any::<bool>());
        prop::collection::vec(life.prop_map(|(e, t, event)| observation(e, t, event)), 0..25)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn two_groups_agree_with_a_plain_scan(a in group(), b in group()) {
            let groups = [a, b];
            let (excess, covariance) = naive_score(&groups);
            let test = log_rank(&groups);
            prop_assert_eq!(test.is_some(), covariance[0][0] > 1e-9);
            if let Some(test) = test {
                let naive = excess[0] * excess[0] / covariance[0][0];
                prop_assert!((test.chi_squared - naive).abs() <= 1e-8 * (1.0 + naive));
                prop_assert_eq!(test.degrees, 1);
                prop_assert!((0.0..=1.0).contains(&test.p));
            }
        }

        /// What tables say of old lives is as near to what observations say as the widths of buckets
        /// allow.
        #[test]
        fn tables_are_within_their_bounds(a in old_group(), b in old_group(), c in old_group()) {
            let groups = [a, b, c];
            let (exact, found) = excesses(&groups);
            for ((exact, found), bound) in exact.iter().zip(&found).zip(bounds(&groups)) {
                prop_assert!((exact - found).abs() <= bound + 1e-9, "{exact} {found} {bound}");
            }
        }

        #[test]
        fn three_groups_agree_with_a_plain_scan(a in group(), b in group(), c in group()) {
            let groups = [a, b, c];
            let (e, v) = naive_score(&groups);
            let determinant = v[0][0] * v[1][1] - v[0][1] * v[1][0];
            let test = log_rank(&groups);
            // The third group is the one that the other two determine.
            if determinant > 1e-6 {
                let test = test.unwrap();
                let naive = (e[0] * e[0] * v[1][1] - 2.0 * e[0] * e[1] * v[0][1]
                    + e[1] * e[1] * v[0][0]) / determinant;
                prop_assert!((test.chi_squared - naive).abs() <= 1e-6 * (1.0 + naive));
                prop_assert_eq!(test.degrees, 2);
            } else if let Some(test) = test {
                prop_assert!(test.degrees == 1 && test.chi_squared.is_finite());
            }
        }
    }
}
