//! Reads a record whose last fields may be missing: an older build wrote it. Bytes behind the last field are skipped: a
//! newer build wrote them.
//!
//! Postcard is not self-describing and takes the end of the bytes for an error. Here a struct's fields end there, so
//! serde's `default` applies.

use postcard::Error;
use serde::de::Visitor;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess,
};

/// Reads a record.
pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    T::deserialize(&mut Record { rest: bytes })
}

/// The bytes of a record that are not read yet.
struct Record<'de> {
    rest: &'de [u8],
}

type Postcard<'de> = postcard::Deserializer<'de, postcard::de_flavors::Slice<'de>>;

impl<'de> Record<'de> {
    fn read<T>(&mut self, read: impl FnOnce(&mut Postcard<'de>) -> Result<T, Error>) -> Result<T, Error> {
        let mut bytes = Postcard::from_bytes(self.rest);
        let value = read(&mut bytes)?;
        self.rest = bytes.finalize()?;
        Ok(value)
    }

    fn fields(&mut self, left: usize) -> Fields<'_, 'de> {
        Fields { record: self, left }
    }
}

/// Methods that leave everything to postcard.
macro_rules! by_postcard {
    ($($method:ident($($argument:ident: $of:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $of,)* visitor: V) -> Result<V::Value, Error> {
            self.read(|bytes| bytes.$method($($argument,)* visitor))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Record<'de> {
    type Error = Error;

    by_postcard! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_identifier() deserialize_ignored_any()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(self.fields(fields.len()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl<'de> EnumAccess<'de> for &mut Record<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index: u32 = self.read(|bytes| serde::Deserialize::deserialize(bytes))?;
        Ok((seed.deserialize(index.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Record<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.fields(len))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.fields(fields.len()))
    }
}

/// The fields of a struct or a variant, up to the end of the record.
struct Fields<'a, 'de> {
    record: &'a mut Record<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 || self.record.rest.is_empty() {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.record).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        name: String,
        inner: (u8, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        name: String,
        inner: (u8, u64),
        #[serde(default)]
        later: Option<u64>,
        #[serde(default)]
        latest: Vec<String>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum OneOf<T> {
        Nothing,
        Named { number: u64, last: T },
        Alone(T),
        Two(u8, T),
    }

    const INNER: (u8, u64) = (3, 70_000);

    fn old() -> Old {
        Old { name: "a".into(), inner: INNER }
    }

    fn new(later: Option<u64>, latest: &[&str]) -> New {
        New { name: "a".into(), inner: INNER, later, latest: latest.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        postcard::to_allocvec(value).unwrap()
    }

    #[test]
    fn fields_that_an_older_build_did_not_write_are_empty() {
        assert_eq!(from_bytes(&bytes(&old())), Ok(new(None, &[])));
        assert_eq!(from_bytes(&bytes(&("a", INNER, Some(7u64)))), Ok(new(Some(7), &[])));
        let whole = new(Some(7), &["b", "c"]);
        assert_eq!(from_bytes(&bytes(&whole)), Ok(whole));
    }

    #[test]
    fn fields_of_a_newer_build_are_skipped() {
        assert_eq!(from_bytes(&bytes(&new(Some(7), &["b"]))), Ok(old()));
    }

    #[test]
    fn the_same_goes_for_what_ends_a_variant() {
        for of in [|last| OneOf::Named { number: 1, last }, OneOf::Alone, |last| OneOf::Two(9, last)] {
            assert_eq!(from_bytes(&bytes(&of_old(&of))), Ok(of(new(None, &[]))));
        }
        assert_eq!(from_bytes(&bytes(&OneOf::<Old>::Nothing)), Ok(OneOf::<New>::Nothing));
    }

    /// The variant that `of` makes, with what an older build knew.
    fn of_old(of: &impl Fn(New) -> OneOf<New>) -> OneOf<Old> {
        match of(new(None, &[])) {
            OneOf::Nothing => OneOf::Nothing,
            OneOf::Named { number, .. } => OneOf::Named { number, last: old() },
            OneOf::Alone(_) => OneOf::Alone(old()),
            OneOf::Two(number, _) => OneOf::Two(number, old()),
        }
    }

    #[test]
    fn a_record_that_ends_within_a_field_or_lacks_one_that_always_was_is_refused() {
        let whole = bytes(&new(Some(70_000), &["b"]));
        let ends = [bytes(&old()).len(), bytes(&("a", INNER, Some(70_000u64))).len(), whole.len()];
        for end in 0..=whole.len() {
            assert_eq!(from_bytes::<New>(&whole[..end]).is_ok(), ends.contains(&end), "cut at {end}");
        }
    }
}
