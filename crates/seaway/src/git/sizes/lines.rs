//! How many lines differ between two texts.

use gix::bstr::ByteSlice;
use gix::diff::blob::{Algorithm, Diff, Interner, Token};

use super::trees::shared_prefix;

/// The Myers search leaves out frequent lines within runs of at least this many lines that the
/// other text lacks; below, the lines around a change have no say in how it is counted.
const RUN_THAT_PRUNES: u32 = 7;

/// Compares texts line by line, as `git diff` does by default. Its memory is used again.
#[derive(Default)]
pub(super) struct Lines {
    diff: Diff,
    old: Vec<Token>,
    new: Vec<Token>,
}

impl Lines {
    /// Lines added and deleted between two texts.
    ///
    /// Most changes are one insertion, one deletion or one small spot in a large file: what both
    /// texts share at their ends is found by comparing bytes, and only the lines between are told
    /// apart. The shared lines are looked at only where their number sways the search.
    pub(super) fn compare(&mut self, old: &[u8], new: &[u8]) -> (u32, u32) {
        let (start, old_middle, new_middle, end) = split(old, new);
        let (deleted, added) = (count(old_middle), count(new_middle));
        if deleted == 0 || added == 0 || (deleted, added) == (1, 1) {
            return (added, deleted);
        }
        let mut lines = Interner::new((deleted + added) as usize);
        self.old.clear();
        self.new.clear();
        let around = deleted.max(added) >= RUN_THAT_PRUNES;
        if around {
            self.old.extend(start.lines_with_terminator().map(|line| lines.intern(line)));
            self.new.extend_from_slice(&self.old);
        }
        self.old.extend(old_middle.lines_with_terminator().map(|line| lines.intern(line)));
        self.new.extend(new_middle.lines_with_terminator().map(|line| lines.intern(line)));
        if around {
            let middle = self.old.len();
            self.old.extend(end.lines_with_terminator().map(|line| lines.intern(line)));
            self.new.extend(self.old.iter().skip(middle));
        }
        self.diff.compute_with(Algorithm::Myers, &self.old, &self.new, lines.num_tokens());
        (self.diff.count_additions(), self.diff.count_removals())
    }
}

/// Whole lines shared at the start, the old and the new lines between, lines shared at the end.
fn split<'a>(old: &'a [u8], new: &'a [u8]) -> (&'a [u8], &'a [u8], &'a [u8], &'a [u8]) {
    let shared = shared_prefix(old, new);
    let (start, _) = old.split_at(shared);
    let (start, old) = old.split_at(start.rfind_byte(b'\n').map_or(0, |last| last + 1));
    let new = new.get(start.len()..).unwrap_or(&[]);
    let end = lines_shared_at_end(old, new);
    let (old, shared) = old.split_at(old.len() - end);
    (start, old, new.get(..new.len() - end).unwrap_or(&[]), shared)
}

/// Bytes of the whole lines that two texts share at their end. Both begin with a line.
fn lines_shared_at_end(old: &[u8], new: &[u8]) -> usize {
    let shared = shared_suffix(old, new);
    let begins_line = |text: &[u8]| {
        let before = text.len() - shared;
        before == 0 || text.get(before - 1) == Some(&b'\n')
    };
    if begins_line(old) && begins_line(new) {
        return shared;
    }
    let tail = old.get(old.len() - shared..).unwrap_or(&[]);
    tail.find_byte(b'\n').map_or(0, |first| shared - first - 1)
}

/// How many bytes two slices share at their end.
fn shared_suffix(one: &[u8], two: &[u8]) -> usize {
    const STEP: usize = 64;
    let steps = one.rchunks_exact(STEP).zip(two.rchunks_exact(STEP));
    let whole = steps.take_while(|(one, two)| one == two).count() * STEP;
    let one = one.get(..one.len() - whole).unwrap_or(&[]);
    let two = two.get(..two.len() - whole).unwrap_or(&[]);
    let ends = one.iter().rev().zip(two.iter().rev());
    whole + ends.take_while(|(one, two)| one == two).count()
}

/// Lines of a text; a last one without newline counts.
fn count(text: &[u8]) -> u32 {
    let newlines = gix::bstr::ByteSlice::find_iter(text, b"\n").count();
    let open = !text.is_empty() && !text.ends_with(b"\n");
    u32::try_from(newlines + usize::from(open)).unwrap_or(u32::MAX)
}
