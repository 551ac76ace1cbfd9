//! What must hold of files of deployment records, whatever they are.

use super::{Rows, parse_time};

/// A file of deployment records.
pub fn deployments(data: &[u8]) {
    let Ok(rows) = Rows::parse(data, "d.csv") else { return };
    assert_eq!(Rows::parse(data, "d.csv").ok().as_ref(), Some(&rows), "the same twice");
    let lines = data.iter().filter(|&&byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
    assert!(rows.rows.len() + rows.broken.len() < lines as usize, "one line names the columns");
    for row in &rows.rows {
        assert!((2..=lines).contains(&row.line), "{} of {lines}", row.line);
        assert_eq!(row.revision.trim(), row.revision);
        let moment = parse_time(&row.finished_at);
        let again = moment.map(|it| it.to_string());
        assert_eq!(again.and_then(|it| parse_time(&it)), moment);
    }
    if let Ok(Some(chosen)) = rows.environment(None, "d.csv") {
        assert!(rows.rows.iter().any(|row| row.environment.as_ref() == Some(&chosen)));
        let asked = rows.environment(Some(&chosen), "d.csv").ok().flatten();
        assert!(asked.is_some_and(|it| it.eq_ignore_ascii_case(&chosen)));
    }
}
