//! The damage that a bad line does to one message of a server.

use std::fmt;
use std::time::Duration;

use crate::Random;

/// Longer than the extension's patience with a silent connection.
const LONGEST_STALL: Duration = Duration::from_secs(15);

/// A fault of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One of its bits is flipped.
    FlippedBit,
    /// Its end is missing.
    Truncated,
    /// It never arrives.
    Dropped,
    /// It arrives twice.
    Duplicated,
    /// The next message arrives first.
    Overtaken,
    /// It arrives late, and so does every message after it.
    Stalled,
    /// The connection is reset in the middle of it.
    Broken,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::FlippedBit,
        Self::Truncated,
        Self::Dropped,
        Self::Duplicated,
        Self::Overtaken,
        Self::Stalled,
        Self::Broken,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FlippedBit => "a bit of a message is flipped",
            Self::Truncated => "a message is truncated",
            Self::Dropped => "a message is dropped",
            Self::Duplicated => "a message is duplicated",
            Self::Overtaken => "a message is overtaken by the next",
            Self::Stalled => "a connection stalls",
            Self::Broken => "a connection is reset within a message",
        })
    }
}

/// The proxy's action in place of passing a message on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Passes an unchanged message on.
    Pass(Vec<u8>),
    /// Passes a changed message on, or one out of order.
    Spoil(Vec<u8>),
    /// Does nothing for this long.
    Wait(Duration),
    /// Lets the next message go first, if it comes soon.
    Behind(Vec<u8>),
    /// Passes a part of a message on and resets the connection.
    Break(Vec<u8>),
}

impl Fault {
    pub(super) fn happen(self, message: Vec<u8>, random: &mut Random) -> Vec<Step> {
        let place = random.below(message.len() as u64) as usize;
        match self {
            Self::FlippedBit => {
                let mut flipped = message;
                if let Some(byte) = flipped.get_mut(place) {
                    *byte ^= 1 << random.below(8);
                }
                vec![Step::Spoil(flipped)]
            }
            Self::Truncated => vec![Step::Spoil(message[..place].to_vec())],
            Self::Dropped => Vec::new(),
            Self::Duplicated => vec![Step::Pass(message.clone()), Step::Spoil(message)],
            Self::Overtaken => vec![Step::Behind(message)],
            Self::Stalled => vec![Step::Wait(random.up_to(LONGEST_STALL)), Step::Pass(message)],
            Self::Broken => vec![Step::Break(message)],
        }
    }

    /// Whether the extension may rightly distrust later messages on the same connection.
    pub(super) fn spoils(self) -> bool {
        !matches!(self, Self::Overtaken | Self::Stalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_message_differs_in_one_bit_and_a_truncated_one_is_shorter() {
        let message = vec![0x5a; 1000];
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let [Step::Spoil(flipped)] = &Fault::FlippedBit.happen(message.clone(), &mut random)[..] else { panic!() };
            let bits: u32 = flipped.iter().zip(&message).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((flipped.len(), bits), (1000, 1));
            let [Step::Spoil(cut)] = &Fault::Truncated.happen(message.clone(), &mut random)[..] else { panic!() };
            assert!(cut.len() < 1000 && message.starts_with(cut));
        }
    }

    #[test]
    fn an_empty_message_suffers_every_fault() {
        for fault in Fault::ALL {
            fault.happen(Vec::new(), &mut Random::new(1));
        }
    }
}
