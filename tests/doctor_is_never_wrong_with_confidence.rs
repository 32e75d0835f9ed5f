//! Promise: the doctor recommends only what the steps that passed bear out, says whose metadata service
//! answers when it is not EC2's, says when it is a stand-in that was asked, and says what it could not see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod doctor_support;
mod source_support;

use aws_credential_strategies::diagnose::{Choice, Diagnosis, Doctor, Host, Outcome, StepKind};
use aws_credential_strategies::local::{
    DEFAULT_ROLE, Fault, ImdsCall, LocalCloud, Role, StsCall, Trust,
};
use aws_credential_strategies::source::ImdsSource;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use aws_types::region::Region;
use doctor_support::{Server, azure, google, openstack, reply, web_server};
use source_support::{BRIEF, PATIENCE, imds};

/// A doctor who finds this where the metadata service would be.
async fn examine(server: &Server) -> Diagnosis {
    let imds = ImdsSource::builder()
        .endpoint(&server.endpoint)
        .connect_timeout(PATIENCE)
        .answer_timeout(PATIENCE)
        .max_attempts(1);
    let doctor = Doctor::new().imds(imds).region(Region::new("us-east-1"));
    let diagnosis = doctor.examine().await.unwrap();
    assert!(!diagnosis.is_healthy(), "{diagnosis}");
    diagnosis
}

fn failure(diagnosis: &Diagnosis) -> (StepKind, &str, &str) {
    let step = diagnosis.steps().iter().find(|step| step.is_failed());
    let step = step.unwrap_or_else(|| panic!("nothing failed: {diagnosis}"));
    match step.outcome() {
        Outcome::Failed { cause, remedy, .. } => (step.kind(), cause, remedy),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn other_clouds_are_named_and_option_a_is_not_recommended_there() {
    type Cloud = (fn() -> Server, Host, &'static str);
    let clouds: [Cloud; 3] = [
        (google, Host::GoogleCloud, "Google Cloud"),
        (azure, Host::Azure, "Azure"),
        (openstack, Host::OpenStack, "OpenStack"),
    ];
    for (start, host, name) in clouds {
        let diagnosis = examine(&start()).await;
        let (step, cause, remedy) = failure(&diagnosis);
        assert_eq!(step, StepKind::Token, "{diagnosis}");
        assert!(cause.contains(&format!("looks like {name}'s")), "{cause}");
        assert!(remedy.contains("web_identity"), "{remedy}");
        assert_eq!(diagnosis.host(), Some(host));
        let recommendation = diagnosis.recommendation();
        assert_eq!(recommendation.choice(), Choice::Open, "{diagnosis}");
        assert!(
            recommendation
                .reason()
                .contains(&format!("this is {name}, not EC2")),
            "{recommendation}"
        );
        let code = recommendation.code().unwrap();
        assert!(code.contains(".web_identity("), "{code}");
        assert!(!diagnosis.to_string().contains("Option A, InstanceProfile"));
    }
}

#[tokio::test]
async fn any_web_server_is_no_metadata_service() {
    let statuses = [
        "200 OK",
        "400 Bad Request",
        "404 Not Found",
        "405 Method Not Allowed",
        "411 Length Required",
        "501 Not Implemented",
        "302 Found",
        "204 No Content",
    ];
    for status in statuses {
        let diagnosis = examine(&web_server(status)).await;
        let recommendation = diagnosis.recommendation();
        assert_eq!(
            recommendation.choice(),
            Choice::Open,
            "{status}: {diagnosis}"
        );
        assert_eq!(diagnosis.host(), None, "{status}");
    }
    let diagnosis = examine(&web_server("200 OK")).await;
    assert!(
        diagnosis
            .recommendation()
            .reason()
            .contains("is not EC2's metadata service"),
        "{diagnosis}"
    );
}

#[tokio::test]
async fn a_server_that_copies_the_first_steps_only_is_not_ec2() {
    // session tokens and a role, and no document
    let server = Server::start(|request| {
        if request.is("PUT", "/latest/api/token") {
            let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
            return reply("200 OK", ttl, "AQAEA");
        }
        match request
            .line
            .contains("/iam/security-credentials-extended/ ")
        {
            true => reply("200 OK", "", "SomeRole"),
            false => reply("200 OK", "", "not a document"),
        }
    });
    let diagnosis = examine(&server).await;
    assert_eq!(failure(&diagnosis).0, StepKind::Document);
    assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
}

#[tokio::test]
async fn a_stand_in_is_said_to_be_one() {
    let cloud = LocalCloud::start().await.unwrap();
    let doctor = Doctor::new()
        .imds(imds(&cloud))
        .sdk_config(&cloud.sdk_config());
    let diagnosis = doctor.examine().await.unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    let [metadata, sts] = diagnosis.notes() else {
        panic!("{:?}", diagnosis.notes());
    };
    assert!(metadata.contains(cloud.imds_endpoint()), "{metadata}");
    assert!(metadata.contains("stand-in"), "{metadata}");
    assert!(sts.contains(cloud.sts_endpoint()), "{sts}");
    let unseen = diagnosis.recommendation().unseen().join("\n");
    assert!(unseen.contains("this machine as it is on AWS"), "{unseen}");
    let text = diagnosis.to_string();
    assert!(
        text.starts_with("! the metadata service at http://127.0.0.1:"),
        "{text}"
    );
}

#[tokio::test]
async fn a_step_that_did_not_pass_bears_out_nothing() {
    let cloud = LocalCloud::start().await.unwrap();
    let doctor = || {
        Doctor::new()
            .imds(imds(&cloud))
            .sdk_config(&cloud.sdk_config())
    };

    // AWS does not know the key
    let unknown = Fault::error(403, "InvalidClientTokenId");
    cloud.sts().fail_on(StsCall::CallerIdentity, unknown);
    let diagnosis = doctor().examine().await.unwrap();
    assert_eq!(
        diagnosis.recommendation().choice(),
        Choice::Open,
        "{diagnosis}"
    );
    assert!(
        diagnosis
            .recommendation()
            .reason()
            .contains("does not accept"),
        "{diagnosis}"
    );
    cloud.sts().heal();

    // STS is out of reach, which says nothing about the credentials
    cloud.sts().fail(Fault::Status(503));
    let diagnosis = doctor().examine().await.unwrap();
    assert!(!diagnosis.is_healthy());
    assert_eq!(diagnosis.recommendation().choice(), Choice::InstanceProfile);
    let unseen = diagnosis.recommendation().unseen().join("\n");
    assert!(unseen.contains("STS gave no answer"), "{unseen}");
    cloud.sts().heal();

    // the role of another account refuses
    let far = Role::new("App")
        .account("999999999999")
        .trust(Trust::nobody());
    let arn = cloud.add_role(far).unwrap();
    let diagnosis = doctor().role_arn(arn).examine().await.unwrap();
    assert_eq!(
        diagnosis.recommendation().choice(),
        Choice::Open,
        "{diagnosis}"
    );
    assert!(
        diagnosis
            .recommendation()
            .reason()
            .contains("once it can be assumed"),
        "{diagnosis}"
    );

    // without a region STS is not asked, which is said
    let diagnosis = Doctor::new().imds(imds(&cloud)).examine().await.unwrap();
    assert_eq!(diagnosis.recommendation().choice(), Choice::InstanceProfile);
    let unseen = diagnosis.recommendation().unseen().join("\n");
    assert!(unseen.contains("no region was given"), "{unseen}");
}

#[tokio::test]
async fn what_the_caller_does_without_is_no_fault() {
    let cloud = LocalCloud::start().await.unwrap();
    let keys = cloud.create_access_key("deployer");
    for server in [google(), web_server("404 Not Found")] {
        let source = ImdsSource::builder()
            .endpoint(&server.endpoint)
            .answer_timeout(PATIENCE);
        let diagnosis = Doctor::new()
            .imds(source)
            .sdk_config(&cloud.sdk_config())
            .environment([
                ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
                ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
            ])
            .imds(
                ImdsSource::builder()
                    .endpoint(&server.endpoint)
                    .answer_timeout(PATIENCE),
            )
            .role_arn(cloud.role_arn(DEFAULT_ROLE))
            .examine()
            .await
            .unwrap();
        assert!(diagnosis.is_healthy(), "{diagnosis}");
        assert_eq!(
            diagnosis.recommendation().choice(),
            Choice::AssumeRole,
            "{diagnosis}"
        );
        let text = diagnosis.to_string();
        assert!(text.contains("✓ keys in the environment"), "{text}");
        assert!(text.contains("- session token: left out"), "{text}");
        assert!(!text.contains(keys.secret_access_key()), "{text}");
    }
}

#[tokio::test]
async fn hosts_without_an_aws_identity_say_what_to_do_there() {
    type Case<'a> = (&'a [(&'a str, &'a str)], Host, &'a str);
    let cases: [Case<'_>; 5] = [
        (
            &[("CODESPACES", "true")],
            Host::Codespaces,
            "a codespace has no AWS identity",
        ),
        (
            &[("GITHUB_ACTIONS", "true")],
            Host::GitHubActions,
            "permissions: id-token: write",
        ),
        (
            &[
                ("GITHUB_ACTIONS", "true"),
                ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x"),
            ],
            Host::GitHubActions,
            "assume a role with it",
        ),
        (
            &[("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")],
            Host::Ecs,
            "taskRoleArn",
        ),
        (
            &[("AWS_LAMBDA_FUNCTION_NAME", "f")],
            Host::Lambda,
            "execution role",
        ),
    ];
    for (variables, host, advice) in cases {
        // nobody may be asked for it
        let server = web_server("200 OK");
        let diagnosis = Doctor::new()
            .environment(variables.iter().copied())
            .imds(ImdsSource::builder().endpoint(&server.endpoint))
            .examine()
            .await
            .unwrap();
        assert_eq!(diagnosis.host(), Some(host));
        let (step, cause, remedy) = failure(&diagnosis);
        assert_eq!(step, StepKind::Environment, "{diagnosis}");
        assert!(cause.starts_with(host.as_str()), "{cause}");
        assert!(remedy.contains(advice), "{remedy}");
        assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
        assert!(server.seen().is_empty(), "{:?}", server.seen());
    }
}

#[tokio::test]
async fn a_pod_is_told_whose_role_it_has_and_how_to_get_its_own() {
    let cloud = LocalCloud::start().await.unwrap();
    let doctor = || {
        Doctor::new()
            .environment([("KUBERNETES_SERVICE_HOST", "10.0.0.1")])
            .imds(imds(&cloud).answer_timeout(BRIEF))
            .sdk_config(&cloud.sdk_config())
    };
    let diagnosis = doctor().examine().await.unwrap();
    assert_eq!(diagnosis.host(), Some(Host::Kubernetes));
    let objection = diagnosis.recommendation().objection().unwrap();
    assert!(objection.contains("every pod on the node"), "{objection}");
    cloud.imds().fail_on(ImdsCall::Token, Fault::Hang);
    let diagnosis = doctor().examine().await.unwrap();
    let (step, _, remedy) = failure(&diagnosis);
    assert_eq!(step, StepKind::HopLimit);
    assert!(
        remedy.contains("--http-put-response-hop-limit 2"),
        "{remedy}"
    );
    assert!(remedy.contains("EKS Pod Identity"), "{remedy}");
}

#[tokio::test]
async fn lambda_has_its_keys_in_the_environment() {
    let cloud = LocalCloud::start().await.unwrap();
    let keys = cloud.create_access_key("function");
    let diagnosis = Doctor::new()
        .sdk_config(&cloud.sdk_config())
        .environment([
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ])
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert_eq!(diagnosis.host(), Some(Host::Lambda));
    assert_eq!(diagnosis.recommendation().choice(), Choice::Provided);
    assert_eq!(cloud.imds().calls().total(), 0);
}

/// Keys of a session end by themselves; who says that they last until somebody deletes them is wrong.
#[tokio::test]
async fn keys_of_a_session_are_not_called_lasting() {
    let examine = async |more: &[(&'static str, &'static str)]| {
        let keys = [
            ("GITHUB_ACTIONS", "true"),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        let variables = keys.iter().chain(more).copied();
        let diagnosis = Doctor::new().environment(variables).examine().await;
        let diagnosis = diagnosis.unwrap();
        assert_eq!(diagnosis.recommendation().choice(), Choice::Provided);
        diagnosis.recommendation().objection().unwrap().to_owned()
    };
    let of_a_user = examine(&[]).await;
    assert!(of_a_user.contains("until somebody deletes"), "{of_a_user}");
    let of_a_session = examine(&[("AWS_SESSION_TOKEN", "token")]).await;
    assert!(!of_a_session.contains("of a user"), "{of_a_session}");
    assert!(of_a_session.contains("of a session"), "{of_a_session}");
    assert!(of_a_session.contains("nobody renews"), "{of_a_session}");
}

/// The SDKs' own chain takes keys of the environment before any role, so that a program which uses that runs as
/// somebody else than the doctor has looked at.
#[tokio::test]
async fn keys_beside_a_role_are_said_to_come_first_in_the_default_chain() {
    let cloud = LocalCloud::start().await.unwrap();
    let keys = cloud.create_access_key("deployer");
    let variables = [
        ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
    ];
    let doctor = |variables: &[(&str, &str)]| {
        Doctor::new()
            .environment(variables.iter().copied())
            .imds(imds(&cloud))
            .sdk_config(&cloud.sdk_config())
    };
    let told = |diagnosis: &Diagnosis| -> Vec<String> {
        let notes = diagnosis.notes().iter();
        notes
            .filter(|note| note.contains("AWS_ACCESS_KEY_ID"))
            .cloned()
            .collect()
    };
    let diagnosis = doctor(&variables).examine().await.unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert_eq!(diagnosis.recommendation().choice(), Choice::InstanceProfile);
    let [note] = &told(&diagnosis)[..] else {
        panic!("{diagnosis}");
    };
    assert!(note.contains("default chain"), "{note}");
    assert!(note.contains("before the instance's role"), "{note}");
    assert!(!diagnosis.to_string().contains(keys.secret_access_key()));

    let container = [
        &variables[..],
        &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")],
    ]
    .concat();
    let diagnosis = doctor(&container).examine().await.unwrap();
    let [note] = &told(&diagnosis)[..] else {
        panic!("{diagnosis}");
    };
    assert!(note.contains("before the container's role"), "{note}");

    let pod = [
        &variables[..],
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/App"),
        ],
    ]
    .concat();
    let diagnosis = doctor(&pod).examine().await.unwrap();
    assert_eq!(told(&diagnosis).len(), 1, "{diagnosis}");

    // where they are what is used, or somebody else is, there is nothing to say
    let hosted = [&variables[..], &[("GITHUB_ACTIONS", "true")]].concat();
    let diagnosis = doctor(&hosted).examine().await.unwrap();
    assert_eq!(told(&diagnosis), [""; 0], "{diagnosis}");
    let given = doctor(&variables).base_provider(cloud.create_access_key("other"));
    let diagnosis = given.examine().await.unwrap();
    assert_eq!(told(&diagnosis), [""; 0], "{diagnosis}");
    let diagnosis = doctor(&variables[..1]).examine().await.unwrap();
    assert_eq!(told(&diagnosis), [""; 0], "half a key is none: {diagnosis}");
}

/// Whoever asks for credentials asks in vain, and is never told so.
#[derive(Debug)]
struct Silent;

impl ProvideCredentials for Silent {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_is_named_and_not_waited_for() {
    let doctor = Doctor::new()
        .environment([("GITHUB_ACTIONS", "true")])
        .region("us-east-1")
        .sts_endpoint("http://127.0.0.1:9")
        .base_provider(Silent)
        .role_arn("arn:aws:iam::123456789012:role/App");
    let limit = std::time::Duration::from_secs(600);
    let diagnosis = tokio::time::timeout(limit, doctor.examine()).await;
    let diagnosis = diagnosis.expect("an end").unwrap();
    let (step, cause, _) = failure(&diagnosis);
    assert_eq!(step, StepKind::Caller, "{diagnosis}");
    assert!(cause.contains("has not answered"), "{cause}");
    assert!(cause.contains("30 s"), "{cause}");
    assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
}

#[tokio::test]
async fn the_environment_names_the_metadata_service_that_is_asked() {
    let cloud = LocalCloud::start().await.unwrap();
    let diagnosis = Doctor::new()
        .environment([("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint())])
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    let diagnosis = Doctor::new()
        .environment([
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.imds_endpoint()),
            ("AWS_EC2_METADATA_DISABLED", "True"),
        ])
        .examine()
        .await
        .unwrap();
    let (step, cause, remedy) = failure(&diagnosis);
    assert_eq!(step, StepKind::Reachable);
    assert!(cause.contains("disabled by the environment"), "{cause}");
    assert!(remedy.contains("AWS_EC2_METADATA_DISABLED"), "{remedy}");
    assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
}

/// Answers as STS would, or as what stands in between.
fn sts_behind(status: &'static str, headers: &'static str, body: &'static str) -> Server {
    Server::start(move |_| reply(status, headers, body))
}

/// What STS has against a call need not be the credentials, and where it answered nobody has to look whether
/// it can be reached.
#[tokio::test]
async fn a_refused_call_is_not_taken_for_refused_credentials() {
    for (code, message, remedy) in [
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
            "clock is off",
        ),
        ("RequestTimeTooSkewed", "too large", "clock is off"),
        (
            "RegionDisabledException",
            "STS is not activated in this region",
            "activate STS in us-east-1",
        ),
        ("OptInRequired", "x", "aws sts get-caller-identity"),
        (
            "AccessDenied",
            "User: arn:aws:iam::123456789012:user/a is not authorized to perform: sts:GetCallerIdentity with an explicit deny in a service control policy",
            "the service control policy of the organization denies it",
        ),
    ] {
        let cloud = LocalCloud::start().await.unwrap();
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        let server = sts_behind(
            "403 Forbidden",
            "Content-Type: text/xml",
            Box::leak(body.into_boxed_str()),
        );
        let diagnosis = Doctor::new()
            .imds(imds(&cloud))
            .region("us-east-1")
            .sts_endpoint(&server.endpoint)
            .examine()
            .await
            .unwrap();
        let recommendation = diagnosis.recommendation();
        assert_eq!(recommendation.choice(), Choice::Open, "{diagnosis}");
        assert!(
            !recommendation.reason().contains("does not accept"),
            "{diagnosis}"
        );
        let said = diagnosis.to_string();
        assert!(said.contains(remedy) && !said.contains("curl"), "{said}");
    }
}

/// Other vendors have no accounts.
#[tokio::test]
async fn an_identity_without_an_account_is_one() {
    let cloud = LocalCloud::start().await.unwrap();
    let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>urn:ecs:sts::ns:assumed-role/App/s</Arn><UserId/><Account/></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let server = sts_behind("200 OK", "Content-Type: text/xml", body);
    let diagnosis = Doctor::new()
        .imds(imds(&cloud))
        .region("us-east-1")
        .sts_endpoint(&server.endpoint)
        .examine()
        .await
        .unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
}

/// One that says OK to whatever it is asked.
#[tokio::test]
async fn a_server_that_takes_any_path_is_not_ec2() {
    let server = Server::start(|_| reply("200 OK", "Content-Type: text/plain", "OK"));
    let source = ImdsSource::builder()
        .endpoint(&server.endpoint)
        .max_attempts(1);
    let diagnosis = Doctor::new().imds(source).examine().await.unwrap();
    let recommendation = diagnosis.recommendation();
    assert_eq!(recommendation.choice(), Choice::Open, "{diagnosis}");
    assert_eq!(recommendation.code(), None, "{diagnosis}");
    assert!(!recommendation.reason().contains("Option A"), "{diagnosis}");
}

#[tokio::test]
async fn a_page_in_place_of_sts_is_not_what_aws_says_of_the_credentials() {
    let pages = [
        ("200 OK", "<html><body>Sign in to the network</body></html>"),
        (
            "403 Forbidden",
            "<html><body><code>blocked</code></body></html>",
        ),
        ("407 Proxy Authentication Required", ""),
        (
            "502 Bad Gateway",
            "<html><h1>502 Bad Gateway</h1><hr>nginx</html>",
        ),
    ];
    for (status, page) in pages {
        let cloud = LocalCloud::start().await.unwrap();
        let server = sts_behind(status, "Content-Type: text/html", page);
        let diagnosis = Doctor::new()
            .imds(imds(&cloud))
            .region("us-east-1")
            .sts_endpoint(&server.endpoint)
            .examine()
            .await
            .unwrap();
        assert_eq!(failure(&diagnosis).0, StepKind::Caller, "{diagnosis}");
        let recommendation = diagnosis.recommendation();
        let reason = recommendation.reason();
        assert!(!reason.contains("does not accept"), "{status}: {diagnosis}");
        let unseen = recommendation.unseen().join("\n");
        assert!(
            unseen.contains("whether AWS accepts these credentials: STS gave no answer"),
            "{status}: {unseen}"
        );
    }
}

#[tokio::test]
async fn an_identity_that_gives_nothing_is_not_refused_by_aws() {
    #[derive(Debug)]
    struct Nothing;
    impl ProvideCredentials for Nothing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nothing here")))
        }
    }
    let cloud = LocalCloud::start().await.unwrap();
    let diagnosis = Doctor::new()
        .imds(imds(&cloud))
        .sdk_config(&cloud.sdk_config())
        .base_provider(Nothing)
        .examine()
        .await
        .unwrap();
    assert_eq!(diagnosis.recommendation().choice(), Choice::Open);
    let reason = diagnosis.recommendation().reason();
    assert_eq!(reason, "an identity from elsewhere could not be had");
}

#[tokio::test]
async fn where_code_runs_is_not_taken_for_who_answers() {
    let kubernetes = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    let examine = |server: &Server, variables: &[(&'static str, &'static str)]| {
        let source = ImdsSource::builder()
            .endpoint(&server.endpoint)
            .answer_timeout(PATIENCE);
        Doctor::new()
            .environment(variables.iter().copied())
            .imds(source)
            .region("us-east-1")
            .examine()
    };
    // a pod on EC2 behind an agent that knows no session tokens
    let agent = web_server("404 Not Found");
    let diagnosis = examine(&agent, &[kubernetes]).await.unwrap();
    let reason = diagnosis.recommendation().reason();
    assert!(!reason.contains("not EC2,"), "{reason}");
    assert!(reason.contains("what answers at the metadata address"));
    let (_, _, remedy) = failure(&diagnosis);
    assert!(remedy.contains("kiam"), "{remedy}");
    for variables in [[("GITLAB_CI", "true")], [("C9_PID", "1")]] {
        let diagnosis = examine(&agent, &variables).await.unwrap();
        let reason = diagnosis.recommendation().reason();
        assert!(!reason.contains("not EC2,"), "{reason}");
    }
    // a pod on Google Cloud
    let diagnosis = examine(&google(), &[kubernetes]).await.unwrap();
    assert_eq!(diagnosis.host(), Some(Host::Kubernetes));
    let recommendation = diagnosis.recommendation();
    assert!(
        recommendation
            .reason()
            .contains("this is Google Cloud, not EC2")
    );
    assert!(recommendation.code().unwrap().contains(".web_identity("));
}
