//! Clients that are slow, broken or gone, and the end of the server.

use std::collections::BTreeSet;

use super::immediate;
use crate::outside::server::{Server, run};

on_both_servers! {
    a_client_that_never_reads_stops_no_other,
    half_a_request_and_a_reset_stop_no_other_client,
    running_out_of_files_is_survived,
    sigterm_ends_streams_cleanly,
    sigint_ends_streams_cleanly,
    nothing_that_is_connected_keeps_the_server_from_ending,
    bad_flags_end_with_one_line_and_code_2,
}

fn a_client_that_never_reads_stops_no_other(example: &str) {
    let server = immediate(example, &[]);
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);
    let mut events = server.connect().subscribe().events();

    // More than sockets buffer: what one client does not take goes to the other.
    let data = "x".repeat(1 << 20);
    let mut connection = server.connect();
    for _ in 0..64 {
        assert_eq!(connection.post_text(&data).status, 202);
    }
    server.connect().post_text("last");
    assert!(events.any(|event| event.data == "last"));

    server.signal("TERM");
    assert_eq!(events.next().map(|event| event.data), None);
    assert_eq!(server.wait().code(), Some(0));
    drop(stalled);
}

fn half_a_request_and_a_reset_stop_no_other_client(example: &str) {
    let server = immediate(example, &[]);
    let mut half_a_head = server.connect();
    half_a_head.send("POST /messages HTTP/1.1\r\nHo");
    let mut half_a_body = server.connect();
    let text = "Content-Type: text/plain";
    half_a_body.send_head(&["POST /messages", text, "Content-Length: 100"]);
    half_a_body.send("half");
    let mut gibberish = server.connect();
    gibberish.send("\0\x01\x02 gibberish\r\n\r\n");

    // Closing a socket that holds unread bytes resets the connection: here, in mid-body.
    let mut reset = server.connect();
    let head = [
        "POST /messages",
        text,
        "Content-Length: 100",
        "Expect: 100-continue",
    ];
    reset.send_head(&head);
    reset.send("half");
    reset.wait_for_bytes();
    drop(reset);
    let mut reset = server.connect();
    reset.send_head(&["GET /events"]);
    reset.wait_for_bytes();
    drop(reset);
    server.wait_until("streams", 0);

    let mut events = server.connect().subscribe().events();
    server.connect().post_text("whole").id();
    assert_eq!(events.next().unwrap().data, "whole");
    assert_eq!(server.stats()["pushed"], 1);
    drop((half_a_head, half_a_body));
}

fn running_out_of_files_is_survived(example: &str) {
    let server = Server::start_with_files(example, 32, &["--interval", "0"]);
    let many: Vec<_> = (0..64).map(|_| server.connect()).collect();
    drop(many);
    assert_eq!(server.stats()["streams"], 0);
}

fn sigterm_ends_streams_cleanly(example: &str) {
    a_signal_ends_streams_cleanly(example, "TERM");
}

fn sigint_ends_streams_cleanly(example: &str) {
    a_signal_ends_streams_cleanly(example, "INT");
}

fn a_signal_ends_streams_cleanly(example: &str, signal: &str) {
    // What is due is sent at once, though the next tick is an hour away; what is not due is not
    // sent.
    let server = Server::start(example, &["--interval", "3600000"]);
    let mut streams: Vec<_> = (0..3).map(|_| server.connect().subscribe()).collect();
    let mut connection = server.connect();
    for n in 0..10 {
        assert_eq!(connection.post_text(n.to_string()).status, 202);
    }
    connection.post_json(r#"{"data": "later", "delay_ms": 3600000}"#);

    server.signal(signal);
    let mut arrived = BTreeSet::new();
    for mut stream in streams.drain(..) {
        while let Some(chunk) = stream.chunk() {
            let chunk = String::from_utf8(chunk).unwrap();
            assert!(chunk.ends_with("\n\n"), "whole events");
            arrived.extend(
                chunk
                    .lines()
                    .filter(|line| line.starts_with("data: "))
                    .map(str::to_owned),
            );
        }
        assert_eq!(stream.rest(), b"");
    }
    assert_eq!(arrived, (0..10).map(|n| format!("data: {n}")).collect());
    assert_eq!(server.wait().code(), Some(0));
}

fn nothing_that_is_connected_keeps_the_server_from_ending(example: &str) {
    let server = immediate(example, &[]);
    let silent = server.connect();
    let mut idle = server.connect();
    idle.get("/stats");
    let mut half_a_head = server.connect();
    half_a_head.send("GET /ev");
    let mut half_a_body = server.connect();
    half_a_body.send_head(&[
        "POST /messages",
        "Content-Type: text/plain",
        "Content-Length: 9",
    ]);
    half_a_body.send("half");
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);
    let mut connection = server.connect();
    for _ in 0..32 {
        connection.post_text("x".repeat(1 << 20));
    }

    server.signal("TERM");
    assert_eq!(idle.rest(), b"");
    assert_eq!(server.wait().code(), Some(0));
    drop((silent, half_a_head, half_a_body, stalled));
}

fn bad_flags_end_with_one_line_and_code_2(example: &str) {
    for (flags, named) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["--interval"], "--interval"),
        (&["--interval", "x"], "--interval"),
        (&["--interval", "-1"], "--interval"),
        (&["--batch", "0"], "--batch"),
        (&["--rate", "x"], "--rate"),
        (&["--mode", "broadcast", "--rate", "5"], "--mode queue"),
        (&["--capacity", "0"], "--capacity"),
        (&["--max-body", "1e3"], "--max-body"),
        (&["--mode", "x"], "--mode"),
        (&["--overflow", "x"], "--overflow"),
        (&["--listen", "nowhere"], "--listen"),
        (&["--spacing", "5"], "--spacing"),
        (&["--history", "0"], "--history"),
        (&["--mode", "broadcast", "--interval", "x"], "--interval"),
        (&["--at-least-once", "0"], "--at-least-once"),
        (
            &["--at-least-once", "5", "--max-in-flight", "0"],
            "--max-in-flight",
        ),
        (&["--max-in-flight", "2"], "--at-least-once"),
        (&["--at-least-once", "5", "--confirm", "x"], "--confirm"),
        (&["--confirm", "ack"], "--at-least-once"),
        (
            &["--mode", "broadcast", "--at-least-once", "5"],
            "--mode queue",
        ),
    ] {
        let output = run(example, flags);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let output = run(example, &["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("--listen ADDR") && help.contains("--at-least-once MS"));
    assert!(help.contains("--max-in-flight N") && help.contains("--confirm ack|resume"));
}
