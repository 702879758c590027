//! What both servers need, once: everything but the routes and the type of a body.

mod answer;
mod app;
mod args;
mod hub;
mod message;
mod serve;
mod site;
mod tokio_time;

pub(crate) use answer::{Refusal, refuse};
pub(crate) use app::App;
pub(crate) use args::Args;
pub(crate) use serve::serve;
