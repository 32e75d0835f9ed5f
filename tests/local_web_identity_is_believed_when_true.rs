//! Promise: the embedded STS takes the token of an outside identity as AWS does: signed by a provider of
//! the account, in time, for its audience, admitted by the role's trust policy; all else is refused with
//! AWS's code and sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod local_support;

use aws_credential_strategies::ErrorKind;
use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{
    Fault, LocalCloud, OidcCall, Role, StsCall, TokenAlgorithm, Trust,
};
use local_support::{Answer, Clock, send};
use serde_json::{Value, json};
use std::time::Duration;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const MAIN: &str = "repo:example/app:ref:refs/heads/main";

/// A cloud with a provider for GitHub, and a role `Deploy` for one branch.
async fn github(clock: Clock) -> LocalCloud {
    let cloud = LocalCloud::builder().clock(clock).start().await.unwrap();
    let provider = cloud
        .add_oidc_provider(GITHUB, ["sts.amazonaws.com"])
        .unwrap();
    let trust = TrustPolicy::builder()
        .oidc(&provider, "sts.amazonaws.com")
        .subject(MAIN)
        .build()
        .unwrap();
    cloud.add_role(Role::new("Deploy").trust(trust)).unwrap();
    cloud
}

fn claims() -> Value {
    json!({ "iss": GITHUB, "sub": MAIN })
}

/// The claims with some others in their place.
fn claims_with(others: Value) -> Value {
    let mut claims = claims();
    let Value::Object(others) = others else {
        panic!("an object")
    };
    claims.as_object_mut().unwrap().extend(others);
    claims
}

async fn call(cloud: &LocalCloud, role: &str, token: &str, more: &[(&str, &str)]) -> Answer {
    let role = cloud.role_arn(role);
    let mut form = form_urlencoded(&[
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", &role),
        ("RoleSessionName", "session"),
        ("WebIdentityToken", token),
    ]);
    form.push('&');
    form.push_str(&form_urlencoded(more));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    send("POST", cloud.sts_endpoint(), &headers, &form).await
}

fn form_urlencoded(members: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(b).to_string()
                }
                b => format!("%{b:02X}"),
            })
            .collect::<String>()
    };
    members
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// What stands in an element of the answer.
fn element(answer: &Answer, name: &str) -> Option<String> {
    let (_, rest) = answer.body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
        .map(|(text, _)| text.to_owned())
}

async fn assume(cloud: &LocalCloud, claims: &Value) -> Answer {
    let token = cloud.oidc_issuer().token(claims).unwrap();
    call(cloud, "Deploy", &token, &[]).await
}

/// Status, code and message of a refusal.
fn refusal(answer: &Answer) -> (u16, String, String) {
    let text = |name| element(answer, name).unwrap_or_else(|| panic!("{answer:?}"));
    (answer.status.as_u16(), text("Code"), text("Message"))
}

fn invalid(message: &str) -> (u16, String, String) {
    (400, "InvalidIdentityToken".to_owned(), message.to_owned())
}

#[tokio::test]
async fn a_token_becomes_a_session_without_a_signature() {
    let cloud = github(Clock::new()).await;
    for algorithm in [TokenAlgorithm::Rs256, TokenAlgorithm::Es256] {
        let issuer = cloud.oidc_issuer();
        let token = issuer.token_signed_with(algorithm, &claims()).unwrap();
        let answer = call(&cloud, "Deploy", &token, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |name| element(&answer, name);
        assert_eq!(text("SubjectFromWebIdentityToken").as_deref(), Some(MAIN));
        assert_eq!(text("Audience").as_deref(), Some("sts.amazonaws.com"));
        assert_eq!(
            text("Provider").as_deref(),
            Some("arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com")
        );
        assert_eq!(
            text("Arn").as_deref(),
            Some("arn:aws:sts::123456789012:assumed-role/Deploy/session")
        );
        assert!(text("AccessKeyId").unwrap().starts_with("ASIA"));
        assert!(!text("SessionToken").unwrap().is_empty());
    }
    let calls = cloud.sts().calls();
    assert_eq!((calls.assume_role_with_web_identity, calls.total()), (2, 2));
}

#[tokio::test]
async fn the_clouds_own_issuer_is_a_provider_from_the_start() {
    let cloud = LocalCloud::start().await.unwrap();
    let trust = TrustPolicy::builder()
        .oidc(&cloud.oidc_provider_arn(), "sts.amazonaws.com")
        .subject("system:serviceaccount:default:app")
        .build()
        .unwrap();
    cloud.add_role(Role::new("Deploy").trust(trust)).unwrap();
    let app = json!({ "sub": "system:serviceaccount:default:app" });
    assert_eq!(assume(&cloud, &app).await.status, 200);
    let other = json!({ "sub": "system:serviceaccount:default:other" });
    assert_eq!(assume(&cloud, &other).await.status, 403);
}

#[tokio::test]
async fn discovery_and_keys_are_there_for_any_client() {
    let cloud = LocalCloud::start().await.unwrap();
    let issuer = cloud.oidc_issuer().endpoint();
    let discovery = format!("{issuer}/.well-known/openid-configuration");
    let document = send("GET", &discovery, &[], "").await.json();
    assert_eq!(document["issuer"], issuer);
    let keys = send("GET", document["jwks_uri"].as_str().unwrap(), &[], "").await;
    let kinds: Vec<_> = keys.json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["kty"].clone(), key["alg"].clone()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("RSA".into(), "RS256".into()),
            ("EC".into(), "ES256".into())
        ]
    );
    assert_eq!(cloud.oidc_issuer().calls().total(), 2);
    assert_eq!(send("POST", &discovery, &[], "").await.status, 405);
    assert_eq!(
        send("GET", &format!("{issuer}/x"), &[], "").await.status,
        404
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said_in_awss_words() {
    let clock = Clock::new();
    let cloud = github(clock.clone()).await;
    let other = "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements";
    for (wrong, expected) in [
        (
            json!({ "exp": 1_799_999_999 }),
            (
                400,
                "ExpiredTokenException".to_owned(),
                "Token expired: current date/time 1800000000 must be before the expiration date/time 1799999999".to_owned(),
            ),
        ),
        (
            json!({ "aud": "https://github.com/example" }),
            invalid("Incorrect token audience"),
        ),
        (
            json!({ "iss": "https://gitlab.com" }),
            invalid("No OpenIDConnect provider found in your account for https://gitlab.com"),
        ),
        (json!({ "iss": null }), invalid("Missing a required claim: iss")),
        (json!({ "sub": null }), invalid("Missing a required claim: sub")),
        (json!({ "aud": null }), invalid("Missing a required claim: aud")),
        (json!({ "exp": null }), invalid("Missing a required claim: exp")),
        (
            json!({ "nbf": 1_800_000_001 }),
            (
                403,
                "IDPRejectedClaim".to_owned(),
                "The identity provider (IdP) reported that authentication failed. This might be because the claim is invalid.".to_owned(),
            ),
        ),
        (
            json!({ "sub": "repo:example/app:ref:refs/heads/other" }),
            (
                403,
                "AccessDenied".to_owned(),
                "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned(),
            ),
        ),
    ] {
        let answer = assume(&cloud, &claims_with(wrong.clone())).await;
        assert_eq!(refusal(&answer), expected, "{wrong}");
    }
    // a key that is no longer published, and one that never was
    let issuer = cloud.oidc_issuer();
    let before = issuer.token(&claims()).unwrap();
    issuer.rotate_keys();
    let answer = call(&cloud, "Deploy", &before, &[]).await;
    assert_eq!(refusal(&answer), invalid(other));
    let elsewhere = LocalCloud::builder().clock(clock).start().await.unwrap();
    let foreign = elsewhere.oidc_issuer().token(&claims()).unwrap();
    let answer = call(&cloud, "Deploy", &foreign, &[]).await;
    assert_eq!(refusal(&answer), invalid(other));
}

#[tokio::test]
async fn a_token_that_was_changed_is_no_token() {
    let cloud = github(Clock::new()).await;
    let issuer = cloud.oidc_issuer();
    let token = issuer.token(&claims()).unwrap();
    let [head, body, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let other = issuer.token(&claims_with(json!({ "sub": "eve" }))).unwrap();
    let other: Vec<_> = other.split('.').collect();
    let tampered = "The web identity token that was passed could not be validated by AWS. Get a new identity token from the identity provider and then retry the request.";
    let no_jwt = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    for (token, expected) in [
        (format!("{head}.{}.{signature}", other[1]), tampered),
        (format!("{head}.{body}.{}", other[2]), tampered),
        (format!("{head}.{body}."), tampered),
        (format!("{head}.{body}"), no_jwt),
        ("opaque-access-token".to_owned(), no_jwt),
        (format!("{head}.eyJub3QganNvbg.{signature}"), no_jwt),
    ] {
        let answer = call(&cloud, "Deploy", &token, &[]).await;
        assert_eq!(refusal(&answer), invalid(expected), "{token}");
        assert!(!answer.body.contains(&token), "the token is not repeated");
    }
    // none at all, as some issuers offer and nobody may take
    let unsigned = "eyJhbGciOiJub25lIn0";
    let answer = call(&cloud, "Deploy", &format!("{unsigned}.{body}."), &[]).await;
    assert_eq!(refusal(&answer).1, "InvalidIdentityToken");
    // a secret in place of a key pair
    let hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    let answer = call(
        &cloud,
        "Deploy",
        &format!("{hs256}.{body}.{signature}"),
        &[],
    )
    .await;
    assert_eq!(refusal(&answer).1, "InvalidIdentityToken");
}

#[tokio::test]
async fn parameters_are_checked_before_the_token() {
    let cloud = github(Clock::new()).await;
    let long = "x".repeat(20_001);
    let answer = call(&cloud, "Deploy", &long, &[]).await;
    let (status, code, message) = refusal(&answer);
    assert_eq!((status, code.as_str()), (400, "ValidationError"));
    assert_eq!(
        message,
        "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to 20000"
    );
    let answer = call(&cloud, "Deploy", "abc", &[("DurationSeconds", "899")]).await;
    let (_, _, message) = refusal(&answer);
    assert!(
        message.starts_with("2 validation errors detected"),
        "{message}"
    );
    let token = cloud.oidc_issuer().token(&claims()).unwrap();
    let answer = call(&cloud, "Deploy", &token, &[("DurationSeconds", "7200")]).await;
    assert_eq!(
        refusal(&answer).2,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    let answer = call(&cloud, "Nobody", &token, &[]).await;
    assert_eq!(
        refusal(&answer),
        (
            403,
            "AccessDenied".to_owned(),
            "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned()
        ),
        "whether a role is there is not said"
    );
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_said_to_be_that() {
    let cloud = github(Clock::new()).await;
    for fault in [Fault::Reset, Fault::Status(503), Fault::Disconnect] {
        cloud.oidc_issuer().fail_next(1, fault);
        let answer = assume(&cloud, &claims()).await;
        let (status, code, _) = refusal(&answer);
        assert_eq!((status, code.as_str()), (400, "IDPCommunicationError"));
    }
    cloud
        .oidc_issuer()
        .fail_next_on(OidcCall::Keys, 1, Fault::web_page());
    let (_, code, message) = refusal(&assume(&cloud, &claims()).await);
    assert_eq!(code, "InvalidIdentityToken");
    assert!(message.starts_with("Couldn't retrieve verification key"));
    // or told to say so
    for (status, code) in [(400, "IDPCommunicationError"), (403, "IDPRejectedClaim")] {
        cloud.sts().fail_next_on(
            StsCall::AssumeRoleWithWebIdentity,
            1,
            Fault::error(status, code),
        );
        let (answered, said, message) = refusal(&assume(&cloud, &claims()).await);
        assert_eq!((answered, said.as_str()), (status, code));
        assert!(message.len() > 40, "AWS's own sentence: {message}");
    }
    assert_eq!(assume(&cloud, &claims()).await.status, 200);
}

#[tokio::test]
async fn trust_may_ask_about_the_claims_of_its_provider() {
    let cloud = github(Clock::new()).await;
    let issuer = "token.actions.githubusercontent.com";
    let provider = format!("arn:aws:iam::123456789012:oidc-provider/{issuer}");
    let trust = |conditions: Value| {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": provider },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": conditions,
            }],
        });
        TrustPolicy::from_json_allowing_anyone(&document.to_string()).unwrap()
    };
    let claims = json!({
        "iss": GITHUB, "sub": MAIN, "amr": ["authenticated", "mfa"], "email": "ada@example.com",
        "repository": "example/app", "environment": "production", "azp": "sts.amazonaws.com",
        "aud": "https://github.com/example",
    });
    for (operator, claim, value, admitted) in [
        ("StringLike", "sub", "repo:example/*", true),
        ("StringLike", "sub", "repo:other/*", false),
        ("StringEquals", "sub", "repo:example/*", false),
        ("StringEquals", "aud", "sts.amazonaws.com", true),
        ("StringEquals", "oaud", "https://github.com/example", true),
        ("ForAnyValue:StringEquals", "amr", "mfa", true),
        ("ForAnyValue:StringEquals", "amr", "hwk", false),
        ("StringEquals", "email", "ada@example.com", true),
        ("StringEquals", "repository", "example/app", true),
        ("StringEquals", "environment", "staging", false),
        ("StringEquals", "ENVIRONMENT", "production", true),
        ("StringEqualsIfExists", "actor", "ada", true),
    ] {
        let condition = json!({ operator: {
            format!("{issuer}:{claim}"): value,
            format!("{issuer}:sub"): if claim == "sub" { value } else { MAIN },
        } });
        let role = Role::new("Deploy").trust(trust(condition));
        cloud.add_role(role).unwrap();
        let answer = assume(&cloud, &claims).await;
        assert_eq!(
            answer.status == 200,
            admitted,
            "{operator} {claim} {value}: {answer:?}"
        );
    }
    // a claim that AWS does not hand on
    let unknown = json!({ "StringEquals": {
        format!("{issuer}:sub"): MAIN, format!("{issuer}:runner_environment"): "github-hosted",
    } });
    let error = cloud
        .add_role(Role::new("Deploy").trust(trust(unknown)))
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Usage);
    assert!(error.to_string().contains("runner_environment"), "{error}");
}

#[tokio::test]
async fn only_a_provider_that_is_named_lets_in() {
    let cloud = github(Clock::new()).await;
    // the account, which admits its users and roles, is not whom a provider vouches for
    let own = Role::new("Deploy").trust(Trust::account(cloud.account()));
    cloud.add_role(own).unwrap();
    assert_eq!(assume(&cloud, &claims()).await.status, 403);
    let provider = cloud
        .add_oidc_provider("https://gitlab.com", ["sts.amazonaws.com"])
        .unwrap();
    let gitlab = TrustPolicy::builder()
        .oidc(&provider, "sts.amazonaws.com")
        .any_subject();
    let gitlab = Role::new("Deploy").trust(gitlab.build().unwrap());
    cloud.add_role(gitlab).unwrap();
    assert_eq!(assume(&cloud, &claims()).await.status, 403);
    let token = json!({ "iss": "https://gitlab.com", "sub": "project_path:example/app" });
    assert_eq!(assume(&cloud, &token).await.status, 200);
    // and a token is no caller of AssumeRole
    assert_eq!(cloud.sts().calls().assume_role, 0);
}

#[tokio::test]
async fn a_token_brings_session_tags_and_a_source_identity() {
    let cloud = github(Clock::new()).await;
    let provider = cloud
        .add_oidc_provider(GITHUB, ["sts.amazonaws.com"])
        .unwrap();
    let trust = |actions: &[&str]| {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Federated": provider },
                "Action": actions,
                "Condition": { "StringEquals": {
                    "token.actions.githubusercontent.com:sub": MAIN,
                    "aws:RequestTag/team": "red",
                } },
            }],
        });
        Role::new("Deploy").trust(TrustPolicy::from_json(&document.to_string()).unwrap())
    };
    let assume_only = ["sts:AssumeRoleWithWebIdentity"];
    let all = [
        "sts:AssumeRoleWithWebIdentity",
        "sts:TagSession",
        "sts:SetSourceIdentity",
    ];
    let nested = json!({ "https://aws.amazon.com/tags": {
        "principal_tags": { "team": ["red"], "cost": "42" },
        "transitive_tag_keys": ["team"],
    } });
    let flat = json!({
        "https://aws.amazon.com/tags/principal_tags/team": ["red"],
        "https://aws.amazon.com/tags/transitive_tag_keys": ["team"],
    });
    for tags in [nested, flat] {
        let claims = claims_with(tags);
        cloud.add_role(trust(&assume_only)).unwrap();
        let answer = assume(&cloud, &claims).await;
        assert_eq!(
            refusal(&answer).2,
            "Not authorized to perform sts:TagSession"
        );
        cloud.add_role(trust(&all)).unwrap();
        let answer = assume(&cloud, &claims).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(element(&answer, "PackedPolicySize").is_some());
    }
    let source = claims_with(json!({
        "https://aws.amazon.com/source_identity": "ada",
        "https://aws.amazon.com/tags/principal_tags/team": "red",
    }));
    let answer = assume(&cloud, &source).await;
    assert_eq!(element(&answer, "SourceIdentity").as_deref(), Some("ada"));
    let broken = claims_with(json!({
        "https://aws.amazon.com/tags": { "principal_tags": { "team": ["red", "blue"] } },
    }));
    assert_eq!(
        refusal(&assume(&cloud, &broken).await).1,
        "InvalidIdentityToken"
    );
}

#[tokio::test]
async fn time_decides_on_the_clouds_clock() {
    let clock = Clock::new();
    let cloud = github(clock.clone()).await;
    let token = cloud.oidc_issuer().token(&claims()).unwrap();
    clock.advance(Duration::from_secs(3_599));
    assert_eq!(call(&cloud, "Deploy", &token, &[]).await.status, 200);
    clock.advance(Duration::from_secs(1));
    let answer = call(&cloud, "Deploy", &token, &[]).await;
    assert_eq!(refusal(&answer).1, "ExpiredTokenException");
}

#[tokio::test]
async fn what_is_no_provider_is_refused() {
    let cloud = LocalCloud::start().await.unwrap();
    let provider = |url: &str, clients: &[&str]| {
        cloud
            .add_oidc_provider(url, clients.iter().copied())
            .unwrap_err()
            .to_string()
    };
    for url in ["gitlab.com", "https://", "https://a/?b", "ftp://a"] {
        assert!(provider(url, &["a"]).contains("url"), "{url}");
    }
    assert!(provider("https://a", &[]).contains("client_ids"));
    let error = cloud.oidc_issuer().token(&"no object").unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Encode);
}
