//! A browser, and the chromedriver that runs it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, fs};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::outside::server::Server;

/// A page that hangs must fail its test. Nothing is measured by it.
pub const HANG: Duration = Duration::from_secs(60);

/// A browser of its own.
pub struct Browser {
    pub client: Client,
    pub _driver: Driver,
}

impl Browser {
    pub async fn start() -> Self {
        let driver = Driver::start();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities().as_object().unwrap().clone())
            .connect(&format!("http://{}", driver.address))
            .await
            .unwrap();
        Self {
            client,
            _driver: driver,
        }
    }

    /// Opens the page and waits until it has its stream.
    pub async fn open(&self, server: &Server) {
        let page = format!("http://{}/", server.address());
        self.client.goto(&page).await.unwrap();
        self.wait_for("//*[@id='state' and text()='Open']").await;
    }

    pub async fn wait_for(&self, path: &str) -> Element {
        let wait = self.client.wait().at_most(HANG);
        wait.for_element(Locator::XPath(path)).await.unwrap()
    }

    /// Waits for an entry in the list.
    pub async fn wait_for_event(&self, name: &str, data: &str) -> Element {
        let entry = format!(
            "//ol[@id='log']/li[.//*[@class='name' and text()='{name}'] and pre[text()='{data}']]"
        );
        self.wait_for(&entry).await
    }

    pub async fn field(&self, id: &str) -> Element {
        self.client.find(Locator::Id(id)).await.unwrap()
    }

    pub async fn fill(&self, id: &str, text: &str) {
        let field = self.field(id).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn send(&self, data: &str) {
        self.fill("data", data).await;
        self.field("send").await.click().await.unwrap();
    }

    /// Presses keys wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let focus = self.client.active_element().await.unwrap();
        focus.send_keys(keys).await.unwrap();
    }
}

pub fn capabilities() -> Value {
    json!({ "goog:chromeOptions": { "args": [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ] } })
}

/// A chromedriver, which ends its browser when it ends.
pub struct Driver {
    pub process: Child,
    pub address: SocketAddr,
    /// Where it keeps the browser's profile, a fresh one.
    pub files: PathBuf,
}

impl Driver {
    pub fn start() -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let files = env::temp_dir().join(format!("sse-queue-{}-{number}", process::id()));
        fs::create_dir(&files).unwrap();
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", &files)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // "ChromeDriver was started successfully on port 12345."
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').parse().unwrap())
        });
        Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port.unwrap())),
            files,
        }
    }

    /// Asks it to end itself and its browser, which would outlive it if it were killed.
    pub fn shut_down(&self) -> io::Result<()> {
        let mut driver = TcpStream::connect(self.address)?;
        driver.set_read_timeout(Some(HANG))?;
        driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        driver.peek(&mut [0]).map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.shut_down().is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.files);
    }
}
