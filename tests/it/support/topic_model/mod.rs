//! A topic against a model that is plainly right: all messages in a `Vec`, and per stream the
//! position up to which its client has seen them. Streams are polled only when their wakers fired.
//!
//! The operations are triples of bytes, so that a fuzzer can make them.

mod client;
mod model;
mod operation;
mod world;

pub use self::operation::{Bounds, Operation};
use self::world::World;

/// Does all operations, and panics where the topic differs from the model.
pub fn run(bounds: Bounds, operations: &[Operation]) {
    let mut world = World::new(bounds);
    for operation in operations {
        world.step(*operation);
    }
    world.end(false);
}
