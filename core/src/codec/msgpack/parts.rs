//! What is inside a list, a map, a struct and an enum's variant, for [`Reader`].

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{Uncommon, wire::Reader};

/// What is left of a list or map.
pub(super) struct Parts<'r, 'de> {
    pub(super) reader: &'r mut Reader<'de>,
    pub(super) left: u32,
}

impl Parts<'_, '_> {
    /// Whether there is another; it then counts as read.
    #[inline]
    fn advance(&mut self) -> bool {
        let more = self.left > 0;
        self.left -= u32::from(more);
        more
    }
}

impl<'de> SeqAccess<'de> for &mut Parts<'_, 'de> {
    type Error = Uncommon;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Uncommon> {
        match self.advance() {
            true => seed.deserialize(&mut *self.reader).map(Some),
            false => Ok(None),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left as usize)
    }
}

/// The entries of a map.
pub(super) struct Entries<'p, 'r, 'de>(pub(super) &'p mut Parts<'r, 'de>);

/// The fields of a struct.
pub(super) struct Fields<'p, 'r, 'de>(pub(super) &'p mut Parts<'r, 'de>);

macro_rules! entries {
    ($($map:ident: $key:expr;)*) => {$(
        impl<'de> MapAccess<'de> for $map<'_, '_, 'de> {
            type Error = Uncommon;

            #[inline]
            fn next_key_seed<K: DeserializeSeed<'de>>(
                &mut self,
                seed: K,
            ) -> Result<Option<K::Value>, Uncommon> {
                match self.0.advance() {
                    true => seed.deserialize($key(&mut *self.0.reader)).map(Some),
                    false => Ok(None),
                }
            }

            #[inline]
            fn next_value_seed<V: DeserializeSeed<'de>>(
                &mut self,
                seed: V,
            ) -> Result<V::Value, Uncommon> {
                seed.deserialize(&mut *self.0.reader)
            }

            #[inline]
            fn size_hint(&self) -> Option<usize> {
                Some(self.0.left as usize)
            }
        }
    )*};
}

entries! {
    Entries: std::convert::identity;
    Fields: Name;
}

/// The name of a struct's field.
struct Name<'r, 'de>(&'r mut Reader<'de>);

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = Uncommon;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        self.0.deserialize_any(visitor)
    }

    /// As bytes: a field is known by them as well, and nobody has to see whether they are UTF-8.
    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Uncommon> {
        let bytes = self.0.str()?;
        visitor.visit_borrowed_bytes(bytes)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

/// A variant with content: the map of one entry, its name first.
pub(super) struct Variant<'r, 'de>(pub(super) &'r mut Reader<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Uncommon;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Uncommon> {
        let name = seed.deserialize(&mut *self.0)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Uncommon;

    fn unit_variant(self) -> Result<(), Uncommon> {
        Err(Uncommon)
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Uncommon> {
        self.0.deeper(|reader| seed.deserialize(reader))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Uncommon> {
        self.0.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Uncommon> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
