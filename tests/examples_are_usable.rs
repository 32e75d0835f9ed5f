//! Promise: each example serves a stranger. `--help` says what it does, takes and costs; what it does not understand, or
//! what has no effect, is refused with the usage; a reader of stdout who goes is no fault; what takes long says so
//! first; lines fit into 80 columns; what `compare` shows on its page is what it says in its table.
//!
//! Runs the programs that `cargo test --all-features` has built.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../examples/compare/outcome.rs"]
#[allow(dead_code, reason = "the run itself is CI's")]
mod outcome;
#[path = "../examples/compare/page.rs"]
mod page;

use outcome::{
    AWAY, BACK, COLD, Conditions, Counts, HEALTHY, Lane, Phase, Reads, Timeline, cells, table,
    verdict,
};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// No example that is left alone ends later, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// All there are, by their files.
fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let programs = entries.filter(|path| match path.is_dir() {
        true => path.join("main.rs").exists(),
        false => path.extension().is_some_and(|extension| extension == "rs"),
    });
    let mut names: Vec<_> = programs
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let built: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        built.exists(),
        "{} is not there: cargo build --all-features --examples",
        built.display()
    );
    let mut command = Command::new(built);
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What it is called with so that it takes a few seconds at most.
fn briefly(name: &str) -> &'static [&'static str] {
    match name {
        "fleet" => &["--hosts", "20", "--admit", "20", "--cold"],
        "tenants" => &["--tenants", "20"],
        _ => &[],
    }
}

/// Runs until they are ended.
const LONG: [&str; 2] = ["compare", "local_cloud"];

struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

fn ended(
    Output {
        status,
        stdout,
        stderr,
    }: Output,
) -> Ended {
    let ended = Ended {
        status: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    };
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    ended
}

fn run(name: &str, arguments: &[&str]) -> Ended {
    ended(program(name).args(arguments).output().unwrap())
}

/// Waits for a program to end by itself.
fn wait(mut child: Child, name: &str) -> Ended {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{name} does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ended(child.wait_with_output().unwrap())
}

/// Documents and data stand as they are, and so does a word that is too long by itself.
fn too_wide(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.chars().count() > 80);
    let told = lines.filter(|line| !line.trim_start().starts_with(['{', '"']));
    told.filter(|line| {
        !line
            .split_whitespace()
            .any(|word| word.chars().count() > 70)
    })
    .collect()
}

/// The options of a help text, each with all that is said of it.
fn options(help: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    let (_, list) = help.split_once("\noptions:\n").unwrap();
    for line in list.lines().take_while(|line| !line.is_empty()) {
        match line.strip_prefix("  --") {
            Some(option) => {
                let name = option.split_whitespace().next().unwrap();
                options.push((format!("--{name}"), option.to_owned()));
            }
            None => {
                let said = &mut options.last_mut().unwrap().1;
                said.push(' ');
                said.push_str(line.trim());
            }
        }
    }
    options
}

#[test]
fn help_says_what_it_does_takes_and_costs() {
    for name in examples() {
        for help in ["--help", "-h"] {
            let ended = run(&name, &[help]);
            assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{name}");
            let usage = format!("--example {name} -- [");
            for part in [
                "usage: cargo run ",
                &usage,
                "\ntakes: ",
                "\ncosts: ",
                "  --help  ",
            ] {
                assert!(ended.out.contains(part), "{name}: {part}\n{}", ended.out);
            }
            let (about, _) = ended.out.split_once("\n\nusage: ").unwrap();
            assert!(about.len() > 60, "{name}: {about}");
            let with_aws = options(&ended.out)
                .iter()
                .any(|(option, _)| option == "--aws");
            let (_, costs) = ended.out.split_once("\ncosts: ").unwrap();
            assert_eq!(costs.contains("with --aws"), with_aws, "{name}: {costs}");
            assert_eq!(too_wide(&ended.out), [""; 0], "{name}");
        }
    }
}

#[test]
fn what_is_not_understood_is_usage_and_status_2() {
    let anything: [(&[&str], &str); 3] = [
        (&["--no-such-option"], "--no-such-option is not known"),
        (&["-x"], "-x is not known"),
        (&["stray"], "\"stray\" is not expected"),
    ];
    for name in examples() {
        for (arguments, part) in anything {
            refused(&name, arguments, part);
        }
    }
    let cases: [(&str, &[&str], &str); 12] = [
        ("compare", &["--html"], "--html needs a value"),
        (
            "compare",
            &["--html", "/nonexistent/page.html"],
            "--html /nonexistent/page.html: ",
        ),
        (
            "doctor",
            &["--fault", "nonsense"],
            "--fault nonsense is not known",
        ),
        (
            "fleet",
            &["--hosts", "0"],
            "--hosts: expected a number from 1 to",
        ),
        ("fleet", &["--hosts", "many"], "got \"many\""),
        ("fleet", &["--cold", "--cold"], "--cold is given twice"),
        (
            "local_cloud",
            &["--imds-port", "70000"],
            "--imds-port: expected a number from 0 to 65535",
        ),
        (
            "local_cloud",
            &["--session-seconds", "0"],
            "--session-seconds: expected a number from 1",
        ),
        ("option_b", &["--aws"], "--aws needs --role-arn"),
        (
            "setup",
            &["--region", "mars-north-1"],
            "--region mars-north-1",
        ),
        (
            "tenants",
            &["--tenants", "-1"],
            "--tenants: expected a number from 1 to",
        ),
        ("tenants", &["--admit"], "--admit needs a value"),
    ];
    for (name, arguments, part) in cases {
        refused(name, arguments, part);
    }
}

/// With the usage under it, before anything is done.
fn refused(name: &str, arguments: &[&str], part: &str) {
    let ended = run(name, arguments);
    assert_eq!(ended.status, Some(2), "{name} {arguments:?}: {}", ended.err);
    assert_eq!(ended.out, "", "{name} {arguments:?}");
    let (wrong, usage) = ended.err.split_once("\n\nusage: ").unwrap();
    let wrong = wrong.replace("\n  ", " ");
    assert!(
        wrong.starts_with("error: "),
        "{name} {arguments:?}: {wrong}"
    );
    assert!(wrong.contains(part), "{name} {arguments:?}: {wrong}");
    assert!(usage.contains("--help"), "{name} {arguments:?}: {usage}");
    assert_eq!(too_wide(&ended.err), [""; 0], "{name} {arguments:?}");
}

#[test]
fn an_option_that_has_no_effect_is_refused() {
    let mut tried = 0;
    for name in examples() {
        let help = run(&name, &["--help"]).out;
        for (option, said) in options(&help) {
            let argument = format!("{option}=1");
            if let Some((_, other)) = said.split_once("; only with ") {
                let other = other.split_whitespace().next().unwrap();
                let wrong = format!("{option} has no effect without {other}");
                refused(&name, &[&argument], &wrong);
                tried += 1;
            }
            if let Some((_, other)) = said.split_once("; not with ") {
                let other = other.split_whitespace().next().unwrap();
                let wrong = format!("{option} has no effect with {other}");
                refused(&name, &[&argument, other], &wrong);
                tried += 1;
            }
        }
    }
    // of both options, doctor and set-up
    assert!(tried >= 11, "{tried}");
    // what Option B is told, A need not know
    refused(
        "option_a",
        &["--aws", "--role-arn=1"],
        "--role-arn is not known",
    );
}

#[test]
fn a_reader_who_goes_is_no_fault() {
    let names = examples();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut child = program(name).args(briefly(name)).spawn().unwrap();
            drop(child.stdout.take());
            (name, child)
        })
        .collect();
    for (name, child) in children {
        let ended = wait(child, name);
        assert_eq!(ended.status, Some(0), "{name}: {}", ended.err);
        let silent = ended.err.lines().all(|line| line.starts_with("… "));
        assert!(silent, "{name}: {}", ended.err);
    }
    // of those that would run on: one line, as `head -1` does
    for name in LONG {
        let mut child = program(name).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        assert!(!line_of(&mut out).is_empty(), "{name}");
        drop(out);
        let ended = wait(child, name);
        assert_eq!(ended.status, Some(0), "{name}: {}", ended.err);
    }
}

fn line_of(out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn lines_fit_into_80_columns() {
    for name in examples()
        .iter()
        .filter(|name| !LONG.contains(&name.as_str()))
    {
        let ended = run(name, briefly(name));
        assert_eq!(ended.status, Some(0), "{name}: {}", ended.err);
        assert!(!ended.out.is_empty(), "{name}");
        for text in [&ended.out, &ended.err] {
            assert_eq!(too_wide(text), [""; 0], "{name}");
        }
    }
    let mut child = program("local_cloud").spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = line_of(&mut out);
    while !told.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI=") {
        told.push_str(&line_of(&mut out));
    }
    drop(out);
    assert_eq!(too_wide(&told), [""; 0]);
    wait(child, "local_cloud");
}

#[test]
fn an_error_fits_too_and_says_why() {
    // nobody listens on the discard port
    for (name, arguments) in [
        ("option_a", &["--aws", "--region=us-east-1"][..]),
        ("local_cloud", &["--setup=/nonexistent/setup.json"]),
    ] {
        let mut command = program(name);
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
        let ended = ended(command.args(arguments).output().unwrap());
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{name}");
        assert!(ended.err.starts_with("Error: "), "{name}: {}", ended.err);
        assert!(ended.err.contains("(os error "), "{name}: {}", ended.err);
        assert_eq!(too_wide(&ended.err), [""; 0], "{name}");
    }
}

#[test]
fn what_takes_long_says_so_first_on_a_pipe() {
    for (name, part) in [
        ("compare", "takes 38 s\n"),
        ("fleet", "takes some seconds\n"),
        ("tenants", "takes 1 s or more\n"),
    ] {
        let mut child = program(name).args(briefly(name)).spawn().unwrap();
        let mut err = child.stderr.take().unwrap();
        let mut first = Vec::new();
        let mut byte = [0];
        while !first.ends_with(b"\n") && err.read(&mut byte).unwrap() == 1 {
            first.extend(byte);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let first = String::from_utf8(first).unwrap();
        assert!(
            first.starts_with("… ") && first.ends_with(part),
            "{name}: {first}"
        );
    }
}

/// However few calls a second are admitted, each starter has its turn.
#[test]
fn a_fleet_is_served_at_any_rate() {
    for admitted in ["1", "9"] {
        let ended = run("fleet", &["--hosts", "3", "--cold", "--admit", admitted]);
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        assert!(ended.out.contains("this crate"), "{}", ended.out);
        assert!(!ended.out.contains(" inf "), "{}", ended.out);
    }
}

#[test]
fn a_script_that_is_asked_for_help_makes_no_roles() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples-without-aws");
    fs::create_dir_all(&folder).unwrap();
    let aws = folder.join("aws");
    fs::write(&aws, "#!/bin/sh\nexit 99\n").unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    for name in ["option-a.sh", "option-b-caller.sh", "option-b-target.sh"] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/setup")
            .join(name);
        let run = |arguments: &[&str]| {
            let mut bash = Command::new("bash");
            bash.arg(&script).args(arguments).env("PATH", &path);
            ended(bash.output().unwrap())
        };
        for help in ["--help", "-h"] {
            let ended = run(&[help]);
            assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{name}");
            for part in ["\ntakes: ", "\ncosts: ", "\n  REGION=us-east-1\n"] {
                assert!(ended.out.contains(part), "{name}: {part}\n{}", ended.out);
            }
            assert_eq!(too_wide(&ended.out), [""; 0], "{name}");
        }
        for arguments in [
            &["--no-such-option"][..],
            &["i-1234567890abcdef0"],
            &["--help", "more"],
            &[""],
        ] {
            let ended = run(arguments);
            assert_eq!(
                (ended.status, ended.out.as_str()),
                (Some(2), ""),
                "{name} {arguments:?}"
            );
            assert!(
                ended.err.contains("is not expected"),
                "{name}: {}",
                ended.err
            );
            assert!(ended.err.contains("\nsettings, "), "{name}: {}", ended.err);
        }
        // without arguments it goes on, to what has no credentials here
        assert!(run(&[]).err.contains("no AWS credentials"), "{name}");
    }
}

const CONDITIONS: Conditions = Conditions {
    readers: 16,
    pause: Duration::from_millis(25),
    session: Duration::from_secs(12),
    outage: Duration::from_millis(1200),
    run: Duration::from_secs(38),
};

/// A run in which all went well; figures are told apart by `n`.
fn lane(name: &'static str, n: u64) -> Lane {
    let healthy = |number: u64| Phase {
        counts: Counts {
            imds: 100 * number + n,
            sts: 200 * number + n,
            answers: number,
            new_keys: number,
        },
        reads: Reads {
            done: 10_000 * number + n,
            ..Reads::default()
        },
    };
    let mut phases = [1, 2, 3, 4].map(healthy);
    phases[COLD].reads.waited = 16;
    phases[COLD].reads.longest_wait = Duration::from_millis(20 + n);
    // its repeats
    phases[AWAY].counts.answers = 9;
    let ms = Duration::from_millis;
    Lane {
        name,
        told: "nothing",
        phases,
        timeline: Timeline {
            reads: vec![
                (ms(0), ms(20 + n), ms(30)),
                (ms(300), ms(0), ms(4)),
                (ms(37_000), ms(0), ms(5)),
            ],
            new_keys: vec![ms(20), ms(9_000)],
            refused: vec![ms(16_100), ms(16_500)],
            away: (ms(16_000), ms(17_200)),
        },
    }
}

fn lanes() -> [Lane; 2] {
    [lane("A: InstanceProfile", 5), lane("B: AssumeRole", 7)]
}

#[test]
fn the_table_of_compare_fits_and_the_verdict_is_of_its_figures() {
    let lanes = lanes();
    let table = table(&lanes);
    assert_eq!(too_wide(&table), [""; 0], "{table}");
    for lane in &lanes {
        for phase in &lane.phases {
            let words =
                cells(phase).map(|cell| cell.split(' ').map(str::to_owned).collect::<Vec<_>>());
            let row = words.concat();
            let is_row = |line: &str| {
                let words: Vec<_> = line.split_whitespace().collect();
                words.ends_with(&row.iter().map(String::as_str).collect::<Vec<_>>())
            };
            assert!(table.lines().any(is_row), "{row:?}\n{table}");
        }
    }

    let [felt, a, b] = verdict(&lanes, &CONDITIONS).unwrap();
    assert!(
        felt.contains("no read failed and none waited for a refresh"),
        "{felt}"
    );
    assert!(
        felt.contains("25 ms at most") && felt.contains("27 ms at most"),
        "{felt}"
    );
    assert!(
        a.contains("choose Option A") && b.contains("choose Option B"),
        "{a}\n{b}"
    );
}

#[test]
fn a_wait_for_a_refresh_is_told_and_a_failure_is_no_verdict() {
    let mut late = lanes();
    late[1].phases[BACK].reads.waited = 3;
    late[1].phases[BACK].reads.longest_wait = Duration::from_millis(81);
    let [felt, ..] = verdict(&late, &CONDITIONS).unwrap();
    assert!(
        felt.contains("3 waited for a refresh, 81 ms at most"),
        "{felt}"
    );

    let mut failed = lanes();
    failed[0].phases[AWAY].reads.failed = 2;
    let why = verdict(&failed, &CONDITIONS).unwrap_err();
    assert_eq!(why, "A: InstanceProfile, source away: 2 reads failed");

    let mut wasteful = lanes();
    wasteful[1].phases[HEALTHY].counts.answers = 5;
    let why = verdict(&wasteful, &CONDITIONS).unwrap_err();
    assert_eq!(
        why,
        "B: AssumeRole, with its source: 5 answers for 2 new keys"
    );
}

/// The texts of elements of this name; panics where the page is not well-formed.
fn texts_of(page: &str, wanted: &str) -> Vec<String> {
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    for token in Tokenizer::from(page) {
        match token.unwrap() {
            Token::ElementStart { local, .. } => {
                open.push(local.as_str());
                if local.as_str() == wanted {
                    texts.push(String::new());
                }
            }
            Token::ElementEnd {
                end: ElementEnd::Close(_, name),
                ..
            } => {
                assert_eq!(open.pop(), Some(name.as_str()));
            }
            Token::ElementEnd {
                end: ElementEnd::Empty,
                ..
            } => drop(open.pop()),
            Token::Text { text } if open.last() == Some(&wanted) => {
                texts.last_mut().unwrap().push_str(text.as_str());
            }
            _ => {}
        }
    }
    assert_eq!(open, [""; 0]);
    texts
}

#[test]
fn the_page_of_compare_has_the_figures_of_the_table_and_needs_nothing_else() {
    let lanes = lanes();
    let told = verdict(&lanes, &CONDITIONS).unwrap();
    let page = page::render(&lanes, &CONDITIONS, &told).unwrap();

    let mut expected = Vec::new();
    for lane in &lanes {
        for (name, phase) in outcome::PHASES.iter().zip(&lane.phases) {
            expected.push((*name).to_owned());
            expected.extend(cells(phase));
        }
    }
    assert_eq!(texts_of(&page, "td"), expected);
    let captions = texts_of(&page, "figcaption");
    assert_eq!(captions, lanes.each_ref().map(|lane| lane.name));
    let paragraphs = texts_of(&page, "p");
    assert_eq!(paragraphs[..3], told);
    assert_eq!(paragraphs[3], format!("{CONDITIONS}."));
    assert!(paragraphs[3].contains("16 readers") && paragraphs[3].contains("last 12 s"));

    // for each plot a bar for each quarter of a second with a read, one for the wait, one for the outage
    assert_eq!(texts_of(&page, "svg").len(), 2);
    let bars = page.matches("<rect ").count();
    assert_eq!(bars, 2 * (3 + 1 + 1), "{page}");
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(page.contains("currentColor") && !page.contains("#333333"));
    for outside in [
        "<script", "<link", "<img", "src=", "href=", "url(", "@import",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
}
