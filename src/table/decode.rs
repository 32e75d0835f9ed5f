//! Items as Rust values: serde's side of reading, and the one place where an item that does not fit is
//! kept for the error.

use super::encode::{BINARY_SET, NUMBER_SET, STRING_SET};
use super::fault::{Fault, set_is_kept, told};
use super::item::{Attributes, Item};
use super::key::Key;
use super::number::{self, NUMBER};
use super::value::VALUE;
use crate::error::{Error, ErrorKind, Operation, Result};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::collections::{BTreeSet, hash_map};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

/// A value of an item: for what [`output`](super::Get::output) returned.
///
/// # Errors
///
/// [`ErrorKind::Decode`] when the item does not fit `T`; the error names the attribute, and keeps the item
/// ([`Error::item`]).
pub fn from_item<T: DeserializeOwned>(item: impl Into<Item>) -> Result<T> {
    decode(item.into().into(), None)
}

/// Every item that is read is decoded here. It is borrowed on the way, so that it is whole if it does not
/// fit. The key is for an item that may lack it: one of which only parts were read.
pub(crate) fn decode<T: DeserializeOwned>(item: Attributes, key: Option<Key>) -> Result<T> {
    let read = told(|| T::deserialize(Decoder(Shape::Map(&item))));
    read.map_err(|fault| {
        let fault = fault.without(|| texts_of(&item));
        let place = match fault.place() {
            None if fault.is_of_what_was_kept() => hard_to_keep(&item),
            place => place.map(str::to_owned),
        };
        let message = match place {
            Some(place) => format!("attribute {place} does not fit the type it is read into"),
            // an absent attribute, as a rule: it has no place
            None => "the item does not fit the type it is read into".to_owned(),
        };
        Error::new(ErrorKind::Decode, Operation::CONFIGURE, message)
            .needs_human()
            .caused_by(fault)
            .with_detail(Arc::new(Undecoded {
                item: item.into(),
                key,
            }))
    })
}

/// The attributes that hold what serde cannot keep as it is: which of them does not fit, it does not tell.
fn hard_to_keep(item: &Attributes) -> Option<String> {
    fn is_hard(value: &AttributeValue) -> bool {
        match value {
            AttributeValue::L(elements) => elements.iter().any(is_hard),
            AttributeValue::M(members) => members.values().any(is_hard),
            AttributeValue::B(_) | AttributeValue::Bs(_) => true,
            AttributeValue::Ns(_) | AttributeValue::Ss(_) => true,
            _ => false,
        }
    }
    let hard = item.iter().filter(|(_, value)| is_hard(value));
    let mut names: Vec<&str> = hard.map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// Every string and number of an item, and the binary that is text.
fn texts_of(item: &Attributes) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut rest: Vec<&AttributeValue> = item.values().collect();
    while let Some(value) = rest.pop() {
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => texts.push(text.as_str()),
            AttributeValue::Ss(set) | AttributeValue::Ns(set) => {
                texts.extend(set.iter().map(String::as_str));
            }
            AttributeValue::B(bytes) => texts.extend(std::str::from_utf8(bytes.as_ref()).ok()),
            AttributeValue::L(elements) => rest.extend(elements),
            AttributeValue::M(members) => rest.extend(members.values()),
            _ => {}
        }
    }
    texts
}

impl Error {
    /// The item that did not fit the type it was read into, whole.
    ///
    /// `None` unless this is [`ErrorKind::Decode`]. The texts of the error name attributes and types, and show
    /// no value: out of what a type of yours says, in a `deserialize_with` or a `try_from`, the values of the item
    /// are struck where it quotes one whole.
    #[must_use]
    pub fn item(&self) -> Option<&Item> {
        Some(&self.undecoded()?.item)
    }

    /// The key of the item that did not fit, where the item itself may lack it: of a
    /// [`get`](super::Table::get) of [some paths](super::Get::project) only.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.undecoded()?.key.as_ref()
    }

    fn undecoded(&self) -> Option<&Undecoded> {
        self.detail()?.downcast_ref()
    }
}

/// Travels in an error, unseen.
struct Undecoded {
    item: Item,
    key: Option<Key>,
}

impl fmt::Debug for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item that does not fit")
    }
}

impl std::error::Error for Undecoded {}

/// An attribute, or a member of a set, that is being read.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Binaries(&'a [Blob]),
    Binary(&'a [u8]),
    Bool(bool),
    List(&'a [AttributeValue]),
    Map(&'a Attributes),
    Null,
    Number(&'a str),
    Numbers(&'a [String]),
    Strings(&'a [String]),
    Text(&'a str),
    Unknown,
}

impl<'a> Shape<'a> {
    fn of(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::B(bytes) => Shape::Binary(bytes.as_ref()),
            AttributeValue::Bool(flag) => Shape::Bool(*flag),
            AttributeValue::Bs(set) => Shape::Binaries(set),
            AttributeValue::L(elements) => Shape::List(elements),
            AttributeValue::M(members) => Shape::Map(members),
            AttributeValue::N(number) => Shape::Number(number),
            AttributeValue::Ns(set) => Shape::Numbers(set),
            AttributeValue::Null(_) => Shape::Null,
            AttributeValue::S(text) => Shape::Text(text),
            AttributeValue::Ss(set) => Shape::Strings(set),
            _ => Shape::Unknown,
        }
    }

    /// DynamoDB's name of the type.
    fn kind(self) -> &'static str {
        match self {
            Shape::Binaries(_) => "BS",
            Shape::Binary(_) => "B",
            Shape::Bool(_) => "BOOL",
            Shape::List(_) => "L",
            Shape::Map(_) => "M",
            Shape::Null => "NULL",
            Shape::Number(_) => "N",
            Shape::Numbers(_) => "NS",
            Shape::Strings(_) => "SS",
            Shape::Text(_) => "S",
            Shape::Unknown => "a type that this version does not know",
        }
    }

    /// Or the absence of one.
    fn is_set(self, kind: &str) -> bool {
        self.kind() == kind || matches!(self, Shape::Null)
    }

    fn instead_of(self, expected: &str) -> Fault {
        Fault::new(format!("expected {expected}, not {}", self.kind()))
    }
}

struct Decoder<'a>(Shape<'a>);

/// A number may be read as a float that gives it back; anything else would change it in silence.
fn rounded(number: &str, float: &str) -> Fault {
    let digits = number.len();
    Fault::new(format!(
        "a number of {digits} characters that {float} would round: read it into a Number"
    ))
}

impl Decoder<'_> {
    fn integer<T: FromStr>(&self, name: &str) -> Result<T, Fault> {
        match self.0 {
            Shape::Number(number) => number
                .parse()
                .map_err(|_| Fault::new(format!("the number does not fit {name}"))),
            other => Err(other.instead_of("N")),
        }
    }
}

impl Decoder<'_> {
    /// In a form that what takes any value refuses, and a collection does not: a `String` can be made of
    /// binary, and a set of numbers is taken out of a newtype by `number_set`.
    fn keep_set<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        set_is_kept();
        match self.0 {
            Shape::Strings(set) => Elements::of(set, |s| Shape::Binary(s.as_bytes())).read(visitor),
            Shape::Numbers(set) => visitor.visit_newtype_struct(Numbers(set)),
            _ => self.deserialize_seq(visitor),
        }
    }
}

macro_rules! integers {
    ($($method:ident: $visit:ident($number:ty)),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.integer::<$number>(stringify!($number))?)
        })+
    };
}

macro_rules! read_as {
    ($($method:ident($($argument:ident: $type:ty),*) = $as:ident),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Fault> {
            self.$as(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Binary(bytes) => visitor.visit_bytes(bytes),
            Shape::Bool(flag) => visitor.visit_bool(flag),
            Shape::List(_) => self.deserialize_seq(visitor),
            Shape::Map(_) => self.deserialize_map(visitor),
            Shape::Null => visitor.visit_unit(),
            Shape::Number(number) => {
                if let Ok(integer) = number.parse() {
                    visitor.visit_i64(integer)
                } else if let Ok(natural) = number.parse() {
                    visitor.visit_u64(natural)
                } else {
                    let float = number::exact_f64(number);
                    visitor.visit_f64(float.ok_or_else(|| rounded(number, "f64"))?)
                }
            }
            Shape::Text(text) => visitor.visit_str(text),
            Shape::Binaries(_) | Shape::Numbers(_) | Shape::Strings(_) if !is_kept::<V>() => {
                Err(Fault::new(format!(
                    "a set ({}), which a type that takes any value, as serde_json::Value does, would give back as a list: read the item into an Item",
                    self.0.kind()
                )))
            }
            Shape::Binaries(_) | Shape::Numbers(_) | Shape::Strings(_) => self.keep_set(visitor),
            Shape::Unknown => Err(self.0.instead_of("a known type")),
        }
    }

    integers! {
        deserialize_i8: visit_i8(i8),
        deserialize_i16: visit_i16(i16),
        deserialize_i32: visit_i32(i32),
        deserialize_i64: visit_i64(i64),
        deserialize_i128: visit_i128(i128),
        deserialize_u8: visit_u8(u8),
        deserialize_u16: visit_u16(u16),
        deserialize_u32: visit_u32(u32),
        deserialize_u64: visit_u64(u64),
        deserialize_u128: visit_u128(u128),
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Number(number) => {
                let float = number::exact_f32(number);
                visitor.visit_f32(float.ok_or_else(|| rounded(number, "f32"))?)
            }
            other => Err(other.instead_of("N")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Number(number) => {
                let float = number::exact_f64(number);
                visitor.visit_f64(float.ok_or_else(|| rounded(number, "f64"))?)
            }
            other => Err(other.instead_of("N")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Bool(flag) => visitor.visit_bool(flag),
            other => Err(other.instead_of("BOOL")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Text(text) => visitor.visit_str(text),
            other => Err(other.instead_of("S")),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Binary(bytes) => visitor.visit_bytes(bytes),
            other => Err(other.instead_of("B")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Null => visitor.visit_unit(),
            other => Err(other.instead_of("NULL")),
        }
    }

    read_as! {
        deserialize_char() = deserialize_str,
        deserialize_string() = deserialize_str,
        deserialize_identifier() = deserialize_str,
        deserialize_byte_buf() = deserialize_bytes,
        deserialize_unit_struct(_name: &'static str) = deserialize_unit,
        deserialize_tuple(_len: usize) = deserialize_seq,
        deserialize_tuple_struct(_name: &'static str, _len: usize) = deserialize_seq,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match (name, self.0) {
            (VALUE, shape) => visitor.visit_newtype_struct(Tagged(shape)),
            (NUMBER, Shape::Number(number)) => visitor.visit_str(number),
            (NUMBER, other) => Err(other.instead_of("N")),
            (STRING_SET, shape) if !shape.is_set("SS") => Err(shape.instead_of("SS")),
            (NUMBER_SET, shape) if !shape.is_set("NS") => Err(shape.instead_of("NS")),
            (BINARY_SET, shape) if !shape.is_set("BS") => Err(shape.instead_of("BS")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::List(elements) => Elements::of(elements, Shape::of).read(visitor),
            Shape::Strings(set) => Elements::of(set, |s| Shape::Text(s)).read(visitor),
            Shape::Numbers(set) => Elements::of(set, |n| Shape::Number(n)).read(visitor),
            Shape::Binaries(set) => Elements::of(set, |b| Shape::Binary(b.as_ref())).read(visitor),
            other => Err(other.instead_of("L or a set")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Map(members) => Members::of(members).read(visitor),
            other => Err(other.instead_of("M")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::List(_) => self.deserialize_seq(visitor),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Shape::Text(variant) => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(variant))
            }
            Shape::Map(members) if members.len() == 1 => match members.iter().next() {
                Some((variant, value)) => visitor.visit_enum(Variant {
                    name: variant,
                    is_member: true,
                    content: Shape::of(value),
                }),
                None => Err(self.0.instead_of("the name of a variant")),
            },
            other => Err(other.instead_of("the name of a variant, or a map of it alone")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

/// Whether serde keeps the value until it knows what for: behind `flatten`, and in tagged and untagged
/// enums. It has no public name for what it keeps; under a new one, sets are refused.
fn is_kept<'de, V: Visitor<'de>>() -> bool {
    let kept = std::any::type_name::<V::Value>();
    kept.starts_with("serde") && kept.contains("private") && kept.contains("::Content")
}

/// A set of numbers that is kept.
struct Numbers<'a>(&'a [String]);

impl<'de> Deserializer<'de> for Numbers<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        Elements::of(self.0, |n| Shape::Number(n)).read(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The elements of a list or a set.
struct Elements<'a, T> {
    rest: std::slice::Iter<'a, T>,
    shape: fn(&'a T) -> Shape<'a>,
    at: usize,
}

impl<'a, T> Elements<'a, T> {
    fn of(elements: &'a [T], shape: fn(&'a T) -> Shape<'a>) -> Self {
        Elements {
            rest: elements.iter(),
            shape,
            at: 0,
        }
    }

    /// Into what takes them all: a tuple stops after its own.
    fn read<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let value = visitor.visit_seq(&mut self)?;
        nothing_dropped(self.rest.len(), "element")?;
        Ok(value)
    }
}

/// What is read and written back would lack the rest.
fn nothing_dropped(rest: usize, what: &str) -> Result<(), Fault> {
    match rest {
        0 => Ok(()),
        1 => Err(Fault::new(format!("1 {what} more than the type takes"))),
        _ => Err(Fault::new(format!(
            "{rest} {what}s more than the type takes"
        ))),
    }
}

impl<'de, T> SeqAccess<'de> for Elements<'_, T> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some(element) = self.rest.next() else {
            return Ok(None);
        };
        let at = self.at;
        self.at += 1;
        let element = seed.deserialize(Decoder((self.shape)(element)));
        element.map(Some).map_err(|fault| fault.in_element(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The members of a map, or the attributes of an item.
struct Members<'a> {
    rest: hash_map::Iter<'a, String, AttributeValue>,
    under_way: Option<(&'a str, &'a AttributeValue)>,
    /// The keys that were read as numbers, each in the one text that it has.
    numbers: BTreeSet<String>,
}

impl<'a> Members<'a> {
    fn of(members: &'a Attributes) -> Self {
        Members {
            rest: members.iter(),
            under_way: None,
            numbers: BTreeSet::new(),
        }
    }

    fn read<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let value = visitor.visit_map(&mut self)?;
        nothing_dropped(self.rest.len(), "member")?;
        Ok(value)
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.under_way = Some((name, value));
        let key = seed.deserialize(KeyDecoder {
            text: name,
            numbers: &mut self.numbers,
        });
        key.map(Some).map_err(|fault| fault.in_member(name))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let under_way = self.under_way.take();
        let (name, value) =
            under_way.ok_or_else(|| Fault::new("a value was asked for before its key"))?;
        let read = seed.deserialize(Decoder(Shape::of(value)));
        read.map_err(|fault| fault.in_member(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The key of a map: a string in DynamoDB, whatever it is in Rust.
struct KeyDecoder<'a> {
    text: &'a str,
    numbers: &'a mut BTreeSet<String>,
}

impl KeyDecoder<'_> {
    /// Two texts of one key would be one member, and another text would be written back.
    fn parsed<T: FromStr + ToString>(&self) -> Result<T, Fault> {
        let key = self.text.parse().ok();
        key.filter(|key: &T| key.to_string() == self.text)
            .ok_or_else(|| Fault::new("the key does not fit its type"))
    }
}

macro_rules! parsed_keys {
    ($($method:ident: $visit:ident),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.parsed()?)
        })+
    };
}

impl<'de> Deserializer<'de> for KeyDecoder<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.text)
    }

    parsed_keys! {
        deserialize_bool: visit_bool,
        deserialize_i8: visit_i8,
        deserialize_i16: visit_i16,
        deserialize_i32: visit_i32,
        deserialize_i64: visit_i64,
        deserialize_i128: visit_i128,
        deserialize_u8: visit_u8,
        deserialize_u16: visit_u16,
        deserialize_u32: visit_u32,
        deserialize_u64: visit_u64,
        deserialize_u128: visit_u128,
        deserialize_f32: visit_f32,
        deserialize_f64: visit_f64,
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(self.text))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == NUMBER && !self.numbers.insert(number::plain(self.text)) {
            return Err(Fault::new("the key is the same number as another"));
        }
        match name {
            NUMBER => visitor.visit_str(self.text),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// A value that is asked for with its type: the type is the variant.
struct Tagged<'a>(Shape<'a>);

impl<'de> Deserializer<'de> for Tagged<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_enum(Variant {
            name: self.0.kind(),
            is_member: false,
            content: self.0,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A variant and what is in it.
struct Variant<'a> {
    name: &'a str,
    /// It is the one member of a map, by its name, and not the type of a value.
    is_member: bool,
    content: Shape<'a>,
}

impl Variant<'_> {
    fn place<T>(&self, content: Result<T, Fault>) -> Result<T, Fault> {
        content.map_err(|fault| {
            if self.is_member {
                fault.in_member(self.name)
            } else {
                fault
            }
        })
    }
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        self.newtype_variant_seed(PhantomData)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        self.place(seed.deserialize(Decoder(self.content)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.place(Decoder(self.content).deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.place(Decoder(self.content).deserialize_map(visitor))
    }
}
