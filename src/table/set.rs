//! Sets in types of yours, for which serde has no word.

use super::encode::{BINARY_SET, NUMBER_SET, STRING_SET};
use serde::de::{Deserialize, Deserializer, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Takes what is under the name of a set.
struct Named<T>(&'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

macro_rules! sets {
    ($($(#[$doc:meta])* $module:ident: $name:ident, $what:literal;)+) => {
        $($(#[$doc])*
        pub mod $module {
            use serde::de::{Deserialize, Deserializer};

            // the name that `serde_dynamo` knows by its address
            pub use serde_dynamo::$module::serialize;

            #[doc = concat!("Reads ", $what, " from an item; in other formats, a list.")]
            ///
            /// # Errors
            ///
            /// Those of the deserializer; of an item, when the attribute is not such a set.
            pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
            where
                T: Deserialize<'de>,
                D: Deserializer<'de>,
            {
                let named = super::Named($what, std::marker::PhantomData);
                deserializer.deserialize_newtype_struct(super::$name, named)
            }
        })+
    };
}

sets! {
    /// A set of strings in a type of yours:
    /// `#[serde(with = "aws_credential_strategies::table::string_set")]`.
    ///
    /// What is a list in DynamoDB is refused: it would be written back as a set.
    string_set: STRING_SET, "a set of strings";
    /// A set of numbers in a type of yours:
    /// `#[serde(with = "aws_credential_strategies::table::number_set")]`.
    ///
    /// What is a list in DynamoDB is refused: it would be written back as a set. Behind `flatten` and in
    /// tagged and untagged enums a set of numbers is read with this only.
    number_set: NUMBER_SET, "a set of numbers";
    /// A set of binaries in a type of yours, each as `serde_bytes` has it:
    /// `#[serde(with = "aws_credential_strategies::table::binary_set")]`.
    ///
    /// What is a list in DynamoDB is refused: it would be written back as a set.
    binary_set: BINARY_SET, "a set of binaries";
}
