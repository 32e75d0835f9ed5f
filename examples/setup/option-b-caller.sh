#!/usr/bin/env bash
# Option B, first half: the role of the instance, which may do nothing but assume
# the other role.
#
#   TARGET_ACCOUNT_ID=123456789012 INSTANCE_ID=i-1234567890abcdef0 \
#     ./option-b-caller.sh
#
# Run it with the credentials of the account where the instance is.
# TARGET_ACCOUNT_ID is the account of the table; without it, this one. Then run
# option-b-target.sh there. Can be run again: what is there is kept or brought up
# to date. Settings are variables; --help lists them.
#
# takes: half a minute
# costs: nothing, roles and policies are free
set -euo pipefail
SETUP_DIRECTORY="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=settings.sh
source "$SETUP_DIRECTORY/settings.sh"

takes_no_arguments "$@"
find_account
TARGET_ACCOUNT_ID="${TARGET_ACCOUNT_ID:-$ACCOUNT_ID}"
check TARGET_ACCOUNT_ID '[0-9]{12}'
check_settings

if [[ "$TARGET_ACCOUNT_ID" == "$ACCOUNT_ID" ]]; then
  say "note: instance and table are in one account, where Option A does the same with one role less and
  without the one-hour limit of chained sessions: ./option-a.sh"
fi

trust="$(render trust-ec2.json)"
# the account in caller-policy.json is that of the role to assume
# shellcheck disable=SC2030,SC2031
permission="$(ACCOUNT_ID="$TARGET_ACCOUNT_ID" && render caller-policy.json)"

ensure_role "$CALLER_ROLE" "$trust"
ensure_permission "$CALLER_ROLE" AssumeTargetRole "$permission"
ensure_instance_profile "$CALLER_PROFILE" "$CALLER_ROLE"
ensure_association "$CALLER_PROFILE"

# shellcheck disable=SC2031
say "done. Next, with the credentials of account $TARGET_ACCOUNT_ID:
  CALLER_ACCOUNT_ID=$ACCOUNT_ID CALLER_ROLE=$CALLER_ROLE ./option-b-target.sh"
