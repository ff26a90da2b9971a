//! One value: what the type asks for, what is there, and the zero that stands in when they differ.

use super::access::{Elements, Entries};
use super::{Error, Frame, Reader, Record};
use crate::tree::{Resolved, Scalar, Value};
use serde::de::value::StrDeserializer;
use serde::de::{IntoDeserializer, Visitor};
use std::fmt;

/// What a type says it expects, such as `IntOrString`.
struct Expecting<'v, V>(&'v V);

impl<'de, V: Visitor<'de>> fmt::Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// `f64` holds every whole number up to here.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl<'a> Reader<'a> {
    fn value(&self) -> &'a Value {
        &self.sink.document.node(self.node).value
    }

    fn scalar(&self) -> Option<&'a Scalar> {
        self.sink.document.scalar(self.node)
    }

    fn is_null(&self) -> bool {
        self.sink.document.is_null(self.node)
    }

    /// The whole number here, within `min..=max`, or 0 and a problem. A float without a fraction is one: YAML
    /// becomes JSON first, and `1e3` becomes `1000` there.
    fn integer(&self, min: i64, max: i64) -> i64 {
        let bits = if max > i64::from(i32::MAX) { 64 } else { 32 };
        let Some(scalar) = self.scalar() else {
            self.wrong_type("a whole number");
            return 0;
        };
        let value = match scalar.value() {
            Resolved::Null => return 0,
            Resolved::Int(value) => value,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within the range where f64 is exact"
            )]
            Resolved::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => value as i64,
            Resolved::Uint(_) | Resolved::Huge => {
                self.out_of_range(bits);
                return 0;
            }
            Resolved::Float(value) if value.is_finite() && value.fract() == 0.0 => {
                self.out_of_range(bits);
                return 0;
            }
            Resolved::Float(_) | Resolved::Bool(_) | Resolved::String => {
                self.wrong_type("a whole number");
                return 0;
            }
        };
        if value < min || value > max {
            self.out_of_range(bits);
            return 0;
        }
        self.check_notation(scalar, value);
        value
    }

    /// The text here, or a stand-in and a problem.
    fn string(&self) -> &'a str {
        match self.scalar() {
            Some(scalar) => {
                if !matches!(scalar.value(), Resolved::String | Resolved::Null) || self.is_null_element() {
                    self.wrong_type("a string");
                }
                if scalar.is_null() { "" } else { &scalar.text }
            }
            None => {
                self.wrong_type("a string");
                ""
            }
        }
    }

    /// `intstr.IntOrString`: a JSON string is a name (also `"8080"`), a JSON number is a number of 32 bits.
    fn int_or_string<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().map(|scalar| (scalar, scalar.value())) {
            Some((scalar, Resolved::String)) => visitor.visit_str(&scalar.text),
            Some((_, Resolved::Int(_) | Resolved::Uint(_) | Resolved::Huge | Resolved::Null)) => {
                visitor.visit_i64(self.integer(i64::from(i32::MIN), i64::from(i32::MAX)))
            }
            Some((_, Resolved::Float(value))) if value.fract() == 0.0 => {
                visitor.visit_i64(self.integer(i64::from(i32::MIN), i64::from(i32::MAX)))
            }
            Some((_, Resolved::Bool(_) | Resolved::Float(_))) | None => {
                self.wrong_type("a whole number or a string");
                visitor.visit_i64(0)
            }
        }
    }

    /// `resource.Quantity`: text or a number.
    fn quantity<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().map(|scalar| (scalar, scalar.value())) {
            Some((_, Resolved::Null)) => visitor.visit_str("0"),
            Some((_, Resolved::Bool(_))) | None => {
                self.wrong_type("a number or a string");
                visitor.visit_str("0")
            }
            Some((scalar, _)) => visitor.visit_str(&scalar.text),
        }
    }

    fn mapping<'de, V: Visitor<'de>>(self, record: Option<Record>, visitor: V) -> Result<V::Value, Error> {
        self.check_tag();
        self.check_keys();
        let frame = Frame {
            record,
            ..*self.frame
        };
        let reader = Reader {
            frame: &frame,
            ..self
        };
        let entries = match self.value() {
            Value::Mapping(mapping) => &*mapping.entries,
            _ if self.is_null() && !self.is_null_element() => &[],
            _ => {
                self.wrong_type("a mapping");
                &[]
            }
        };
        visitor.visit_map(Entries::new(reader, entries, record))
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty: $min:expr, $max:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.check_tag();
            let value = self.integer($min, $max);
            visitor.$visit(<$type>::try_from(value).unwrap_or_default())
        })*
    };
}

impl<'de> serde::Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.check_tag();
        // The two types of the API that read themselves from more than one JSON type.
        match &*Expecting(&visitor).to_string() {
            "IntOrString" => return self.int_or_string(visitor),
            "Quantity" => return self.quantity(visitor),
            _ => {}
        }
        match self.value() {
            Value::Scalar(scalar) => match scalar.value() {
                Resolved::Null => visitor.visit_unit(),
                Resolved::Bool(value) => visitor.visit_bool(value),
                Resolved::Int(value) => visitor.visit_i64(value),
                Resolved::Uint(value) => visitor.visit_u64(value),
                Resolved::Float(value) => visitor.visit_f64(value),
                Resolved::Huge | Resolved::String => visitor.visit_str(&scalar.text),
            },
            Value::Sequence(elements) => visitor.visit_seq(Elements::new(self, elements)),
            Value::Mapping(_) => self.mapping(None, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.check_tag();
        match self.scalar().map(|scalar| scalar.value()) {
            Some(Resolved::Bool(value)) => visitor.visit_bool(value),
            Some(Resolved::Null) => visitor.visit_bool(false),
            _ => {
                self.wrong_type("a boolean");
                visitor.visit_bool(false)
            }
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8: i64::from(i8::MIN), i64::from(i8::MAX);
        deserialize_i16 visit_i16 i16: i64::from(i16::MIN), i64::from(i16::MAX);
        deserialize_i32 visit_i32 i32: i64::from(i32::MIN), i64::from(i32::MAX);
        deserialize_i64 visit_i64 i64: i64::MIN, i64::MAX;
        deserialize_u8 visit_u8 u8: 0, i64::from(u8::MAX);
        deserialize_u16 visit_u16 u16: 0, i64::from(u16::MAX);
        deserialize_u32 visit_u32 u32: 0, i64::from(u32::MAX);
        deserialize_u64 visit_u64 u64: 0, i64::MAX;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.check_tag();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a JSON number read as float64 loses the same bits"
        )]
        let value = match self.scalar().map(|scalar| scalar.value()) {
            Some(Resolved::Float(value)) => value,
            Some(Resolved::Int(value)) => value as f64,
            Some(Resolved::Uint(value)) => value as f64,
            Some(Resolved::Null) => 0.0,
            _ => {
                self.wrong_type("a number");
                0.0
            }
        };
        visitor.visit_f64(value)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.check_tag();
        visitor.visit_str(self.string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() {
            self.check_tag();
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if matches!(name, "Time" | "MicroTime") {
            let text = self.string();
            let epoch = "1970-01-01T00:00:00Z";
            let valid = text.parse::<k8s_openapi::jiff::Timestamp>().is_ok();
            if !valid && !self.is_null() {
                self.invalid_time();
            }
            let stand_in: StrDeserializer<'_, Error> = if valid { text } else { epoch }.into_deserializer();
            return visitor.visit_newtype_struct(stand_in);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.check_tag();
        let elements = match self.value() {
            Value::Sequence(elements) => &**elements,
            _ if self.is_null() => &[],
            _ => {
                self.wrong_type("a list");
                &[]
            }
        };
        visitor.visit_seq(Elements::new(self, elements))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.mapping(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.mapping(Some(Record { name, fields }), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.check_tag();
        visitor.visit_enum(self.string().into_deserializer())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
