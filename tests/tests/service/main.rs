//! The service over a socket: the demo town, served as the binary serves it, asked by a client that hides nothing.
//!
//! What can be said without a socket is said in the server's own tests; here stand the promises to clients: OGC API
//! Features assertion by assertion, HTTP as its RFCs have it, and that nothing a client sends brings the service down.

#![expect(clippy::unwrap_used, reason = "everything here is a test")]

mod answers;
mod client;
mod downloads;
mod features;
mod hostile;
mod lifetime;
mod living;
mod manners;
mod processes;
mod scenarios;
mod schema;
mod systems;
mod tiles;
mod town;
mod walks;
