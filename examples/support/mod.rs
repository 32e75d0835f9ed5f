//! What the examples share: how they read a command line, tell what they have to say, show that something takes
//! long, and fail. Command lines and the screen are those of the program `aws-credential-doctor`.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "no example needs all of it"
)]

#[path = "../../src/bin/aws-credential-doctor/arguments.rs"]
pub(crate) mod arguments;
#[path = "../../src/bin/aws-credential-doctor/screen.rs"]
pub(crate) mod screen;

use arguments::{Given, Program};
use indicatif::{ProgressBar, ProgressStyle};
use screen::{WIDTH, fold, warn};
use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, stderr};
use std::ops::RangeInclusive;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::str::FromStr;
#[cfg(unix)]
use tokio::{io::Interest, net::unix::pipe::Sender};

/// How this example is called.
pub(crate) const NAME: &str = concat!("cargo run --example ", env!("CARGO_CRATE_NAME"), " --");

/// [`say`] with the arguments of `println!`.
macro_rules! tell {
    ($($part:tt)*) => { crate::support::say(&format!($($part)*)) };
}
pub(crate) use tell;

/// A line or several, to stdout. Where its reader has gone, as `head -1` does, there is nobody left to run for:
/// ends the process, quietly.
pub(crate) fn say(text: &str) {
    let Err(error) = screen::put(text) else {
        return;
    };
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    warn(&format!("error: stdout cannot be written: {error}"));
    std::process::exit(1);
}

/// Ends when whoever read stdout has gone, which a program that has nothing to say does not notice. Never
/// ends where stdout is a file or a terminal.
pub(crate) async fn reader_gone() {
    #[cfg(unix)]
    if let Ok(out) = io::stdout().as_fd().try_clone_to_owned()
        // nothing is written through it, so that it may block
        && let Ok(out) = Sender::from_owned_fd_unchecked(out)
    {
        let _ = out.ready(Interest::ERROR).await;
        return;
    }
    std::future::pending().await
}

impl Program {
    /// The number of this option if it is within the range; the default where none was given. Ends the process
    /// with the usage otherwise.
    pub(crate) fn number<N>(
        &self,
        given: &Given,
        name: &str,
        default: N,
        range: RangeInclusive<N>,
    ) -> N
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = given.value(name) else {
            return default;
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.unwrap_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.refuse_and_exit(&format!(
                "--{name}: expected a number from {least} to {most}, got {text:?}"
            ))
        })
    }

    /// Says what is wrong with the command line, and how it goes.
    pub(crate) fn refuse_and_exit(&self, wrong: &str) -> ! {
        self.refuse(wrong);
        std::process::exit(i32::from(arguments::USAGE))
    }
}

/// Shows on stderr that something takes long: a bar on a terminal, else one line at the beginning.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `what` goes on for about `takes`, counted up to `length`.
    pub(crate) fn begin(what: &str, takes: &str, length: u64, unit: &str) -> Self {
        if !stderr().is_terminal() {
            warn(&fold(&format!("… {what}, takes {takes}"), WIDTH));
        }
        let style = format!("{{msg}} [{{bar:24}}] {{pos}}/{{len}} {unit}");
        let style = ProgressStyle::with_template(&style);
        let bar = ProgressBar::new(length)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_message(what.to_owned());
        Progress(bar)
    }

    pub(crate) fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Says something else in front of the bar.
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    /// Makes room for what is told meanwhile.
    pub(crate) fn beside(&self, tell: impl FnOnce()) {
        self.0.suspend(tell);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Why an example failed. When `main` returns it, error and causes stand in lines of 80 columns.
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }

    /// Of an error whose type is no longer known.
    pub(crate) fn of(error: Box<dyn Error + Send + Sync>) -> Self {
        Failure::chain(&*error)
    }

    fn chain(error: &(dyn Error + 'static)) -> Self {
        // the crate's own know how they are shown
        if let Some(error) = error.downcast_ref::<aws_credential_strategies::Error>() {
            return Failure(format!("{error:?}"));
        }
        let mut text = error.to_string();
        let mut below = error.source();
        while let Some(cause) = below {
            text.push_str(&format!("\n    {cause}"));
            below = cause.source();
        }
        Failure(text)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::chain(&error)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the runtime writes this much in front of it
        const PREFIX: &str = "Error: ";
        let text = fold(&format!("{PREFIX}{}", self.0), WIDTH);
        f.write_str(text.strip_prefix(PREFIX).unwrap_or(&text))
    }
}
