//! A queue and a stream without a runtime and without HTTP: one thread sends, another prints the
//! frames as a client would get them.
//!
//! ```sh
//! cargo run --example no_runtime
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use sse_queue::queue::PushError;
use sse_queue::{Event, Message, Pacing, Queue, ThreadTicker};

fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::new();
    // At most one message at each tick, four ticks a second.
    let stream = queue
        .stream(ThreadTicker::new()?)?
        .pacing(Pacing::every(Duration::from_millis(250)));

    let sender = thread::spawn(move || {
        queue.push(Message::from("a second later").after(Duration::from_secs(1)))?;
        queue.push("now")?;
        queue.push(Event::new("two\nlines"))?;
        // The queue's last handle goes here: the stream ends when all messages have left.
        drop(queue);
        Ok::<_, PushError>(())
    });

    // Any executor will do. This one parks the thread until the ticker or the sender wakes it.
    let mut stream = pin!(stream);
    while let Some(chunk) = pollster::block_on(stream.next()) {
        io::stdout().write_all(&chunk)?;
    }
    sender.join().map_err(|_| "the sender panicked")??;
    Ok(())
}
