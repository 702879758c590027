//! Tags and keys: streams that want some messages, and messages that supersede others.

use serde_json::json;

use super::{broadcast, data, stalled_stream};
use crate::outside::server::Server;
use crate::servers::immediate;

on_both_servers! {
    a_stream_gets_the_tags_that_it_names_and_what_has_none,
    a_client_resumes_among_the_tags_that_it_names,
    a_client_that_has_seen_everything_that_it_names_is_told_not_to_return,
    a_message_supersedes_the_one_with_its_key,
    too_many_tags_are_refused,
    a_queue_refuses_tags_and_keys_and_ignores_those_of_a_stream,
}

fn post(server: &Server, tag: &str, text: &str) -> String {
    let message = json!({ "data": text, "tag": tag });
    server.connect().post_json(message.to_string()).id()
}

fn a_stream_gets_the_tags_that_it_names_and_what_has_none(example: &str) {
    let server = broadcast(example, &[]);
    let open = |query: &str| {
        let path = format!("/events{query}");
        server.connect().subscribe_at(&path, None::<&str>).events()
    };
    let one = open("?tag=room+1");
    let both = open("?tag=room+1&tag=gr%C3%BCn");
    let all = open("");
    post(&server, "grün", "g");
    post(&server, "room 1", "r");
    server.connect().post_text("for all").id();
    assert_eq!(data(one, 2), ["r", "for all"]);
    assert_eq!(data(both, 3), ["g", "r", "for all"]);
    assert_eq!(data(all, 3), ["g", "r", "for all"]);
}

fn a_client_resumes_among_the_tags_that_it_names(example: &str) {
    let server = broadcast(example, &["--history", "3"]);
    let seen = post(&server, "red", "r1");
    for _ in 0..5 {
        post(&server, "blue", "b");
    }
    post(&server, "red", "r2");
    let red = server
        .connect()
        .subscribe_at("/events?tag=red", Some(&seen));
    assert_eq!(data(red.events(), 1), ["r2"]);
    let path = format!("/events?tag=blue&last_event_id={seen}");
    let mut blue = server.connect().subscribe_at_gap(&path).events();
    let gap = blue.next().unwrap();
    assert_eq!(
        (&*gap.event, &*gap.data),
        ("gap", r#"{"missed":3,"cause":"evicted"}"#)
    );
}

fn a_client_that_has_seen_everything_that_it_names_is_told_not_to_return(example: &str) {
    let server = broadcast(example, &[]);
    let stalled = stalled_stream(&server);
    let seen = post(&server, "red", "r");
    post(&server, "blue", "b");
    server.signal("TERM");
    let blue = json!({ "data": "b", "tag": "blue" }).to_string();
    while server.connect().post_json(&blue).status == 202 {}
    let last = format!("Last-Event-ID: {seen}");
    for method in ["GET", "HEAD"] {
        let line = format!("{method} /events?tag=red");
        let answer = server.connect().request(&[&line, &last], "");
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{method}");
    }
    let head = server
        .connect()
        .request(&["HEAD /events?tag=blue", &last], "");
    assert_eq!(head.status, 200);
    drop(stalled);
}

fn a_message_supersedes_the_one_with_its_key(example: &str) {
    let server = broadcast(example, &[]);
    let first = server.connect().post_text("before").id();
    for percent in ["10 %", "50 %", "90 %"] {
        let message = json!({ "data": percent, "key": "job 7" });
        server.connect().post_json(message.to_string()).id();
    }
    let state = server.connect().subscribe_after(&first).events();
    assert_eq!(data(state, 1), ["90 %"]);
    assert_eq!(server.stats()["retained"], 2);
}

fn too_many_tags_are_refused(example: &str) {
    let server = broadcast(example, &[]);
    let query: Vec<String> = (0..1025).map(|tag| format!("tag={tag}")).collect();
    let answer = server
        .connect()
        .get(&format!("/events?{}", query.join("&")));
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.error(),
        "tag: filter has all 1024 tags that it may have"
    );
}

fn a_queue_refuses_tags_and_keys_and_ignores_those_of_a_stream(example: &str) {
    let server = immediate(example, &[]);
    for field in ["tag", "key"] {
        let message = json!({ "data": "x", field: "y" });
        let answer = server.connect().post_json(message.to_string());
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.error(),
            format!("{field} has a meaning in broadcast mode only")
        );
    }
    let stream = server
        .connect()
        .subscribe_at("/events?tag=red", None::<&str>);
    server.connect().post_text("for anybody").id();
    assert_eq!(data(stream.events(), 1), ["for anybody"]);
}
