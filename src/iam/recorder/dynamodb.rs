//! What each DynamoDB call asks for, read from its typed input.

use super::partiql::{self, Statement};
use super::{Action, PolicyRecorder};
use crate::arn;
use crate::connect::OpensConnection;
use crate::iam::grant::Grant;
use aws_sdk_dynamodb::operation as op;
use aws_sdk_dynamodb::types::{TransactGetItem, TransactWriteItem};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, Input,
};
use aws_smithy_runtime_api::client::interceptors::{
    Intercept, SharedInterceptor, dyn_dispatch_hint,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The service's name in the SDK's [`Metadata`].
const SERVICE: &str = "DynamoDB";

/// The hint saves the calls of 18 empty hooks and a config lookup for each. It is hidden from the
/// documentation of its crate, but every published AWS client crate depends on it.
#[dyn_dispatch_hint]
impl Intercept for PolicyRecorder {
    fn name(&self) -> &'static str {
        "PolicyRecorder"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        if !self.see_items(input) {
            self.see_other(input, config);
        }
        Ok(())
    }
}

impl PolicyRecorder {
    /// The recorder for a client's config, by `push_interceptor`.
    ///
    /// The SDK then does not look up on each call whether the interceptor is switched off, which costs
    /// more than the recorder itself. So it cannot be, by `disable_interceptor`; for that, give a clone to
    /// `interceptor`.
    #[must_use]
    pub fn interceptor(&self) -> SharedInterceptor {
        SharedInterceptor::permanent(self.clone())
    }

    /// The calls that a program makes request by request. The input's type tells the operation, which
    /// is cheaper than looking up its name; the most frequent first.
    fn see_items(&self, input: &Input) -> bool {
        if let Some(input) = input.downcast_ref::<op::get_item::GetItemInput>() {
            self.see(Action::GetItem, input.table_name(), None);
        } else if let Some(input) = input.downcast_ref::<op::put_item::PutItemInput>() {
            self.see(Action::PutItem, input.table_name(), None);
        } else if let Some(input) = input.downcast_ref::<op::query::QueryInput>() {
            self.see(Action::Query, input.table_name(), input.index_name());
        } else if let Some(input) = input.downcast_ref::<op::update_item::UpdateItemInput>() {
            self.see(Action::UpdateItem, input.table_name(), None);
        } else if let Some(input) = input.downcast_ref::<op::delete_item::DeleteItemInput>() {
            self.see(Action::DeleteItem, input.table_name(), None);
        } else if let Some(input) = input.downcast_ref::<op::scan::ScanInput>() {
            self.see(Action::Scan, input.table_name(), input.index_name());
        } else if let Some(input) = input.downcast_ref::<op::batch_get_item::BatchGetItemInput>() {
            for table in input
                .request_items()
                .into_iter()
                .flatten()
                .map(|(table, _)| table)
            {
                self.note(Action::BatchGetItem, table, None);
            }
        } else if let Some(input) =
            input.downcast_ref::<op::batch_write_item::BatchWriteItemInput>()
        {
            for table in input
                .request_items()
                .into_iter()
                .flatten()
                .map(|(table, _)| table)
            {
                self.note(Action::BatchWriteItem, table, None);
            }
        } else if let Some(input) =
            input.downcast_ref::<op::transact_get_items::TransactGetItemsInput>()
        {
            for get in input
                .transact_items()
                .iter()
                .filter_map(TransactGetItem::get)
            {
                self.note(Action::GetItem, get.table_name(), None);
            }
        } else if let Some(input) =
            input.downcast_ref::<op::transact_write_items::TransactWriteItemsInput>()
        {
            for item in input.transact_items() {
                self.see_transact_write(item);
            }
        } else {
            return false;
        }
        true
    }

    #[inline]
    fn see(&self, action: Action, table: Option<&str>, index: Option<&str>) {
        // without a table the SDK refuses to send
        if let Some(table) = table {
            self.note(action, table, index);
        }
    }

    fn see_transact_write(&self, item: &TransactWriteItem) {
        if let Some(put) = item.put() {
            self.note(Action::PutItem, put.table_name(), None);
        }
        if let Some(update) = item.update() {
            self.note(Action::UpdateItem, update.table_name(), None);
        }
        if let Some(delete) = item.delete() {
            self.note(Action::DeleteItem, delete.table_name(), None);
        }
        if let Some(check) = item.condition_check() {
            self.note(Action::ConditionCheckItem, check.table_name(), None);
        }
    }

    /// PartiQL, the operations on tables as such, and calls of other services.
    #[cold]
    fn see_other(&self, input: &Input, config: &ConfigBag) {
        if config.load::<OpensConnection>().is_some() {
            return;
        }
        let Some(call) = config.load::<Metadata>() else {
            self.note_unclear("a call without a name");
            return;
        };
        let operation = call.name();
        if call.service() != SERVICE {
            let service = call.service();
            self.note_unclear(&format!(
                "{service} {operation} (only DynamoDB is recorded)"
            ));
        } else if let Some(statements) = partiql_statements(input) {
            for statement in statements {
                self.see_partiql(operation, statement);
            }
        } else {
            self.see_new_table(input);
            let action = format!("dynamodb:{operation}");
            self.record(match resource(input) {
                Some((table, Some(index))) if is_table(table) && arn::is_table_name(index) => {
                    Grant::on_index(action, table, index)
                }
                Some((table, None)) if is_table(table) => Grant::on_table(action, table),
                Some((arn, None)) if arn.starts_with("arn:") && !arn.contains(['*', '?', '$']) => {
                    Grant::on_arn(action, arn)
                }
                // a name that DynamoDB refuses
                Some(_) => return self.note_unnamed(&action),
                None => Grant::on_any(action),
            });
        }
    }

    /// Tags and a policy given at birth need the actions that would add them later.
    fn see_new_table(&self, input: &Input) {
        let Some(input) = input.downcast_ref::<op::create_table::CreateTableInput>() else {
            return;
        };
        let Some(table) = input.table_name().filter(|name| is_table(name)) else {
            return;
        };
        if !input.tags().is_empty() {
            self.record(Grant::on_table("dynamodb:TagResource", table));
        }
        if input.resource_policy().is_some() {
            self.record(Grant::on_table("dynamodb:PutResourcePolicy", table));
        }
    }

    fn see_partiql(&self, operation: &str, statement: &str) {
        let Some(Statement {
            action,
            table,
            index,
        }) = partiql::read(statement)
        else {
            // without the statement: it may hold data
            self.note_unclear(&format!(
                "{operation} (a PartiQL statement that is not understood)"
            ));
            return;
        };
        self.note(action, &table, index.as_deref());
    }
}

fn is_table(name: &str) -> bool {
    arn::is_table_name(name) || arn::is_table_arn(name)
}

fn partiql_statements(input: &Input) -> Option<Vec<&str>> {
    if let Some(input) = input.downcast_ref::<op::execute_statement::ExecuteStatementInput>() {
        return Some(input.statement().into_iter().collect());
    }
    if let Some(input) =
        input.downcast_ref::<op::batch_execute_statement::BatchExecuteStatementInput>()
    {
        return Some(
            input
                .statements()
                .iter()
                .map(|one| one.statement())
                .collect(),
        );
    }
    let input = input.downcast_ref::<op::execute_transaction::ExecuteTransactionInput>()?;
    Some(
        input
            .transact_statements()
            .iter()
            .map(|one| one.statement())
            .collect(),
    )
}

/// The resource that an operation names: a table or an ARN, and an index.
fn resource(input: &Input) -> Option<(&str, Option<&str>)> {
    /// Tries one input type after the other; each names its resource by another method.
    macro_rules! first_of {
        ($($module:ident::$input:ident => $resource:ident $(/ $index:ident)?),* $(,)?) => {
            $(if let Some(input) = input.downcast_ref::<op::$module::$input>() {
                #[allow(unused_mut, unused_assignments)]
                let mut index = None;
                $(index = input.$index();)?
                return Some((input.$resource()?, index));
            })*
        };
    }
    first_of! {
        create_backup::CreateBackupInput => table_name,
        create_table::CreateTableInput => table_name,
        delete_backup::DeleteBackupInput => backup_arn,
        delete_resource_policy::DeleteResourcePolicyInput => resource_arn,
        delete_table::DeleteTableInput => table_name,
        describe_backup::DescribeBackupInput => backup_arn,
        describe_continuous_backups::DescribeContinuousBackupsInput => table_name,
        describe_contributor_insights::DescribeContributorInsightsInput => table_name / index_name,
        describe_export::DescribeExportInput => export_arn,
        describe_import::DescribeImportInput => import_arn,
        describe_kinesis_streaming_destination::DescribeKinesisStreamingDestinationInput => table_name,
        describe_table::DescribeTableInput => table_name,
        describe_time_to_live::DescribeTimeToLiveInput => table_name,
        disable_kinesis_streaming_destination::DisableKinesisStreamingDestinationInput => table_name,
        enable_kinesis_streaming_destination::EnableKinesisStreamingDestinationInput => table_name,
        export_table_to_point_in_time::ExportTableToPointInTimeInput => table_arn,
        get_resource_policy::GetResourcePolicyInput => resource_arn,
        list_tags_of_resource::ListTagsOfResourceInput => resource_arn,
        put_resource_policy::PutResourcePolicyInput => resource_arn,
        search_vectors::SearchVectorsInput => table_name / index_name,
        tag_resource::TagResourceInput => resource_arn,
        untag_resource::UntagResourceInput => resource_arn,
        update_continuous_backups::UpdateContinuousBackupsInput => table_name,
        update_contributor_insights::UpdateContributorInsightsInput => table_name / index_name,
        update_kinesis_streaming_destination::UpdateKinesisStreamingDestinationInput => table_name,
        update_table::UpdateTableInput => table_name,
        update_time_to_live::UpdateTimeToLiveInput => table_name,
    }
    None
}
