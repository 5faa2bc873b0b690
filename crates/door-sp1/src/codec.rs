//! Protobuf on the wire, with one difference to tonic's own codec: a message that cannot be decoded is answered with
//! `InvalidArgument`. Clients try again for two minutes on the usual `Internal`, and the same bytes will never decode.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Replies are small (listings grow the buffer): this is taken for each call, in bytes.
const BUFFER_BYTES: usize = 512;
/// Bytes after which a large reply is handed on in parts; tonic's own figure.
const YIELD_BYTES: usize = 32 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct PermanentCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for PermanentCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for PermanentCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Whole<T>;
    type Decoder = Whole<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Whole(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Whole(PhantomData)
    }
}

/// Encodes and decodes whole messages.
#[derive(Debug)]
pub(crate) struct Whole<M>(PhantomData<M>);

impl<M: Message> Encoder for Whole<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, message: M, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(buffer)
            .map_err(|error| Status::internal(format!("the reply could not be encoded: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl<M: Message + Default> Decoder for Whole<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        M::decode(buffer)
            .map(Some)
            .map_err(|error| Status::invalid_argument(format!("the request is no message of this call: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}
