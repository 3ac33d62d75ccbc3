//! Progress on standard error: a bar on a terminal for work over half a second, else a line each ten seconds.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Context;
use crate::files;
use crate::image::Source;
use crate::x509::{Time, rfc3339};

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Style {
    #[default]
    Auto,
    /// A JSON object a line, each second.
    Jsonl,
    None,
}

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Between two JSON lines.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// The progress of one stream of bytes.
pub struct Progress {
    style: Style,
    what: &'static str,
    total: Option<u64>,
    started: Instant,
    last: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts; nothing is shown yet. `total` is the number of bytes, where that is known.
    pub fn new(context: &Context, what: &'static str, total: Option<u64>) -> Self {
        let now = Instant::now();
        Self { style: context.progress, what, total, started: now, last: now, bar: None }
    }

    /// Takes note of `done` bytes.
    pub fn observe(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let now = Instant::now();
        match self.style {
            Style::None => {}
            Style::Auto if std::io::stderr().is_terminal() => {
                if now - self.started >= PATIENCE {
                    self.bar = Some(self.bar());
                }
            }
            Style::Auto => {
                if now - self.last >= LINE_INTERVAL {
                    self.last = now;
                    let total = self.total.map_or(String::new(), |total| format!(" of {}", total >> 20));
                    let _ = writeln!(std::io::stderr(), "bulla: {} {}{total} MiB", self.what, done >> 20);
                }
            }
            Style::Jsonl => {
                if now - self.last >= JSON_INTERVAL {
                    self.last = now;
                    let line =
                        json!({"schema": "bulla.progress/1", "what": self.what, "done": done, "total": self.total});
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
            }
        }
    }

    fn bar(&self) -> ProgressBar {
        let (bar, template) = match self.total {
            Some(total) => (ProgressBar::new(total), "{msg} {bar:30} {bytes}/{total_bytes} {eta}"),
            None => (ProgressBar::no_length(), "{msg} {bytes} {elapsed}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.with_message(self.what)
    }
}

/// Opens an image. The progress of reading it is shown until it is closed.
pub fn open<'a>(context: &Context, what: &'static str, path: &Path) -> Result<Source<'a>, files::Error> {
    let mut progress = Progress::new(context, what, files::size(path));
    Source::open(path, move |done| progress.observe(done))
}

/// Tells that nothing happens until a time, since a CA decides later.
pub fn waiting(context: &Context, until: Time) {
    let until = rfc3339(until);
    let line = match context.progress {
        Style::None => return,
        Style::Auto => format!("bulla: the CA has not decided yet, it is asked again at {until}"),
        Style::Jsonl => json!({"schema": "bulla.progress/1", "what": "waiting", "until": until}).to_string(),
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
