//! How groups nest, made of what groups say of their parents and of their children.

use super::definition::Group;
use super::finding::{Finding, FindingKind};
use super::reference::EntityRef;
use std::collections::{BTreeMap, HashMap};

/// Groups of a circle that a finding names.
const CIRCLE_NAMED: usize = 10;

/// The parent of every group that has one, without circles, and what did not fit.
pub(super) fn parents(
    groups: &BTreeMap<EntityRef, Group>,
) -> (BTreeMap<EntityRef, EntityRef>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut claims: HashMap<&EntityRef, Vec<&EntityRef>> = HashMap::new();
    for (parent, group) in groups {
        for child in &group.children {
            claims.entry(child).or_default().push(parent);
            if !groups.contains_key(child) {
                findings.push(finding(FindingKind::UnknownChild, parent, child));
            }
        }
    }
    let mut parents = BTreeMap::new();
    for (child, group) in groups {
        let claimed = claims.get(child).map_or(&[][..], Vec::as_slice);
        if let Some(parent) = parent_of(groups, child, group, claimed, &mut findings) {
            parents.insert(child.clone(), parent.clone());
        }
    }
    break_circles(&mut parents, &mut findings);
    (parents, findings)
}

fn finding(kind: FindingKind, subject: &EntityRef, about: &EntityRef) -> Finding {
    Finding { kind, subject: subject.clone(), about: about.to_string() }
}

/// The parent of one group: the one that it names itself, or else the one that claims it. Who
/// lists no children at all, or names no parent, is silent and disagrees with nobody.
fn parent_of<'a>(
    groups: &'a BTreeMap<EntityRef, Group>,
    child: &EntityRef,
    group: &'a Group,
    claimed: &[&'a EntityRef],
    findings: &mut Vec<Finding>,
) -> Option<&'a EntityRef> {
    let named = group.parent.as_ref().filter(|parent| {
        let known = groups.contains_key(parent);
        if !known {
            findings.push(finding(FindingKind::UnknownParent, child, parent));
        }
        known
    });
    let Some(parent) = named else {
        if claimed.len() > 1 {
            findings.push(Finding {
                kind: FindingKind::SeveralParents,
                subject: child.clone(),
                about: join(claimed.iter().copied()),
            });
        }
        return claimed.first().copied();
    };
    let lists_others = groups.get(parent).is_some_and(|it| !it.children.is_empty());
    if lists_others && !claimed.contains(&parent) {
        findings.push(finding(FindingKind::NestingDisagrees, child, parent));
    }
    for other in claimed.iter().filter(|&&other| other != parent) {
        findings.push(finding(FindingKind::NestingDisagrees, child, other));
    }
    Some(parent)
}

fn join<'a>(references: impl Iterator<Item = &'a EntityRef>) -> String {
    let mut names: Vec<String> =
        references.take(CIRCLE_NAMED + 1).map(ToString::to_string).collect();
    if names.len() > CIRCLE_NAMED {
        names[CIRCLE_NAMED] = "…".to_owned();
    }
    names.join(", ")
}

/// Takes the parent from the first group of every circle. As a group has one parent at most,
/// circles have nothing in common, and the outcome does not depend on where the search starts.
fn break_circles(parents: &mut BTreeMap<EntityRef, EntityRef>, findings: &mut Vec<Finding>) {
    // The walk on which a group was met first.
    let mut met: HashMap<&EntityRef, usize> = HashMap::new();
    let mut circles: Vec<Vec<&EntityRef>> = Vec::new();
    for (walk, start) in parents.keys().enumerate() {
        let mut at = start;
        let closed = loop {
            match met.get(at) {
                Some(&earlier) => break earlier == walk,
                None => met.insert(at, walk),
            };
            match parents.get(at) {
                Some(parent) => at = parent,
                None => break false,
            }
        };
        if closed {
            let mut circle = vec![at];
            circle.extend(
                std::iter::successors(parents.get(at), |group| parents.get(*group))
                    .take_while(|group| *group != at),
            );
            circles.push(circle);
        }
    }
    let mut freed = Vec::new();
    for circle in circles {
        let Some(first) = circle.iter().min() else { continue };
        let at = circle.iter().position(|group| group == first).unwrap_or(0);
        let around = circle.iter().cycle().skip(at).take(circle.len()).copied();
        findings.push(Finding {
            kind: FindingKind::Circle,
            subject: (*first).clone(),
            about: join(around),
        });
        freed.push((*first).clone());
    }
    for group in freed {
        parents.remove(&group);
    }
}
