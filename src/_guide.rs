//! Pages of documentation; this module has no code.
//!
//! * [Frameworks](frameworks): mounting a stream on axum, hyper, actix-web, rocket and others; JSON,
//!   `HEAD`, compression.
//! * [Clients](clients): the page's JavaScript, what browsers do on their own, and when a departed
//!   client is noticed.
//! * [Streaming tokens](streaming_tokens): answers that a client may leave and come back to, and what
//!   the clients of two npm packages send and bear.
//! * [Testing](testing): with the fake clock, and under tokio's paused time.
//! * [Examples](examples): whole programs.
//! * [Architecture](architecture): for those who read or change the code.
//! * [Changelog](changelog).

pub mod frameworks {
    #![doc = include_str!("_guide/frameworks.md")]
}

pub mod clients {
    #![doc = include_str!("_guide/clients.md")]
}

pub mod streaming_tokens {
    #![doc = include_str!("_guide/streaming_tokens.md")]
    //!
    //! ```js
    #![doc = include_str!("../examples/continuing.mjs")]
    //! ```
}

pub mod testing {
    #![doc = include_str!("_guide/testing.md")]
}

pub mod examples {
    //! The programs in `examples/`.
    //!
    //! `axum` and `hyper` are the same server on two frameworks: readers and senders, limits, refusals,
    //! tokio's own timer, and a shutdown that ends every stream. What both need is in `shared`.
    //! `--rate 1000` lets one message a second out of the queue, however many readers there are.
    //! `worker` takes jobs from one of them and confirms each. `rooms` joins and leaves rooms on one
    //! connection, and `runs` streams answers token by token. `no_runtime` needs neither framework nor
    //! runtime.
    //!
    //! ```sh
    //! cargo run --example axum -- --help
    //! ```
    //!
    //! # `no_runtime`
    //!
    //! ```no_run
    #![doc = include_str!("../examples/no_runtime.rs")]
    //! ```
    //!
    //! # `axum`
    //!
    //! ```ignore
    #![doc = include_str!("../examples/axum.rs")]
    //! ```
    //!
    //! # `rooms`: one connection, many rooms
    //!
    //! ```ignore
    #![doc = include_str!("../examples/rooms.rs")]
    //! ```
    //!
    //! # `runs`: answers that a client may leave and come back to
    //!
    //! ```ignore
    #![doc = include_str!("../examples/runs.rs")]
    //! ```
    //!
    //! # `shared/hub`: the queue or topic behind both servers
    //!
    //! ```ignore
    #![doc = include_str!("../examples/shared/hub.rs")]
    //! ```
    //!
    //! # `shared/serve`: connections and shutdown
    //!
    //! ```ignore
    #![doc = include_str!("../examples/shared/serve.rs")]
    //! ```
    //!
    //! # `shared/tokio_time`: clock and ticker on tokio's timer
    //!
    //! ```no_run
    #![doc = include_str!("../examples/shared/tokio_time.rs")]
    //! ```
}

pub mod architecture {
    #![doc = include_str!("architecture.md")]
}

pub mod changelog {
    #![doc = include_str!("../CHANGELOG.md")]
}
