//! What is served, by which server, and to how many clients.

use core::time::Duration;

/// The servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A topic with immediate streams.
    Topic,
    /// A topic with streams that are spaced by 2 ms.
    Spaced,
    /// axum's `Sse` on tokio's `broadcast`, encoded for each client.
    Sse,
    /// tokio's `broadcast` of frames that were encoded once.
    Shared,
    /// No server: the same bytes written, 64 KiB at a time.
    Bare,
    /// The `axum` example, as a program of its own: a queue that delivers at once.
    Example,
}

impl Who {
    const ALL: [Self; 6] = [
        Self::Topic,
        Self::Spaced,
        Self::Sse,
        Self::Shared,
        Self::Bare,
        Self::Example,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Spaced => "topic, spaced 2 ms",
            Self::Sse => "axum's Sse",
            Self::Shared => "shared Bytes",
            Self::Bare => "bare writes",
            Self::Example => "the axum example",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.name() == name)
    }

    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Self::Sse | Self::Shared)
    }
}

/// How fast messages are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// One message per period.
    Every(Duration),
    /// As fast as the clients read them: at most that many at a time.
    Window(u64),
    /// All at once.
    Burst,
}

/// Where messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publisher {
    /// From within the server.
    Server,
    /// From the clients' process, by `POST` over that many connections, each of which waits for its
    /// answer.
    Http(usize),
}

/// What is served to how many clients, and the bars.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) events: u64,
    pub(crate) rate: Rate,
    pub(crate) publisher: Publisher,
}

/// Of the publishers over HTTP.
const CONNECTIONS: usize = 8;

impl Scenario {
    pub(crate) fn all() -> [Self; 8] {
        let clients = 100;
        let publisher = Publisher::Server;
        let http = Publisher::Http(CONNECTIONS);
        [
            Self {
                name: "100 clients, 250 messages a second, published in the server",
                clients,
                events: 1_000,
                rate: Rate::Every(Duration::from_millis(4)),
                publisher,
            },
            Self {
                name: "1000 clients, 25 messages a second, published in the server",
                clients: 1_000,
                events: 100,
                rate: Rate::Every(Duration::from_millis(40)),
                publisher,
            },
            Self {
                name: "100 clients, full rate, published in the server",
                clients,
                events: 10_000,
                rate: Rate::Window(1_024),
                publisher,
            },
            Self {
                name: "100 clients, a burst of 10000, published in the server",
                clients,
                events: 10_000,
                rate: Rate::Burst,
                publisher,
            },
            // Few enough for the clients' process to keep up, so that the pacing shows.
            Self {
                name: "10 clients, a burst of 10000, published in the server",
                clients: 10,
                events: 10_000,
                rate: Rate::Burst,
                publisher,
            },
            Self {
                name: "100 clients, 250 POSTs a second",
                clients,
                events: 1_000,
                rate: Rate::Every(Duration::from_millis(4)),
                publisher: http,
            },
            Self {
                name: "100 clients, a burst of 10000 POSTs",
                clients,
                events: 10_000,
                rate: Rate::Burst,
                publisher: http,
            },
            Self {
                name: "1 client, POSTs at full rate",
                clients: 1,
                events: 100_000,
                rate: Rate::Window(256),
                publisher: http,
            },
        ]
    }

    /// The same with few clients and events.
    pub(crate) fn small(self) -> Self {
        Self {
            clients: (self.clients / 10).max(1),
            events: self.events / 10,
            rate: match self.rate {
                Rate::Every(period) => Rate::Every(period / 4),
                rate => rate,
            },
            ..self
        }
    }

    pub(crate) fn contestants(&self) -> &'static [Who] {
        if self.publisher != Publisher::Server {
            return match self.rate {
                Rate::Every(_) => &[Who::Topic, Who::Spaced, Who::Sse, Who::Shared],
                Rate::Window(_) => &[Who::Topic, Who::Example, Who::Shared],
                Rate::Burst => &[Who::Topic, Who::Spaced, Who::Shared],
            };
        }
        match self.rate {
            Rate::Every(_) => &[Who::Topic, Who::Sse, Who::Shared],
            Rate::Window(_) => &[Who::Topic, Who::Spaced, Who::Sse, Who::Shared],
            Rate::Burst => &[Who::Topic, Who::Spaced, Who::Sse, Who::Shared, Who::Bare],
        }
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = Who> {
        let peers = self.contestants().iter().filter(|who| who.is_peer());
        peers.copied()
    }

    /// The slots that a channel needs to lose nothing.
    pub(crate) fn slots(&self) -> usize {
        match self.rate {
            Rate::Every(_) => 1_024,
            Rate::Window(window) => usize::try_from(window * 2).unwrap_or(usize::MAX),
            Rate::Burst => usize::try_from(self.events).unwrap_or(usize::MAX),
        }
    }

    /// The arguments of a program.
    pub(crate) fn to_args(&self) -> [String; 5] {
        let (kind, value) = match self.rate {
            Rate::Every(period) => ("every", period.as_micros()),
            Rate::Window(window) => ("window", u128::from(window)),
            Rate::Burst => ("burst", 0),
        };
        [
            self.name.to_owned(),
            self.clients.to_string(),
            self.events.to_string(),
            kind.to_owned(),
            value.to_string(),
        ]
    }

    pub(crate) fn from_args(args: &[&str]) -> Option<Self> {
        let [name, clients, events, kind, value] = args else {
            return None;
        };
        let scenario = Self::all().into_iter().find(|known| known.name == *name)?;
        let value = value.parse().ok()?;
        Some(Self {
            clients: clients.parse().ok()?,
            events: events.parse().ok()?,
            rate: match *kind {
                "every" => Rate::Every(Duration::from_micros(value)),
                "window" => Rate::Window(value),
                _ => Rate::Burst,
            },
            ..scenario
        })
    }
}
