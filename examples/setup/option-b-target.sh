#!/usr/bin/env bash
# Option B, second half: the role that may use the table, and that the instance's role may assume.
#
#   CALLER_ACCOUNT_ID=111122223333 EXTERNAL_ID=partner-7f3a ./option-b-target.sh
#
# Run it with the credentials of the account where the table is, after option-b-caller.sh: IAM takes a trust
# policy only if the role that it names exists. CALLER_ACCOUNT_ID is the account of the instance; without
# it, this one. Can be run again. All settings: settings.sh.
set -euo pipefail
SETUP_DIRECTORY="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$SETUP_DIRECTORY/settings.sh"

find_account
check_settings

if [[ -z "$TRUST" ]]; then
  if [[ "$CALLER_ACCOUNT_ID" == "$ACCOUNT_ID" && -z "$EXTERNAL_ID" ]]; then
    TRUST="trust-role.json"
  else
    TRUST="trust-other-account.json"
  fi
fi
trust="$(render "$TRUST")"
permission="$(render permission-policy.json)"

# who may assume the role: the role of the instance, never the instance itself
ensure_role "$TARGET_ROLE" "$trust"
# what it may do
ensure_permission "$TARGET_ROLE" DynamoDBAccess "$permission"

external_id="${EXTERNAL_ID:+.external_id(\"$EXTERNAL_ID\")}"
say "done. In the application:
  AssumeRole::builder(\"arn:$PARTITION:iam::$ACCOUNT_ID:role/$TARGET_ROLE\").region(\"$REGION\")$external_id.build()?"
