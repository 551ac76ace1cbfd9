//! Writing many rows with few statements.

use super::database::Engine;
use sqlx::any::AnyArguments;
use sqlx::{AnyConnection, Arguments, AssertSqlSafe};
use std::fmt::Write as _;
use std::sync::Arc;

/// How many rows the statements take: each size is one text, so that its prepared statement is
/// used again and again. Many rows are cut into as few of them as possible.
const SIZES: [usize; 4] = [256, 64, 8, 1];

/// A statement on any number of rows of values.
///
/// ```ignore
/// let upsert = Many::new(
///     database.engine(),
///     "INSERT INTO facts (scope, key, body) VALUES",
///     3,
///     "ON CONFLICT (scope, key) DO UPDATE SET body = excluded.body",
/// );
/// upsert.run(&mut transaction, &facts, |fact, values| {
///     values.text(&fact.scope).text(&fact.key).bytes(&fact.body);
/// }).await?;
///
/// let delete =
///     Many::new(engine, "DELETE FROM facts WHERE (scope, key) IN (VALUES", 2, ")");
/// ```
///
/// It is one text with `(…), (…)` between its head and its tail. Make it once and keep it. It runs
/// several statements, so give it a transaction. Rows of one call that meet in an `ON CONFLICT … DO
/// UPDATE` must differ in their keys: PostgreSQL refuses to update a row twice in one statement.
#[derive(Debug, Clone)]
pub(crate) struct Many {
    /// One a size.
    texts: [Arc<str>; SIZES.len()],
    /// Values in a row.
    width: usize,
}

impl Many {
    /// A statement with rows of `width` values (at most 127, by SQLite's bound of values in a
    /// statement) between `head` and `tail`.
    pub(crate) fn new(engine: Engine, head: &str, width: usize, tail: &str) -> Self {
        let texts = SIZES.map(|rows| text(engine, head, width, rows, tail).into());
        Self { texts, width }
    }

    /// Runs it on all rows, in order; `values` adds the values of a row, in the order of the
    /// columns. Returns how many rows were affected.
    ///
    /// # Errors
    /// A statement fails (those before it have run), or `values` added another number of values
    /// than the width.
    pub(crate) async fn run<T: Sync>(
        &self,
        connection: &mut AnyConnection,
        mut rows: &[T],
        values: impl Fn(&T, &mut Values) + Send + Sync,
    ) -> Result<u64, sqlx::Error> {
        let mut affected = 0;
        for (text, size) in self.texts.iter().zip(SIZES) {
            while let Some((now, later)) = rows.split_at_checked(size) {
                let mut all = Values(AnyArguments::default());
                all.0.reserve(size * self.width, 0);
                for row in now {
                    values(row, &mut all);
                }
                if all.0.len() != size * self.width {
                    let what = format!("{} values for {size} × {}", all.0.len(), self.width);
                    return Err(sqlx::Error::Protocol(what));
                }
                let query = sqlx::query_with(AssertSqlSafe(Arc::clone(text)), all.0);
                affected += query.execute(&mut *connection).await?.rows_affected();
                rows = later;
            }
        }
        Ok(affected)
    }
}

/// The values of rows: the types that all databases share.
pub(crate) struct Values(AnyArguments);

impl Values {
    /// A BIGINT.
    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        self.add(value)
    }

    /// A BIGINT or NULL.
    pub(crate) fn maybe_int(&mut self, value: Option<i64>) -> &mut Self {
        self.add(value)
    }

    /// A TEXT. PostgreSQL takes none with a NUL in it.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.add(value)
    }

    /// A TEXT or NULL.
    pub(crate) fn maybe_text(&mut self, value: Option<&str>) -> &mut Self {
        self.add(value)
    }

    /// Bytes: a BLOB or BYTEA.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.add(value)
    }

    fn add<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: sqlx::Encode<'t, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        // A value that is not added is missed when the values are counted.
        let _ = self.0.add(value);
        self
    }
}

/// The text for `rows` rows. SQLite looks up a numbered value by a walk through all of them, which
/// is quadratic in long statements, so it gets plain question marks. And it would keep a copy of
/// every page that an insertion touches, to undo that one statement if it fails; here the whole
/// transaction is given up then.
fn text(engine: Engine, head: &str, width: usize, rows: usize, tail: &str) -> String {
    let mut text = match engine {
        Engine::Sqlite => head.replacen("INSERT INTO", "INSERT OR FAIL INTO", 1),
        Engine::Postgres => head.to_owned(),
    };
    for row in 0..rows {
        text.push_str(if row == 0 { " (" } else { ", (" });
        for column in 1..=width {
            let comma = if column == 1 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = match engine {
                Engine::Sqlite => write!(text, "{comma}?"),
                Engine::Postgres => write!(text, "{comma}${}", row * width + column),
            };
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_where_they_must_be() {
        let sqlite = text(Engine::Sqlite, "INSERT INTO t VALUES", 2, 2, "ON CONFLICT DO NOTHING");
        assert_eq!(sqlite, "INSERT OR FAIL INTO t VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING");
        let postgres = text(Engine::Postgres, "DELETE FROM t WHERE k IN (VALUES", 1, 3, ")");
        assert_eq!(postgres, "DELETE FROM t WHERE k IN (VALUES ($1), ($2), ($3) )");
    }
}
