//! From a journal's bytes back to what the catalogue knew.

use wstp_messages::{CommandId, Reply};

use super::model::{Change, Model, Record};
use super::record::Reader;

/// Commands whose outcome is kept over a restart.
const MAX_DONE: usize = 256;

/// What a journal says.
#[derive(Debug)]
pub struct Recovered {
    /// The journal with the highest counts.
    pub generation: u64,
    /// Everything that was durable.
    pub model: Model,
    /// The last commands that took effect, and what they were answered.
    pub done: Vec<(CommandId, Reply)>,
    /// The sequence number of the last record that counts.
    pub sequence: u64,
    /// Bytes up to the end of the last record that counts.
    pub valid: usize,
    /// Bytes of the snapshot at its start.
    pub snapshot: usize,
}

/// Reads a journal; `None` if not even its snapshot is whole.
pub fn recover(bytes: &[u8]) -> Option<Recovered> {
    let mut reader = Reader::new(bytes);
    let Record::Snapshot { generation, mut model } = reader.next()? else { return None };
    model.index();
    let snapshot = reader.position();
    let mut done = Vec::new();
    while let Some(Record::Change { command, change }) = reader.next() {
        done.extend(command.map(|command| (command, reply(&change))));
        model.apply(change);
    }
    done.drain(..done.len().saturating_sub(MAX_DONE));
    Some(Recovered { generation, model, done, sequence: reader.sequence()?, valid: reader.position(), snapshot })
}

fn reply(change: &Change) -> Reply {
    match change {
        Change::Added(item) => Reply::Transfer { transfer: item.id.clone(), existing: false },
        Change::Used(server) => Reply::Connected(server.clone()),
        _ => Reply::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::encode;
    use super::*;
    use wstp_messages::Settings;

    fn set(connections: u8) -> Record {
        Record::Change {
            command: Some(CommandId(format!("{connections:032x}"))),
            change: Change::Set(Settings { connections, ..Settings::default() }),
        }
    }

    fn journal() -> Vec<u8> {
        let first = Record::Snapshot { generation: 3, model: Model::default() };
        [encode(10, &first), encode(11, &set(2)), encode(12, &set(3))].concat()
    }

    #[test]
    fn a_whole_journal_comes_back() {
        let bytes = journal();
        let recovered = recover(&bytes).unwrap();
        assert_eq!((recovered.generation, recovered.sequence, recovered.valid), (3, 12, bytes.len()));
        assert_eq!(recovered.model.settings().connections, 3);
        assert_eq!(recovered.done[1], (CommandId(format!("{:032x}", 3)), Reply::Done));
    }

    #[test]
    fn a_torn_last_record_does_not_count() {
        let bytes = journal();
        let recovered = recover(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!((recovered.sequence, recovered.model.settings().connections), (11, 2));
    }

    #[test]
    fn a_torn_snapshot_is_no_journal() {
        assert!(recover(&journal()[..20]).is_none());
        assert!(recover(&[]).is_none());
        assert!(recover(&encode(0, &set(1))).is_none());
    }
}
