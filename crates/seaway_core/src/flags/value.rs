//! What a rule evaluates to, and how `JsonLogic` converts and compares values.

use super::json::Json;
use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;

/// How deep lists may nest that are made while evaluating.
const NESTING_MAX: u8 = 100;

/// A value, borrowed from the definition or the context where that is possible.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// Always finite.
    Number(f64),
    Text(Text<'a>),
    /// An array or an object of the definition or the context.
    Json(&'a Json),
    /// A list that was made.
    List(Rc<List<'a>>),
}

/// Text that is cheap to copy, however long.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    /// Text of the definition or the context.
    Borrowed(&'a str),
    /// Text that was made.
    Made(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// A list that was made.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) items: Vec<Value<'a>>,
    /// How deep it nests: what is dropped or converted must not exhaust the stack.
    depth: u8,
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(value) => Self::number(value.as_f64().unwrap_or(f64::NAN)),
            Json::String(value) => Self::Text(Text::Borrowed(value)),
            Json::Array(_) | Json::Object(_) => Self::Json(json),
        }
    }
}

impl<'a> Value<'a> {
    /// A number; null where JSON has none for it, as after a division by zero.
    pub(super) fn number(value: f64) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::Null }
    }

    /// Text that was made.
    pub(super) fn made(text: &str) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// A list; `None` where it nests too deep.
    pub(super) fn list(items: Vec<Self>) -> Option<Self> {
        let inner = |item: &Self| if let Self::List(list) = item { list.depth } else { 0 };
        let depth = 1 + items.iter().map(inner).max().unwrap_or(0);
        (depth <= NESTING_MAX).then(|| Self::List(Rc::new(List { items, depth })))
    }

    /// The items of an array, and how many there are.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        match self {
            Self::Json(Json::Array(items)) => Some(items.iter().map(Self::from).collect()),
            Self::List(list) => Some(list.items.clone()),
            _ => None,
        }
    }

    /// How many bytes or items it has: what it costs to look at all of it.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Json(Json::Array(items)) => items.len(),
            Self::Json(Json::Object(members)) => members.len(),
            Self::List(list) => list.items.len(),
            _ => 0,
        }
    }

    /// The member or item of this name.
    pub(super) fn step(&self, name: &str) -> Self {
        match self {
            Self::Json(json) => step(json, name).map_or(Self::Null, Self::from),
            Self::List(list) => {
                let item = name.parse().ok().and_then(|index: usize| list.items.get(index));
                item.cloned().unwrap_or(Self::Null)
            }
            _ => Self::Null,
        }
    }

    /// Whether a condition takes it for true.
    pub(super) fn truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Json(Json::Array(items)) => !items.is_empty(),
            Self::Json(_) => true,
            Self::List(list) => !list.items.is_empty(),
        }
    }

    /// As a number; NaN where it is none.
    pub(super) fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(value) => *value,
            Self::Text(text) => parse_number(text),
            Self::Json(_) | Self::List(_) => f64::NAN,
        }
    }

    /// How long the value is as text, at least.
    pub(super) fn text_len(&self) -> usize {
        match self {
            Self::Json(Json::Array(items)) => {
                items.iter().map(|item| 1 + item.as_str().map_or(0, str::len)).sum()
            }
            Self::List(list) => list.items.iter().map(|item| 1 + item.own_len()).sum(),
            plain => plain.own_len(),
        }
    }

    fn own_len(&self) -> usize {
        if let Self::Text(text) = self { text.len() } else { 0 }
    }

    /// As text: null is empty, items of a list stand between commas, objects have none.
    pub(super) fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Null | Self::Json(Json::Object(_)) => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            // Adding zero makes -0 a 0.
            Self::Number(value) => Cow::Owned((value + 0.0).to_string()),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Json(_) | Self::List(_) => {
                let texts = |item: Self| match item {
                    Self::Json(_) | Self::List(_) => String::new(),
                    plain => plain.to_text().into_owned(),
                };
                let items: Vec<String> = self.items().into_iter().flatten().map(texts).collect();
                Cow::Owned(items.join(","))
            }
        }
    }

    /// `===`. Arrays and objects equal nothing, as in `JsonLogic`.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => **a == **b,
            _ => false,
        }
    }

    /// `==`: `1`, `"1"` and `true` are equal; null equals null only.
    pub(super) fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(_) | Self::Bool(_), Self::Text(_) | Self::Bool(_) | Self::Number(_))
            | (Self::Text(_), Self::Number(_) | Self::Bool(_)) => {
                self.to_number() == other.to_number()
            }
            _ => self.same(other),
        }
    }
}

fn step<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    match json {
        Json::Object(members) => members.get(name),
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// The value at a path of JSON.
pub(super) fn at_path<'a>(json: &'a Json, path: &[Box<str>]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, name| step(json, name))
}

/// A number in text; empty text is zero, and words such as `infinity` are none.
fn parse_number(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    let plain =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.bytes().all(plain) { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}
