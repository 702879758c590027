//! The example `runs`: answers that are streamed token by token, which clients leave and come back
//! to.

mod clients;

use serde_json::{Value, json};

use crate::outside::client::{Answer, Connection, Event};
use crate::outside::server::Server;

/// All tokens at once.
const AT_ONCE: [&str; 2] = ["--delay", "0"];
/// After the first token, an hour passes.
const SLOW: [&str; 2] = ["--delay", "3600000"];

fn post(connection: &mut Connection, path: &str, body: &Value) -> Answer {
    let line = format!("POST {path}");
    let head = [&*line, "Content-Type: application/json"];
    connection.request(&head, body.to_string())
}

/// As `ai` asks.
fn ask(server: &Server, chat: &str, prompt: &str) -> impl Iterator<Item = Event> + use<> {
    let parts = json!([{ "type": "text", "text": prompt }]);
    let message = json!({ "id": "m", "role": "user", "parts": parts });
    let body = json!({ "id": chat, "messages": [message], "trigger": "submit-message" });
    let mut connection = server.connect();
    assert_eq!(post(&mut connection, "/api/chat", &body).status, 200);
    connection.events()
}

/// As `@tanstack/ai-client` asks, and as it comes back.
fn ask_as_tanstack(server: &Server, run: &str, prompt: &str, seen: Option<&str>) -> Connection {
    let message = json!({ "id": "m", "role": "user", "content": prompt });
    let body = json!({ "threadId": "t", "runId": run, "messages": [message] });
    let seen = seen.map(|id| format!("Last-Event-ID: {id}"));
    let mut head = vec!["POST /api/chat", "Content-Type: application/json"];
    head.extend(seen.as_deref());
    let mut connection = server.connect();
    assert_eq!(connection.request(&head, body.to_string()).status, 200);
    connection
}

fn stop(server: &Server, run: &str) {
    let path = format!("/api/chat/{run}/stop");
    let answer = post(&mut server.connect(), &path, &json!({}));
    assert_eq!(answer.json(), json!({ "success": true }));
}

/// As `ai` comes back: a status, and a stream if it is 200.
fn come_back(server: &Server, chat: &str, seen: Option<&str>) -> (u16, Connection) {
    let line = format!("GET /api/chat/{chat}/stream");
    let seen = seen.map(|id| format!("Last-Event-ID: {id}"));
    let mut head = vec![&*line];
    head.extend(seen.as_deref());
    let mut connection = server.connect();
    connection.send_head(&head);
    let status = connection.answer(false).status;
    (status, connection)
}

fn types(events: &[Event]) -> Vec<String> {
    let types = events.iter().map(|event| {
        let json = serde_json::from_str::<Value>(&event.data);
        json.map_or(event.data.clone(), |json| {
            json["type"].as_str().unwrap().to_owned()
        })
    });
    types.collect()
}

fn text(events: &[Event]) -> String {
    let json = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(&event.data).ok());
    json.filter_map(|json| Some(json["delta"].as_str()?.to_owned()))
        .collect()
}

#[test]
fn an_answer_is_a_whole_stream_of_ui_messages() {
    let server = Server::start("runs", &AT_ONCE);
    let mut connection = server.connect();
    let parts = json!([{ "type": "text", "text": "two tokens" }]);
    let body = json!({ "id": "c", "messages": [{ "role": "user", "parts": parts }] });
    let head = post(&mut connection, "/api/chat", &body);
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("x-vercel-ai-ui-message-stream"), Some("v1"));

    let events: Vec<_> = connection.events().collect();
    let expected = [
        "start",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "finish",
        "[DONE]",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(text(&events), "two tokens");
    assert!(events.iter().all(|event| event.event == "message"));
}

#[test]
fn a_client_that_comes_back_late_gets_all_or_the_rest_or_204() {
    let server = Server::start("runs", &AT_ONCE);
    let all: Vec<_> = ask(&server, "c/1", "to be or not to be").collect();

    let (status, connection) = come_back(&server, "c%2F1", None);
    assert_eq!(status, 200);
    assert_eq!(connection.events().collect::<Vec<_>>(), all);

    for (at, event) in all.iter().enumerate() {
        let (status, connection) = come_back(&server, "c%2F1", Some(&event.id));
        if at + 1 == all.len() {
            assert_eq!(status, 204);
        } else {
            assert_eq!(status, 200);
            assert_eq!(connection.events().collect::<Vec<_>>(), all[at + 1..]);
        }
    }
}

#[test]
fn a_run_that_does_not_exist_is_204_or_404() {
    let server = Server::start("runs", &AT_ONCE);
    assert_eq!(come_back(&server, "none", None).0, 204);
    assert_eq!(come_back(&server, "none", Some("e-1")).0, 204);
    let body = json!({ "threadId": "t", "runId": "none", "messages": [] });
    let head = [
        "POST /api/chat",
        "Content-Type: application/json",
        "Last-Event-ID: e-1",
    ];
    let answer = server.connect().request(&head, body.to_string());
    assert_eq!(answer.status, 404, "it must not start anew");
    assert_eq!(server.connect().get("/api/chat?offset=-1").status, 404);
}

#[test]
fn an_id_that_the_run_does_not_know_is_410() {
    let server = Server::start("runs", &AT_ONCE);
    assert!(ask(&server, "c", "x").count() > 0);
    assert_eq!(come_back(&server, "c", Some("unknown")).0, 410);
}

#[test]
fn a_second_reader_gets_the_same_and_a_stop_ends_both() {
    let server = Server::start("runs", &SLOW);
    let mut first = ask(&server, "c", "two tokens");
    let mut begun: Vec<_> = first.by_ref().take(3).collect();
    let (status, second) = come_back(&server, "c", None);
    assert_eq!(status, 200);

    stop(&server, "c");
    begun.extend(first);
    assert_eq!(text(&begun), "two ");
    assert_eq!(types(&begun)[3..], ["text-end", "finish", "[DONE]"]);
    assert_eq!(second.events().collect::<Vec<_>>(), begun);
    stop(&server, "c");
    stop(&server, "none");
}

#[test]
fn a_stop_that_any_page_could_send_is_refused() {
    let server = Server::start("runs", &AT_ONCE);
    let head = ["POST /api/chat/c/stop", "Content-Type: text/plain"];
    assert_eq!(server.connect().request(&head, "{}").status, 415);
}

#[test]
fn a_deserted_run_ends() {
    let server = Server::start("runs", &[&SLOW[..], &["--grace", "0"]].concat());
    let mut answer = ask(&server, "c", "two tokens");
    let begun: Vec<_> = answer.by_ref().take(3).collect();
    drop(answer);

    // The run ends with its sixth event. Until then, that is in the future.
    let (epoch, _) = begun[0].id.split_once('-').unwrap();
    let last = format!("{epoch}-6");
    let status = || come_back(&server, "c", Some(&last)).0;
    while status() == 410 {
        std::thread::yield_now();
    }
    assert_eq!(status(), 204);
    let (_, rest) = come_back(&server, "c", Some(&begun[2].id));
    let rest: Vec<_> = rest.events().collect();
    assert_eq!(types(&rest), ["text-end", "finish", "[DONE]"]);
}

#[test]
fn a_run_goes_on_while_one_client_is_left() {
    let server = Server::start("runs", &["--delay", "1", "--grace", "0"]);
    let prompt = "over and over ".repeat(50);
    let first = ask(&server, "c", &prompt);
    let (_, second) = come_back(&server, "c", None);
    drop(first);
    assert_eq!(text(&second.events().collect::<Vec<_>>()), prompt);
}

#[test]
fn a_new_answer_in_a_chat_takes_the_place_of_the_one_before() {
    let server = Server::start("runs", &SLOW);
    let mut old = ask(&server, "c", "old answer");
    let seen: Vec<_> = old.by_ref().take(3).collect();
    let reader = std::thread::spawn(move || old.collect::<Vec<_>>());
    let mut new = ask(&server, "c", "new answer");
    let rest = reader.join().unwrap();
    assert_eq!(types(&rest), ["text-end", "finish", "[DONE]"]);

    let begun: Vec<_> = new.by_ref().take(3).collect();
    assert_eq!(text(&begun), "new ");
    // A client that has seen only the old one gets all of the new one.
    let (status, back) = come_back(&server, "c", Some(&seen[2].id));
    assert_eq!(status, 200);
    stop(&server, "c");
    let all: Vec<_> = begun.into_iter().chain(new).collect();
    assert_eq!(back.events().collect::<Vec<_>>(), all);
}

#[test]
fn tanstack_gets_its_own_events_and_continues_with_the_same_request() {
    let server = Server::start("runs", &SLOW);
    let mut events = ask_as_tanstack(&server, "r", "two tokens", None).events();
    let begun: Vec<_> = events.by_ref().take(3).collect();
    let expected = ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"];
    assert_eq!(types(&begun), expected);

    let back = ask_as_tanstack(&server, "r", "two tokens", Some(&begun[1].id));
    let mut joined = server.connect();
    joined.send_head(&["GET /api/chat?offset=-1&runId=r"]);
    assert_eq!(joined.answer(false).status, 200);
    stop(&server, "r");
    let all: Vec<_> = begun.into_iter().chain(events).collect();
    assert_eq!(types(&all)[3..], ["TEXT_MESSAGE_END", "RUN_FINISHED"]);
    assert_eq!(back.events().collect::<Vec<_>>(), all[2..]);
    assert_eq!(joined.events().collect::<Vec<_>>(), all);
}
