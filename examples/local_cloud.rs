//! Starts the embedded cloud with one item in a table, and prints what points any AWS client at it.
//!
//! Runs until Ctrl-C. `-- --help` lists the options: ports, region, short sessions so that a refresh can
//! be seen, and a file with roles, policies, identity providers and tables.

mod support;

use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{DEFAULT_ROLE, DEFAULT_TOKEN_LIFETIME, LocalCloud, Role};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use support::arguments::{Opt, Program};
use support::{Failure, NAME, reader_gone, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "Starts the embedded cloud with one item in a table, and prints what points any AWS client at it: the AWS CLI, \
            boto3, any SDK. Runs until Ctrl-C, and then says what it was asked.",
    options: &[
        Opt::value(
            "account",
            "DIGITS",
            "the account, 12 digits (default: 123456789012)",
        ),
        Opt::value(
            "region",
            "REGION",
            "the region, and with it the partition (default: us-east-1)",
        ),
        Opt::value(
            "session-seconds",
            "N",
            "how long sessions last at most, so that a refresh can be seen (default: as long as AWS's, hours)",
        ),
        Opt::value(
            "imds-port",
            "PORT",
            "of the metadata service (default, as for the others: any free one)",
        ),
        Opt::value("sts-port", "PORT", "of the Security Token Service"),
        Opt::value("dynamodb-port", "PORT", "of DynamoDB"),
        Opt::value("oidc-port", "PORT", "of the OpenID Connect issuer"),
        Opt::value(
            "container-port",
            "PORT",
            "of the container credential endpoint",
        ),
        Opt::value(
            "setup",
            "FILE",
            "a JSON file with what is there from the start, as below (default: nothing)",
        ),
    ],
    notes: r#"takes: a second, then it runs until Ctrl-C
costs: nothing

the JSON file, all members optional:
  {
    "oidc_providers": [{ "url": "https://…", "client_ids": ["sts.amazonaws.com"] }],
    "roles": [{ "name": "App", "trust": { … }, "permissions": [{ … }],
                "path": "/", "account": "…", "max_session_seconds": 3600 }],
    "instance_role": "App", "container_role": "App",
    "users": [{ "name": "deployer", "permissions": [{ … }] }],
    "tables": [{ "name": "MyTable", "partition_key": "id", "items": [{ … }] }],
    "tokens": [{ "file": "token.jwt", "claims": { "sub": "…" } }],
    "pod_tokens": [{ "file": "pod.jwt", "namespace": "default",
                     "service_account": "app" }]
  }
Tokens are written at the start and renewed at half their life. In strings,
${ACCOUNT} is the account, ${PARTITION} the partition, ${OIDC_PROVIDER} the ARN
of the provider for the cloud's own issuer, and ${OIDC_ISSUER} what condition
keys call it."#,
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = PROGRAM.read_or_exit();
    let port = |name| PROGRAM.number(&given, name, 0, 0..=u16::MAX);
    let mut cloud = LocalCloud::builder()
        .imds_port(port("imds-port"))
        .sts_port(port("sts-port"))
        .dynamodb_port(port("dynamodb-port"))
        .oidc_port(port("oidc-port"))
        .container_port(port("container-port"));
    if let Some(account) = given.value("account") {
        cloud = cloud.account(account);
    }
    if let Some(region) = given.value("region") {
        cloud = cloud.region(region);
    }
    if given.has("session-seconds") {
        let seconds = PROGRAM.number(&given, "session-seconds", 1, 1..=43_200);
        cloud = cloud.session_lifetime(Duration::from_secs(seconds));
    }
    let cloud = cloud.start().await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
    let setup = match given.value("setup") {
        Some(file) => Setup::read(file, &cloud)
            .map_err(|why| Failure::new(format!("--setup {file}: {why:?}")))?,
        None => Setup::default(),
    };
    setup.apply(&cloud)?;
    tell_how_to_use(&cloud, &setup);

    let mut renewal = tokio::time::interval(DEFAULT_TOKEN_LIFETIME / 2);
    let gone = reader_gone();
    tokio::pin!(gone);
    loop {
        tokio::select! {
            _ = renewal.tick() => setup.write_tokens(&cloud)?,
            ended = tokio::signal::ctrl_c() => break ended?,
            () = &mut gone => return Ok(()),
        }
    }
    tell_calls(&cloud);
    Ok(())
}

/// Lines that can be pasted into another shell.
fn tell_how_to_use(cloud: &LocalCloud, setup: &Setup) {
    tell!(
        "# The embedded cloud runs until Ctrl-C. In another shell, point any AWS client\n# at it:"
    );
    for (name, value) in cloud.environment() {
        tell!("export {name}={value}");
    }
    tell!(
        "unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n\
         export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null"
    );
    tell!("\n# then, with boto3:");
    tell!(
        "python3 -c 'import boto3; table = boto3.resource(\"dynamodb\").Table(\"MyTable\")\n\
         print(table.get_item(Key={{\"id\": \"123\"}})[\"Item\"])'"
    );
    tell!("\n# with the AWS CLI:");
    tell!("aws dynamodb get-item --table-name MyTable --key '{{\"id\": {{\"S\": \"123\"}}}}'");
    tell!("\n# and, explicitly, with the role:");
    tell!(
        "aws sts assume-role --role-session-name EC2Session \\\n  --role-arn {}",
        cloud.role_arn(DEFAULT_ROLE)
    );
    tell!("\n# as a task of ECS, in place of the instance:");
    tell!(
        "export AWS_CONTAINER_CREDENTIALS_FULL_URI={}",
        cloud.container().task_uri()
    );
    for token in &setup.pod_tokens {
        tell!("\n# as a pod of EKS, {}:", token.service_account);
        tell!(
            "export AWS_CONTAINER_CREDENTIALS_FULL_URI={}\n\
             export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}",
            cloud.container().pod_uri(),
            token.file.display()
        );
    }
    let first_role = setup.roles.first().map_or(DEFAULT_ROLE, |role| &role.name);
    for token in &setup.tokens {
        tell!("\n# with an identity from outside, {}:", token.claims);
        tell!(
            "export AWS_ROLE_ARN={}\nexport AWS_WEB_IDENTITY_TOKEN_FILE={}",
            cloud.role_arn(first_role),
            token.file.display()
        );
    }
    for user in &setup.users {
        let key = cloud.create_access_key(&user.name);
        tell!("\n# as the user {}:", user.name);
        tell!(
            "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}",
            key.access_key_id(),
            key.secret_access_key()
        );
    }
}

/// What each service was asked.
fn tell_calls(cloud: &LocalCloud) {
    let (imds, containers, sts) = (
        cloud.imds().calls(),
        cloud.container().calls(),
        cloud.sts().calls(),
    );
    let (issuer, dynamodb) = (cloud.oidc_issuer().calls(), cloud.dynamodb().calls());
    tell!("\ncalls to the");
    tell!(
        "  metadata service     {:>6}, {} of them for credentials",
        imds.total(),
        imds.documents()
    );
    tell!("  container endpoint   {:>6}", containers.total());
    tell!(
        "  STS                  {:>6}, {} of them to assume a role",
        sts.total(),
        sts.assume_role + sts.assume_role_with_web_identity
    );
    tell!("  issuer               {:>6}", issuer.total());
    tell!("  DynamoDB             {:>6}", dynamodb.total());
    for (operation, calls) in dynamodb.iter() {
        tell!("    {operation:<18} {calls:>6}");
    }
}

/// What is there from the start.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Setup {
    oidc_providers: Vec<Provider>,
    roles: Vec<NewRole>,
    instance_role: Option<String>,
    container_role: Option<String>,
    users: Vec<User>,
    tables: Vec<Table>,
    tokens: Vec<Token>,
    pod_tokens: Vec<PodToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    url: String,
    client_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    name: String,
    path: Option<String>,
    account: Option<String>,
    trust: Option<Value>,
    #[serde(default)]
    permissions: Vec<Value>,
    max_session_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    #[serde(default)]
    permissions: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    partition_key: String,
    #[serde(default)]
    items: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    file: PathBuf,
    claims: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PodToken {
    file: PathBuf,
    namespace: String,
    service_account: String,
}

impl Setup {
    fn read(file: &str, cloud: &LocalCloud) -> Result<Self, Failure> {
        let provider = cloud.oidc_provider_arn();
        let partition = provider.split(':').nth(1).unwrap_or_default();
        let issuer = provider
            .split_once(":oidc-provider/")
            .map_or("", |(_, issuer)| issuer);
        let text = fs::read_to_string(file)?
            .replace("${ACCOUNT}", cloud.account())
            .replace("${PARTITION}", partition)
            .replace("${OIDC_PROVIDER}", &provider)
            .replace("${OIDC_ISSUER}", issuer);
        Ok(serde_json::from_str(&text)?)
    }

    fn apply(&self, cloud: &LocalCloud) -> Result<(), Failure> {
        for provider in &self.oidc_providers {
            cloud.add_oidc_provider(&provider.url, &provider.client_ids)?;
        }
        for wanted in &self.roles {
            let mut role = Role::new(&wanted.name);
            if let Some(path) = &wanted.path {
                role = role.path(path);
            }
            if let Some(account) = &wanted.account {
                role = role.account(account);
            }
            if let Some(trust) = &wanted.trust {
                role = role.trust(TrustPolicy::from_json(&trust.to_string())?);
            }
            if let Some(seconds) = wanted.max_session_seconds {
                role = role.max_session(Duration::from_secs(seconds));
            }
            for permissions in &wanted.permissions {
                role = role.permissions(permissions);
            }
            cloud.add_role(role)?;
        }
        if let Some(role) = &self.instance_role {
            cloud.attach_role(role)?;
        }
        if let Some(role) = &self.container_role {
            cloud.attach_container_role(role)?;
        }
        for user in &self.users {
            for permissions in &user.permissions {
                cloud.permit_user(&user.name, permissions)?;
            }
        }
        for table in &self.tables {
            // the table that is always there may be filled
            if table.name != "MyTable" {
                cloud.create_table((&*table.name, &*table.partition_key))?;
            }
            for item in &table.items {
                cloud.put_item(&table.name, item)?;
            }
        }
        self.write_tokens(cloud)
    }

    fn write_tokens(&self, cloud: &LocalCloud) -> Result<(), Failure> {
        for Token { file, claims } in &self.tokens {
            fs::write(file, cloud.oidc_issuer().token(claims)?)?;
        }
        for token in &self.pod_tokens {
            let text = cloud
                .container()
                .pod_token(&token.namespace, &token.service_account)?;
            fs::write(&token.file, text)?;
        }
        Ok(())
    }
}
