//! Promise: an external identity assumes a role with its token: nobody signs, the token is read anew at
//! each fetch, and each thing that can be wrong with it has an error of its own that never shows it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "source_support/scripted.rs"]
mod scripted;

use aws_credential_strategies::strategy::AssumeRoleBuilder;
#[cfg(feature = "pool")]
use aws_credential_strategies::strategy::RolePool;
use aws_credential_strategies::{
    AssumeRole, CredentialFault, CredentialSource, CredentialStrategy, Error, ErrorKind,
    StrategyConfig,
};
use scripted::Scripted;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "web-identity-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A token of this issuer; nobody here checks its signature.
fn token(issuer: &str, audience: &str, subject: &str) -> String {
    let payload =
        format!(r#"{{"iss":"{issuer}","aud":"{audience}","sub":"{subject}","exp":1767225600}}"#);
    let payload = aws_smithy_types::base64::encode(payload);
    let payload = payload.replace('+', "-").replace('/', "_");
    format!(
        "eyJhbGciOiJSUzI1NiJ9.{}.c2VjcmV0LXNpZ25hdHVyZQ",
        payload.trim_end_matches('=')
    )
}

fn github() -> String {
    token(
        "https://token.actions.githubusercontent.com",
        "sts.amazonaws.com",
        "repo:octo/app:ref:refs/heads/main",
    )
}

fn admitted(key_id: &str) -> (u16, String) {
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult>\
         <SubjectFromWebIdentityToken>sub</SubjectFromWebIdentityToken>\
         <AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:s</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/App/s</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\
         </AssumeRoleWithWebIdentityResponse>"
    );
    (200, answer)
}

fn refused(status: u16, code: &str, message: &str) -> (u16, String) {
    let answer = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (status, answer)
}

fn role(sts: &Scripted) -> AssumeRoleBuilder {
    AssumeRole::builder(ROLE)
        .region("us-east-1")
        .sts_endpoint(sts.url())
        .session_name("deploy")
}

/// An error and its causes.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}");
    let mut layer = error.source();
    while let Some(cause) = layer {
        text.push_str(&format!("\n{cause}\n{cause:?}"));
        layer = cause.source();
    }
    text
}

#[tokio::test]
async fn the_call_is_unsigned_and_says_what_it_was_told() {
    let sts = Scripted::start(|_| admitted("ASIAEXAMPLE")).await;
    let folder = Folder::new();
    // with the mark that some editors and shells begin a file with
    let file = folder.write("token", format!("\u{feff}{}\r\n", github()));
    let strategy = role(&sts)
        .web_identity_token_file(&file)
        .duration(Duration::from_secs(7_200))
        .policy(r#"{"Version":"2012-10-17","Statement":[]}"#)
        .policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"])
        .build()
        .unwrap();
    let credentials = strategy.credentials().await.unwrap();
    assert_eq!(credentials.access_key_id(), "ASIAEXAMPLE");
    let account = credentials.account_id().map(|id| id.as_str().to_owned());
    assert_eq!(account.as_deref(), Some("123456789012"));

    let asked = sts.asked();
    assert_eq!(asked.len(), 1);
    let call = &asked[0];
    assert_eq!(call.header("authorization"), None, "nobody signs");
    assert_eq!(
        call.form("Action").as_deref(),
        Some("AssumeRoleWithWebIdentity")
    );
    assert_eq!(call.form("RoleArn").as_deref(), Some(ROLE));
    assert_eq!(call.form("RoleSessionName").as_deref(), Some("deploy"));
    assert_eq!(call.form("DurationSeconds").as_deref(), Some("7200"));
    assert_eq!(
        call.form("WebIdentityToken"),
        Some(github()),
        "without its line end"
    );
    assert!(call.form("Policy").unwrap().contains("2012-10-17"));
    assert_eq!(
        call.form("PolicyArns.member.1.arn").as_deref(),
        Some("arn:aws:iam::aws:policy/ReadOnlyAccess")
    );
    assert_eq!(strategy.name(), "AssumeRole");
    let debug = format!("{strategy:?}");
    assert!(!debug.contains(&github()), "{debug}");
}

/// Kubernetes writes a folder of the moment, points `..data` to it, and the file is a link through it. The
/// files' times may be equal.
#[cfg(unix)]
#[tokio::test]
async fn a_token_file_that_kubernetes_swaps_is_read_at_the_next_fetch() {
    use std::os::unix::fs::symlink;

    let sts = Scripted::start(|_| admitted("ASIAEXAMPLE")).await;
    let folder = Folder::new();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    for (moment, text) in [("..2026_1", "a.first.b"), ("..2026_2", "a.other.b")] {
        fs::create_dir(folder.0.join(moment)).unwrap();
        let path = folder.write(&format!("{moment}/token"), text);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
    }
    let data = folder.0.join("..data");
    symlink("..2026_1", &data).unwrap();
    let path = folder.0.join("token");
    symlink("..data/token", &path).unwrap();

    let strategy = role(&sts).web_identity_token_file(&path).build().unwrap();
    let source = strategy.source();
    source.fetch().await.unwrap();
    let next = folder.0.join("..data_tmp");
    symlink("..2026_2", &next).unwrap();
    fs::rename(&next, &data).unwrap();
    source.fetch().await.unwrap();

    let sent: Vec<_> = sts
        .asked()
        .iter()
        .map(|call| call.form("WebIdentityToken").unwrap())
        .collect();
    assert_eq!(sent, ["a.first.b", "a.other.b"]);
}

#[tokio::test]
async fn a_token_comes_from_an_async_function_each_time_anew() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    async fn ask() -> Result<String, aws_credential_strategies::BoxError> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if count == 2 {
            return Err("the pipeline is over".into());
        }
        Ok(format!("a.{count}.b\n"))
    }
    let sts = Scripted::start(|_| admitted("ASIAEXAMPLE")).await;
    let strategy = role(&sts).web_identity(ask).build().unwrap();
    strategy.source().fetch().await.unwrap();
    strategy.source().fetch().await.unwrap();
    let sent: Vec<_> = sts
        .asked()
        .iter()
        .map(|call| call.form("WebIdentityToken").unwrap())
        .collect();
    assert_eq!(sent, ["a.0.b", "a.1.b"]);

    let error = strategy.source().fetch().await.unwrap_err();
    assert!(
        error.to_string().contains("so STS was not asked"),
        "{error}"
    );
    assert_eq!(error.source().unwrap().to_string(), "the pipeline is over");
    assert!(error.is_retryable());
    assert_eq!(sts.asked().len(), 2);
}

/// What a fetch with this file says before STS is asked.
async fn refusal_of(path: &Path) -> Error {
    let sts = Scripted::start(|_| admitted("ASIAEXAMPLE")).await;
    let strategy = role(&sts).web_identity_token_file(path).build().unwrap();
    let error = strategy.source().fetch().await.unwrap_err();
    assert!(sts.asked().is_empty(), "STS is not asked: {error}");
    assert!(error.to_string().contains(ROLE), "{error}");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
    error
}

#[tokio::test]
async fn what_is_no_token_is_said_before_sts_is_asked() {
    let folder = Folder::new();
    let unavailable = ErrorKind::Credential(CredentialFault::Unavailable);

    let missing = refusal_of(&folder.0.join("nowhere")).await;
    assert_eq!(*missing.kind(), unavailable);
    assert!(missing.to_string().contains("is not there"), "{missing}");
    assert!(missing.is_retryable(), "a volume may be mounted yet");

    let empty = refusal_of(&folder.write("empty", " \r\n")).await;
    assert!(empty.to_string().contains("is empty"), "{empty}");

    let long = refusal_of(&folder.write("long", "x".repeat(20_001))).await;
    assert_eq!(*long.kind(), ErrorKind::TooLarge);
    assert!(
        long.to_string().contains("longer than 20000 bytes"),
        "{long}"
    );
    assert!(long.is_terminal());

    let endless = refusal_of(&folder.write("endless", vec![b'x'; 3_000_000])).await;
    assert_eq!(*endless.kind(), ErrorKind::TooLarge);

    let bytes = refusal_of(&folder.write("bytes", [0xff, 0xfe, b'a'])).await;
    assert!(bytes.to_string().contains("printable"), "{bytes}");
    let lines = refusal_of(&folder.write("lines", "a.b.c\nd.e.f\n")).await;
    assert!(lines.to_string().contains("one line"), "{lines}");

    let folder_itself = refusal_of(&folder.0).await;
    assert!(
        folder_itself.to_string().contains("could not be read"),
        "{folder_itself}"
    );

    let sts = Scripted::start(|_| admitted("ASIAEXAMPLE")).await;
    let most = folder.write("most", format!("{}\n", "x".repeat(20_000)));
    let strategy = role(&sts).web_identity_token_file(&most).build().unwrap();
    strategy.source().fetch().await.unwrap();
}

#[tokio::test]
async fn each_refusal_of_sts_has_its_own_error_with_what_the_token_says() {
    let denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let expired = "Token expired: current date/time 1 must be before the expiration date/time 0";
    let no_provider = "No OpenIDConnect provider found in your account for https://issuer";
    let claims = "iss https://token.actions.githubusercontent.com, aud sts.amazonaws.com, \
                  sub repo:octo/app:ref:refs/heads/main, exp 2026-01-01T00:00:00Z";
    // code, message, what the hint says, whether a person is needed
    let cases = [
        (
            400,
            "ExpiredTokenException",
            expired,
            "has not renewed it",
            false,
        ),
        (
            400,
            "InvalidIdentityToken",
            "Incorrect token audience",
            "add-client-id-to-open-id-connect-provider",
            true,
        ),
        (
            400,
            "InvalidIdentityToken",
            no_provider,
            "create-open-id-connect-provider",
            true,
        ),
        (
            400,
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider",
            "cannot get the issuer's keys",
            true,
        ),
        (
            403,
            "IDPRejectedClaim",
            "The token is revoked",
            "a claim is wrong",
            true,
        ),
        (
            403,
            "AccessDenied",
            denied,
            r#""token.actions.githubusercontent.com:sub":"repo:octo/app:ref:refs/heads/main""#,
            true,
        ),
    ];
    let mut hints = Vec::new();
    for (status, code, message, hint, terminal) in cases {
        let sts = Scripted::start(move |_| refused(status, code, message)).await;
        let strategy = role(&sts)
            .web_identity(|| async { Ok(github()) })
            .build()
            .unwrap();
        let error = strategy.source().fetch().await.unwrap_err();
        let line = error.to_string();
        assert!(line.contains(hint), "{line}");
        assert!(line.contains(claims), "{line}");
        assert!(line.contains("assume role with web identity"), "{line}");
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.is_terminal(), terminal, "{line}");
        assert_eq!(sts.asked().len(), 1, "{line}");
        let all = all_of(&error);
        assert!(!all.contains(&github()), "{all}");
        assert!(!all.contains("c2VjcmV0LXNpZ25hdHVyZQ"), "{all}");
        hints.push(line);
    }
    hints.dedup();
    assert_eq!(hints.len(), cases.len(), "each has words of its own");
}

#[tokio::test]
async fn an_identity_provider_that_sts_cannot_reach_passes() {
    let answers = AtomicUsize::new(0);
    let sts = Scripted::start(move |_| match answers.fetch_add(1, Ordering::Relaxed) {
        0 => refused(400, "IDPCommunicationError", "no answer"),
        _ => admitted("ASIAEXAMPLE"),
    })
    .await;
    let strategy = role(&sts)
        .web_identity(|| async { Ok(github()) })
        .build()
        .unwrap();
    strategy.credentials().await.unwrap();
    assert_eq!(sts.asked().len(), 2, "tried again within the fetch");
}

#[test]
fn options_that_the_call_has_not_are_refused_by_name() {
    let builder = || {
        AssumeRole::builder(ROLE)
            .region("us-east-1")
            .web_identity_token_file("/token")
    };
    let keys = aws_credential_strategies::Credentials::new("AKIA", "s", None, None, "test");
    let cases = [
        ("external_id", builder().external_id("42")),
        ("tags", builder().tags([("team", "a")])),
        ("source_identity", builder().source_identity("ada")),
        (
            "mfa",
            builder().mfa("arn:aws:iam::123456789012:mfa/alice", || async {
                Ok("123456".into())
            }),
        ),
        ("base", builder().base_provider(keys)),
    ];
    for (option, builder) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), Some(option), "{error}");
        assert_eq!(*error.kind(), ErrorKind::Usage);
    }
    builder()
        .duration(Duration::from_secs(43_200))
        .build()
        .expect("twelve hours: this is no chained session");
}

#[test]
fn two_identities_are_refused_by_name() {
    let builder = || AssumeRole::builder(ROLE).region("us-east-1");
    let file = "web_identity_token_file";
    let function = "web_identity";
    let environment = "web_identity_from_env";
    let ask = || async { Ok(github()) };
    for (second, builder) in [
        (
            environment,
            builder()
                .web_identity_token_file("/token")
                .web_identity_from_env(),
        ),
        (
            file,
            builder()
                .web_identity_from_env()
                .web_identity_token_file("/token"),
        ),
        (
            function,
            builder()
                .web_identity_token_file("/token")
                .web_identity(ask),
        ),
        (
            file,
            builder()
                .web_identity(ask)
                .web_identity_token_file("/token"),
        ),
        // and the first one again
        (
            environment,
            builder()
                .web_identity(ask)
                .web_identity_from_env()
                .web_identity(ask),
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), Some(second), "{error}");
        assert_eq!(*error.kind(), ErrorKind::Usage);
    }
    // the same one is set anew, as any other option
    builder()
        .web_identity_token_file("/token")
        .web_identity_token_file("/another")
        .build()
        .unwrap();

    let config = r#"{
        "strategy": "assume_role",
        "role_arn": "arn:aws:iam::123456789012:role/App",
        "region": "us-east-1",
        "web_identity_from_env": true,
        "web_identity_token_file": "/token"
    }"#;
    let config = StrategyConfig::from_json(config).unwrap();
    let error = config.build().unwrap_err();
    assert_eq!(error.field(), Some(file), "{error}");
    assert!(error.to_string().contains(environment), "{error}");
}

/// Runs this test file's own executable with other variables, since those of a process are shared.
#[test]
fn the_environment_names_role_file_and_session() {
    if std::env::var_os("TEST_IN_CHILD").is_some() {
        return in_child();
    }
    let folder = Folder::new();
    let file = folder.write("token", github());
    let run = |variables: &[(&str, &str)]| {
        let test = "the_environment_names_role_file_and_session";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", test, "--nocapture"]);
        for name in [
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_ROLE_SESSION_NAME",
        ] {
            child.env_remove(name);
        }
        child
            .env("TEST_IN_CHILD", "1")
            .envs(variables.iter().copied());
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text
    };
    let file = file.to_str().unwrap();
    let all = [
        (
            "AWS_ROLE_ARN",
            "arn:aws:iam::123456789012:role/FromEnvironment",
        ),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file),
        ("AWS_ROLE_SESSION_NAME", "pod"),
    ];
    let told = run(&all);
    assert!(
        told.contains("role arn:aws:iam::123456789012:role/FromEnvironment session pod"),
        "{told}"
    );
    assert!(
        told.contains("given role arn:aws:iam::123456789012:role/App session mine"),
        "{told}"
    );
    if cfg!(feature = "pool") {
        assert!(told.contains("of a pool: field role_arn"), "{told}");
    }
    assert!(run(&all[1..]).contains("field AWS_ROLE_ARN"));
    assert!(run(&all[..1]).contains("field AWS_WEB_IDENTITY_TOKEN_FILE"));
    // what is not as expected is what was set, which the builder was not
    let session = ("AWS_ROLE_SESSION_NAME", "not a name");
    assert!(run(&[all[0], all[1], session]).contains("field AWS_ROLE_SESSION_NAME"));
    for arn in ["App", "arn:aws:iam::123456789012:role/A pp"] {
        let said = run(&[("AWS_ROLE_ARN", arn), all[1], all[2]]);
        assert!(said.contains("field AWS_ROLE_ARN"), "{said}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn in_child() {
    let sts = Scripted::start(|_| admitted("ASIAEXAMPLE")).await;
    let builder = AssumeRole::web_identity_from_env()
        .region("us-east-1")
        .sts_endpoint(sts.url());
    match builder.build() {
        Err(error) => println!("field {}", error.field().unwrap()),
        Ok(strategy) => {
            strategy.credentials().await.unwrap();
            let call = &sts.asked()[0];
            println!(
                "role {} session {}",
                call.form("RoleArn").unwrap(),
                call.form("RoleSessionName").unwrap()
            );
        }
    }
    // A tenant without a role is an error, and not the service itself.
    #[cfg(feature = "pool")]
    if let Ok(pool) = RolePool::builder()
        .web_identity_from_env()
        .region("us-east-1")
        .sts_endpoint(sts.url())
        .build()
    {
        let error = pool.role("").build().unwrap_err();
        println!("of a pool: field {}", error.field().unwrap());
    }
    let given = AssumeRole::builder(ROLE)
        .web_identity_from_env()
        .region("us-east-1")
        .session_name("mine")
        .sts_endpoint(sts.url());
    if let Ok(strategy) = given.build() {
        strategy.credentials().await.unwrap();
        let asked = sts.asked();
        let call = asked.last().unwrap();
        println!(
            "given role {} session {}",
            call.form("RoleArn").unwrap(),
            call.form("RoleSessionName").unwrap()
        );
    }
}
