//! How old changes are is told for each stage of their way, by the node where it happens.

use crate::support::{Figures, World, message};

fn stage(figures: &Figures, stage: &str, part: &str) -> f64 {
    figures.get(&format!("rowcast_stage_seconds_{part}"), &[("stage", stage)]).unwrap()
}

#[tokio::test]
async fn every_stage_of_a_change_is_timed_where_it_happens() {
    let world = World::new().await;
    let nodes = [world.node().await, world.node().await];
    let mut streams = [nodes[0].stream("").await, nodes[1].stream("").await];
    let [one, two] = &mut streams;
    for number in 0..5 {
        nodes[1].say(message(&number.to_string())).await;
        one.next().await;
        two.next().await;
    }
    let (leader, other) = (Figures::of(&nodes[0]).await, Figures::of(&nodes[1]).await);
    for name in ["position", "publish"] {
        assert!((1.0..=5.0).contains(&stage(&leader, name, "count")), "{name}");
        assert_eq!(stage(&other, name, "count"), 0.0, "{name} is the leader's");
    }
    for figures in [&leader, &other] {
        // The first subscriber of each node is a timed one.
        assert_eq!((stage(figures, "node", "count"), stage(figures, "socket", "count")), (5.0, 5.0));
        let sums = ["node", "socket"].map(|name| stage(figures, name, "sum"));
        assert!(0.0 < sums[0] && sums[0] < sums[1] && sums[1] < 50.0, "{sums:?}");
    }
    assert_eq!(leader.one("rowcast_relay_published"), 5.0);
    assert_eq!((other.one("rowcast_relay_leading"), other.get("rowcast_relay_head", &[])), (0.0, None));
}

#[tokio::test]
async fn only_one_subscriber_in_many_is_timed() {
    let (_world, node) = World::with_node().await;
    let mut streams = Vec::new();
    for _ in 0..65 {
        streams.push(node.stream("").await);
    }
    node.say(message("one")).await;
    for stream in &mut streams {
        stream.next().await;
    }
    let figures = Figures::of(&node).await;
    assert_eq!((figures.one("rowcast_deliveries_total"), stage(&figures, "socket", "count")), (65.0, 2.0));
}
