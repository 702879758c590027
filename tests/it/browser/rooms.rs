//! The page of the rooms.

use fantoccini::Locator;
use serde_json::json;

use super::driver::Browser;
use crate::outside::proxy::Proxy;
use crate::outside::server::Server;

fn say(server: &Server, room: &str, text: &str) {
    let path = format!("POST /rooms/{room}");
    let body = json!({ "text": text }).to_string();
    let head = [&*path, "Content-Type: application/json"];
    assert_eq!(server.connect().request(&head, body).status, 202);
}

impl Browser {
    async fn open_rooms(&self, proxy: &Proxy) {
        let page = format!("http://{}/", proxy.address());
        self.client.goto(&page).await.unwrap();
        self.wait_for("//*[@id='state' and text()='open']").await;
    }

    async fn join(&self, room: &str) {
        let field = Locator::Css("#join input");
        let field = self.client.find(field).await.unwrap();
        field.send_keys(&format!("{room}\n")).await.unwrap();
        self.wait_for(&format!("//*[@id='rooms']/li[contains(., '{room}')]"))
            .await;
    }

    async fn wait_for_text(&self, room: &str, text: &str) {
        let entry = format!("//*[@id='log']/li[b='{room}' and contains(., '{text}')]");
        self.wait_for(&entry).await;
    }

    /// What the page shows, the oldest first.
    async fn texts(&self) -> Vec<String> {
        let entries = self.client.find_all(Locator::Css("#log li")).await.unwrap();
        let mut texts = Vec::new();
        for entry in entries.iter().rev() {
            texts.push(entry.prop("textContent").await.unwrap().unwrap());
        }
        texts
    }
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn a_page_joins_and_leaves_rooms_on_one_connection_and_continues_after_a_cut() {
    let server = Server::start("rooms", &[]);
    let (proxy, browser) = (Proxy::start(server.address()), Browser::start().await);
    browser.open_rooms(&proxy).await;
    say(&server, "garden", "unheard");
    say(&server, "lobby", "hello");
    browser.wait_for_text("lobby", "hello").await;

    browser.join("garden").await;
    // The page has joined once it hears itself there.
    while !browser
        .texts()
        .await
        .iter()
        .any(|text| text.contains("probe"))
    {
        say(&server, "garden", "probe");
    }
    say(&server, "garden", "one");
    browser.wait_for_text("garden", "one").await;

    proxy.cut();
    say(&server, "garden", "two");
    say(&server, "kitchen", "unheard");
    say(&server, "lobby", "three");
    browser.wait_for_text("lobby", "three").await;

    let leave = Locator::Css("[aria-label='Leave garden']");
    let leave = browser.client.find(leave).await.unwrap();
    leave.click().await.unwrap();
    proxy.cut();
    browser.wait_for("//*[@id='state' and text()='open']").await;
    say(&server, "lobby", "last");
    browser.wait_for_text("lobby", "last").await;
    let texts = browser.texts().await;
    let texts: Vec<_> = texts
        .iter()
        .filter(|text| !text.contains("probe"))
        .collect();
    assert_eq!(
        texts,
        [
            "lobbyhello",
            "gardenone",
            "gardentwo",
            "lobbythree",
            "lobbylast"
        ]
    );
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver"]
async fn two_pages_talk_in_a_room() {
    let server = Server::start("rooms", &[]);
    let proxy = Proxy::start(server.address());
    let (one, two) = (Browser::start().await, Browser::start().await);
    one.open_rooms(&proxy).await;
    two.open_rooms(&proxy).await;
    let text = Locator::Css("#say input");
    let text = one.client.find(text).await.unwrap();
    text.send_keys("good morning\n").await.unwrap();
    two.wait_for_text("lobby", "good morning").await;
    one.wait_for_text("lobby", "good morning").await;
}
