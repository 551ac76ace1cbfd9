//! What is answered of one flag, written before anybody asks.

use crate::flags::definition::quoted;
use crate::flags::timeless::is_timeless;
use seaway_core::flags::{Context, ErrorCode, Evaluation, Flag, Json};
use seaway_core::time::Time;

/// The parts of all answers that a flag can have.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The whole answer, if it is the same for everybody.
    always: Option<Box<[u8]>>,
    /// Up to the reason, by the name of the variant, in the order of the names.
    variants: Vec<(Box<str>, Box<[u8]>)>,
    /// The same without a variant: the code's own default stands.
    nothing: Box<[u8]>,
    /// The key, and what an error begins with.
    failed: Box<[u8]>,
    /// What follows the reason.
    end: Box<[u8]>,
    /// Whether it is the same for the same context at every moment.
    pub(crate) timeless: bool,
}

impl Answers {
    /// Those of a flag; `None` for one that cannot be understood.
    pub(crate) fn of(key: &str, flag: Option<&Flag>) -> Self {
        let key = quoted(key);
        let failed = format!("{{\"key\":{key},\"errorCode\":\"").into_bytes().into();
        let Some(flag) = flag else {
            let end = Box::from(&b"}"[..]);
            return Self { failed, end, timeless: true, ..Self::default() };
        };
        let mut end = vec![b'"'];
        write_metadata(flag.metadata(), &mut end);
        end.push(b'}');
        let variant = |(name, value): (&str, &Json)| {
            // What was read as JSON can be written as JSON.
            let value = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
            let variant = quoted(name);
            let text =
                format!("{{\"key\":{key},\"value\":{value},\"variant\":{variant},\"reason\":\"");
            (name.into(), text.into_bytes().into())
        };
        let mut variants: Vec<(Box<str>, Box<[u8]>)> =
            flag.variants().iter().map(variant).collect();
        variants.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let nothing = format!("{{\"key\":{key},\"reason\":\"").into_bytes().into();
        let timeless = is_timeless(flag);
        let (end, always) = (end.into(), None);
        let mut answers = Self { always, variants, nothing, failed, end, timeless };
        if !flag.is_targeted() || flag.is_disabled() {
            let mut out = Vec::new();
            answers.write(Some(flag), &Context::default(), Time(0), &mut out);
            answers.always = Some(out.into());
        }
        answers
    }

    /// Writes what a flag is for a context; tells what went wrong, if something did.
    pub(crate) fn write(
        &self,
        flag: Option<&Flag>,
        context: &Context,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Option<ErrorCode> {
        if let Some(always) = &self.always {
            out.extend_from_slice(always);
            return None;
        }
        let Some(flag) = flag else {
            self.write_error(ErrorCode::ParseError, out);
            return Some(ErrorCode::ParseError);
        };
        let Evaluation { variant, reason, error, .. } = flag.evaluate(context, now);
        if let Some(error) = error {
            self.write_error(error, out);
            return Some(error);
        }
        let place =
            |variant: &str| self.variants.binary_search_by(|(name, _)| (**name).cmp(variant)).ok();
        let begin = variant.and_then(place).and_then(|at| self.variants.get(at));
        out.extend_from_slice(begin.map_or(&self.nothing, |(_, begin)| begin));
        out.extend_from_slice(reason.name().as_bytes());
        out.extend_from_slice(&self.end);
        None
    }

    fn write_error(&self, error: ErrorCode, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.failed);
        out.extend_from_slice(error.name().as_bytes());
        out.extend_from_slice(b"\",\"errorDetails\":\"");
        out.extend_from_slice(details(error).as_bytes());
        // What follows a reason begins with its quote.
        if self.end.first() != Some(&b'"') {
            out.push(b'"');
        }
        out.extend_from_slice(&self.end);
    }
}

/// What went wrong, for people. Needs no escaping.
pub(super) fn details(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::FlagNotFound => "there is no such flag",
        ErrorCode::ParseError => "the targeting of this flag cannot be understood",
        ErrorCode::TypeMismatch => "the value of this flag is of another type",
        ErrorCode::General => {
            "the targeting of this flag chose a variant that the flag does not have, or took too long"
        }
    }
}

/// Writes metadata as a member that is not the first one; only text, numbers and truth values, as
/// the protocol has no others.
pub(super) fn write_metadata(metadata: &[(String, Json)], out: &mut Vec<u8>) {
    let plain = |json: &Json| matches!(json, Json::Bool(_) | Json::Number(_) | Json::String(_));
    for (at, (name, value)) in metadata.iter().filter(|(_, it)| plain(it)).enumerate() {
        out.extend_from_slice(if at == 0 { b",\"metadata\":{" } else { b"," });
        out.extend_from_slice(quoted(name).as_bytes());
        out.push(b':');
        // Writing to memory fails for nothing that is plain.
        let _ = serde_json::to_writer(&mut *out, value);
    }
    if metadata.iter().any(|(_, it)| plain(it)) {
        out.push(b'}');
    }
}
