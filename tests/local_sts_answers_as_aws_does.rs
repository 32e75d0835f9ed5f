//! Promise: the embedded STS checks callers, parameters, trust and session lengths, and refuses with
//! AWS's status, code and sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::Credentials;
use aws_credential_strategies::local::{LocalCloud, Role, StsCall, Trust};
use aws_sdk_sts::Client;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::Tag;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_async::time::TimeSource as _;
use aws_smithy_types::retry::RetryConfig;
use aws_types::region::Region;
use local_support::{Clock, send};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

fn client(cloud: &LocalCloud, credentials: impl Into<Option<Credentials>>) -> Client {
    let config = aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
        .retry_config(RetryConfig::disabled());
    Client::from_conf(match credentials.into() {
        Some(credentials) => config.credentials_provider(credentials).build(),
        None => config.allow_no_auth().build(),
    })
}

fn session(output: &aws_sdk_sts::operation::assume_role::AssumeRoleOutput) -> Credentials {
    let credentials = output.credentials().unwrap();
    Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "test",
    )
}

/// Status, code and message of a refusal.
fn refusal<O, E>(result: Result<O, SdkError<E>>) -> (u16, String, String)
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let Err(error) = result else {
        panic!("it was granted");
    };
    assert_eq!(error.request_id().unwrap().len(), 36, "a request id");
    let status = error.raw_response().unwrap().status().as_u16();
    let meta = error.meta();
    (
        status,
        meta.code().unwrap().to_owned(),
        meta.message().unwrap().to_owned(),
    )
}

fn refused(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

#[tokio::test]
async fn a_user_assumes_a_role_and_is_then_the_session() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder().clock(clock).start().await.unwrap();
    let role = cloud.add_role(Role::new("App").path("/service/")).unwrap();
    assert_eq!(role, "arn:aws:iam::123456789012:role/service/App");
    let user = cloud.create_access_key("deployer");
    assert!(user.access_key_id().starts_with("AKIA") && user.session_token().is_none());
    let sts = client(&cloud, user.clone());
    let caller = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(
        caller.arn(),
        Some("arn:aws:iam::123456789012:user/deployer")
    );

    let output = sts
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .send()
        .await
        .unwrap();
    let credentials = output.credentials().unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA"));
    assert_eq!(credentials.expiration().to_string(), "2027-01-15T09:00:00Z");
    let assumed = output.assumed_role_user().unwrap();
    assert_eq!(
        assumed.arn(),
        "arn:aws:sts::123456789012:assumed-role/App/session",
        "no path"
    );
    assert!(assumed.assumed_role_id().starts_with("AROA"));

    let caller = client(&cloud, session(&output))
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(caller.arn(), Some(assumed.arn()));
    assert_eq!(caller.user_id(), Some(assumed.assumed_role_id()));
    let calls = cloud.sts().calls();
    assert_eq!((calls.assume_role, calls.caller_identity), (1, 2));
}

#[tokio::test]
async fn callers_that_cannot_be_believed_are_told_why() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let role = cloud.add_role(Role::new("App")).unwrap();
    let user = cloud.create_access_key("deployer");
    let ask = async |credentials: Credentials| {
        refusal(
            client(&cloud, credentials)
                .get_caller_identity()
                .send()
                .await,
        )
    };
    let invalid = refused(
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
    );

    let unknown = Credentials::new("AKIAUNKNOWNUNKNOWN77", "secret", None, None, "test");
    assert_eq!(ask(unknown).await, invalid);

    let wrong_secret = Credentials::new(user.access_key_id(), "wrong", None, None, "test");
    assert_eq!(
        ask(wrong_secret).await,
        refused(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        )
    );

    let output = client(&cloud, user.clone())
        .assume_role()
        .role_arn(&role)
        .role_session_name("session")
        .duration_seconds(900)
        .send()
        .await
        .unwrap();
    let session = session(&output);
    let without_token = Credentials::new(
        session.access_key_id(),
        session.secret_access_key(),
        None,
        None,
        "test",
    );
    assert_eq!(ask(without_token).await, invalid);

    clock.advance(Duration::from_secs(900));
    assert_eq!(
        ask(session).await,
        refused(
            403,
            "ExpiredToken",
            "The security token included in the request is expired"
        )
    );

    assert!(cloud.revoke(user.access_key_id()));
    assert_eq!(ask(user).await, invalid);
    assert!(!cloud.revoke("AKIAUNKNOWNUNKNOWN77"));
}

#[tokio::test]
async fn a_request_without_a_signature_is_refused() {
    let cloud = LocalCloud::start().await.unwrap();
    let answer = send(
        "POST",
        cloud.sts_endpoint(),
        &[("content-type", "application/x-www-form-urlencoded")],
        "Action=GetCallerIdentity&Version=2011-06-15",
    )
    .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("content-type"), "text/xml");
    assert!(
        answer
            .body
            .contains("<Code>MissingAuthenticationToken</Code>")
    );
    assert!(answer.body.contains("<Type>Sender</Type>"));
}

#[tokio::test]
async fn a_clock_that_is_off_by_more_than_five_minutes_is_refused() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let user = cloud.create_access_key("deployer");
    let caller = Clock::new();
    let sts = Client::from_conf(
        aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
            .retry_config(RetryConfig::disabled())
            .time_source(caller.clone())
            .credentials_provider(user)
            .build(),
    );
    clock.advance(Duration::from_secs(300));
    assert!(sts.get_caller_identity().send().await.is_ok());
    clock.advance(Duration::from_secs(1));
    // a client of its own for each, as a client learns the skew from the first answer
    let fresh = || Client::from_conf(sts.config().clone());
    assert_eq!(
        refusal(fresh().get_caller_identity().send().await),
        refused(
            403,
            "SignatureDoesNotMatch",
            "Signature expired: 20270115T080000Z is now earlier than 20270115T080001Z (20270115T080501Z - 5 min.)"
        )
    );
    clock.set_back(Duration::from_secs(602));
    assert_eq!(
        refusal(fresh().get_caller_identity().send().await),
        refused(
            403,
            "SignatureDoesNotMatch",
            "Signature not yet current: 20270115T080000Z is still later than 20270115T075959Z (20270115T075459Z + 5 min.)"
        )
    );
}

#[tokio::test]
async fn a_signature_for_another_region_is_refused() {
    let cloud = LocalCloud::start().await.unwrap();
    let sts = Client::from_conf(
        aws_sdk_sts::config::Builder::from(&cloud.sdk_config())
            .region(Region::new("eu-west-1"))
            .credentials_provider(cloud.create_access_key("deployer"))
            .build(),
    );
    let (status, code, message) = refusal(sts.get_caller_identity().send().await);
    assert_eq!((status, code.as_str()), (403, "SignatureDoesNotMatch"));
    assert!(message.starts_with("Credential should be scoped to a valid region"));
}

#[tokio::test]
async fn trust_decides_and_every_denial_reads_alike() {
    let cloud = LocalCloud::start().await.unwrap();
    let account = cloud.account().to_owned();
    let add = |name: &str, trust: Trust| cloud.add_role(Role::new(name).trust(trust)).unwrap();
    let user_arn = "arn:aws:iam::123456789012:user/deployer";
    add("ByAccount", Trust::account(&account));
    add("ByUser", Trust::principal(user_arn));
    add("Closed", Trust::nobody());
    add("ForOthers", Trust::account("210987654321"));
    add("ForServices", Trust::service("lambda.amazonaws.com"));
    add("WithId", Trust::account(&account).external_id("42"));
    add("WithMfa", Trust::account(&account).mfa());
    let sts = client(&cloud, cloud.create_access_key("deployer"));
    let assume = |name: &str| {
        sts.assume_role()
            .role_arn(format!("arn:aws:iam::{account}:role/{name}"))
            .role_session_name("session")
    };
    let denied = |name: &str| {
        refused(
            403,
            "AccessDenied",
            &format!(
                "User: {user_arn} is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::{account}:role/{name}"
            ),
        )
    };

    for name in ["ByAccount", "ByUser"] {
        assert!(assume(name).send().await.is_ok(), "{name}");
        let with_id = assume(name).external_id("ignored").send().await;
        assert!(with_id.is_ok(), "an external id that nobody asks for");
    }
    for name in [
        "Closed",
        "ForOthers",
        "ForServices",
        "NotThere",
        "WithId",
        "WithMfa",
    ] {
        assert_eq!(refusal(assume(name).send().await), denied(name));
    }
    let wrong = assume("WithId").external_id("41").send().await;
    assert_eq!(refusal(wrong), denied("WithId"));
    assert!(assume("WithId").external_id("42").send().await.is_ok());

    let serial = "arn:aws:iam::123456789012:mfa/deployer";
    cloud.add_mfa_device(serial, "123456");
    let mfa = |code: &str| assume("WithMfa").serial_number(serial).token_code(code);
    assert_eq!(
        refusal(mfa("654321").send().await).2,
        "MultiFactorAuthentication failed with invalid MFA one time pass code. "
    );
    assert!(mfa("123456").send().await.is_ok());
}

#[tokio::test]
async fn a_role_of_another_account_admits_who_it_names() {
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud
        .add_role(
            Role::new("Partner")
                .account("210987654321")
                .trust(Trust::account(cloud.account())),
        )
        .unwrap();
    assert_eq!(role, "arn:aws:iam::210987654321:role/Partner");
    let output = client(&cloud, cloud.create_access_key("deployer"))
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .send()
        .await
        .unwrap();
    let identity = client(&cloud, session(&output))
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(identity.account(), Some("210987654321"));
}

#[tokio::test]
async fn session_lengths_are_bounded_as_on_aws() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder().clock(clock).start().await.unwrap();
    let hour = cloud.add_role(Role::new("Hour")).unwrap();
    let long = cloud
        .add_role(Role::new("Long").max_session(12 * HOUR))
        .unwrap();
    let user = client(&cloud, cloud.create_access_key("deployer"));
    let assume = |sts: &Client, role: &str, seconds: i32| {
        sts.assume_role()
            .role_arn(role)
            .role_session_name("session")
            .duration_seconds(seconds)
            .send()
    };
    for (seconds, constraint) in [
        (899, "greater than or equal to 900"),
        (43_201, "less than or equal to 43200"),
    ] {
        let (status, code, message) = refusal(assume(&user, &long, seconds).await);
        assert_eq!((status, code.as_str()), (400, "ValidationError"));
        assert_eq!(
            message,
            format!(
                "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value {constraint}"
            )
        );
    }
    assert_eq!(
        refusal(assume(&user, &hour, 3601).await),
        refused(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    );
    let twelve_hours = assume(&user, &long, 43_200).await.unwrap();
    let expiry = SystemTime::try_from(*twelve_hours.credentials().unwrap().expiration()).unwrap();
    assert_eq!(
        expiry,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + 12 * HOUR
    );

    let chained = client(&cloud, session(&twelve_hours));
    assert!(assume(&chained, &long, 3600).await.is_ok());
    assert_eq!(
        refusal(assume(&chained, &long, 3601).await),
        refused(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    );
}

#[tokio::test]
async fn the_builders_lifetime_shortens_what_is_granted_and_never_lengthens_it() {
    let lifetime_of = async |builder_says: Duration, asked: i32| {
        let cloud = LocalCloud::builder()
            .clock(Clock::new())
            .session_lifetime(builder_says)
            .start()
            .await
            .unwrap();
        let role = cloud.add_role(Role::new("App")).unwrap();
        let output = client(&cloud, cloud.create_access_key("deployer"))
            .assume_role()
            .role_arn(role)
            .role_session_name("session")
            .duration_seconds(asked)
            .send()
            .await
            .unwrap();
        output.credentials().unwrap().expiration().secs() - 1_800_000_000
    };
    assert_eq!(lifetime_of(Duration::from_secs(15), 900).await, 15);
    assert_eq!(lifetime_of(HOUR, 900).await, 900);
}

#[tokio::test]
async fn parameters_are_checked_in_awss_words() {
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud.add_role(Role::new("App")).unwrap();
    let sts = client(&cloud, cloud.create_access_key("deployer"));
    let assume = || {
        sts.assume_role()
            .role_arn(&role)
            .role_session_name("session")
    };
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let wrong_member = |value: &str, member: &str, constraint: &str| {
        (
            "ValidationError".to_owned(),
            format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {constraint}"
            ),
        )
    };
    let long_key = "k".repeat(129);
    let cases = [
        (
            assume().role_session_name("x"),
            wrong_member(
                "x",
                "roleSessionName",
                "have length greater than or equal to 2",
            ),
        ),
        (
            assume().role_session_name("a b"),
            wrong_member(
                "a b",
                "roleSessionName",
                r"satisfy regular expression pattern: [\w+=,.@-]*",
            ),
        ),
        (
            assume().external_id("x"),
            wrong_member("x", "externalId", "have length greater than or equal to 2"),
        ),
        (
            assume().source_identity("x/y"),
            wrong_member(
                "x/y",
                "sourceIdentity",
                r"satisfy regular expression pattern: [\w+=,.@-]*",
            ),
        ),
        (
            assume().serial_number("serial-number").token_code("12345"),
            wrong_member(
                "12345",
                "tokenCode",
                "have length greater than or equal to 6",
            ),
        ),
        (
            assume().tags(tag(&long_key, "v")),
            wrong_member(
                &long_key,
                "tags.1.member.key",
                "have length less than or equal to 128",
            ),
        ),
        (
            assume().role_arn("arn:aws:iam::123456789012:user/deployer"),
            (
                "ValidationError".to_owned(),
                "arn:aws:iam::123456789012:user/deployer is invalid".to_owned(),
            ),
        ),
        (
            assume().policy("{"),
            (
                "MalformedPolicyDocument".to_owned(),
                "This policy contains invalid Json".to_owned(),
            ),
        ),
        (
            assume().policy("{}"),
            (
                "MalformedPolicyDocument".to_owned(),
                "Syntax errors in policy. (no policy document: missing field `Statement`)"
                    .to_owned(),
            ),
        ),
        (
            assume().tags(tag("Team", "a")).tags(tag("team", "b")),
            (
                "InvalidInput".to_owned(),
                "Duplicate tag keys found. Please note that Tag keys are case insensitive."
                    .to_owned(),
            ),
        ),
        (
            assume().tags(tag("team", "a")).transitive_tag_keys("other"),
            (
                "ValidationError".to_owned(),
                "The specified transitive tag key must be included in the requested tags."
                    .to_owned(),
            ),
        ),
    ];
    for (request, expected) in cases {
        let (status, code, message) = refusal(request.send().await);
        assert_eq!(status, 400);
        assert_eq!((code, message), expected);
    }

    let (_, code, message) = refusal(sts.assume_role().send().await);
    assert_eq!(code, "ValidationError");
    assert!(
        message.starts_with("2 validation errors detected: Value null at 'roleArn'"),
        "{message}"
    );
}

/// A character of two bytes is one character.
#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud.add_role(Role::new("App")).unwrap();
    let sts = client(&cloud, cloud.create_access_key("deployer"));
    let assume = || {
        sts.assume_role()
            .role_arn(&role)
            .role_session_name("session")
    };
    let policy = |characters: usize| {
        let document = |name: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalTag/name":"{name}"}}}}}}]}}"#
            )
        };
        let name = "é".repeat(characters - document("").chars().count());
        document(&name)
    };
    assert_eq!(policy(2048).chars().count(), 2048);
    let taken = assume().policy(policy(2048)).send().await;
    assert!(taken.is_ok(), "{taken:?}");
    let (_, code, _) = refusal(assume().policy(policy(2049)).send().await);
    assert_eq!(code, "ValidationError");
    // with ARNs of managed policies beside it
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let both = |characters: usize| {
        let arn = aws_sdk_sts::types::PolicyDescriptorType::builder()
            .arn(arn)
            .build();
        assume().policy(policy(characters)).policy_arns(arn).send()
    };
    let taken = both(2048 - arn.len()).await;
    assert!(taken.is_ok(), "{taken:?}");
    let (_, code, message) = refusal(both(2049 - arn.len()).await);
    assert_eq!(code, "ValidationError");
    assert!(message.contains("exceeds 2048 characters"), "{message}");
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let tagged = assume().tags(tag(&"é".repeat(128), &"é".repeat(256)));
    let taken = tagged.send().await;
    assert!(taken.is_ok(), "{taken:?}");
}

#[tokio::test]
async fn source_identity_and_transitive_tags_stay_for_the_whole_chain() {
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud.add_role(Role::new("App")).unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let first = client(&cloud, cloud.create_access_key("deployer"))
        .assume_role()
        .role_arn(&role)
        .role_session_name("first")
        .source_identity("alice")
        .tags(tag("team", "red"))
        .tags(tag("stage", "test"))
        .transitive_tag_keys("team")
        .send()
        .await
        .unwrap();
    assert_eq!(first.source_identity(), Some("alice"));
    let token = first.credentials().unwrap().session_token();
    assert_eq!(first.session_token_size(), Some(token.len() as i32));

    let chained = client(&cloud, session(&first));
    let assume = || {
        chained
            .assume_role()
            .role_arn(&role)
            .role_session_name("second")
    };
    assert_eq!(
        assume().send().await.unwrap().source_identity(),
        Some("alice")
    );
    assert_eq!(refusal(assume().source_identity("bob").send().await).0, 403);
    assert!(assume().tags(tag("stage", "live")).send().await.is_ok());
    for (key, value) in [("team", "blue"), ("Team", "red")] {
        let again = assume().tags(tag(key, value)).send().await;
        assert_eq!(refusal(again).1, "ValidationError", "inherited");
    }
}

/// A presigned `GetCallerIdentity`, as Kubernetes clusters and others take for a proof of identity.
fn presigned(cloud: &LocalCloud, credentials: &Credentials, time: SystemTime) -> String {
    let url = format!(
        "{}/?Action=GetCallerIdentity&Version=2011-06-15",
        cloud.sts_endpoint()
    );
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(cloud.region())
        .name("sts")
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let request =
        SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[])).unwrap();
    let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
    let mut url = url;
    for (name, value) in instructions.params() {
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        url.push_str(&format!("&{name}={value}"));
    }
    url
}

#[tokio::test]
async fn a_presigned_url_proves_an_identity_until_it_expires() {
    let clock = Clock::new();
    let cloud = LocalCloud::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let role = cloud.add_role(Role::new("App")).unwrap();
    let output = client(&cloud, cloud.create_access_key("deployer"))
        .assume_role()
        .role_arn(role)
        .role_session_name("session")
        .send()
        .await
        .unwrap();
    let url = presigned(&cloud, &session(&output), clock.now());
    let answer = send("GET", &url, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("assumed-role/App/session</Arn>"));
    let altered = url.replace("Expires=60", "Expires=61");
    assert_ne!(altered, url);
    assert_eq!(send("GET", &altered, &[], "").await.status, 403);
    clock.advance(Duration::from_secs(61));
    let expired = send("GET", &url, &[], "").await;
    assert_eq!(expired.status, 403);
    assert!(
        expired.body.contains("Signature expired"),
        "{}",
        expired.body
    );
}

#[tokio::test]
async fn an_action_that_is_not_there_is_named() {
    let cloud = LocalCloud::start().await.unwrap();
    let result = client(&cloud, cloud.create_access_key("deployer"))
        .get_session_token()
        .send()
        .await;
    assert_eq!(
        refusal(result),
        refused(
            400,
            "InvalidAction",
            "Could not find operation GetSessionToken for version 2011-06-15"
        )
    );
    assert_eq!(cloud.sts().calls().other, 1);
}

#[tokio::test]
async fn any_error_code_can_be_asked_for() {
    use aws_credential_strategies::local::Fault;
    let cloud = LocalCloud::start().await.unwrap();
    let role = cloud.add_role(Role::new("App")).unwrap();
    let sts = client(&cloud, cloud.create_access_key("deployer"));
    let assume = || {
        sts.assume_role()
            .role_arn(&role)
            .role_session_name("session")
            .send()
    };
    cloud
        .sts()
        .fail_on(StsCall::AssumeRole, Fault::error(400, "Throttling"));
    assert_eq!(
        refusal(assume().await),
        refused(400, "Throttling", "Rate exceeded")
    );
    assert!(sts.get_caller_identity().send().await.is_ok());
    cloud.sts().fail_on(
        StsCall::AssumeRole,
        Fault::Refuse {
            status: 400,
            code: "IDPRejectedClaim".into(),
            message: Some("no <claim> & no luck".into()),
        },
    );
    assert_eq!(
        refusal(assume().await),
        refused(400, "IDPRejectedClaim", "no <claim> & no luck")
    );
    cloud.sts().heal();
    assert!(assume().await.is_ok());
}
