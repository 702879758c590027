//! Both example servers, driven from outside: what they answer, and how they cope with clients that
//! are slow, broken or gone.

use crate::outside::server::Server;

/// Makes each check a test of both servers.
macro_rules! on_both_servers {
    ($($(#[$attribute:meta])* $check:ident,)*) => {
        mod axum { $($(#[$attribute])* #[test] fn $check() { super::$check("axum"); })* }
        mod hyper { $($(#[$attribute])* #[test] fn $check() { super::$check("hyper"); })* }
    };
}

mod broadcast;
mod leases;
mod posting;
mod robustness;
mod streams;

/// A server that delivers at once.
fn immediate(example: &str, flags: &[&str]) -> Server {
    Server::start(example, &[&["--interval", "0"], flags].concat())
}
