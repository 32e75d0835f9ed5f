//! Starts the embedded cloud with one item in a table, and prints what points any AWS client at it.
//!
//! Runs until Ctrl-C. `-- --help` lists the options: ports, region, short sessions so that a refresh can
//! be seen, and a file with roles, policies, identity providers and tables.

use aws_credential_strategies::iam::TrustPolicy;
use aws_credential_strategies::local::{
    DEFAULT_ROLE, DEFAULT_TOKEN_LIFETIME, LocalCloud, LocalCloudBuilder, Role,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: local_cloud [options]

  --account <12 digits>        the account
  --region <region>            the region, and with it the partition
  --session-seconds <number>   how long sessions last at most
  --imds-port <port>           of the metadata service; any free one by default, as for the others
  --sts-port <port>            of the Security Token Service
  --dynamodb-port <port>       of DynamoDB
  --oidc-port <port>           of the OpenID Connect issuer
  --container-port <port>      of the container credential endpoint
  --setup <file>               a JSON file with what is there from the start (all members optional):
      {
        \"oidc_providers\": [{ \"url\": \"https://…\", \"client_ids\": [\"sts.amazonaws.com\"] }],
        \"roles\": [{ \"name\": \"App\", \"trust\": { … }, \"permissions\": [{ … }],
                    \"path\": \"/\", \"account\": \"…\", \"max_session_seconds\": 3600 }],
        \"instance_role\": \"App\", \"container_role\": \"App\",
        \"users\": [{ \"name\": \"deployer\", \"permissions\": [{ … }] }],
        \"tables\": [{ \"name\": \"MyTable\", \"partition_key\": \"id\", \"items\": [{ … }] }],
        \"tokens\": [{ \"file\": \"token.jwt\", \"claims\": { \"sub\": \"…\" } }],
        \"pod_tokens\": [{ \"file\": \"pod.jwt\", \"namespace\": \"default\", \"service_account\": \"app\" }]
      }
      Tokens are written at the start and renewed at half their life. In strings, ${ACCOUNT} is the
      account, ${PARTITION} the partition, ${OIDC_PROVIDER} the ARN of the provider for the cloud's own
      issuer and ${OIDC_ISSUER} what condition keys call it.
";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(wrong) => {
            eprintln!("{wrong}\n\n{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    let cloud = options.builder.start().await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
    let setup = match options.setup {
        Some(file) => {
            Setup::read(&file, &cloud).map_err(|why| format!("{}: {why}", file.display()))?
        }
        None => Setup::default(),
    };
    setup.apply(&cloud)?;

    println!(
        "# The embedded cloud runs until Ctrl-C. In another shell, point any AWS client at it:"
    );
    for (name, value) in cloud.environment() {
        println!("export {name}={value}");
    }
    println!(
        "unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n\
         export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null"
    );
    println!("\n# then, with boto3:");
    println!(
        "python3 -c 'import boto3; print(boto3.resource(\"dynamodb\").Table(\"MyTable\").get_item(Key={{\"id\": \"123\"}})[\"Item\"])'"
    );
    println!("\n# with the AWS CLI:");
    println!("aws dynamodb get-item --table-name MyTable --key '{{\"id\": {{\"S\": \"123\"}}}}'");
    println!("\n# and, explicitly, with the role:");
    println!(
        "aws sts assume-role --role-arn {} --role-session-name EC2Session",
        cloud.role_arn(DEFAULT_ROLE)
    );
    println!("\n# as a task of ECS, in place of the instance:");
    println!(
        "export AWS_CONTAINER_CREDENTIALS_FULL_URI={}",
        cloud.container().task_uri()
    );
    for token in &setup.pod_tokens {
        println!("\n# as a pod of EKS, {}:", token.service_account);
        println!(
            "export AWS_CONTAINER_CREDENTIALS_FULL_URI={} AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}",
            cloud.container().pod_uri(),
            token.file.display()
        );
    }
    for token in &setup.tokens {
        println!("\n# with an identity from outside, {}:", token.claims);
        println!(
            "export AWS_ROLE_ARN={} AWS_WEB_IDENTITY_TOKEN_FILE={}",
            setup.roles.first().map_or_else(
                || cloud.role_arn(DEFAULT_ROLE),
                |role| cloud.role_arn(&role.name)
            ),
            token.file.display()
        );
    }
    for user in &setup.users {
        let key = cloud.create_access_key(&user.name);
        println!("\n# as the user {}:", user.name);
        println!(
            "export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
            key.access_key_id(),
            key.secret_access_key()
        );
    }

    let mut renewal = tokio::time::interval(DEFAULT_TOKEN_LIFETIME / 2);
    loop {
        tokio::select! {
            _ = renewal.tick() => setup.write_tokens(&cloud)?,
            ended = tokio::signal::ctrl_c() => {
                ended?;
                break;
            }
        }
    }
    println!(
        "\nmetadata service: {:?}\ncontainers: {:?}\nSTS: {:?}\nissuer: {:?}\nDynamoDB: {:?}",
        cloud.imds().calls(),
        cloud.container().calls(),
        cloud.sts().calls(),
        cloud.oidc_issuer().calls(),
        cloud.dynamodb().calls()
    );
    Ok(ExitCode::SUCCESS)
}

struct Options {
    builder: LocalCloudBuilder,
    setup: Option<PathBuf>,
}

impl Options {
    /// What the arguments ask for; `None` when they ask for help.
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut builder = LocalCloud::builder();
        let mut setup = None;
        while let Some(option) = arguments.next() {
            if option == "--help" || option == "-h" {
                return Ok(None);
            }
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{option}: expected a value after it"))
            };
            builder = match option.as_str() {
                "--account" => builder.account(value()?),
                "--region" => builder.region(value()?),
                "--session-seconds" => {
                    let seconds = number(&option, &value()?)?;
                    builder.session_lifetime(Duration::from_secs(seconds))
                }
                "--imds-port" => builder.imds_port(number(&option, &value()?)?),
                "--sts-port" => builder.sts_port(number(&option, &value()?)?),
                "--dynamodb-port" => builder.dynamodb_port(number(&option, &value()?)?),
                "--oidc-port" => builder.oidc_port(number(&option, &value()?)?),
                "--container-port" => builder.container_port(number(&option, &value()?)?),
                "--setup" => {
                    setup = Some(PathBuf::from(value()?));
                    builder
                }
                _ => return Err(format!("{option}: no such option")),
            };
        }
        Ok(Some(Options { builder, setup }))
    }
}

fn number<N: std::str::FromStr>(option: &str, text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{option}: expected a number, got {text:?}"))
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
    fn read(file: &PathBuf, cloud: &LocalCloud) -> Result<Self, Box<dyn Error>> {
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

    fn apply(&self, cloud: &LocalCloud) -> Result<(), Box<dyn Error>> {
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

    fn write_tokens(&self, cloud: &LocalCloud) -> Result<(), Box<dyn Error>> {
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
