//! The servers' page in a real browser.
//!
//! ```sh
//! cargo test --test it browser -- --ignored
//! ```

mod driver;
mod rooms;

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use self::driver::Browser;
use crate::outside::server::Server;

fn server(flags: &[&str]) -> Server {
    Server::start("axum", &[&["--interval", "0"], flags].concat())
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn the_page_receives_the_message_that_it_sends() {
    let (server, browser) = (server(&[]), Browser::start().await);
    browser.open(&server).await;

    browser.send("<b>hello</b>").await;
    let entry = browser.wait_for_event("message", "<b>hello</b>").await;
    let note = browser
        .wait_for("//*[@id='note' and @data-kind='good']")
        .await;
    let id = note.text().await.unwrap();
    let id = id.strip_prefix("Sent with id ").unwrap();
    assert!(entry.text().await.unwrap().contains(id));
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn a_message_of_several_lines_is_shown_in_several_lines() {
    let (server, browser) = (server(&[]), Browser::start().await);
    browser.open(&server).await;

    browser.send("one\ntwo\n\nfour").await;
    let data = browser.wait_for("//ol[@id='log']/li/pre").await;
    assert_eq!(
        data.prop("textContent").await.unwrap().unwrap(),
        "one\ntwo\n\nfour"
    );
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn events_are_shown_under_names_that_were_typed_or_sent() {
    let (server, browser) = (server(&[]), Browser::start().await);
    browser.open(&server).await;

    // Even under the names of the browser's own events.
    for name in ["price", "open", "error"] {
        browser.fill("name", name).await;
        browser.send("sent").await;
        browser.wait_for_event(name, "sent").await;
    }

    browser
        .fill("name", &format!("typed{}", char::from(Key::Tab)))
        .await;
    let message = r#"{"data": "from elsewhere", "event": "typed"}"#;
    server.connect().post_json(message).id();
    browser.wait_for_event("typed", "from elsewhere").await;
    browser.wait_for("//*[@id='state' and text()='Open']").await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn the_page_works_with_the_keyboard_alone() {
    let (server, browser) = (server(&[]), Browser::start().await);
    browser.open(&server).await;

    let (tab, enter) = (char::from(Key::Tab), char::from(Key::Enter));
    browser.press(&tab.to_string()).await;
    browser
        .press(&format!("by button{tab}tick{tab}{tab}{enter}"))
        .await;
    browser.wait_for_event("tick", "by button").await;

    // After that the focus is where the next message begins.
    let control = char::from(Key::Control);
    browser.press(&format!("by shortcut{control}{enter}")).await;
    browser.wait_for_event("tick", "by shortcut").await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn the_page_reconnects_by_itself_after_the_server_was_gone() {
    let (first, browser) = (server(&[]), Browser::start().await);
    browser.open(&first).await;
    browser.send("before").await;
    browser.wait_for_event("message", "before").await;

    let address = first.address().to_string();
    drop(first);
    browser
        .wait_for("//*[@id='state' and text()='Reconnecting']")
        .await;
    browser.send("no server there").await;
    browser
        .wait_for("//*[@id='note' and @data-kind='bad']")
        .await;

    let _second = Server::start_at("axum", &address, &["--interval", "0"]);
    browser.wait_for("//*[@id='state' and text()='Open']").await;
    browser.send("after").await;
    browser.wait_for_event("message", "after").await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn two_tabs_go_on_and_show_the_gap_after_a_restart() {
    let broadcast = ["--mode", "broadcast"];
    let (first, browser) = (server(&broadcast), Browser::start().await);
    let one = browser.client.window().await.unwrap();
    let two = browser.client.new_window(true).await.unwrap().handle;
    let tabs = [one, two];
    for tab in &tabs {
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        browser.open(&first).await;
    }
    let last_id = first.connect().post_text("before").id();
    for tab in &tabs {
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        browser.wait_for_event("message", "before").await;
    }

    // No server listens on the port in between: both tabs must notice, and try again.
    let address = first.address().to_string();
    drop(first);
    for tab in &tabs {
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        browser
            .wait_for("//*[@id='state' and text()='Reconnecting']")
            .await;
    }
    let second = Server::start_at("axum", &address, &broadcast);
    second.wait_until("streams", 2);
    second.connect().post_text("after").id();
    for tab in &tabs {
        browser.client.switch_to_window(tab.clone()).await.unwrap();
        browser.wait_for("//*[@id='state' and text()='Open']").await;
        browser.wait_for_event("message", "after").await;
        browser
            .wait_for(&format!(
                "//li[@data-kind='back' and p[contains(text(), '{last_id}')]]"
            ))
            .await;
        let gap = browser.wait_for("//li[@data-kind='gap']/p").await;
        assert_eq!(
            gap.text().await.unwrap(),
            "An unknown number of messages is missing: the server was restarted."
        );
        // Nothing arrived twice.
        browser.wait_for("//*[@id='received' and text()='2']").await;
    }
    assert_eq!(second.stats()["gaps"], 2);
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn messages_are_acked_and_given_back_by_button() {
    let leasing = ["--at-least-once", "3600000"];
    let (server, browser) = (server(&leasing), Browser::start().await);
    browser.open(&server).await;
    let button = |name: &str| format!("//li[1]//button[text()='{name}']");
    browser.send("job").await;
    let nack = browser.wait_for(&button("Nack")).await;
    nack.click().await.unwrap();
    // It is redelivered.
    browser.wait_for("//*[@id='received' and text()='2']").await;
    browser.wait_for("//li[2]//*[text()='Given back']").await;
    browser
        .wait_for(&button("Ack"))
        .await
        .click()
        .await
        .unwrap();
    browser.wait_for("//li[1]//*[text()='Acked']").await;
    let stats = server.stats();
    assert_eq!(
        (&stats["confirmed"], &stats["redelivered"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn messages_are_acked_at_once_if_that_is_asked_for() {
    let leasing = ["--at-least-once", "3600000"];
    let (server, browser) = (server(&leasing), Browser::start().await);
    browser.open(&server).await;
    browser.field("ack").await.click().await.unwrap();
    browser.send("job").await;
    browser.wait_for("//li[1]//*[text()='Acked']").await;
    assert_eq!(server.stats()["confirmed"], 1);
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn a_message_that_is_named_as_a_gap_is_a_message() {
    let (server, browser) = (server(&["--mode", "broadcast"]), Browser::start().await);
    browser.open(&server).await;
    browser.fill("name", "gap").await;
    browser.send(r#"{"missed":1,"cause":"evicted"}"#).await;
    browser
        .wait_for_event("gap", r#"{"missed":1,"cause":"evicted"}"#)
        .await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn a_refusal_is_shown_and_what_was_typed_is_kept() {
    let (server, browser) = (server(&["--capacity", "1"]), Browser::start().await);
    browser.open(&server).await;

    browser.fill("delay", "3600000").await;
    browser.send("later").await;
    browser
        .wait_for("//*[@id='note' and @data-kind='good']")
        .await;
    browser.wait_for("//*[@id='depth' and text()='1']").await;
    browser.send("too much").await;
    let note = browser
        .wait_for("//*[@id='note' and @data-kind='bad']")
        .await;
    assert_eq!(note.text().await.unwrap(), "Refused (503): queue is full");
    let data = browser.field("data").await.prop("value").await.unwrap();
    assert_eq!(data.unwrap(), "too much");
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn a_page_that_was_refused_its_stream_tries_again() {
    let (server, browser) = (server(&["--max-streams", "1"]), Browser::start().await);
    let other = server.connect().subscribe();
    let page = format!("http://{}/", server.address());
    browser.client.goto(&page).await.unwrap();
    browser
        .wait_for("//*[@id='state' and @data-state='closed']")
        .await;
    drop(other);
    browser.wait_for("//*[@id='state' and text()='Open']").await;
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn the_list_is_bounded() {
    let (server, browser) = (server(&[]), Browser::start().await);
    browser.open(&server).await;

    let mut connection = server.connect();
    for n in 0..300 {
        connection.post_text(n.to_string()).id();
    }
    browser.wait_for_event("message", "299").await;
    let entries = browser.client.find_all(Locator::Css("#log > li")).await;
    assert_eq!(entries.unwrap().len(), 200);
    browser
        .wait_for("//*[@id='received' and text()='300']")
        .await;
}
