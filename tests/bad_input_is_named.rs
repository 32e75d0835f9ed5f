//! Promise: bad input to a strategy gives an error that names the field and what was expected, before
//! anything is sent; it never panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_credential_strategies::refresh::RefreshPolicy;
use aws_credential_strategies::strategy::{AssumeRoleBuilder, InstanceProfileBuilder};
use aws_credential_strategies::{
    AssumeRole, Credentials, Error, ErrorKind, InstanceProfile, StrategyConfig,
};
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::fmt::Debug;
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::123456789012:role/App";

/// A role to assume, with everything that is required; nothing can be sent.
fn role(arn: &str) -> AssumeRoleBuilder {
    AssumeRole::builder(arn)
        .region(Region::new("us-east-1"))
        .http_client(http_client_fn(|_, _| panic!("something was sent")))
        .base_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        ))
}

fn refused<T: Debug>(outcome: Result<T, Error>) -> Error {
    let error = outcome.expect_err("this input is refused");
    assert_eq!(*error.kind(), ErrorKind::Usage, "{error}");
    assert!(error.is_terminal());
    assert!(error.field().is_some(), "{error}");
    error
}

fn lines(errors: impl IntoIterator<Item = Error>) -> String {
    let lines: Vec<String> = errors.into_iter().map(|error| error.to_string()).collect();
    lines.join("\n")
}

#[test]
fn what_is_good_is_not_refused() {
    role(ROLE).build().unwrap();
    role("arn:aws:iam::123456789012:role/with/a/path/App_1+=,.@-")
        .build()
        .unwrap();
    let china = role("arn:aws-cn:iam::123456789012:role/App");
    china.region(Region::new("cn-north-1")).build().unwrap();
    let x = |n: usize| "x".repeat(n);
    role(ROLE).session_name(x(2)).build().unwrap();
    role(ROLE).session_name(x(64)).build().unwrap();
    role(ROLE).external_id(x(1_224)).build().unwrap();
    role(ROLE)
        .source_identity("Ada@example.org")
        .build()
        .unwrap();
    role(ROLE)
        .duration(Duration::from_secs(900))
        .build()
        .unwrap();
    role(ROLE)
        .duration(Duration::from_secs(43_200))
        .build()
        .unwrap();
    role(ROLE)
        .policy(format!("{{\"x\":\"{}\"}}", x(2_040)))
        .build()
        .unwrap();
    role(ROLE)
        .policy_arns(["arn:aws:iam::123456789012:policy/a/B"; 10])
        .build()
        .unwrap();
    role(ROLE)
        .tags((0..50).map(|n| (n.to_string(), x(256))))
        .build()
        .unwrap();
    role(ROLE).tags([("Ünï cöde", "ß")]).build().unwrap();
    let profile = InstanceProfile::builder().endpoint("http://127.0.0.1:9");
    profile.clone().profile(x(64)).build().unwrap();
    profile.clone().max_attempts(10).build().unwrap();
    profile.token_ttl(Duration::from_secs(1)).build().unwrap();
}

#[test]
fn role_arns() {
    let arns = [
        "",
        "App",
        "arn",
        "urn:aws:iam::123456789012:role/App",
        "arn:amazon:iam::123456789012:role/App",
        "arn:aws:s3:::bucket",
        "arn:aws:iam:us-east-1:123456789012:role/App",
        "arn:aws:iam::12345:role/App",
        "arn:aws:iam::12345678901x:role/App",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role//App",
        "arn:aws:iam::123456789012:role/A b",
        "arn:aws:iam::123456789012:role",
        "arn:aws:iam::123456789012:group/Admins",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:iam::123456789012:instance-profile/Web",
        "arn:aws:sts::123456789012:assumed-role/App/session",
        "arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0",
        "arn:aws:iam::123456789012:role/\u{0}\u{1F4A9}",
    ];
    let errors = arns.map(|arn| {
        let error = refused(role(arn).build());
        assert_eq!(error.field(), Some("role_arn"), "{arn}");
        error
    });
    insta::assert_snapshot!(lines(errors), @r##"
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this does not have the six parts of an ARN
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this does not have the six parts of an ARN
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this does not have the six parts of an ARN
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this does not begin with arn:
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its partition is not aws or aws-…
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this is of the service "s3"
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; ARNs of IAM have no region
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its account is not 12 digits
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its account is not 12 digits
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its name is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its name is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its name is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its resource does not begin with role/
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its resource does not begin with role/
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this is the account itself
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this is a user, and users cannot be assumed: sign with the user's keys as base and assume a role
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this is an instance profile: name the role in it, which aws iam get-instance-profile shows
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this is a session: name the role itself, arn:aws:iam::123456789012:role/App
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this is an EC2 resource: an instance is no principal and no role, its instance profile holds the role
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; its name is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    "##);
    let long = format!(
        "arn:aws:iam::123456789012:role/{}",
        "x/".repeat(300) + "App"
    );
    refused(role(&long).build());
    let long = format!("arn:aws:iam::123456789012:role/{}", "x".repeat(65));
    refused(role(&long).build());
}

#[test]
fn regions_endpoints_and_bases() {
    let without_region = AssumeRole::builder(ROLE).base_provider(Credentials::new(
        "AKIDEXAMPLE",
        "secret",
        None,
        None,
        "test",
    ));
    let errors = [
        refused(without_region.build()),
        refused(role(ROLE).region(Region::new("")).build()),
        refused(
            role(ROLE)
                .region(Region::new("US East (N. Virginia)"))
                .build(),
        ),
        refused(role(ROLE).region(Region::new("us-east-1a")).build()),
        refused(role(ROLE).region(Region::new("aws-global")).build()),
        refused(role(ROLE).region(Region::new("cn-north-1")).build()),
        refused(role("arn:aws-us-gov:iam::123456789012:role/App").build()),
        refused(role(ROLE).sts_endpoint("").build()),
        refused(
            role(ROLE)
                .sts_endpoint("sts.us-east-1.amazonaws.com")
                .build(),
        ),
        refused(role(ROLE).sts_endpoint("ftp://sts").build()),
        refused(role(ROLE).sts_endpoint("https://user:pass@sts").build()),
        refused(role(ROLE).base_from(&SdkConfig::builder().build()).build()),
    ];
    insta::assert_snapshot!(lines(errors), @r##"
    configure: region: expected the region whose STS to ask, for example us-east-1; the region of the application is usually right
    configure: region: expected a region such as us-east-1, not ""
    configure: region: expected a region such as us-east-1, not "US East (N. Virginia)"
    configure: region: expected a region such as us-east-1, not "us-east-1a"
    configure: region: expected a region such as us-east-1, not "aws-global"
    configure: region: expected a region of the role's partition aws, and cn-north-1 is of aws-cn
    configure: region: expected a region of the role's partition aws-us-gov, and us-east-1 is of aws
    configure: sts_endpoint: expected an http or https URI such as https://sts.us-east-1.amazonaws.com, without user, password or query
    configure: sts_endpoint: expected an http or https URI such as https://sts.us-east-1.amazonaws.com, without user, password or query
    configure: sts_endpoint: expected an http or https URI such as https://sts.us-east-1.amazonaws.com, without user, password or query
    configure: sts_endpoint: expected an http or https URI such as https://sts.us-east-1.amazonaws.com, without user, password or query
    configure: base_from: expected an SdkConfig with a credentials provider
    "##);
}

/// Without the cargo feature `https` the crate brings no client, and says so.
#[test]
fn a_missing_http_client() {
    let outcome = AssumeRole::builder(ROLE)
        .region(Region::new("us-east-1"))
        .base_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        ))
        .build();
    if cfg!(feature = "https") {
        outcome.unwrap();
    } else {
        assert_eq!(refused(outcome).field(), Some("http_client"));
    }
}

#[test]
fn options_of_a_session() {
    let x = |n: usize| "x".repeat(n);
    let many: Vec<(String, String)> = (0..51).map(|n| (n.to_string(), String::new())).collect();
    let chained = |seconds| {
        let base = InstanceProfile::builder()
            .endpoint("http://127.0.0.1:9")
            .build()
            .unwrap();
        role(ROLE)
            .base(base)
            .duration(Duration::from_secs(seconds))
            .build()
    };
    chained(3_600).unwrap();
    let over_a_role = role(ROLE)
        .base(role(ROLE).build().unwrap())
        .duration(Duration::from_secs(3_601));
    let errors = [
        refused(role(ROLE).session_name("x").build()),
        refused(role(ROLE).session_name(x(65)).build()),
        refused(role(ROLE).session_name("two words").build()),
        refused(role(ROLE).external_id("x").build()),
        refused(role(ROLE).external_id(x(1_225)).build()),
        refused(role(ROLE).external_id("a&b").build()),
        refused(role(ROLE).source_identity("a/b").build()),
        refused(role(ROLE).duration(Duration::from_secs(899)).build()),
        refused(role(ROLE).duration(Duration::from_secs(43_201)).build()),
        refused(chained(3_601)),
        refused(over_a_role.build()),
        refused(role(ROLE).policy("").build()),
        refused(role(ROLE).policy("[]").build()),
        refused(
            role(ROLE)
                .policy(format!("{{\"x\":\"{}\"}}", x(2_048)))
                .build(),
        ),
        refused(role(ROLE).policy_arns(["ReadOnlyAccess"]).build()),
        refused(
            role(ROLE)
                .policy_arns(["arn:aws-cn:iam::aws:policy/ReadOnlyAccess"])
                .build(),
        ),
        refused(
            role(ROLE)
                .policy_arns(["arn:aws:iam::aws:policy/ReadOnlyAccess"; 11])
                .build(),
        ),
        refused(role(ROLE).tags(many).build()),
        refused(role(ROLE).tags([("", "x")]).build()),
        refused(role(ROLE).tags([(x(129), "x")]).build()),
        refused(role(ROLE).tags([("a\nb", "x")]).build()),
        refused(role(ROLE).tags([("key", x(257))]).build()),
        refused(role(ROLE).tags([("Team", "x"), ("team", "y")]).build()),
        refused(
            role(ROLE)
                .tags([("team", "x")])
                .transitive_tags(["cost"])
                .build(),
        ),
        refused(
            role(ROLE)
                .mfa("short", || async { Ok(String::new()) })
                .build(),
        ),
    ];
    insta::assert_snapshot!(lines(errors), @r##"
    configure: session_name: expected 2 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: session_name: expected 2 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: session_name: expected 2 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: external_id: expected 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -
    configure: external_id: expected 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -
    configure: external_id: expected 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -
    configure: source_identity: expected 2 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: duration: expected 15 minutes to 12 hours (900 to 43200 seconds)
    configure: duration: expected 15 minutes to 12 hours (900 to 43200 seconds)
    configure: duration: expected at most 1 hour: the base is itself a role session, and AWS caps a chained session at 1 hour
    configure: duration: expected at most 1 hour: the base is itself a role session, and AWS caps a chained session at 1 hour
    configure: policy: expected a JSON object, a policy document of at most 2048 characters
    configure: policy: expected a JSON object, a policy document of at most 2048 characters
    configure: policy: expected a JSON object, a policy document of at most 2048 characters
    configure: policy_arns: expected at most 10 ARNs of managed policies such as arn:aws:iam::aws:policy/ReadOnlyAccess
    configure: policy_arns: expected at most 10 ARNs of managed policies such as arn:aws:iam::aws:policy/ReadOnlyAccess
    configure: policy_arns: expected at most 10 ARNs of managed policies such as arn:aws:iam::aws:policy/ReadOnlyAccess
    configure: tags: expected at most 50
    configure: tags: expected keys of 1 to 128 letters, digits, spaces and _ . : / = + - @
    configure: tags: expected keys of 1 to 128 letters, digits, spaces and _ . : / = + - @
    configure: tags: expected keys of 1 to 128 letters, digits, spaces and _ . : / = + - @
    configure: tags: expected a value of at most 256 letters, digits, spaces and _ . : / = + - @ for the key "key"
    configure: tags: expected each key once, in whatever case, and "team" comes twice
    configure: transitive_tags: expected keys of the session tags, and "cost" is none
    configure: mfa: expected the serial number of a device, or an ARN such as arn:aws:iam::123456789012:mfa/alice
    "##);
}

#[test]
fn settings_of_the_metadata_service() {
    let profile = || InstanceProfile::builder().endpoint("http://127.0.0.1:9");
    let with = |change: fn(InstanceProfileBuilder) -> InstanceProfileBuilder| {
        refused(change(profile()).build())
    };
    let errors = [
        with(|profile| profile.endpoint("")),
        with(|profile| profile.endpoint("169.254.169.254")),
        with(|profile| profile.endpoint("https://169.254.169.254")),
        with(|profile| profile.endpoint("http://host:port")),
        with(|profile| profile.profile("")),
        with(|profile| profile.profile("../user-data")),
        with(|profile| profile.profile("..")),
        with(|profile| profile.connect_timeout(Duration::ZERO)),
        with(|profile| profile.answer_timeout(Duration::from_secs(31))),
        with(|profile| profile.max_attempts(0)),
        with(|profile| profile.token_ttl(Duration::from_secs(21_601))),
        with(|profile| profile.token_ttl(Duration::from_millis(999))),
        with(|profile| profile.refresh(RefreshPolicy::default().advisory_window(Duration::ZERO))),
    ];
    insta::assert_snapshot!(lines(errors), @r##"
    configure: endpoint: expected an http URI such as http://169.254.169.254 or http://[fd00:ec2::254]; this is not a URI
    configure: endpoint: expected an http URI such as http://169.254.169.254 or http://[fd00:ec2::254]; this has no scheme http
    configure: endpoint: expected an http URI such as http://169.254.169.254 or http://[fd00:ec2::254]; the metadata service speaks http without TLS
    configure: endpoint: expected an http URI such as http://169.254.169.254 or http://[fd00:ec2::254]; the port is not a number from 1 to 65535
    configure: profile: expected the name of the role in the instance profile: 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: profile: expected the name of the role in the instance profile: 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: profile: expected the name of the role in the instance profile: 1 to 64 of A-Z a-z 0-9 _ + = , . @ -
    configure: connect_timeout: expected a number of seconds above 0, at most 30
    configure: answer_timeout: expected a number of seconds above 0, at most 30
    configure: max_attempts: expected a whole number from 1 to 10
    configure: token_ttl: expected 1 second to 6 hours
    configure: token_ttl: expected 1 second to 6 hours
    configure: advisory_window: must be longer than zero; leave it unset for 5, 15 or 60 min by lifetime
    "##);
}

#[test]
fn configuration_files() {
    let read = |json: &str| refused(StrategyConfig::from_json(json));
    let errors = [
        read(""),
        read("[]"),
        read("{}"),
        read(r#"{"strategy":"instance_profile"} and more"#),
        read(r#"{"strategy":"magic"}"#),
        read(r#"{"strategy":"instance_profile","profil":"x"}"#),
        read(r#"{"strategy":"instance_profile","role_arn":"x"}"#),
        read(r#"{"strategy":"assume_role"}"#),
        read(r#"{"strategy":"assume_role","role_arn":7}"#),
        read(r#"{"strategy":"assume_role","role_arn":"x","max_attempts":3}"#),
        read(r#"{"strategy":"assume_role","role_arn":"x","duration_seconds":"1h"}"#),
        read(r#"{"strategy":"assume_role","role_arn":"x","duration_seconds":1.5}"#),
        read(r#"{"strategy":"assume_role","role_arn":"x","tags":{"team":1}}"#),
        read(r#"{"strategy":"assume_role","role_arn":"x","policy":"{}"}"#),
        read(r#"{"strategy":"assume_role","role_arn":"x","base":{"strategy":"assume_role"}}"#),
        read(
            r#"{"strategy":"assume_role","role_arn":"x","base":{"strategy":"instance_profile","profile":[]}}"#,
        ),
        read(r#"{"strategy":"instance_profile","refresh":{"mode":"sometimes"}}"#),
        read(r#"{"strategy":"instance_profile","refresh":{"advisory_window_seconds":-1}}"#),
        read(r#"{"strategy":"instance_profile","strategy":"instance_profile"}"#),
    ];
    insta::assert_snapshot!(lines(errors), @r##"
    configure: strategy configuration: EOF while parsing a value at line 1 column 0
    configure: strategy configuration: invalid length 0, expected an object with the member `strategy` at line 1 column 2
    configure: strategy configuration: missing field `strategy` at line 1 column 2
    configure: strategy configuration: trailing characters at line 1 column 33
    configure: strategy: unknown variant `magic`, expected one of `assume_role`, `container`, `default_chain`, `environment`, `fixed`, `instance_profile`, `process`, `profile`, `role_pool` at line 1 column 19
    configure: profil: unknown field `profil`, expected one of `strategy`, `profile`, `endpoint`, `connect_timeout_seconds`, `answer_timeout_seconds`, `max_attempts`, `token_ttl_seconds`, `role_arn`, `web_identity_token_file`, `web_identity_from_env`, `throttled_spread_seconds`, `max_roles`, `max_in_flight`, `region`, `base`, `session_name`, `external_id`, `duration_seconds`, `policy`, `policy_arns`, `tags`, `transitive_tags`, `source_identity`, `sts_endpoint`, `name`, `command`, `access_key_id`, `secret_access_key`, `session_token`, `refresh` at line 1 column 39
    configure: strategy configuration: unknown field `role_arn` for strategy `instance_profile`
    configure: strategy configuration: missing field `role_arn` for strategy `assume_role`
    configure: role_arn: invalid type: integer `7`, expected a string at line 1 column 38
    configure: strategy configuration: unknown field `max_attempts` for strategy `assume_role`
    configure: duration_seconds: invalid type: string "1h", expected a whole number of seconds at line 1 column 64
    configure: duration_seconds: invalid type: floating point `1.5`, expected a whole number of seconds at line 1 column 63
    configure: tags.team: invalid type: integer `1`, expected a string at line 1 column 57
    configure: policy: invalid type: string "{}", expected a map at line 1 column 54
    configure: base: missing field `role_arn` for strategy `assume_role` at line 1 column 75
    configure: base.profile: invalid type: sequence, expected a string at line 1 column 89
    configure: refresh.mode: unknown variant `sometimes`, expected `background` or `on_demand` at line 1 column 60
    configure: refresh.advisory_window_seconds: invalid value: integer `-1`, expected a whole number of seconds at line 1 column 70
    configure: strategy configuration: duplicate field `strategy` at line 1 column 41
    "##);
}

#[test]
fn configured_values() {
    let settings = SdkConfig::builder()
        .http_client(http_client_fn(|_, _| panic!("something was sent")))
        .build();
    let build = |json: &str| {
        refused(
            StrategyConfig::from_json(json)
                .unwrap()
                .build_with(&settings),
        )
    };
    let errors = [
        build(r#"{"strategy":"instance_profile","endpoint":"nowhere"}"#),
        build(r#"{"strategy":"instance_profile","connect_timeout_seconds":0}"#),
        build(r#"{"strategy":"instance_profile","token_ttl_seconds":0}"#),
        build(r#"{"strategy":"instance_profile","refresh":{"advisory_window_seconds":0}}"#),
        build(r#"{"strategy":"instance_profile","refresh":{"fetch_timeout_seconds":0}}"#),
        build(r#"{"strategy":"assume_role","role_arn":"App"}"#),
        build(r#"{"strategy":"assume_role","role_arn":"arn:aws:iam::123456789012:role/App"}"#),
        build(
            r#"{"strategy":"assume_role","role_arn":"arn:aws:iam::123456789012:role/App","region":"us-east-1","duration_seconds":60}"#,
        ),
        build(
            r#"{"strategy":"assume_role","role_arn":"arn:aws:iam::123456789012:role/App","region":"us-east-1","base":{"strategy":"instance_profile","answer_timeout_seconds":99}}"#,
        ),
        build(
            r#"{"strategy":"assume_role","role_arn":"arn:aws:iam::123456789012:role/App","region":"us-east-1","base":{"strategy":"assume_role","role_arn":"B","region":"us-east-1"}}"#,
        ),
    ];
    insta::assert_snapshot!(lines(errors), @r##"
    configure: endpoint: expected an http URI such as http://169.254.169.254 or http://[fd00:ec2::254]; this has no scheme http
    configure: connect_timeout_seconds: expected a number of seconds above 0, at most 30
    configure: token_ttl_seconds: expected 1 second to 6 hours
    configure: refresh.advisory_window_seconds: must be longer than zero; leave it unset for 5, 15 or 60 min by lifetime
    configure: refresh.fetch_timeout_seconds: must be longer than zero
    configure: role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this does not have the six parts of an ARN
    configure: region: expected the region whose STS to ask, for example us-east-1; the region of the application is usually right
    configure: duration_seconds: expected 15 minutes to 12 hours (900 to 43200 seconds)
    configure: base.answer_timeout_seconds: expected a number of seconds above 0, at most 30
    configure: base.role_arn: expected a role ARN such as arn:aws:iam::123456789012:role/App; this does not have the six parts of an ARN
    "##);
}

#[test]
fn a_configuration_survives_being_written_and_read() {
    let json = r#"{"strategy":"assume_role","role_arn":"arn:aws:iam::123456789012:role/App","region":"us-east-1","base":{"strategy":"instance_profile","profile":"Web"},"duration_seconds":900,"policy":{"Version":"2012-10-17"},"tags":{"team":"red"},"refresh":{"rules":"aws_spec","mode":"on_demand","serve_expired":false}}"#;
    let config = StrategyConfig::from_json(json).unwrap();
    assert_eq!(config.strategy(), "assume_role");
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(written, json);
    assert_eq!(StrategyConfig::from_json(&written).unwrap(), config);
}
