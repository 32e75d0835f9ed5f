//! What mends a failed step: a command, or the policy document to set.

use crate::arn::{Arn, Partition, without_path};
use crate::error::{Error, ErrorKind};
use crate::iam::{Admitted, PermissionPolicy, Statement, TrustPolicy};
use crate::source::{CallerIdentity, Platform, StsSettings, TokenClaims};

pub(super) const CLOCK: &str = "set the clock: sudo chronyc makestep (on EC2 with \
     `server 169.254.169.123 prefer iburst` in chrony.conf)";
pub(super) const EXPIRED: &str = "the metadata service cannot renew them at the moment, or this host's \
     clock is ahead; AWS may still accept them";
/// Beside the remedy for a lost token answer.
pub(super) const POD_ROLE: &str = "\nor give the pod a role of its own, which needs no metadata service: EKS \
     Pod Identity, or a role for its service account (IRSA)";
/// Beside the remedy where somebody else answers in a pod.
pub(super) const POD_AGENT: &str = "\nin a pod it may be an agent in front of EC2's (kiam, kube2iam): it has to \
     pass session tokens on, or give way to EKS Pod Identity or a role for the service account (IRSA)";
pub(super) const CALLER: &str = "see that the provider of the base credentials works by itself";

/// An error and the layers below it, on one line, without what mends it.
pub(super) fn in_one_line(error: &Error) -> String {
    format!("{:#}", error.without_advice())
}

pub(super) fn unreachable(error: &Error) -> String {
    let advice = advice(error, "");
    match error.kind() {
        ErrorKind::Disabled => advice,
        _ => format!("{advice}\noff EC2 there is no metadata service: use Option B"),
    }
}

/// The cause; where it is known who answers, just that.
pub(super) fn not_ec2(error: &Error, platform: Option<Platform>) -> String {
    let Some(platform) = platform else {
        return in_one_line(error);
    };
    let name = platform.as_str();
    let status = match error.http_status() {
        Some(status) => format!(" (http {status} to the request for a session token)"),
        None => String::new(),
    };
    format!("this is not EC2's metadata service, it looks like {name}'s{status}")
}

pub(super) fn no_token(error: &Error, platform: Option<Platform>) -> String {
    if let Some(platform) = platform {
        let name = platform.as_str();
        return format!(
            "this is {name}, which has no instance profiles: assume a role with a token of {name}'s \
             identity provider (AssumeRole, web_identity)"
        );
    }
    advice(
        error,
        "see what answers at this address: curl -i ADDRESS; on EC2 its options are shown by aws ec2 \
         describe-instances --instance-ids INSTANCE --query \
         'Reservations[].Instances[].MetadataOptions'",
    )
}

pub(super) fn provider(error: &Error) -> String {
    advice(
        error,
        "see what the AWS CLI says to it, which looks in the same places: aws sts get-caller-identity",
    )
}

/// For a denial the trust policy that would admit this identity.
pub(super) fn web_identity(error: &Error, role_arn: &str, claims: Option<&TokenClaims>) -> String {
    let trust = match error.kind() {
        ErrorKind::AccessDenied(_) => claims.and_then(|claims| admitting(role_arn, claims)),
        _ => None,
    };
    match trust {
        Some(trust) => format!(
            "the role is not there, or its trust policy does not admit this identity\n{}",
            set_trust(without_path(role_arn), &trust)
        ),
        None => provider(error),
    }
}

/// What is set takes the place of the whole policy, so that others whom it admits would be locked out.
fn set_trust(role: &str, trust: &TrustPolicy) -> String {
    format!(
        "see whom the trust policy of the role admits already, and keep those statements, since what is set \
         takes the place of all of them:\naws iam get-role --role-name {role} --query \
         Role.AssumeRolePolicyDocument\nadd this one, as trust.json:\n{trust}\naws iam \
         update-assume-role-policy --role-name {role} --policy-document file://trust.json"
    )
}

fn admitting(role_arn: &str, claims: &TokenClaims) -> Option<TrustPolicy> {
    let role = Arn::split(role_arn)?;
    let provider = format!(
        "arn:{}:iam::{}:oidc-provider/{}",
        role.partition,
        role.account,
        claims.provider()?
    );
    // IAM compares `azp` where there is one
    let audience = claims
        .authorized_party
        .as_ref()
        .or_else(|| claims.audiences.first())?;
    let trust = TrustPolicy::builder().oidc(&provider, audience);
    trust.subject(claims.subject.as_deref()?).build().ok()
}

pub(super) fn no_role(error: &Error) -> String {
    if *error.kind() == ErrorKind::Malformed {
        return "see what answers at this address: it is not EC2's metadata service".to_owned();
    }
    advice(error, "ask again in a minute: the metadata service fails")
}

pub(super) fn no_document(error: &Error, role: Option<&str>, region: Option<&str>) -> String {
    if matches!(error.kind(), ErrorKind::AccessDenied(_)) {
        let partition = Partition::of_region(region.unwrap_or_default());
        return set_trust(role.unwrap_or("ROLE"), &TrustPolicy::ec2_in(partition));
    }
    advice(
        error,
        "ask again in a minute; if it stays, replace the instance profile: aws ec2 \
         replace-iam-instance-profile-association --association-id ASSOCIATION \
         --iam-instance-profile Name=PROFILE",
    )
}

pub(super) fn caller(error: &Error, sts: &StsSettings) -> String {
    if error.code().is_some() {
        return provider(error);
    }
    let address = sts.url().unwrap_or_else(|| "ADDRESS".to_owned());
    advice(
        error,
        &format!("see that STS can be reached from here: curl {address}"),
    )
}

/// For a denial the two policies that have to agree, written for this caller and this role.
pub(super) fn assumption(
    error: &Error,
    role_arn: &str,
    external_id: Option<&str>,
    caller: Option<&CallerIdentity>,
) -> String {
    let fallback =
        "see what AWS says to it: aws sts assume-role --role-arn ROLE --role-session-name test";
    let (ErrorKind::AccessDenied(denied), Some(caller)) = (error.kind(), caller) else {
        return advice(error, fallback);
    };
    if denied.names_its_policy() {
        return advice(error, fallback);
    }
    let admitted = Admitted::of(&caller.arn);
    let mut trust = TrustPolicy::builder().principal(admitted.principal());
    if let Admitted::Like { role, .. } = &admitted {
        trust = trust.condition("ArnLike", "aws:PrincipalArn", [role]);
    }
    if let Some(id) = external_id {
        trust = trust.external_id(id);
    }
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    let permission = PermissionPolicy::new([Statement::allow(["sts:AssumeRole"], [role_arn])]);
    match (trust.build(), permission) {
        (Ok(trust), Ok(permission)) => format!(
            "{}\n1. the role: {}\n2. the caller: {}",
            advice(error, fallback),
            set_trust(role, &trust),
            permit(&admitted, &caller.account, &permission),
        ),
        _ => advice(error, fallback),
    }
}

/// Gives the caller a policy more.
fn permit(caller: &Admitted, account: &str, policy: &PermissionPolicy) -> String {
    let arn = match caller {
        Admitted::Like { permission_set, .. } => {
            let set = "--instance-arn INSTANCE --permission-set-arn SET";
            return format!(
                "IAM lets nobody change the role of a permission set, so the permission set {permission_set} \
                 has to allow it; see what its inline policy holds already, and keep those statements, \
                 since what is put takes the place of all of them (the ARNs: aws sso-admin list-instances, \
                 list-permission-sets):\naws sso-admin get-inline-policy-for-permission-set {set}\n\
                 add this one, as policy.json:\n{policy}\naws sso-admin put-inline-policy-to-permission-set \
                 {set} --inline-policy file://policy.json\naws sso-admin provision-permission-set {set} \
                 --target-type AWS_ACCOUNT --target-id {account}"
            );
        }
        Admitted::Named(arn) => arn,
    };
    let name = without_path(arn);
    let put = if arn.contains(":user/") {
        format!("put-user-policy --user-name {name}")
    } else if arn.contains(":role/") {
        format!("put-role-policy --role-name {name}")
    } else {
        // an account itself or a federated user, which no policy of their own lets assume roles
        return format!("a role or a user is needed that has this policy:\n{policy}");
    };
    format!(
        "its own policy, as policy.json:\n{policy}\naws iam {put} --policy-name AssumeIt --policy-document \
         file://policy.json"
    )
}

fn advice(error: &Error, otherwise: &str) -> String {
    on_lines(error.advice().unwrap_or(otherwise))
}

/// What begins a command in a sentence.
const COMMANDS: [&str; 5] = ["aws ec2 ", "aws iam ", "aws sts ", "aws sso ", "curl "];

/// The same with each command on a line of its own, as it is pasted.
fn on_lines(advice: &str) -> String {
    let starts = |at: usize| {
        let before = advice.get(..at).unwrap_or_default();
        let rest = advice.get(at..).unwrap_or_default();
        (before.is_empty() || before.ends_with(' '))
            && COMMANDS.iter().any(|command| rest.starts_with(command))
    };
    let mut lines = Vec::new();
    let mut rest = advice;
    let mut offset = 0;
    while let Some(at) = rest
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| starts(offset + at))
    {
        let (prose, from) = rest.split_at(at);
        let prose = prose.trim().trim_start_matches([',', ';']).trim();
        if !matches!(prose, "" | "and") {
            let end = if prose.ends_with(['?', ':', '.']) {
                ""
            } else {
                ":"
            };
            lines.push(format!("{prose}{end}"));
        }
        let end = [", ", "; ", " and aws "]
            .iter()
            .filter_map(|end| from.find(end))
            .min()
            .unwrap_or(from.len());
        let (command, after) = from.split_at(end);
        lines.push(command.to_owned());
        offset += at + end;
        rest = after;
    }
    let tail = rest.trim_start_matches([',', ';']).trim();
    if !tail.is_empty() {
        lines.push(tail.to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{assumption, caller, on_lines};
    use crate::error::{Denied, Error, ErrorKind, Operation};
    use crate::source::{CallerIdentity, StsSettings};

    #[test]
    fn the_address_of_sts_is_the_one_of_the_partition() {
        for (region, address) in [
            ("us-east-1", "https://sts.us-east-1.amazonaws.com"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov"),
        ] {
            let sts = StsSettings {
                region: Some(region.to_owned()),
                ..StsSettings::default()
            };
            let remedy = caller(&Error::recoverable("no answer"), &sts);
            assert!(remedy.ends_with(&format!("curl {address}")), "{remedy}");
            let own = StsSettings {
                endpoint: Some("http://localhost:9000".to_owned()),
                ..sts
            };
            let remedy = caller(&Error::recoverable("no answer"), &own);
            assert!(remedy.ends_with("curl http://localhost:9000"), "{remedy}");
        }
    }

    /// What mends a refusal to this caller.
    fn assuming(arn: &str) -> String {
        let refused = ErrorKind::AccessDenied(Denied::default());
        let error = Error::new(refused, Operation::FETCH, "no");
        let caller = CallerIdentity {
            account: "123456789012".to_owned(),
            arn: arn.to_owned(),
            user_id: String::new(),
        };
        let role = "arn:aws-cn:iam::210987654321:role/App";
        assumption(&error, role, None, Some(&caller))
    }

    #[test]
    fn who_signs_in_by_identity_center_gets_permissions_there() {
        let remedy = assuming(
            "arn:aws-cn:sts::123456789012:assumed-role/AWSReservedSSO_Dev_Ops_0123456789abcdef/u@x.org",
        );
        // IAM refuses to change a role that belongs to a permission set
        assert!(!remedy.contains("put-role-policy"), "{remedy}");
        assert!(remedy.contains("permission set Dev_Ops"), "{remedy}");
        for command in [
            "aws sso-admin get-inline-policy-for-permission-set ",
            "aws sso-admin put-inline-policy-to-permission-set ",
            "aws sso-admin provision-permission-set ",
        ] {
            assert!(remedy.contains(command), "{remedy}");
        }
        // not everybody of the account
        let compact: String = remedy.split_whitespace().collect();
        let named = "\"Principal\":{\"AWS\":\"arn:aws-cn:iam::123456789012:root\"},\"Action\":\"sts:AssumeRole\",\
             \"Condition\":{\"ArnLike\":{\"aws:PrincipalArn\":\"arn:aws-cn:iam::123456789012:role/aws-reserved/\
             sso.amazonaws.com*/AWSReservedSSO_Dev_Ops_*\"}}";
        assert!(compact.contains(named), "{remedy}");
    }

    #[test]
    fn other_callers_get_a_policy_of_their_own() {
        let role = assuming("arn:aws:sts::123456789012:assumed-role/Base/s");
        assert!(role.contains("put-role-policy --role-name Base "), "{role}");
        assert!(!role.contains("sso-admin"), "{role}");
        let user = assuming("arn:aws:iam::123456789012:user/team/ada");
        assert!(user.contains("put-user-policy --user-name ada "), "{user}");
        let root = assuming("arn:aws:iam::123456789012:root");
        assert!(!root.contains("--role-name ROLE"), "{root}");
        let federated = assuming("arn:aws:sts::123456789012:federated-user/ada");
        assert!(!federated.contains("--role-name ROLE"), "{federated}");
    }

    #[test]
    fn commands_stand_on_lines_of_their_own() {
        assert_eq!(on_lines("set the clock"), "set the clock");
        assert_eq!(
            on_lines(
                "attach one with aws iam add-role --role-name ROLE and aws ec2 associate --instance-id I"
            ),
            "attach one with:\naws iam add-role --role-name ROLE\naws ec2 associate --instance-id I"
        );
        assert_eq!(
            on_lines("aws sso login --profile é; then again, see curl -i ADDRESS"),
            "aws sso login --profile é\nthen again, see:\ncurl -i ADDRESS"
        );
    }
}
