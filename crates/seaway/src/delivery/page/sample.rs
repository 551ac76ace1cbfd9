//! A report of a lively history, with hostile text wherever a history can hold text.

use seaway_core::delivery::report::*;
use seaway_core::time::{DAY, HOUR, Time};

const SCRIPT: &str = "</script><script>alert(1)</script>";
const IMAGE: &str = "<img src=x onerror=alert(1)>";

/// A small repeatable source of numbers in 0..1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly log-normal around `median`.
    fn span(&mut self, median: f64, spread: f64) -> f64 {
        let bell: f64 = (0..12).map(|_| self.roll()).sum::<f64>() - 6.0;
        median * (bell * spread).exp()
    }
}

fn about(seconds: f64) -> Estimate {
    Estimate { seconds: Some(seconds), low: Some(seconds * 0.86), high: Some(seconds * 1.18) }
}

const NOW: i64 = 1_795_424_400;

/// A curve of 4,268 changes, some of them waiting.
fn curve(dice: &mut Dice) -> Vec<CurvePoint> {
    let mut ages: Vec<f64> = (0..360).map(|_| dice.span(187_200.0, 1.46)).collect();
    ages.sort_by(f64::total_cmp);
    let point = |(i, age): (usize, &f64)| {
        let share = 1.0 - (i + 1) as f64 / 361.0;
        let width = 1.96 * (share * (1.0 - share) / 900.0_f64).sqrt();
        CurvePoint {
            seconds: *age as i64,
            waiting_share: share,
            low: Some((share - width).max(0.0)),
            high: Some((share + width).min(1.0)),
            at_risk: 4_268 - i * 11,
            censored: if i % 17 == 5 { 2 + i / 120 } else { 0 },
        }
    };
    ages.iter().enumerate().map(point).collect()
}

fn quantile(curve: &[CurvePoint], waiting: f64) -> Estimate {
    let reached = curve.iter().find(|p| p.waiting_share <= waiting).unwrap();
    about(reached.seconds as f64)
}

fn trend(dice: &mut Dice) -> Trend {
    let points = (0..18_usize).map(|i| {
        let n = if i == 6 { 0 } else { 120 + (dice.roll() * 160.0) as usize };
        let p50 = dice.span(260_000.0 * 0.93_f64.powi(i as i32), 0.18);
        let of = |seconds: f64| if n == 0 { Estimate::default() } else { about(seconds) };
        TrendPoint {
            label: format!("{}-{:02}", 2025 + (5 + i) / 12, (5 + i) % 12 + 1),
            start: Time(NOW - (18 - i as i64) * 30 * DAY),
            end: Time(NOW - (17 - i as i64) * 30 * DAY),
            complete: i != 17,
            n,
            waiting: 20 + (dice.roll() * 30.0) as usize,
            p50: of(p50),
            p85: of(p50 * 4.6),
            p95: if i == 17 {
                Estimate { low: Some(p50 * 8.0), ..Estimate::default() }
            } else {
                of(p50 * 10.0)
            },
        }
    });
    Trend {
        period: Period::Month,
        points: points.collect(),
        finding: "The median fell from 1 d 22 h in 2026-09 to 1 d 12 h in 2026-10; the intervals \
                  do not overlap, so this is hardly noise"
            .to_owned(),
    }
}

fn size(dice: &mut Dice) -> SizeReport {
    let points: Vec<SizePoint> = (0..2_000)
        .map(|_| {
            let lines = dice.span(34.0, 1.7);
            let seconds = dice.span(187_200.0 * (lines / 34.0).powf(0.22), 1.4);
            SizePoint { lines: lines as u64, seconds: seconds as i64 }
        })
        .collect();
    let quarter = |lines_min, lines_max, days: f64| SizeQuartile {
        lines_min,
        lines_max,
        n: 1_052,
        waiting: 15,
        p50: about(days * DAY as f64),
        p85: about(days * 4.4 * DAY as f64),
    };
    SizeReport {
        n: 4_208,
        unknown: 2,
        quartiles: vec![
            quarter(0, 11, 1.4),
            quarter(12, 34, 1.9),
            quarter(35, 108, 2.5),
            quarter(109, 48_211, 3.4),
        ],
        correlation: Some(Correlation { n: 4_208, rho: 0.212, low: 0.183, high: 0.241 }),
        finding: "Small changes are faster here: the smallest quarter takes 1 d 10 h, the largest \
                  3 d 10 h"
            .to_owned(),
        points,
    }
}

fn flow(dice: &mut Dice) -> Flow {
    let first = jiff::civil::Date::constant(2023, 5, 3);
    let days = (0..1_300).filter_map(|i| {
        let date = first.checked_add(jiff::Span::new().days(i)).unwrap();
        let weekend = date.weekday().to_monday_zero_offset() > 4;
        let holidays = date.month() == 12 && date.day() > 18;
        let roll = dice.roll();
        if holidays || roll < if weekend { 0.96 } else { 0.38 } {
            return None;
        }
        let deployments = 1 + (dice.roll().powi(3) * 6.0) as usize;
        Some(CalendarDay {
            day: date.to_string(),
            deployments,
            rollbacks: usize::from(roll > 0.99),
        })
    });
    Flow {
        deployments_per_week: Some(8.37),
        weeks: 185.6,
        changes_per_deployment_p50: Some(2.0),
        changes_per_deployment_mean: Some(2.73),
        delivering_deployments: 1_541,
        waiting: 58,
        waiting_age_p50: Some(6.3 * DAY as f64),
        oldest: [
            ("Replace the session store", 212 * DAY),
            (SCRIPT, 180 * DAY + 7 * HOUR),
            (IMAGE, 96 * DAY),
            ("Fix \u{202e}gnp.exe\u{202c} \u{1b}[31mred\u{7}", 61 * DAY),
            ("إصلاح ترتيب النتائج في صفحة البحث", 33 * DAY),
        ]
        .map(|(subject, seconds)| WaitingChange {
            change: "9f8c2d41aa0be7733c1d5a7be19d1c0ffee01234".to_owned(),
            subject: subject.to_owned(),
            authored_at: Some(Time(NOW - seconds)),
            seconds,
        })
        .to_vec(),
        waiting_by_age: vec![
            AgeBand { label: "under a day", changes: 9 },
            AgeBand { label: "under a week", changes: 22 },
            AgeBand { label: "under a month", changes: 19 },
            AgeBand { label: "older", changes: 8 },
        ],
        calendar: days.collect(),
    }
}

fn dora() -> Vec<DoraMeasure> {
    let measure = |name, unit, n, value: Option<f64>, note: &str| DoraMeasure {
        name,
        unit,
        n,
        value,
        low: value.map(|v| v * 0.9),
        high: value.map(|v| v * 1.12),
        note: note.to_owned(),
    };
    vec![
        measure(
            "change lead time",
            Some("seconds"),
            Some(11_206),
            Some(129_600.0),
            "Median per commit from committed to deployed; waiting commits are censored.",
        ),
        measure(
            "deployment frequency",
            Some("per week"),
            Some(1_553),
            Some(8.37),
            "Successful deployments over 185.6 weeks.",
        ),
        measure(
            "failed deployment recovery time",
            Some("seconds"),
            Some(7),
            Some(5_400.0),
            "Median from a deployment that was rolled back to the rollback.",
        ),
        measure(
            "change fail rate",
            Some("share"),
            Some(1_553),
            Some(0.0045),
            "Deployments taken back by a rollback; incidents that were fixed forward are not in git.",
        ),
        measure(
            "deployment rework rate",
            None,
            None,
            None,
            "Git does not tell which deployments were unplanned. Give outcomes with --deploys file:FILE.",
        ),
    ]
}

fn dimensions() -> Vec<Dimension> {
    let group = |label, n, days: f64| DimensionGroup {
        label,
        n,
        waiting: n / 70,
        p50: about(days * DAY as f64),
        p85: about(days * 4.5 * DAY as f64),
    };
    vec![
        Dimension {
            name: "author",
            groups: vec![group("bots", 812, 3.6), group("people", 3_398, 1.9)],
            finding: "Changes of bots take longer than those of people (log-rank p < 0.001)"
                .to_owned(),
        },
        Dimension {
            name: "assistance",
            groups: vec![
                DimensionGroup {
                    label: "AI-assisted",
                    n: 4,
                    waiting: 9,
                    p50: Estimate { seconds: None, low: Some(DAY as f64), high: None },
                    p85: Estimate::default(),
                },
                group("not assisted", 4_206, 2.1),
            ],
            finding: "Too few AI-assisted changes to tell a difference (log-rank p = 0.41)"
                .to_owned(),
        },
    ]
}

pub(super) fn sample() -> Report {
    let mut dice = Dice(7);
    let curve = curve(&mut dice);
    let within = [
        (HOUR, "an hour", 0.034),
        (DAY, "a day", 0.331),
        (7 * DAY, "a week", 0.784),
        (30 * DAY, "a month", 0.963),
    ];
    let stage = |from, to, days: f64, share| Stage {
        from,
        to,
        n: 4_210,
        waiting: 29,
        p50: about(days * DAY as f64),
        p85: about(days * 4.0 * DAY as f64),
        share: Some(share),
    };
    Report {
        schema_version: 1,
        source: Source {
            repository: format!("https://git.example/fleet/harbour-{IMAGE}.git"),
            branch: Some("main".to_owned()),
            head: Some("3f1c2d41aa0be7733c1d5a7be19d1c0ffee01234".to_owned()),
            deploys: vec!["tag:release-*".to_owned(), format!("tag:{SCRIPT}")],
            reason: "1,553 of 1,561 tags look like releases.".to_owned(),
            advice:
                "Name others with --deploys tag:GLOB, --deploys merges or --deploys file:FILE.csv."
                    .to_owned(),
            paths: vec![],
            as_of: Some(Time(NOW)),
            since: None,
            until: None,
            time_zone: "Europe/Berlin".to_owned(),
        },
        deployments: DeploymentCounts {
            count: 1_553,
            first: Some(Time(NOW - 1_299 * DAY)),
            last: Some(Time(NOW - 2 * HOUR)),
        },
        commits: CommitCounts { baseline: 508, delivered: 11_206, waiting: 141 },
        time_to_value: TimeToValue {
            n: 4_210,
            waiting: 58,
            p50: quantile(&curve, 0.5),
            p85: quantile(&curve, 0.15),
            p95: quantile(&curve, 0.05),
            within: within
                .map(|(within_seconds, label, share)| Share {
                    within_seconds,
                    label,
                    share: Some(share),
                    low: Some(share - 0.014 * share.min(1.0 - share).sqrt()),
                    high: Some(share + 0.014 * share.min(1.0 - share).sqrt()),
                })
                .to_vec(),
            curve,
        },
        trend: trend(&mut dice),
        stages: vec![
            stage("authored", "merged", 1.2, 0.38),
            stage("merged", "deployed", 0.6, 0.62),
        ],
        size: Some(size(&mut dice)),
        flow: flow(&mut dice),
        rework: Rework {
            reverts: 37,
            reverted: 34,
            share: Some(0.0168),
            rollbacks: 7,
            failed_deployments: 9,
            redeployments: 12,
            unsuccessful_deployments: 0,
            latest: vec![
                ReworkItem {
                    kind: "revert",
                    at: Some(Time(NOW - 3 * DAY)),
                    name: "77ab01c9".to_owned(),
                    subject: format!("Revert \"{IMAGE}\""),
                },
                ReworkItem {
                    kind: "rollback",
                    at: Some(Time(NOW - 9 * DAY)),
                    name: "release-1544\u{202e}".to_owned(),
                    subject: "took back release-1543".to_owned(),
                },
            ],
        },
        dora: dora(),
        dimensions: dimensions(),
        data_quality: vec![
            Finding {
                kind: "negative_stage",
                count: 41,
                message: "A milestone lay before the one before it; it was moved up to it."
                    .to_owned(),
                examples: vec![SCRIPT.to_owned(), "x".repeat(1_000_000)],
            },
            Finding {
                kind: "tag_without_commit",
                count: 8,
                message: "Tags point to no commit and were left out.".to_owned(),
                examples: vec!["v0\u{0}".to_owned()],
            },
        ],
    }
}

/// The report of a history without deployments.
pub(super) fn empty() -> Report {
    let mut report = sample();
    report.source.branch = None;
    report.source.head = None;
    report.source.as_of = None;
    report.deployments = DeploymentCounts { count: 0, first: None, last: None };
    report.commits = CommitCounts { baseline: 0, delivered: 0, waiting: 0 };
    report.time_to_value = TimeToValue {
        n: 0,
        waiting: 0,
        p50: Estimate::default(),
        p85: Estimate::default(),
        p95: Estimate::default(),
        within: vec![],
        curve: vec![],
    };
    report.trend.points.clear();
    report.stages.clear();
    report.size = None;
    report.flow = Flow {
        deployments_per_week: None,
        weeks: 0.0,
        changes_per_deployment_p50: None,
        changes_per_deployment_mean: None,
        delivering_deployments: 0,
        waiting: 0,
        waiting_age_p50: None,
        oldest: vec![],
        waiting_by_age: vec![],
        calendar: vec![],
    };
    report.dimensions.clear();
    report.data_quality.clear();
    report
}
