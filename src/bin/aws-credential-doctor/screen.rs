//! What goes to the terminal or the pipe: folded lines, a closed end that is no fault, and a sign of life.

use std::convert::Infallible;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No line is wider, unless it holds a word that is.
pub(crate) const WIDTH: usize = 80;
/// What takes longer is said to be going on.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(250);

/// The reader of stdout has gone, as `head -1` does.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// A line or several, to stdout; nothing more once its reader has gone, which is no fault.
pub(crate) fn say(text: &str) {
    if !CLOSED.load(Ordering::Relaxed) && put(text).is_err() {
        CLOSED.store(true, Ordering::Relaxed);
    }
}

/// The same, and what came of it.
pub(crate) fn put(text: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

/// The same to stderr.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Folds long lines at spaces, and commands so that they can be pasted; documents and code stay as they
/// are.
pub(crate) fn fold(text: &str, width: usize) -> String {
    let lines = text.lines().map(|line| fold_line(line, width));
    lines.collect::<Vec<_>>().join("\n")
}

fn fold_line(line: &str, width: usize) -> String {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    if line.chars().count() <= width || text.starts_with(['{', '}', '[', ']', '"', '.']) {
        return line.to_owned();
    }
    let is_command = ["aws ", "curl ", "sudo "]
        .iter()
        .any(|program| text.starts_with(program));
    if is_command {
        return broken(&parts_of(text), indent, indent + 2, width, " \\");
    }
    // beside a column of its own, as in a list of options, or under the text
    let hanging = match text.rsplit_once("  ") {
        Some((column, rest)) if indent > 0 => indent + column.chars().count() + 2 + leading(rest),
        _ => indent + 2,
    };
    let (head, rest) = match text.rsplit_once("  ") {
        Some((column, rest)) if indent > 0 => (format!("{column}  "), rest.to_owned()),
        _ => (String::new(), text.to_owned()),
    };
    let words: Vec<String> = rest.split(' ').map(str::to_owned).collect();
    let mut words = words;
    if let Some(first) = words.first_mut() {
        first.insert_str(0, &head);
    }
    broken(&words, indent, hanging, width, "")
}

fn leading(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// A command's words, each option with its value.
fn parts_of(command: &str) -> Vec<String> {
    let mut parts = command.split(" --");
    let first = parts.next().unwrap_or_default().to_owned();
    let options = parts.map(|option| format!("--{option}"));
    std::iter::once(first).chain(options).collect()
}

fn broken(parts: &[String], indent: usize, hanging: usize, width: usize, end: &str) -> String {
    let mut out = " ".repeat(indent);
    let mut column = indent;
    for (n, part) in parts.iter().enumerate() {
        let long = part.chars().count();
        let last = n + 1 == parts.len();
        let reserve = if last { 0 } else { end.len() };
        if n > 0 {
            if column + 1 + long + reserve > width {
                out.push_str(end);
                out.push('\n');
                out.push_str(&" ".repeat(hanging));
                column = hanging;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(part);
        column += long;
    }
    out
}

/// Tells on stderr what takes long: on a terminal a line that goes away again, else one that stays.
pub(crate) struct Waiting {
    now: Mutex<Option<Wait>>,
    terminal: bool,
}

struct Wait {
    what: String,
    since: Instant,
    shown: bool,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Waiting {
            now: Mutex::new(None),
            terminal: stderr().is_terminal(),
        }
    }

    pub(crate) fn begin(&self, what: impl Into<String>) {
        self.end();
        *self.lock() = Some(Wait {
            what: what.into(),
            since: Instant::now(),
            shown: false,
        });
    }

    pub(crate) fn end(&self) {
        let shown = self.lock().take().is_some_and(|wait| wait.shown);
        if shown && self.terminal {
            let _ = write!(stderr().lock(), "\r\x1b[2K");
        }
    }

    /// Never ends; to be run beside the work.
    pub(crate) async fn tell(&self) -> Infallible {
        loop {
            tokio::time::sleep(TICK).await;
            self.tick();
        }
    }

    fn tick(&self) {
        let mut now = self.lock();
        let Some(wait) = now.as_mut() else { return };
        let passed = wait.since.elapsed();
        if passed < PATIENCE || (wait.shown && !self.terminal) {
            return;
        }
        wait.shown = true;
        let mut err = stderr().lock();
        let _ = match self.terminal {
            true => write!(err, "\r\x1b[2K… {}, {} s", wait.what, passed.as_secs()),
            false => writeln!(err, "… {}", wait.what),
        };
        let _ = err.flush();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Wait>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
