//! Targeting after it was compiled: a tree that is evaluated without looking at JSON again.

use super::json::Json;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// One rule of a targeting, or a value.
#[derive(Debug)]
pub(super) enum Node {
    /// A value that stands for itself.
    Literal(Json),
    /// An array of which some item is a rule.
    List(Box<[Node]>),
    /// `var` of a path that is known.
    Var { path: Box<[Box<str>]>, default: Option<Box<Node>> },
    /// `var` of a path that is computed.
    VarOf { path: Box<Node>, default: Option<Box<Node>> },
    /// `var` of `$flagd.flagKey`.
    FlagKey,
    /// `var` of `$flagd.timestamp`.
    Timestamp,
    /// An operator and its arguments.
    Call(Operator, Box<[Node]>),
    /// `in` a list of strings that is known.
    InSet(Box<Node>, HashSet<Box<str>>),
    /// `fractional`.
    Fractional(Box<Fractional>),
    /// A rule of `$evaluators`.
    Shared(Arc<Unit>),
    /// What flagd accepts as a definition and cannot evaluate.
    Broken,
}

/// A tree that stands for itself: a targeting, or a rule of `$evaluators`.
#[derive(Debug)]
pub(super) struct Unit {
    /// Its root.
    pub(super) root: Node,
    /// The variants that it is known to name, and where it does.
    pub(super) outcomes: BTreeMap<String, String>,
    /// How many nodes it has, those of shared rules counted where they are used.
    pub(super) size: u32,
    /// How deep it nests, shared rules included.
    pub(super) depth: usize,
}

/// The operators of `JsonLogic` and of flagd that are no nodes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Missing,
    MissingSome,
    If,
    Equal,
    StrictEqual,
    NotEqual,
    StrictNotEqual,
    Not,
    Truth,
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Max,
    Min,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Map,
    Filter,
    Reduce,
    All,
    None,
    Some,
    Merge,
    In,
    Cat,
    Substr,
    Log,
    SemVer,
    StartsWith,
    EndsWith,
}

impl Operator {
    /// The operator of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "missing" => Self::Missing,
            "missing_some" => Self::MissingSome,
            "if" | "?:" => Self::If,
            "==" => Self::Equal,
            "===" => Self::StrictEqual,
            "!=" => Self::NotEqual,
            "!==" => Self::StrictNotEqual,
            "!" => Self::Not,
            "!!" => Self::Truth,
            "or" => Self::Or,
            "and" => Self::And,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "max" => Self::Max,
            "min" => Self::Min,
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            "map" => Self::Map,
            "filter" => Self::Filter,
            "reduce" => Self::Reduce,
            "all" => Self::All,
            "none" => Self::None,
            "some" => Self::Some,
            "merge" => Self::Merge,
            "in" => Self::In,
            "cat" => Self::Cat,
            "substr" => Self::Substr,
            "log" => Self::Log,
            "sem_ver" => Self::SemVer,
            "starts_with" => Self::StartsWith,
            "ends_with" => Self::EndsWith,
            _ => return None,
        })
    }

    /// Whether its answer is always true or false.
    pub(super) fn answers_yes_or_no(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::StrictEqual
                | Self::NotEqual
                | Self::StrictNotEqual
                | Self::Not
                | Self::Truth
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
                | Self::All
                | Self::None
                | Self::Some
                | Self::In
                | Self::SemVer
                | Self::StartsWith
                | Self::EndsWith
        )
    }
}

/// `fractional`: units are spread over variants in proportion to weights.
#[derive(Debug)]
pub(super) struct Fractional {
    /// What units are spread by; without it, by the flag's key and the targeting key.
    pub(super) seed: Option<Node>,
    /// Who gets what.
    pub(super) shares: Box<[Share]>,
    /// The sum of the weights, where all of them are known.
    pub(super) total: Option<u32>,
}

/// One variant of a `fractional`, and its weight.
#[derive(Debug)]
pub(super) enum Share {
    /// A pair as it is written.
    Pair { variant: Node, weight: Weight },
    /// A pair that is computed.
    Computed(Node),
}

/// The weight of a share.
#[derive(Debug)]
pub(super) enum Weight {
    /// At most `i32::MAX`.
    Fixed(u32),
    /// Computed for each unit.
    Computed(Node),
    /// None that flagd could use: the whole `fractional` is null.
    Unusable,
}
