//! Evaluates `fractional`.

use super::bucket::{Bucketing, place_of};
use super::fractional::{WEIGHT_MAX, usable_weight};
use super::json::Json;
use super::node::{Fractional, Node, Share, Weight};
use super::run::{Answer, Data, Run, TEXT_BLOCK};
use super::value::Value;

impl<'a> Run<'a> {
    /// The variant of a unit, or null where the definition or the context does not tell.
    pub(super) fn fractional(&self, fractional: &'a Fractional, data: Data<'_, 'a>) -> Answer<'a> {
        let mut computed = Vec::new();
        let seed = match &fractional.seed {
            None => None,
            Some(seed) => match self.node(seed, data)? {
                // A seed that is missing: flagd's second version falls back on the targeting key.
                Value::Null if self.bucketing == Bucketing::V2 => None,
                value if value.items().is_some() => {
                    computed.push(value);
                    None
                }
                value => Some(value),
            },
        };
        let hash = match &seed {
            Some(value) => {
                self.charge(value.len() / TEXT_BLOCK)?;
                self.bucketing.of_value(value)
            }
            None => {
                let key = self.context.get("targetingKey").and_then(Json::as_str);
                key.and_then(|key| self.bucketing.of_unit(self.flag, key))
            }
        };
        let Some(hash) = hash else { return Ok(Value::Null) };
        match fractional.total {
            Some(total) if computed.is_empty() => self.known_share(fractional, hash, total, data),
            _ => self.computed_share(fractional, computed, hash, data),
        }
    }

    /// The share of a hash where all weights are known.
    fn known_share(
        &self,
        fractional: &'a Fractional,
        hash: u32,
        total: u32,
        data: Data<'_, 'a>,
    ) -> Answer<'a> {
        let mut left = place_of(hash, total);
        for share in &fractional.shares {
            let Share::Pair { variant, weight: Weight::Fixed(weight) } = share else { continue };
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return self.node(variant, data),
            }
        }
        Ok(Value::Null)
    }

    /// The share of a hash where weights, or whole shares, must be computed first.
    fn computed_share(
        &self,
        fractional: &'a Fractional,
        first: Vec<Value<'a>>,
        hash: u32,
        data: Data<'_, 'a>,
    ) -> Answer<'a> {
        let mut shares = Vec::new();
        for value in first {
            shares.push(pair_of(&value));
        }
        for share in &fractional.shares {
            shares.push(match share {
                Share::Computed(node) => pair_of(&self.node(node, data)?),
                Share::Pair { variant, weight } => {
                    let weight = match weight {
                        Weight::Fixed(weight) => Some(*weight),
                        Weight::Computed(node) => weight_of(&self.node(node, data)?),
                        Weight::Unusable => None,
                    };
                    weight.map(|weight| (Chosen::Node(variant), weight))
                }
            });
        }
        let Some(shares) = shares.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(Value::Null);
        };
        let total: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let total = u32::try_from(total).ok().filter(|total| *total <= WEIGHT_MAX);
        let Some(total) = total else { return Ok(Value::Null) };
        let mut left = place_of(hash, total);
        for (variant, weight) in shares {
            match (left.checked_sub(weight), variant) {
                (Some(rest), _) => left = rest,
                (None, Chosen::Node(node)) => return self.node(node, data),
                (None, Chosen::Value(value)) => return Ok(value),
            }
        }
        Ok(Value::Null)
    }
}

/// The variant of a share, evaluated or not.
enum Chosen<'a> {
    Node(&'a Node),
    Value(Value<'a>),
}

/// A share that was computed: a list of a variant and a weight.
fn pair_of<'a>(value: &Value<'a>) -> Option<(Chosen<'a>, u32)> {
    let mut items = value.items()?.into_iter();
    let variant = items.next()?;
    let weight = items.next().map_or(Some(1), |weight| weight_of(&weight))?;
    Some((Chosen::Value(variant), weight))
}

fn weight_of(value: &Value<'_>) -> Option<u32> {
    match value {
        Value::Null => Some(1),
        Value::Number(weight) => usable_weight(*weight),
        _ => None,
    }
}
