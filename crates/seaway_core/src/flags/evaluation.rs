//! What evaluating a flag answers.

use super::json::Json;

/// Why a flag has the value that it has, as OpenFeature names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It has no targeting.
    Static,
    /// Its targeting chose the variant.
    TargetingMatch,
    /// Its targeting chose none, or it has no default variant.
    Default,
    /// It is disabled.
    Disabled,
    /// It could not be evaluated.
    Error,
}

impl Reason {
    /// OpenFeature's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Default => "DEFAULT",
            Self::Disabled => "DISABLED",
            Self::Error => "ERROR",
        }
    }
}

/// Why a flag could not be evaluated, as OpenFeature names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// There is no such flag.
    FlagNotFound,
    /// Its targeting cannot be understood.
    ParseError,
    /// Its value is of another type than the one asked for.
    TypeMismatch,
    /// Its targeting chose a variant that it does not have, or took too long.
    General,
}

impl ErrorCode {
    /// OpenFeature's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::ParseError => "PARSE_ERROR",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::General => "GENERAL",
        }
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A whole number or one with a fraction.
    Number,
    /// An object or a list.
    Object,
    /// `null`.
    Null,
}

impl Kind {
    /// The type of a value.
    #[must_use]
    pub fn of(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Boolean,
            Json::Number(_) => Self::Number,
            Json::String(_) => Self::String,
            Json::Array(_) | Json::Object(_) => Self::Object,
        }
    }
}

/// What one flag is for one context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation<'a> {
    /// The value; `None` where the code's own default stands.
    pub value: Option<&'a Json>,
    /// The variant that has this value.
    pub variant: Option<&'a str>,
    /// Why.
    pub reason: Reason,
    /// What went wrong, where something did.
    pub error: Option<ErrorCode>,
    /// The metadata of the flag, and of the set where the flag has no member of that name.
    pub metadata: &'a [(String, Json)],
}

impl<'a> Evaluation<'a> {
    pub(super) fn failed(error: ErrorCode, metadata: &'a [(String, Json)]) -> Self {
        let error = Some(error);
        Self { value: None, variant: None, reason: Reason::Error, error, metadata }
    }

    /// The same for somebody who expects this type: another one is an error.
    #[must_use]
    pub fn typed(self, kind: Kind) -> Self {
        match self.value {
            Some(value) if Kind::of(value) != kind => {
                Self::failed(ErrorCode::TypeMismatch, self.metadata)
            }
            _ => self,
        }
    }
}
