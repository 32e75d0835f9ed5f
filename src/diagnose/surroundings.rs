//! Where code runs and what could give it credentials, as far as environment variables say.

use crate::error::Result;
use crate::source::Env;
use serde::Serialize;
use std::fmt;

/// Where code runs, as its environment or its metadata service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Host {
    /// Azure App Service or Azure Functions.
    AppService,
    /// A virtual machine of Azure.
    Azure,
    /// Azure Cloud Shell.
    AzureCloudShell,
    /// A job of Azure Pipelines.
    AzurePipelines,
    /// A pod with a federated token, on Azure Kubernetes Service.
    AzureWorkload,
    /// A step of Bitbucket Pipelines.
    BitbucketPipelines,
    /// A job of Buildkite.
    Buildkite,
    /// A job of CircleCI.
    CircleCi,
    /// AWS Cloud9.
    Cloud9,
    /// Google Cloud Run.
    CloudRun,
    /// AWS CloudShell.
    CloudShell,
    /// AWS CodeBuild.
    CodeBuild,
    /// GitHub Codespaces.
    Codespaces,
    /// A task of Amazon ECS, Fargate included.
    Ecs,
    /// A pod of Amazon EKS with EKS Pod Identity.
    EksPodIdentity,
    /// A pod of Amazon EKS with a role for its service account (IRSA).
    EksServiceAccount,
    /// A runner of GitHub Actions.
    GitHubActions,
    /// A job of GitLab CI.
    GitLabCi,
    /// A workspace of Gitpod.
    Gitpod,
    /// A virtual machine of Google Cloud.
    GoogleCloud,
    /// Google Cloud Shell.
    GoogleCloudShell,
    /// A pod of Kubernetes without an AWS identity of its own.
    Kubernetes,
    /// An AWS Lambda function.
    Lambda,
    /// A virtual machine of OpenStack.
    OpenStack,
    /// A virtual machine of Oracle Cloud.
    OracleCloud,
}

impl Host {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Host::AppService => "Azure App Service",
            Host::Azure => "Azure",
            Host::AzureCloudShell => "Azure Cloud Shell",
            Host::AzurePipelines => "Azure Pipelines",
            Host::AzureWorkload => "Azure Kubernetes Service, workload identity",
            Host::BitbucketPipelines => "Bitbucket Pipelines",
            Host::Buildkite => "Buildkite",
            Host::CircleCi => "CircleCI",
            Host::Cloud9 => "AWS Cloud9",
            Host::CloudRun => "Google Cloud Run",
            Host::CloudShell => "AWS CloudShell",
            Host::CodeBuild => "AWS CodeBuild",
            Host::Codespaces => "GitHub Codespaces",
            Host::Ecs => "Amazon ECS",
            Host::EksPodIdentity => "Amazon EKS, Pod Identity",
            Host::EksServiceAccount => "Amazon EKS, a role for the service account (IRSA)",
            Host::GitHubActions => "GitHub Actions",
            Host::GitLabCi => "GitLab CI",
            Host::Gitpod => "Gitpod",
            Host::GoogleCloud => "Google Cloud",
            Host::GoogleCloudShell => "Google Cloud Shell",
            Host::Kubernetes => "Kubernetes",
            Host::Lambda => "AWS Lambda",
            Host::OpenStack => "OpenStack",
            Host::OracleCloud => "Oracle Cloud",
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a variable has to be like.
enum Sign {
    Is(&'static str, &'static str),
    Contains(&'static str, &'static str),
    /// The first, where the second is set too.
    Both(&'static str, &'static str),
    Set(&'static str),
    StartsWith(&'static str, &'static str),
}

impl Sign {
    /// The variable, when it is so.
    fn seen(&self, env: &Env) -> Result<Option<&'static str>> {
        let name = match self {
            Sign::Is(name, _) | Sign::Contains(name, _) | Sign::Both(name, _) => *name,
            Sign::Set(name) | Sign::StartsWith(name, _) => *name,
        };
        if let Sign::Both(_, other) = self
            && env.var(other)?.is_none()
        {
            return Ok(None);
        }
        let fits = |text: &str| match self {
            Sign::Is(_, value) => text.eq_ignore_ascii_case(value),
            Sign::Contains(_, part) => text.contains(part),
            Sign::Both(..) | Sign::Set(_) => true,
            Sign::StartsWith(_, with) => text.starts_with(with),
        };
        Ok(env.var(name)?.filter(|text| fits(text)).map(|_| name))
    }
}

const EXECUTION: &str = "AWS_EXECUTION_ENV";
pub(super) const CONTAINER_PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(super) const CONTAINER_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
pub(super) const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
pub(super) const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
pub(super) const ROLE_ARN: &str = "AWS_ROLE_ARN";
const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
pub(super) const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
pub(super) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// The first that fits names the host, so what is more particular stands first: a job of GitHub
/// Actions may run in a pod of EKS.
const SIGNS: [(Host, Sign); 32] = [
    (Host::Lambda, Sign::Set("AWS_LAMBDA_FUNCTION_NAME")),
    (Host::Lambda, Sign::StartsWith(EXECUTION, "AWS_Lambda_")),
    (Host::CloudShell, Sign::Is(EXECUTION, "CloudShell")),
    (Host::CodeBuild, Sign::Set("CODEBUILD_BUILD_ID")),
    (Host::GitHubActions, Sign::Is("GITHUB_ACTIONS", "true")),
    (Host::GitLabCi, Sign::Is("GITLAB_CI", "true")),
    (Host::AzurePipelines, Sign::Is("TF_BUILD", "true")),
    (
        Host::BitbucketPipelines,
        Sign::Set("BITBUCKET_BUILD_NUMBER"),
    ),
    (Host::Buildkite, Sign::Is("BUILDKITE", "true")),
    (Host::CircleCi, Sign::Is("CIRCLECI", "true")),
    (Host::Codespaces, Sign::Is("CODESPACES", "true")),
    (Host::Gitpod, Sign::Set("GITPOD_WORKSPACE_ID")),
    (Host::GoogleCloudShell, Sign::Is("CLOUD_SHELL", "true")),
    (Host::AzureCloudShell, Sign::Set("ACC_CLOUD")),
    (
        Host::AzureCloudShell,
        Sign::StartsWith("AZUREPS_HOST_ENVIRONMENT", "cloud-shell"),
    ),
    (Host::Cloud9, Sign::Set("C9_PID")),
    (Host::Cloud9, Sign::Set("C9_USER")),
    (
        Host::EksPodIdentity,
        Sign::Contains(CONTAINER_URI, "//169.254.170.23/"),
    ),
    (
        Host::EksPodIdentity,
        Sign::Contains(CONTAINER_URI, "//[fd00:ec2::23]/"),
    ),
    (
        Host::EksPodIdentity,
        Sign::Contains(CONTAINER_TOKEN_FILE, "eks-pod-identity"),
    ),
    (
        Host::EksServiceAccount,
        // on Windows too
        Sign::Contains(TOKEN_FILE, "eks.amazonaws.com"),
    ),
    (Host::AzureWorkload, Sign::Set("AZURE_FEDERATED_TOKEN_FILE")),
    (Host::Ecs, Sign::Set(CONTAINER_PATH)),
    (Host::Ecs, Sign::Set("ECS_CONTAINER_METADATA_URI_V4")),
    (Host::Ecs, Sign::Set("ECS_CONTAINER_METADATA_URI")),
    (Host::Ecs, Sign::StartsWith(EXECUTION, "AWS_ECS_")),
    (Host::Kubernetes, Sign::Set("KUBERNETES_SERVICE_HOST")),
    (Host::CloudRun, Sign::Set("K_REVISION")),
    (Host::CloudRun, Sign::Set("CLOUD_RUN_JOB")),
    (Host::AppService, Sign::Set("WEBSITE_INSTANCE_ID")),
    (Host::AppService, Sign::Set("FUNCTIONS_WORKER_RUNTIME")),
    (
        Host::AppService,
        // the first by itself is Azure Arc's, whose machines are anywhere
        Sign::Both("IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
    ),
];

/// A token from elsewhere, and the role that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebIdentity {
    pub(super) token_file: String,
    pub(super) role_arn: Option<String>,
    pub(super) session_name: Option<String>,
}

/// Where the first credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The endpoint that a container is told of.
    Container,
    /// Keys in the environment.
    Environment,
    /// The metadata service of EC2; where that is not there, keys of the environment or a profile.
    Instance,
    /// Nothing that the environment knows of, on a host that is not EC2; the text says what to do.
    Nowhere(&'static str),
    /// A token of an identity provider.
    WebIdentity(WebIdentity),
}

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// With the variable that says so.
    pub(super) host: Option<(Host, &'static str)>,
    pub(super) origin: Origin,
    /// Keys stand in the environment, whatever is used.
    pub(super) keys: bool,
}

impl Surroundings {
    pub(super) fn read(env: &Env) -> Result<Self> {
        let mut host = None;
        for (candidate, sign) in &SIGNS {
            if let Some(variable) = sign.seen(env)? {
                host = Some((*candidate, variable));
                break;
            }
        }
        let keys = env.var(KEY_ID)?.is_some() && env.var(SECRET_KEY)?.is_some();
        let origin = origin(host.map(|(host, _)| host), keys, env)?;
        Ok(Surroundings { host, origin, keys })
    }
}

fn origin(host: Option<Host>, keys: bool, env: &Env) -> Result<Origin> {
    if host == Some(Host::Lambda) {
        return Ok(match keys {
            true => Origin::Environment,
            false => Origin::Nowhere(
                "Lambda gives a function the keys of its role in the environment: give the function \
                 an execution role, and do not unset AWS_ACCESS_KEY_ID",
            ),
        });
    }
    // the order of the AWS SDKs
    if let Some(token_file) = env.var(TOKEN_FILE)? {
        return Ok(Origin::WebIdentity(WebIdentity {
            token_file,
            role_arn: env.var(ROLE_ARN)?,
            session_name: env.var(SESSION_NAME)?,
        }));
    }
    if env.var(CONTAINER_PATH)?.is_some() || env.var(CONTAINER_URI)?.is_some() {
        return Ok(Origin::Container);
    }
    let Some(advice) = host.and_then(|host| without_instance(host, env).transpose()) else {
        return Ok(Origin::Instance);
    };
    Ok(match keys {
        true => Origin::Environment,
        false => Origin::Nowhere(advice?),
    })
}

/// What to do on hosts that are not EC2, or whose instance role is not for the code on it; `None`
/// where the metadata service may be the way.
fn without_instance(host: Host, env: &Env) -> Result<Option<&'static str>> {
    Ok(Some(match host {
        Host::AppService => {
            "Azure gives the app a token of its managed identity: assume a role with it"
        }
        Host::AzureWorkload => {
            "the pod has a token of its workload identity: assume a role with it"
        }
        Host::CloudRun => {
            "Google Cloud gives the service a token of its service account: assume a role with it"
        }
        Host::CloudShell | Host::CodeBuild => {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI is unset: leave it as it was given"
        }
        Host::AzureCloudShell | Host::GoogleCloudShell => {
            "a shell of another cloud has no AWS identity: sign in with aws sso login --use-device-code"
        }
        Host::Codespaces => {
            "a codespace has no AWS identity: put keys into its secrets, or sign in with aws sso login \
             --use-device-code"
        }
        Host::Gitpod => {
            "a workspace has no AWS identity: assume a role with its token (gitpod idp token), put keys into \
             its variables, or sign in with aws sso login --use-device-code"
        }
        Host::Ecs => {
            "the task has no role of its own: set taskRoleArn in its task definition and start it anew; \
             the role of the host is not the task's"
        }
        Host::GitHubActions => {
            // a runner of one's own may be on EC2
            if env.var("RUNNER_ENVIRONMENT")?.as_deref() == Some("self-hosted") {
                return Ok(None);
            }
            if env.var("ACTIONS_ID_TOKEN_REQUEST_URL")?.is_some() {
                "the job may ask for a token: assume a role with it"
            } else {
                "the job may not ask for a token: give it permissions: id-token: write, and assume a \
                 role with the token"
            }
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn read<const N: usize>(pairs: [(&str, &str); N]) -> Surroundings {
        Surroundings::read(&Env::from_pairs(pairs)).unwrap()
    }

    #[test]
    fn hosts_are_known_by_their_documented_variables() {
        let container = "/v2/credentials/0b2a";
        let cases: [(&[(&str, &str)], Host); 27] = [
            (&[("AWS_LAMBDA_FUNCTION_NAME", "f")], Host::Lambda),
            (&[(EXECUTION, "AWS_Lambda_provided.al2023")], Host::Lambda),
            (&[(EXECUTION, "CloudShell")], Host::CloudShell),
            (
                &[("CODEBUILD_BUILD_ID", "p:1"), (CONTAINER_PATH, container)],
                Host::CodeBuild,
            ),
            (
                &[
                    ("GITHUB_ACTIONS", "true"),
                    ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
                ],
                Host::GitHubActions,
            ),
            (&[("GITLAB_CI", "true")], Host::GitLabCi),
            (&[("CODESPACES", "true")], Host::Codespaces),
            (&[("C9_PID", "1")], Host::Cloud9),
            (&[("GITPOD_WORKSPACE_ID", "1")], Host::Gitpod),
            (&[("CLOUD_SHELL", "true")], Host::GoogleCloudShell),
            (&[("ACC_CLOUD", "PROD")], Host::AzureCloudShell),
            (&[("TF_BUILD", "True")], Host::AzurePipelines),
            (&[("BITBUCKET_BUILD_NUMBER", "7")], Host::BitbucketPipelines),
            (&[("BUILDKITE", "true")], Host::Buildkite),
            (&[("CI", "true"), ("CIRCLECI", "true")], Host::CircleCi),
            (
                &[(
                    TOKEN_FILE,
                    "C:\\var\\run\\secrets\\eks.amazonaws.com\\serviceaccount\\token",
                )],
                Host::EksServiceAccount,
            ),
            (
                &[(CONTAINER_URI, "http://169.254.170.23/v1/credentials")],
                Host::EksPodIdentity,
            ),
            (
                &[(CONTAINER_URI, "http://[fd00:ec2::23]/v1/credentials")],
                Host::EksPodIdentity,
            ),
            (
                &[(
                    TOKEN_FILE,
                    "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
                )],
                Host::EksServiceAccount,
            ),
            (&[(CONTAINER_PATH, container)], Host::Ecs),
            (&[(EXECUTION, "AWS_ECS_FARGATE")], Host::Ecs),
            (
                &[("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/1")],
                Host::Ecs,
            ),
            (&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], Host::Kubernetes),
            (
                &[
                    ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/t"),
                    ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
                ],
                Host::AzureWorkload,
            ),
            (&[("K_SERVICE", "s"), ("K_REVISION", "s-1")], Host::CloudRun),
            (&[("WEBSITE_INSTANCE_ID", "1")], Host::AppService),
            (
                &[
                    ("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"),
                    ("IDENTITY_HEADER", "853b9a84"),
                ],
                Host::AppService,
            ),
        ];
        for (variables, expected) in cases {
            let env = Env::from_variables(variables.iter().copied());
            let (host, variable) = Surroundings::read(&env).unwrap().host.unwrap();
            assert_eq!(host, expected, "{variables:?}");
            assert!(variables.iter().any(|(name, _)| *name == variable));
        }
        assert_eq!(read([]).host, None);
        assert_eq!(read([("CODESPACES", "false")]).host, None);
        assert_eq!(read([("AWS_LAMBDA_FUNCTION_NAME", " ")]).host, None);
    }

    /// Azure Arc is an agent for machines that are anywhere, on EC2 too.
    #[test]
    fn a_machine_with_the_agent_of_azure_arc_is_not_app_service() {
        let arc = read([
            (
                "IDENTITY_ENDPOINT",
                "http://localhost:40342/metadata/identity/oauth2/token",
            ),
            ("IMDS_ENDPOINT", "http://localhost:40342"),
        ]);
        assert_eq!(arc.host, None);
        assert_eq!(arc.origin, Origin::Instance);
    }

    #[test]
    fn the_first_credentials_come_from_where_the_aws_sdks_take_them() {
        let keys = [(KEY_ID, "AKIA"), (SECRET_KEY, "s")];
        assert_eq!(read([]).origin, Origin::Instance);
        // an instance with keys in its environment is an instance
        assert_eq!(read(keys).origin, Origin::Instance);
        assert!(read(keys).keys);
        assert!(!read([(KEY_ID, "AKIA")]).keys);
        let lambda = ("AWS_LAMBDA_FUNCTION_NAME", "f");
        assert_eq!(read([lambda, keys[0], keys[1]]).origin, Origin::Environment);
        assert!(matches!(read([lambda]).origin, Origin::Nowhere(_)));
        assert_eq!(read([(CONTAINER_PATH, "/x")]).origin, Origin::Container);
        assert_eq!(
            read([(CONTAINER_URI, "http://x")]).origin,
            Origin::Container
        );
        let Origin::WebIdentity(token) = read([
            (TOKEN_FILE, "/token"),
            (ROLE_ARN, "arn:aws:iam::123456789012:role/App"),
            (CONTAINER_PATH, "/x"),
        ])
        .origin
        else {
            panic!("no token");
        };
        assert_eq!(token.token_file, "/token");
        assert_eq!(token.session_name, None);
        // a task without a role must not fall back to that of its host
        assert!(matches!(
            read([(EXECUTION, "AWS_ECS_EC2")]).origin,
            Origin::Nowhere(_)
        ));
        let hosted = ("GITHUB_ACTIONS", "true");
        assert!(matches!(read([hosted]).origin, Origin::Nowhere(_)));
        assert_eq!(read([hosted, keys[0], keys[1]]).origin, Origin::Environment);
        let own = ("RUNNER_ENVIRONMENT", "self-hosted");
        assert_eq!(read([hosted, own]).origin, Origin::Instance);
        assert_eq!(
            read([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).origin,
            Origin::Instance
        );
        assert_eq!(read([("C9_PID", "1")]).origin, Origin::Instance);
    }
}
