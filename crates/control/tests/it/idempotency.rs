//! The same request twice: its key says whether it is the same.

use catalyst_control::{Created, Error};
use catalyst_model::{CreateRequest, IdempotencyKey, Problem};

use crate::house::{House, by, spec};

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

async fn send(house: &House, body: &CreateRequest, name: &str) -> Result<Created, Error> {
    house.control().create(body, Some(&key(name)), &by()).await
}

fn refused(answer: Result<Created, Error>) -> &'static Problem {
    answer.unwrap_err().trouble().problem
}

#[tokio::test]
async fn the_same_key_and_body_are_answered_as_the_first_time_also_after_a_restart() {
    let mut house = House::new().await;
    let first = send(&house, &spec("sov1"), "k1").await.unwrap().deployment.id.clone();
    assert_eq!(send(&house, &spec("sov1"), "k1").await.unwrap().deployment.id, first);
    house.close().await;
    house.open().await;
    assert_eq!(send(&house, &spec("sov1"), "k1").await.unwrap().deployment.id, first);
    // What is left out and what is given as its default ask for the same.
    let spelt_out = CreateRequest { name: Some("sov1".to_owned()), ..spec("sov1") };
    assert_eq!(send(&house, &spelt_out, "k1").await.unwrap().deployment.id, first);
    assert_eq!(house.control().list().len(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let house = House::new().await;
    send(&house, &spec("sov1"), "k1").await.unwrap();
    assert_eq!(refused(send(&house, &spec("sov2"), "k1").await), &Problem::KEY_REUSED);
    let other = CreateRequest { org_name: "Other".to_owned(), ..spec("sov1") };
    assert_eq!(refused(send(&house, &other, "k1").await), &Problem::KEY_REUSED);
    assert_eq!(house.control().list().len(), 1);
}

#[tokio::test]
async fn another_key_or_none_is_another_request() {
    let house = House::new().await;
    send(&house, &spec("sov1"), "k1").await.unwrap();
    assert_eq!(refused(send(&house, &spec("sov1"), "k2").await), &Problem::FQDN_TAKEN);
    let none = house.control().create(&spec("sov1"), None, &by()).await;
    assert_eq!(refused(none), &Problem::FQDN_TAKEN);
    // A key that made nothing is free.
    send(&house, &spec("sov2"), "k2").await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_refused_does_not_use_its_key_up() {
    let house = House::new().await;
    let (program, aside) = (house.at("tofu-bin"), house.at("aside"));
    std::fs::rename(&program, &aside).unwrap();
    assert_eq!(refused(send(&house, &spec("sov1"), "k1").await), &Problem::TOFU_MISSING);
    std::fs::rename(&aside, &program).unwrap();
    send(&house, &spec("sov1"), "k1").await.unwrap();
}

#[tokio::test]
async fn of_many_at_once_one_is_made_and_no_other_is_answered() {
    let house = House::new().await;
    let body = spec("sov1");
    let answers = (0..16).map(|_| send(&house, &body, "k1"));
    let answers = futures::future::join_all(answers).await;
    let made = house.control().list();
    assert_eq!(made.len(), 1);
    for answer in answers {
        match answer {
            Ok(created) => assert_eq!(created.deployment.id, made[0].id),
            Err(error) => assert_eq!(error.trouble().problem, &Problem::KEY_UNDER_WAY),
        }
    }
}
