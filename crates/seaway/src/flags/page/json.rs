//! JSON as people read it: laid out in lines, and nothing of it lost.

use crate::pages::words::misleads;

/// What fits on a line is on one line.
const WIDTH: usize = 76;
/// Deeper levels are indented no further.
const LEVELS: usize = 40;

/// A part of JSON text.
#[derive(Clone, Copy)]
enum Token<'t> {
    /// An opening bracket, with how wide all up to its end is on one line.
    Open(char, usize),
    Close(char),
    Comma,
    Colon,
    /// A string, a number or a word.
    Value(&'t str),
}

/// JSON text in lines. Numbers and names are as they were written; of strings only what hides or turns
/// text is written in another way, as its escape.
pub(super) fn pretty(text: &str) -> String {
    let tokens = measured(tokens(text));
    let mut out = String::with_capacity(text.len() * 2);
    // Of each bracket that is open: whether it is on one line.
    let mut flat: Vec<bool> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let on_one_line = flat.last() == Some(&true);
        let begins = matches!(before, Some(Token::Open(..) | Token::Comma));
        if begins && !matches!(token, Token::Close(_)) {
            match (on_one_line, before) {
                (false, _) => new_line(&mut out, flat.len()),
                (true, Some(Token::Comma)) => out.push(' '),
                (true, _) => {}
            }
        }
        match *token {
            Token::Open(bracket, width) => {
                let column = out.len() - out.rfind('\n').map_or(0, |end| end + 1);
                let is_outermost = flat.is_empty() && width > 2;
                flat.push(on_one_line || (!is_outermost && column + width <= WIDTH));
                out.push(bracket);
            }
            Token::Close(bracket) => {
                let was_flat = flat.pop().unwrap_or(true);
                if !was_flat && !matches!(before, Some(Token::Open(..))) {
                    new_line(&mut out, flat.len());
                }
                out.push(bracket);
            }
            Token::Comma => out.push(','),
            Token::Colon => out.push_str(": "),
            Token::Value(text) => write_value(&mut out, text),
        }
    }
    out
}

fn new_line(out: &mut String, level: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", level.min(LEVELS)));
}

/// A value, what misleads people as its escape. Outside of strings there is none of that.
fn write_value(out: &mut String, text: &str) {
    for c in text.chars() {
        match c.is_control() || misleads(c) {
            true => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => out.push(c),
        }
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let token = match byte {
            b'{' | b'[' => Token::Open(char::from(byte), 0),
            b'}' | b']' => Token::Close(char::from(byte)),
            b',' => Token::Comma,
            b':' => Token::Colon,
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => {
                let end = value_end(bytes, at);
                // Both ends are at ASCII characters, or the end of the text.
                tokens.extend(text.get(at..end).map(Token::Value));
                at = end;
                continue;
            }
        };
        tokens.push(token);
        at += 1;
    }
    tokens
}

/// Where a value ends that begins at a place.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = match rest.first() {
        Some(b'"') => {
            let mut is_escaped = false;
            let end = rest.iter().skip(1).position(|byte| match (is_escaped, byte) {
                (true, _) => {
                    is_escaped = false;
                    false
                }
                (false, b'\\') => {
                    is_escaped = true;
                    false
                }
                (false, byte) => *byte == b'"',
            });
            end.map(|end| end + 2)
        }
        _ => rest
            .iter()
            .position(|byte| b"{}[],:\"".contains(byte) || byte.is_ascii_whitespace())
            .filter(|length| *length > 0),
    };
    start + length.unwrap_or(rest.len())
}

/// The tokens, each opening bracket with its width.
fn measured(mut tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut passed = 0;
    for at in 0..tokens.len() {
        passed += match tokens[at] {
            Token::Open(..) | Token::Close(_) => 1,
            Token::Comma | Token::Colon => 2,
            Token::Value(text) => text.len(),
        };
        match tokens[at] {
            Token::Open(..) => open.push((at, passed - 1)),
            Token::Close(_) => {
                if let Some((start, before)) = open.pop()
                    && let Some(Token::Open(_, width)) = tokens.get_mut(start)
                {
                    *width = passed - before;
                }
            }
            _ => {}
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::pretty;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn short_parts_stay_on_one_line() {
        let text = r#"{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"on",
            "targeting":{"if":[{"ends_with":[{"var":"email"},"@example.com"]},"on",{"fractional":[["on",10],["off",90]]}]},"metadata":{}}"#;
        let expected = r#"{
  "state": "ENABLED",
  "variants": {"on": true, "off": false},
  "defaultVariant": "on",
  "targeting": {
    "if": [
      {"ends_with": [{"var": "email"}, "@example.com"]},
      "on",
      {"fractional": [["on", 10], ["off", 90]]}
    ]
  },
  "metadata": {}
}"#;
        assert_eq!(pretty(text), expected);
        assert_eq!(pretty(expected), expected);
        assert_eq!(pretty("{}"), "{}");
        assert_eq!(pretty(" [ ] "), "[]");
    }

    #[test]
    fn numbers_stay_and_nothing_hides() {
        let text = "{\"n\":1.50E+2,\"a\u{202e}b\":\"\u{feff}\u{e0001}\u{85}\\u202e\\\"é\"}";
        let told = pretty(text);
        assert!(told.contains("1.50E+2") && told.contains("é"), "{told}");
        assert!(!told.contains(['\u{202e}', '\u{feff}', '\u{e0001}', '\u{85}']), "{told}");
        let [before, after]: [Value; 2] = [text, &told].map(|it| serde_json::from_str(it).unwrap());
        assert_eq!(before, after);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_says_the_same(value in json(), spaced in any::<bool>()) {
            let text = if spaced { format!("{value:#}") } else { value.to_string() };
            let told = pretty(&text);
            prop_assert_eq!(&serde_json::from_str::<Value>(&told).unwrap(), &value);
            prop_assert_eq!(pretty(&told), told);
        }

        #[test]
        fn whatever_comes_is_laid_out(text in "[\\[\\]{},:\"\\\\ a-z\u{202e}é]{0,60}") {
            pretty(&text);
        }
    }
}
