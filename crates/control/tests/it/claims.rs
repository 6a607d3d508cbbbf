//! What one deployment has, no other gets: not while its record is damaged either.

use catalyst_model::Problem;

use crate::house::{House, by, spec};

#[tokio::test]
async fn a_damaged_record_keeps_its_domain_and_its_network() {
    let mut house = House::new().await;
    let id = house.create("sov1").await;
    house.stands(&id).await;
    house.close().await;
    let log = house.at("deployments").join(format!("{id}.log"));
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&log, &bytes).unwrap();
    // Without its checkpoint nothing but the log can say what it holds.
    std::fs::remove_file(house.at("deployments").join(format!("{id}.json"))).ok();
    house.open().await;
    let problem = |result: Result<_, catalyst_control::Error>| match result {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.trouble().problem,
    };
    assert_eq!(problem(house.control().get(&id).map(drop)), &Problem::RECORD_CORRUPT);
    let again = house.control().create(&spec("sov1"), None, &by()).await.map(drop);
    assert_eq!(problem(again), &Problem::FQDN_TAKEN);
    let other = house.control().create(&spec("sov2"), None, &by()).await.unwrap().deployment;
    assert_eq!(other.placement.sandbox_index, 1, "the first network is not free");
}
