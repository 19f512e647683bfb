//! Sequences whose length is checked while they are decoded, so that a peer's count never decides how much memory is
//! taken.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Room taken before the first element.
const FIRST_ROOM: usize = 64;

/// Decodes a sequence of at most `MAX` elements; for `#[serde(deserialize_with)]`.
pub fn vec<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(Bounded::<T, MAX>(PhantomData))
}

struct Bounded<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bounded<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut elements = Vec::with_capacity(sequence.size_hint().unwrap_or(0).min(FIRST_ROOM));
        while let Some(element) = sequence.next_element()? {
            if elements.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, SeqDeserializer};

    #[test]
    fn a_sequence_that_is_too_long_is_refused_with_the_limit() {
        let decode = |bytes: &[u8]| super::vec::<_, u8, 2>(SeqDeserializer::<_, Error>::new(bytes.iter().copied()));
        assert_eq!(decode(&[1, 2]), Ok(vec![1, 2]));
        let refusal = decode(&[1, 2, 3, 4]).map_err(|error| error.to_string());
        assert_eq!(refusal, Err("invalid length 3, expected at most 2 elements".to_owned()));
    }
}
