//! What people read of the answers, in lines of 80 columns.

use crate::pages::words::{clean, counted};
use serde_json::Value;

/// A field for people; nothing where it is not known.
fn text(row: &Value, field: &str, most: usize) -> String {
    match &row[field] {
        Value::String(text) => clean(text, most),
        Value::Null => String::new(),
        other => clean(&other.to_string(), most),
    }
}

/// A day of a moment.
fn day(row: &Value, field: &str) -> String {
    text(row, field, 30).chars().take(10).collect()
}

/// Who did something.
fn author(by: &Value) -> String {
    let name = if by["name"].is_null() { "id" } else { "name" };
    text(by, name, 20)
}

/// Cells in columns as wide as they need to be.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(|&it| it.to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|it| it.chars().count()).max()
    };
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn list(rows: &Value) -> String {
    let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) else {
        return "there are no flags".to_owned();
    };
    let row = |row: &Value| {
        vec![
            text(row, "key", 30),
            text(row, "state", 8),
            text(row, "environment", 12),
            text(row, "revision", 6),
            day(row, "changed_at"),
            text(row, "owner", 12),
        ]
    };
    let head = ["KEY", "STATE", "IN", "REV", "CHANGED", "OWNER"];
    table(&head, rows.iter().map(row))
}

pub(super) fn history(rows: &Value) -> String {
    let row = |row: &Value| {
        vec![
            text(row, "revision", 6),
            text(row, "action", 9),
            text(row, "at", 20),
            author(&row["by"]),
            text(row, "reason", 20),
        ]
    };
    let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
    table(&["REV", "ACTION", "AT", "BY", "REASON"], rows.iter().map(row))
}

pub(super) fn flag(flag: &Value) -> String {
    let mut lines = vec![changed(flag)];
    let variants: Vec<String> = flag["variants"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it.as_str().map(|it| clean(it, 30)))
        .collect();
    let by = format!("{} by {}", text(flag, "changed_at", 30), author(&flag["changed_by"]));
    for (name, told) in [
        ("type", text(flag, "kind", 10)),
        ("variants", clean(&variants.join(", "), 60)),
        ("default", text(flag, "default_variant", 60)),
        ("when off", text(flag, "off_variant", 60)),
        ("owner", text(flag, "owner", 60)),
        ("purpose", text(flag, "purpose", 60)),
        ("expires", text(flag, "expires", 60)),
        ("changed", by),
        ("reason", text(flag, "reason", 60)),
    ] {
        if !told.is_empty() {
            lines.push(format!("{name:<10}{told}"));
        }
    }
    if !flag["lock"].is_null() {
        lines.push(format!("locked    {}", clean(&flag["lock"].to_string(), 60)));
    }
    // With its line breaks, and nothing that a terminal would obey.
    let definition = format!("{:#}", flag["definition"]);
    lines.extend(definition.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        format!("{:indent$}{}", "", clean(line, 2_000))
    }));
    lines.join("\n")
}

pub(super) fn changed(flag: &Value) -> String {
    let state = match &flag["definition"] {
        Value::Null => "deleted".to_owned(),
        _ => text(flag, "state", 10),
    };
    let (key, environment) = (text(flag, "key", 100), text(flag, "environment", 63));
    format!("{key} is {state} in {environment} (revision {})", text(flag, "revision", 20))
}

pub(super) fn imported(done: &Value) -> String {
    let count = |name: &str| done[name].as_array().map_or(0, Vec::len);
    let unchanged = done["unchanged"].as_u64().unwrap_or(0);
    let mut lines = vec![format!(
        "{} added, {} changed, {} deleted, {unchanged} as they were",
        count("added"),
        count("changed"),
        count("deleted"),
    )];
    let odd = done["objections"].as_array().map_or(&[][..], Vec::as_slice);
    if !odd.is_empty() {
        lines.push(format!("{} odd:", counted(odd.len(), "thing is", "things are")));
    }
    lines.extend(
        odd.iter().map(|it| format!("{}: {}", text(it, "place", 100), text(it, "reason", 100))),
    );
    lines.join("\n")
}

pub(super) fn preview(preview: &Value) -> String {
    let problems = preview["problems"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<String> = problems
        .iter()
        .map(|it| format!("{}: {}", text(it, "place", 100), text(it, "reason", 100)))
        .collect();
    let moves = &preview["moves"];
    if let Some(seen) = moves["seen"].as_u64() {
        let moved = moves["moved"].as_u64().unwrap_or(0);
        lines.push(match seen {
            0 => "no unit was seen lately, so that nobody knows who would move".to_owned(),
            _ => format!("{moved} of {seen} units that were seen lately would move"),
        });
    }
    let name = |variant: &Value| match variant {
        Value::String(name) => clean(name, 30),
        _ => "the code's default".to_owned(),
    };
    let moves = moves["moves"].as_array().map_or(&[][..], Vec::as_slice);
    lines.extend(moves.iter().map(|it| {
        format!("  {} from {} to {}", text(it, "units", 10), name(&it["from"]), name(&it["to"]))
    }));
    lines.join("\n")
}
