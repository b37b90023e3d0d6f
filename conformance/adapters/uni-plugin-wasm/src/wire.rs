//! The JSON mapping of `docs/adapter-protocol.md` for serde: what serde's own shapes do not give. Records are structs with
//! kebab-case fields, variants are enums whose cases all have a payload (`()` for none), enums are unit enums.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value as Json;

use crate::case::Refusal;

/// The arguments of a call as a tuple; `[(); 0]` for none.
pub(crate) fn arguments<T: DeserializeOwned>(arguments: Vec<Json>) -> Result<T, Refusal> {
    serde_json::from_value(Json::Array(arguments))
        .map_err(|error| Refusal(format!("the arguments are not of their types: {error}")))
}

/// The result of a call.
pub(crate) fn value(value: &impl Serialize) -> Result<Json, Refusal> {
    serde_json::to_value(value).map_err(|error| Refusal(format!("no JSON of the result: {error}")))
}

/// `option<T>`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    from = "Option<Present<T>>",
    into = "Option<Present<T>>",
    bound(serialize = "T: Clone + Serialize")
)]
pub(crate) struct Opt<T>(pub(crate) Option<T>);

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Present<T> {
    some: T,
}

impl<T> From<Option<Present<T>>> for Opt<T> {
    fn from(present: Option<Present<T>>) -> Self {
        Self(present.map(|present| present.some))
    }
}

impl<T> From<Opt<T>> for Option<Present<T>> {
    fn from(value: Opt<T>) -> Self {
        value.0.map(|some| Present { some })
    }
}

/// `result<T, E>`, the host's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Res<T, E> {
    Ok(T),
    Err(E),
}

impl<T, E> From<Result<T, E>> for Res<T, E> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Err(error),
        }
    }
}

/// `list<u8>`
#[derive(Clone, Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        STANDARD
            .decode(String::deserialize(deserializer)?)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

/// `u64`, `s64`: a number or its digits.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Long<T>(pub(crate) T);

impl<'de, T: DeserializeOwned + std::str::FromStr> Deserialize<'de> for Long<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match NumberOrText::<T>::deserialize(deserializer)? {
            NumberOrText::Number(number) => Ok(Self(number)),
            NumberOrText::Text(text) => text
                .parse()
                .map(Self)
                .map_err(|_| D::Error::custom(format!("{text:?} is no number of its type"))),
        }
    }
}

/// `f32`, `f64`: a number, or the name of what JSON has no number for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float(pub(crate) f64);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match NumberOrText::<f64>::deserialize(deserializer)? {
            NumberOrText::Number(number) => Ok(Self(number)),
            NumberOrText::Text(text) => match text.as_str() {
                "nan" => Ok(Self(f64::NAN)),
                "inf" => Ok(Self(f64::INFINITY)),
                "-inf" => Ok(Self(f64::NEG_INFINITY)),
                "-0.0" => Ok(Self(-0.0)),
                _ => Err(D::Error::custom(format!("{text:?} is no float"))),
            },
        }
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("nan"),
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            value if value == 0.0 && value.is_sign_negative() => serializer.serialize_str("-0.0"),
            value => serializer.serialize_f64(value),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText<T> {
    Number(T),
    Text(String),
}
