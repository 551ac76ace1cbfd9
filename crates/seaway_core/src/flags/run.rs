//! Evaluates a compiled targeting for one context.

use super::bucket::Bucketing;
use super::compile::steps;
use super::json::{Json, Members};
use super::node::{Node, Operator};
use super::operators::{arithmetic, in_order, part, sem_ver};
use super::value::{Text, Value, at_path};
use crate::time::Time;
use std::borrow::Cow;
use std::cell::Cell;

/// How much work one evaluation may be: nodes, items and blocks of text looked at. Only loops over
/// what a context brings come near it.
const WORK_MAX: usize = 200_000;
/// Bytes of text that are as much work as a node.
pub(super) const TEXT_BLOCK: usize = 64;

/// Why an evaluation ended without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The definition is broken where the evaluation went.
    Broken,
    /// It was too much work, or made lists that nest too deep.
    TooMuch,
}

/// One evaluation.
pub(super) struct Run<'a> {
    pub(super) flag: &'a str,
    pub(super) context: &'a Members,
    pub(super) now: Time,
    pub(super) bucketing: Bucketing,
    work: Cell<usize>,
}

/// What `var` looks into.
#[derive(Clone, Copy)]
pub(super) enum Data<'v, 'a> {
    /// The context.
    Context,
    /// One item of an array, in `map` and the like.
    Item(&'v Value<'a>),
    /// `reduce`.
    Fold { current: &'v Value<'a>, accumulator: &'v Value<'a> },
}

pub(super) type Answer<'a> = Result<Value<'a>, Stop>;

impl<'a> Run<'a> {
    pub(super) fn new(
        flag: &'a str,
        context: &'a Members,
        now: Time,
        bucketing: Bucketing,
    ) -> Self {
        Self { flag, context, now, bucketing, work: Cell::new(WORK_MAX) }
    }

    /// What a targeting evaluates to.
    pub(super) fn of(&self, root: &'a Node) -> Answer<'a> {
        self.node(root, Data::Context)
    }

    pub(super) fn charge(&self, work: usize) -> Result<(), Stop> {
        let left = self.work.get().checked_sub(work).ok_or(Stop::TooMuch)?;
        self.work.set(left);
        Ok(())
    }

    /// Evaluates one node.
    pub(super) fn node(&self, node: &'a Node, data: Data<'_, 'a>) -> Answer<'a> {
        self.charge(1)?;
        match node {
            Node::Literal(json) => Ok(json.into()),
            Node::List(items) => self.list(self.each(items, data)?),
            Node::Var { path, default } => {
                let found = self.look_up(path, data)?;
                self.or_default(found, default.as_deref(), data)
            }
            Node::VarOf { path, default } => {
                let path = self.node(path, data)?;
                let found = self.look_up(&steps(&self.text(&path)?), data)?;
                self.or_default(found, default.as_deref(), data)
            }
            Node::FlagKey => Ok(self.injected(data, Value::Text(Text::Borrowed(self.flag)))),
            Node::Timestamp => Ok(self.injected(data, Value::number(self.now.0 as f64))),
            Node::Call(operator, arguments) => self.call(*operator, arguments, data),
            Node::InSet(wanted, set) => Ok(Value::Bool(match self.node(wanted, data)? {
                Value::Text(text) => set.contains(&*text),
                _ => false,
            })),
            Node::Fractional(fractional) => self.fractional(fractional, data),
            Node::Shared(unit) => self.node(&unit.root, data),
            Node::Broken => Err(Stop::Broken),
        }
    }

    /// What flagd puts into the context, which items of arrays do not have.
    fn injected(&self, data: Data<'_, 'a>, value: Value<'a>) -> Value<'a> {
        if matches!(data, Data::Context) { value } else { Value::Null }
    }

    fn list(&self, items: Vec<Value<'a>>) -> Answer<'a> {
        self.charge(items.len())?;
        Value::list(items).ok_or(Stop::TooMuch)
    }

    /// A value as text, whose length is work.
    fn text<'v>(&self, value: &'v Value<'a>) -> Result<Cow<'v, str>, Stop> {
        self.charge(value.text_len() / TEXT_BLOCK)?;
        Ok(value.to_text())
    }

    fn each(&self, nodes: &'a [Node], data: Data<'_, 'a>) -> Result<Vec<Value<'a>>, Stop> {
        nodes.iter().map(|node| self.node(node, data)).collect()
    }

    fn look_up(&self, path: &[Box<str>], data: Data<'_, 'a>) -> Answer<'a> {
        let found = match (data, path) {
            (Data::Context, [name, path @ ..]) => {
                let member = self.context.get(name).and_then(|json| at_path(json, path));
                member.map_or(Value::Null, Value::from)
            }
            (Data::Context | Data::Fold { .. }, []) => Value::Null,
            (Data::Item(item), path) => inside(item, path),
            (Data::Fold { current, accumulator }, [name, path @ ..]) => match &**name {
                "current" => inside(current, path),
                "accumulator" => inside(accumulator, path),
                _ => Value::Null,
            },
        };
        if let Value::Text(text) = &found {
            self.charge(text.len() / TEXT_BLOCK)?;
        }
        Ok(found)
    }

    fn or_default(
        &self,
        found: Value<'a>,
        default: Option<&'a Node>,
        data: Data<'_, 'a>,
    ) -> Answer<'a> {
        match (found, default) {
            (Value::Null, Some(default)) => self.node(default, data),
            (found, _) => Ok(found),
        }
    }

    fn call(&self, operator: Operator, arguments: &'a [Node], data: Data<'_, 'a>) -> Answer<'a> {
        match operator {
            Operator::If => return self.choose(arguments, data),
            Operator::Or => return self.until(true, arguments, data),
            Operator::And => return self.until(false, arguments, data),
            Operator::Map
            | Operator::Filter
            | Operator::Reduce
            | Operator::All
            | Operator::None
            | Operator::Some => return self.over(operator, arguments, data),
            _ => {}
        }
        // Two arguments are the rule, and need no list of their own.
        if let [first, second] = arguments {
            let pair = [self.node(first, data)?, self.node(second, data)?];
            return self.apply(operator, &pair, data);
        }
        self.apply(operator, &self.each(arguments, data)?, data)
    }

    fn apply(&self, operator: Operator, values: &[Value<'a>], data: Data<'_, 'a>) -> Answer<'a> {
        let first = values.first().unwrap_or(&Value::Null);
        let second = values.get(1).unwrap_or(&Value::Null);
        Ok(match operator {
            Operator::Equal => Value::Bool(first.alike(second)),
            Operator::StrictEqual => Value::Bool(first.same(second)),
            Operator::NotEqual => Value::Bool(!first.alike(second)),
            Operator::StrictNotEqual => Value::Bool(!first.same(second)),
            Operator::Not => Value::Bool(!first.truthy()),
            Operator::Truth => Value::Bool(first.truthy()),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => Value::Bool(in_order(operator, values)),
            Operator::Log => first.clone(),
            Operator::Missing => return self.missing(values, data),
            Operator::MissingSome => {
                let wanted = second.items().unwrap_or_default();
                let missing = self.missing(&wanted, data)?;
                let found = wanted.len() - missing.len();
                let enough = found as f64 >= first.to_number();
                return if enough { self.list(Vec::new()) } else { Ok(missing) };
            }
            Operator::Merge => {
                self.charge(values.iter().map(Value::len).sum())?;
                let items = |value: &Value<'a>| value.items().unwrap_or(vec![value.clone()]);
                return self.list(values.iter().flat_map(items).collect());
            }
            Operator::In => Value::Bool(self.is_in(first, second)?),
            Operator::Cat => {
                let texts = values.iter().map(|value| self.text(value));
                Value::made(&texts.collect::<Result<Vec<_>, _>>()?.concat())
            }
            Operator::Substr => Value::made(&part(&self.text(first)?, second, values.get(2))),
            Operator::SemVer => sem_ver(values),
            Operator::StartsWith | Operator::EndsWith => match values {
                [Value::Text(text), Value::Text(end)] if operator == Operator::StartsWith => {
                    Value::Bool(text.starts_with(&**end))
                }
                [Value::Text(text), Value::Text(end)] => Value::Bool(text.ends_with(&**end)),
                _ => Value::Null,
            },
            _ => arithmetic(operator, values),
        })
    }

    /// `if`: conditions and values in turn, and at the end what holds otherwise.
    fn choose(&self, arguments: &'a [Node], data: Data<'_, 'a>) -> Answer<'a> {
        let mut pairs = arguments.chunks_exact(2);
        for pair in &mut pairs {
            if self.node(&pair[0], data)?.truthy() {
                return self.node(&pair[1], data);
            }
        }
        pairs.remainder().first().map_or(Ok(Value::Null), |otherwise| self.node(otherwise, data))
    }

    /// `or` and `and`: the first that settles it, or the last.
    fn until(&self, settled: bool, arguments: &'a [Node], data: Data<'_, 'a>) -> Answer<'a> {
        let mut value = Value::Null;
        for argument in arguments {
            value = self.node(argument, data)?;
            if value.truthy() == settled {
                break;
            }
        }
        Ok(value)
    }

    /// The operators that look at each item of an array.
    fn over(&self, operator: Operator, arguments: &'a [Node], data: Data<'_, 'a>) -> Answer<'a> {
        let [array, rule, rest @ ..] = arguments else { return Ok(Value::Null) };
        let array = self.node(array, data)?;
        self.charge(array.len())?;
        let items = array.items().unwrap_or_default();
        let holds = |item: &Value<'a>| Ok(self.node(rule, Data::Item(item))?.truthy());
        match operator {
            Operator::Map => {
                let mapped = items.iter().map(|item| self.node(rule, Data::Item(item)));
                self.list(mapped.collect::<Result<_, _>>()?)
            }
            Operator::Filter => {
                let mut kept = Vec::new();
                for item in items {
                    if holds(&item)? {
                        kept.push(item);
                    }
                }
                self.list(kept)
            }
            Operator::Reduce => {
                let start = rest.first().map_or(Ok(Value::Null), |start| self.node(start, data))?;
                items.iter().try_fold(start, |accumulator, current| {
                    self.node(rule, Data::Fold { current, accumulator: &accumulator })
                })
            }
            Operator::All => {
                let all = try_all(&items, |item| holds(item))?;
                Ok(Value::Bool(!items.is_empty() && all))
            }
            Operator::None => Ok(Value::Bool(try_all(&items, |item| Ok(!holds(item)?))?)),
            _ => Ok(Value::Bool(!try_all(&items, |item| Ok(!holds(item)?))?)),
        }
    }

    /// Which of the names, or of the names in a list, the data do not have.
    fn missing(&self, names: &[Value<'a>], data: Data<'_, 'a>) -> Answer<'a> {
        let inner = names.first().and_then(Value::items);
        let names = inner.as_deref().unwrap_or(names);
        let mut missing = Vec::new();
        for name in names {
            self.charge(1)?;
            match self.look_up(&steps(&self.text(name)?), data)? {
                Value::Null => missing.push(name.clone()),
                Value::Text(text) if text.is_empty() => missing.push(name.clone()),
                _ => {}
            }
        }
        self.list(missing)
    }

    /// Whether a text has a part, or a list an item.
    fn is_in(&self, wanted: &Value<'a>, whole: &Value<'a>) -> Result<bool, Stop> {
        match whole {
            Value::Text(text) => {
                self.charge(text.len() / TEXT_BLOCK)?;
                Ok(!matches!(wanted, Value::Null) && text.contains(&*self.text(wanted)?))
            }
            Value::Json(Json::Array(items)) => {
                self.charge(items.len())?;
                Ok(items.iter().any(|item| wanted.same(&item.into())))
            }
            Value::List(list) => {
                self.charge(list.items.len())?;
                Ok(list.items.iter().any(|item| wanted.same(item)))
            }
            _ => Ok(false),
        }
    }
}

fn inside<'a>(value: &Value<'a>, path: &[Box<str>]) -> Value<'a> {
    path.iter().fold(value.clone(), |value, name| value.step(name))
}

fn try_all<T>(items: &[T], holds: impl Fn(&T) -> Result<bool, Stop>) -> Result<bool, Stop> {
    for item in items {
        if !holds(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}
