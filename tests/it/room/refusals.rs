//! What is wrong with a request for rooms is refused, with the field that it is about.

use super::*;

#[tokio::test]
async fn what_is_no_name_or_number_is_refused_by_its_field() {
    let (_world, node) = World::with_node().await;
    let long = "x".repeat(65);
    let names = ["", "*", "a*", "a%20b", "%C3%A4", "a%00", "a%0A", "a/b", "a%25", "%ff", &long];
    for (field, values) in [
        ("cursor", names.to_vec()),
        ("prefix", names.to_vec()),
        ("limit", vec!["0", "101", "-1", "x", "", "1.5", "99999999999999999999"]),
    ] {
        for value in values {
            let answer = node.get(&format!("/room?{field}={value}")).await;
            assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec![field]), "{field}={value}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
    }
    for method in [reqwest::Method::POST, reqwest::Method::DELETE] {
        assert_eq!(node.send(method, "/room", None).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(rooms(&page(&node, "limit=100&cursor=..&prefix=@").await), []);
}
