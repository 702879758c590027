//! Leases: a message is redelivered unless it was confirmed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::json;

use super::immediate;
use crate::outside::client::Answer;
use crate::outside::server::{Server, binary};

on_both_servers! {
    a_message_is_confirmed_once_and_for_all,
    a_nacked_message_is_redelivered,
    a_message_can_be_nacked_with_a_delay,
    ids_are_percent_decoded,
    what_was_not_in_flight_is_not_found,
    a_lease_that_has_passed_on_is_gone,
    without_leases_nothing_can_be_confirmed,
    other_sites_may_not_confirm,
    an_id_can_be_used_once,
    with_confirm_resume_a_client_that_reconnects_confirms_what_it_saw,
    with_confirm_ack_a_reconnect_confirms_nothing,
    a_stream_holds_one_unconfirmed_message_by_default,
    what_a_lost_client_did_not_confirm_goes_to_another,
    the_last_attempt_is_followed_by_none,
    without_leases_the_counters_of_leases_are_null,
    clients_may_confirm_while_the_server_ends,
    unconfirmed_messages_do_not_keep_the_server_from_ending,
    no_job_is_done_twice_while_every_worker_lives,
    no_job_is_lost_when_workers_are_killed,
    #[ignore = "takes long: for CI"]
    no_job_of_many_is_lost_when_workers_are_killed,
    #[ignore = "takes long: for CI"]
    no_job_of_many_is_done_twice_while_every_worker_lives,
}

/// A server whose leases do not end by themselves while a test runs.
fn leasing(example: &str, flags: &[&str]) -> Server {
    immediate(example, &[&["--at-least-once", "3600000"], flags].concat())
}

fn post(server: &Server, path: &str) -> Answer {
    server.connect().request(&[&format!("POST {path}")], "")
}

fn a_message_is_confirmed_once_and_for_all(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let id = server.connect().post_text("job").id();
    assert_eq!(events.next().unwrap().id, id);
    assert_eq!(server.stats()["in_flight"], 1);

    let answer = post(&server, &format!("/ack/{id}"));
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (204, None)
    );
    assert_eq!(answer.header("content-type"), None);
    let stats = server.stats();
    assert_eq!(
        (&stats["in_flight"], &stats["confirmed"]),
        (&json!(0), &json!(1))
    );
    // Again, because the answer may have been lost.
    assert_eq!(post(&server, &format!("/ack/{id}")).status, 204);
    assert_eq!(server.stats()["confirmed"], 1);
    // A nack comes too late.
    assert_eq!(post(&server, &format!("/nack/{id}")).status, 410);
}

fn a_nacked_message_is_redelivered(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let id = server.connect().post_text("job").id();
    for _ in 0..2 {
        assert_eq!(events.next().unwrap().id, id);
        let answer = post(&server, &format!("/nack/{id}"));
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (204, None)
        );
    }
    assert_eq!(events.next().unwrap().id, id);
    assert_eq!(server.stats()["redelivered"], 2);
}

fn a_message_can_be_nacked_with_a_delay(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let id = server.connect().post_text("job").id();
    events.next().unwrap();
    for (query, status) in [
        ("delay_ms=", 400),
        ("delay_ms=-1", 400),
        ("delay_ms=1.5", 400),
        ("delay_ms=18446744073709551616", 400),
        ("delay_ms=1", 204),
    ] {
        let answer = post(&server, &format!("/nack/{id}?{query}"));
        assert_eq!(answer.status, status, "{query}");
        if status == 400 {
            assert!(answer.error().starts_with("delay_ms: "), "{query}");
        }
    }
    assert_eq!(events.next().unwrap().id, id);

    let never = u64::MAX;
    let answer = post(&server, &format!("/nack/{id}?delay_ms={never}"));
    assert_eq!(answer.status, 204);
    assert_eq!(server.stats()["depth"], 1);
    server.connect().post_text("next").id();
    assert_eq!(events.next().unwrap().data, "next");
}

fn ids_are_percent_decoded(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    for (id, encoded) in [
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("… 7", "%E2%80%A6%207"),
        ("50%", "50%25"),
        ("%41", "%2541"),
        ("a+b", "a+b"),
        ("plain", "%70lain"),
    ] {
        let message = json!({ "data": "job", "id": id });
        server.connect().post_json(message.to_string()).id();
        assert_eq!(events.next().unwrap().id, id);
        assert_eq!(
            post(&server, &format!("/ack/{encoded}")).status,
            204,
            "{id}"
        );
    }
    assert_eq!(server.stats()["confirmed"], 6);
}

fn what_was_not_in_flight_is_not_found(example: &str) {
    let server = leasing(example, &[]);
    let waiting = server.connect().post_text("nobody has it").id();
    for id in [&*waiting, "unknown", "%ff", "%", "other-1"] {
        for verb in ["ack", "nack"] {
            let answer = post(&server, &format!("/{verb}/{id}"));
            assert_eq!(answer.status, 404, "{verb} {id}");
            assert_eq!(answer.error(), "no message with this id was in flight");
        }
    }
    assert_eq!(server.stats()["depth"], 1);
}

fn a_lease_that_has_passed_on_is_gone(example: &str) {
    let server = immediate(example, &["--at-least-once", "1"]);
    let id = server.connect().post_text("job").id();
    let mut events = server.connect().subscribe().events();
    // It is redelivered until its attempts are used up.
    assert_eq!(events.next().unwrap().id, id);
    server.wait_until("dead", 1);
    for verb in ["ack", "nack"] {
        let answer = post(&server, &format!("/{verb}/{id}"));
        assert_eq!(answer.status, 410);
        assert_eq!(answer.error(), "lease of the message has ended");
    }
}

fn without_leases_nothing_can_be_confirmed(example: &str) {
    for flags in [&[][..], &["--mode", "broadcast"]] {
        let server = immediate(example, flags);
        let mut events = server.connect().subscribe().events();
        let id = server.connect().post_text("job").id();
        events.next().unwrap();
        for verb in ["ack", "nack"] {
            let answer = post(&server, &format!("/{verb}/{id}"));
            assert_eq!(answer.status, 404);
            assert!(answer.error().contains("--at-least-once"));
        }
    }
}

fn other_sites_may_not_confirm(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let id = server.connect().post_text("job").id();
    events.next().unwrap();
    for verb in ["ack", "nack"] {
        let head = [
            &*format!("POST /{verb}/{id}"),
            "Origin: https://example.com",
        ];
        assert_eq!(server.connect().request(&head, "").status, 403);
    }
    assert_eq!(server.stats()["in_flight"], 1);
}

fn an_id_can_be_used_once(example: &str) {
    let server = leasing(example, &[]);
    let message = r#"{"data": "a", "id": "7"}"#;
    let mut connection = server.connect();
    assert_eq!(connection.post_json(message).status, 202);
    let answer = connection.post_json(message);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.error(), "queue has a message with this id already");
}

fn with_confirm_resume_a_client_that_reconnects_confirms_what_it_saw(example: &str) {
    let server = leasing(example, &["--confirm", "resume", "--max-in-flight", "8"]);
    let mut connection = server.connect();
    let mut events = server.connect().subscribe().events();
    let ids = ["a", "b", "c"].map(|text| connection.post_text(text).id());
    for id in &ids {
        assert_eq!(events.next().unwrap().id, *id);
    }
    // Even while the server has not noticed that the connection was lost.
    let mut again = server.connect().subscribe_after(&ids[1]).events();
    assert_eq!(again.next().unwrap().id, ids[2]);
    let stats = server.stats();
    assert_eq!(
        (&stats["confirmed"], &stats["in_flight"]),
        (&json!(2), &json!(1))
    );
}

fn with_confirm_ack_a_reconnect_confirms_nothing(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let id = server.connect().post_text("job").id();
    assert_eq!(events.next().unwrap().id, id);
    let _again = server.connect().subscribe_after(&id);
    let stats = server.stats();
    assert_eq!(
        (&stats["confirmed"], &stats["in_flight"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(post(&server, &format!("/ack/{id}")).status, 204);
}

fn a_stream_holds_one_unconfirmed_message_by_default(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let ids = ["a", "b"].map(|text| server.connect().post_text(text).id());
    assert_eq!(events.next().unwrap().id, ids[0]);
    let mut other = server.connect().subscribe().events();
    assert_eq!(
        other.next().unwrap().id,
        ids[1],
        "to the client that has none in flight"
    );
    assert_eq!(server.stats()["in_flight"], 2);
}

fn what_a_lost_client_did_not_confirm_goes_to_another(example: &str) {
    let server = leasing(example, &[]);
    let mut connection = server.connect();
    let mut lost = server.connect().subscribe().events();
    let id = connection.post_text("job").id();
    assert_eq!(lost.next().unwrap().id, id);
    drop(lost);
    let mut events = server.connect().subscribe().events();
    assert_eq!(events.next().unwrap().id, id);
    assert_eq!(server.stats()["redelivered"], 1);
}

fn the_last_attempt_is_followed_by_none(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    let id = server.connect().post_text("job").id();
    for _ in 0..16 {
        assert_eq!(events.next().unwrap().id, id);
        assert_eq!(post(&server, &format!("/nack/{id}")).status, 204);
    }
    let stats = server.stats();
    assert_eq!((&stats["dead"], &stats["depth"]), (&json!(1), &json!(0)));
}

fn without_leases_the_counters_of_leases_are_null(example: &str) {
    let stats = immediate(example, &[]).stats();
    for counter in ["redelivered", "confirmed", "in_flight", "dead"] {
        assert!(stats[counter].is_null(), "{counter}");
    }
}

fn clients_may_confirm_while_the_server_ends(example: &str) {
    let server = leasing(example, &["--max-in-flight", "8"]);
    let mut connection = server.connect();
    let sent = ["a", "b", "c"].map(|text| connection.post_text(text).id());
    let events = server.connect().subscribe().events();
    server.wait_until("in_flight", 3);
    server.signal("TERM");
    // The stream ends, and what it sent can still be confirmed over new connections.
    let arrived: Vec<_> = events.map(|event| event.id).collect();
    assert_eq!(arrived, sent);
    for id in arrived {
        assert_eq!(post(&server, &format!("/ack/{id}")).status, 204);
    }
    assert_eq!(server.wait().code(), Some(0));
}

fn unconfirmed_messages_do_not_keep_the_server_from_ending(example: &str) {
    let server = leasing(example, &[]);
    let mut events = server.connect().subscribe().events();
    server.connect().post_text("job").id();
    events.next().unwrap();
    server.signal("TERM");
    assert!(events.next().is_none());
    assert_eq!(server.wait().code(), Some(0));
}

fn no_job_is_done_twice_while_every_worker_lives(example: &str) {
    jobs(example, 1000, None);
}

fn no_job_of_many_is_done_twice_while_every_worker_lives(example: &str) {
    jobs(example, 10_000, None);
}

fn no_job_is_lost_when_workers_are_killed(example: &str) {
    jobs(example, 1000, Some(50));
}

fn no_job_of_many_is_lost_when_workers_are_killed(example: &str) {
    jobs(example, 10_000, Some(100));
}

/// Lets workers do jobs, and kills and replaces one each time that `jobs_a_kill` were begun.
fn jobs(example: &str, count: usize, jobs_a_kill: Option<usize>) {
    const WORKERS: usize = 10;
    let server = leasing(example, &[]);
    let (begun, all_begun) = mpsc::channel();
    let mut workers: Vec<_> = (0..WORKERS).map(|_| worker(&server, &begun)).collect();
    server.wait_until("streams", WORKERS as u64);

    let mut connection = server.connect();
    let producer = thread::spawn(move || {
        let ids = (0..count).map(|n| connection.post_text(n.to_string()).id());
        ids.collect::<BTreeSet<_>>()
    });
    let (mut distinct, mut total, mut kills) = (BTreeSet::new(), 0, 0);
    while distinct.len() < count {
        let job: String = all_begun.recv().unwrap();
        total += 1;
        distinct.insert(job);
        if jobs_a_kill.is_some_and(|jobs| total % jobs == 0) {
            // In no order that is the workers'.
            let victim = kills * 7 % WORKERS;
            workers[victim].kill().unwrap();
            workers[victim].wait().unwrap();
            workers[victim] = worker(&server, &begun);
            kills += 1;
        }
    }
    assert_eq!(distinct, producer.join().unwrap());
    server.wait_until("confirmed", count as u64);
    total += all_begun.try_iter().count();
    for mut worker in workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }

    let stats = server.stats();
    for (counter, value) in [
        ("depth", 0),
        ("in_flight", 0),
        ("dead", 0),
        ("pushed", count),
    ] {
        assert_eq!(stats[counter], value, "{counter}");
    }
    // A worker may not have begun a job that it was sent.
    let redelivered = stats["redelivered"].as_u64().unwrap();
    let delivered = stats["delivered"].as_u64().unwrap();
    assert_eq!(delivered, count as u64 + redelivered);
    assert!(total as u64 <= delivered);
    if jobs_a_kill.is_none() {
        assert_eq!((total, redelivered), (count, 0));
    } else {
        assert!(redelivered > 0, "or nothing was tried");
    }
}

/// A worker that reports the id of each job as it begins it.
fn worker(server: &Server, begun: &mpsc::Sender<String>) -> Child {
    let mut command = Command::new(binary("worker"));
    command.arg(format!("http://{}", server.address()));
    let mut worker = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let begun = begun.clone();
    thread::spawn(move || {
        for line in lines {
            let line = line.unwrap();
            let (id, _) = line.split_once(' ').unwrap();
            // The receiver may be gone already.
            let _ = begun.send(id.to_owned());
        }
    });
    worker
}
