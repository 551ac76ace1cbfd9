//! From the JSON of a targeting to a tree of nodes.

use super::fractional;
use super::json::{DEPTH_MAX, Json, Members};
use super::node::{Node, Operator, Unit};
use super::problem::{Place, Problem};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many nodes one evaluation may have, each counted as often as it is used. Shared rules that
/// use each other twice would double with every level otherwise.
const SIZE_MAX: u32 = 20_000;
/// From how many strings on a list is searched by hash.
const MANY: usize = 8;
/// How many problems are told.
const PROBLEMS_MAX: usize = 100;

/// The rules of `$evaluators` by name.
pub(super) type SharedRules = HashMap<String, Arc<Unit>>;

/// A shared rule on its way.
enum Shared {
    /// It is being compiled: who refers to it now, loops.
    Open,
    Done(Arc<Unit>),
}

/// Compiles the rules of one set of flags.
pub(super) struct Compiler<'j> {
    /// Shared rules that were compiled before.
    known: &'j SharedRules,
    /// `$evaluators` that may have to be compiled still.
    sources: Option<&'j Members>,
    shared: HashMap<String, Shared>,
    /// What makes the definition unusable.
    pub(super) refused: Vec<Problem>,
    /// What flagd takes and nobody wants.
    pub(super) objections: Vec<Problem>,
    /// Of the unit that is being compiled.
    outcomes: BTreeMap<String, String>,
    size: u32,
    deepest: usize,
}

/// Where a node stands.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    pub(super) place: &'p Place<'p>,
    /// How deep, in nodes.
    pub(super) level: usize,
    /// Whether its value names the variant.
    pub(super) outcome: bool,
}

impl<'p> At<'p> {
    pub(super) fn inner(self, place: &'p Place<'p>, outcome: bool) -> At<'p> {
        At { place, level: self.level + 1, outcome: self.outcome && outcome }
    }
}

impl<'j> Compiler<'j> {
    /// A compiler for rules that refer to these shared ones.
    pub(super) fn new(known: &'j SharedRules) -> Self {
        Self {
            known,
            sources: None,
            shared: HashMap::new(),
            refused: Vec::new(),
            objections: Vec::new(),
            outcomes: BTreeMap::new(),
            size: 0,
            deepest: 0,
        }
    }

    /// Compiles all of `$evaluators`.
    pub(super) fn evaluators(&mut self, sources: &'j Members) {
        self.sources = Some(sources);
        let place = Place::ROOT.name("$evaluators");
        for (name, _) in sources.iter() {
            self.shared_rule(name, At { place: &place, level: 0, outcome: false });
        }
    }

    /// The shared rules.
    pub(super) fn into_shared(self) -> SharedRules {
        let done = |(name, rule)| match rule {
            Shared::Done(unit) => Some((name, unit)),
            Shared::Open => None,
        };
        self.shared.into_iter().filter_map(done).collect()
    }

    pub(super) fn refuse(&mut self, problem: Problem) {
        if self.refused.len() < PROBLEMS_MAX {
            self.refused.push(problem);
        }
    }

    pub(super) fn object(&mut self, place: &Place<'_>, reason: impl Into<String>) {
        if self.objections.len() < PROBLEMS_MAX {
            self.objections.push(place.problem(reason));
        }
    }

    /// Compiles a targeting.
    pub(super) fn targeting(&mut self, json: &Json, place: &Place<'_>) -> Unit {
        self.unit(json, At { place, level: 0, outcome: true })
    }

    fn unit(&mut self, json: &Json, at: At<'_>) -> Unit {
        let outside = (std::mem::take(&mut self.outcomes), self.size, self.deepest);
        (self.size, self.deepest) = (0, at.level);
        let root = self.node(json, At { outcome: true, ..at });
        let depth = self.deepest - at.level;
        let unit =
            Unit { root, outcomes: std::mem::take(&mut self.outcomes), size: self.size, depth };
        (self.outcomes, self.size, self.deepest) = outside;
        unit
    }

    /// Compiles a rule or a value.
    pub(super) fn node(&mut self, json: &Json, at: At<'_>) -> Node {
        if at.level > DEPTH_MAX {
            self.refuse(at.place.problem(format!("nests too deep: at most {DEPTH_MAX} levels")));
            return Node::Broken;
        }
        self.deepest = self.deepest.max(at.level);
        self.grow(1, at);
        match json {
            Json::Object(members) => match members.only() {
                Some((name, arguments)) => {
                    let place = at.place.name(name);
                    self.rule(name, arguments, At { place: &place, ..at })
                }
                None => {
                    if at.outcome {
                        self.object(at.place, "a rule has exactly one operator");
                    }
                    Node::Literal(json.clone())
                }
            },
            Json::Array(items) => self.list(items, at),
            value => {
                if at.outcome {
                    self.expect_variant(value, at);
                }
                Node::Literal(value.clone())
            }
        }
    }

    fn grow(&mut self, by: u32, at: At<'_>) {
        let before = self.size;
        self.size = before.saturating_add(by);
        if before <= SIZE_MAX && self.size > SIZE_MAX {
            let reason = format!("one evaluation takes more than {SIZE_MAX} steps");
            self.refuse(at.place.problem(reason));
        }
    }

    fn list(&mut self, items: &[Json], at: At<'_>) -> Node {
        if at.outcome {
            self.object(at.place, "a list names no variant");
        }
        if items.iter().all(is_plain) {
            return Node::Literal(Json::Array(items.to_vec()));
        }
        Node::List(self.arguments(items, at, true, |_| false))
    }

    /// Compiles arguments, which stand in a list or are a single one; `outcome` tells of which
    /// the value may be the value of the rule.
    fn arguments(
        &mut self,
        items: &[Json],
        at: At<'_>,
        listed: bool,
        outcome: impl Fn(usize) -> bool,
    ) -> Box<[Node]> {
        let compile = |(index, item): (usize, &Json)| {
            let place = if listed { at.place.index(index) } else { *at.place };
            self.node(item, at.inner(&place, outcome(index)))
        };
        items.iter().enumerate().map(compile).collect()
    }

    fn rule(&mut self, name: &str, arguments: &Json, at: At<'_>) -> Node {
        match name {
            "var" => return self.var(arguments, at),
            "fractional" => return fractional::compile(self, arguments, at),
            "$ref" => return self.reference(arguments, at),
            _ => {}
        }
        let Some(operator) = Operator::named(name) else {
            self.object(at.place, format!("there is no operator “{}”", short(name)));
            return Node::Broken;
        };
        let items = as_list(arguments);
        if at.outcome && operator.answers_yes_or_no() {
            for answer in [true, false] {
                self.expect_variant(&Json::Bool(answer), at);
            }
        }
        self.check(operator, items, at);
        let last = items.len().saturating_sub(1);
        let listed = matches!(arguments, Json::Array(_));
        let nodes = self.arguments(items, at, listed, |index| match operator {
            Operator::If => index % 2 == 1 || index == last,
            Operator::Or | Operator::And | Operator::Log => true,
            _ => false,
        });
        in_set(operator, nodes)
    }

    /// Objects to arguments that no evaluation can use.
    fn check(&mut self, operator: Operator, items: &[Json], at: At<'_>) {
        let wanted = match operator {
            Operator::SemVer => 3,
            Operator::StartsWith | Operator::EndsWith => 2,
            _ => items.len(),
        };
        if items.len() != wanted {
            self.object(at.place, format!("takes {wanted} arguments, not {}", items.len()));
        }
        match (operator, items) {
            (Operator::Divide | Operator::Remainder, [_, Json::Number(by)])
                if by.as_f64() == Some(0.0) =>
            {
                self.object(at.place, "divides by zero");
            }
            (Operator::SemVer, [_, Json::String(comparison), _])
                if !super::version::is_comparison(comparison) =>
            {
                let reason = format!("“{}” compares no versions", short(comparison));
                self.object(at.place, reason);
            }
            _ => {}
        }
    }

    fn var(&mut self, arguments: &Json, at: At<'_>) -> Node {
        let items = as_list(arguments);
        let default = items.get(1).map(|default| {
            let place = at.place.index(1);
            Box::new(self.node(default, at.inner(&place, true)))
        });
        match items.first() {
            None | Some(Json::Null) => Node::Var { path: Box::default(), default },
            Some(Json::String(path)) => match path.as_str() {
                "$flagd.flagKey" => Node::FlagKey,
                "$flagd.timestamp" => Node::Timestamp,
                path => Node::Var { path: steps(path), default },
            },
            Some(Json::Number(index)) => {
                Node::Var { path: Box::new([index.to_string().into()]), default }
            }
            Some(path) => {
                let listed = matches!(arguments, Json::Array(_));
                let place = if listed { at.place.index(0) } else { *at.place };
                let path = Box::new(self.node(path, at.inner(&place, false)));
                Node::VarOf { path, default }
            }
        }
    }

    fn reference(&mut self, name: &Json, at: At<'_>) -> Node {
        let Json::String(name) = name else {
            self.object(at.place, "names no rule of $evaluators");
            return Node::Broken;
        };
        let Some(unit) = self.shared_rule(name, at) else { return Node::Broken };
        if at.level + unit.depth > DEPTH_MAX {
            self.refuse(at.place.problem(format!("nests too deep: at most {DEPTH_MAX} levels")));
            return Node::Broken;
        }
        self.deepest = self.deepest.max(at.level + unit.depth);
        self.grow(unit.size, at);
        if at.outcome {
            for (variant, place) in &unit.outcomes {
                self.outcomes.entry(variant.clone()).or_insert_with(|| place.clone());
            }
        }
        Node::Shared(unit)
    }

    /// The shared rule of this name, compiled if it was not yet.
    fn shared_rule(&mut self, name: &str, at: At<'_>) -> Option<Arc<Unit>> {
        if let Some(unit) = self.known.get(name) {
            return Some(unit.clone());
        }
        match self.shared.get(name) {
            Some(Shared::Done(unit)) => return Some(unit.clone()),
            Some(Shared::Open) => {
                self.refuse(at.place.problem(format!("“{}” refers to itself", short(name))));
                return None;
            }
            None => {}
        }
        let Some(source) = self.sources.and_then(|sources| sources.get(name)) else {
            self.object(at.place, format!("there is no “{}” in $evaluators", short(name)));
            return None;
        };
        self.shared.insert(name.to_owned(), Shared::Open);
        let evaluators = Place::ROOT.name("$evaluators");
        let place = evaluators.name(name);
        // At the level of the reference, so that long chains end before the stack does.
        let unit =
            Arc::new(self.unit(source, At { place: &place, level: at.level, outcome: true }));
        self.shared.insert(name.to_owned(), Shared::Done(unit.clone()));
        Some(unit)
    }

    /// Remembers that a value names a variant.
    fn expect_variant(&mut self, value: &Json, at: At<'_>) {
        let name = match value {
            Json::Bool(answer) => answer.to_string(),
            Json::Number(number) => number.to_string(),
            Json::String(name) => name.clone(),
            _ => return,
        };
        self.outcomes.entry(name).or_insert_with(|| at.place.pointer());
    }
}

/// `in` a list of known strings is searched by hash.
fn in_set(operator: Operator, nodes: Box<[Node]>) -> Node {
    let set = match (operator, &nodes[..]) {
        (Operator::In, [_, Node::Literal(Json::Array(items))]) if items.len() > MANY => {
            items.iter().map(|item| item.as_str().map(Box::from)).collect::<Option<_>>()
        }
        _ => None,
    };
    match (set, <Box<[Node; 2]>>::try_from(nodes)) {
        (Some(set), Ok(pair)) => {
            let [wanted, _] = *pair;
            Node::InSet(Box::new(wanted), set)
        }
        (_, Ok(pair)) => Node::Call(operator, pair),
        (_, Err(nodes)) => Node::Call(operator, nodes),
    }
}

/// The arguments of an operator: a single one needs no list around it.
pub(super) fn as_list(arguments: &Json) -> &[Json] {
    match arguments {
        Json::Array(items) => items,
        single => std::slice::from_ref(single),
    }
}

/// Whether no part of a value is a rule.
fn is_plain(json: &Json) -> bool {
    match json {
        Json::Object(members) => members.only().is_none(),
        Json::Array(items) => items.iter().all(is_plain),
        _ => true,
    }
}

/// The steps of a path: `user.name`.
pub(super) fn steps(path: &str) -> Box<[Box<str>]> {
    if path.is_empty() { Box::default() } else { path.split('.').map(Box::from).collect() }
}

/// As much of a name as fits into a sentence.
pub(super) fn short(name: &str) -> String {
    name.chars().take(60).collect()
}
