//! Policies for some items of a table: those of one tenant.

use super::permission::PermissionPolicy;
use super::statement::Statement;
use crate::arn::{self, Arn};
use crate::error::{Error, Operation, Result};

/// The actions that tell whose items they ask for. `Scan` does not: it reads all of them.
const ACTIONS: [&str; 12] = [
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];

const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

/// The last character that STS takes in a session policy, and IAM in any (STS API reference, `AssumeRole`,
/// `Policy`; IAM API reference, `PutRolePolicy`, `PolicyDocument`).
const LAST_CHARACTER: char = '\u{ff}';

const NARROW: Operation = Operation::new("narrow policy");

impl PermissionPolicy {
    /// A session policy that confines to the items whose partition key has one of these values: one
    /// tenant's, say.
    ///
    /// Tables are ARNs; an index is confined by its own partition key. It allows to read and write
    /// items by every operation but `Scan`, which reads the items of all. A session may then do what
    /// its role may do as well; a request of a batch, or a transaction, with one other key is refused as a whole
    /// (`BatchWrite` and `BatchGet` then find that key, and do the others).
    ///
    /// Numbers are written as DynamoDB writes them, bytes in base64.
    ///
    /// ```
    /// use aws_credential_strategies::iam::PermissionPolicy;
    ///
    /// let orders = "arn:aws:dynamodb:us-east-1:123456789012:table/Orders";
    /// let policy = PermissionPolicy::leading_keys([orders], ["tenant-1"])?;
    /// assert!(policy.to_compact_json().contains(r#""dynamodb:LeadingKeys":"tenant-1""#));
    /// # Ok::<(), aws_credential_strategies::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a table that is no ARN, no key, a key that a
    /// policy would not take literally; and for a policy that is longer than
    /// [`SESSION_SIZE_MAX`](PermissionPolicy::SESSION_SIZE_MAX), with what to do instead:
    /// [`leading_keys_of_tag`](PermissionPolicy::leading_keys_of_tag). STS packs policies and tags
    /// together and refuses what is too large packed (`PackedPolicyTooLarge`); by how much it packs is
    /// not published.
    pub fn leading_keys<T, K>(tables: T, keys: K) -> Result<Self>
    where
        T: IntoIterator<Item: Into<String>>,
        K: IntoIterator<Item: Into<String>>,
    {
        let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
        let wrong =
            |expected: String| Err(Error::usage("keys", expected).during(NARROW).hint(BY_TAG));
        if keys.is_empty() {
            return wrong("expected at least one value of the partition key".to_owned());
        }
        for key in &keys {
            if key.contains("${") {
                return wrong(format!(
                    "`{key}` has the form of a policy variable, which a policy would replace"
                ));
            }
            if let Some(c) = key.chars().find(|c| *c > LAST_CHARACTER || c.is_control()) {
                return wrong(format!(
                    "`{}` has the character {c:?}, and STS takes none beyond {LAST_CHARACTER:?} in a session policy",
                    key.escape_debug()
                ));
            }
        }
        let policy = confined(tables, keys)?;
        let length = policy.to_compact_json().chars().count();
        if length > PermissionPolicy::SESSION_SIZE_MAX {
            return wrong(format!(
                "the session policy would have {length} characters, and STS takes {}",
                PermissionPolicy::SESSION_SIZE_MAX
            ));
        }
        Ok(policy)
    }

    /// A policy for a role that confines each of its sessions to the items whose partition key is the
    /// value of a session tag: `.tags([("tenant", "tenant-1")])` at
    /// [`AssumeRole`](crate::AssumeRole), which needs `sts:TagSession` in the role's trust policy.
    ///
    /// It is attached to the role once, so that no session policy has to be sent, whose size is
    /// limited. A session without the tag may do nothing.
    ///
    /// ```
    /// use aws_credential_strategies::iam::PermissionPolicy;
    ///
    /// let orders = "arn:aws:dynamodb:us-east-1:123456789012:table/Orders";
    /// let policy = PermissionPolicy::leading_keys_of_tag([orders], "tenant")?;
    /// assert!(policy.to_compact_json().contains("${aws:PrincipalTag/tenant}"));
    /// # Ok::<(), aws_credential_strategies::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a table that is no ARN, a key that no tag has,
    /// or one with a character that IAM takes in no policy: those beyond U+00FF.
    pub fn leading_keys_of_tag<T>(tables: T, tag: &str) -> Result<Self>
    where
        T: IntoIterator<Item: Into<String>>,
    {
        let valid = (1..=TAG_KEY_MAX).contains(&tag.chars().count())
            && tag
                .chars()
                .all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c));
        if !valid {
            let expected = format!(
                "expected the key of a session tag: 1 to {TAG_KEY_MAX} letters, digits, spaces and _.:/=+-@, not `{}`",
                tag.escape_debug()
            );
            return Err(Error::usage("tag", expected).during(NARROW));
        }
        if let Some(c) = tag.chars().find(|c| *c > LAST_CHARACTER) {
            let expected = format!(
                "`{tag}` has the character {c:?}, and IAM takes none beyond {LAST_CHARACTER:?} in a policy"
            );
            return Err(Error::usage("tag", expected).during(NARROW));
        }
        confined(tables, vec![format!("${{aws:PrincipalTag/{tag}}}")])
    }
}

const BY_TAG: &str = "tag sessions with the key and let the role's own policy compare it with \
    ${aws:PrincipalTag/…}: PermissionPolicy::leading_keys_of_tag";

/// The longest key of a session tag (STS API reference, `Tag`).
const TAG_KEY_MAX: usize = 128;

fn confined<T>(tables: T, values: Vec<String>) -> Result<PermissionPolicy>
where
    T: IntoIterator<Item: Into<String>>,
{
    let mut resources = Vec::new();
    for table in tables {
        let table: String = table.into();
        let known = Arn::of_table(&table).is_some_and(|(_, name)| arn::is_table_name(name));
        if !known {
            let expected = format!("expected the ARN of a table, not `{table}`");
            return Err(Error::usage("tables", expected).during(NARROW));
        }
        let indexes = format!("{table}/index/*");
        resources.extend([table, indexes]);
    }
    if resources.is_empty() {
        return Err(Error::usage("tables", "expected at least one").during(NARROW));
    }
    // of a request that names no key, all values are among any: hence the second condition
    let statement = Statement::allow(ACTIONS, resources)
        .when("ForAllValues:StringEquals", LEADING_KEYS, values)
        .when("Null", LEADING_KEYS, ["false"]);
    PermissionPolicy::new([statement]).map_err(|error| error.during(NARROW))
}
