//! Command lines: a table of options, read strictly. What is not in the table, has no effect as it was
//! given, or lacks its value, is an error with the usage under it.

use super::screen::{WIDTH, fold, say, warn};
use lexopt::{Arg, Parser};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

/// The exit status of a command line that cannot be understood.
pub(crate) const USAGE: u8 = 2;

const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// What a program takes.
pub(crate) struct Program {
    /// As it is called: `cargo run --example doctor --`.
    pub(crate) name: &'static str,
    /// What it is for, in a sentence or a few.
    pub(crate) about: &'static str,
    pub(crate) options: &'static [Opt],
    /// Stands below the options in the help; exit statuses, for example.
    pub(crate) notes: &'static str,
}

/// One option.
pub(crate) struct Opt {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// Stands for the value, where it takes one.
    pub(crate) value: Option<&'static str>,
    pub(crate) help: &'static str,
    /// It has an effect only beside this option, or only without it.
    pub(crate) only: Only,
}

#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each program needs some of them")]
pub(crate) enum Only {
    Always,
    With(&'static str),
    Without(&'static str),
}

impl Only {
    fn note(self) -> String {
        match self {
            Only::Always => String::new(),
            Only::With(other) => format!("; only with --{other}"),
            Only::Without(other) => format!("; not with --{other}"),
        }
    }
}

impl Opt {
    pub(crate) const fn flag(name: &'static str, help: &'static str) -> Self {
        Opt {
            name,
            value: None,
            help,
            only: Only::Always,
        }
    }

    pub(crate) const fn value(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Opt {
            value: Some(value),
            ..Opt::flag(name, help)
        }
    }

    pub(crate) const fn only(self, only: Only) -> Self {
        Opt { only, ..self }
    }
}

/// The options that were given, with their values.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<&'static str, String>);

impl Given {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A command line, understood.
#[derive(Debug)]
enum Line {
    Help,
    Run(Given),
    Version,
}

impl Program {
    /// Reads this process's command line; otherwise the status to end with, when everything has been
    /// said: help was asked for, or the line is wrong.
    #[allow(dead_code, reason = "for programs whose main returns a status")]
    pub(crate) fn read(&self) -> Result<Given, ExitCode> {
        self.given().map_err(ExitCode::from)
    }

    /// The same, and ends the process where there is nothing to run.
    #[allow(dead_code, reason = "for programs whose main returns something else")]
    pub(crate) fn read_or_exit(&self) -> Given {
        self.given()
            .unwrap_or_else(|status| std::process::exit(i32::from(status)))
    }

    fn given(&self) -> Result<Given, u8> {
        let text = match self.understand(std::env::args_os().skip(1)) {
            Ok(Line::Run(given)) => return Ok(given),
            Ok(Line::Help) => self.help(),
            Ok(Line::Version) => VERSION.to_owned(),
            Err(wrong) => {
                self.refuse(&wrong);
                return Err(USAGE);
            }
        };
        say(&text);
        Err(0)
    }

    /// Says what is wrong with the command line, and how it goes.
    pub(crate) fn refuse(&self, wrong: &str) -> ExitCode {
        warn(&fold(&format!("error: {wrong}"), WIDTH));
        warn(&format!("\n{}", self.usage()));
        ExitCode::from(USAGE)
    }

    fn understand(&self, line: impl IntoIterator<Item = OsString>) -> Result<Line, String> {
        let mut parser = Parser::from_args(line);
        let mut given = Given::default();
        loop {
            let option = match parser.next().map_err(|error| error.to_string())? {
                None => break,
                Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Line::Help),
                Some(Arg::Short('V') | Arg::Long("version")) => return Ok(Line::Version),
                Some(Arg::Long(name)) => {
                    let known = self.options.iter().find(|option| option.name == name);
                    known.ok_or_else(|| format!("--{name} is not known"))?
                }
                Some(Arg::Short(letter)) => return Err(format!("-{letter} is not known")),
                Some(Arg::Value(value)) => {
                    return Err(format!(
                        "{:?} is not expected here",
                        value.to_string_lossy()
                    ));
                }
            };
            let value = match option.value {
                None => String::new(),
                Some(what) => {
                    let value = parser
                        .value()
                        .map_err(|_| format!("--{} needs a value, {what}", option.name))?;
                    let text = value
                        .into_string()
                        .map_err(|_| format!("--{}: its value is not UTF-8", option.name))?;
                    // else `--region --json` would take an option for a region
                    if text.is_empty() || text.starts_with("--") {
                        return Err(format!("--{} needs a value, {what}", option.name));
                    }
                    text
                }
            };
            if given.0.insert(option.name, value).is_some() {
                return Err(format!("--{} is given twice", option.name));
            }
        }
        for option in self.options.iter().filter(|option| given.has(option.name)) {
            match option.only {
                Only::With(other) if !given.has(other) => {
                    return Err(format!("--{} has no effect without --{other}", option.name));
                }
                Only::Without(other) if given.has(other) => {
                    return Err(format!("--{} has no effect with --{other}", option.name));
                }
                _ => {}
            }
        }
        Ok(Line::Run(given))
    }

    fn usage(&self) -> String {
        let has_options = if self.options.is_empty() {
            "[--help]"
        } else {
            "[options]"
        };
        let mut text = format!("usage: {} {has_options}\n\noptions:\n", self.name);
        let help = Opt::flag("help", "say this");
        for option in self.options.iter().chain([&help]) {
            let name = match option.value {
                Some(value) => format!("--{} {value}", option.name),
                None => format!("--{}", option.name),
            };
            let _ = writeln!(
                text,
                "{}",
                fold(
                    &format!("  {name:<22} {}{}", option.help, option.only.note()),
                    WIDTH
                )
            );
        }
        text.trim_end().to_owned()
    }

    fn help(&self) -> String {
        // paragraphs, which hang nowhere
        let about = fold(self.about, WIDTH).replace("\n  ", "\n");
        let notes = fold(self.notes, WIDTH);
        format!("{about}\n\n{}\n\n{notes}", self.usage())
            .trim_end()
            .to_owned()
    }
}
