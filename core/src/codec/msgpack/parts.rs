//! The content of arrays, maps, structs and variants, read by [`Reader`].

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::{Pass, wire::Reader};

/// The values left in an array, or the entries left in a map.
pub(super) struct Parts<'r, 'de, P> {
    pub(super) reader: &'r mut Reader<'de, P>,
    pub(super) left: u32,
}

impl<P> Parts<'_, '_, P> {
    /// Returns whether there is another value, and counts it as read.
    #[inline]
    fn advance(&mut self) -> bool {
        let more = self.left > 0;
        self.left -= u32::from(more);
        more
    }
}

impl<'de, P: Pass> SeqAccess<'de> for &mut Parts<'_, 'de, P> {
    type Error = P;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, P> {
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
pub(super) struct Entries<'p, 'r, 'de, P>(pub(super) &'p mut Parts<'r, 'de, P>);

/// The fields of a struct.
pub(super) struct Fields<'p, 'r, 'de, P>(pub(super) &'p mut Parts<'r, 'de, P>);

macro_rules! entries {
    ($($map:ident: $key:expr;)*) => {$(
        impl<'de, P: Pass> MapAccess<'de> for $map<'_, '_, 'de, P> {
            type Error = P;

            #[inline]
            fn next_key_seed<K: DeserializeSeed<'de>>(
                &mut self,
                seed: K,
            ) -> Result<Option<K::Value>, P> {
                match self.0.advance() {
                    true => seed.deserialize($key(&mut *self.0.reader)).map(Some),
                    false => Ok(None),
                }
            }

            #[inline]
            fn next_value_seed<V: DeserializeSeed<'de>>(
                &mut self,
                seed: V,
            ) -> Result<V::Value, P> {
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
struct Name<'r, 'de, P>(&'r mut Reader<'de, P>);

impl<'de, P: Pass> Deserializer<'de> for Name<'_, 'de, P> {
    type Error = P;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        self.0.deserialize_any(visitor)
    }

    /// Gives the name as bytes, which serde's derived code compares as well: it need not be checked for UTF-8.
    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, P> {
        if P::FULL {
            return self.0.deserialize_any(visitor);
        }
        visitor.visit_borrowed_bytes(self.0.str()?)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum ignored_any
    }
}

/// A variant with content: a map of one entry, whose key is the variant's name.
pub(super) struct Variant<'r, 'de, P>(pub(super) &'r mut Reader<'de, P>);

impl<'de, P: Pass> EnumAccess<'de> for Variant<'_, 'de, P> {
    type Error = P;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), P> {
        let name = seed.deserialize(&mut *self.0)?;
        Ok((name, self))
    }
}

impl<'de, P: Pass> VariantAccess<'de> for Variant<'_, 'de, P> {
    type Error = P;

    fn unit_variant(self) -> Result<(), P> {
        <()>::deserialize(self.0)
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, P> {
        self.0.deeper(|reader| seed.deserialize(reader))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, P> {
        self.0.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, P> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
