//! A failed infrastructure is begun again when somebody asks for it, and nothing else is.

use catalyst_model::{DeploymentStatus, Tier};
use serde_json::Value;

use super::house::{Answer, House};

async fn retry(house: &House, id: &str, phase: &str, tier: Tier) -> Answer {
    let token = house.token(tier).await;
    house
        .post(&format!("/api/v1/deployments/{id}/phases/{phase}/retry"), &token, &Value::Null)
        .await
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn a_failed_infrastructure_is_begun_again_and_goes_on() {
    let house = House::new().await;
    house.fail_apply();
    let id = house.create("sov1").await;
    house.reaches(&id, DeploymentStatus::Failed).await;
    house.mend_apply();
    let again = retry(&house, &id, "infrastructure", Tier::Operator).await;
    assert_eq!(again.status.as_u16(), 202, "{}", again.text);
    assert_eq!(again.json()["id"], id);
    assert_ne!(again.json()["status"], "failed", "it is under way when the answer comes");
    house.reaches(&id, DeploymentStatus::AwaitingKubeconfig).await;
}

#[tokio::test]
async fn what_did_not_fail_or_goes_on_by_itself_is_not_begun_again() {
    let house = House::new().await;
    let id = house.create("sov1").await;
    house.reaches(&id, DeploymentStatus::AwaitingKubeconfig).await;
    for phase in ["infrastructure", "tofu-apply", "kubeconfig", "kit"] {
        let answer = retry(&house, &id, phase, Tier::Operator).await;
        assert_eq!(refusal(&answer), (409, "CAT-1205".to_owned()), "{phase}");
    }
    for phase in ["no-such", "..", "%2e%2e", "Infrastructure"] {
        let answer = retry(&house, &id, phase, Tier::Operator).await;
        assert_eq!(refusal(&answer), (404, "CAT-1015".to_owned()), "{phase}");
    }
    let unknown = retry(&house, "0000000000000000", "infrastructure", Tier::Operator).await;
    assert_eq!(refusal(&unknown), (404, "CAT-1200".to_owned()));
    let viewer = retry(&house, &id, "infrastructure", Tier::Viewer).await;
    assert_eq!(refusal(&viewer), (403, "CAT-1101".to_owned()));
}
