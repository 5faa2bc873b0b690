//! How values stand in columns: ids as 16-byte blobs, u64 as the i64 with the same bits, what has many parts as JSON.
//!
//! Invariant: JSON columns are read by every later release, so their fields are only added, with a default. Bytes in JSON are
//! base64, so that a blob of some KiB does not become a list of numbers.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Input, Limits, Name, Outcome, Record, Timestamp, TraceContext, attempt::Delivery,
    request::Binding,
};
use rusqlite::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::db;
use crate::Result;

/// A UUID column.
pub(super) fn uuid(row: &Row<'_>, index: usize) -> Result<Uuid> {
    let bytes: [u8; 16] = row.get(index)?;
    Ok(Uuid::from_bytes(bytes))
}

/// A UUID column that may be NULL.
pub(super) fn maybe_uuid(row: &Row<'_>, index: usize) -> Result<Option<Uuid>> {
    let bytes: Option<[u8; 16]> = row.get(index)?;
    Ok(bytes.map(Uuid::from_bytes))
}

/// A [`Name`] column.
pub(super) fn name(row: &Row<'_>, index: usize) -> Result<Name> {
    let text = row.get_ref(index)?.as_str().map_err(db::corrupt)?;
    Name::new(text).map_err(db::corrupt)
}

/// A [`Name`] column that may be NULL.
pub(super) fn maybe_name(row: &Row<'_>, index: usize) -> Result<Option<Name>> {
    let text = row.get_ref(index)?.as_str_or_null().map_err(db::corrupt)?;
    text.map(Name::new).transpose().map_err(db::corrupt)
}

/// A time column.
pub(super) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp> {
    Ok(Timestamp(row.get(index)?))
}

/// A time column that may be NULL.
pub(super) fn maybe_time(row: &Row<'_>, index: usize) -> Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(index)?;
    Ok(millis.map(Timestamp))
}

/// A state column.
pub(super) fn state<T>(row: &Row<'_>, index: usize, from_code: impl Fn(u8) -> Option<T>) -> Result<T> {
    let code: u8 = row.get(index)?;
    from_code(code).ok_or_else(|| db::corrupt(format_args!("the state {code} in column {index}")))
}

/// A u64 column.
pub(super) fn unsigned(row: &Row<'_>, index: usize) -> Result<u64> {
    let bits: i64 = row.get(index)?;
    Ok(bits.cast_unsigned())
}

/// A JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T> {
    let text = row.get_ref(index)?.as_str().map_err(db::corrupt)?;
    Ok(serde_json::from_str(text)?)
}

/// A JSON column that may be NULL.
pub(super) fn maybe_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<Option<T>> {
    let text = row.get_ref(index)?.as_str_or_null().map_err(db::corrupt)?;
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// A named blob in JSON: one of `artifact` and `inline` is there.
#[derive(Serialize, Deserialize)]
pub(super) struct InputJson {
    name: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact: Option<ArtifactId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inline: Option<String>,
}

impl InputJson {
    fn new(name: &Name, blob: &BlobRef) -> Self {
        let name = name.clone();
        match blob {
            BlobRef::Artifact(id) => Self {
                name,
                artifact: Some(*id),
                inline: None,
            },
            BlobRef::Inline(bytes) => Self {
                name,
                artifact: None,
                inline: Some(BASE64.encode(bytes)),
            },
        }
    }

    fn blob(self) -> Result<(Name, BlobRef)> {
        let blob = match (self.artifact, self.inline) {
            (Some(id), None) => BlobRef::Artifact(id),
            (None, Some(text)) => BlobRef::Inline(BASE64.decode(text).map_err(db::corrupt)?),
            (Some(_), Some(_)) | (None, None) => return Err(db::corrupt("a named blob has one place")),
        };
        Ok((self.name, blob))
    }
}

/// Named blobs as JSON.
pub(super) fn inputs_to_json(inputs: &[Input]) -> Vec<InputJson> {
    inputs
        .iter()
        .map(|input| InputJson::new(&input.name, &input.blob))
        .collect()
}

/// Reads [`inputs_to_json`].
pub(super) fn inputs_from_json(inputs: Vec<InputJson>) -> Result<Vec<Input>> {
    inputs
        .into_iter()
        .map(|input| input.blob().map(|(name, blob)| Input { name, blob }))
        .collect()
}

/// What of a request's terms has no column of its own.
#[derive(Serialize, Deserialize)]
pub(super) struct DetailsJson {
    pub(super) inputs: Vec<InputJson>,
    pub(super) limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expected_public_values: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trust: Option<Name>,
    #[serde(default)]
    pub(super) private: bool,
    #[serde(default)]
    pub(super) priority: i16,
    pub(super) requested_deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<TraceContext>,
}

#[derive(Serialize, Deserialize)]
struct OutcomeJson {
    artifacts: Vec<InputJson>,
    record: Record,
    binding: Binding,
}

/// An outcome as JSON.
pub(super) fn outcome_to_json(outcome: &Outcome) -> Result<String> {
    let artifacts = inputs_to_json(&outcome.artifacts);
    let json = OutcomeJson {
        artifacts,
        record: outcome.record.clone(),
        binding: outcome.binding,
    };
    Ok(serde_json::to_string(&json)?)
}

/// Reads [`outcome_to_json`].
pub(super) fn outcome_from_json(text: &str) -> Result<Outcome> {
    let json: OutcomeJson = serde_json::from_str(text)?;
    Ok(Outcome {
        artifacts: inputs_from_json(json.artifacts)?,
        record: json.record,
        binding: json.binding,
    })
}

#[derive(Serialize, Deserialize)]
struct DeliveryJson {
    outputs: Vec<InputJson>,
    record: Record,
}

/// A delivery as JSON.
pub(super) fn delivery_to_json(delivery: &Delivery) -> Result<String> {
    let outputs = delivery
        .outputs
        .iter()
        .map(|(name, blob)| InputJson::new(name, blob))
        .collect();
    Ok(serde_json::to_string(&DeliveryJson {
        outputs,
        record: delivery.record.clone(),
    })?)
}

/// Reads [`delivery_to_json`].
pub(super) fn delivery_from_json(text: &str) -> Result<Delivery> {
    let json: DeliveryJson = serde_json::from_str(text)?;
    let outputs = json.outputs.into_iter().map(InputJson::blob).collect::<Result<_>>()?;
    Ok(Delivery {
        outputs,
        record: json.record,
    })
}
