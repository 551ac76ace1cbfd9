//! Statistics of durations, some of which have not ended yet.
