//! `fractional`: how its shares are compiled.

use super::compile::{At, Compiler};
use super::json::Json;
use super::node::{Fractional, Node, Share, Weight};
use super::problem::Place;

/// The largest weight, and the largest sum of weights.
pub(super) const WEIGHT_MAX: u32 = i32::MAX.unsigned_abs();

/// Compiles the arguments of a `fractional`.
pub(super) fn compile(compiler: &mut Compiler<'_>, arguments: &Json, at: At<'_>) -> Node {
    let Json::Array(items) = arguments else {
        compiler.object(at.place, "takes a list of shares");
        return Node::Literal(Json::Null);
    };
    let has_seed = items.first().is_some_and(|first| !matches!(first, Json::Array(_)));
    let seed = has_seed.then(|| {
        let place = at.place.index(0);
        compiler.node(&items[0], at.inner(&place, false))
    });
    let mut shares = Vec::new();
    for (index, item) in items.iter().enumerate().skip(usize::from(has_seed)) {
        let place = at.place.index(index);
        shares.push(share(compiler, item, at.inner(&place, true)));
    }
    if shares.is_empty() {
        compiler.object(at.place, "has no shares");
    }
    let total = known_total(compiler, &shares, at.place);
    Node::Fractional(Box::new(Fractional { seed, shares: shares.into(), total }))
}

fn share(compiler: &mut Compiler<'_>, item: &Json, at: At<'_>) -> Share {
    let Json::Array(pair) = item else {
        if !matches!(item, Json::Object(_)) {
            compiler.object(at.place, "a share is a list of a variant and a weight");
        }
        return Share::Computed(compiler.node(item, At { outcome: false, ..at }));
    };
    let Some(variant) = pair.first() else {
        compiler.object(at.place, "a share names a variant");
        return Share::Pair { variant: Node::Literal(Json::Null), weight: Weight::Unusable };
    };
    let place = at.place.index(0);
    let variant = compiler.node(variant, at.inner(&place, true));
    let place = at.place.index(1);
    let weight = pair
        .get(1)
        .map_or(Weight::Fixed(1), |weight| self::weight(compiler, weight, at.inner(&place, false)));
    Share::Pair { variant, weight }
}

fn weight(compiler: &mut Compiler<'_>, json: &Json, at: At<'_>) -> Weight {
    match json {
        Json::Null => Weight::Fixed(1),
        Json::Number(number) => {
            let weight = number.as_f64().unwrap_or(f64::NAN);
            if weight < 0.0 {
                compiler.object(at.place, "a weight is not negative");
            }
            if let Some(weight) = usable_weight(weight) {
                return Weight::Fixed(weight);
            }
            let reason = format!("a weight is a whole number of at most {WEIGHT_MAX}");
            compiler.object(at.place, reason);
            Weight::Unusable
        }
        Json::Object(_) => Weight::Computed(compiler.node(json, at)),
        _ => {
            compiler.object(at.place, "a weight is a number");
            Weight::Unusable
        }
    }
}

/// A weight as flagd takes it: negative ones, which rollouts by time compute, are zero.
pub(super) fn usable_weight(weight: f64) -> Option<u32> {
    let whole = weight.trunc() == weight && weight <= f64::from(WEIGHT_MAX);
    // Whole, and within 0 and i32::MAX: the cast is exact.
    whole.then(|| weight.max(0.0) as u32)
}

fn known_total(compiler: &mut Compiler<'_>, shares: &[Share], place: &Place<'_>) -> Option<u32> {
    let mut total = 0_u64;
    for share in shares {
        match share {
            Share::Pair { weight: Weight::Fixed(weight), .. } => total += u64::from(*weight),
            _ => return None,
        }
    }
    if total == 0 && !shares.is_empty() {
        compiler.object(place, "all weights are zero");
    }
    let total = u32::try_from(total).ok().filter(|total| *total <= WEIGHT_MAX);
    if total.is_none() {
        compiler.object(place, format!("the weights add up to more than {WEIGHT_MAX}"));
    }
    total
}
