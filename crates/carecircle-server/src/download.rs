//! Whole collections as files: written piece by piece while the client reads, so that a download takes a few pieces of
//! memory however large it is.

use crate::collections::{Column, ColumnType};
use axum::body::{Body, Bytes};
use carecircle_formats::crs::Crs;
use carecircle_formats::out::{self, Feature, Kind, Shapes};
use futures_core::Stream;
use geo::{Coord, MapCoordsInPlace};
use serde_json::Value;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// A piece of a body, and how many of them may wait for the client.
const PIECE_BYTES: usize = 64 << 10;
const PIECES: usize = 4;

/// How a whole collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileFormat {
    /// A GeoJSON text sequence, RFC 8142.
    GeoJsonSeq,
    /// A table without geometry.
    Csv,
    FlatGeobuf,
}

/// What goes into a file.
pub(crate) struct Contents<'a> {
    pub(crate) name: &'a str,
    pub(crate) columns: &'a [Column],
    pub(crate) crs: &'a Crs,
    /// Whether features are drawn with north first; files have east first, whatever their system.
    pub(crate) is_north_first: bool,
    /// Which features, in order.
    pub(crate) chosen: &'a [usize],
    /// Whether a feature is a point; `None` without a geometry.
    pub(crate) is_point: &'a dyn Fn(usize) -> Option<bool>,
    /// Appends a whole feature.
    pub(crate) push: &'a dyn Fn(&mut Vec<u8>, usize),
}

impl Contents<'_> {
    pub(crate) fn write(&self, format: FileFormat, mut out: &mut dyn Write) -> io::Result<()> {
        let columns: Vec<out::Column> = self.columns.iter().map(column).collect();
        let mut whole = Vec::new();
        let mut features = self.chosen.iter().map(|&i| {
            whole.clear();
            (self.push)(&mut whole, i);
            // What we wrote ourselves is read again.
            let feature: Value = serde_json::from_slice(&whole).unwrap_or_default();
            let mut feature = Feature::of_json(&feature, &columns);
            if self.is_north_first
                && let Some(geometry) = &mut feature.geometry
            {
                geometry.map_coords_in_place(|c| Coord { x: c.y, y: c.x });
            }
            feature
        });
        match format {
            FileFormat::Csv => out::write_csv(&columns, features, &mut out),
            FileFormat::FlatGeobuf => {
                let shapes = Shapes::of(self.chosen.iter().map(|&i| (self.is_point)(i)));
                out::write_flatgeobuf(self.name, &columns, self.crs, shapes, &mut features, &mut out)
            }
            FileFormat::GeoJsonSeq => {
                let mut text = Vec::new();
                self.chosen.iter().try_for_each(|&i| {
                    text.clear();
                    text.push(b'\x1e');
                    (self.push)(&mut text, i);
                    text.push(b'\n');
                    out.write_all(&text)
                })
            }
        }
    }
}

fn column(column: &Column) -> out::Column {
    let kind = match column.holds {
        ColumnType::Text | ColumnType::Day => Kind::Text,
        ColumnType::Number => Kind::Number,
        ColumnType::Integer => Kind::Whole,
        ColumnType::Truth => Kind::Flag,
    };
    out::Column { name: column.name.clone(), kind }
}

/// A body, and where its bytes are written on a thread that may wait: each piece does for the client.
pub(crate) fn pieces() -> (Pieces, Body) {
    let (send, receive) = mpsc::channel(PIECES);
    (Pieces { send, piece: Vec::with_capacity(PIECE_BYTES) }, Body::from_stream(Received(receive)))
}

/// Gathers bytes to pieces of a body. A client who is gone makes writing fail.
pub(crate) struct Pieces {
    send: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Pieces {
    /// Ends the body; one that failed is cut off, so that nobody takes it for whole.
    pub(crate) fn end(mut self, written: io::Result<()>) {
        if let Err(error) = written.and_then(|()| self.flush()) {
            _ = self.send.blocking_send(Err(error));
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.send.blocking_send(Ok(piece.into())).map_err(gone)
    }
}

struct Received(Receiver<io::Result<Bytes>>);

impl Stream for Received {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
