//! Numbers that look random and follow from a seed.

/// A stream of numbers: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
/// Generators, OOPSLA 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of a seed and a number within it.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed);
        let mixed = random.next();
        Self(mixed ^ stream.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Any number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        let product = (self.next() >> 32) * u64::from(end.max(1));
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// Whether something happens that happens `n` times in a thousand.
    pub(super) fn in_thousand(&mut self, n: u32) -> bool {
        self.below(1000) < n
    }

    /// Seconds with about this median, and now and then many times as many: how long people take.
    pub(super) fn about(&mut self, median: u32) -> i64 {
        let doublings = self.next().trailing_ones().min(5);
        let base = median / 3 + self.below(median);
        1 + (i64::from(base) << doublings) * 2 / 3
    }

    /// How many lines a piece of work touches, with about this median, at least 1: a quarter of an
    /// octave a step, as often up as down, and far away seldom (log-normal, near enough).
    pub(super) fn lines(&mut self, median: u32) -> u32 {
        /// The first four quarters of an octave, in 1024ths.
        const QUARTERS: [u64; 4] = [1024, 1218, 1448, 1722];
        let steps = (0..4).fold(0, |steps, _| steps + self.below(9));
        let octaves = steps / 4;
        let lines = (u64::from(median) * QUARTERS[steps as usize % 4]) << octaves >> 14;
        // What falls between the steps.
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        1 + lines + self.below(lines / 5 + 1)
    }

    /// A commit's hash: 40 digits.
    pub(super) fn hash(&mut self) -> String {
        let (a, b, c) = (self.next(), self.next(), self.next() >> 32);
        format!("{a:016x}{b:016x}{c:08x}")
    }
}
