#!/usr/bin/env bash
# Option B, second half: the role that may use the table, and that the instance's
# role may assume.
#
#   CALLER_ACCOUNT_ID=111122223333 EXTERNAL_ID=partner-7f3a ./option-b-target.sh
#
# Run it with the credentials of the account where the table is, after
# option-b-caller.sh: IAM takes a trust policy only if the role that it names
# exists. CALLER_ACCOUNT_ID is the account of the instance; without it, this one.
# Can be run again: what is there is kept or brought up to date. Settings are
# variables; --help lists them.
#
# takes: half a minute
# costs: nothing, roles and policies are free
set -euo pipefail
SETUP_DIRECTORY="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$SETUP_DIRECTORY/settings.sh"

takes_no_arguments "$@"
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

# identities from outside: the account has to know who issues their tokens
identity=""
case "$TRUST" in
  trust-github.json)
    ensure_provider token.actions.githubusercontent.com sts.amazonaws.com
    identity=".web_identity(fetch_token)"
    ;;
  trust-eks.json)
    ensure_provider "$EKS_ISSUER" sts.amazonaws.com
    identity=".web_identity_from_env()"
    ;;
  trust-entra.json)
    ensure_provider "sts.windows.net/$ENTRA_TENANT/" "$ENTRA_AUDIENCE"
    identity=".web_identity(fetch_token)"
    ;;
esac

# who may assume the role: the role of the instance, never the instance itself
ensure_role "$TARGET_ROLE" "$trust"
# what it may do
ensure_permission "$TARGET_ROLE" DynamoDBAccess "$permission"

# only these two documents ask for it
external_id=""
if [[ "$TRUST" == trust-other-account.json || "$TRUST" == trust-any-of-account.json ]]; then
  external_id="${EXTERNAL_ID:+.external_id(\"$EXTERNAL_ID\")}"
fi
say "done. In the application:
  AssumeRole::builder(\"arn:$PARTITION:iam::$ACCOUNT_ID:role/$TARGET_ROLE\").region(\"$REGION\")$external_id$identity.build()?"
