//! Protobuf and PBF framing, just enough to take a file apart and put it together wrongly.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// The most that a blob may inflate to, by the format's own rule.
pub(super) const BLOB_LIMIT: usize = 32 << 20;

/// A field's value as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(Vec<u8>),
    Four([u8; 4]),
    /// Written as it is, without tag or length: what no honest encoder would write.
    Raw(Vec<u8>),
}

/// A message as its fields in order, repeated ones included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message(pub(super) Vec<(u32, Value)>);

impl Message {
    /// The fields of a message; `None` where the bytes are not one.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = take_varint(&mut bytes)?;
            let value = match tag & 7 {
                0 => Value::Varint(take_varint(&mut bytes)?),
                1 => Value::Eight(take(&mut bytes, 8)?.try_into().ok()?),
                2 => {
                    let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                    Value::Bytes(take(&mut bytes, length)?.to_vec())
                }
                5 => Value::Four(take(&mut bytes, 4)?.try_into().ok()?),
                _ => return None,
            };
            fields.push((u32::try_from(tag >> 3).ok()?, value));
        }
        Some(Self(fields))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in &self.0 {
            let tag = u64::from(*number) << 3;
            match value {
                Value::Varint(number) => {
                    put_varint(&mut out, tag);
                    put_varint(&mut out, *number);
                }
                Value::Eight(bytes) => {
                    put_varint(&mut out, tag | 1);
                    out.extend(bytes);
                }
                Value::Bytes(bytes) => {
                    put_varint(&mut out, tag | 2);
                    put_varint(&mut out, bytes.len() as u64);
                    out.extend(bytes);
                }
                Value::Four(bytes) => {
                    put_varint(&mut out, tag | 5);
                    out.extend(bytes);
                }
                Value::Raw(bytes) => out.extend(bytes),
            }
        }
        out
    }

    /// The message with one more varint.
    pub(super) fn varint(mut self, number: u32, value: u64) -> Self {
        self.0.push((number, Value::Varint(value)));
        self
    }

    /// The message with one more string, bytes or embedded message.
    pub(super) fn bytes(mut self, number: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.push((number, Value::Bytes(bytes.into())));
        self
    }

    /// The message with one more packed list of varints.
    pub(super) fn packed(self, number: u32, values: &[u64]) -> Self {
        self.bytes(number, pack(values))
    }

    pub(super) fn push_raw(&mut self, bytes: impl Into<Vec<u8>>) {
        self.0.push((0, Value::Raw(bytes.into())));
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.0.iter().any(|field| field.0 == number)
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.0.retain(|field| field.0 != number);
    }

    /// Replaces every field of this number by one varint.
    pub(super) fn set_varint(&mut self, number: u32, value: u64) {
        self.remove(number);
        self.0.push((number, Value::Varint(value)));
    }

    /// Replaces every field of this number by one of bytes.
    pub(super) fn set_bytes(&mut self, number: u32, bytes: impl Into<Vec<u8>>) {
        self.remove(number);
        self.0.push((number, Value::Bytes(bytes.into())));
    }

    pub(super) fn get_varint(&self, number: u32) -> Option<u64> {
        self.0.iter().rev().find_map(|(field, value)| match value {
            Value::Varint(value) if *field == number => Some(*value),
            _ => None,
        })
    }

    pub(super) fn get_bytes(&self, number: u32) -> Option<&[u8]> {
        self.0.iter().rev().find_map(|(field, value)| match value {
            Value::Bytes(bytes) if *field == number => Some(&bytes[..]),
            _ => None,
        })
    }

    /// The values of a packed list, empty when there is none.
    pub(super) fn get_packed(&self, number: u32) -> Vec<u64> {
        self.get_bytes(number).and_then(unpack).unwrap_or_default()
    }

    /// Changes the values of a packed list, made if it isn't there.
    pub(super) fn edit_packed(&mut self, number: u32, edit: impl FnOnce(&mut Vec<u64>)) {
        let mut values = self.get_packed(number);
        edit(&mut values);
        self.set_bytes(number, pack(&values));
    }
}

/// The varints in a row of bytes.
pub(super) fn unpack(mut bytes: &[u8]) -> Option<Vec<u64>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(take_varint(&mut bytes)?);
    }
    Some(values)
}

pub(super) fn pack(values: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len());
    for &value in values {
        put_varint(&mut out, value);
    }
    out
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// One blob with the header in front of it, both as they stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) header: Vec<u8>,
    pub(super) blob: Vec<u8>,
}

impl Frame {
    /// A frame of its own, content deflated and every size true.
    pub(super) fn new(kind: &str, content: &[u8]) -> Self {
        let blob = Message::default().varint(2, content.len() as u64).bytes(3, deflate(content));
        Self::around(kind, &blob)
    }

    /// A frame around a blob message.
    pub(super) fn around(kind: &str, blob: &Message) -> Self {
        let blob = blob.encode();
        Self { header: Message::default().bytes(1, kind).varint(3, blob.len() as u64).encode(), blob }
    }

    /// What kind of blob the header announces.
    pub(super) fn kind(&self) -> Option<String> {
        let header = Message::decode(&self.header)?;
        String::from_utf8(header.get_bytes(1)?.to_vec()).ok()
    }

    /// The inflated content; `None` where it cannot be had.
    pub(super) fn content(&self) -> Option<Vec<u8>> {
        let blob = Message::decode(&self.blob)?;
        if let Some(plain) = blob.get_bytes(1) {
            return Some(plain.to_vec());
        }
        let mut content = Vec::new();
        ZlibDecoder::new(blob.get_bytes(3)?).take(BLOB_LIMIT as u64).read_to_end(&mut content).ok()?;
        Some(content)
    }

    /// Appends the frame as a file has it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.header.len() as u32).to_be_bytes());
        out.extend(&self.header);
        out.extend(&self.blob);
    }

    /// Bytes in the file.
    pub(super) fn size(&self) -> usize {
        4 + self.header.len() + self.blob.len()
    }
}

/// The frames at the start of a file, as far as they are whole.
pub(super) fn split(mut file: &[u8]) -> Vec<Frame> {
    let mut next = || {
        let length = u32::from_be_bytes(take(&mut file, 4)?.try_into().ok()?);
        let header = take(&mut file, length as usize)?.to_vec();
        let size = Message::decode(&header)?.get_varint(3)?;
        Some(Frame { header, blob: take(&mut file, usize::try_from(size).ok()?)?.to_vec() })
    };
    std::iter::from_fn(&mut next).collect()
}

pub(super) fn join(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    for frame in frames {
        frame.write(&mut file);
    }
    file
}

pub(super) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

/// A zlib stream of so many MiB of zeros, made without going through them: one deflated MiB, repeated.
pub(super) fn deflated_zeros(mebibytes: usize) -> Vec<u8> {
    let mut one = Vec::with_capacity(16 << 10);
    flate2::Compress::new(Compression::best(), false)
        .compress_vec(&vec![0; 1 << 20], &mut one, flate2::FlushCompress::Full)
        .expect("a fresh compressor takes any input");
    let mut stream = vec![0x78, 0xda];
    stream.extend(one.repeat(mebibytes));
    // A last, empty block, and the Adler-32 of that many zeros.
    stream.extend([1, 0, 0, 0xff, 0xff]);
    let adler = (((mebibytes << 20) % 65521) as u32) << 16 | 1;
    stream.extend(adler.to_be_bytes());
    stream
}
