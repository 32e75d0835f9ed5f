//! Promise: the program `aws-credential-doctor` reads its settings as an application does, refuses a command
//! line that it does not understand, ends with a status that can be relied on, and shows no secret.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod doctor_support;

use aws_credential_strategies::local::{
    DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, StsCall, Trust,
};
use doctor_support::{Server, google, reply, web_server};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

struct Ended {
    status: i32,
    out: String,
    err: String,
}

impl Ended {
    /// The lines before they were folded, more or less.
    fn unfolded(&self) -> String {
        let words: Vec<_> = self.out.split_whitespace().collect();
        words.join(" ")
    }
}

/// The program with exactly these variables.
fn command(variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aws-credential-doctor"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .envs(variables.iter().copied())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Runs beside the servers of the test, which need the test's own threads.
async fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = command(variables, arguments);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ended = Ended {
        status: output.status.code().expect("not killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    ended
}

fn as_variables(cloud: &LocalCloud) -> Vec<(String, String)> {
    cloud
        .environment()
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// The program on an embedded cloud, by the variables that the cloud names.
async fn on(cloud: &LocalCloud, more: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let variables = as_variables(cloud);
    let mut all: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    all.extend_from_slice(more);
    run(&all, arguments).await
}

/// A port that refuses.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

const IMDS: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_does_not_understand_is_usage_and_status_2() {
    let cases: [(&[&str], &str); 12] = [
        (&["--nonsense"], "--nonsense is not known"),
        (&["-x"], "-x is not known"),
        (&["us-east-1"], "\"us-east-1\" is not expected"),
        (&["--region"], "--region needs a value"),
        (&["--region", "--json"], "--region needs a value"),
        (&["--region="], "--region needs a value"),
        (&["--json=yes"], "--json"),
        (
            &["--region", "us-east-1", "--region", "eu-west-1"],
            "--region is given twice",
        ),
        (
            &["--external-id", "42"],
            "--external-id has no effect without --role-arn",
        ),
        (&["--fault", "list"], "--fault is not known"),
        (
            &["--region", "US East"],
            "expected a region such as us-east-1",
        ),
        (
            &["--role-arn", "arn:aws:iam::123456789012:user/a"],
            "role_arn",
        ),
    ];
    for (arguments, part) in cases {
        // nobody may be asked
        let server = web_server("200 OK");
        let ended = run(
            &[(IMDS, &server.endpoint), ("AWS_REGION", "us-east-1")],
            arguments,
        )
        .await;
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(part), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
        let asked: Vec<_> = server.seen();
        assert!(asked.is_empty(), "{arguments:?}: {asked:?}");
    }
    let ended = run(&[], &["--nonsense"]).await;
    assert!(
        ended.err.contains("usage: aws-credential-doctor"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("--role-arn ARN"), "{}", ended.err);
}

/// A setting of the environment that is wrong is said before anything is asked, and one that is blank counts
/// as unset; no password is shown.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_read_as_strictly_as_the_command_line() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIASHOWN"),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-this-host"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1"),
    ];
    let nowhere = closed();
    type Wrong<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);
    let wrong: [Wrong<'_>; 5] = [
        (
            &[("AWS_ENDPOINT_URL_STS", "sts.example")],
            &[],
            "endpoint_url: expected",
        ),
        (
            &[("AWS_ENDPOINT_URL_STS", "http://me:pass-word@127.0.0.1:9")],
            &["--json"],
            "endpoint_url: expected",
        ),
        (
            &[],
            &[
                "--role-arn",
                "arn:aws:iam::123456789012:role/App",
                "--external-id",
                "a b",
            ],
            "external_id: expected",
        ),
        (
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "v5")],
            &[],
            "_MODE: expected",
        ),
        (
            &[("AWS_METADATA_SERVICE_TIMEOUT", "soon")],
            &[],
            "_TIMEOUT: expected",
        ),
    ];
    for (variables, arguments, part) in wrong {
        let mut all = keys.to_vec();
        all.push(("AWS_REGION", "us-east-1"));
        all.extend_from_slice(variables);
        if !variables.iter().any(|(name, _)| name.ends_with("_MODE")) {
            all.push((IMDS, nowhere.as_str()));
        }
        let ended = run(&all, arguments).await;
        assert_eq!(ended.status, 2, "{variables:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(part), "{variables:?}: {}", ended.err);
        assert!(!ended.err.contains("pass-word"), "{}", ended.err);
        assert_eq!(ended.out, "", "{variables:?}");
    }
    let cloud = LocalCloud::start().await.unwrap();
    let sts = cloud.sts_endpoint();
    let keys_of_cloud = cloud.create_access_key("me");
    let blank: [&[(&str, &str)]; 3] = [
        &[
            ("AWS_REGION", ""),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_STS", sts),
        ],
        &[
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_STS", ""),
            ("AWS_ENDPOINT_URL", sts),
        ],
        &[
            ("AWS_REGION", " us-east-1 "),
            ("AWS_ENDPOINT_URL", sts),
            ("AWS_PROFILE", ""),
            ("AWS_SESSION_TOKEN", ""),
        ],
    ];
    for variables in blank {
        let mut all = vec![
            (IMDS, nowhere.as_str()),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1"),
            ("AWS_ACCESS_KEY_ID", keys_of_cloud.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys_of_cloud.secret_access_key()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", ""),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", ""),
        ];
        all.extend_from_slice(variables);
        let ended = run(&all, &["--json"]).await;
        assert_eq!(
            (ended.status, ended.err.as_str()),
            (0, ""),
            "{variables:?}: {}",
            ended.out
        );
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(report["healthy"], true, "{report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version_are_answers() {
    for arguments in [&["--help"][..], &["-h"], &["--region", "x", "--help"]] {
        let ended = run(&[], arguments).await;
        assert_eq!(ended.status, 0);
        for part in [
            "usage:",
            "--region REGION",
            "--json",
            "exit status: 0 healthy, 1",
            "2 the command",
        ] {
            assert!(ended.out.contains(part), "{part}: {}", ended.out);
        }
        assert_eq!(ended.err, "");
    }
    let ended = run(&[], &["--version"]).await;
    assert_eq!(
        ended.out.trim(),
        concat!("aws-credential-strategies ", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_0_for_healthy_and_1_for_a_fault() {
    let cloud = LocalCloud::start().await.unwrap();
    for arguments in [&[][..], &["--aws"]] {
        let ended = on(&cloud, &[], arguments).await;
        assert_eq!(ended.status, 0, "{}{}", ended.out, ended.err);
        assert!(
            ended.out.contains("Option A, InstanceProfile"),
            "{}",
            ended.out
        );
        assert!(ended.out.contains("stand-in"), "{}", ended.out);
        assert_eq!(ended.err, "");
    }
    cloud.detach_role();
    let ended = on(&cloud, &[], &[]).await;
    assert_eq!(ended.status, 1);
    assert!(ended.out.contains("✗ role attached"), "{}", ended.out);
    let ended = run(&[(IMDS, &google().endpoint)], &["--region", "us-east-1"]).await;
    assert_eq!(ended.status, 1);
    assert!(
        ended.unfolded().contains("looks like Google Cloud's"),
        "{}",
        ended.out
    );
    assert!(
        !ended.out.contains("Option A, InstanceProfile"),
        "{}",
        ended.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn role_and_external_id_are_examined() {
    let cloud = LocalCloud::start().await.unwrap();
    let trust = Trust::account(cloud.account()).external_id("42");
    let far = Role::new("App").account("999999999999").trust(trust);
    let arn = cloud.add_role(far).unwrap();
    let ended = on(&cloud, &[], &["--role-arn", &arn, "--external-id=42"]).await;
    assert_eq!(ended.status, 0, "{}", ended.out);
    assert!(ended.out.contains("Option B, AssumeRole"), "{}", ended.out);
    assert!(ended.out.contains(".external_id(\"42\")"), "{}", ended.out);
    let ended = on(&cloud, &[], &["--role-arn", &arn]).await;
    assert_eq!(ended.status, 1, "{}", ended.out);
    assert!(ended.out.contains("✗ assume role"), "{}", ended.out);
    assert!(
        !ended.out.contains("Option B, AssumeRole:"),
        "{}",
        ended.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn region_and_endpoints_come_from_environment_and_profile() {
    let cloud = LocalCloud::start().await.unwrap();
    let (imds, sts) = (cloud.imds_endpoint(), cloud.sts_endpoint());
    let asked = || cloud.sts().calls().caller_identity;
    let nowhere = closed();

    // no region, and none in the metadata either: STS is left alone, which is said
    let elsewhere = google();
    let variables = [
        (IMDS, elsewhere.endpoint.as_str()),
        ("AWS_ENDPOINT_URL_STS", sts),
        ("AWS_ACCESS_KEY_ID", "AKIASHOWN"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let ended = run(&variables, &[]).await;
    assert_eq!((ended.status, asked()), (0, 0), "{}", ended.out);
    assert!(
        ended.unfolded().contains("no region was given"),
        "{}",
        ended.out
    );

    let folder = scratch("profile");
    let config = folder.join("config");
    fs::write(
        &config,
        format!("[profile app]\nregion = us-east-1\nendpoint_url = {sts}\n[profile away]\nendpoint_url = {nowhere}\n"),
    )
    .unwrap();
    let config = config.to_str().unwrap();
    let general = ("AWS_ENDPOINT_URL", nowhere.as_str());
    let region = ("AWS_REGION", "us-east-1");
    let file = ("AWS_CONFIG_FILE", config);
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        // the region of the instance itself, from its metadata
        (&[("AWS_ENDPOINT_URL_STS", sts)], &[]),
        (&[region, ("AWS_ENDPOINT_URL", sts)], &[]),
        (&[region, general, ("AWS_ENDPOINT_URL_STS", sts)], &[]),
        (&[("AWS_ENDPOINT_URL_STS", sts)], &["--region", "us-east-1"]),
        (&[file, ("AWS_PROFILE", "app")], &[]),
        (&[file, ("AWS_PROFILE", "away")], &["--profile", "app"]),
    ];
    for (n, (variables, arguments)) in cases.into_iter().enumerate() {
        let mut all = vec![(IMDS, imds)];
        all.extend_from_slice(variables);
        let ended = run(&all, arguments).await;
        assert_eq!(ended.status, 0, "{n}: {}{}", ended.out, ended.err);
        assert_eq!(asked(), n as u64 + 1, "{n}: {}", ended.out);
        assert!(
            ended.unfolded().contains(&format!("STS at {sts}")),
            "{n}: {}",
            ended.out
        );
    }
}

/// An endpoint such as ECS and EKS have, which asks for this token.
fn container(keys: &aws_credential_strategies::Credentials, token: &'static str) -> Server {
    let document = format!(
        r#"{{"AccessKeyId":"{}","SecretAccessKey":"{}","Token":"none","Expiration":"2099-01-01T00:00:00Z","RoleArn":"arn:aws:iam::123456789012:role/Task"}}"#,
        keys.access_key_id(),
        keys.secret_access_key()
    );
    Server::start(move |request| {
        match request.is("GET", "/v1/credentials")
            && request.has(&format!("authorization: {token}"))
        {
            true => reply("200 OK", "Content-Type: application/json", &document),
            false => reply("403 Forbidden", "", "no"),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_s_own_role_is_asked_and_not_the_host_s() {
    let cloud = LocalCloud::start().await.unwrap();
    let keys = cloud.create_access_key("task");
    let server = container(&keys, "the-token-of-this-task");
    let uri = format!("{}/v1/credentials", server.endpoint);
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "the-token-of-this-task",
        ),
        ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"),
    ];
    let ended = on(&cloud, &variables, &["--json"]).await;
    assert_eq!(ended.err, "");
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["host"], "ecs", "{report:#}");
    let step = &report["steps"][1];
    assert_eq!(
        (&step["step"], &step["outcome"]),
        (&"container".into(), &"passed".into()),
        "{report:#}"
    );
    assert_eq!(cloud.imds().calls().total(), 0);
    for hidden in [keys.secret_access_key(), "the-token-of-this-task"] {
        assert!(!ended.out.contains(hidden), "{}", ended.out);
    }

    let wrong = [
        variables[0],
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another"),
        variables[2],
    ];
    let ended = on(&cloud, &wrong, &[]).await;
    assert_eq!(ended.status, 1, "{}", ended.out);
    assert!(
        ended.out.contains("✗ container credentials"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("Provided::container()"), "{}", ended.out);
    assert_eq!(cloud.imds().calls().total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn off_ec2_a_profile_will_do_and_a_missing_one_is_named() {
    let cloud = LocalCloud::start().await.unwrap();
    let keys = cloud.create_access_key("laptop");
    let folder = scratch("keys");
    let file = folder.join("credentials");
    fs::write(
        &file,
        format!(
            "[me]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            keys.access_key_id(),
            keys.secret_access_key()
        ),
    )
    .unwrap();
    let nowhere = closed();
    let variables = [
        (IMDS, nowhere.as_str()),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_STS", cloud.sts_endpoint()),
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
    ];
    let ended = run(&variables, &["--profile", "me"]).await;
    assert_eq!(ended.status, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("✓ profile: me"), "{}", ended.out);
    assert!(
        ended.out.contains("Provided::profile(\"me\")"),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains(keys.secret_access_key()));
    let text = ended.unfolded();
    assert!(text.contains("last until somebody deletes them"), "{text}");

    // a host without an identity of its own may have one by a profile
    let codespace = [&variables[..], &[("CODESPACES", "true")]].concat();
    let ended = run(&codespace, &["--profile", "me"]).await;
    assert_eq!(ended.status, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("✓ profile: me"), "{}", ended.out);
    let ended = run(&codespace, &[]).await;
    assert_eq!(ended.status, 1, "{}{}", ended.out, ended.err);
    let text = ended.unfolded();
    assert!(text.contains("nor does a profile"), "{text}");
    let ended = run(&codespace, &["--profile", "nobody"]).await;
    assert!(ended.out.contains("✗ profile"), "{}", ended.out);
    assert!(!ended.out.contains("a codespace has no"), "{}", ended.out);

    let ended = run(&variables, &["--profile", "nobody"]).await;
    assert_eq!(ended.status, 1, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("✗ profile"), "{}", ended.out);
    assert!(ended.out.contains("nobody"), "{}", ended.out);
}

/// A profile that signs in or assumes a role has keys of a session, which its provider renews; those that
/// somebody copied into it end.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_with_keys_of_a_session_is_not_called_lasting() {
    let folder = scratch("session");
    let file = folder.join("config");
    let answer = "{\"Version\":1,\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"secret\",\
                  \"SessionToken\":\"token\",\"Expiration\":\"2099-01-01T00:00:00Z\"}";
    let process = folder.join("credentials.json");
    fs::write(&process, answer).unwrap();
    fs::write(
        &file,
        format!(
            "[profile renewed]\ncredential_process = /bin/cat {}\n[profile copied]\naws_access_key_id = \
             ASIAEXAMPLE\naws_secret_access_key = secret\naws_session_token = token\n",
            process.display()
        ),
    )
    .unwrap();
    let nowhere = closed();
    let variables = [
        (IMDS, nowhere.as_str()),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1"),
        ("AWS_CONFIG_FILE", file.to_str().unwrap()),
    ];
    let renewed = run(&variables, &["--profile", "renewed"]).await;
    assert_eq!(renewed.status, 0, "{}{}", renewed.out, renewed.err);
    let text = renewed.unfolded();
    assert!(text.contains("✓ profile: renewed"), "{text}");
    assert!(!text.contains("of a user"), "{text}");
    assert!(!text.contains("of a session"), "{text}");
    let copied = run(&variables, &["--profile", "copied"]).await;
    assert_eq!(copied.status, 0, "{}{}", copied.out, copied.err);
    let text = copied.unfolded();
    assert!(!text.contains("of a user"), "{text}");
    assert!(text.contains("of a session"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_keeps_its_shape() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403));
    let ended = on(&cloud, &[], &["--json"]).await;
    assert_eq!((ended.status, ended.err.as_str()), (1, ""));
    let text = ended.out.replace(cloud.imds_endpoint(), "http://imds");
    let (before, rest) = text.split_once("after ").unwrap();
    let (_, rest) = rest.split_once(')').unwrap();
    insta::assert_snapshot!(format!("{before}after [elapsed]){rest}"), @r#"
    {
      "version": 1,
      "healthy": false,
      "host": null,
      "notes": [
        "the metadata service at http://imds is a stand-in for EC2's: what follows says nothing about AWS itself"
      ],
      "steps": [
        {
          "step": "reachable",
          "outcome": "passed",
          "detail": "http://imds"
        },
        {
          "step": "token",
          "outcome": "failed",
          "cause": "fetch credentials at http://imds/latest/api/token: IMDS refused a session token (http 403, after [elapsed])",
          "remedy": [
            "is the service on?",
            "aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled"
          ]
        },
        {
          "step": "hop_limit",
          "outcome": "skipped",
          "reason": "there is no session token to ask with"
        },
        {
          "step": "role",
          "outcome": "skipped",
          "reason": "there is no session token to ask with"
        },
        {
          "step": "document",
          "outcome": "skipped",
          "reason": "there is no session token to ask with"
        },
        {
          "step": "clock",
          "outcome": "skipped",
          "reason": "there is no session token to ask with"
        },
        {
          "step": "caller",
          "outcome": "skipped",
          "reason": "there are no credentials to ask with"
        }
      ],
      "recommendation": {
        "choice": "open",
        "reason": "the metadata service gives no session token: if this is EC2, Option A will do once the steps above pass",
        "code": "InstanceProfile::new()?",
        "objection": null,
        "unseen": [
          "this machine as it is on AWS: the metadata service at http://imds is a stand-in for EC2's"
        ]
      }
    }
    "#);

    cloud.imds().heal();
    let ended = on(&cloud, &[], &["--json"]).await;
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["healthy"], true);
    assert_eq!(report["recommendation"]["choice"], "instance_profile");
    assert_eq!(report["recommendation"]["code"], "InstanceProfile::new()?");
    assert_eq!(report["steps"][0]["outcome"], "passed");
    assert!(report["steps"][0]["detail"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stdout_ends_it_quietly_and_the_status_stays_true() {
    let cloud = LocalCloud::start().await.unwrap();
    for (fault, expected) in [(false, 0), (true, 1)] {
        if fault {
            cloud.detach_role();
        }
        for arguments in [&[][..], &["--json"], &["--help"]] {
            let variables = as_variables(&cloud);
            let mut command = command(&[], arguments);
            command
                .envs(variables)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            let mut stderr = child.stderr.take().unwrap();
            let status = tokio::task::spawn_blocking(move || child.wait())
                .await
                .unwrap()
                .unwrap();
            let mut err = String::new();
            stderr.read_to_string(&mut err).unwrap();
            assert_eq!(err, "", "{arguments:?}");
            let expected = if arguments == ["--help"] { 0 } else { expected };
            assert_eq!(status.code(), Some(expected), "{arguments:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_is_said_once_on_a_pipe() {
    let cloud = LocalCloud::start().await.unwrap();
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    let ended = on(&cloud, &[("AWS_METADATA_SERVICE_TIMEOUT", "2")], &[]).await;
    assert_eq!(ended.status, 1);
    assert_eq!(ended.err, "… asking for a session token\n");
    assert!(ended.out.contains("✗ hop limit"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_of_80_columns_and_commands_can_be_pasted() {
    let cloud = LocalCloud::start().await.unwrap();
    let far = Role::new("App")
        .account("999999999999")
        .trust(Trust::nobody());
    let arn = cloud.add_role(far).unwrap();
    let faults: [fn(&LocalCloud); 5] = [
        |_| {},
        |cloud| cloud.detach_role(),
        |cloud| cloud.imds().fail_on(ImdsCall::Token, Fault::Status(403)),
        |cloud| {
            let mine = Role::new(DEFAULT_ROLE).trust(Trust::account(cloud.account()));
            cloud.add_role(mine).unwrap();
        },
        |cloud| {
            let unknown = Fault::error(403, "InvalidClientTokenId");
            cloud.sts().fail_on(StsCall::CallerIdentity, unknown);
        },
    ];
    let mut texts = vec![
        run(&[], &["--help"]).await.out,
        run(&[], &["--no"]).await.err,
    ];
    for spoil in faults {
        let cloud = LocalCloud::start().await.unwrap();
        spoil(&cloud);
        texts.push(on(&cloud, &[], &[]).await.out);
    }
    texts.push(on(&cloud, &[], &["--role-arn", &arn]).await.out);
    for text in &texts {
        for line in text.lines() {
            let words = line.split_whitespace().map(|word| word.chars().count());
            // a word that is too long by itself stands on its own line
            let alone = words.clone().count() == 1 || words.clone().any(|long| long > 76);
            assert!(line.chars().count() <= 80 || alone, "{line}\n{text}");
        }
    }
    let role = texts
        .iter()
        .find(|text| text.contains("✗ role attached"))
        .unwrap();
    let command = "    aws iam add-role-to-instance-profile --instance-profile-name PROFILE \\\n      \
                   --role-name ROLE\n";
    assert!(role.contains(command), "{role}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown() {
    const SECRET: &str = "wJalrXUtnFEMI-do-not-show";
    let document = format!(
        r#"{{"Code":"Success","AccessKeyId":"ASIASHOWN","SecretAccessKey":"{SECRET}","Token":"{SECRET}","Expiration":"2099-01-01T00:00:00Z"}}"#
    );
    // the metadata service is well, and STS refuses
    let metadata = Server::start(move |request| {
        if request.is("PUT", "/latest/api/token") {
            return reply(
                "200 OK",
                "x-aws-ec2-metadata-token-ttl-seconds: 21600",
                SECRET,
            );
        }
        match request.line.contains("/security-credentials-extended/ ") {
            true => reply("200 OK", "", "App"),
            false => reply("200 OK", "", &document),
        }
    });
    let sts = Server::start(|_| {
        // a service that quotes what it was sent, as some do
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The \
             request signature we calculated does not match the signature you provided.\n\nThe Canonical \
             String for this request should have been\n'POST\n/\n\nx-amz-security-token:{SECRET}'\
             </Message></Error><RequestId>1</RequestId></ErrorResponse>"
        );
        reply(
            "403 Forbidden",
            "Content-Type: text/xml\nConnection: close",
            &body,
        )
    });
    let variables = [
        (IMDS, metadata.endpoint.as_str()),
        ("AWS_ENDPOINT_URL_STS", sts.endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIASHOWN"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let role = "arn:aws:iam::999999999999:role/App";
    for arguments in [&["--role-arn", role][..], &["--role-arn", role, "--json"]] {
        let ended = run(&variables, arguments).await;
        assert_eq!(ended.status, 1, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains("ASIASHOWN"), "{}", ended.out);
        assert!(!ended.out.contains("do-not-show"), "{}", ended.out);
        assert!(!ended.err.contains("do-not-show"), "{}", ended.err);
    }
}
