//! One flag.

use super::bucket::Bucketing;
use super::compile::{Compiler, SharedRules};
use super::context::Context;
use super::evaluation::{ErrorCode, Evaluation, Kind, Reason};
use super::json::{DEPTH_MAX, Json, Members};
use super::node::Unit;
use super::problem::{Place, Problem};
use super::run::{Run, Stop};
use super::value::Value;
use crate::time::Time;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::Arc;

/// The member of the metadata that pins how units are spread: `2` or `3`.
const BUCKETING: &str = "bucketingVersion";

/// One flag, ready to be evaluated.
#[derive(Debug)]
pub struct Flag {
    key: Arc<str>,
    source: Box<RawValue>,
    disabled: bool,
    variants: Members,
    default: Option<String>,
    targeting: Option<Unit>,
    metadata: Vec<(String, Json)>,
    bucketing: Bucketing,
    objections: Vec<Problem>,
}

/// What the flags of a set share.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// The rules of `$evaluators`.
    pub(super) shared: SharedRules,
    /// The metadata of the set.
    pub(super) metadata: Vec<(String, Json)>,
}

impl Flag {
    /// Reads a flag; `place` is where its definition stands.
    pub(super) fn read(
        key: &str,
        source: &RawValue,
        place: &Place<'_>,
        around: &Around,
    ) -> Result<Self, Vec<Problem>> {
        // The definition stands in a list of flags in a set.
        let json = Json::parse_within(source.get(), DEPTH_MAX - 2).map_err(|problem| {
            vec![Problem::new(place.pointer() + &problem.place, problem.reason)]
        })?;
        let Json::Object(members) = &json else {
            return Err(vec![place.problem("a flag is an object")]);
        };
        let mut compiler = Compiler::new(&around.shared);
        let mut flag = Self {
            key: key.into(),
            source: source.to_owned(),
            disabled: is_disabled(members, place, &mut compiler),
            variants: variants(members, place, &mut compiler),
            default: None,
            targeting: None,
            metadata: metadata(members.get("metadata"), place, &mut compiler),
            bucketing: Bucketing::V2,
            objections: Vec::new(),
        };
        if key.is_empty() {
            compiler.object(place, "a flag has a key");
        }
        flag.default = default(members, &flag.variants, place, &mut compiler);
        flag.inherit(&around.metadata);
        flag.pin(place, &mut compiler);
        flag.target(members, place, &mut compiler);
        if compiler.refused.is_empty() {
            flag.objections = compiler.objections;
            Ok(flag)
        } else {
            Err(compiler.refused)
        }
    }

    /// Takes over what only the set's metadata has.
    fn inherit(&mut self, set: &[(String, Json)]) {
        let own = self.metadata.len();
        for (name, value) in set {
            if !self.metadata[..own].iter().any(|(other, _)| other == name) {
                self.metadata.push((name.clone(), value.clone()));
            }
        }
    }

    fn pin(&mut self, place: &Place<'_>, compiler: &mut Compiler<'_>) {
        let pinned = self.metadata.iter().find(|(name, _)| name == BUCKETING);
        self.bucketing = match pinned.map(|(_, version)| version) {
            Some(Json::Number(version)) if version.as_f64() == Some(3.0) => Bucketing::V3,
            Some(Json::Number(version)) if version.as_f64() == Some(2.0) => Bucketing::V2,
            None => Bucketing::V2,
            Some(_) => {
                let metadata = place.name("metadata");
                compiler.object(&metadata.name(BUCKETING), "is 2 or 3");
                Bucketing::V2
            }
        };
    }

    fn target(&mut self, members: &Members, place: &Place<'_>, compiler: &mut Compiler<'_>) {
        let targeting = match members.get("targeting") {
            None | Some(Json::Null) => return,
            Some(Json::Object(rule)) if rule.is_empty() => return,
            Some(targeting) => targeting,
        };
        let unit = compiler.targeting(targeting, &place.name("targeting"));
        for (variant, named_at) in &unit.outcomes {
            if self.variants.get(variant).is_none() {
                let variant = super::compile::short(variant);
                let reason = format!("there is no variant “{variant}”");
                compiler.objections.push(Problem::new(named_at.clone(), reason));
            }
        }
        self.targeting = Some(unit);
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its key, to keep.
    pub(super) fn shared_key(&self) -> Arc<str> {
        self.key.clone()
    }

    /// Its definition, as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.source.get()
    }

    /// Whether it is turned off, so that the code's own default stands.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Its variants and their values.
    #[must_use]
    pub fn variants(&self) -> &Members {
        &self.variants
    }

    /// The variant where targeting chooses none; `None` for the code's own default.
    #[must_use]
    pub fn default_variant(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// Its metadata, and that of the set where it has no member of that name.
    #[must_use]
    pub fn metadata(&self) -> &[(String, Json)] {
        &self.metadata
    }

    /// How its units are spread.
    #[must_use]
    pub fn bucketing(&self) -> Bucketing {
        self.bucketing
    }

    /// Whether it looks at the context at all.
    #[must_use]
    pub fn is_targeted(&self) -> bool {
        self.targeting.is_some()
    }

    /// What flagd takes although nobody can want it.
    #[must_use]
    pub fn objections(&self) -> &[Problem] {
        &self.objections
    }

    /// What the flag is for this context.
    #[must_use]
    pub fn evaluate(&self, context: &Context, now: Time) -> Evaluation<'_> {
        if self.disabled {
            return self.undecided(Reason::Disabled);
        }
        let Some(targeting) = &self.targeting else { return self.otherwise(Reason::Static) };
        let run = Run::new(&self.key, context.members(), now, self.bucketing);
        match run.of(&targeting.root) {
            Ok(Value::Null) => self.otherwise(Reason::Default),
            Ok(Value::Json(_) | Value::List(_)) | Err(Stop::TooMuch) => {
                Evaluation::failed(ErrorCode::General, &self.metadata)
            }
            Ok(value) => self.variant(&value.to_text(), Reason::TargetingMatch),
            Err(Stop::Broken) => Evaluation::failed(ErrorCode::ParseError, &self.metadata),
        }
    }

    /// The default variant.
    fn otherwise(&self, reason: Reason) -> Evaluation<'_> {
        match &self.default {
            Some(name) => self.variant(name, reason),
            None => self.undecided(Reason::Default),
        }
    }

    fn variant(&self, name: &str, reason: Reason) -> Evaluation<'_> {
        match self.variants.entry(name) {
            Some((variant, value)) => Evaluation {
                value: Some(value),
                variant: Some(variant),
                reason,
                error: None,
                metadata: &self.metadata,
            },
            None => Evaluation::failed(ErrorCode::General, &self.metadata),
        }
    }

    fn undecided(&self, reason: Reason) -> Evaluation<'_> {
        Evaluation { value: None, variant: None, reason, error: None, metadata: &self.metadata }
    }
}

/// Anything but `DISABLED` is enabled, as in flagd.
fn is_disabled(members: &Members, place: &Place<'_>, compiler: &mut Compiler<'_>) -> bool {
    let state = members.get("state").and_then(Json::as_str);
    if !matches!(state, Some("ENABLED" | "DISABLED")) {
        compiler.object(&place.name("state"), "is ENABLED or DISABLED");
    }
    state == Some("DISABLED")
}

fn variants(members: &Members, place: &Place<'_>, compiler: &mut Compiler<'_>) -> Members {
    let place = place.name("variants");
    let variants = match members.get("variants") {
        Some(Json::Object(variants)) => variants.clone(),
        None => Members::default(),
        Some(_) => {
            compiler.refuse(place.problem("variants are an object"));
            return Members::default();
        }
    };
    if variants.is_empty() {
        compiler.object(&place, "a flag has variants");
    }
    let kinds: HashSet<Kind> = variants.iter().map(|(_, value)| Kind::of(value)).collect();
    if kinds.iter().filter(|kind| **kind != Kind::Null).count() > 1 {
        compiler.object(&place, "variants of one flag are of one type");
    }
    variants
}

fn default(
    members: &Members,
    variants: &Members,
    place: &Place<'_>,
    compiler: &mut Compiler<'_>,
) -> Option<String> {
    let place = place.name("defaultVariant");
    match members.get("defaultVariant") {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) if variants.get(name).is_some() => Some(name.clone()),
        Some(Json::String(name)) => {
            let name = super::compile::short(name);
            compiler.refuse(place.problem(format!("there is no variant “{name}”")));
            None
        }
        Some(_) => {
            compiler.refuse(place.problem("the default variant is text or null"));
            None
        }
    }
}

/// Metadata: text, numbers and truth values by name.
pub(super) fn metadata(
    json: Option<&Json>,
    place: &Place<'_>,
    compiler: &mut Compiler<'_>,
) -> Vec<(String, Json)> {
    let place = place.name("metadata");
    match json {
        None => Vec::new(),
        Some(Json::Object(members)) => {
            for (name, value) in members.iter() {
                if matches!(value, Json::Null | Json::Array(_) | Json::Object(_)) {
                    compiler.object(&place.name(name), "is text, a number, true or false");
                }
            }
            members.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
        }
        Some(_) => {
            compiler.refuse(place.problem("metadata are an object"));
            Vec::new()
        }
    }
}
