//! Every code that DynamoDB answers with becomes the error that says what it means.
#![cfg(feature = "table")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/table.rs"]
mod support;

use aws_credential_strategies::CredentialFault::{Expired, Malformed, Signature, Unrecognized};
use aws_credential_strategies::{Error, ErrorKind, table::attr};
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use serde_json::json;
use std::error::Error as _;
use support::{Answer, Transport};

const MESSAGE: &str = "what the service says";

async fn get(answer: Answer) -> Error {
    let transport = Transport::replay([answer]);
    let db = transport.dynamo();
    let error = db.table("MyTable").get(("id", "123")).send::<()>().await;
    let error = error.unwrap_err();
    assert_eq!(transport.count(), 1, "{error}");
    error
}

#[tokio::test]
async fn each_code_has_its_kind() {
    let cases = [
        (
            "ExpiredTokenException",
            ErrorKind::Credential(Expired),
            true,
        ),
        ("ExpiredToken", ErrorKind::Credential(Expired), true),
        (
            "UnrecognizedClientException",
            ErrorKind::Credential(Unrecognized),
            true,
        ),
        (
            "InvalidClientTokenId",
            ErrorKind::Credential(Unrecognized),
            true,
        ),
        ("InvalidToken", ErrorKind::Credential(Unrecognized), true),
        (
            "InvalidSignatureException",
            ErrorKind::Credential(Signature),
            false,
        ),
        (
            "SignatureDoesNotMatch",
            ErrorKind::Credential(Signature),
            false,
        ),
        ("RequestExpired", ErrorKind::Credential(Signature), false),
        (
            "IncompleteSignatureException",
            ErrorKind::Credential(Malformed),
            false,
        ),
        (
            "IncompleteSignature",
            ErrorKind::Credential(Malformed),
            false,
        ),
        (
            "MissingAuthenticationTokenException",
            ErrorKind::Credential(Malformed),
            false,
        ),
        (
            "MissingAuthenticationToken",
            ErrorKind::Credential(Malformed),
            false,
        ),
        (
            "ConditionalCheckFailedException",
            ErrorKind::Conflict,
            false,
        ),
        ("TransactionConflictException", ErrorKind::Contention, true),
        (
            "TransactionInProgressException",
            ErrorKind::Contention,
            true,
        ),
        (
            "ReplicatedWriteConflictException",
            ErrorKind::Contention,
            true,
        ),
        (
            "IdempotentParameterMismatchException",
            ErrorKind::Usage,
            false,
        ),
        (
            "ProvisionedThroughputExceededException",
            ErrorKind::Throttled,
            true,
        ),
        ("ThrottlingException", ErrorKind::Throttled, true),
        ("RequestLimitExceeded", ErrorKind::Throttled, true),
        ("LimitExceededException", ErrorKind::Throttled, true),
        ("ResourceNotFoundException", ErrorKind::NoSuchTable, false),
        ("ValidationException", ErrorKind::Invalid, false),
        ("SerializationException", ErrorKind::Invalid, false),
        (
            "ItemCollectionSizeLimitExceededException",
            ErrorKind::TooLarge,
            false,
        ),
        ("InternalServerError", ErrorKind::Service, true),
        ("SomethingNew", ErrorKind::Other, false),
    ];
    for (code, kind, retryable) in cases {
        let error = get(Answer::error(code, MESSAGE)).await;
        assert_eq!(*error.kind(), kind, "{code}");
        assert_eq!(error.is_retryable(), retryable, "{code}");
        assert_eq!(
            error.is_credential(),
            matches!(kind, ErrorKind::Credential(_)),
            "{code}"
        );
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.http_status(), Some(400));
        assert_eq!(error.request_id(), Some("REQUEST-1"));
        assert_eq!(error.operation().as_str(), "get");
        let line = error.to_string();
        assert!(
            line.starts_with("get on table MyTable via Fixed: "),
            "{line}"
        );
        assert!(line.contains(MESSAGE) && line.contains(code), "{line}");
        assert!(!line.contains("not-a-token") && !format!("{error:?}").contains("not-a-token"));
        assert!(error.sdk::<GetItemError>().is_some(), "{code}");
        assert!(error.sdk::<PutItemError>().is_none(), "{code}");
        if error.is_throttled() {
            assert_eq!(kind, ErrorKind::Throttled);
        }
    }
}

#[tokio::test]
async fn a_server_error_without_a_known_code_is_the_services() {
    for status in [500, 502, 503, 504] {
        let error = get(Answer::error_with(status, "Whatever", json!({}))).await;
        assert_eq!(*error.kind(), ErrorKind::Service, "{status}");
        assert!(error.is_retryable());
    }
    let error = get(Answer {
        status: 413,
        body: json!({}),
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_from_a_wrong_secret() {
    for (code, message, hint) in [
        (
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z (20260101T001000Z - 5 min.)",
            "check this host's clock",
        ),
        (
            "RequestTimeTooSkewed",
            "too large",
            "check this host's clock",
        ),
        (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
            "almost surely a wrong secret key",
        ),
    ] {
        let error = get(Answer::error(code, message)).await;
        assert_eq!(*error.kind(), ErrorKind::Credential(Signature), "{error}");
        assert!(error.to_string().ends_with(hint), "{error}");
    }
}

#[tokio::test]
async fn the_code_is_read_from_every_spelling() {
    let coral = json!({
        "__type": "com.amazon.coral.service#UnrecognizedClientException",
        "message": "The security token included in the request is invalid",
    });
    let error = get(Answer {
        status: 400,
        body: coral,
    })
    .await;
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    let decorated = json!({ "__type": "ExpiredTokenException:http://internal.amazon.com/coral/" });
    let error = get(Answer {
        status: 403,
        body: decorated,
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::Credential(Expired));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_malformed() {
    let error = get(Answer {
        status: 200,
        body: json!(["not", "an", "answer"]),
    })
    .await;
    assert_eq!(*error.kind(), ErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn a_denial_names_who_what_where_and_the_statement_to_add() {
    let message = "User: arn:aws:sts::123456789012:assumed-role/App/i-0abc is not authorized to perform: \
        dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/MyTable because no \
        identity-based policy allows the dynamodb:GetItem action";
    let error = get(Answer::error("AccessDeniedException", message)).await;
    let ErrorKind::AccessDenied(denied) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(denied.action.as_deref(), Some("dynamodb:GetItem"));
    assert!(denied.principal.as_deref().unwrap().ends_with("App/i-0abc"));
    assert!(
        error.to_string().contains(r#""Action":"dynamodb:GetItem""#),
        "{error}"
    );
    assert!(!error.is_credential() && !error.is_retryable());

    let error = get(Answer::error("AccessDeniedException", "no")).await;
    assert!(matches!(error.kind(), ErrorKind::AccessDenied(denied) if denied.action.is_none()));
}

#[tokio::test]
async fn throttling_says_why_and_where() {
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/MyTable";
    let body = json!({
        "message": MESSAGE,
        "throttlingReasons": [{ "reason": "TableReadKeyRangeThroughputExceeded", "resource": arn }],
    });
    let error = get(Answer::error_with(400, "ThrottlingException", body)).await;
    let line = error.to_string();
    assert!(
        line.contains(&format!("TableReadKeyRangeThroughputExceeded on {arn}")),
        "{line}"
    );
}

#[tokio::test]
async fn no_such_table_hints_at_region_and_account() {
    let error = get(Answer::error(
        "ResourceNotFoundException",
        "Requested resource not found",
    ))
    .await;
    let line = error.to_string();
    assert!(
        line.contains("us-east-1") && line.contains("account"),
        "{line}"
    );
}

#[tokio::test]
async fn an_item_that_is_too_large_is_told_from_other_invalid_requests() {
    for message in [
        "Item size has exceeded the maximum allowed size",
        "Item size to update has exceeded the maximum allowed size",
    ] {
        let error = get(Answer::error("ValidationException", message)).await;
        assert_eq!(*error.kind(), ErrorKind::TooLarge, "{message}");
    }
}

#[tokio::test]
async fn a_conflict_carries_the_item_that_was_there() {
    let body = json!({
        "message": "The conditional request failed",
        "Item": { "id": { "S": "123" }, "n": { "N": "7" } },
    });
    let conflict = || Answer::error_with(400, "ConditionalCheckFailedException", body.clone());
    let transport = Transport::replay([conflict(), conflict(), conflict()]);
    let table = transport.dynamo().table("MyTable");
    let condition = || attr("n").lt(7);
    let item = json!({ "id": "123" });
    let put = table.put(&item).only_if(condition()).returning_old::<()>();
    let update = table
        .update(("id", "123"))
        .only_if(condition())
        .returning_new::<()>();
    let delete = table
        .delete(("id", "123"))
        .only_if(condition())
        .returning_old::<()>();
    let errors = [
        put.await.unwrap_err(),
        update.await.unwrap_err(),
        delete.await.unwrap_err(),
    ];
    for error in errors {
        let item = error.conflict::<serde_json::Value>().unwrap().unwrap();
        assert_eq!(item, json!({ "id": "123", "n": 7 }));
        let unfit = error.conflict::<Vec<u8>>().unwrap().unwrap_err();
        assert_eq!(*unfit.kind(), ErrorKind::Decode);
    }
}

#[tokio::test]
async fn a_cancelled_transaction_gives_a_reason_for_each_item() {
    let cancelled = |codes: [&str; 3]| {
        let reasons = codes.map(|code| match code {
            "None" => json!({ "Code": "None" }),
            code => json!({ "Code": code, "Message": format!("about {code}") }),
        });
        let body = json!({ "message": MESSAGE, "CancellationReasons": reasons });
        Answer::error_with(400, "TransactionCanceledException", body)
    };
    let every = [
        ("ConditionalCheckFailed", false),
        ("TransactionConflict", true),
        ("ThrottlingError", true),
        ("ProvisionedThroughputExceeded", true),
        ("ValidationError", false),
        ("ItemCollectionSizeLimitExceeded", false),
    ];
    for (code, retryable) in every {
        let transport = Transport::replay([cancelled(["None", code, "None"])]);
        let db = transport.dynamo();
        let table = db.table("MyTable");
        let transaction = db
            .transact_write()
            .put(table.put(&json!({ "id": "a" })))
            .put(table.put(&json!({ "id": "b" })))
            .put(table.put(&json!({ "id": "c" })));
        let error = transaction.send().await.unwrap_err();
        let ErrorKind::Canceled(reasons) = error.kind() else {
            panic!("{error}");
        };
        let codes: Vec<_> = reasons
            .iter()
            .map(|reason| reason.code.as_deref())
            .collect();
        assert_eq!(codes, [None, Some(code), None]);
        assert_eq!(error.is_retryable(), retryable, "{code}");
        assert!(
            error
                .to_string()
                .contains(&format!("item 1 {code}: about {code}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_transaction_cancelled_without_reasons_is_not_sent_again_on_a_guess() {
    let told = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    let cases = [
        ("[ConditionalCheckFailed, None]", false),
        ("[None, TransactionConflict]", true),
        ("[TransactionConflict, ConditionalCheckFailed]", false),
        ("[ThrottlingError, ProvisionedThroughputExceeded]", true),
        ("[None, None]", false),
        ("[SomethingNew]", false),
        ("[TransactionConflict, ", false),
        ("[]", false),
        ("", false),
    ];
    for (codes, retryable) in cases {
        let message = format!("{told} {codes}");
        let reasons = [
            json!({ "message": message }),
            json!({ "message": message, "CancellationReasons": [] }),
        ];
        for body in reasons {
            let answer = Answer::error_with(400, "TransactionCanceledException", body);
            let db = Transport::replay([answer]).dynamo();
            let put = db.table("MyTable").put(&json!({ "id": "a" }));
            let error = db.transact_write().put(put).send().await.unwrap_err();
            assert_eq!(error.is_retryable(), retryable, "{error}");
            assert!(matches!(error.kind(), ErrorKind::Canceled(_)), "{error}");
            assert!(error.to_string().contains(codes.trim()), "{error}");
        }
    }
    // reasons that say nothing
    let body = json!({ "message": MESSAGE, "CancellationReasons": [{ "Code": "None" }, {}] });
    let answer = Answer::error_with(400, "TransactionCanceledException", body);
    let db = Transport::replay([answer]).dynamo();
    let put = db.table("MyTable").put(&json!({ "id": "a" }));
    let error = db.transact_write().put(put).send().await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
}

#[tokio::test]
async fn an_item_that_does_not_fit_is_named_by_its_attribute() {
    #[derive(Debug, serde::Deserialize)]
    struct User {
        #[expect(dead_code, reason = "only decoded")]
        address: Vec<Address>,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Address {
        #[expect(dead_code, reason = "only decoded")]
        zip: u32,
    }
    let item = json!({ "Item": { "address": { "L": [
        { "M": { "zip": { "N": "1" } } },
        { "M": { "zip": { "S": "one" } } },
    ] } } });
    let transport = Transport::replay([Answer::ok(item)]);
    let get = transport.dynamo().table("MyTable").get(("id", "123"));
    let error = get.send::<User>().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Decode);
    let line = error.to_string();
    assert!(
        line.starts_with("get on table MyTable via Fixed: "),
        "{line}"
    );
    assert!(line.contains("address[1].zip"), "{line}");
    assert!(error.source().is_some());
}

/// Reads the same item into a type that it does not fit, and returns the place that is named.
async fn place<T: serde::de::DeserializeOwned + std::fmt::Debug>() -> String {
    let item = json!({ "Item": {
        "n": { "S": "one" },
        "deep": { "M": { "list": { "L": [{ "N": "1" }, { "S": "two" }] } } },
        "tags": { "SS": ["a"] },
    } });
    let transport = Transport::replay([Answer::ok(item)]);
    let get = transport.dynamo().table("MyTable").get(("id", "123"));
    let error = get.send::<T>().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Decode);
    let line = error.to_string();
    let (_, message) = line.split_once("via Fixed: ").unwrap();
    message.replace(" does not fit the type it is read into", "")
}

#[tokio::test]
async fn the_place_is_named_for_every_kind_of_type() {
    use serde::Deserialize;
    use std::collections::HashMap;

    macro_rules! reads {
        ($name:ident { $field:ident: $type:ty }) => {
            #[derive(Debug, Deserialize)]
            #[expect(dead_code, reason = "only decoded")]
            struct $name {
                $field: $type,
            }
        };
    }
    reads!(Number { n: u32 });
    reads!(List { deep: HashMap<String, Vec<u8>> });
    reads!(Whole { deep: Vec<String> });
    reads!(Set { tags: HashMap<String, u8> });
    reads!(Absent { nowhere: u32 });
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {}
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Flat {
        #[serde(flatten)]
        rest: HashMap<String, String>,
    }
    assert_eq!(place::<Number>().await, "attribute n");
    assert_eq!(place::<List>().await, "attribute deep.list[1]");
    assert_eq!(place::<Whole>().await, "attribute deep");
    assert_eq!(place::<Set>().await, "attribute tags");
    assert_eq!(place::<Absent>().await, "the item");
    assert!(place::<Strict>().await.starts_with("attribute "));
    assert_eq!(place::<Option<Number>>().await, "attribute n");
    assert!(
        place::<Flat>().await.contains("the item") || place::<Flat>().await.contains("attribute")
    );
    assert!(
        place::<HashMap<String, String>>()
            .await
            .starts_with("attribute ")
    );
    assert_eq!(place::<Vec<u8>>().await, "the item");
}

#[tokio::test]
async fn what_needs_a_person_is_not_retryable() {
    let ask = async |answer: Answer| {
        let transport = Transport::replay([answer]);
        let get = transport.dynamo().table("MyTable").get(("id", "123"));
        get.send::<serde_json::Value>().await.unwrap_err()
    };
    for code in [
        "OptInRequired",
        "UnknownOperationException",
        "InvalidAction",
        "MissingActionException",
        "SubscriptionRequiredException",
        "ValidationError",
        "BrandNewException",
    ] {
        let error = ask(Answer::error(code, "about it")).await;
        assert!(!error.is_retryable() && error.is_terminal(), "{error:?}");
        assert_eq!(error.code(), Some(code));
    }
    for (status, retryable) in [
        (301, false),
        (400, false),
        (403, false),
        (404, false),
        (405, false),
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        let error = ask(Answer {
            status,
            body: json!({}),
        })
        .await;
        assert_eq!(error.is_retryable(), retryable, "{status}: {error:?}");
        assert_eq!(error.is_throttled(), status == 429, "{status}: {error:?}");
    }
}
