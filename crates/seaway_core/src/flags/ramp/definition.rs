//! From a plan to definitions that any flagd reads.

use super::band::{Band, Spread};
use super::plan::{Audience, Members, Plan};
use super::share::Share;
use super::state::Reach;
use super::under::{is_none, lay_over, object, rule, spreads, text};
use crate::flags::compile::short;
use crate::flags::flag::Flag;
use crate::flags::json::Json;
use crate::flags::problem::{Place, Problem};
use crate::flags::set::{FlagSet, Parts};
use serde_json::value::RawValue;

/// A plan over the definition of one flag: what the flag is at each reach, and which units are
/// compared.
#[derive(Debug)]
pub struct Ramp {
    plan: Plan,
    /// The definition without the ramp, as it was written, and its members.
    source: Box<str>,
    members: Vec<(String, Box<RawValue>)>,
    targeting: Json,
    falls_to_base: bool,
    spread: Spread,
}

impl Ramp {
    /// Lays a plan over a flag's definition, which is that of a flag of this set without the ramp.
    ///
    /// # Errors
    ///
    /// Why the plan does not fit the flag: what is wrong with the plan has its place under `/plan`,
    /// what is wrong with the definition under `/definition`.
    pub fn new(
        set: &FlagSet,
        key: &str,
        definition: &str,
        plan: Plan,
    ) -> Result<Self, Vec<Problem>> {
        let flag = set.read_alone(key, definition).map_err(in_definition)?;
        let parts: Parts<'_> = serde_json::from_str(definition)
            .map_err(|error| vec![Problem::new("/definition", error.to_string())])?;
        let targeting = parts.0.iter().find(|(name, _)| name == "targeting");
        let targeting = targeting.map_or(Ok(Json::Null), |(_, raw)| Json::parse(raw.get()));
        let targeting = targeting.map_err(|problem| in_definition(vec![problem]))?;
        let spread = Spread::new(key, plan.salt(), flag.bucketing());
        let ramp = Self {
            falls_to_base: flag.default_variant() == Some(plan.base()),
            plan,
            source: definition.into(),
            members: parts.0.into_iter().map(|(name, raw)| (name, raw.to_owned())).collect(),
            targeting,
            spread,
        };
        ramp.check(set, &flag)?;
        Ok(ramp)
    }

    /// Whether all that the plan needs is there, and what it compiles to can be used.
    fn check(&self, set: &FlagSet, flag: &Flag) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, variant) in [("variant", self.plan.variant()), ("base", self.plan.base())] {
            if flag.variants().get(variant).is_none() {
                let reason = format!("the flag has no variant “{}”", short(variant));
                problems.push(Problem::new(format!("/plan/{name}"), reason));
            }
        }
        if self.plan.salt().is_none() && spreads(&self.targeting, set.shared_rules_spread()) {
            let reason = "is needed: the flag's own rules spread units already, and with another \
                 salt than theirs the ramp treats all of their variants alike";
            problems.push(Problem::new("/plan/salt", reason));
        }
        // All reaches compile to the same rules but for names and weights: the largest stands for
        // all of them.
        let half = Share::of_percent(50.0).unwrap_or(Share::ALL);
        match self.targeting_at(Audience::Everyone, half) {
            Err(problem) => problems.extend(in_definition(vec![problem])),
            Ok(targeting) => {
                let compiled = self.with(Some(&targeting), None);
                match set.read_alone(self.spread.key.as_str(), &compiled) {
                    Ok(compiled) if compiled.objections().len() > flag.objections().len() => {
                        problems.extend(in_definition(compiled.objections().to_vec()));
                    }
                    Ok(_) => {}
                    Err(found) => problems.extend(in_definition(found)),
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How its units are spread.
    #[must_use]
    pub fn spread(&self) -> &Spread {
        &self.spread
    }

    /// The flag's definition at a reach, in flagd's format. Members other than the targeting are
    /// as they were written.
    ///
    /// For nobody it is the definition without the ramp, to the byte. Once everyone has the
    /// variant, the ramp leaves no trace: the variant stands where the base stood.
    #[must_use]
    pub fn definition(&self, reach: Reach) -> String {
        let compiled = match reach {
            Reach::Nobody => return self.source.to_string(),
            Reach::Share(Audience::Everyone, Share::ALL) if is_none(&self.targeting) => {
                return self.with(None, Some(self.plan.variant()));
            }
            Reach::Share(audience, share) => self.targeting_at(audience, share),
        };
        // It was compiled when the plan was laid over the flag, else there were no ramp.
        compiled.map_or_else(|_| self.source.to_string(), |it| self.with(Some(&it), None))
    }

    /// The band of a unit at a reach; `None` where it is not compared. It follows from the unit's
    /// targeting key alone, and does not look at what variant the unit has seen.
    #[must_use]
    pub fn band(&self, reach: Reach, unit: &str) -> Option<Band> {
        self.spread.band(reach, unit)
    }

    /// The targeting at a reach.
    fn targeting_at(&self, audience: Audience, share: Share) -> Result<Json, Problem> {
        let ramp = self.ramp_rule(audience, share);
        let place = Place::ROOT.name("targeting");
        lay_over(&self.targeting, &ramp, &self.plan, self.falls_to_base, &place)
    }

    /// The ramp's own rule: smaller audiences, then the share of the audience, then the base.
    fn ramp_rule(&self, audience: Audience, share: Share) -> Json {
        let mut branches = Vec::new();
        let (variant, base) = (text(self.plan.variant()), text(self.plan.base()));
        if audience == Audience::Everyone && share == Share::ALL {
            return variant;
        }
        for smaller in [Audience::Team, Audience::Internal] {
            let Some(members) = self.plan.members(smaller).filter(|_| smaller <= audience) else {
                continue;
            };
            branches.push(is_member(members));
            let all = smaller < audience || share == Share::ALL;
            branches.push(if all { variant.clone() } else { self.spread_out(share) });
        }
        branches.push(if audience < Audience::Everyone { base } else { self.spread_out(share) });
        match branches.len() {
            1 => branches.remove(0),
            _ => rule("if", branches),
        }
    }

    /// A share of the units, and the base for all others.
    fn spread_out(&self, share: Share) -> Json {
        if self.falls_to_base && self.plan.salt().is_none() {
            // Who has no targeting key gets the default variant, which is the base.
            return self.fractional(share);
        }
        let named = object("var", text("targetingKey"));
        rule("if", vec![named, self.fractional(share), text(self.plan.base())])
    }

    /// The treatment, which are the first places, and all others.
    fn fractional(&self, share: Share) -> Json {
        let pair = |variant: &str, weight: u32| {
            Json::Array(vec![text(variant), Json::Number(weight.into())])
        };
        let treated = share.places();
        let seed = self.plan.salt().map(|salt| {
            let var = |name| object("var", text(name));
            rule("cat", vec![text(salt), var("$flagd.flagKey"), var("targetingKey")])
        });
        let mut arguments = Vec::from_iter(seed);
        arguments.push(pair(self.plan.variant(), treated));
        arguments.push(pair(self.plan.base(), Share::PLACES - treated));
        rule("fractional", arguments)
    }

    /// The definition with this targeting and this default variant, or its own one.
    fn with(&self, targeting: Option<&Json>, default: Option<&str>) -> String {
        let targeting = targeting.map(|json| serde_json::to_string(json).unwrap_or_default());
        let default = default.map(|name| serde_json::Value::from(name).to_string());
        let mut members: Vec<(&str, &str)> = Vec::new();
        let mut missing = targeting.as_deref();
        for (name, raw) in &self.members {
            match (name.as_str(), &default) {
                ("targeting", _) => members.extend(missing.take().map(|it| ("targeting", it))),
                ("defaultVariant", Some(default)) => members.push((name, default)),
                _ => members.push((name, raw.get())),
            }
        }
        members.extend(missing.map(|it| ("targeting", it)));
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Whether a context is of an audience.
fn is_member(members: &Members) -> Json {
    let attribute = object("var", text(&members.attribute));
    match &members.values[..] {
        [value] => rule("===", vec![attribute, value.clone()]),
        values => rule("in", vec![attribute, Json::Array(values.to_vec())]),
    }
}

fn in_definition(problems: Vec<Problem>) -> Vec<Problem> {
    let place = |it: Problem| Problem::new(format!("/definition{}", it.place), it.reason);
    problems.into_iter().map(place).collect()
}
