//! A line that tells how far long work has come, where somebody is watching.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long work may take before a line appears, and how often it is drawn.
const EVERY: Duration = Duration::from_millis(120);

/// How far something has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// What is being done: `reading commits`.
    pub(crate) what: String,
    pub(crate) done: u64,
    /// `None` where nobody knows how much there is.
    pub(crate) total: Option<u64>,
}

/// Draws the state of some work until it is dropped.
pub(crate) struct Line {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Line {
    /// Asks `state` again and again, on a thread of its own, if standard error is a terminal.
    pub(crate) fn draw(state: impl Fn() -> State + Send + 'static) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { thread: None };
        }
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let bar = ProgressBar::new_spinner();
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let State { what, done, total } = state();
                let template = match total {
                    Some(total) => {
                        bar.set_length(total);
                        "{msg} {wide_bar} {human_pos}/{human_len}"
                    }
                    None => "{spinner} {msg} {human_pos}",
                };
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style);
                }
                bar.set_message(what);
                bar.set_position(done);
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Self { thread: Some((stop, thread)) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // A line that could not be drawn is no reason to fail.
            let _ = thread.join();
        }
    }
}
