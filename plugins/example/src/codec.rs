//! A codec: messages as bytes, by content type.

use micro_core::{Codec, Error, Result};

/// JSON that people can read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pretty;

impl Codec for Pretty {
    fn content_type(&self) -> &str {
        "application/pretty+json"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(value).map_err(|error| Error::internal(error.to_string()))
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
        json.end()
            .map_err(|error| Error::invalid_argument(format!("after the value: {error}")))
    }
}
