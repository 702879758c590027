//! Tests of a topic that need its inside.

use crate::event::Event;
use crate::message::Message;
use crate::topic::handle::Topic;
use crate::topic::*;

/// A message that comes back with this id.
fn returned(id: &str) -> Message {
    Message::new(Event::new("x").id(id).unwrap()).returned(0)
}

#[test]
fn a_number_above_2_to_the_48_does_not_come_back() {
    let topic = Topic::builder().epoch("e").unwrap().build();
    for id in ["e-281474976710657", "e-d281474976710657", "e-0"] {
        let error = topic.publish(returned(id)).unwrap_err();
        assert!(matches!(error, PublishError::ReservedId(_)), "{id}");
    }
    let highest = topic.publish(returned("e-281474976710656")).unwrap();
    assert_eq!(highest.id(), "e-281474976710656");
    assert_eq!(topic.publish("y").unwrap().id(), "e-281474976710657");
}

#[test]
fn a_message_that_did_not_come_back_cannot_bring_a_number() {
    let topic = Topic::builder().epoch("e").unwrap().build();
    for id in ["e-7", "e-d7"] {
        let error = topic.publish(Event::new("x").id(id).unwrap()).unwrap_err();
        assert!(matches!(error, PublishError::ReservedId(_)), "{id}");
    }
}
