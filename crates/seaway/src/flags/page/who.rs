//! Who sees what of a flag, from its definition alone.

use super::rules::condition;
use crate::flags::definition::off_variant;
use seaway_core::flags::{Flag, Json};

/// Rules that are told one by one.
const RULES_MAX: usize = 20;
/// Shares that are told one by one.
const SHARES_MAX: usize = 20;

/// What somebody gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Gets {
    /// This variant.
    Variant(String),
    /// The code's own default.
    Code,
    /// Each a share of them, 0 to 1, in their order; `None`: the code's own default.
    Shares(Vec<(Option<String>, f64)>),
    /// What a rule says that is not told in words, as JSON.
    Rule(String),
}

/// What those get for whom something holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) when: String,
    pub(super) gets: Gets,
}

/// Who gets what: the first rule that holds decides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Who {
    pub(super) rules: Vec<Rule>,
    pub(super) rest: Gets,
    /// What those of the rest get who have no targeting key, where that differs.
    pub(super) keyless: Option<Gets>,
}

/// Whether a variant means that the flag is on; `None` where that means nothing for this flag.
fn is_on(flag: &Flag, variant: Option<&str>) -> Option<bool> {
    let variants = flag.variants();
    let is_switch = !variants.is_empty()
        && variants.iter().all(|(_, value)| matches!(value, Json::Bool(_) | Json::Null));
    match (variant, off_variant(flag)) {
        (Some(name), _) if is_switch => Some(variants.get(name) == Some(&Json::Bool(true))),
        (None, _) if is_switch => Some(false),
        (variant, Some(off)) => Some(variant.is_some_and(|it| it != off)),
        (_, None) => None,
    }
}

impl Gets {
    /// The share of them for whom the flag is on, 0 to 1; `None` where nobody can say.
    fn on(&self, flag: &Flag) -> Option<f64> {
        let on = |variant: Option<&str>| is_on(flag, variant).map(|it| f64::from(u8::from(it)));
        match self {
            Self::Variant(name) => on(Some(name)),
            Self::Code => on(None),
            Self::Shares(shares) => shares
                .iter()
                .try_fold(0.0, |sum, (name, share)| Some(sum + on(name.as_deref())? * share)),
            Self::Rule(_) => None,
        }
    }

    /// Whether some of them get the code's own default.
    fn is_left_to_code(&self) -> bool {
        match self {
            Self::Code => true,
            Self::Shares(shares) => {
                shares.iter().any(|(name, share)| name.is_none() && *share > 0.0)
            }
            Self::Variant(_) | Self::Rule(_) => false,
        }
    }

    /// In a few words, for one of several cases.
    fn short(&self) -> String {
        match self {
            Self::Variant(name) => name.clone(),
            Self::Code => "the code's default".to_owned(),
            Self::Shares(shares) => {
                let each = shares.iter().filter(|(_, share)| *share > 0.0);
                let told: Vec<String> = each
                    .map(|(name, share)| {
                        let name = name.as_deref().unwrap_or("the code's default");
                        format!("{name} for {}", fraction(*share))
                    })
                    .collect();
                match told.len() {
                    0..=3 => told.join(", "),
                    n => format!("{n} variants by shares"),
                }
            }
            Self::Rule(_) => "what a rule says".to_owned(),
        }
    }
}

/// How much of everybody a flag is on for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    /// The share of those for whom no rule decides, 0 to 1; `None` where nobody can say.
    pub(super) share: Option<f64>,
    /// Whether rules turn it on for some more.
    pub(super) some: bool,
}

impl Who {
    /// Who gets what of a flag as it is served.
    pub(super) fn of(flag: &Flag) -> Self {
        if flag.is_disabled() {
            return Self { rules: Vec::new(), rest: Gets::Code, keyless: None };
        }
        let mut reader = Reader { flag, rules: Vec::new(), keyless: None };
        let source = flag.is_targeted().then(|| Json::parse(flag.source()).ok()).flatten();
        let targeting = source.as_ref().and_then(|it| it.as_object()?.get("targeting"));
        let rest = match targeting {
            Some(targeting) => reader.rest(targeting),
            None => reader.otherwise(),
        };
        Self { rules: reader.rules, rest, keyless: reader.keyless }
    }

    /// How much of everybody it is on for. Where on and off mean nothing, it is on for everybody whom it
    /// gives a variant.
    pub(super) fn reach(&self, flag: &Flag) -> Reach {
        if is_on(flag, None).is_none() {
            let share = if self.rest == Gets::Code { 0.0 } else { 1.0 };
            return Reach { share: Some(share), some: share < 1.0 && !self.rules.is_empty() };
        }
        let share = self.rest.on(flag);
        let more =
            |rule: &Rule| rule.gets.on(flag).is_none_or(|on| share.is_some_and(|it| on > it));
        Reach { share, some: self.rules.iter().any(more) }
    }

    /// Who sees what, in a few words; names of variants in it come from outside.
    pub(super) fn answer(&self, flag: &Flag) -> String {
        let mut all = self.rules.iter().map(|it| &it.gets).chain([&self.rest]);
        // What the code's own default is, nobody knows here.
        if is_on(flag, None).is_none() || all.any(Gets::is_left_to_code) {
            return self.by_variant();
        }
        let rest = self.rest.on(flag);
        let rules: Option<Vec<f64>> = self.rules.iter().map(|it| it.gets.on(flag)).collect();
        let (Some(rest), Some(rules)) = (rest, rules) else {
            return "Rules decide for whom it is on".to_owned();
        };
        let all = |wanted: f64| rules.iter().all(|on| (on - wanted).abs() < 1e-9);
        let more = rules.iter().any(|on| *on > rest);
        match fraction(rest).as_str() {
            "nobody" if all(0.0) => "Off for everyone".to_owned(),
            "nobody" => "On for some".to_owned(),
            "everyone" if all(1.0) => "On for everyone".to_owned(),
            "everyone" => "On for all but some".to_owned(),
            share if all(rest) => format!("On for {share}"),
            share if more => format!("On for some, and for {share} of all others"),
            share => format!("On for {share} of all but some"),
        }
    }

    fn by_variant(&self) -> String {
        let rest = self.rest.short();
        match (self.rules.as_slice(), &self.rest) {
            ([], Gets::Rule(_)) => "A rule decides who gets what".to_owned(),
            ([], Gets::Shares(_)) => capitalized(&rest),
            ([], Gets::Code) => "The code's own default for everyone".to_owned(),
            ([], _) => format!("{rest} for everyone"),
            ([rule], _)
                if !matches!((&rule.gets, &self.rest), (Gets::Rule(_), _) | (_, Gets::Rule(_))) =>
            {
                format!("{} for some, {rest} for all others", rule.gets.short())
            }
            _ => "Rules decide who gets what".to_owned(),
        }
    }
}

/// Names of variants begin as they are written.
fn capitalized(text: &str) -> String {
    match text.strip_prefix("the code's") {
        Some(rest) => format!("The code's{rest}"),
        None => text.to_owned(),
    }
}

/// A share of people in words: what has a short name is told by it.
pub(super) fn fraction(share: f64) -> String {
    const NAMED: [(f64, &str); 10] = [
        (0.0, "nobody"),
        (0.01, "a hundredth"),
        (0.05, "a twentieth"),
        (0.1, "a tenth"),
        (0.2, "a fifth"),
        (0.25, "a quarter"),
        (0.5, "half"),
        (0.75, "three quarters"),
        (0.9, "nine tenths"),
        (1.0, "everyone"),
    ];
    let named = NAMED.iter().find(|(value, _)| (value - share).abs() < 1e-9);
    match named {
        Some((_, name)) => (*name).to_owned(),
        None if (share - 1.0 / 3.0).abs() < 0.003 => "a third".to_owned(),
        None if (share - 2.0 / 3.0).abs() < 0.003 => "two thirds".to_owned(),
        None => crate::pages::words::percent(share),
    }
}

struct Reader<'f> {
    flag: &'f Flag,
    rules: Vec<Rule>,
    keyless: Option<Gets>,
}

impl Reader<'_> {
    /// What those get whom targeting gives nothing.
    fn otherwise(&self) -> Gets {
        self.flag.default_variant().map_or(Gets::Code, |it| Gets::Variant(it.to_owned()))
    }

    /// Takes rules off a targeting, and tells what is left for all others.
    fn rest(&mut self, mut targeting: &Json) -> Gets {
        loop {
            let Some(("if" | "?:", Json::Array(parts))) = only(targeting) else {
                return self.gets(targeting);
            };
            let mut parts = parts.as_slice();
            while let [when, then, rest @ ..] = parts {
                if is_key(when) && matches!(rest, [] | [_]) {
                    self.keyless =
                        Some(rest.first().map_or_else(|| self.otherwise(), |it| self.gets(it)));
                    return self.gets(then);
                }
                if self.rules.len() == RULES_MAX {
                    return Gets::Rule(told(targeting));
                }
                let rule = Rule { when: condition(when), gets: self.gets(then) };
                self.rules.push(rule);
                parts = rest;
            }
            match parts {
                [rest] => targeting = rest,
                _ => return self.otherwise(),
            }
        }
    }

    /// What a rule without conditions gives.
    fn gets(&self, rule: &Json) -> Gets {
        match rule {
            Json::Null => self.otherwise(),
            Json::Object(members) if members.is_empty() => self.otherwise(),
            Json::String(name) => self.variant(name),
            Json::Bool(value) => self.variant(if *value { "true" } else { "false" }),
            _ => match only(rule) {
                Some(("fractional", Json::Array(items))) => self.shares(items),
                _ => None,
            }
            .unwrap_or_else(|| Gets::Rule(told(rule))),
        }
    }

    /// A variant that there is; whoever names another one gets the code's default.
    fn variant(&self, name: &str) -> Gets {
        match self.flag.variants().get(name) {
            Some(_) => Gets::Variant(name.to_owned()),
            None => Gets::Code,
        }
    }

    /// Shares whose variants and weights are written there.
    fn shares(&self, items: &[Json]) -> Option<Gets> {
        // What units are spread by stands before the shares.
        let items = match items.split_first() {
            Some((first, rest)) if !matches!(first, Json::Array(_)) => rest,
            _ => items,
        };
        if items.len() > SHARES_MAX {
            return None;
        }
        let mut weights: Vec<(Option<String>, f64)> = Vec::new();
        for item in items {
            let Json::Array(pair) = item else { return None };
            let name = match self.gets(pair.first()?) {
                Gets::Variant(name) => Some(name),
                Gets::Code => None,
                Gets::Shares(_) | Gets::Rule(_) => return None,
            };
            let weight = match pair.get(1) {
                None | Some(Json::Null) => 1.0,
                Some(Json::Number(weight)) => weight.as_f64()?.max(0.0),
                Some(_) => return None,
            };
            match weights.iter_mut().find(|(other, _)| *other == name) {
                Some((_, sum)) => *sum += weight,
                None => weights.push((name, weight)),
            }
        }
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let shares = weights.into_iter().map(|(name, weight)| (name, weight / total));
        (total > 0.0).then(|| Gets::Shares(shares.collect()))
    }
}

/// The only member of an object.
pub(super) fn only(rule: &Json) -> Option<(&str, &Json)> {
    let members = rule.as_object()?;
    members.iter().next().filter(|_| members.len() == 1)
}

/// Whether a condition asks for a targeting key, and for nothing else.
fn is_key(condition: &Json) -> bool {
    only(condition).is_some_and(|(operator, argument)| {
        operator == "var" && argument.as_str() == Some("targetingKey")
    })
}

/// A rule as its JSON.
pub(super) fn told(rule: &Json) -> String {
    serde_json::to_string(rule).unwrap_or_default()
}
