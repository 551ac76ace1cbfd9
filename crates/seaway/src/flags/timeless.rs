//! Whether what a flag is depends on the moment.

use seaway_core::flags::{Flag, Json};

/// Whether a flag is the same for the same context at every moment. Where that is not sure, it is
/// said not to be: names that are computed may be any, and shared rules are not looked into.
pub(super) fn is_timeless(flag: &Flag) -> bool {
    if !flag.is_targeted() {
        return true;
    }
    let source = Json::parse(flag.source()).ok();
    let targeting = source.as_ref().and_then(|it| it.as_object()?.get("targeting"));
    targeting.is_some_and(is_plain)
}

fn is_plain(rule: &Json) -> bool {
    match rule {
        Json::Array(items) => items.iter().all(is_plain),
        Json::Object(members) => members.iter().all(|(name, inner)| match name {
            "$ref" => false,
            "var" => names_no_time(inner),
            _ => is_plain(inner),
        }),
        _ => true,
    }
}

/// Whether the argument of `var` is a name that is written there, and not that of the moment.
fn names_no_time(argument: &Json) -> bool {
    let (name, rest) = match argument {
        Json::Array(items) => match items.split_first() {
            Some((name, rest)) => (name, rest),
            None => return true,
        },
        name => (name, &[][..]),
    };
    let is_name = match name {
        Json::String(name) => !name.starts_with("$flagd") || name == "$flagd.flagKey",
        Json::Number(_) | Json::Null => true,
        _ => false,
    };
    is_name && rest.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_timeless;
    use seaway_core::flags::FlagSet;

    #[test]
    fn what_looks_at_the_clock_or_may_is_not_timeless() {
        let timeless = |targeting: &str| {
            let flag =
                format!(r#"{{"state":"ENABLED","variants":{{"a":1}},"targeting":{targeting}}}"#);
            is_timeless(&FlagSet::new(10_000).compile("k", flag.as_bytes()).unwrap())
        };
        for plain in
            ["{}", r#"{"if":[{"==":[{"var":"a"},1]},"a"]}"#, r#"{"var":["$flagd.flagKey","a"]}"#]
        {
            assert!(timeless(plain), "{plain}");
        }
        for not in [
            r#"{"if":[{"<":[{"var":"$flagd.timestamp"},1]},"a"]}"#,
            r#"{"if":[{"<":[{"var":"$flagd.timest\u0061mp"},1]},"a"]}"#,
            r#"{"var":{"var":"name"}}"#,
            r#"{"var":["a",{"var":["$flagd.timestamp"]}]}"#,
            r#"{"if":[{"$ref":"x"},"a"]}"#,
        ] {
            assert!(!timeless(not), "{not}");
        }
    }
}
