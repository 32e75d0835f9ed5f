//! Promise: no secret key, session token, metadata token or raw answer shows in any `Debug`, `Display`,
//! cause or log line of a source or strategy, however broken the answer is that held it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod source_support;
#[cfg(feature = "table")]
#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::local::{Fault, ImdsCall, LocalCloud, Role, StsCall, Trust};
use aws_credential_strategies::source::{ImdsSource, StsSource, fuzzing};
use aws_credential_strategies::{
    AssumeRole, CredentialSource, CredentialStrategy, Credentials, Error, InstanceProfile,
    StrategyConfig,
};
use serde_json::{Value, json};
use source_support::imds;
use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

const KEY_ID: &str = "ASIASHOWN";
const SECRET: &str = "wJalrXUtnFEMI-do-not-show";
const TOKEN: &str = "FQoGZXIvYXdz-do-not-show";
const IMDS_TOKEN: &str = "AQAEAHvU-do-not-show";
const HIDDEN: &str = "do-not-show";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// Collects this thread's log from here on; the tests run on one thread each.
fn logging(level: tracing::Level) -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    (log, guard)
}

#[track_caller]
fn shows_nothing(text: &str, of: &str) {
    for hidden in [SECRET, TOKEN, IMDS_TOKEN, HIDDEN] {
        assert!(!text.contains(hidden), "{of} shows {hidden}: {text}");
    }
}

#[track_caller]
fn debug_shows_nothing(value: &impl Debug) {
    shows_nothing(&format!("{value:?}"), "Debug");
    shows_nothing(&format!("{value:#?}"), "Debug");
}

#[track_caller]
fn error_shows_nothing(error: &Error) {
    let mut layer: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = layer {
        shows_nothing(&current.to_string(), "Display");
        shows_nothing(&format!("{current:?}"), "Debug");
        shows_nothing(&format!("{current:#?}"), "Debug");
        layer = current.source();
    }
}

fn document() -> Value {
    json!({
        "Code": "Success",
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET,
        "Token": TOKEN,
        "Expiration": "2099-01-31T12:00:00Z",
    })
}

/// Documents that hold secrets and are each broken in another way.
fn broken_documents() -> Vec<String> {
    let mut documents = vec![
        SECRET.to_owned(),
        format!("{SECRET} {TOKEN}"),
        json!(SECRET).to_string(),
        json!([SECRET, TOKEN]).to_string(),
        json!({ SECRET: TOKEN }).to_string(),
        format!("{{\"SecretAccessKey\":\"{SECRET}\",\"SecretAccessKey\":\"{TOKEN}\"}}"),
        format!("{}{SECRET}", document()),
        document().to_string().replace(',', ""),
    ];
    for field in [
        "AccessKeyId",
        "SecretAccessKey",
        "Token",
        "Expiration",
        "Code",
    ] {
        let mut wrong = document();
        wrong[field] = json!([SECRET]);
        documents.push(wrong.to_string());
        wrong[field] = json!({ "nested": TOKEN });
        documents.push(wrong.to_string());
        wrong[field] = json!("");
        documents.push(wrong.to_string());
        wrong.as_object_mut().unwrap().remove(field);
        documents.push(wrong.to_string());
    }
    let mut late = document();
    late["Expiration"] = json!(SECRET);
    documents.push(late.to_string());
    let whole = document().to_string();
    documents.extend(
        (0..whole.len())
            .step_by(7)
            .map(|end| whole[..end].to_owned()),
    );
    // Without `Code` this is whole, so take it away from none.
    documents.retain(|document| fuzzing::credential_document(document.as_bytes()).is_err());
    documents
}

fn whole_answer() -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{KEY_ID}</AccessKeyId>\
         <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
         <Expiration>2099-01-31T12:00:00Z</Expiration></Credentials><AssumedRoleUser>\
         <AssumedRoleId>AROA:s</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/App/s</Arn>\
         </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
    )
}

fn broken_answers() -> Vec<String> {
    let whole = whole_answer();
    let mut answers = vec![
        SECRET.to_owned(),
        format!("<{SECRET}>"),
        format!("<{SECRET} a=\"{TOKEN}\"/>"),
        whole.replace("AssumeRoleResult", "Other"),
        whole.replace("AssumeRoleResponse", SECRET),
        whole.replace("<Expiration>2099-01-31T12:00:00Z</Expiration>", ""),
        whole.replace("2099-01-31T12:00:00Z", SECRET),
        whole.replace("arn:aws:sts::123456789012:assumed-role/App/s", SECRET),
        whole.replace(KEY_ID, ""),
    ];
    answers.extend(
        (0..whole.len())
            .step_by(11)
            .map(|end| whole[..end].to_owned()),
    );
    answers.retain(|answer| fuzzing::sts_response(200, answer.as_bytes()).is_err());
    answers
}

#[test]
fn parsers_show_nothing_of_what_they_refuse() {
    let documents = broken_documents();
    assert!(documents.len() > 40, "{}", documents.len());
    for document in documents {
        let error = fuzzing::credential_document(document.as_bytes()).unwrap_err();
        error_shows_nothing(&error);
    }
    let answers = broken_answers();
    assert!(answers.len() > 25, "{}", answers.len());
    for answer in answers {
        for status in [200, 400, 403, 500] {
            let outcome = fuzzing::sts_response(status, answer.as_bytes());
            error_shows_nothing(&outcome.unwrap_err());
        }
    }
    for list in [SECRET.to_owned() + "/", format!("{TOKEN}\n{SECRET} x")] {
        if let Err(error) = fuzzing::role_list(list.as_bytes()) {
            error_shows_nothing(&error);
        }
    }
}

#[test]
#[should_panic(expected = "shows do-not-show")]
fn the_grep_itself_finds_what_it_looks_for() {
    error_shows_nothing(&Error::recoverable(format!("the key is {HIDDEN}")));
}

async fn broken_sources() -> (LocalCloud, ImdsSource, StsSource) {
    let cloud = LocalCloud::start().await.unwrap();
    cloud
        .add_role(Role::new("App").trust(Trust::account(cloud.account())))
        .unwrap();
    let option_a = imds(&cloud).max_attempts(1).build().unwrap();
    let option_b = StsSource::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base_provider(Credentials::new(
            "AKIDSHOWN",
            SECRET,
            Some(TOKEN.to_owned()),
            None,
            "test",
        ))
        .build()
        .unwrap();
    (cloud, option_a, option_b)
}

#[tokio::test]
async fn broken_answers_over_the_wire_show_nothing_in_errors_and_logs() {
    let (log, _guard) = logging(tracing::Level::DEBUG);
    let (cloud, option_a, option_b) = broken_sources().await;
    for document in broken_documents() {
        let fault = Fault::body(200, "application/json", document);
        cloud.imds().fail_on(ImdsCall::ExtendedDocument, fault);
        error_shows_nothing(&option_a.fetch().await.unwrap_err());
        debug_shows_nothing(&option_a);
    }
    for answer in broken_answers() {
        let fault = Fault::body(200, "text/xml", answer);
        cloud.sts().fail_on(StsCall::AssumeRole, fault);
        error_shows_nothing(&option_b.fetch().await.unwrap_err());
        debug_shows_nothing(&option_b);
    }
    // The credentials that sign are unknown to this cloud.
    cloud.sts().heal();
    error_shows_nothing(&option_b.fetch().await.unwrap_err());
    error_shows_nothing(&option_b.caller_identity().await.unwrap_err());
    shows_nothing(&log.text(), "the log");
}

#[tokio::test]
async fn a_metadata_token_shows_nowhere() {
    let (log, _guard) = logging(tracing::Level::TRACE);
    let (cloud, option_a, _) = broken_sources().await;
    cloud
        .imds()
        .fail_on(ImdsCall::Token, Fault::body(200, "text/plain", IMDS_TOKEN));
    let error = option_a.fetch().await.unwrap_err();
    assert_eq!(
        error.http_status(),
        Some(401),
        "the service does not know it"
    );
    error_shows_nothing(&error);
    debug_shows_nothing(&option_a);
    shows_nothing(&log.text(), "the log");
}

#[tokio::test]
async fn strategies_with_credentials_show_nothing_of_them() {
    let (log, _guard) = logging(tracing::Level::DEBUG);
    let (cloud, _, _) = broken_sources().await;
    let document = Fault::body(200, "application/json", document().to_string());
    cloud.imds().fail_on(ImdsCall::ExtendedDocument, document);
    let answer = Fault::body(200, "text/xml", whole_answer());
    cloud.sts().fail_on(StsCall::AssumeRole, answer);
    let option_a = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()
        .unwrap();
    let option_b = AssumeRole::builder(cloud.role_arn("App"))
        .sdk_config(&cloud.sdk_config())
        .base(option_a.clone())
        .external_id("external")
        .mfa("arn:aws:iam::123456789012:mfa/alice", || async {
            Ok("123456".to_owned())
        });
    debug_shows_nothing(&option_b);
    let option_b = option_b.build().unwrap();
    for strategy in [
        Arc::new(option_a) as Arc<dyn CredentialStrategy>,
        Arc::new(option_b) as Arc<dyn CredentialStrategy>,
    ] {
        let credentials = strategy.credentials().await.unwrap();
        assert_eq!(
            credentials.secret_access_key(),
            SECRET,
            "it is the one to grep for"
        );
        assert_eq!(credentials.session_token(), Some(TOKEN));
        debug_shows_nothing(&strategy);
        debug_shows_nothing(&credentials);
        debug_shows_nothing(&strategy.status());
        shows_nothing(
            &serde_json::to_string(&strategy.status()).unwrap(),
            "Status",
        );
        strategy.invalidate(credentials.access_key_id());
        debug_shows_nothing(&strategy);
    }
    shows_nothing(&log.text(), "the log");
    assert!(
        log.text().contains("aws_credential_strategies"),
        "this crate did log"
    );
}

#[test]
fn a_configuration_has_no_place_for_a_secret() {
    for field in [
        "access_key_id",
        "secret_access_key",
        "session_token",
        "password",
    ] {
        let mut config = json!({ "strategy": "instance_profile" });
        config[field] = json!(SECRET);
        let error = StrategyConfig::from_json(&config.to_string()).unwrap_err();
        // what keys in hand have, an instance profile has not
        let named = match field {
            "password" => field,
            _ => "strategy configuration",
        };
        assert_eq!(error.field(), Some(named));
        error_shows_nothing(&error);
    }
}

#[cfg(feature = "table")]
mod items {
    use super::{HIDDEN, debug_shows_nothing, error_shows_nothing, shows_nothing};
    use crate::support::{Answer, Transport};
    use aws_credential_strategies::Error;
    use aws_credential_strategies::table::{AttributeValue, Backoff, BatchItem, Item, from_item};
    use serde::de::{DeserializeOwned, Error as _};
    use serde::{Deserialize, Deserializer};
    use serde_json::json;
    use std::collections::HashMap;
    use std::fmt::Debug;
    use std::net::IpAddr;
    use std::num::NonZeroU8;

    const NUMBER: &str = "4155550100";

    /// An item of this attribute read into what it does not fit.
    #[track_caller]
    fn unfit<T: DeserializeOwned + Debug>(value: &AttributeValue, says: &str) {
        let item = Item::from([("at", value.clone())]);
        let error: Error = from_item::<HashMap<String, T>>(item).unwrap_err();
        error_shows_nothing(&error);
        for text in [
            format!("{error}"),
            format!("{error:#}"),
            format!("{error:?}"),
            format!("{error:#?}"),
        ] {
            shows_nothing(&text, "an item that does not fit");
            assert!(!text.contains(NUMBER), "{text}");
        }
        let chain = format!("{error:#}");
        assert!(chain.contains("attribute at"), "{chain}");
        assert!(chain.contains(says), "{chain}");
        assert!(error.item().is_some());
    }

    /// As many types do: what it was made of is in the text.
    fn quoting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(D::Error::custom(format!(
            "no letter begins {text:?} ({text})"
        )))
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    enum Plan {
        Free,
        Paid { until: u8 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "only decoded")]
    enum Tagged {
        First { text: u8 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoded")]
    struct Strict {
        known: Option<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Flat {
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Quoting {
        #[serde(deserialize_with = "quoting")]
        text: u8,
    }

    #[test]
    fn an_item_that_does_not_fit_shows_nothing_of_what_it_holds() {
        let text = AttributeValue::S(format!("ada@{HIDDEN}"));
        let number = AttributeValue::N(NUMBER.into());
        let map = |name: &str, value: &AttributeValue| {
            AttributeValue::M(HashMap::from([(name.to_owned(), value.clone())]))
        };
        unfit::<Plan>(&text, "expected a variant, one of `Free`, `Paid`");
        unfit::<Plan>(&map("Paid", &map("until", &number)), "does not fit u8");
        unfit::<bool>(&text, "expected BOOL, not S");
        unfit::<char>(&text, "expected a character, not a string of this value");
        unfit::<IpAddr>(&text, "IP address");
        unfit::<NonZeroU8>(
            &AttributeValue::N("0".into()),
            "expected a nonzero u8, not an integer of this value",
        );
        unfit::<u8>(&number, "does not fit u8");
        unfit::<Quoting>(&map("text", &text), "no letter begins");
        unfit::<Flat>(&map("rest", &text), "expected u8, not a string");
        unfit::<Flat>(&map("rest", &number), "expected u8, not an integer");
        unfit::<Flat>(
            &map("rest", &AttributeValue::N("0.415555".into())),
            "expected u8, not a number",
        );
        let tagged = |kind: &str| {
            AttributeValue::M(HashMap::from([
                ("kind".to_owned(), AttributeValue::S(kind.to_owned())),
                ("text".to_owned(), text.clone()),
            ]))
        };
        unfit::<Tagged>(&tagged("First"), "expected u8, not a string");
        unfit::<Tagged>(&tagged(HIDDEN), "expected a variant, `First`");
        unfit::<Strict>(&map("unknown", &text), "expected a field, `known`");
    }

    #[tokio::test]
    async fn what_a_batch_did_not_write_shows_its_names_only() {
        let item = |id: &str| json!({ "id": format!("{id}-{HIDDEN}"), "text": HIDDEN });
        let transport = Transport::new(|sent| {
            let body = sent.body.to_string();
            if body.contains("bad-") {
                return Answer::error("ValidationException", "no such item");
            }
            Answer::ok(json!({ "UnprocessedItems": sent.body["RequestItems"] }))
        });
        let table = transport.dynamo().table("MyTable");
        let put = BatchItem::from(table.put(&item("good")));
        debug_shows_nothing(&put);
        assert!(format!("{put:?}").contains("\"text\""), "{put:?}");
        let delete = BatchItem::from(table.delete(("id", HIDDEN)));
        debug_shows_nothing(&delete);
        assert!(format!("{delete:?}").contains("\"id\""), "{delete:?}");
        let batch = table.batch_write().write(put).put(&item("bad"));
        let batch = batch.backoff(Backoff::new().idle_rounds(1));
        let report = batch.send().await.unwrap();
        debug_shows_nothing(&report);
        let (left, refused) = (&report.unprocessed, &report.refused);
        assert_eq!((left.len(), refused.len()), (1, 1), "{report:?}");
        debug_shows_nothing(&left[0]);
        debug_shows_nothing(&refused[0]);
        for told in [format!("{left:?}"), format!("{refused:?}")] {
            assert!(
                told.contains("\"id\"") && told.contains("\"text\""),
                "{told}"
            );
        }
    }
}
