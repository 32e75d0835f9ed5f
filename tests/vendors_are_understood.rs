//! Promise: what other vendors' STS and metadata services really answer is taken for what it is, over real
//! sockets with their documented bodies; what is not EC2's is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;

use aws_credential_strategies::source::{
    ImdsSource, ImdsSourceBuilder, StsSource, StsSourceBuilder,
};
use aws_credential_strategies::{
    AssumeRole, CredentialCache, CredentialFault, CredentialSource, CredentialStrategy,
    Credentials, Error, ErrorKind, RefreshPolicy, Result,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use source_support::stand_in::{StandIn, answer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::123456789012:role/App";
const END: &str = "2099-01-01T00:00:00Z";

fn user() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::for_tests())
}

fn sts(server: &StandIn, role: &str) -> StsSourceBuilder {
    let http = aws_smithy_http_client::Builder::new().build_http();
    StsSource::builder(role)
        .region("us-east-1")
        .sts_endpoint(&*server.uri)
        .base(user())
        .http_client(http)
}

fn imds(server: &StandIn) -> ImdsSourceBuilder {
    ImdsSource::builder()
        .endpoint(&*server.uri)
        .connect_timeout(source_support::PATIENCE)
        .answer_timeout(source_support::PATIENCE)
        .max_attempts(3)
}

/// `<AssumeRoleResponse>` with these parts; `p` goes before each name.
fn session(p: &str, user: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{p}AssumeRoleResponse xmlns{colon}=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <{p}AssumeRoleResult>{user}<{p}Credentials><{p}AccessKeyId>KEY</{p}AccessKeyId>\
         <{p}SecretAccessKey>SECRET</{p}SecretAccessKey><{p}Expiration>{END}</{p}Expiration>\
         <{p}SessionToken>TOKEN</{p}SessionToken></{p}Credentials></{p}AssumeRoleResult>\
         <{p}ResponseMetadata><{p}RequestId>1</{p}RequestId></{p}ResponseMetadata></{p}AssumeRoleResponse>",
        colon = if p.is_empty() {
            String::new()
        } else {
            format!(":{}", p.trim_end_matches(':'))
        },
    )
}

/// MinIO: <https://min.io/docs/minio/linux/developers/security-token-service/AssumeRole.html>.
const MINIO_USER: &str = "<AssumedRoleUser><Arn/><AssumeRoleId/></AssumedRoleUser>";

#[tokio::test]
async fn an_answer_whose_user_has_no_arn_is_taken_for_its_four_fields() {
    for body in [
        session("", MINIO_USER),
        session(
            "",
            "<AssumedRoleUser><Arn>urn:sgws:identity::1:x</Arn></AssumedRoleUser>",
        ),
        session("", ""),
        // Dell ECS puts a prefix before each element
        session(
            "ns2:",
            "<ns2:AssumedRoleUser><ns2:Arn>urn:ecs:sts::ns:assumed-role/App/s</ns2:Arn></ns2:AssumedRoleUser>",
        ),
    ] {
        let shown = body.clone();
        let server = StandIn::start(move |_| answer(200, &["content-type: text/xml"], &body)).await;
        let credentials = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .expect(&shown);
        assert_eq!(credentials.access_key_id(), "KEY");
        assert_eq!(credentials.secret_access_key(), "SECRET");
        assert_eq!(credentials.session_token(), Some("TOKEN"));
        assert!(credentials.expiry().is_some());
        assert_eq!(credentials.account_id(), None);
    }
}

#[tokio::test]
async fn what_signs_is_still_required() {
    for part in [
        "AccessKeyId",
        "SecretAccessKey",
        "SessionToken",
        "Expiration",
    ] {
        let (open, close) = (format!("<ns2:{part}>"), format!("</ns2:{part}>"));
        let whole = session("ns2:", "");
        let (before, rest) = whole.split_once(&open).unwrap();
        let (_, after) = rest.split_once(&close).unwrap();
        let body = format!("{before}{after}");
        let server = StandIn::start(move |_| answer(200, &[], &body)).await;
        let error = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn roles_and_regions_of_other_vendors_are_sent_as_given() {
    let server = StandIn::start(|_| answer(200, &[], &session("", MINIO_USER))).await;
    for (role, region) in [
        ("urn:ecs:iam::namespace:role/App", "default"),
        ("urn:sgws:identity::12345:group/x", "garage"),
        ("arn:minio:iam:::role/dummy-internal", "auto"),
        ("arn:aws:iam::123456789012:role/App", "cn-north-1"),
        ("arn:aws-cn:iam::123456789012:role/App", "us-east-1"),
    ] {
        let source = sts(&server, role)
            .region(region)
            .duration(Duration::from_secs(60))
            .tags([("aws:x", "1"), ("a*b", "c|d")])
            .build()
            .unwrap();
        source.fetch().await.unwrap();
        let request = server.seen().pop().unwrap();
        let encoded = role.replace(':', "%3A").replace('/', "%2F");
        assert!(
            request.contains(&format!("RoleArn={encoded}&")),
            "{request}"
        );
        assert!(request.contains("DurationSeconds=60"), "{request}");
        assert!(
            request.contains(&format!("/{region}/sts/aws4_request")),
            "{request}"
        );
    }
    for role in [
        "",
        "short",
        "with space in its name",
        "control\u{7}character-in-it",
    ] {
        let error = sts(&server, role).build().unwrap_err();
        assert_eq!(error.field(), Some("role_arn"), "{role:?}");
    }
    for region in ["", "a b", "a/b"] {
        let error = sts(&server, ROLE).region(region).build().unwrap_err();
        assert_eq!(error.field(), Some("region"), "{region:?}");
    }
}

#[tokio::test]
async fn an_endpoint_of_aws_keeps_the_rules_of_aws() {
    let aws = |role: &str| {
        StsSource::builder(role)
            .region("us-east-1")
            .sts_endpoint("https://vpce-1.sts.us-east-1.vpce.amazonaws.com")
            .base(user())
    };
    assert_eq!(
        aws("urn:ecs:iam::namespace:role/App")
            .build()
            .unwrap_err()
            .field(),
        Some("role_arn")
    );
    assert_eq!(
        aws(ROLE).region("cn-north-1").build().unwrap_err().field(),
        Some("region")
    );
    assert_eq!(
        aws(ROLE)
            .tags([("aws:x", "1")])
            .build()
            .unwrap_err()
            .field(),
        Some("tags")
    );
}

#[tokio::test]
async fn a_path_in_the_endpoint_is_kept() {
    let server = StandIn::start(|_| answer(200, &[], &session("", ""))).await;
    let uri = format!("{}/sts/v1", server.uri);
    sts(&server, ROLE)
        .sts_endpoint(uri)
        .build()
        .unwrap()
        .fetch()
        .await
        .unwrap();
    assert_eq!(server.count("POST /sts/v1"), 1);
}

/// CDATA sections, which the SDK's parser takes for nothing, white space, and dates in other forms.
#[tokio::test]
async fn an_answer_is_read_however_its_texts_are_written() {
    let whole = session("", "");
    let dated = |end: &str| whole.replace(END, end);
    for body in [
        whole.replace(">SECRET<", "><![CDATA[SECRET]]><"),
        whole
            .replace(">KEY<", "><![CDATA[KEY]]><")
            .replace(END, &format!("<![CDATA[{END}]]>")),
        whole
            .replace(">SECRET<", ">\n  SECRET\n<")
            .replace(">TOKEN<", "> TOKEN <"),
        dated("2099-01-01T00:00:00.000+00:00"),
        dated("2099-01-01T00:00:00+0000"),
        dated("2099-01-01T00:00:00"),
        dated("2099-01-01 00:00:00 +0000 UTC"),
        dated("4070908800"),
        dated("4070908800000"),
    ] {
        let shown = body.clone();
        let server = StandIn::start(move |_| answer(200, &[], &body)).await;
        let credentials = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .expect(&shown);
        assert_eq!(credentials.access_key_id(), "KEY");
        assert_eq!(credentials.secret_access_key(), "SECRET");
        assert_eq!(credentials.session_token(), Some("TOKEN"));
        let end = std::time::UNIX_EPOCH + Duration::from_secs(4_070_908_800);
        assert_eq!(credentials.expiry(), Some(end), "{shown}");
    }
    for (end, said) in [
        ("", "lacks Credentials.Expiration"),
        ("never", "Expiration is not a date-time"),
        // Go's zero time
        ("0001-01-01T00:00:00Z", "lacks Credentials.Expiration"),
    ] {
        let body = dated(end);
        let server = StandIn::start(move |_| answer(200, &[], &body)).await;
        let error = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let body = whole.replace(">TOKEN<", ">TO KEN<");
    let server = StandIn::start(move |_| answer(200, &[], &body)).await;
    let error = sts(&server, ROLE)
        .build()
        .unwrap()
        .fetch()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("Credentials.SessionToken"),
        "{error}"
    );
}

async fn refused(status: u16, headers: &'static [&'static str], body: &'static str) -> Error {
    let server = StandIn::start(move |_| answer(status, headers, body)).await;
    sts(&server, ROLE)
        .build()
        .unwrap()
        .fetch()
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_refusal_keeps_its_code_however_it_is_nested() {
    for (headers, body) in [
        (
            &[][..],
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no way</Message></Error></ErrorResponse>",
        ),
        // moto
        (
            &[],
            "<Response><Errors><Error><Code>AccessDenied</Code><Message>no way</Message></Error></Errors></Response>",
        ),
        // Ceph, StorageGRID: S3's form
        (
            &[],
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no way</Message></Error>",
        ),
        (
            &[],
            "<ns2:ErrorResponse xmlns:ns2=\"x\"><ns2:Error><ns2:Code>AccessDenied</ns2:Code><ns2:Message>no way</ns2:Message></ns2:Error></ns2:ErrorResponse>",
        ),
        (
            &["content-type: application/json"],
            "{\"__type\":\"com.x#AccessDeniedException\",\"message\":\"no way\"}",
        ),
        (
            &["content-type: application/json"],
            "{\"Error\":{\"Code\":\"AccessDenied\",\"Message\":\"no way\"}}",
        ),
        (
            &[
                "x-amzn-errortype: AccessDenied:http://x/",
                "x-amzn-error-message: no way",
            ],
            "",
        ),
        // REST: the code in the header, a message alone in the body
        (
            &["x-amzn-errortype: AccessDeniedException"],
            "{\"message\":\"no way\"}",
        ),
        (
            &[],
            "<ErrorResponse><Error><Code><![CDATA[AccessDenied]]></Code><Message><![CDATA[no way]]></Message></Error></ErrorResponse>",
        ),
        (
            &[],
            "<ErrorResponse><Error><Code/><Code>AccessDenied</Code><Message>no way</Message></Error></ErrorResponse>",
        ),
        (
            &[],
            "<Error><ErrorCode>AccessDenied</ErrorCode><ErrorMessage>no way</ErrorMessage></Error>",
        ),
        (&[], "{\"Code\":\"AccessDenied\",\"Message\":\"no way\"}\0"),
    ] {
        let error = refused(403, headers, body).await;
        assert!(
            matches!(error.kind(), ErrorKind::AccessDenied(_)),
            "{body}: {error}"
        );
        assert!(error.code().unwrap().starts_with("AccessDenied"), "{error}");
        assert!(error.to_string().contains(": no way ("), "{error}");
        assert!(error.is_terminal());
    }
}

/// An answer whose bytes are no UTF-8: in an encoding of its own, or cut within a character.
#[tokio::test]
async fn a_refusal_keeps_its_code_in_whatever_encoding() {
    for body in [
        &b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><ErrorResponse><Error><Code>AccessDenied</Code><Message>f\xfcr Sie nicht</Message></Error></ErrorResponse>"[..],
        b"{\"__type\":\"AccessDenied\",\"message\":\"f\xfcr Sie nicht\"}",
    ] {
        let server = StandIn::start_bytes(move |_| {
            let mut bytes = answer(403, &[], "").replace("content-length: 0", "x: y").into_bytes();
            bytes.extend_from_slice(body);
            bytes
        });
        let error = sts(&server.await, ROLE).build().unwrap().fetch().await.unwrap_err();
        assert_eq!(error.code(), Some("AccessDenied"), "{error}");
        assert!(error.to_string().contains("r Sie nicht"), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_without_a_code_is_quoted() {
    for (body, said) in [
        ("{\"message\":\"Forbidden\"}", "Forbidden"),
        (
            "{\"error\":{\"code\":403,\"message\":\"no such key\"}}",
            "no such key",
        ),
        (
            "{\"error\":\"invalid_grant\",\"error_description\":\"has ended\"}",
            "has ended",
        ),
    ] {
        let error = refused(403, &["content-type: application/json"], body).await;
        assert_eq!(error.code(), None);
        assert!(
            error
                .to_string()
                .contains(&format!("the answer is not one of STS: {said} (http 403")),
            "{error}"
        );
    }
}

/// By the message alone, or by a code of its own.
#[tokio::test]
async fn a_clock_that_is_off_is_told_from_a_wrong_secret() {
    let refusal = |code: &str, message: &str| {
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        async move {
            let server = StandIn::start(move |_| answer(403, &[], &body)).await;
            let error = sts(&server, ROLE)
                .build()
                .unwrap()
                .fetch()
                .await
                .unwrap_err();
            assert_eq!(
                *error.kind(),
                ErrorKind::Credential(CredentialFault::Signature)
            );
            error.to_string()
        }
    };
    for (code, message) in [
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z (20260101T001000Z - 5 min.)",
        ),
        (
            "SignatureDoesNotMatch",
            "Signature not yet current: 20260101T001600Z is still later than 20260101T001500Z (20260101T001000Z + 5 min.)",
        ),
        (
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
    ] {
        let line = refusal(code, message).await;
        assert!(
            line.contains("; this host's clock is off: set it") && !line.contains("secret"),
            "{line}"
        );
    }
    let line = refusal(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.",
    )
    .await;
    assert!(
        line.ends_with("the secret key is not the one of this key id, or this host's clock is off"),
        "{line}"
    );
}

/// Where STS says which policy it is, the others need no look.
#[tokio::test]
async fn a_denial_that_names_its_policy_is_mended_there() {
    for (why, hint) in [
        ("", "check in this order: 1. the trust policy of the role"),
        (
            "because no identity-based policy allows the sts:AssumeRole action",
            "add to the caller's permission policy: {",
        ),
        (
            "because no resource-based policy allows the sts:AssumeRole action",
            "add to the trust policy of the role App: {",
        ),
        (
            "because no session policy allows the sts:AssumeRole action",
            "add to the session policy that the role was assumed with: {",
        ),
        (
            "because no permissions boundary allows the sts:AssumeRole action",
            "add to the permissions boundary of the caller: {",
        ),
        (
            "with an explicit deny in a service control policy",
            "the service control policy of the organization denies it",
        ),
        (
            "with an explicit deny in a resource-based policy",
            "the trust policy of the role App denies it",
        ),
    ] {
        let body = format!(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/a is not authorized to perform: sts:AssumeRole on resource: {ROLE} {why}</Message></Error></ErrorResponse>"
        );
        let server = StandIn::start(move |_| answer(403, &[], &body)).await;
        let error = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains(&format!("; {hint}")),
            "{why}: {error}"
        );
    }
}

#[tokio::test]
async fn a_4xx_that_is_not_known_to_pass_needs_a_person_and_so_does_501() {
    const UNKNOWN: &str = "<ErrorResponse><Error><Code>BrandNew</Code></Error></ErrorResponse>";
    for (status, body, passes) in [
        (400, UNKNOWN, false),
        (404, "<html>", false),
        (408, UNKNOWN, true),
        (409, UNKNOWN, true),
        (425, UNKNOWN, true),
        (429, UNKNOWN, true),
        (501, UNKNOWN, false),
        (503, UNKNOWN, true),
        (
            400,
            "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>",
            true,
        ),
    ] {
        let server = StandIn::start(move |_| answer(status, &[], body)).await;
        let source = sts(&server, ROLE).build().unwrap();
        let error = source.fetch().await.unwrap_err();
        assert_eq!(error.is_retryable(), passes, "{status}: {error}");
    }
}

#[tokio::test]
async fn a_pause_that_sts_asks_for_is_made_where_there_is_time_and_told_where_not() {
    const BUSY: &str = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let server = StandIn::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => answer(503, &["retry-after: 1"], BUSY),
        _ => answer(200, &[], &session("", "")),
    })
    .await;
    let begun = std::time::Instant::now();
    sts(&server, ROLE).build().unwrap().fetch().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let server = StandIn::start(|_| answer(429, &["retry-after: 120"], BUSY)).await;
    let error = sts(&server, ROLE)
        .build()
        .unwrap()
        .fetch()
        .await
        .unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert!(error.is_throttled());
    assert_eq!(server.seen().len(), 1);
    // A second pause would take the call to its limit, whose error knows nothing of the answers.
    let busy = StandIn::start(|_| answer(429, &["retry-after: 4"], BUSY)).await;
    let second = sts(&busy, ROLE).build().unwrap().fetch().await;
    let second = second.unwrap_err();
    assert!(second.is_throttled(), "{second}");
    assert_eq!(second.retry_after(), Some(Duration::from_secs(4)));
    assert_eq!(busy.seen().len(), 2);
    // and the cache leaves it alone as long
    let http = aws_smithy_http_client::Builder::new().build_http();
    let role = AssumeRole::builder(ROLE)
        .region("us-east-1")
        .sts_endpoint(&*server.uri)
        .base(user())
        .http_client(http)
        .build()
        .unwrap();
    for _ in 0..4 {
        assert!(role.credentials().await.is_err());
    }
    assert_eq!(server.seen().len(), 2);
    // the engine asks again when STS said, and not before
    let again = role.status().next_attempt_at.unwrap();
    let asked = again.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(asked > Duration::from_secs(60), "{asked:?}");
}

/// A base whose keys are counted.
#[derive(Debug, Default)]
struct Keys(AtomicU32);

impl CredentialSource for Keys {
    fn name(&self) -> &'static str {
        "Keys"
    }

    async fn fetch(&self) -> Result<Credentials> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Credentials::builder()
            .access_key_id(format!("ASIAKEY{number}"))
            .secret_access_key("secret-of-the-base")
            .session_token("token-of-the-base")
            .expiry(std::time::SystemTime::now() + Duration::from_secs(3_600))
            .provider_name("Keys")
            .build())
    }
}

#[tokio::test]
async fn a_base_that_is_dead_by_any_code_of_the_list_is_replaced_and_asked_once_more() {
    for code in [
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "RequestExpired",
    ] {
        let server = StandIn::start(move |request| {
            if request.contains("ASIAKEY0") {
                answer(
                    403,
                    &[],
                    &format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"),
                )
            } else {
                answer(200, &[], &session("", MINIO_USER))
            }
        })
        .await;
        let http = aws_smithy_http_client::Builder::new().build_http();
        let base = CredentialCache::new(Keys::default(), RefreshPolicy::default());
        let role = AssumeRole::builder(ROLE)
            .region("us-east-1")
            .sts_endpoint(&*server.uri)
            .base(base)
            .http_client(http)
            .build()
            .unwrap();
        let credentials = role.credentials().await.expect(code);
        assert_eq!(credentials.access_key_id(), "KEY");
        assert_eq!(server.seen().len(), 2, "{code}");
    }
}

// The metadata service.

const DOCUMENT: &str = "{\"Code\":\"Success\",\"AccessKeyId\":\"KEY\",\"SecretAccessKey\":\"SECRET\",\"Token\":\"TOKEN\",\"Expiration\":\"2099-01-01T00:00:00Z\"";
const EXTENDED: &str = "GET /latest/meta-data/iam/security-credentials-extended/";
const PLAIN: &str = "GET /latest/meta-data/iam/security-credentials/";
const TOKEN: &str = "PUT /latest/api/token";

fn healthy(request: &str, document: &str) -> String {
    if request.starts_with(TOKEN) {
        return answer(
            200,
            &["x-aws-ec2-metadata-token-ttl-seconds: 21600"],
            "AQAEA-token",
        );
    }
    let path = request.split_whitespace().nth(1).unwrap();
    match path.rsplit('/').next() {
        Some("") => answer(200, &[], "App"),
        _ => answer(200, &[], document),
    }
}

#[tokio::test]
async fn what_only_decorates_a_document_may_be_of_any_type() {
    for more in [
        ",\"AccountId\":123456789012}",
        ",\"AccountId\":\"\",\"Message\":{\"a\":[1]}}",
        ",\"AccountId\":null,\"Message\":7,\"LastUpdated\":{},\"UserId\":[]}",
    ] {
        let document = format!("{DOCUMENT}{more}");
        let server = StandIn::start(move |request| healthy(request, &document)).await;
        let credentials = imds(&server).build().unwrap().fetch().await.expect(more);
        assert_eq!(credentials.access_key_id(), "KEY");
        assert_eq!(credentials.account_id(), None);
    }
}

#[tokio::test]
async fn a_document_is_read_in_whatever_form_its_date_is_written() {
    let end = std::time::UNIX_EPOCH + Duration::from_secs(4_070_908_800);
    for written in [
        "\"2099-01-01T00:00:00.000Z\"",
        "\"2099-01-01T02:00:00+02:00\"",
        "\"2099-01-01T00:00:00\"",
        "\"2099-01-01 00:00:00 +0000 UTC\"",
        "\" 2099-01-01T00:00:00Z\\n\"",
        "\"4070908800\"",
        "4070908800",
        "4070908800000",
        "4070908800.0",
    ] {
        let document = DOCUMENT
            .replace("\"2099-01-01T00:00:00Z\"", written)
            .replace("\"KEY\"", "\"KEY\\n\"");
        let server =
            StandIn::start(move |request| healthy(request, &format!("{document}}}"))).await;
        let credentials = imds(&server).build().unwrap().fetch().await.expect(written);
        assert_eq!(credentials.expiry(), Some(end), "{written}");
        assert_eq!(credentials.access_key_id(), "KEY");
    }
    for (part, with, said) in [
        (
            "\"2099-01-01T00:00:00Z\"",
            "\"never\"",
            "Expiration of the credential document is not a date-time",
        ),
        (
            "\"2099-01-01T00:00:00Z\"",
            "true",
            "Expiration of the credential document is not",
        ),
        (
            "\"TOKEN\"",
            "\"TO\\u0000KEN\"",
            "Token of the credential document holds characters",
        ),
    ] {
        let document = DOCUMENT.replace(part, with);
        let server =
            StandIn::start(move |request| healthy(request, &format!("{document}}}"))).await;
        let error = imds(&server)
            .max_attempts(1)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// A secret signs, and stands in no request: vendors let people choose theirs.
#[tokio::test]
async fn a_secret_may_hold_what_no_header_can() {
    let secret = "pass word \u{fc}";
    let document = DOCUMENT.replace("SECRET", secret) + "}";
    let server = StandIn::start(move |request| healthy(request, &document)).await;
    let credentials = imds(&server).build().unwrap().fetch().await.unwrap();
    assert_eq!(credentials.secret_access_key(), secret);
    let body = session("", MINIO_USER).replace("SECRET", secret);
    let server = StandIn::start(move |_| answer(200, &[], &body)).await;
    let credentials = sts(&server, ROLE).build().unwrap().fetch().await.unwrap();
    assert_eq!(credentials.secret_access_key(), secret);
}

/// An agent in EC2's place that says no in its own way.
#[tokio::test]
async fn a_document_that_is_an_error_is_quoted() {
    for (document, said, code) in [
        (
            "{\"code\":\"404\",\"message\":\"role not found\"}",
            "role not found",
            Some("404"),
        ),
        (
            "{\"error\":\"forbidden by policy\"}",
            "forbidden by policy",
            None,
        ),
        (
            "{\"Message\":\"no role for this pod\"}",
            "no role for this pod",
            None,
        ),
    ] {
        let server = StandIn::start(move |request| healthy(request, document)).await;
        let error = imds(&server)
            .max_attempts(1)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("has no credentials: {said}")),
            "{error}"
        );
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn the_token_request_says_that_it_has_no_body() {
    let server = StandIn::start(|request| healthy(request, &format!("{DOCUMENT}}}"))).await;
    imds(&server).build().unwrap().fetch().await.unwrap();
    let put = server.seen().remove(0);
    assert!(
        put.to_lowercase().contains("\r\ncontent-length: 0\r\n"),
        "{put}"
    );
    assert!(put.contains("aws-credential-strategies/"), "{put}");
}

#[tokio::test]
async fn one_hiccup_on_each_step_does_not_end_a_cold_start() {
    let tried = [const { AtomicU32::new(0) }; 3];
    let server = StandIn::start(move |request| {
        let step = match request {
            _ if request.starts_with(TOKEN) => 0,
            _ if request.contains("/App ") => 2,
            _ => 1,
        };
        match tried[step].fetch_add(1, Ordering::SeqCst) {
            0 | 1 => answer(500, &[], ""),
            _ => healthy(request, &format!("{DOCUMENT}}}")),
        }
    })
    .await;
    imds(&server).build().unwrap().fetch().await.unwrap();
    assert_eq!(server.seen().len(), 9);
}

#[tokio::test]
async fn a_document_on_the_plain_path_only_is_found_and_the_path_remembered() {
    let server = StandIn::start(|request| {
        if request.starts_with(EXTENDED) && request.contains("/App ") {
            return answer(404, &[], "");
        }
        healthy(request, &format!("{DOCUMENT}}}"))
    })
    .await;
    let source = imds(&server).build().unwrap();
    source.fetch().await.unwrap();
    source.fetch().await.unwrap();
    assert_eq!(server.count(EXTENDED), 2);
    assert_eq!(server.count(PLAIN), 2);
}

#[tokio::test]
async fn where_the_extended_path_only_fails_the_plain_one_is_tried_and_not_remembered() {
    let server = StandIn::start(|request| {
        if request.starts_with(EXTENDED) {
            return answer(500, &[], "");
        }
        healthy(request, &format!("{DOCUMENT}}}"))
    })
    .await;
    let source = imds(&server).build().unwrap();
    source.fetch().await.unwrap();
    assert_eq!((server.count(EXTENDED), server.count(PLAIN)), (6, 2));
}

#[tokio::test]
async fn a_session_token_of_a_minute_is_used_for_most_of_it() {
    let server = StandIn::start(|request| {
        if request.starts_with(TOKEN) {
            return answer(200, &["x-aws-ec2-metadata-token-ttl-seconds: 60"], "AQAEA");
        }
        healthy(request, &format!("{DOCUMENT}}}"))
    })
    .await;
    let source = imds(&server).build().unwrap();
    source.fetch().await.unwrap();
    source.fetch().await.unwrap();
    assert_eq!(server.count(TOKEN), 1);
}

#[tokio::test]
async fn a_pause_that_the_metadata_service_asks_for_is_made_or_told() {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let server = StandIn::start(
        move |request| match counted.fetch_add(1, Ordering::SeqCst) {
            0 => answer(429, &["retry-after: 1"], ""),
            _ => healthy(request, &format!("{DOCUMENT}}}")),
        },
    )
    .await;
    let begun = std::time::Instant::now();
    imds(&server).build().unwrap().fetch().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let server = StandIn::start(|_| answer(429, &["retry-after: 600"], "")).await;
    let error = imds(&server).build().unwrap().fetch().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(600)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn somebody_elses_metadata_service_is_named_and_not_asked_again() {
    const AZURE: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"><HTML><HEAD><TITLE>Length Required</TITLE></HEAD></HTML>";
    for (status, headers, body, whose) in [
        (
            405,
            &["Metadata-Flavor: Google", "Server: Metadata Server for VM"][..],
            "",
            "Google Cloud's",
        ),
        (411, &["Server: Microsoft-HTTPAPI/2.0"], AZURE, "Azure's"),
        (400, &["Server: Microsoft-HTTPAPI/2.0"], "", "Azure's"),
        (
            403,
            &["Server: squid/6.6"],
            "",
            "a web server's (squid/6.6)",
        ),
        (
            407,
            &["proxy-authenticate: Basic realm=\"corp\""],
            "",
            "a web server's",
        ),
        (
            404,
            &["Server: nginx/1.24.0"],
            "<html>404 Not Found</html>",
            "a web server's (nginx/1.24.0)",
        ),
        (
            200,
            &["Server: Apache", "content-type: text/html"],
            "<html>It works!</html>",
            "a web server's (Apache)",
        ),
        (
            301,
            &["location: https://example.com/"],
            "",
            "a web server's",
        ),
        (501, &[], "Unsupported method ('PUT')", "a web server's"),
        // a service of JSON takes any path
        (
            200,
            &["content-type: application/json"],
            "{\"access_token\":\"abc\",\"expires_in\":300}",
            "a web server's",
        ),
    ] {
        let server = StandIn::start(move |_| answer(status, headers, body)).await;
        let error = imds(&server).build().unwrap().fetch().await.unwrap_err();
        assert!(
            error.to_string().contains(&format!(
                "this is not EC2's metadata service, it looks like {whose}"
            )),
            "{status}: {error}"
        );
        assert!(error.is_terminal(), "{error}");
        assert_eq!(server.count(TOKEN), 1, "{whose}");
    }
    let openstack = StandIn::start(|request| match request.starts_with("GET /openstack ") {
        true => answer(200, &[], "2012-08-10\n2018-08-27\nlatest"),
        false => answer(404, &[], "<html><title>404 Not Found</title></html>"),
    })
    .await;
    let error = imds(&openstack).build().unwrap().fetch().await.unwrap_err();
    assert!(
        error.to_string().contains("it looks like OpenStack's"),
        "{error}"
    );
}

/// Azure's service itself, past the HTTP stack of Windows: the request has a length, and lacks `Metadata`.
#[tokio::test]
async fn azures_service_is_known_by_its_own_words_where_its_refusal_says_little() {
    let azure = StandIn::start(|request| {
        let head = [
            "content-type: application/json; charset=utf-8",
            "server: Microsoft-IIS/10.0",
        ];
        match request.to_lowercase().contains("\r\nmetadata: true\r\n") {
            true => answer(
                200,
                &head,
                "{\"compute\":{\"vmId\":\"02aab8a4\"},\"network\":{}}",
            ),
            false => answer(
                400,
                &head,
                "{\"error\":\"Bad request: Required metadata header not specified\"}",
            ),
        }
    })
    .await;
    let error = imds(&azure).build().unwrap().fetch().await.unwrap_err();
    assert!(error.to_string().contains("looks like Azure's"), "{error}");
    // a web server of the same make is not Azure
    let iis =
        StandIn::start(|_| answer(400, &["server: Microsoft-IIS/10.0"], "<h2>Bad Request</h2>"))
            .await;
    let error = imds(&iis).build().unwrap().fetch().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a web server's (Microsoft-IIS/10.0)"),
        "{error}"
    );
}

/// An agent that answers in EC2's place, or a proxy in between, may write or wrap things in its own way.
#[tokio::test]
async fn a_text_is_read_with_and_without_a_byte_order_mark() {
    let server = StandIn::start(|request| {
        let marked = |text: &str| format!("\u{feff}{text}");
        match request {
            r if r.starts_with(TOKEN) => answer(200, &[], &marked("AQAEA-token")),
            r if r.contains("/security-credentials-extended/ ") => {
                answer(200, &[], &marked("App\r\n"))
            }
            _ => answer(200, &[], &marked(&format!("{DOCUMENT}}}"))),
        }
    })
    .await;
    let source = imds(&server).build().unwrap();
    assert_eq!(source.fetch().await.unwrap().access_key_id(), "KEY");
    assert!(server.seen()[1].contains("AQAEA-token\r\n"));
    assert_eq!(source.subject().as_deref(), Some("App"));
    let marked =
        StandIn::start(|_| answer(200, &[], &format!("\u{feff}{}", session("", "")))).await;
    let source = sts(&marked, ROLE).build().unwrap();
    assert_eq!(source.fetch().await.unwrap().access_key_id(), "KEY");
}

#[tokio::test]
async fn a_packed_answer_is_called_that() {
    let head = ["content-encoding: gzip", "content-type: application/json"];
    let server = StandIn::start(move |request| match request {
        r if r.starts_with(TOKEN) => answer(200, &[], "AQAEA-token"),
        _ => answer(200, &head, "\u{1f}packed"),
    })
    .await;
    let error = imds(&server).build().unwrap().fetch().await.unwrap_err();
    assert!(error.to_string().contains("packed as gzip"), "{error}");
    assert!(error.is_terminal());
    let error = refused(200, &["content-encoding: gzip"], "\u{1f}packed").await;
    assert!(
        error.to_string().contains("the answer is packed"),
        "{error}"
    );
}

#[tokio::test]
async fn what_stands_in_between_is_not_taken_for_sts() {
    // a proxy that wants to know who asks
    let error = refused(
        407,
        &["proxy-authenticate: Basic"],
        "<html><code>no</code></html>",
    )
    .await;
    assert_eq!((error.code(), error.http_status()), (None, Some(407)));
    assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
    assert!(error.is_terminal());
    // the page of a captive portal, a redirect to it, and a gateway without anybody behind it
    let pages: [(u16, &[&str], &str); 3] = [
        (
            200,
            &["content-type: text/html"],
            "<!DOCTYPE html><html><body><code>sign in</code></body></html>",
        ),
        (302, &["location: https://portal.example/"], ""),
        (
            502,
            &["server: nginx"],
            "<html><head><title>502 Bad Gateway</title></head></html>",
        ),
    ];
    for (status, headers, page) in pages {
        let server = StandIn::start(move |_| answer(status, headers, page)).await;
        let error = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert_eq!((error.code(), error.http_status()), (None, Some(status)));
        assert!(error.is_retryable(), "{error}");
        assert!(!error.to_string().contains("html"), "{error}");
    }
}

/// LocalStack: a call that it does not have is an `InternalFailure`, with the status that says so.
#[tokio::test]
async fn a_call_that_an_emulator_does_not_have_needs_a_person() {
    let body = "<?xml version='1.0' encoding='utf-8'?>\n<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Code>InternalFailure</Code><Message>The API for service 'sts' is either not included in your current license plan or \
         has not yet been emulated by LocalStack.</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    let error = refused(501, &[], body).await;
    assert_eq!(error.code(), Some("InternalFailure"));
    assert!(error.is_terminal(), "{error}");
}

/// Chunks whose sizes are no numbers, or that end before the last one.
#[tokio::test]
async fn broken_chunks_are_a_broken_answer() {
    for chunks in [
        "zz\r\nApp\r\n0\r\n\r\n",
        "3\r\nApp\r\n",
        "fffffffffffffffff\r\nApp",
    ] {
        let reply = move |request: &str| match request {
            r if r.starts_with(TOKEN) => answer(200, &[], "AQAEA-token"),
            _ => format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"),
        };
        let server = StandIn::start(reply).await;
        let error = imds(&server).build().unwrap().fetch().await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(error.http_status(), Some(200), "{error}");
        let error = sts(&server, ROLE)
            .build()
            .unwrap()
            .fetch()
            .await
            .unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(
            error
                .to_string()
                .contains("the answer of STS could not be read"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_port_that_stays_silent_is_told_by_the_source_before_callers_give_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", silent.local_addr().unwrap());
    let http = aws_smithy_http_client::Builder::new().build_http();
    let role = AssumeRole::builder(ROLE)
        .region("us-east-1")
        .sts_endpoint(uri)
        .base(user())
        .http_client(http)
        .build()
        .unwrap();
    let error = role.credentials().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert!(
        error.to_string().starts_with("assume role on arn:aws:iam"),
        "{error}"
    );
}
