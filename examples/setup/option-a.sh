#!/usr/bin/env bash
# Option A: the application on EC2 uses the role of its instance profile.
#
#   REGION=us-east-1 TABLE=MyTable INSTANCE_ID=i-1234567890abcdef0 ./option-a.sh
#
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

trust="$(render trust-ec2.json)"
permission="$(render permission-policy.json)"

# who may assume the role: the EC2 service, on behalf of the instance
ensure_role "$ROLE" "$trust"
# what it may do
ensure_permission "$ROLE" DynamoDBAccess "$permission"
# the container that carries the role to the instance
ensure_instance_profile "$INSTANCE_PROFILE" "$ROLE"
ensure_association "$INSTANCE_PROFILE"

say "done. In the application: InstanceProfile::builder().build()?"
