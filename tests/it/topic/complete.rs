//! Clients that have seen everything of a topic that has ended.

use sse_queue::topic::{GapCause, Resumption, Start};
use sse_queue::{Event, FakeClock, LastEventId, Topic};

use crate::support::topic::{
    after, builder, gap, new_topic, publish_all, publish_brief, publish_later, with_id,
};
use crate::support::{Task, quiet, secs};

fn resumption_of(topic: &Topic, id: &str) -> Resumption {
    topic.resumption_of(&LastEventId::new(id))
}

#[test]
fn a_client_of_a_closed_topic_is_complete_if_it_has_seen_everything() {
    for end in [Topic::close, Topic::abort] {
        let (clock, topic) = new_topic();
        publish_all(&topic, &["a", "b"]);
        assert_eq!(resumption_of(&topic, "e-2"), Resumption::Exact);
        end(&topic);
        assert_eq!(resumption_of(&topic, "e-2"), Resumption::Complete);
        assert_eq!(resumption_of(&topic, "e-1"), Resumption::Exact);
        assert_eq!(resumption_of(&topic, ""), Resumption::Fresh);
        assert_eq!(resumption_of(&topic, "e-3"), gap(None, GapCause::Future));
        let stream = topic.stream(after("e-2"), clock.ticker()).unwrap();
        assert_eq!(stream.resumption(), Resumption::Complete);
        let mut stream = Task::new(quiet(stream).farewell(Event::new("bye")));
        assert_eq!(stream.data(), "bye");
        stream.assert_ended();
        let stream = topic.resume(None, Start::Now, clock.ticker()).unwrap();
        assert_eq!(
            stream.resumption(),
            Resumption::Fresh,
            "it has seen nothing"
        );
    }
}

#[test]
fn an_id_of_its_own_is_as_good() {
    let (_, topic) = new_topic();
    topic.publish(with_id("a", "order-1")).unwrap();
    topic.close();
    assert_eq!(resumption_of(&topic, "order-1"), Resumption::Complete);
}

#[test]
fn what_will_never_enter_the_log_is_not_waited_for() {
    let (_, topic) = new_topic();
    publish_all(&topic, &["a"]);
    publish_later(&topic, "b", secs(5));
    assert_eq!(resumption_of(&topic, "e-1"), Resumption::Exact);
    topic.close();
    assert_eq!(resumption_of(&topic, "e-1"), Resumption::Complete);
}

#[test]
fn what_has_expired_is_not_left_to_see() {
    let clock = FakeClock::new();
    let topic = builder(&clock).build();
    publish_all(&topic, &["a"]);
    publish_brief(&topic, "b", secs(5));
    topic.close();
    assert_eq!(resumption_of(&topic, "e-1"), Resumption::Exact);
    clock.advance(secs(5));
    assert_eq!(resumption_of(&topic, "e-1"), Resumption::Complete);
}

#[test]
fn without_handles_a_client_is_complete_too() {
    let (clock, topic) = new_topic();
    publish_all(&topic, &["a"]);
    let stream = topic.stream(after("e-1"), clock.ticker()).unwrap();
    drop(topic);
    assert_eq!(
        stream.resumption(),
        Resumption::Exact,
        "as it was when it began"
    );
    Task::new(quiet(stream)).assert_ended();
}
