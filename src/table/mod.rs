//! The thin DynamoDB table client.
