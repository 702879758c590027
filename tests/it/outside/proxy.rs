//! A proxy that cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes bytes on, in both directions, until it cuts.
pub(crate) struct Proxy {
    address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn start(to: SocketAddr) -> Self {
        Self::cutting(to, |_| usize::MAX)
    }

    /// Cuts each connection by itself, too: the one with this number once it has passed so many
    /// bytes to the client.
    pub(crate) fn cutting(to: SocketAddr, bytes: fn(usize) -> usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Vec::new()));
        let all = open.clone();
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            let clients = listener.incoming().map_while(Result::ok);
            for (number, client) in clients.enumerate() {
                let Ok(server) = TcpStream::connect(to) else {
                    continue;
                };
                let ends = [&client, &server].map(|end| end.try_clone().unwrap());
                all.lock().unwrap().extend(ends);
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                pass(from, to, usize::MAX);
                pass(server, client, bytes(number));
            }
        });
        Self { address, open }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections, wherever in an event they are.
    pub(crate) fn cut(&self) {
        for end in self.open.lock().unwrap().drain(..) {
            // It may be gone already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut left: usize) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while left > 0 {
            let most = bytes.len().min(left);
            let Ok(read @ 1..) = from.read(&mut bytes[..most]) else {
                break;
            };
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
            left -= read;
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
