//! Operators that need nothing but their arguments.

use super::node::Operator;
use super::value::Value;
use super::version;

/// Whether each value stands before the next: text by its bytes, all else as numbers.
pub(super) fn in_order(operator: Operator, values: &[Value<'_>]) -> bool {
    let holds = |pair: &[Value<'_>]| match (&pair[0], &pair[1]) {
        (Value::Text(a), Value::Text(b)) => ordered(operator, &**a, &**b),
        (a, b) => ordered(operator, &a.to_number(), &b.to_number()),
    };
    values.len() >= 2 && values.windows(2).all(holds)
}

fn ordered<T: PartialOrd + ?Sized>(operator: Operator, a: &T, b: &T) -> bool {
    match operator {
        Operator::Less => a < b,
        Operator::LessOrEqual => a <= b,
        Operator::Greater => a > b,
        _ => a >= b,
    }
}

pub(super) fn sem_ver<'a>(values: &[Value<'a>]) -> Value<'a> {
    let version = |value: &Value<'a>| match value {
        Value::Text(_) | Value::Number(_) => Some(value.to_text().into_owned()),
        _ => None,
    };
    let [actual, Value::Text(comparison), target] = values else { return Value::Null };
    let (Some(actual), Some(target)) = (version(actual), version(target)) else {
        return Value::Null;
    };
    version::compare(&actual, comparison, &target).map_or(Value::Null, Value::Bool)
}

/// `+`, `-`, `*`, `/`, `%`, `min`, `max`: null where the result is no number.
pub(super) fn arithmetic<'a>(operator: Operator, values: &[Value<'a>]) -> Value<'a> {
    let mut numbers = values.iter().map(Value::to_number);
    let all = numbers.clone();
    let larger = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    let smaller = |a: f64, b: f64| if a.is_nan() || a < b { a } else { b };
    Value::number(match (operator, values.len()) {
        (_, 0) => f64::NAN,
        (Operator::Add, _) => all.sum(),
        (Operator::Multiply, _) => all.product(),
        (Operator::Max, _) => all.fold(f64::NEG_INFINITY, larger),
        (Operator::Min, _) => all.fold(f64::INFINITY, smaller),
        (Operator::Subtract, 1) => -numbers.next().unwrap_or(f64::NAN),
        _ => match (operator, numbers.next(), numbers.next()) {
            (Operator::Subtract, Some(a), Some(b)) => a - b,
            (Operator::Divide, Some(a), Some(b)) => a / b,
            (Operator::Remainder, Some(a), Some(b)) => a % b,
            _ => f64::NAN,
        },
    })
}

/// Part of a text, in characters. A negative start counts from the end, a negative length is what
/// to leave out there.
pub(super) fn part(text: &str, start: &Value<'_>, length: Option<&Value<'_>>) -> String {
    let count = text.chars().count();
    let from = |number: f64, of: usize| {
        // Out of range and NaN saturate.
        let number = number as i64;
        let size = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
        if number < 0 { of.saturating_sub(size) } else { size.min(of) }
    };
    let start = from(start.to_number(), count);
    let left = count - start;
    let take = match length {
        None | Some(Value::Null) => left,
        Some(length) => from(length.to_number(), left),
    };
    text.chars().skip(start).take(take).collect()
}
