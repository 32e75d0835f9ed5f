//! Options A and B side by side on the embedded cloud, with short sessions and an outage of their
//! source in the middle: what each asks of the application, what its source is asked, what readers feel.
//!
//! Takes some 40 seconds. Ends with an error if a read failed, or if a refresh took more than one answer.

mod measure;
mod outcome;
mod page;
#[path = "../support/mod.rs"]
mod support;

use aws_credential_strategies::local::{DEFAULT_ROLE, LocalCloud, Role, Trust};
use aws_credential_strategies::{AssumeRole, InstanceProfile};
use measure::Subject;
use outcome::{Conditions, Lane, table, verdict};
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};
use support::arguments::{Opt, Program};
use support::screen::{WIDTH, fold};
use support::{Failure, NAME, Progress, reader_gone, tell};

const PROGRAM: Program = Program {
    name: NAME,
    about: "Options A and B side by side on the embedded cloud, with short sessions and an outage of their source in \
            the middle: what each asks, what readers feel, and which to choose.",
    options: &[Opt::value(
        "html",
        "FILE",
        "write the timeline there too, as a page with plots; a file that is there is replaced",
    )],
    notes: "takes: some 40 s\n\
            costs: nothing, it runs on the embedded cloud\n\
            exit status: 0, or 1 if a read failed or a refresh took more than one answer",
};

const CONDITIONS: Conditions = Conditions {
    readers: 16,
    pause: Duration::from_millis(25),
    session: Duration::from_secs(12),
    // a tenth of a session
    outage: Duration::from_millis(1200),
    run: Duration::from_secs(38),
};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let given = PROGRAM.read_or_exit();
    // before the run, so that nobody waits for a page that cannot be written; what is there stays until then
    let page = given.value("html").map(|file| {
        let open = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(file);
        match open {
            Ok(open) => (file, open),
            Err(error) => PROGRAM.refuse_and_exit(&format!("--html {file}: {error}")),
        }
    });
    tell!("{}\n", fold(&CONDITIONS.to_string(), WIDTH));
    let lanes = tokio::select! {
        lanes = side_by_side() => lanes?,
        () = reader_gone() => return Ok(()),
    };
    tell!("{}\n", table(&lanes));
    let verdict = verdict(&lanes, &CONDITIONS);
    if let Some((file, mut open)) = page {
        let page = match &verdict {
            Ok(verdict) => page::render(&lanes, &CONDITIONS, verdict),
            Err(fault) => page::render(&lanes, &CONDITIONS, std::slice::from_ref(fault)),
        };
        open.set_len(0)?;
        open.write_all(page.map_err(Failure::of)?.as_bytes())?;
        tell!("The timeline is drawn in {file}.\n");
    }
    for paragraph in verdict.map_err(Failure::new)? {
        tell!("{}", fold(&paragraph, WIDTH));
    }
    Ok(())
}

/// Both at the same time.
async fn side_by_side() -> Result<[Lane; 2], Failure> {
    let seconds = CONDITIONS.run.as_secs();
    let progress = Progress::begin("both options", &format!("{seconds} s"), seconds, "s");
    let started = Instant::now();
    let both =
        async { tokio::try_join!(option_a(started, &progress), option_b(started, &progress)) };
    let clock = async {
        loop {
            progress.set(started.elapsed().as_secs().min(seconds));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        lanes = both => Ok(lanes?.into()),
        never = clock => never,
    }
}

async fn option_a(started: Instant, progress: &Progress) -> Result<Lane, Failure> {
    let cloud = cloud().await?;
    let strategy = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()?;
    let subject = Subject {
        strategy,
        cloud: &cloud,
        answers: &|| cloud.imds().calls().documents(),
    };
    let (phases, timeline) = subject.run(&CONDITIONS, started, progress).await?;
    Ok(Lane {
        name: "A: InstanceProfile",
        told: "nothing",
        phases,
        timeline,
    })
}

async fn option_b(started: Instant, progress: &Progress) -> Result<Lane, Failure> {
    let cloud = cloud().await?;
    let instance = cloud.add_role(Role::new("AppInstance").trust(Trust::ec2()))?;
    cloud.attach_role("AppInstance")?;
    let role = cloud.add_role(Role::new(DEFAULT_ROLE).trust(Trust::principal(instance)))?;
    let base = InstanceProfile::builder()
        .endpoint(cloud.imds_endpoint())
        .build()?;
    let strategy = AssumeRole::builder(role)
        .session_name("EC2Session")
        .base(base)
        .sdk_config(&cloud.sdk_config())
        .build()?;
    let subject = Subject {
        strategy,
        cloud: &cloud,
        answers: &|| cloud.sts().calls().assume_role,
    };
    let (phases, timeline) = subject.run(&CONDITIONS, started, progress).await?;
    Ok(Lane {
        name: "B: AssumeRole",
        told: "the role's ARN, a region, and whose keys to ask with",
        phases,
        timeline,
    })
}

/// A cloud of its own for each option, so that the calls of one do not count for the other.
async fn cloud() -> Result<LocalCloud, Failure> {
    let cloud = LocalCloud::builder()
        .session_lifetime(CONDITIONS.session)
        .rotate_documents_after(Duration::ZERO)
        .start()
        .await?;
    cloud.create_table(("MyTable", "id"))?;
    cloud.put_item("MyTable", &json!({ "id": "123", "name": "Ada" }))?;
    Ok(cloud)
}
