//! Reads types out of JSON values.
//!
//! serde compiles the reader of a type anew for every deserializer that it is read with. In the
//! extension's module there is therefore this one: text becomes a [`Value`] first, whatever it is,
//! and every type of ours is read out of that. It is simpler than serde_json's own: a struct is an
//! object and never an array, and an error says where it is, not only what. The keys of a map are
//! texts: one of numbers it cannot read.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::{Map, Number, Value, map};
use std::{fmt, slice};

/// Reads a `T`; fields that it does not know are let pass, unless it refuses them.
///
/// # Errors
/// What is wrong, and in which field.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Unreadable> {
    T::deserialize(Reader(value))
}

/// Reads one field of an object. One that is missing is none for an `Option`, and null for a [`Value`].
///
/// # Errors
/// What is wrong with it, or that it is missing.
pub fn field<T: DeserializeOwned>(object: &Value, name: &'static str) -> Result<T, Unreadable> {
    let value = object.get(name);
    read(value.unwrap_or(&Value::Null)).map_err(|error| match value {
        Some(_) => error.within(name),
        None => de::Error::missing_field(name),
    })
}

/// As [`field`], with a default for one that is missing.
///
/// # Errors
/// What is wrong with it.
pub fn field_or_default<T: DeserializeOwned + Default>(
    object: &Value,
    name: &'static str,
) -> Result<T, Unreadable> {
    match object.get(name) {
        Some(_) => field(object, name),
        None => Ok(T::default()),
    }
}

/// The compact JSON of a value or a text.
pub fn text(value: &(impl Serialize + ?Sized)) -> String {
    // Every type of ours serialises to JSON: string keys, no maps of other keys.
    serde_json::to_string(value).unwrap_or_default()
}

/// Why a value is no such type: "`button`: invalid type: integer `7`, expected a string".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(Box<Told>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    place: String,
    what: String,
}

impl Unreadable {
    /// The field, for example `target`, or `ports.first` inside another; empty when it is the whole.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Of the whole.
    #[must_use]
    pub fn new(what: String) -> Self {
        let place = String::new();
        Self(Box::new(Told { place, what }))
    }

    /// Something else was expected of `found`.
    fn unfit(kind: &str, found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            // Shown as the number that it is: a float in Rust's own words costs the module 20 KB.
            Unexpected::Float(float) => match Number::from_f64(float) {
                Some(number) => format!("number `{number}`"),
                None => "a number".into(),
            },
            Unexpected::Unit => "null".into(),
            Unexpected::Bool(it) => format!("boolean `{it}`"),
            Unexpected::Unsigned(it) => format!("integer `{it}`"),
            Unexpected::Signed(it) => format!("integer `{it}`"),
            Unexpected::Str(it) => format!("string {it:?}"),
            Unexpected::Seq => "an array".into(),
            Unexpected::Map => "an object".into(),
            Unexpected::Other(it) => it.into(),
            Unexpected::Char(_)
            | Unexpected::Bytes(_)
            | Unexpected::Option
            | Unexpected::NewtypeStruct
            | Unexpected::Enum
            | Unexpected::UnitVariant
            | Unexpected::NewtypeVariant
            | Unexpected::TupleVariant
            | Unexpected::StructVariant => "what JSON has no word for".into(),
        };
        Self::new(format!("invalid {kind}: {found}, expected {expected}"))
    }

    /// `value` has another type.
    fn other_type(value: &Value, expected: &dyn Expected) -> Self {
        let found = match value {
            Value::Null => Unexpected::Unit,
            Value::Bool(it) => Unexpected::Bool(*it),
            Value::Number(it) => match (it.as_u64(), it.as_i64()) {
                (Some(it), _) => Unexpected::Unsigned(it),
                (None, Some(it)) => Unexpected::Signed(it),
                (None, None) => Unexpected::Float(it.as_f64().unwrap_or_default()),
            },
            Value::String(it) => Unexpected::Str(it),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Self::unfit("type", found, expected)
    }

    fn within(mut self, name: &str) -> Self {
        let place = &mut self.0.place;
        if !place.is_empty() {
            place.insert(0, '.');
        }
        place.insert_str(0, name);
        self
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { place, what } = &*self.0;
        if !place.is_empty() {
            write!(f, "`{place}`: ")?;
        }
        f.write_str(what)
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new(what.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unfit("type", found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unfit("value", found, expected)
    }
}

#[derive(Clone, Copy)]
struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    /// What was found, or that the value has another type.
    fn expect<T>(self, found: Option<T>, expected: &dyn Expected) -> Result<T, Unreadable> {
        found.ok_or_else(|| Unreadable::other_type(self.0, expected))
    }

    /// A variant is its name, or an object of its name and what it holds.
    fn as_variant(self) -> Option<Variant<'a>> {
        if let Some(name) = self.0.as_str() {
            let content = &Value::Null;
            return Some(Variant { name, content });
        }
        let fields = self.0.as_object().filter(|fields| fields.len() == 1)?;
        let (name, content) = fields.iter().next()?;
        Some(Variant { name, content })
    }
}

/// For which numbers it is too large or too broken, its visitor says.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            let number = self.expect(self.0.as_number(), &visitor)?;
            visit_number(number, visitor)
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            let text = self.expect(self.0.as_str(), &visitor)?;
            visitor.visit_str(text)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Unreadable;

    numbers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    numbers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    numbers!(deserialize_f32 deserialize_f64);
    texts!(deserialize_str deserialize_string deserialize_identifier);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(*it),
            Value::Number(number) => visit_number(number, visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visit_items(items, visitor),
            Value::Object(fields) => visitor.visit_map(Fields::of(fields)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let it = self.expect(self.0.as_bool(), &visitor)?;
        visitor.visit_bool(it)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let items = self.expect(self.0.as_array(), &visitor)?;
        visit_items(items, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let fields = self.expect(self.0.as_object(), &visitor)?;
        visitor.visit_map(Fields::of(fields))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let variant = self.expect(self.as_variant(), &OneOf(variants))?;
        visitor.visit_enum(variant)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Unreadable> {
    match (number.as_u64(), number.as_i64()) {
        (Some(it), _) => visitor.visit_u64(it),
        (None, Some(it)) => visitor.visit_i64(it),
        (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// All of them must be wanted.
fn visit_items<'de, V: Visitor<'de>>(
    items: &'de [Value],
    visitor: V,
) -> Result<V::Value, Unreadable> {
    let mut rest = Items(items.iter());
    let read = visitor.visit_seq(&mut rest)?;
    match rest.0.next() {
        None => Ok(read),
        Some(_) => Err(de::Error::invalid_length(items.len(), &"fewer entries")),
    }
}

/// The variants of an enum, for who named none.
struct OneOf(&'static [&'static str]);

impl Expected for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of `")?;
        f.write_str(&self.0.join("`, `"))?;
        f.write_str("`")
    }
}

struct Items<'a>(slice::Iter<'a, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        let item = self.0.next();
        item.map(|item| seed.deserialize(Reader(item))).transpose()
    }
}

struct Fields<'a> {
    rest: map::Iter<'a>,
    /// Whose key was read.
    current: Option<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    fn of(fields: &'a Map<String, Value>) -> Self {
        Self {
            rest: fields.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.current = Some((key, value));
        seed.deserialize(named(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        let (key, value) = self.current.unwrap_or(("", &Value::Null));
        let read = seed.deserialize(Reader(value));
        read.map_err(|error| error.within(key))
    }
}

fn named(key: &str) -> StrDeserializer<'_, Unreadable> {
    key.into_deserializer()
}

struct Variant<'a> {
    name: &'a str,
    content: &'a Value,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Unreadable;
    type Variant = Reader<'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Reader<'de>), Unreadable> {
        let variant = seed.deserialize(named(self.name))?;
        Ok((variant, Reader(self.content)))
    }
}

impl<'de> VariantAccess<'de> for Reader<'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        self.expect(self.0.as_null(), &"nothing beside the name")
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        number: u16,
        #[serde(default)]
        share: f64,
        list: Vec<String>,
        inner: Option<Inner>,
        any: Value,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        kind: Kind,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Plain,
        One(u8),
        Two(bool, i64),
        Named { name: String },
    }

    fn good() -> Value {
        json!({"number": 7, "share": 1, "list": ["a", "b"], "inner": {"kind": "plain"},
            "any": {"a": [1, -1, 0.5, null, true, "x"]}, "later": {"x": 1}})
    }

    #[test]
    fn what_serde_json_reads_reads_the_same() {
        let kinds = [
            json!("plain"),
            json!({"plain": null}),
            json!({"one": 255}),
            json!({"two": [true, -1]}),
            json!({"named": {"name": "x"}}),
        ];
        for kind in kinds {
            let mut value = good();
            value["inner"]["kind"] = kind;
            let told: Told = read(&value).unwrap();
            assert_eq!(told, serde_json::from_value(value).unwrap());
        }
    }

    #[test]
    fn what_serde_json_refuses_is_refused_with_its_place() {
        for (place, wrong, what) in [
            ("number", json!(70_000), "integer `70000`, expected u16"),
            ("number", json!(-1), "integer `-1`, expected u16"),
            ("number", json!(0.5), "number `0.5`, expected u16"),
            ("number", json!("7"), "string \"7\", expected u16"),
            ("list", json!("a"), "string \"a\", expected a sequence"),
            ("list", json!(["a", null]), "null, expected a string"),
            ("inner", json!({}), "missing field `kind`"),
            (
                "inner",
                json!({"kind": "plain", "x": 1}),
                "unknown field `x`",
            ),
            (
                "inner.kind",
                json!({"kind": "new"}),
                "unknown variant `new`",
            ),
            ("inner.kind", json!({"kind": {"plain": 1}}), "integer `1`"),
            ("inner.kind", json!({"kind": {}}), "an object"),
            (
                "inner.kind",
                json!({"kind": 7}),
                "integer `7`, expected one of `plain`, `one`, `two`, `named`",
            ),
            (
                "inner.kind",
                json!({"kind": {"two": [true, -1, 5]}}),
                "invalid length 3",
            ),
            (
                "inner.kind",
                json!({"kind": {"two": [true]}}),
                "invalid length 1",
            ),
            (
                "inner.kind.name",
                json!({"kind": {"named": {"name": 1}}}),
                "integer `1`",
            ),
        ] {
            let (mut value, field) = (good(), place.split('.').next().unwrap());
            value[field] = wrong;
            let error = read::<Told>(&value).unwrap_err();
            assert_eq!(error.place(), place, "{error}");
            assert!(error.to_string().contains(what), "{error}");
            assert!(
                error.to_string().starts_with(&format!("`{place}`: ")),
                "{error}"
            );
            assert!(serde_json::from_value::<Told>(value).is_err());
        }
    }

    #[test]
    fn a_struct_is_an_object_and_no_array() {
        let error = read::<Inner>(&json!(["plain"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid type: an array, expected struct Inner"
        );
    }

    #[test]
    fn a_field_that_is_missing_is_none_or_said_to_be_missing() {
        let object = json!({"a": 1});
        assert_eq!(field::<Option<u8>>(&object, "b"), Ok(None));
        assert_eq!(field_or_default::<u8>(&object, "b"), Ok(0));
        let error = field::<u8>(&object, "b").unwrap_err();
        assert_eq!(error.to_string(), "missing field `b`");
        let error = field::<bool>(&object, "a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a`: invalid type: integer `1`, expected a boolean"
        );
    }
}
