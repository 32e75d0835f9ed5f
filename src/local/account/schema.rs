//! What has to be known of tables to tell whose items a request asks for.

/// The partition key of a table, or of one of its indexes; `None` where there is no such thing.
pub(in crate::local) trait Schema {
    /// The name of the attribute.
    fn partition_key(&self, table: &str, index: Option<&str>) -> Option<String>;
}

impl<F: Fn(&str, Option<&str>) -> Option<String>> Schema for F {
    fn partition_key(&self, table: &str, index: Option<&str>) -> Option<String> {
        self(table, index)
    }
}
