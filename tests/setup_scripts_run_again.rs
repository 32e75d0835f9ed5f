//! The set-up scripts make what is missing, keep what is there, and stop before they set up the wrong thing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_credential_strategies::iam::{OidcProvider, Partition, PermissionPolicy, TrustPolicy};
use aws_credential_strategies::{AssumeRole, InstanceProfile};
use source_support::Recorder;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

mod source_support;

/// Stands in for the AWS CLI: keeps roles, profiles and associations as files, and notes each call.
const AWS: &str = r#"#!/usr/bin/env bash
set -euo pipefail
call="$2"
shift 2
option() {
  local wanted="$1"
  shift
  while (($#)); do
    if [[ "$1" == "$wanted" ]]; then printf '%s\n' "$2"; return; fi
    shift
  done
  echo "no $wanted in $call" >&2
  exit 2
}
missing() { echo "An error occurred (NoSuchEntity)" >&2; exit 254; }
printf '%s\n' "$call" >>"$STATE/calls"
case "$call" in
  get-caller-identity) echo "$ACCOUNT" ;;
  get-role) [[ -e "$STATE/$(option --role-name "$@").trust" ]] || missing ;;
  create-role | update-assume-role-policy)
    # IAM does not know a new principal everywhere at once
    if [[ -e "$STATE/slow" ]]; then
      rm "$STATE/slow"
      echo "An error occurred (MalformedPolicyDocument): Invalid principal in policy" >&2
      exit 254
    fi
    if [[ -e "$STATE/forbidden" ]]; then echo "An error occurred (AccessDenied): no" >&2; exit 254; fi
    document=--policy-document
    [[ "$call" != create-role ]] || document=--assume-role-policy-document
    option "$document" "$@" >"$STATE/$(option --role-name "$@").trust" ;;
  update-role) option --max-session-duration "$@" >/dev/null ;;
  put-role-policy) option --policy-document "$@" >"$STATE/$(option --role-name "$@").permission" ;;
  get-open-id-connect-provider) cat "$STATE/provider" 2>/dev/null || missing ;;
  create-open-id-connect-provider)
    option --url "$@" >"$STATE/provider-url"
    option --client-id-list "$@" >"$STATE/provider" ;;
  add-client-id-to-open-id-connect-provider) option --client-id "$@" >>"$STATE/provider" ;;
  get-instance-profile) cat "$STATE/$(option --instance-profile-name "$@").profile" 2>/dev/null || missing ;;
  create-instance-profile) : >"$STATE/$(option --instance-profile-name "$@").profile" ;;
  wait) ;;
  add-role-to-instance-profile)
    option --role-name "$@" >"$STATE/$(option --instance-profile-name "$@").profile" ;;
  describe-iam-instance-profile-associations) cat "$STATE/association" 2>/dev/null || echo None ;;
  associate-iam-instance-profile)
    profile="$(option --iam-instance-profile "$@")"
    echo "arn:aws:iam::$ACCOUNT:instance-profile/${profile#Name=}" >"$STATE/association" ;;
  *) echo "no such call: $call" >&2; exit 2 ;;
esac
"#;

const ACCOUNT: &str = "210987654321";

/// One account, as the stand-in keeps it.
struct Account(PathBuf);

impl Account {
    fn new(name: &str) -> Self {
        let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("setup-{name}"));
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).unwrap();
        let aws = state.join("aws");
        fs::write(&aws, AWS).unwrap();
        fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
        Account(state)
    }

    /// Runs a script and returns the calls it made; on failure what it said.
    fn run(&self, script: &str, settings: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let _ = fs::remove_file(self.0.join("calls"));
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/setup")
            .join(script);
        let output = Command::new("bash")
            .arg(script)
            .env_clear()
            .env("PATH", path)
            .env("STATE", &self.0)
            .env("ACCOUNT", ACCOUNT)
            .env("RETRY_SECONDS", "0")
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8(output.stderr).unwrap());
        }
        fs::write(self.0.join("said"), &output.stderr).unwrap();
        let calls = fs::read_to_string(self.0.join("calls")).unwrap();
        Ok(calls.lines().map(str::to_owned).collect())
    }

    /// What a script says at its end.
    fn says(&self, script: &str, settings: &[(&str, &str)]) -> String {
        self.run(script, settings).unwrap();
        fs::read_to_string(self.0.join("said")).unwrap()
    }

    fn trust(&self, role: &str) -> TrustPolicy {
        fs::read_to_string(self.0.join(format!("{role}.trust")))
            .unwrap()
            .parse()
            .unwrap()
    }

    fn permission(&self, role: &str) -> PermissionPolicy {
        fs::read_to_string(self.0.join(format!("{role}.permission")))
            .unwrap()
            .parse()
            .unwrap()
    }

    fn holds(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }

    fn put(&self, file: &str, content: &str) {
        fs::write(self.0.join(file), content).unwrap();
    }
}

const INSTANCE: (&str, &str) = ("INSTANCE_ID", "i-0123456789abcdef0");

#[test]
fn option_a_makes_role_profile_and_association_and_a_second_run_makes_nothing() {
    let account = Account::new("option-a");
    let first = account.run("option-a.sh", &[INSTANCE]).unwrap();
    assert_eq!(
        first,
        [
            "get-caller-identity",
            "get-role",
            "create-role",
            "put-role-policy",
            "get-instance-profile",
            "create-instance-profile",
            "wait",
            "add-role-to-instance-profile",
            "describe-iam-instance-profile-associations",
            "associate-iam-instance-profile",
        ]
    );
    assert_eq!(account.trust("EC2DynamoDBRole"), TrustPolicy::ec2());
    let permission = account.permission("EC2DynamoDBRole").to_compact_json();
    insta::assert_snapshot!(permission, @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:PutItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:us-east-1:210987654321:table/MyTable"}]}"#);

    let second = account.run("option-a.sh", &[INSTANCE]).unwrap();
    let made = ["create", "add", "associate"];
    assert!(
        !second
            .iter()
            .any(|call| made.iter().any(|verb| call.starts_with(verb))),
        "{second:?}"
    );
}

#[test]
fn option_b_in_one_account_trusts_the_role_of_the_instance() {
    let account = Account::new("option-b");
    account.run("option-b-caller.sh", &[INSTANCE]).unwrap();
    assert_eq!(account.trust("EC2CallerRole"), TrustPolicy::ec2());
    insta::assert_snapshot!(account.permission("EC2CallerRole").to_compact_json(), @r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::210987654321:role/DynamoDBRole"}]}"#);
    account.put("slow", "");
    account.run("option-b-target.sh", &[]).unwrap();
    let caller = format!("arn:aws:iam::{ACCOUNT}:role/EC2CallerRole");
    let trusted = TrustPolicy::builder().role(&caller).build().unwrap();
    assert_eq!(account.trust("DynamoDBRole"), trusted);
    // one instance only: its session, never the instance
    account
        .run(
            "option-b-target.sh",
            &[INSTANCE, ("TRUST", "trust-one-instance.json")],
        )
        .unwrap();
    let session = format!(
        "arn:aws:sts::{ACCOUNT}:assumed-role/EC2CallerRole/{}",
        INSTANCE.1
    );
    let one = TrustPolicy::builder().principal(&session).build().unwrap();
    assert_eq!(account.trust("DynamoDBRole"), one);
}

#[test]
fn option_b_across_accounts_wants_an_external_id() {
    let account = Account::new("option-b-across");
    let other = ("CALLER_ACCOUNT_ID", "444455556666");
    let refused = account.run("option-b-target.sh", &[other]).unwrap_err();
    assert!(refused.contains("needs EXTERNAL_ID"), "{refused}");
    assert!(!account.holds("DynamoDBRole.trust"));
    account
        .run("option-b-target.sh", &[other, ("EXTERNAL_ID", "partner/7")])
        .unwrap();
    let trusted = TrustPolicy::builder()
        .role("arn:aws:iam::444455556666:role/EC2CallerRole")
        .external_id("partner/7")
        .build()
        .unwrap();
    assert_eq!(account.trust("DynamoDBRole"), trusted);

    account
        .run(
            "option-b-caller.sh",
            &[("TARGET_ACCOUNT_ID", "777788889999")],
        )
        .unwrap();
    let policy = account.permission("EC2CallerRole").to_compact_json();
    assert!(
        policy.contains("arn:aws:iam::777788889999:role/DynamoDBRole"),
        "{policy}"
    );
}

#[test]
fn in_another_partition_all_of_it_is_of_that() {
    let account = Account::new("china");
    let china = ("REGION", "cn-north-1");
    account.run("option-a.sh", &[china]).unwrap();
    let partition = Partition::of_region("cn-north-1");
    assert_eq!(
        account.trust("EC2DynamoDBRole"),
        TrustPolicy::ec2_in(partition)
    );
    let policy = account.permission("EC2DynamoDBRole").to_compact_json();
    assert!(
        policy.contains("arn:aws-cn:dynamodb:cn-north-1:"),
        "{policy}"
    );
    account.run("option-b-caller.sh", &[china]).unwrap();
    let said = account.says("option-b-target.sh", &[china]);
    let role = format!("arn:aws-cn:iam::{ACCOUNT}:role/DynamoDBRole");
    let line = format!("AssumeRole::builder(\"{role}\").region(\"cn-north-1\").build()?");
    assert!(said.contains(&line), "{said}");
    for file in fs::read_dir(&account.0).unwrap() {
        let path = file.unwrap().path();
        let is_document = path
            .extension()
            .is_some_and(|e| e == "trust" || e == "permission");
        if is_document {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("arn:aws:"), "{}: {text}", path.display());
        }
    }
}

#[test]
fn an_identity_from_outside_is_admitted_by_its_provider() {
    let account = Account::new("github");
    let trust = ("TRUST", "trust-github.json");
    let refused = account.run("option-b-target.sh", &[trust]).unwrap_err();
    assert!(refused.contains("needs GITHUB_REPOSITORY"), "{refused}");
    let settings = [trust, ("GITHUB_REPOSITORY", "example/app")];
    let said = account.says("option-b-target.sh", &settings);
    assert!(
        said.contains(".web_identity(fetch_token).build()?"),
        "{said}"
    );
    let url = fs::read_to_string(account.0.join("provider-url")).unwrap();
    assert_eq!(url.trim(), OidcProvider::github().url());
    let expected = TrustPolicy::builder()
        .web_identity(&OidcProvider::github(), ACCOUNT)
        .subject("repo:example/app:ref:refs/heads/main")
        .build()
        .unwrap();
    assert_eq!(account.trust("DynamoDBRole"), expected);
    let again = account.run("option-b-target.sh", &settings).unwrap();
    assert!(
        !again.iter().any(|call| call.starts_with("create")),
        "{again:?}"
    );

    // a provider that is known for other audiences gets this one too
    account.put("provider", "another");
    let calls = account.run("option-b-target.sh", &settings).unwrap();
    assert!(
        calls.iter().any(|call| call.starts_with("add-client-id")),
        "{calls:?}"
    );

    let eks = [
        ("TRUST", "trust-eks.json"),
        (
            "EKS_ISSUER",
            "https://oidc.eks.us-east-1.amazonaws.com/id/0123",
        ),
        ("SERVICE_ACCOUNT", "shop:checkout"),
    ];
    let said = account.says("option-b-target.sh", &eks);
    assert!(said.contains(".web_identity_from_env().build()?"), "{said}");
    // an external id is not for tokens
    let said = account.says(
        "option-b-target.sh",
        &[eks[0], eks[1], eks[2], ("EXTERNAL_ID", "partner/7")],
    );
    assert!(!said.contains("external_id"), "{said}");
}

/// Every form of the line that the scripts print, as code.
#[test]
fn the_lines_that_the_scripts_print_compile() {
    fn fetch_token() -> std::future::Ready<Result<String, Box<dyn std::error::Error + Send + Sync>>>
    {
        std::future::ready(Ok("token".to_owned()))
    }
    let lines = || -> aws_credential_strategies::Result<()> {
        InstanceProfile::builder().build()?;
        let role = "arn:aws:iam::123456789012:role/DynamoDBRole";
        let client = || Recorder::refusing();
        AssumeRole::builder(role)
            .region("us-east-1")
            .http_client(client())
            .build()?;
        AssumeRole::builder(role)
            .region("us-east-1")
            .external_id("partner-7f3a")
            .http_client(client())
            .build()?;
        AssumeRole::builder(role)
            .region("us-east-1")
            .web_identity(fetch_token)
            .http_client(client())
            .build()?;
        // refused where the variables are not set, as here
        let from_env = AssumeRole::builder(role)
            .region("us-east-1")
            .web_identity_from_env();
        assert!(from_env.http_client(client()).build().is_err());
        Ok(())
    };
    lines().unwrap();
}

#[test]
fn it_stops_before_it_sets_up_the_wrong_thing() {
    let account = Account::new("wrong");
    let refused = |settings: &[(&str, &str)]| account.run("option-a.sh", settings).unwrap_err();
    let wrong_account = refused(&[("ACCOUNT_ID", "123456789012")]);
    assert!(
        wrong_account.contains("the credentials are for account 210987654321"),
        "{wrong_account}"
    );
    for (setting, value) in [
        ("TABLE", "*"),
        ("TABLE", "My\"Table"),
        ("REGION", "us-east-1|e"),
        ("REGION", "mars-north-1"),
        ("ROLE", "a/b"),
        ("INSTANCE_ID", "My instance"),
        ("PARTITION", "gov"),
    ] {
        let message = refused(&[(setting, value)]);
        assert!(
            message.contains(&format!("{setting} is '{value}', expected")),
            "{message}"
        );
    }
    assert!(!account.holds("EC2DynamoDBRole.trust"));

    // what retrying does not mend is said at once
    account.put("forbidden", "");
    let message = refused(&[]);
    assert!(
        message.contains("AccessDenied") && !message.contains("trying again"),
        "{message}"
    );
    fs::remove_file(account.0.join("forbidden")).unwrap();

    account.put("EC2DynamoDBProfile.profile", "SomeoneElse");
    assert!(refused(&[]).contains("holds role SomeoneElse already"));
    account.put("EC2DynamoDBProfile.profile", "EC2DynamoDBRole");
    account.put(
        "association",
        "arn:aws:iam::210987654321:instance-profile/Other",
    );
    assert!(refused(&[INSTANCE]).contains("replace-iam-instance-profile-association"));
}
