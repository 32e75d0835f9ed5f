//! IAM documents and the permissions of each operation.
