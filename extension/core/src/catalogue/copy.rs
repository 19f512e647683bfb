//! A copy of the list of downloads outside of the sandbox. It is left when somebody clears the sandbox and the browser
//! ends before the catalogue notices.
//!
//! It is text, because chrome.storage keeps no bytes: each character stands for one byte. It may be some seconds old.

use super::change::Record;
use super::model::Model;
use super::record::FORMAT;
use super::recover::recover;

/// Most transfers in a copy, which is written as a whole each time. The newest ones count.
const MOST: usize = 1000;

/// The copy of a list.
pub fn encode(model: &Model) -> String {
    let record = Record::Snapshot { generation: 0, model: model.essence(MOST) };
    FORMAT.begin(0, &record).into_iter().map(char::from).collect()
}

/// Reads a copy; `None` if it is damaged or of another version.
pub fn decode(copy: &str) -> Option<Model> {
    let bytes: Vec<_> = copy.chars().map(|byte| u8::try_from(byte).ok()).collect::<Option<_>>()?;
    let (_, recovered) = recover([&bytes, &[]], false).ok()??;
    Some(recovered.model)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use wstp_messages::{BlockRange, TransferId};

    use super::super::change::Change;
    use super::super::item::{Item, Kept};
    use super::*;

    fn list(count: usize) -> Model {
        let mut model = Model::default();
        for number in 0..count {
            let id = TransferId(format!("{number:032x}"));
            let item = Item::new(id.clone(), "ws://host:3000/ws".into(), format!("ä{number}"), 300, 0.0);
            let blocks = vec![BlockRange { first: 0, end: 7 }];
            let kept = Kept { verified: 200, verified_blocks: blocks, ..Kept::default() };
            model.apply(Change::Added(Box::new(Item { kept, ..item })));
            model.apply(Change::Begun(id));
        }
        model
    }

    #[test]
    fn a_copy_comes_back_without_what_is_gone_with_the_sandbox() {
        let read = decode(&encode(&list(2))).unwrap();
        let items: Vec<_> = read.items().collect();
        assert_eq!((items[1].path.as_str(), items[1].kept.verified, read.has_begun(&items[1].id)), ("ä1", 200, true));
        assert!(items[1].kept.verified_blocks.is_empty());
    }

    #[test]
    fn a_copy_is_bounded_and_has_the_newest() {
        let read = decode(&encode(&list(MOST + 3))).unwrap();
        assert_eq!((read.transfers(), read.items().next().unwrap().path.as_str()), (MOST, "ä3"));
    }

    #[test]
    fn what_is_no_copy_is_none() {
        let copy = encode(&list(1));
        assert!(decode(&copy[..copy.len() - 1]).is_none() && decode("").is_none() && decode("noise, 日本").is_none());
    }
}
