# shellcheck shell=bash
# Settings of the set-up scripts, and what they share. Set any of these in the environment.

REGION="${REGION:-us-east-1}"                              # where the table is
TABLE="${TABLE:-MyTable}"                                  # the table
INSTANCE_ID="${INSTANCE_ID:-}"                             # the EC2 instance; empty: attach the profile later

# Option A
ROLE="${ROLE:-EC2DynamoDBRole}"                            # the role of the instance
INSTANCE_PROFILE="${INSTANCE_PROFILE:-EC2DynamoDBProfile}" # the container it goes into

# Option B
CALLER_ROLE="${CALLER_ROLE:-EC2CallerRole}"                # the role of the instance, which assumes the other
CALLER_PROFILE="${CALLER_PROFILE:-EC2CallerProfile}"       # the container it goes into
TARGET_ROLE="${TARGET_ROLE:-DynamoDBRole}"                 # the role to assume
EXTERNAL_ID="${EXTERNAL_ID:-}"                             # required when the two are in different accounts
TRUST="${TRUST:-}"                                         # another trust-*.json than the one that fits
# Option B from outside of AWS, with TRUST=trust-github.json, trust-eks.json, trust-entra.json
GITHUB_REPOSITORY="${GITHUB_REPOSITORY:-}"                 # OWNER/NAME
GITHUB_BRANCH="${GITHUB_BRANCH:-main}"                     # whose jobs are admitted
EKS_ISSUER="${EKS_ISSUER:-}"                               # aws eks describe-cluster --query cluster.identity.oidc.issuer
SERVICE_ACCOUNT="${SERVICE_ACCOUNT:-}"                     # NAMESPACE:NAME
ENTRA_TENANT="${ENTRA_TENANT:-}"                           # the id of the tenant
ENTRA_AUDIENCE="${ENTRA_AUDIENCE:-}"                       # the application's id URI: api://...
ENTRA_OBJECT="${ENTRA_OBJECT:-}"                           # the object id of the identity
MAX_SESSION="${MAX_SESSION:-3600}"                         # seconds; a role session that assumes a role gets 1 h at most

EKS_ISSUER="${EKS_ISSUER#https://}"

export AWS_PAGER="" AWS_REGION="$REGION" AWS_DEFAULT_REGION="$REGION"

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 1
}

# Whoever asks for help, or takes a script for one with options, has not asked for roles.
# takes_no_arguments "$@"
takes_no_arguments() {
  case "$#:${1:-}" in
    0:) ;;
    1:--help | 1:-h)
      usage
      exit 0
      ;;
    *)
      say "error: \"$1\" is not expected, settings are variables"$'\n'
      usage >&2
      exit 2
      ;;
  esac
}

# The comment at the head of the script, and the settings.
usage() {
  local line
  while IFS= read -r line; do
    case "$line" in
      '#!'*) ;;
      '#'*)
        line="${line#'#'}"
        printf '%s\n' "${line# }"
        ;;
      *) break ;;
    esac
  done <"$0"
  printf '\nsettings, with their defaults:\n'
  local setting='^([A-Z_]+)="\$\{[A-Z_]+:-([^}]*)\}" *# (.*)$'
  while IFS= read -r line; do
    if [[ "$line" =~ $setting ]]; then
      printf '  %s=%s\n      %s\n' "${BASH_REMATCH[@]:1:3}"
    fi
  done <"$SETUP_DIRECTORY/settings.sh"
}

# check NAME PATTERN: the variable must match the pattern as a whole
check() {
  local value="${!1}"
  [[ "$value" =~ ^$2$ ]] || fail "$1 is '$value', expected $2"
}

# The partition of a region, by the partition table of the AWS SDKs; nothing for what is no region.
partition_of() {
  local place='-[a-z]+-[0-9]+$'
  if [[ "$1" =~ ^cn$place ]]; then echo aws-cn
  elif [[ "$1" =~ ^us-gov$place ]]; then echo aws-us-gov
  elif [[ "$1" =~ ^us-iso$place ]]; then echo aws-iso
  elif [[ "$1" =~ ^us-isob$place ]]; then echo aws-iso-b
  elif [[ "$1" =~ ^eu-isoe$place ]]; then echo aws-iso-e
  elif [[ "$1" =~ ^us-isof$place ]]; then echo aws-iso-f
  elif [[ "$1" =~ ^eusc-de$place ]]; then echo aws-eusc
  elif [[ "$1" =~ ^(us-(gov|isob?|isof)|eu-isoe)- ]]; then :
  elif [[ "$1" =~ ^(af|ap|ca|eu|il|me|mx|sa|us)$place ]]; then echo aws
  fi
}

# The partition follows from the region, and what EC2 is called in trust policies follows from that.
find_partition() {
  local partition
  partition="$(partition_of "$REGION")"
  [[ -n "$partition" ]] || fail "REGION is '$REGION', expected a region of a partition that is known, such as us-east-1 or cn-north-1"
  [[ "${PARTITION:-$partition}" == "$partition" ]] ||
    fail "PARTITION is '$PARTITION', expected $partition, that of $REGION; it need not be set"
  PARTITION="$partition"
  case "$PARTITION" in
    aws-cn) EC2_SERVICE=ec2.amazonaws.com.cn ;;
    *) EC2_SERVICE=ec2.amazonaws.com ;;
  esac
}

check_settings() {
  local name='[A-Za-z0-9_+=,.@-]{1,64}'
  check REGION '[a-z0-9-]+'
  check TABLE '[A-Za-z0-9_.-]{3,255}'
  find_partition
  check ROLE "$name"
  check INSTANCE_PROFILE "[A-Za-z0-9_+=,.@-]{1,128}"
  check CALLER_ROLE "$name"
  check CALLER_PROFILE "[A-Za-z0-9_+=,.@-]{1,128}"
  check TARGET_ROLE "$name"
  check ACCOUNT_ID '[0-9]{12}'
  check CALLER_ACCOUNT_ID '[0-9]{12}'
  check INSTANCE_ID '(i-[0-9a-f]{8,17})?'
  check MAX_SESSION '[0-9]{4,5}'
  check TRUST '(trust-[a-z0-9-]+[.]json)?'
  check GITHUB_REPOSITORY '([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)?'
  check GITHUB_BRANCH '[A-Za-z0-9_./-]+'
  check EKS_ISSUER '([a-z0-9.-]+(/[A-Za-z0-9._-]+)*)?'
  check SERVICE_ACCOUNT '([a-z0-9.-]+:[a-z0-9.-]+)?'
  check ENTRA_TENANT '([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?'
  check ENTRA_AUDIENCE '([A-Za-z0-9:/._-]+)?'
  check ENTRA_OBJECT '([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?'
  check EXTERNAL_ID '([A-Za-z0-9_+=,.@:/-]{2,255})?'
}

# The account of the credentials in use; a mistake here would set up the wrong account.
find_account() {
  local account
  account="$(aws sts get-caller-identity --query Account --output text)" ||
    fail "no AWS credentials: run 'aws configure' or 'aws sso login' first"
  ACCOUNT_ID="${ACCOUNT_ID:-$account}"
  [[ "$ACCOUNT_ID" == "$account" ]] ||
    fail "the credentials are for account $account, but ACCOUNT_ID is $ACCOUNT_ID"
  CALLER_ACCOUNT_ID="${CALLER_ACCOUNT_ID:-$ACCOUNT_ID}"
}

# render FILE: the document with your values in place of the sample's. In two steps, so that no value
# is taken for a sample; % stands in none of them.
render() {
  local document name
  document="$(sed -e 's|arn:aws:|arn:%PARTITION%:|g' \
    -e 's|"ec2.amazonaws.com"|"%EC2_SERVICE%"|g' \
    -e 's|oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE|%EKS_ISSUER%|g' \
    -e 's|octo-org/octo-repo|%GITHUB_REPOSITORY%|g' \
    -e 's|octo-branch|%GITHUB_BRANCH%|g' \
    -e 's|octo-namespace:octo-account|%SERVICE_ACCOUNT%|g' \
    -e 's|00000000-1111-2222-3333-444444444444|%ENTRA_TENANT%|g' \
    -e 's|api://octo-audience|%ENTRA_AUDIENCE%|g' \
    -e 's|55555555-6666-7777-8888-999999999999|%ENTRA_OBJECT%|g' \
    -e 's|us-east-1|%REGION%|g' \
    -e 's|123456789012|%ACCOUNT_ID%|g' \
    -e 's|111122223333|%CALLER_ACCOUNT_ID%|g' \
    -e 's|MyTable|%TABLE%|g' \
    -e 's|EC2CallerRole|%CALLER_ROLE%|g' \
    -e 's|DynamoDBRole|%TARGET_ROLE%|g' \
    -e 's|partner-7f3a|%EXTERNAL_ID%|g' \
    -e 's|i-1234567890abcdef0|%INSTANCE_ID%|g' \
    "$SETUP_DIRECTORY/$1")"
  for name in PARTITION EC2_SERVICE REGION ACCOUNT_ID CALLER_ACCOUNT_ID TABLE CALLER_ROLE TARGET_ROLE \
    EXTERNAL_ID INSTANCE_ID GITHUB_REPOSITORY GITHUB_BRANCH EKS_ISSUER SERVICE_ACCOUNT \
    ENTRA_TENANT ENTRA_AUDIENCE ENTRA_OBJECT; do
    [[ "$document" != *"%$name%"* || -n "${!name}" ]] || fail "$1 needs $name: set it"
    document="${document//"%$name%"/${!name}}"
  done
  printf '%s\n' "$document"
}

# retry WHAT COMMAND...: IAM needs some seconds until what was created is known everywhere.
retry() {
  local what="$1" attempt message
  shift
  for attempt in 1 2 3 4 5 6; do
    message="$("$@" 2>&1 >/dev/null)" && return
    case "$message" in
      *"Invalid principal"* | *"Invalid IAM Instance Profile"* | *NoSuchEntity*) ;;
      *) break ;;
    esac
    if ((attempt < 6)); then
      say "$what: not known everywhere yet, trying again in ${RETRY_SECONDS:-5} s"
      sleep "${RETRY_SECONDS:-5}"
    fi
  done
  fail "$what: $message"
}

# ensure_role NAME TRUST-DOCUMENT: creates the role, or sets its trust policy if it is there.
ensure_role() {
  if aws iam get-role --role-name "$1" >/dev/null 2>&1; then
    say "role $1: there, setting its trust policy"
    retry "trust policy of $1" aws iam update-assume-role-policy \
      --role-name "$1" --policy-document "$2"
    aws iam update-role --role-name "$1" --max-session-duration "$MAX_SESSION"
  else
    say "role $1: creating"
    retry "role $1" aws iam create-role --role-name "$1" \
      --max-session-duration "$MAX_SESSION" --assume-role-policy-document "$2"
  fi
}

# ensure_provider ISSUER AUDIENCE: makes an OpenID Connect provider known to the account.
ensure_provider() {
  local arn="arn:$PARTITION:iam::$ACCOUNT_ID:oidc-provider/$1" known
  if known="$(aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$arn" \
    --query 'ClientIDList[]' --output text 2>/dev/null)"; then
    if [[ " ${known//$'\t'/ } " == *" $2 "* ]]; then
      say "identity provider $1: there"
    else
      say "identity provider $1: there, adding the audience $2"
      aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn "$arn" --client-id "$2"
    fi
  else
    say "identity provider $1: creating"
    aws iam create-open-id-connect-provider --url "https://$1" --client-id-list "$2" >/dev/null
  fi
}

# ensure_permission ROLE POLICY-NAME DOCUMENT: creates the inline policy, or replaces it.
ensure_permission() {
  say "role $1: permission policy $2"
  aws iam put-role-policy --role-name "$1" --policy-name "$2" --policy-document "$3"
}

# ensure_instance_profile PROFILE ROLE: creates the profile and puts the role in; it holds one at most.
ensure_instance_profile() {
  local held
  if ! held="$(aws iam get-instance-profile --instance-profile-name "$1" \
    --query 'InstanceProfile.Roles[].RoleName' --output text 2>/dev/null)"; then
    say "instance profile $1: creating"
    aws iam create-instance-profile --instance-profile-name "$1" >/dev/null
    aws iam wait instance-profile-exists --instance-profile-name "$1"
    held=""
  fi
  if [[ "$held" == "$2" ]]; then
    say "instance profile $1: holds role $2"
  elif [[ -n "$held" && "$held" != None ]]; then
    fail "instance profile $1 holds role $held already; take it out with:
  aws iam remove-role-from-instance-profile --instance-profile-name $1 --role-name $held"
  else
    say "instance profile $1: adding role $2"
    aws iam add-role-to-instance-profile --instance-profile-name "$1" --role-name "$2"
  fi
}

# ensure_association PROFILE: attaches the profile to the instance, if one is named.
ensure_association() {
  local attached wanted="arn:$PARTITION:iam::$ACCOUNT_ID:instance-profile/$1"
  if [[ -z "$INSTANCE_ID" ]]; then
    say "no INSTANCE_ID: attach the profile when there is an instance, with:
  aws ec2 associate-iam-instance-profile --region $REGION --instance-id i-... --iam-instance-profile Name=$1"
    return
  fi
  attached="$(aws ec2 describe-iam-instance-profile-associations \
    --filters "Name=instance-id,Values=$INSTANCE_ID" "Name=state,Values=associating,associated" \
    --query 'IamInstanceProfileAssociations[].IamInstanceProfile.Arn' --output text)"
  if [[ "$attached" == "$wanted" ]]; then
    say "instance $INSTANCE_ID: has profile $1"
  elif [[ -n "$attached" && "$attached" != None ]]; then
    fail "instance $INSTANCE_ID has another profile, $attached; replace it with:
  aws ec2 replace-iam-instance-profile-association --iam-instance-profile Name=$1 --association-id \\
    \"\$(aws ec2 describe-iam-instance-profile-associations --filters Name=instance-id,Values=$INSTANCE_ID \\
      --query 'IamInstanceProfileAssociations[0].AssociationId' --output text)\""
  else
    say "instance $INSTANCE_ID: attaching profile $1"
    retry "instance $INSTANCE_ID" aws ec2 associate-iam-instance-profile \
      --instance-id "$INSTANCE_ID" --iam-instance-profile "Name=$1"
  fi
}
