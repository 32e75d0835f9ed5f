//! opensearch: its transport asks the provider with each request.

use super::{REQUESTS, started};
use aws_credential_strategies::sdk;
use aws_types::SdkConfig;
use aws_types::region::Region;
use integrations_s3::REGION;
use opensearch::OpenSearch;
use opensearch::auth::Credentials;
use opensearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use serde_json::json;
use tried::stand_in::StandIn;

#[tokio::test]
async fn a_client_signs_with_a_strategy() {
    let (s3, strategy) = started().await;
    let service = StandIn::start("es", s3.sessions().clone()).await.unwrap();
    let settings = SdkConfig::builder().region(Region::new(REGION)).build();
    let settings = sdk::config(&settings, strategy);
    let pool = SingleNodeConnectionPool::new(service.url().parse().unwrap());
    let transport = TransportBuilder::new(pool)
        .auth(Credentials::try_from(&settings).unwrap())
        .service_name("es")
        .build()
        .unwrap();
    let client = OpenSearch::new(transport);
    for number in 0..REQUESTS {
        let parts = opensearch::IndexParts::Index("things");
        let request = client.index(parts).body(json!({ "number": number }));
        let response = request.send().await.unwrap();
        assert_eq!(
            response.status_code().as_u16(),
            200,
            "{:?}",
            response.text().await
        );
    }
    s3.one_fetch_each(REQUESTS, 0);
}
