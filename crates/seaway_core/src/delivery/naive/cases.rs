//! Random histories with deployments, and what is made of the numbers that proptest shrinks.
//!
//! Every number is chosen so that a smaller one means something simpler: a linear history, one
//! root, the newest commit, no link, no mark.

use super::super::attribution::Deployment;
use super::super::history::{Commit, CommitIndex, History, Marks};
use super::super::measured::Question;
use super::super::work::Plausible;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// The earliest time that the cases believe.
pub(in crate::delivery) const EARLIEST: i64 = 0;
/// The latest time that the cases believe.
pub(in crate::delivery) const LATEST: i64 = 1_000;
/// How many pieces of work there are to choose from.
const WORKS: usize = 20;

/// One history with deployments and what is asked of it.
#[derive(Debug, Clone, Default)]
pub(in crate::delivery) struct Case {
    pub(in crate::delivery) commits: Vec<Node>,
    pub(in crate::delivery) picks: Vec<(usize, usize)>,
    pub(in crate::delivery) reverts: Vec<(usize, usize)>,
    pub(in crate::delivery) deployments: Vec<Landing>,
    pub(in crate::delivery) head: Option<usize>,
    pub(in crate::delivery) as_of: Option<i64>,
}

/// A commit.
#[derive(Clone)]
pub(in crate::delivery) struct Node {
    pub(in crate::delivery) parents: Vec<usize>,
    pub(in crate::delivery) authored: i64,
    pub(in crate::delivery) committed: i64,
    pub(in crate::delivery) work: usize,
    pub(in crate::delivery) marks: Marks,
}

/// A deployment.
#[derive(Clone)]
pub(in crate::delivery) struct Landing {
    pub(in crate::delivery) name: String,
    pub(in crate::delivery) revision: usize,
    pub(in crate::delivery) finished_at: i64,
}

/// On one line, so that a failing case can be read as a whole.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parents, authored, committed, work, marks: Marks(marks) } = self;
        write!(f, "on {parents:?} authored {authored} committed {committed}")?;
        write!(f, " work {work} marks {marks:#06b}")
    }
}

/// On one line, as above.
impl fmt::Debug for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} at {}", self.name, self.revision, self.finished_at)
    }
}

impl Case {
    /// For each commit all that it contains, itself too.
    pub(in crate::delivery) fn containments(&self) -> Vec<BTreeSet<usize>> {
        let mut contains: Vec<BTreeSet<usize>> = Vec::new();
        for (index, commit) in self.commits.iter().enumerate() {
            let mut all = BTreeSet::from([index]);
            for &parent in &commit.parents {
                all.extend(&contains[parent]);
            }
            contains.push(all);
        }
        contains
    }

    /// The case as the real code takes it.
    pub(in crate::delivery) fn history(&self) -> History {
        let mut history = History::with_capacity(self.commits.len());
        for node in &self.commits {
            let parents: Vec<_> = node.parents.iter().map(|&parent| index(parent)).collect();
            let Node { authored, committed, work, marks, .. } = *node;
            let commit = Commit { authored, committed, work: work as u64, marks };
            history.push(commit, &parents).expect("parents come first");
        }
        for &(commit, origin) in &self.picks {
            history.link_pick(index(commit), index(origin));
        }
        for &(commit, reverted) in &self.reverts {
            history.link_revert(index(commit), index(reverted));
        }
        history
    }

    /// The question that goes with [`Case::history`].
    pub(in crate::delivery) fn question(&self) -> Question {
        let deployment = |landing: &Landing| Deployment {
            name: landing.name.clone(),
            revision: index(landing.revision),
            finished_at: landing.finished_at,
        };
        Question {
            head: self.head.map(index),
            deployments: self.deployments.iter().map(deployment).collect(),
            plausible: Plausible { earliest: EARLIEST, latest: LATEST },
            as_of: self.as_of,
            touches: None,
        }
    }
}

fn index(commit: usize) -> CommitIndex {
    CommitIndex::try_from(commit).expect("cases are small")
}

#[derive(Debug, Clone)]
struct CommitGene {
    shape: u8,
    back: [u8; 3],
    work: u8,
    committed: u8,
    marks: u8,
    link: (u8, u8),
}

#[derive(Debug, Clone)]
struct DeploymentGene {
    way: u8,
    pick: u8,
    pause: u8,
    letter: u8,
}

/// Cases with so many commits and deployments.
pub(in crate::delivery) fn case(
    commits: Range<usize>,
    deployments: Range<usize>,
) -> impl Strategy<Value = Case> {
    let commit = (0..24u8, any::<[u8; 3]>(), 0..WORKS as u8, 0..44u8, 0..40u8, link()).prop_map(
        |(shape, back, work, committed, marks, link)| CommitGene {
            shape,
            back,
            work,
            committed,
            marks,
            link,
        },
    );
    let deployment = (0..16u8, any::<u8>(), 0..16u8, 0..5u8)
        .prop_map(|(way, pick, pause, letter)| DeploymentGene { way, pick, pause, letter });
    let authored = vec(0..44u8, WORKS);
    let head = (0..10u8, any::<u8>());
    let as_of = (0..6u8, 0..60i64);
    (vec(commit, commits), vec(deployment, deployments), authored, head, as_of, any::<bool>())
        .prop_map(|(commits, deployments, authored, head, as_of, reversed)| {
            let mut case = Case::default();
            for gene in &commits {
                case.grow(gene, &authored);
            }
            case.link(&commits);
            case.head = match (head.0, case.commits.len()) {
                (_, 0) | (9, _) => None,
                (0..6, all) => Some(all - 1),
                (_, all) => Some(all - 1 - usize::from(head.1) % all),
            };
            case.as_of = (as_of.0 == 5).then_some(as_of.1);
            case.deploy(&deployments);
            if reversed {
                case.deployments.reverse();
            }
            case
        })
}

fn link() -> impl Strategy<Value = (u8, u8)> {
    (0..30u8, any::<u8>())
}

/// A time, sometimes at the edge of what is believed, sometimes past it.
fn time(number: u8) -> i64 {
    match number {
        39 => LATEST,
        40 => EARLIEST - 1,
        41 => LATEST + 1,
        42 => i64::MIN,
        43 => 1 << 40,
        _ => i64::from(number),
    }
}

impl Case {
    fn grow(&mut self, gene: &CommitGene, authored: &[u8]) {
        let here = self.commits.len();
        // The square makes near parents likely and leaves every commit possible.
        let back = |number: u8| here - 1 - ((usize::from(number).pow(2) * here) >> 16);
        let mut parents: Vec<usize> = match gene.shape {
            _ if here == 0 => Vec::new(),
            0..13 => vec![back(gene.back[0])],
            13..19 => gene.back[..2].iter().copied().map(back).collect(),
            19..21 => gene.back.iter().copied().map(back).collect(),
            // The same parents the other way round: criss-cross, if the last was a merge.
            21..23 => self.commits[here - 1].parents.iter().rev().copied().collect(),
            _ => Vec::new(),
        };
        let mut seen = BTreeSet::new();
        parents.retain(|&parent| seen.insert(parent));
        let marks = match (gene.marks, parents.is_empty()) {
            (20..24, _) => Marks::ASSISTED,
            (24..28, _) => Marks::BOT,
            (28.., true) | (39, false) => Marks::EDGE,
            (36..38, false) => Marks::REVERT,
            (38, false) => Marks::REVERT | Marks::BOT,
            _ => 0,
        };
        let work = usize::from(gene.work);
        // A fingerprint holds the author time, so equal ones have equal author times.
        self.commits.push(Node {
            parents,
            authored: time(authored[work]),
            committed: time(gene.committed),
            work,
            marks: Marks(marks),
        });
    }

    fn link(&mut self, genes: &[CommitGene]) {
        let all = self.commits.len();
        for (commit, gene) in genes.iter().enumerate() {
            let (way, number) = gene.link;
            let to = usize::from(number) % all;
            let other = (to + commit) % all;
            let (picks, reverts) = match way {
                24..26 => (vec![to], vec![]),
                26..28 => (vec![], vec![to]),
                28 => (vec![to], vec![other]),
                29 => (vec![], vec![to, other]),
                _ => (vec![], vec![]),
            };
            let others = |to: &usize| *to != commit;
            self.picks.extend(picks.into_iter().filter(others).map(|to| (commit, to)));
            for to in reverts.into_iter().filter(others) {
                self.reverts.push((commit, to));
                self.commits[commit].marks.0 |= Marks::REVERT;
            }
        }
    }

    fn deploy(&mut self, genes: &[DeploymentGene]) {
        let all = self.commits.len();
        if all == 0 {
            return;
        }
        let contains = self.containments();
        let mut clock = 0;
        for (number, gene) in genes.iter().enumerate() {
            let pick = usize::from(gene.pick);
            let any = all - 1 - pick % all;
            let earlier = self.deployments.len().checked_sub(1);
            let previous = earlier.map(|last| self.deployments[last].revision);
            let revision = match (gene.way, previous, earlier) {
                (0..4, ..) | (_, None, _) | (_, _, None) => any,
                (4..9, Some(previous), _) => {
                    let older: Vec<usize> = contains[previous].iter().rev().copied().collect();
                    // Never itself, unless it is a root; near ones first.
                    older[(1 + pick % older.len().max(2)).min(older.len() - 1)]
                }
                (9..12, Some(previous), _) => {
                    let newer = (previous..all).filter(|&one| contains[one].contains(&previous));
                    let newer: Vec<usize> = newer.collect();
                    newer[(1 + pick % newer.len()).min(newer.len() - 1)]
                }
                (12, Some(previous), _) => previous,
                (13..15, _, Some(last)) => self.deployments[last - pick % (last + 1)].revision,
                _ => self.head.unwrap_or(any),
            };
            let (pause, absurd) = match gene.pause {
                0..4 => (0, None),
                14 => (0, Some(EARLIEST - 1)),
                15 => (0, Some(LATEST + 1)),
                pause => (i64::from(pause) - 3, None),
            };
            clock += pause;
            // Mostly in the order of the numbers, so that equal times do not undo the bias.
            let letter = ['b', 'b', 'b', 'c', 'a'][usize::from(gene.letter)];
            self.deployments.push(Landing {
                name: format!("{letter}{number:03}"),
                revision,
                finished_at: absurd.unwrap_or(clock),
            });
        }
    }
}
