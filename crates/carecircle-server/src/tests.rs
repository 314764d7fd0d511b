//! The whole service without its sockets, over a town drawn by hand: a grid of streets, a block in each mesh of it,
//! three facilities in the south-west.

mod answers;
mod circles;
mod filters;
mod manners;
mod policies;
mod tiles;
mod town;
mod walks;

pub(crate) use town::{BASE, Got, answer_of, app, app_of};
